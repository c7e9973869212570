//! What is not told by type: objects of unknown type, and values that are no objects of their own.

use std::collections::HashSet;
use std::fmt;

use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, TypeId};

use crate::Analysis;
use crate::types::{Class, MapPart, What};

/// Values without pointers that have fewer bytes lie several to a block (runtime/malloc.go, go1.19 to
/// go1.27: `maxTinySize`).
const TINY: u64 = 16;

/// How many types are looked at that a type is made of. One of fewer than 16 bytes has few.
const PARTS: usize = 256;

/// Objects of which nothing is known but size and pointers. Any of them may be of a type that is
/// looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unknown {
    /// How many there are.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Unknown {
    /// Those that are reachable.
    pub fn of(analysis: &Analysis) -> Unknown {
        let mut unknown = Unknown::default();
        for object in analysis.dump.objects() {
            let class = analysis.types.class(analysis.types.class_of(object));
            let is_known = class.is_some_and(|class| !matches!(class.what, What::Unknown { .. }));
            if !is_known && analysis.is_reachable(object) {
                unknown.objects += 1;
                unknown.bytes = unknown.bytes.saturating_add(analysis.dump.size(object));
            }
        }
        unknown
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.objects {
            1 => write!(f, "1 object ({} B) is of unknown type", self.bytes),
            n => write!(f, "{n} objects ({} B) are of unknown type", self.bytes),
        }
    }
}

/// The bytes of a value of the type of that name, if its values are no objects of their own, for they
/// have no pointers and fewer than 16 bytes: the runtime puts several of them into one block
/// (runtime/malloc.go, go1.19 to go1.27: `mallocgc`, `mallocgcTiny`).
pub fn tiny(catalogue: &Catalogue, name: &str) -> Option<u64> {
    let ty = catalogue.named(name)?;
    let size = catalogue.get(ty)?.size;
    (size < TINY && has_no_pointers(catalogue, ty)).then_some(size)
}

fn has_no_pointers(catalogue: &Catalogue, ty: TypeId) -> bool {
    let (mut open, mut seen) = (vec![ty], HashSet::from([ty]));
    while let Some(ty) = open.pop() {
        let Some(of) = catalogue.get(ty) else {
            return false;
        };
        let parts: Vec<TypeId> = match of.kind {
            _ if of.size == 0 => Vec::new(),
            Kind::Struct if of.fields.is_empty() => return false,
            Kind::Struct => of.fields.iter().map(|field| field.ty).collect(),
            Kind::Array => match of.elem {
                Some(elem) => vec![elem],
                None => return false,
            },
            Kind::Bool
            | Kind::Int
            | Kind::Int8
            | Kind::Int16
            | Kind::Int32
            | Kind::Int64
            | Kind::Uint
            | Kind::Uint8
            | Kind::Uint16
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Uintptr
            | Kind::Float32
            | Kind::Float64
            | Kind::Complex64
            | Kind::Complex128 => Vec::new(),
            _ => return false,
        };
        open.extend(parts.into_iter().filter(|part| seen.insert(*part)));
        if seen.len() > PARTS {
            return false;
        }
    }
    true
}

/// The type whose values the objects of a class are, beside what the class is called: of a key or an
/// element of a map that is stored outside of its slot.
pub(super) fn stored_apart<'c>(catalogue: &'c Catalogue, class: &Class) -> Option<&'c str> {
    let ty = match class.what {
        What::MapPart(map, MapPart::Key) => catalogue.get(map)?.key,
        What::MapPart(map, MapPart::Elem) => catalogue.get(map)?.elem,
        _ => None,
    };
    Some(&catalogue.get(ty?)?.name)
}
