//! What a type of the Go runtime looks like in memory.
//!
//! Nothing here knows DWARF: layout tables that are baked in from a toolchain fill the same
//! structs as [`Dwarf::type_layout`](crate::Dwarf::type_layout) does.

/// Size and shape of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeLayout {
    /// Size of a value, in bytes.
    pub size: u64,
    /// What lies in those bytes.
    pub shape: Shape,
}

impl TypeLayout {
    /// The member called `name`, if this is a struct that has it.
    pub fn member(&self, name: &str) -> Option<&Member> {
        match &self.shape {
            Shape::Struct { members } => members.iter().find(|member| member.name == name),
            _ => None,
        }
    }
}

/// What a type is made of. Names are Go's own (`runtime.mspan`, `*runtime.g`, `[136]uint8`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A number: integers, bools, floats, complex, `uintptr`, and `unsafe.Pointer`.
    Scalar,
    /// A pointer. Maps and channels are pointers too: to the map's and the channel's own struct.
    Pointer {
        /// The type pointed to; `None` where it is not told.
        to: Option<String>,
    },
    /// A struct; strings, slices and interfaces are structs as well.
    Struct {
        /// Members in order of offset.
        members: Vec<Member>,
    },
    /// An array.
    Array {
        /// The element's type.
        element: String,
        /// How many elements.
        count: u64,
    },
    /// Anything else, above all a func value (one word).
    Opaque,
}

/// A member of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name; of an embedded field, the name of its type without the package.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Its type, to be asked for by this name.
    pub type_name: String,
}
