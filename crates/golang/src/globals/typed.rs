//! What the program's code says of types, for executables whose DWARF is gone, or does not tell.
//!
//! A program hands the types of its values to its runtime, whoever strips it: `newobject` takes the
//! descriptor of what it makes, `makemap`, `makeslice` and `growslice` do, every access to a map does,
//! and a method's name tells its receiver. Where such a value comes from a variable, or goes there, the
//! variable's type is told; where the entry of a function is stored into a new struct, that is what
//! closures of the function are, and what they captured.
//!
//! Only what holds on every way through a function to the place is believed ([`flow`]). Two places
//! that say different things of a variable are both told: whoever reads them knows the types, and what
//! can be said of one variable and what cannot.

mod flow;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Deref, Range};
use std::thread;

use goheap_image::FileAddr;

use super::code::Code;

/// What code says: of variables, and of closures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypedCode {
    /// What is said of the variable at an address.
    pub variables: BTreeMap<FileAddr, BTreeSet<Said>>,
    /// The structs that closures of a function are, by its entry.
    pub closures: BTreeMap<FileAddr, BTreeSet<FileAddr>>,
    /// Words that are set to a number other than 0, and that number: what slices have for their lengths.
    pub numbers: BTreeSet<(FileAddr, u64)>,
    /// Words that are set to a constant address, or compared with one, and that address: an interface
    /// begins with such a word.
    pub constants: BTreeSet<(FileAddr, FileAddr)>,
}

/// What is said of a variable. Types are told by their descriptors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// It is of this type.
    Is(Type),
    /// It points to a value of this type.
    PointsTo(Type),
    /// It begins with a pointer to the first of several values of this type.
    HoldsMany(Type),
}

/// A type that code names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// By its descriptor.
    At(FileAddr),
    /// By the name of a method: `main.Cache` of `main.(*Cache).Get`.
    Receiver(String),
}

/// Statements that are kept. The largest programs have some ten thousand.
const MOST: usize = 1 << 20;

/// Bytes of a function that are looked at: the one that sets up a package of large tables has some
/// hundred thousand.
const MOST_CODE: usize = 1 << 20;

/// Threads that read code at once: it is a second's work for the largest programs.
const MOST_THREADS: usize = 8;

/// How the registers of Go's calling convention are numbered, in the order in which arguments and results
/// are handed over (cmd/compile/abi-internal.md, go1.19 to go1.27: RAX, RBX, RCX, RDI, RSI).
const ARGUMENTS: [usize; 5] = [0, 3, 1, 7, 6];

/// What a function does with types. Numbers are places of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callee {
    /// It returns a new value of the type that it is given.
    Makes(usize),
    /// It returns the first of several.
    MakesMany(usize),
    /// It returns a value of the type that it is given: a map, a channel.
    Returns(usize),
    /// It is given a type and a value of it: a map.
    Uses,
    /// It is given a type and the address of a value of it.
    Reads,
    /// It is given a type and the addresses of two values of it.
    Moves,
    /// It is given a type and, at these places, pointers to the first of several.
    Copies([usize; 2]),
    /// It returns the first of several, and is given where they were before.
    Grows { ty: usize, old: usize },
    /// It leaves registers as they are, but for some that are set again before anything reads them: the
    /// compiler knows it.
    Keeps,
    /// It is given the address of its receiver.
    Method,
}

/// What functions of package runtime do (cmd/compile/internal/typecheck/_builtin/runtime.go, go1.19 to
/// go1.27). `grows` is where `growslice` has its type and the old slice: it changed in go1.20.
fn callee(name: &str, grows: Callee) -> Option<Callee> {
    let name = name.strip_prefix("runtime.")?;
    let maps = [
        "mapaccess",
        "mapassign",
        "mapdelete",
        "mapiterinit",
        "mapIterStart",
        "mapclear",
    ];
    Some(match name {
        "newobject" => Callee::Makes(0),
        "makeslice" | "makeslice64" | "makeslicecopy" => Callee::MakesMany(0),
        "growslice" | "growsliceNoAlias" | "growsliceBuf" | "growsliceBufNoAlias" => grows,
        "makemap" | "makemap64" | "makechan" | "makechan64" => Callee::Returns(0),
        "typedmemclr" | "wbZero" | "convT" | "convTnoptr" => Callee::Reads,
        "typedmemmove" | "wbMove" => Callee::Moves,
        "typedslicecopy" => Callee::Copies([1, 3]),
        "duffzero" | "duffcopy" => Callee::Keeps,
        _ if name.starts_with("gcWriteBarrier") => Callee::Keeps,
        // The compiler calls these in place of newobject (go1.26: ssagen/ssa.go, specializedMallocSym).
        _ if name.starts_with("mallocgcSmall") || name.starts_with("mallocgcTiny") => {
            Callee::Makes(1)
        }
        _ if maps.iter().any(|map| name.starts_with(map)) => Callee::Uses,
        _ => return None,
    })
}

/// `growslice` from go1.20 on (runtime/slice.go).
const GROWS: Callee = Callee::Grows { ty: 4, old: 0 };
/// `growslice` up to go1.19.
const GROWS_FIRST: Callee = Callee::Grows { ty: 0, old: 1 };

/// The type of the receiver of `main.(*T).Method`; `None` of other functions, and of generic ones, whose
/// names have shapes in place of types.
fn receiver(name: &str) -> Option<String> {
    let (before, method) = name.rsplit_once(").")?;
    let (package, ty) = before.rsplit_once(".(*")?;
    let plain = !name.contains('[') && !method.contains('.') && !method.ends_with("-fm");
    plain.then(|| format!("{package}.{ty}"))
}

impl<D: Deref<Target = [u8]> + Sync> Code<'_, D> {
    /// What the program's code says of types. Nothing on processors other than amd64.
    pub fn typed(&self) -> TypedCode {
        let mut told = TypedCode::default();
        if self.executable().goarch() != "amd64" {
            return told;
        }
        let old = self.executable().build_info();
        let old = old.is_some_and(|info| info.go_version.starts_with("go1.19"));
        let grows = if old { GROWS_FIRST } else { GROWS };
        let functions: Vec<_> = self.module().functions.funcs().collect();
        let mut callees: HashMap<u64, Callee> = HashMap::new();
        let mut duff: Vec<Range<u64>> = Vec::new();
        for func in &functions {
            let place = self.place(func);
            let Ok(name) = std::str::from_utf8(self.called(func)) else {
                continue;
            };
            let method = || name.contains(".(*").then_some(Callee::Method);
            let Some(callee) = callee(name, grows).or_else(method) else {
                continue;
            };
            // It is called in its middle.
            if name.starts_with("runtime.duff") {
                duff.push(place.start.get()..place.end.get());
            }
            callees.insert(place.start.get(), callee);
        }
        let find = |to: u64| {
            let in_duff = || duff.iter().any(|range| range.contains(&to));
            let found = callees.get(&to).copied();
            found.or_else(|| in_duff().then_some(Callee::Keeps))
        };
        let writable = self.writable();
        let is_variable = |at: u64| writable.iter().any(|range| range.contains(&at));
        let codes = self
            .codes()
            .map(|(_, place, code)| (code, place.start.get()));
        let codes = codes.filter(|(code, _)| code.len() <= MOST_CODE);
        let codes: Vec<(&[u8], u64)> = codes.collect();
        let threads = thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
        let share = codes.len().div_ceil(threads).max(1);
        let read = |codes: &[(&[u8], u64)]| {
            let mut told = TypedCode::default();
            let mut flow = flow::Flow::new();
            for (code, at) in codes {
                if told.len() > MOST / threads {
                    break;
                }
                flow.of(code, *at, &find, &mut |event| {
                    self.take(&mut told, event, &is_variable);
                });
            }
            told
        };
        thread::scope(|scope| {
            let parts = codes.chunks(share);
            let parts: Vec<_> = parts.map(|part| scope.spawn(|| read(part))).collect();
            for part in parts {
                // One that panics has told nothing, and says so by itself.
                told.merge(part.join().unwrap_or_default());
            }
        });
        told
    }

    /// Notes what an event says.
    fn take(&self, told: &mut TypedCode, event: flow::Event, is_variable: &dyn Fn(u64) -> bool) {
        match event {
            flow::Event::Said { at, what } if is_variable(at) => {
                let what = match what {
                    flow::What::Is(ty) => Said::Is(Type::At(FileAddr::new(ty))),
                    flow::What::PointsTo(ty) => Said::PointsTo(Type::At(FileAddr::new(ty))),
                    flow::What::HoldsMany(ty) => Said::HoldsMany(Type::At(FileAddr::new(ty))),
                };
                told.variables
                    .entry(FileAddr::new(at))
                    .or_default()
                    .insert(what);
            }
            flow::Event::Receiver { at, loaded, method } if is_variable(at) => {
                let Some(ty) = self.receiver_at(FileAddr::new(method)) else {
                    return;
                };
                let what = match loaded {
                    true => Said::PointsTo(Type::Receiver(ty)),
                    false => Said::Is(Type::Receiver(ty)),
                };
                told.variables
                    .entry(FileAddr::new(at))
                    .or_default()
                    .insert(what);
            }
            flow::Event::Constant { at, value } if is_variable(at) => {
                told.constants
                    .insert((FileAddr::new(at), FileAddr::new(value)));
            }
            flow::Event::Number { at, value } if is_variable(at) && value != 0 => {
                told.numbers.insert((FileAddr::new(at), value));
            }
            flow::Event::Closure { of, ty } => {
                let of = FileAddr::new(of);
                if self.function_at(of).is_some() {
                    let known = told.closures.entry(of).or_default();
                    known.insert(FileAddr::new(ty));
                }
            }
            _ => {}
        }
    }

    fn receiver_at(&self, method: FileAddr) -> Option<String> {
        let offset = method.since(self.module().text)?;
        let offset = goheap_image::pclntab::TextOffset::new(offset);
        let func = self.module().functions.find(offset)?;
        receiver(std::str::from_utf8(func.name()).ok()?)
    }
}

impl TypedCode {
    /// Takes what else was said.
    fn merge(&mut self, other: TypedCode) {
        for (at, mut said) in other.variables {
            self.variables.entry(at).or_default().append(&mut said);
        }
        for (of, mut structs) in other.closures {
            self.closures.entry(of).or_default().append(&mut structs);
        }
        self.numbers.extend(other.numbers);
        self.constants.extend(other.constants);
    }

    /// How much was said.
    fn len(&self) -> usize {
        self.variables.len() + self.closures.len() + self.numbers.len() + self.constants.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers() {
        for (name, wanted) in [
            ("main.(*Cache).Get", Some("main.Cache")),
            ("a.b/c%2ed.(*T).M", Some("a.b/c%2ed.T")),
            ("main.(*Cache).Get.func1", None),
            ("main.(*Cache).Get-fm", None),
            ("main.(*Cache[...]).Get", None),
            ("main.Cache.Get", None),
            ("main.get", None),
        ] {
            assert_eq!(receiver(name).as_deref(), wanted, "{name}");
        }
    }

    #[test]
    fn what_functions_do() {
        assert_eq!(callee("runtime.newobject", GROWS), Some(Callee::Makes(0)));
        assert_eq!(
            callee("runtime.mallocgcSmallScanNoHeaderSC3", GROWS),
            Some(Callee::Makes(1))
        );
        assert_eq!(
            callee("runtime.mapaccess2_faststr", GROWS),
            Some(Callee::Uses)
        );
        assert_eq!(callee("runtime.growslice", GROWS_FIRST), Some(GROWS_FIRST));
        assert_eq!(callee("runtime.mallocgc", GROWS), None);
        assert_eq!(callee("main.newobject", GROWS), None);
    }
}
