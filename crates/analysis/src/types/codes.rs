//! Classes as numbers, made by arithmetic alone: whoever asks for the class of a type's array while
//! millions of objects are looked at shall not look anything up.

use goheap_golang::catalogue::TypeId;

use super::{MapPart, What};

/// A class while objects get theirs. What it is follows from the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Code(pub(super) u32);

impl Code {
    /// No class yet.
    pub(super) const NONE: Code = Code(u32::MAX);
}

/// Something of the runtime's own; its place among [`RUNTIME`].
pub(super) const MAP_EXTRA: u32 = 0;
pub(super) const OVERFLOW_HEADER: u32 = 1;
pub(super) const OVERFLOW_LIST: u32 = 2;
pub(super) const CHANNEL: u32 = 3;

/// What has a class and no Go type in the catalogue.
pub(super) const RUNTIME: [&str; 4] = [
    "runtime.mapextra",
    "[]*runtime.bmap (header)",
    "[]*runtime.bmap",
    "runtime.hchan",
];

/// The name of one of these, by its place.
pub(super) fn runtime_name(at: u64) -> Option<&'static str> {
    RUNTIME.get(usize::try_from(at).ok()?).copied()
}

/// What there is of each type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Of {
    Value = 0,
    Array = 1,
    Map = 2,
    Buckets = 3,
    Groups = 4,
    Table = 5,
    Directory = 6,
    Key = 7,
    Elem = 8,
    Chan = 9,
}

const EACH: [Of; 10] = [
    Of::Value,
    Of::Array,
    Of::Map,
    Of::Buckets,
    Of::Groups,
    Of::Table,
    Of::Directory,
    Of::Key,
    Of::Elem,
    Of::Chan,
];

/// A code, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinds {
    Of(Of, TypeId),
    StringBytes,
    Tiny,
    Closure(u32),
    Runtime(u32),
}

/// How numbers are given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codes {
    types: u32,
    functions: u32,
}

impl Codes {
    /// For a catalogue with so many types and functions; what is beyond gets no class.
    pub(super) fn new(types: usize, functions: usize) -> Codes {
        // Ten for each type, and functions, stay below u32::MAX.
        let types = types.min(1 << 28) as u32;
        let functions = functions.min(1 << 28) as u32;
        Codes { types, functions }
    }

    pub(super) fn of(self, of: Of, ty: TypeId) -> Code {
        if ty.0 >= self.types {
            return Code::NONE;
        }
        Code(ty.0 * EACH.len() as u32 + of as u32)
    }

    fn base(self) -> u32 {
        self.types * EACH.len() as u32
    }

    pub(super) fn string_bytes(self) -> Code {
        Code(self.base())
    }

    pub(super) fn tiny(self) -> Code {
        Code(self.base() + 1)
    }

    pub(super) fn runtime(self, which: u32) -> Code {
        Code(self.base() + 2 + which)
    }

    pub(super) fn closure(self, function: u32) -> Code {
        if function >= self.functions {
            return Code::NONE;
        }
        Code(self.base() + 2 + RUNTIME.len() as u32 + function)
    }

    /// How many codes there are.
    pub(super) fn len(self) -> usize {
        (self.base() + 2 + RUNTIME.len() as u32 + self.functions) as usize
    }

    /// What a code stands for; `None` of [`Code::NONE`].
    pub(super) fn kind(self, code: Code) -> Option<Kinds> {
        if code == Code::NONE {
            return None;
        }
        let each = EACH.len() as u32;
        let Some(rest) = code.0.checked_sub(self.base()) else {
            let of = EACH.get((code.0 % each) as usize)?;
            return Some(Kinds::Of(*of, TypeId(code.0 / each)));
        };
        let runtime = RUNTIME.len() as u32;
        Some(match rest {
            0 => Kinds::StringBytes,
            1 => Kinds::Tiny,
            _ if rest - 2 < runtime => Kinds::Runtime(rest - 2),
            _ => Kinds::Closure(rest - 2 - runtime),
        })
    }

    /// The same, as others see it.
    pub(super) fn what(self, code: Code) -> Option<What> {
        Some(match self.kind(code)? {
            Kinds::StringBytes => What::StringBytes,
            Kinds::Tiny => What::Tiny,
            Kinds::Closure(function) => What::Closure(function),
            Kinds::Runtime(which) => What::Runtime(RUNTIME.get(which as usize)?),
            Kinds::Of(of, ty) => match of {
                Of::Value => What::Value(ty),
                Of::Array => What::Array(ty),
                Of::Map => What::Map(ty),
                Of::Buckets => What::MapPart(ty, MapPart::Buckets),
                Of::Groups => What::MapPart(ty, MapPart::Groups),
                Of::Table => What::MapPart(ty, MapPart::Table),
                Of::Directory => What::MapPart(ty, MapPart::Directory),
                Of::Key => What::MapPart(ty, MapPart::Key),
                Of::Elem => What::MapPart(ty, MapPart::Elem),
                Of::Chan => What::Chan(ty),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_code_is_made_of_comes_out_of_it() {
        let codes = Codes::new(7, 5);
        let mut seen = std::collections::BTreeSet::new();
        for ty in (0..7).map(TypeId) {
            for of in EACH {
                let code = codes.of(of, ty);
                assert_eq!(codes.kind(code), Some(Kinds::Of(of, ty)));
                assert!(seen.insert(code));
            }
        }
        for function in 0..5 {
            let code = codes.closure(function);
            assert_eq!(codes.what(code), Some(What::Closure(function)));
            assert!(seen.insert(code));
        }
        for which in 0..RUNTIME.len() as u32 {
            let code = codes.runtime(which);
            assert_eq!(codes.kind(code), Some(Kinds::Runtime(which)));
            assert!(seen.insert(code));
        }
        assert_eq!(codes.what(codes.string_bytes()), Some(What::StringBytes));
        assert_eq!(codes.what(codes.tiny()), Some(What::Tiny));
        assert_eq!(codes.of(Of::Value, TypeId(7)), Code::NONE);
        assert_eq!(codes.kind(Code::NONE), None);
    }
}
