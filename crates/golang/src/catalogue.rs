//! What is known of a program's types, variables, closures and functions, as plain values: whoever
//! has it can say what an object is without the executable.
//!
//! It comes from an executable and the memory of its program (`catalogue::build`), or from the annex
//! of a dump. All addresses are live ones, all sizes bytes.

use std::collections::HashMap;
use std::fmt;

use goheap_image::layout::TypeLayout;

use goheap_memory::Addr;

use crate::{Kind, Layouts};

mod build;
mod closures;
mod debug;
mod describe;
mod layouts;
mod modules;
mod names;
mod said;

pub use build::{Debug, Sources, build};
pub(crate) use layouts::PLACES;
pub use said::FromCode;

/// A type of a [`Catalogue`], by its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// How a type came into the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeOrigin {
    /// The program's own type descriptor (`internal/abi.Type`).
    Descriptor,
    /// What DWARF or code says of something: no descriptor was linked in for it.
    Dwarf,
}

/// A Go type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoType {
    /// Address of its descriptor; 0 if it has none.
    pub address: u64,
    /// How it is known.
    pub origin: TypeOrigin,
    /// Its kind.
    pub kind: Kind,
    /// Bytes of a value.
    pub size: u64,
    /// Its name in full, with import paths as DWARF and the runtime's dumper write them:
    /// `go.etcd.io/etcd/mvcc.keyIndex`, `map[string]*main.User`, `[]uint8`.
    pub name: String,
    /// Import path of the package that a named type is of; empty for all others.
    pub package: String,
    /// What a pointer points to, a slice, an array, a channel or a map holds.
    pub elem: Option<TypeId>,
    /// The key type of a map.
    pub key: Option<TypeId>,
    /// The type of a map's buckets (up to Go 1.23) or groups (from 1.24).
    pub slots: Option<TypeId>,
    /// Elements of an array.
    pub len: u64,
    /// Fields of a struct, in the order of their offsets.
    pub fields: Vec<TypeField>,
}

impl GoType {
    /// Whether it is a struct that a closure is: the entry of a function, and what was captured
    /// (cmd/compile/internal/typecheck/func.go, go1.21: `ClosureType`; closure.go in go1.19: fields F, X0
    /// and so on, or the names of variables).
    pub fn is_closure(&self) -> bool {
        let first = self.fields.first();
        self.package.is_empty() && first.is_some_and(|f| matches!(f.name.as_str(), "F" | ".F"))
    }
}

/// A field of a struct type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeField {
    /// Its name; of an embedded field, that of its type without the package.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Its type.
    pub ty: TypeId,
    /// Whether it is embedded.
    pub embedded: bool,
}

/// A global variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Where it is.
    pub address: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Its name: `main.cache`.
    pub name: String,
    /// Its type, where DWARF tells, or else the program's code.
    pub ty: Option<TypeId>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its first instruction.
    pub entry: u64,
    /// Its name, as pclntab has it: `main.(*Server).serve.func1`.
    pub name: String,
    /// The struct that a closure of it is, its code pointer included, where DWARF, a descriptor or
    /// code tells.
    pub closure: Option<TypeId>,
}

/// Where a local variable or parameter lies while its function is at certain places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameVariable {
    /// Entry of its function.
    pub function: u64,
    /// The program counters for which this holds: from here,
    pub from: u64,
    /// and up to here, not included. A variable that is in one place always has its whole function.
    pub to: u64,
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TypeId,
    /// Bytes from the canonical frame address (on amd64 the address behind the return address) to
    /// it; variables are below, at negative offsets.
    pub cfa_offset: i64,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    types: Vec<GoType>,
    by_address: HashMap<u64, TypeId>,
    by_name: HashMap<String, TypeId>,
    /// By address.
    pub variables: Vec<Variable>,
    /// By entry.
    pub functions: Vec<Function>,
    /// By function, then by the start of their range.
    pub frame_variables: Vec<FrameVariable>,
    /// Itabs by address, and the type that each stores.
    pub itabs: HashMap<u64, TypeId>,
    /// Layouts of those of the runtime's own structs that decoders of maps, channels and the like ask
    /// for.
    pub layouts: KnownLayouts,
    /// Texts of the program's source, by address: pieces of what the linker calls `go:string.*`.
    pub constants: Vec<(u64, Vec<u8>)>,
    /// Whether the executable's DWARF was read for it.
    pub dwarf: bool,
    /// What was left out, because it is damaged.
    pub damage: Damage,
}

/// What a catalogue lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// How many things are damaged: descriptors, tables, entries of DWARF.
    pub count: u64,
    /// What the first of them is, and where.
    pub first: Option<String>,
}

impl Damage {
    /// Counts something that is damaged, or not believed, at an address.
    pub fn add(&mut self, at: Addr, why: &dyn fmt::Display) {
        self.count = self.count.saturating_add(1);
        if self.first.is_none() {
            self.first = Some(format!("{at}: {why}"));
        }
    }
}

impl Catalogue {
    /// How many types there are.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are no types.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// Adds a type. Of several with one address, or one name, the first is found by it.
    pub fn add(&mut self, ty: GoType) -> TypeId {
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        if ty.address != 0 {
            self.by_address.entry(ty.address).or_insert(id);
        }
        self.by_name.entry(ty.name.clone()).or_insert(id);
        self.types.push(ty);
        id
    }

    /// Calls a type by another name.
    fn rename(&mut self, id: TypeId, name: &str) {
        let Some(ty) = self.types.get_mut(id.0 as usize) else {
            return;
        };
        if ty.name == name || name.is_empty() {
            return;
        }
        let before = std::mem::replace(&mut ty.name, name.to_owned());
        if self.by_name.get(&before) == Some(&id) {
            self.by_name.remove(&before);
        }
        self.by_name.entry(name.to_owned()).or_insert(id);
    }

    /// The type of that number.
    pub fn get(&self, id: TypeId) -> Option<&GoType> {
        self.types.get(id.0 as usize)
    }

    /// The type of that number, to be completed while the catalogue is made.
    pub fn get_mut(&mut self, id: TypeId) -> Option<&mut GoType> {
        self.types.get_mut(id.0 as usize)
    }

    /// All types with their numbers.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &GoType)> {
        (0..).map(TypeId).zip(&self.types)
    }

    /// The type whose descriptor is at that address.
    pub fn at(&self, address: u64) -> Option<TypeId> {
        self.by_address.get(&address).copied()
    }

    /// The type of that name.
    pub fn named(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// Bytes of a word: those of the program's `uintptr`, which every program has.
    fn word(&self) -> u64 {
        let word = self.named("uintptr").and_then(|id| self.get(id));
        word.map_or(8, |word| word.size.clamp(4, 8))
    }

    /// The variable that the address lies in.
    pub fn variable_at(&self, address: u64) -> Option<&Variable> {
        let behind = self.variables.partition_point(|v| v.address <= address);
        let variable = self.variables.get(behind.checked_sub(1)?)?;
        (address - variable.address < variable.size.max(1)).then_some(variable)
    }

    /// The text at an address, and how far in that is.
    pub fn constant_at(&self, address: u64) -> Option<(&[u8], u64)> {
        let behind = self.constants.partition_point(|(at, _)| *at <= address);
        let (at, bytes) = self.constants.get(behind.checked_sub(1)?)?;
        let offset = address - at;
        (offset < bytes.len() as u64).then_some((bytes.as_slice(), offset))
    }

    /// The function that begins at the address.
    pub fn function_at(&self, entry: u64) -> Option<&Function> {
        let index = self
            .functions
            .binary_search_by_key(&entry, |function| function.entry)
            .ok()?;
        self.functions.get(index)
    }
}

/// Layouts that were asked for once, kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownLayouts(pub HashMap<String, TypeLayout>);

impl Layouts for KnownLayouts {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        self.0.get(name).cloned()
    }
}
