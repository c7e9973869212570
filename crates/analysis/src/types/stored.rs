//! What is known of all objects as numbers, and out of them again: for an analysed snapshot.
//!
//! Names are not among the numbers; they follow from the catalogue. So a snapshot says no more of a class
//! than which one of those it is that there can be.

use std::collections::HashSet;

use goheap_golang::catalogue::{Catalogue, TypeId};

use super::classes::class;
use super::codes::{RUNTIME, runtime_name};
use super::know::Know;
use super::{Class, ClassId, How, MapPart, Types, What};
use crate::dump::Dump;

/// A class as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StoredClass {
    /// Which kind of thing.
    pub(crate) what: u64,
    /// The type, the function, the name; bytes of what is not known.
    pub(crate) number: u64,
    /// Of what is not known, where its pointers are.
    pub(crate) pointers: u64,
}

/// Where closures of a function have a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredLength {
    /// The function, by its place in the catalogue.
    pub(crate) function: u64,
    /// Bytes from the start of the closure.
    pub(crate) offset: u64,
    /// Bytes of the length.
    pub(crate) size: u64,
}

/// How objects that are not known are numbered.
const UNKNOWN: u64 = 0;
const VALUE: u64 = 1;
const ARRAY: u64 = 2;
const STRING_BYTES: u64 = 3;
const TINY: u64 = 4;
const MAP: u64 = 5;
const BUCKETS: u64 = 6;
const GROUPS: u64 = 7;
const TABLE: u64 = 8;
const DIRECTORY: u64 = 9;
const KEY: u64 = 10;
const ELEM: u64 = 11;
const CHAN: u64 = 12;
const CLOSURE: u64 = 13;
const OF_RUNTIME: u64 = 14;

/// How many bits of a code tell how a class is known.
const HOW_BITS: u32 = 3;

/// The most lengths that are kept: each is of a word that a type of closures has.
const MOST_LENGTHS: usize = 1 << 22;

impl StoredClass {
    fn of(what: &What) -> StoredClass {
        let ty = |ty: TypeId| u64::from(ty.0);
        let (what, number, pointers) = match *what {
            What::Unknown { size, pointers } => (UNKNOWN, size, pointers),
            What::Value(of) => (VALUE, ty(of), 0),
            What::Array(of) => (ARRAY, ty(of), 0),
            What::StringBytes => (STRING_BYTES, 0, 0),
            What::Tiny => (TINY, 0, 0),
            What::Map(of) => (MAP, ty(of), 0),
            What::MapPart(of, part) => {
                let part = match part {
                    MapPart::Buckets => BUCKETS,
                    MapPart::Groups => GROUPS,
                    MapPart::Table => TABLE,
                    MapPart::Directory => DIRECTORY,
                    MapPart::Key => KEY,
                    MapPart::Elem => ELEM,
                };
                (part, ty(of), 0)
            }
            What::Chan(of) => (CHAN, ty(of), 0),
            What::Closure(function) => (CLOSURE, function.into(), 0),
            What::Runtime(name) => {
                let at = RUNTIME.iter().position(|known| *known == name);
                (OF_RUNTIME, at.unwrap_or(RUNTIME.len()) as u64, 0)
            }
        };
        StoredClass {
            what,
            number,
            pointers,
        }
    }

    /// What that is; `None` if there is nothing like it.
    fn what(self, catalogue: &Catalogue) -> Option<What> {
        let ty = || {
            let ty = TypeId(u32::try_from(self.number).ok()?);
            catalogue.get(ty).map(|_| ty)
        };
        let part = |part| Some(What::MapPart(ty()?, part));
        let what = match self.what {
            UNKNOWN => {
                let (size, pointers) = (self.number, self.pointers);
                return Some(What::Unknown { size, pointers });
            }
            VALUE => What::Value(ty()?),
            ARRAY => What::Array(ty()?),
            STRING_BYTES => What::StringBytes,
            TINY => What::Tiny,
            MAP => What::Map(ty()?),
            BUCKETS => part(MapPart::Buckets)?,
            GROUPS => part(MapPart::Groups)?,
            TABLE => part(MapPart::Table)?,
            DIRECTORY => part(MapPart::Directory)?,
            KEY => part(MapPart::Key)?,
            ELEM => part(MapPart::Elem)?,
            CHAN => What::Chan(ty()?),
            CLOSURE => {
                let function = u32::try_from(self.number).ok()?;
                catalogue.functions.get(function as usize)?;
                What::Closure(function)
            }
            OF_RUNTIME => What::Runtime(runtime_name(self.number)?),
            _ => return None,
        };
        (StoredClass::of(&what) == self).then_some(what)
    }
}

impl Types {
    /// The classes, by number.
    pub(crate) fn stored_classes(&self) -> impl Iterator<Item = StoredClass> {
        self.classes
            .iter()
            .map(|class| StoredClass::of(&class.what))
    }

    /// Lengths that closures have captured, by function.
    pub(crate) fn stored_lengths(&self) -> Vec<StoredLength> {
        let mut functions: Vec<u32> = self.lengths.keys().copied().collect();
        functions.sort_unstable();
        let of = |function: u32| {
            let lengths = self.captured_lengths(function).iter();
            lengths.map(move |&(offset, size)| StoredLength {
                function: function.into(),
                offset,
                size,
            })
        };
        functions.into_iter().flat_map(of).collect()
    }

    /// The code of each object: its class, and how that is known.
    pub(crate) fn stored_codes(&self) -> impl Iterator<Item = u64> {
        let each = self.class.iter().zip(&self.how);
        each.map(|(class, how)| u64::from(class.0) << HOW_BITS | *how as u64)
    }
}

/// Types that are being read.
#[derive(Default)]
pub(crate) struct Stored {
    known: HashSet<StoredClass>,
    types: Types,
    lengths: usize,
}

impl Stored {
    /// Nothing yet, of a dump with so many objects.
    pub(crate) fn new(objects: u32) -> Stored {
        let mut stored = Stored::default();
        stored.types.class.reserve_exact(objects as usize);
        stored.types.how.reserve_exact(objects as usize);
        stored
    }

    /// Takes a class; `None` if there can be no such, or it is there already, or there are more than
    /// objects.
    pub(crate) fn class(&mut self, dump: &Dump, stored: StoredClass) -> Option<()> {
        if self.types.classes.len() >= dump.object_count() as usize || !self.known.insert(stored) {
            return None;
        }
        let what = stored.what(dump.catalogue())?;
        let word = dump.params().model.word_size().max(1);
        let class: Class = class(dump.catalogue(), word, what);
        self.types.classes.push(class);
        Some(())
    }

    /// Takes where closures of a function have a length.
    pub(crate) fn length(&mut self, dump: &Dump, stored: StoredLength) -> Option<()> {
        let function = u32::try_from(stored.function).ok()?;
        dump.catalogue().functions.get(function as usize)?;
        self.lengths += 1;
        if self.lengths > MOST_LENGTHS {
            return None;
        }
        let lengths = self.types.lengths.entry(function).or_default();
        lengths.push((stored.offset, stored.size));
        Some(())
    }

    /// Takes the code of the next object.
    #[inline]
    pub(crate) fn code(&mut self, code: u64) -> Option<()> {
        let class = code >> HOW_BITS;
        if class >= self.types.classes.len() as u64
            || self.types.class.len() == self.types.class.capacity()
        {
            return None;
        }
        self.types.class.push(ClassId(class as u32));
        let how = (code & ((1 << HOW_BITS) - 1)) as u8;
        self.types.how.push(How::from_raw(how));
        Some(())
    }

    /// All of it; `None` if that is not of all objects.
    pub(crate) fn finish(mut self, dump: &Dump, refused: u64) -> Option<Types> {
        if self.types.class.len() != dump.object_count() as usize {
            return None;
        }
        let params = dump.params();
        let know = Know::new(dump.catalogue(), params.model, &params.go_version);
        self.types.places = know.slot_places();
        self.types.refused = refused;
        Some(self.types)
    }
}
