//! Where the runtime's variables are in an executable without symbols.
//!
//! Functions are found by name in the function table, which no `-s -w` and no strip(1) removes. What
//! a function refers to, instruction by instruction, is its *stream*: `load8` of some variable, `lea`
//! of another, a call of a function by name. From real toolchains it is known which variable stands
//! where in the streams of some sixty short functions ([`Streams`], which `cargo xtask streams` makes).
//! Such a stream is [aligned](align) with that of the same function of the executable, and the address
//! at the place of a variable is the variable's.
//!
//! The same toolchain compiles the runtime in two ways, with inlining and without ([`Kind`]). Which of them
//! a program was built in is told by the functions too: by which of the two all of them are more alike to
//! what was learnt. What the other says is not asked then.
//!
//! Every function that tells of a variable has to tell the same. One that stands in two places, or
//! that no function tells of clearly, is refused by name; an answer is never a guess. Whether what
//! lies there is what it should be, whoever reads the program's memory checks again
//! (`goheap_runtime::World::open`).
//!
//! Where obfuscators have changed the names of functions, these are recognised by their streams first (`recognised.rs`).

mod align;
mod amd64;
mod arm64;
mod code;
mod needed;
mod recognised;
mod release;
mod streams;
mod typed;
mod users;

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;

use goheap_image::{Executable, FileAddr, ModuleError};

pub use align::{Alignment, align};
pub use code::{Code, Named, Refers, Step};
pub use needed::VARIABLES;
pub use release::Unclear;
pub use streams::{Kind, Learnt, LearntStep, LearntTarget, Streams, StreamsError};
pub use typed::{Said, Type, TypedCode};
pub use users::UsedVariable;

use crate::{Features, GoVersion, VersionError};
use recognised::recognise;
use release::{by_code, is_as_learnt};

/// Why variables of the runtime were not found in an executable without symbols.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GlobalsError {
    /// It has no function table, or none that can be told from others.
    #[error("the executable has no symbols, and {0}; {GIVE_UNSTRIPPED}")]
    Module(#[from] ModuleError),
    /// For its machine nothing was learnt.
    #[error(
        "the executable has no symbols, and goheap cannot do without them on {0}; {GIVE_UNSTRIPPED}"
    )]
    Machine(&'static str),
    /// Its version of Go is none that goheap knows, with symbols or without.
    #[error(transparent)]
    Unknown(#[from] VersionError),
    /// For its version of Go nothing was learnt.
    #[error(
        "the executable has no symbols, and goheap has not learnt where {0} keeps the runtime's \
         variables; {GIVE_UNSTRIPPED}"
    )]
    Version(String),
    /// Names of functions are not the runtime's, and by their code not enough of them were recognised.
    #[error(
        "the executable has no symbols, the names of its functions are obfuscated, and where {name} is \
         cannot be told from its code: {why}; of {known} functions of package runtime that tell where \
         its variables are, it has {found} by name and {recognised} that are as known toolchains \
         compile them with inlining (-gcflags=-l turns that off); have it built with the names of \
         package runtime as they are, or, if they were changed after linking, give the file from before \
         that with --exe PATH"
    )]
    Obfuscated {
        /// A variable that was not found.
        name: &'static str,
        /// What was seen.
        why: Doubt,
        /// How many functions are known.
        known: usize,
        /// How many of them it has by name.
        found: usize,
        /// How many were recognised by their code.
        recognised: usize,
    },
    /// It does not tell its version, and its code does not either.
    #[error(
        "the executable has no symbols, and does not tell which version of Go built it; \
         {GIVE_UNSTRIPPED}"
    )]
    NoVersion,
    /// Its version was replaced by something that is none, and its code does not tell it either.
    #[error(
        "the executable has no symbols, and says that {said:?} built it, as garble has it; which version \
         of Go it was its code does not tell: {why}; {BUILD_OTHERWISE}"
    )]
    HiddenVersion {
        /// What stands in the place of the version.
        said: String,
        /// Why not.
        why: Unclear,
    },
    /// A variable was not found.
    #[error(
        "the executable has no symbols, and where {name} is cannot be told from its code: {why}; \
         {GIVE_UNSTRIPPED}"
    )]
    Unclear {
        /// The variable.
        name: &'static str,
        /// What was seen.
        why: Doubt,
    },
    /// Goheap's own table is damaged.
    #[error(transparent)]
    Streams(#[from] StreamsError),
}

/// What to do about all of these.
const GIVE_UNSTRIPPED: &str =
    "give the file from before strip with --exe PATH, or build without -ldflags=\"-s -w\"";

/// What to do where there is no such file.
const BUILD_OTHERWISE: &str = "build by an unchanged release of go1.21 to go1.26, without a profile, experiments, \
    or garble's -tiny";

/// What is in the way of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// Two functions say different things.
    #[error("{0} says {1}, {2} says {3}")]
    Disagreement(String, FileAddr, String, FileAddr),
    /// The functions that use it look like none that is known.
    #[error("{0} is not as known toolchains compile it")]
    Unlike(String),
    /// It lies where another variable does.
    #[error("{0} would be there as well")]
    Shared(&'static str),
    /// A function is as it was learnt, and what it refers to is not what others say.
    #[error("{0} refers to something else than others do")]
    Contradiction(String),
    /// It does not lie where a program has variables.
    #[error("{0} is no place of a variable")]
    Outside(FileAddr),
    /// It does not hold what it must.
    #[error("what lies at {0} is not the version that the executable tells")]
    Contents(FileAddr),
}

/// Where the runtime's variables and functions are in an executable, told by its code.
#[derive(Debug, Clone)]
pub struct Globals {
    version: GoVersion,
    /// Whether nothing but its code tells the version.
    hidden: bool,
    variables: HashMap<&'static str, FileAddr>,
    functions: HashMap<String, FileAddr>,
    /// What the runtime calls functions that the executable calls otherwise, by where they begin.
    names: BTreeMap<FileAddr, String>,
    /// How many functions told of each.
    witnesses: BTreeMap<&'static str, usize>,
}

/// Variables that a program may do without. Where functions have other names, it is not known whether
/// they are not there or were not recognised; then goheap does without the first two, and says so
/// where it would have needed them, and takes `tmpbuf`, which only a dump of the runtime's own fills,
/// for empty.
const NOT_IN_ALL: [&str; 3] = [
    "runtime.methodValueCallFrameObjs",
    "runtime.profMemActiveLock",
    "runtime.tmpbuf",
];

/// What an executable calls the runtime's functions.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// As the runtime does.
    TheRuntimes,
    /// Otherwise, but for some.
    Others {
        /// How many are known.
        known: usize,
        /// How many it has by name.
        found: usize,
    },
}

/// What the functions of a program say, taken for a program of one kind.
#[derive(Default)]
struct Reading<'s> {
    /// Variables that a function of the program is known to use, with one that does: they must be told.
    used: BTreeMap<&'static str, &'s str>,
    votes: BTreeMap<&'static str, Vec<Vote>>,
    /// How alike all functions are to what was learnt of them, in thousandths, and how many there are.
    alike: usize,
    functions: usize,
}

impl<'s> Reading<'s> {
    fn of<D: Deref<Target = [u8]>>(
        code: &Code<'_, D>,
        streams: &'s Streams,
        kind: Kind,
        version: &GoVersion,
        named: &HashMap<String, Named>,
        are_recognised: bool,
        told: Told,
    ) -> Reading<'s> {
        let mut reading = Reading {
            used: BTreeMap::from([(BUILD_VERSION, SETS_UP)]),
            ..Reading::default()
        };
        for function in streams.functions(kind) {
            let learnt = streams.of(function, kind, version);
            // A function that was not recognised may be there all the same.
            if are_recognised {
                let always = learnt.iter().flat_map(|learnt| learnt.variables());
                for name in always.filter(|name| !NOT_IN_ALL.contains(name)) {
                    reading.used.entry(name).or_insert(function);
                }
            }
            let Some(Named::One(place)) = named.get(function) else {
                continue;
            };
            if learnt.is_empty() {
                continue;
            }
            reading.functions += 1;
            for name in learnt.iter().flat_map(|learnt| learnt.variables()) {
                reading.used.entry(name).or_insert(function);
            }
            let Some(steps) = code.steps(place.clone()) else {
                continue;
            };
            // The nearest version first: of equals, it is believed.
            let aligned = learnt
                .iter()
                .map(|learnt| (*learnt, align(&learnt.steps, &steps)))
                .reduce(|best, next| match next.1.likeness() > best.1.likeness() {
                    true => next,
                    false => best,
                });
            let Some((learnt, alignment)) = aligned else {
                continue;
            };
            reading.alike += alignment.likeness();
            if alignment.is_close() {
                reading.add(function, learnt, &alignment, &steps, told);
            }
        }
        reading
    }

    /// Adds what one function says.
    fn add(
        &mut self,
        function: &str,
        learnt: &Learnt,
        alignment: &Alignment,
        steps: &[Step],
        told: Told,
    ) {
        for &(known, found) in &alignment.pairs {
            let (Some(known), Some(found)) = (learnt.steps.get(known), steps.get(found)) else {
                continue;
            };
            let (LearntTarget::Variable(name, inside), Refers::Data(to)) =
                (&known.target, &found.to)
            else {
                continue;
            };
            self.votes.entry(name).or_default().push(Vote {
                function: function.to_owned(),
                at: FileAddr::new(to.get().wrapping_sub(*inside)),
                // Where the version was told by that, it holds of each function.
                exact: alignment.exact
                    || told == Told::ByCode && is_as_learnt(&learnt.steps, steps),
            });
        }
    }

    /// How alike its functions are to what was learnt, on the average, in thousandths.
    fn likeness(&self) -> usize {
        self.alike.checked_div(self.functions).unwrap_or(0)
    }
}

/// How a version is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The file says so.
    ByFile,
    /// All functions are as it compiles them.
    ByCode,
    /// It is a guess.
    Not,
}

/// What one function says of a variable.
struct Vote {
    function: String,
    at: FileAddr,
    /// Whether the function is exactly as it was learnt.
    exact: bool,
}

impl Globals {
    /// Finds them.
    ///
    /// # Errors
    /// Any of them is not clear.
    pub fn of<D: Deref<Target = [u8]>>(
        executable: &Executable<D>,
    ) -> Result<Globals, GlobalsError> {
        let streams = Streams::of_machine(executable.goarch())?
            .ok_or(GlobalsError::Machine(executable.goarch()))?;
        let told = executable.build_info();
        let told = told.and_then(|info| info.go_version.parse::<GoVersion>().ok());
        if let Some(version) = &told {
            // What is not known at all would not be served with symbols either.
            Features::of(version)?;
        }
        let mut code = Code::new(executable)?;
        let named = code.functions();
        let known = streams.functions(Kind::Usual).count();
        let found = streams.functions(Kind::Usual);
        let found = found.filter(|name| named.contains_key(*name));
        // A program of any version has most of them: what is there only with some feature, or was
        // renamed from one version to the next, is the smaller part.
        let found = found.count();
        let names = match found < known / 3 {
            true => Names::Others { known, found },
            false => Names::TheRuntimes,
        };
        let Some(version) = told else {
            return match Globals::of_unknown_version(&mut code, &streams, names) {
                Err(GlobalsError::NoVersion) => match executable.build_info() {
                    Some(info) => {
                        Globals::of_hidden_version(&code, &streams, names, info.go_version)
                    }
                    None => Err(GlobalsError::NoVersion),
                },
                found => found,
            };
        };
        if !streams.minors().contains(&version.minor) {
            return Err(GlobalsError::Version(version.to_string()));
        }
        Globals::by(&mut code, &streams, names, version, Told::ByFile)
    }

    /// Those of a program that does not tell its version: by each that is known, and what its
    /// `buildVersion` then says must be that very version.
    fn of_unknown_version<D: Deref<Target = [u8]>>(
        code: &mut Code<'_, D>,
        streams: &Streams,
        names: Names,
    ) -> Result<Globals, GlobalsError> {
        let mut found: Option<Globals> = None;
        for minor in streams.minors() {
            let Ok(guess) = format!("go1.{minor}").parse::<GoVersion>() else {
                continue;
            };
            let Ok(mut globals) = Globals::by(code, streams, names, guess, Told::Not) else {
                continue;
            };
            let text = globals
                .address(BUILD_VERSION)
                .and_then(|at| code.string(at, 256));
            let text = text.map(|text| String::from_utf8_lossy(text).into_owned());
            match text.and_then(|text| text.parse::<GoVersion>().ok()) {
                Some(version) if version.minor == minor && found.is_none() => {
                    globals.version = version;
                    found = Some(globals);
                }
                Some(version) if version.minor == minor => return Err(GlobalsError::NoVersion),
                _ => {}
            }
        }
        found.ok_or(GlobalsError::NoVersion)
    }

    /// Those of a program that has `said` in the place of its version.
    fn of_hidden_version<D: Deref<Target = [u8]>>(
        code: &Code<'_, D>,
        streams: &Streams,
        names: Names,
        said: String,
    ) -> Result<Globals, GlobalsError> {
        let version = match names {
            Names::TheRuntimes => by_code(code, streams),
            // The names that `code` has by now are those of the version that was tried last.
            Names::Others { .. } => Err(Unclear::Nameless),
        };
        let version = match version {
            Ok(version) => version,
            Err(why) => return Err(GlobalsError::HiddenVersion { said, why }),
        };
        let mut globals = Globals::by_name(code, streams, version, Told::ByCode, BTreeMap::new())?;
        // What the functions tell is asked the only thing that is known of it.
        let at = globals.address(BUILD_VERSION);
        match at.and_then(|at| code.string(at, 256)) {
            Some(text) if text == said.as_bytes() => {}
            _ => {
                let name = BUILD_VERSION;
                let why = Doubt::Unlike(SETS_UP.to_owned());
                return Err(GlobalsError::Unclear { name, why });
            }
        }
        globals.hidden = true;
        Ok(globals)
    }

    /// By the names that functions have, or by those that their code deserves.
    fn by<D: Deref<Target = [u8]>>(
        code: &mut Code<'_, D>,
        streams: &Streams,
        names: Names,
        version: GoVersion,
        told: Told,
    ) -> Result<Globals, GlobalsError> {
        let Names::Others { known, found } = names else {
            return Globals::by_name(code, streams, version, told, BTreeMap::new());
        };
        let recognised = recognise(code, streams, &version);
        let (count, names) = (recognised.by_stream, recognised.names.clone());
        let refused = |name, why| GlobalsError::Obfuscated {
            name,
            why,
            known,
            found,
            recognised: count,
        };
        if let Some((name, function)) = &recognised.contradiction {
            return Err(refused(name, Doubt::Contradiction(function.clone())));
        }
        // The race detector has functions that goheap goes by and knows by name alone. Where it is,
        // this one calls it (runtime/proc.go: `schedinit`).
        if !recognised.names.values().any(|name| name == SETS_UP) {
            return Err(refused(BUILD_VERSION, Doubt::Unlike(SETS_UP.to_owned())));
        }
        code.recognise(recognised);
        match Globals::by_name(code, streams, version, told, names) {
            Err(GlobalsError::Unclear { name, why }) => Err(refused(name, why)),
            other => other,
        }
    }

    /// Those of a program of this version.
    fn by_name<D: Deref<Target = [u8]>>(
        code: &Code<'_, D>,
        streams: &Streams,
        version: GoVersion,
        told: Told,
        names: BTreeMap<FileAddr, String>,
    ) -> Result<Globals, GlobalsError> {
        let named = code.functions();
        // Those without inlining were learnt in part alone, too few to be recognised by (`recognised.rs`).
        let kinds = match names.is_empty() {
            true => Kind::ALL.as_slice(),
            false => &[Kind::Usual],
        };
        let readings = kinds.iter().map(|&kind| {
            let are_recognised = !names.is_empty();
            Reading::of(code, streams, kind, &version, &named, are_recognised, told)
        });
        // Of equals the first.
        let reading = readings.reduce(|best, next| match next.likeness() > best.likeness() {
            true => next,
            false => best,
        });
        let Reading {
            used, mut votes, ..
        } = reading.unwrap_or_default();
        let mut variables: HashMap<&'static str, FileAddr> = HashMap::new();
        let mut witnesses = BTreeMap::new();
        let mut places: BTreeMap<FileAddr, &'static str> = BTreeMap::new();
        for (name, user) in used {
            let votes = votes.remove(name).unwrap_or_default();
            let unclear = |why| GlobalsError::Unclear { name, why };
            let mut judged = judge(&votes, user);
            if name == BUILD_VERSION && told == Told::ByFile {
                judged = by_contents(judged, &code.strings(version.to_string().as_bytes()));
            }
            let (at, count) = judged.map_err(unclear)?;
            if !code.is_variable(at) {
                return Err(unclear(Doubt::Outside(at)));
            }
            if let Some(other) = places.insert(at, name) {
                return Err(unclear(Doubt::Shared(other)));
            }
            // Some symbols may be there yet, of a dynamic symbol table.
            if let Some(symbol) = code.symbol(name)
                && symbol != at
            {
                let (code, symbols) = ("its code".to_owned(), "its symbol".to_owned());
                return Err(unclear(Doubt::Disagreement(code, at, symbols, symbol)));
            }
            variables.insert(name, at);
            witnesses.insert(name, count);
        }
        // The one that was found by what it is.
        const FIRST: &str = "runtime.firstmoduledata";
        let module = code.module().at;
        if let Some(at) = variables.insert(FIRST, module)
            && at != module
        {
            let why = Doubt::Disagreement("its code".into(), at, "its contents".into(), module);
            return Err(GlobalsError::Unclear { name: FIRST, why });
        }
        let functions = named.into_iter().filter_map(|(name, found)| match found {
            Named::One(place) => Some((name, place.start)),
            Named::Several => None,
        });
        Ok(Globals {
            version,
            hidden: false,
            variables,
            functions: functions.collect(),
            names,
            witnesses,
        })
    }

    /// Where the variable or function called `name` is; `None` if the program has none, or if it is a
    /// variable that goheap has no use for.
    pub fn address(&self, name: &str) -> Option<FileAddr> {
        let variable = self.variables.get(name);
        // The symbol table tells assembly's calling convention, the function table does not.
        let function = || {
            self.functions
                .get(name.strip_suffix(".abi0").unwrap_or(name))
        };
        variable.or_else(function).copied()
    }

    /// What the runtime calls the function that begins at `at`, if the executable calls it otherwise and
    /// it was recognised.
    pub fn name(&self, at: FileAddr) -> Option<&str> {
        self.names.get(&at).map(String::as_str)
    }

    /// Whether the executable calls the runtime's functions otherwise.
    pub fn is_obfuscated(&self) -> bool {
        !self.names.is_empty()
    }

    /// The version of Go that built the program.
    pub fn version(&self) -> &GoVersion {
        &self.version
    }

    /// The same, if nothing but its code tells it: the program has something else in its place.
    pub fn hidden_version(&self) -> Option<&GoVersion> {
        self.hidden.then_some(&self.version)
    }

    /// How many functions told of each variable.
    pub fn witnesses(&self) -> &BTreeMap<&'static str, usize> {
        &self.witnesses
    }
}

/// Its contents are known, and set by the linker: so it can be told by them as well.
const BUILD_VERSION: &str = "runtime.buildVersion";

/// The function that sets up the runtime, which every program has.
const SETS_UP: &str = "runtime.schedinit";

/// Where `buildVersion` is: where the functions say, if its contents are there; or where these are, if
/// that is one place and no function said anything.
fn by_contents(
    judged: Result<(FileAddr, usize), Doubt>,
    places: &[FileAddr],
) -> Result<(FileAddr, usize), Doubt> {
    match (judged, places) {
        (Ok((at, count)), places) if places.contains(&at) => Ok((at, count + 1)),
        (Err(Doubt::Unlike(_)), [only]) => Ok((*only, 1)),
        (Ok((at, _)), _) => Err(Doubt::Contents(at)),
        (Err(doubt), _) => Err(doubt),
    }
}

/// Where a variable is by what the functions say that use it, of which `user` is one; and how many of
/// them say so.
fn judge(votes: &[Vote], user: &str) -> Result<(FileAddr, usize), Doubt> {
    let first = votes.first();
    let first = first.ok_or_else(|| Doubt::Unlike(user.to_owned()))?;
    if let Some(other) = votes.iter().find(|vote| vote.at != first.at) {
        let (a, b) = (first.function.clone(), other.function.clone());
        return Err(Doubt::Disagreement(a, first.at, b, other.at));
    }
    let mut functions: Vec<&str> = votes.iter().map(|vote| vote.function.as_str()).collect();
    functions.dedup();
    // One that is only similar to what was learnt needs another one's word.
    match functions.len() {
        1 if !first.exact => Err(Doubt::Unlike(first.function.clone())),
        count => Ok((first.at, count)),
    }
}
