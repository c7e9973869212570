//! What objects are: a class for each, and how it is known.
//!
//! From the contents of the dump and the [`Catalogue`](goheap_golang::catalogue::Catalogue) alone.

use std::collections::HashMap;

use goheap_golang::catalogue::TypeId;

use crate::dump::{Dump, ObjectId};
use crate::{Interrupted, Watch};

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

/// The classes of all objects.
#[derive(Debug, Default)]
pub struct Types {
    class: Vec<ClassId>,
    how: Vec<How>,
    classes: Vec<Class>,
}

impl Types {
    /// Finds out what the objects of a dump are.
    ///
    /// # Errors
    /// Interrupted.
    pub fn infer(dump: &Dump, watch: &dyn Watch) -> Result<Types, Interrupted> {
        let mut types = Types::default();
        let mut known: HashMap<What, ClassId> = HashMap::new();
        for object in dump.objects() {
            if object.0.is_multiple_of(1 << 16) {
                let total = dump.object_count();
                watch.step("finding types", object.0.into(), total.into())?;
            }
            let mut pointers = 0u64;
            dump.each_pointer(object, |offset, _| {
                pointers |= 1u64.checked_shl((offset / 8) as u32).unwrap_or(0);
            });
            let what = What::Unknown {
                size: dump.size(object),
                pointers,
            };
            let next = ClassId(types.classes.len() as u32);
            let class = *known.entry(what.clone()).or_insert_with(|| {
                types.classes.push(Class {
                    name: format!("unknown, {} B, pointers {pointers:b}", dump.size(object)),
                    what,
                    package: String::new(),
                });
                next
            });
            types.class.push(class);
            types.how.push(How::Unknown);
        }
        Ok(types)
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
}
