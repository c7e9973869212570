//! What DWARF tells of a program, as plain values.

use crate::FileAddr;
use crate::error::ImageError;

/// What DWARF tells of a program. Addresses are those of the file; types are told by the offset of
/// their entry in `.debug_info`.
#[derive(Debug, Default)]
pub struct DebugInfo {
    /// Types, by offset.
    pub types: Vec<DebugType>,
    /// Global variables.
    pub variables: Vec<DebugVariable>,
    /// Local variables and parameters of the functions that were asked for.
    pub locals: Vec<DebugLocal>,
    /// Captured variables of closures, of all functions.
    pub captures: Vec<DebugCapture>,
    /// How many units, or entries, are damaged and were left out.
    pub damaged: u64,
    /// What is wrong with the first of them.
    pub damage: Option<ImageError>,
}

/// A type.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DebugType {
    /// Where its entry is.
    pub offset: u32,
    /// Its name; empty if it has none.
    pub name: String,
    /// What it is to DWARF.
    pub form: DebugForm,
    /// Bytes of a value, if that is told.
    pub size: Option<u64>,
    /// Its kind, as Go's reflection numbers it; `None` for what is no type of Go's.
    pub kind: Option<u8>,
    /// Where its descriptor is, in bytes from the start of the program's types.
    pub descriptor: Option<u64>,
    /// What it is another name of, points to, or is an array of.
    pub target: Option<u32>,
    /// What a slice, a map or a channel holds.
    pub elem: Option<u32>,
    /// The key type of a map.
    pub key: Option<u32>,
    /// Elements of an array.
    pub count: Option<u64>,
    /// Members of a struct.
    pub members: Vec<DebugMember>,
}

/// What a type is to DWARF.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum DebugForm {
    /// A number.
    #[default]
    Base,
    /// A struct; also a slice or a string.
    Struct,
    /// A pointer.
    Pointer,
    /// An array.
    Array,
    /// Another name of a type; also an interface, a map or a channel, which have a kind.
    Typedef,
    /// A function.
    Function,
    /// None at all.
    Unspecified,
}

/// A member of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugMember {
    /// Its name.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Its type.
    pub ty: u32,
    /// Whether it is embedded.
    pub embedded: bool,
}

/// A global variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugVariable {
    /// Where it is.
    pub addr: FileAddr,
    /// Its name, with its package.
    pub name: String,
    /// Its type.
    pub ty: u32,
}

/// Where a local variable or parameter is, in a part of its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugLocal {
    /// Entry of its function.
    pub function: FileAddr,
    /// The first program counter for which this holds.
    pub from: FileAddr,
    /// The first one for which it does not any more.
    pub to: FileAddr,
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: u32,
    /// Bytes from the canonical frame address.
    pub cfa_offset: i64,
    /// Whether what is there is a pointer to the variable, which is on the heap.
    pub pointed_to: bool,
}

/// A variable that a closure has captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugCapture {
    /// Entry of the closure's function.
    pub function: FileAddr,
    /// Its name; with `&` in front if the closure holds a pointer to it.
    pub name: String,
    /// Its type.
    pub ty: u32,
    /// Bytes from the start of the closure.
    pub offset: u64,
}
