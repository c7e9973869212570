//! What objects are: a class for each, and how it is known.
//!
//! From the contents of the dump and the [`Catalogue`](goheap_golang::catalogue::Catalogue) alone.

//!
//! # How
//! What tells its type by itself is where the search begins (`seeds`): headers that the allocator
//! wrote, variables that DWARF gives a type, interfaces wherever their first word is an itab or a type
//! descriptor, goroutines. From there every word of known type claims what it leads to (`walk`,
//! `claims`), by lists that are made once per type (`program`). A claim is believed if the object has
//! the size that the allocator would give such a value (`sizes`), and exactly the pointers that the
//! collector knows of (`agree`); of two, the larger thing is what the object is, for it contains the
//! other. What leads into the middle of an object that nothing else tells of is kept as a hint, and
//! the hints of an object together may tell (`settle`).

use goheap_golang::SlotPlaces;
use goheap_golang::catalogue::TypeId;

use crate::dump::{Dump, ObjectId};
use crate::{Interrupted, Watch};

mod agree;
mod body;
mod captures;
mod claims;
mod classes;
mod codes;
mod know;
mod lastly;
mod maps;
mod program;
mod seeds;
mod settle;
mod sizes;
mod special;
mod stored;
mod strays;
mod testimony;
mod walk;

pub(crate) use stored::{Stored, StoredClass, StoredLength};

pub(crate) use sizes::{HEADER, largest_without_header};

use classes::Classes;
use know::Know;
use walk::Walk;

/// How often what is left is gone through at most.
const ROUNDS: usize = 4;

/// A class of objects: all that are the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u32);

/// What the objects of a class are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum What {
    /// Nothing is known but the size (bytes) and where pointers are: the first 64 words, bit i for
    /// word i.
    Unknown {
        /// Its size class in bytes.
        size: u64,
        /// Which of its first 64 words are pointers.
        pointers: u64,
    },
    /// One value of a type.
    Value(TypeId),
    /// Values of a type, one behind the other: what a slice is of.
    Array(TypeId),
    /// The bytes of strings (or of `[]byte` made of one).
    StringBytes,
    /// A block of tiny objects without pointers (16 bytes; runtime/malloc.go: `tinyAllocator`).
    Tiny,
    /// The header of a map of that type (`runtime.hmap`, `internal/runtime/maps.Map`).
    Map(TypeId),
    /// What belongs to a map of that type beside the header.
    MapPart(TypeId, MapPart),
    /// A channel of that type, with its buffer.
    Chan(TypeId),
    /// A closure of the function at that place of `Catalogue::functions`.
    Closure(u32),
    /// Something of the runtime's own that has no Go type here, by name.
    Runtime(&'static str),
}

/// What belongs to a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MapPart {
    /// Buckets (up to Go 1.23): a bucket, or an array of them.
    Buckets,
    /// Groups (from Go 1.24): a group, or an array of them.
    Groups,
    /// A table (from Go 1.24).
    Table,
    /// The directory of tables (from Go 1.24).
    Directory,
    /// A key that is stored outside of its slot, being large.
    Key,
    /// An element that is stored outside of its slot, being large.
    Elem,
}

/// How the class of an object is known. From sure to less so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum How {
    /// Not at all.
    Unknown,
    /// The allocator wrote its type before it (Go 1.22, more than 512 bytes).
    Header,
    /// An interface has a pointer to it, and its type beside that.
    Interface,
    /// A variable that DWARF gives a type leads to it.
    Variable,
    /// A channel tells the type of its elements, a map that of its keys: the runtime's own words.
    Runtime,
    /// A function's closure.
    Closure,
    /// A pointer in an object or variable of known type leads to it.
    Pointer,
    /// Like `Pointer`, and only one pointer says so, by a way that itself is a guess.
    Guess,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// What it is.
    pub what: What,
    /// Its name, for people: `main.Session`, `[]main.Session`, `map[string]int (buckets)`,
    /// `func main.serve.func1`, `string`, `unknown, 64 B, pointers at 0 16`.
    pub name: String,
    /// Import path of the package of its type (of the innermost named one: `main` of
    /// `[]*main.Session`); empty for none.
    pub package: String,
}

impl How {
    const ALL: [How; 8] = [
        How::Unknown,
        How::Header,
        How::Interface,
        How::Variable,
        How::Runtime,
        How::Closure,
        How::Pointer,
        How::Guess,
    ];

    fn from_raw(raw: u8) -> How {
        How::ALL
            .get(usize::from(raw))
            .copied()
            .unwrap_or(How::Unknown)
    }
}

/// The classes of all objects.
#[derive(Debug, Default)]
pub struct Types {
    class: Vec<ClassId>,
    how: Vec<How>,
    classes: Vec<Class>,
    places: std::collections::HashMap<TypeId, SlotPlaces>,
    lengths: std::collections::HashMap<u32, Vec<(u64, u64)>>,
    refused: u64,
}

impl Types {
    /// Finds out what the objects of a dump are.
    ///
    /// # Errors
    /// Interrupted.
    pub fn infer(dump: &Dump, watch: &dyn Watch) -> Result<Types, Interrupted> {
        let params = dump.params();
        let know = Know::new(dump.catalogue(), params.model, &params.go_version);
        let mut walk = Walk::new(dump, &know);
        if !dump.catalogue().is_empty() {
            walk.headers(watch)?;
            walk.variables();
            walk.goroutines();
            walk.finalizers();
            walk.drain(watch)?;
            walk.frames(watch)?;
            walk.drain(watch)?;
            walk.root_words();
            walk.drain(watch)?;
        }
        // What is found at last may tell what nothing else led to by type.
        for _ in 0..ROUNDS {
            let before = walk.claims();
            walk.untyped(watch)?;
            walk.drain(watch)?;
            walk.stray_maps(watch)?;
            walk.settle(watch)?;
            if walk.claims() == before {
                walk.lastly(watch)?;
            }
            if walk.claims() == before {
                break;
            }
        }
        let lengths = walk.captured_lengths();
        let (codes, state, refused) = walk.finish();
        let mut classes = Classes::new(dump, &know);
        let class = classes.number(codes, watch)?;
        Ok(Types {
            class,
            how: state
                .into_iter()
                .map(|state| How::from_raw(state & 15))
                .collect(),
            classes: classes.finish(),
            places: know.slot_places(),
            lengths,
            refused,
        })
    }

    /// Where the lengths and capacities of strings and slices are that closures of a function have
    /// captured, if not its own type but what all types of closures have in common tells: offsets and
    /// sizes in bytes. The function is told by its place in `Catalogue::functions`.
    pub(crate) fn captured_lengths(&self, function: u32) -> &[(u64, u64)] {
        self.lengths.get(&function).map_or(&[], Vec::as_slice)
    }

    /// The class of an object.
    pub fn class_of(&self, object: ObjectId) -> ClassId {
        self.class
            .get(object.0 as usize)
            .copied()
            .unwrap_or(ClassId(u32::MAX))
    }

    /// How that is known.
    pub fn how(&self, object: ObjectId) -> How {
        self.how
            .get(object.0 as usize)
            .copied()
            .unwrap_or(How::Unknown)
    }

    /// A class.
    pub fn class(&self, class: ClassId) -> Option<&Class> {
        self.classes.get(class.0 as usize)
    }

    /// All classes.
    pub fn classes(&self) -> impl Iterator<Item = (ClassId, &Class)> {
        (0..).map(ClassId).zip(&self.classes)
    }

    /// Where the buckets or groups of maps of a type have their keys and elements; `None` if that is
    /// not known.
    pub fn slot_places(&self, map: TypeId) -> Option<SlotPlaces> {
        self.places.get(&map).copied()
    }

    /// How often something that leads to an object told a type whose pointers are not those that the
    /// collector has of it. Such a type is not believed.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests;
