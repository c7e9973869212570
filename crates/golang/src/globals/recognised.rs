//! The runtime's functions in an executable that calls them otherwise.
//!
//! An obfuscator changes names, and leaves the code as it was. A learnt stream has no need of a name:
//! a function whose instructions refer to things in just that order, that is the only one of the
//! program to do so, is the one that was learnt, if it is long enough for that to be no chance. With it
//! the variables and functions that it refers to are known; by these shorter functions are told, and
//! so on. Nothing that is only similar counts.
//!
//! What is found this way is as good as the name would have been, and no better: all functions that
//! tell of a variable still have to tell the same, and the program's memory is to bear it out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Deref, Range};

use goheap_image::FileAddr;
use goheap_image::pclntab::{Func, FuncId, FuncIds};

use super::code::{Code, Found, MOST_CODE, Where};
use super::{Kind, Learnt, LearntTarget, Streams};
use crate::{Features, GoVersion};

/// Steps from which on a function that is the only one of its form is taken for the learnt one.
const LONG: usize = 12;

/// Things known before that a shorter one has to refer to: so many with a variable among them, or if it
/// tells of none.
const ANCHORS: usize = 2;

/// So many if they are functions alone.
const FUNCTIONS: usize = 3;

/// Functions of one form; where there are more, none of them is told.
const MOST_ALIKE: usize = 1024;

/// Bytes of `morestack_noctxt`, and what is behind it up to the next function.
const SHORT: u64 = 64;

/// What was recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recognised {
    /// The functions, by where they begin.
    pub(super) names: BTreeMap<FileAddr, String>,
    /// Those of them that only pass on a call (`FuncId::wrapper`).
    pub(super) wrappers: BTreeSet<FileAddr>,
    /// How many were told by a stream.
    pub(super) by_stream: usize,
    /// A variable, and a function that would have been told by its form alone, but for what others say.
    pub(super) contradiction: Option<(&'static str, String)>,
}

/// A function of the executable that has the form of a learnt one.
struct Candidate<'s> {
    /// How many steps it has.
    len: usize,
    claims: Claims<'s>,
}

/// What the accepted candidates say, from both sides.
struct Known<'s> {
    variables: BTreeMap<&'static str, u64>,
    places: BTreeMap<u64, &'static str>,
    functions: BTreeMap<u64, &'s str>,
    /// Without those that only pass on a call, which are called as the function itself.
    entries: BTreeMap<&'s str, u64>,
    wrappers: &'s BTreeSet<FileAddr>,
}

/// How many of the things that a candidate refers to are known already.
#[derive(Default)]
struct Anchors {
    variables: usize,
    functions: usize,
}

/// What one candidate says: where variables and functions are.
#[derive(Default)]
struct Claims<'s> {
    variables: BTreeMap<&'static str, u64>,
    functions: BTreeMap<u64, &'s str>,
}

impl<'s> Claims<'s> {
    /// What the function at `entry` says, if it is `name`, and each of its steps refers to what `targets`
    /// has; `None` if that contradicts itself.
    fn of(name: &'s str, learnt: &'s Learnt, entry: u64, targets: &[Found]) -> Option<Self> {
        let mut claims = Claims::default();
        let mut places: BTreeMap<u64, &str> = BTreeMap::new();
        claims.functions.insert(entry, name);
        for (step, target) in learnt.steps.iter().zip(targets) {
            match (&step.target, &target.to) {
                // The table may have no name for it.
                (LearntTarget::Function(name), Where::Code(_)) if name.is_empty() => {}
                (LearntTarget::Function(name), Where::Code(at)) => {
                    let known = claims.functions.entry(*at).or_insert(name);
                    if *known != name {
                        return None;
                    }
                }
                (LearntTarget::Variable(name, inside), Where::Data(at)) => {
                    let at = at.checked_sub(*inside)?;
                    if *claims.variables.entry(name).or_insert(at) != at
                        || *places.entry(at).or_insert(name) != *name
                    {
                        return None;
                    }
                }
                (LearntTarget::Other, Where::Data(_)) => {}
                _ => return None,
            }
        }
        Some(claims)
    }
}

impl<'s> Known<'s> {
    /// How much of `claims` is known already; `None` if what is known contradicts them.
    fn agrees(&self, claims: &Claims<'s>) -> Option<Anchors> {
        let mut same = Anchors::default();
        for (name, at) in &claims.variables {
            match (self.variables.get(name), self.places.get(at)) {
                (Some(known), _) if known != at => return None,
                (_, Some(known)) if known != name => return None,
                (Some(_), _) => same.variables += 1,
                _ => {}
            }
        }
        for (at, name) in &claims.functions {
            match (self.functions.get(at), self.entry(name, *at)) {
                (Some(known), _) if known != name => return None,
                (_, Some(known)) if known != *at => return None,
                (Some(_), _) => same.functions += 1,
                _ => {}
            }
        }
        Some(same)
    }

    /// Where the function called `name` is, if another one at `at` cannot be it as well.
    fn entry(&self, name: &str, at: u64) -> Option<u64> {
        match self.wrappers.contains(&FileAddr::new(at)) {
            true => None,
            false => self.entries.get(name).copied(),
        }
    }

    fn add(&mut self, claims: &Claims<'s>) {
        for (&name, &at) in &claims.variables {
            self.variables.insert(name, at);
            self.places.insert(at, name);
        }
        for (&at, &name) in &claims.functions {
            self.functions.insert(at, name);
            if !self.wrappers.contains(&FileAddr::new(at)) {
                self.entries.insert(name, at);
            }
        }
    }
}

/// Recognises the functions of package runtime as they are in `version`.
pub(super) fn recognise<D: Deref<Target = [u8]>>(
    code: &Code<'_, D>,
    streams: &Streams,
    version: &GoVersion,
) -> Recognised {
    let Ok(features) = Features::of(version) else {
        return Recognised::default();
    };
    let special = Special::of(code, features.func_ids);
    let mut forms: HashMap<String, Vec<(&str, &Learnt)>> = HashMap::new();
    for name in streams.functions(Kind::Usual) {
        for learnt in streams.of(name, Kind::Usual, version) {
            let form = form(learnt.steps.iter().map(|step| step.op.as_str()));
            forms.entry(form).or_default().push((name, learnt));
        }
    }
    let mut candidates: BTreeMap<&str, Vec<Candidate<'_>>> = BTreeMap::new();
    code.each_function(MOST_CODE, |place, found| {
        let entry = place.start.get();
        if special.wrappers.contains(&place.start) {
            return;
        }
        let found: Vec<Found> = special.without_noise(found, &place);
        let form = form(found.iter().map(|found| found.op.as_str()));
        for (name, learnt) in forms.get(&form).into_iter().flatten() {
            let Some(claims) = Claims::of(name, learnt, entry, &found) else {
                continue;
            };
            let mut places = claims.variables.values();
            if places.all(|at| code.is_variable(FileAddr::new(*at))) {
                let len = found.len();
                let all = candidates.entry(name).or_default();
                all.push(Candidate { len, claims });
            }
        }
    });
    let mut known = Known {
        variables: BTreeMap::new(),
        places: BTreeMap::new(),
        functions: BTreeMap::new(),
        entries: BTreeMap::new(),
        wrappers: &special.wrappers,
    };
    let functions = special.names.iter();
    known.add(&Claims {
        variables: BTreeMap::new(),
        functions: functions.map(|(at, name)| (at.get(), &**name)).collect(),
    });
    let mut accepted: BTreeSet<&str> = BTreeSet::new();
    // The long ones first, and then, until there are no more, those that others tell.
    let mut by_others = false;
    loop {
        let before = accepted.len();
        for (name, all) in &candidates {
            if accepted.contains(name) || all.len() > MOST_ALIKE {
                continue;
            }
            let mut fitting = all
                .iter()
                .filter_map(|candidate| Some((candidate, known.agrees(&candidate.claims)?)));
            let (Some((candidate, same)), None) = (fitting.next(), fitting.next()) else {
                continue;
            };
            let claims = &candidate.claims;
            let anchors = match same.variables == 0 && !claims.variables.is_empty() {
                true => FUNCTIONS,
                false => ANCHORS,
            };
            let anchored = same.variables + same.functions >= anchors;
            if candidate.len >= LONG && all.len() == 1 || by_others && anchored {
                known.add(claims);
                accepted.insert(name);
            }
        }
        if accepted.len() == before && by_others {
            break;
        }
        by_others = true;
    }
    let contradiction = candidates.iter().find_map(|(name, all)| {
        let [only] = &**all else { return None };
        let (&variable, _) = only.claims.variables.first_key_value()?;
        let is_alone = !accepted.contains(name) && only.len >= LONG;
        is_alone.then(|| (variable, (*name).to_owned()))
    });
    let names = known.functions.into_iter();
    Recognised {
        names: names
            .map(|(at, name)| (FileAddr::new(at), name.to_owned()))
            .collect(),
        wrappers: special.wrappers.clone(),
        by_stream: accepted.len(),
        contradiction,
    }
}

/// The operations of a stream, one behind the other.
fn form<'o>(ops: impl Iterator<Item = &'o str>) -> String {
    let mut form = String::new();
    for op in ops {
        form.push_str(op);
        form.push(' ');
    }
    form
}

/// Bytes of the largest of [`ASSEMBLY`].
const LARGEST_ASSEMBLY: u64 = 1 << 12;

/// Is assembly (internal/abi/symtab.go, go1.22: `FuncFlagAsm`; go1.19 to go1.21: runtime/symtab.go).
const IS_ASSEMBLY: u8 = 4;

/// Functions of assembly, which refer to nothing, by instructions that they alone have (go1.19 to
/// go1.27). The third says whether these are the first.
const ASSEMBLY: [(&str, &[u8], bool); 5] = [
    // runtime/sys_linux_amd64.s: `MOVL $SYS_futex, AX; SYSCALL`; the same with nanosleep.
    ("runtime.futex", b"\xb8\xca\0\0\0\x0f\x05", false),
    ("runtime.usleep", b"\xb8\x23\0\0\0\x0f\x05", false),
    // syscall/asm_linux_amd64.s: `POPQ R12; SYSCALL; PUSHQ R12`.
    (
        "syscall.rawVforkSyscall",
        b"\x41\x5c\x0f\x05\x41\x54",
        false,
    ),
    // runtime/duff_amd64.s: `MOVUPS X15, (DI); MOVUPS X15, 16(DI)`.
    (
        "runtime.duffzero",
        b"\x44\x0f\x11\x3f\x44\x0f\x11\x7f\x10",
        true,
    ),
    // `MOVUPS (SI), X0; ADDQ $16, SI; MOVUPS X0, (DI); ADDQ $16, DI`.
    (
        "runtime.duffcopy",
        b"\x0f\x10\x06\x48\x83\xc6\x10\x0f\x11\x07\x48\x83\xc7\x10",
        true,
    ),
];

/// Functions that the table itself tells from others, by number, and some of assembly.
struct Special {
    names: BTreeMap<FileAddr, String>,
    wrappers: BTreeSet<FileAddr>,
    /// What a function calls that grows its stack.
    morestack: BTreeSet<u64>,
}

impl Special {
    fn of<D: Deref<Target = [u8]>>(code: &Code<'_, D>, ids: FuncIds) -> Special {
        let mut special = Special {
            names: BTreeMap::new(),
            wrappers: BTreeSet::new(),
            morestack: BTreeSet::new(),
        };
        let id = |func: &Func<'_>| FuncId::from_raw(func.func_id(), ids);
        for func in code.module().functions.funcs() {
            let entry = code.place(&func).start;
            let name = match id(&func) {
                None | Some(FuncId::normal) => continue,
                Some(FuncId::wrapper) => {
                    special.wrappers.insert(entry);
                    continue;
                }
                Some(FuncId::runtime_main) => "runtime.main".to_owned(),
                // They are called as the functions are.
                Some(id) => format!("runtime.{id:?}"),
            };
            if id(&func) == Some(FuncId::morestack) {
                special.morestack.insert(entry.get());
            }
            special.names.insert(entry, name);
        }
        // `morestack_noctxt` clears a register and goes on to `morestack` (runtime/asm_*.s).
        let mut without = Vec::new();
        code.each_function(SHORT, |place, found| {
            if let [
                Found {
                    op,
                    to: Where::Code(to),
                },
            ] = &*found
                && op == "jump"
                && special.morestack.contains(to)
            {
                without.push(place.start);
            }
        });
        for entry in without {
            special.morestack.insert(entry.get());
            special
                .names
                .insert(entry, "runtime.morestack_noctxt".to_owned());
        }
        special.name_assembly(code);
        special
    }

    /// Adds those of assembly.
    fn name_assembly<D: Deref<Target = [u8]>>(&mut self, code: &Code<'_, D>) {
        // `gogo` ends with a jump to the part of it that switches; `systemstack` calls what saves
        // where it leaves the stack (runtime/asm_amd64.s).
        for (of, op, name) in [
            ("runtime.gogo", "jump", "gogo"),
            ("runtime.systemstack", "call", "gosave_systemstack_switch"),
        ] {
            let mut entries = self.names.iter().filter(|(_, name)| *name == of);
            let (Some((&entry, _)), None) = (entries.next(), entries.next()) else {
                continue;
            };
            let found = code.function_at(entry).and_then(|place| {
                let found = code.found(place.clone())?;
                let found = self.without_noise(found, &place);
                found.into_iter().find(|found| found.op == op)
            });
            if let Some(Found {
                to: Where::Code(at),
                ..
            }) = found
            {
                let at = FileAddr::new(at);
                self.names.entry(at).or_insert_with(|| name.to_owned());
            }
        }
        if code.executable().goarch() != "amd64" {
            return;
        }
        let mut found: BTreeMap<&str, Vec<FileAddr>> = BTreeMap::new();
        for func in code.module().functions.funcs() {
            let place = code.place(&func);
            let size = place.end.since(place.start).unwrap_or(0);
            if func.flag() & IS_ASSEMBLY == 0 || size > LARGEST_ASSEMBLY {
                continue;
            }
            let bytes = code.executable().bytes_at(place.start, size);
            let bytes = bytes.unwrap_or_default();
            for (name, pattern, first) in ASSEMBLY {
                let has = match first {
                    true => bytes.starts_with(pattern),
                    false => bytes.windows(pattern.len()).any(|part| part == pattern),
                };
                if has {
                    found.entry(name).or_default().push(place.start);
                }
            }
        }
        for (name, entries) in found {
            if let [only] = *entries {
                self.names.entry(only).or_insert_with(|| name.to_owned());
            }
        }
    }

    /// What [`Code::steps`] leaves out.
    fn without_noise(&self, found: Vec<Found>, place: &Range<FileAddr>) -> Vec<Found> {
        let is_noise = |found: &Found| match found.to {
            Where::Code(at) => place.contains(&FileAddr::new(at)) || self.morestack.contains(&at),
            Where::Data(_) => false,
        };
        found.into_iter().filter(|found| !is_noise(found)).collect()
    }
}
