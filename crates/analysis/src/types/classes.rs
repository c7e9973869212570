//! From codes to the classes that others see: only those that objects have, with names.

use std::collections::HashMap;
use std::fmt::Write as _;

use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, TypeId};

use super::body::body;
use super::codes::Code;
use super::know::Know;
use super::{Class, ClassId, MapPart, What};
use crate::dump::{Dump, ObjectId};
use crate::nodes::package_of;
use crate::{Interrupted, Watch};

/// How many types a type's package is looked for in.
const DEPTH: usize = 64;

/// Offsets of pointers that a name tells of.
const TOLD: u32 = 8;

/// Classes as they come up, in the order of the objects.
pub(super) struct Classes<'d, 'k> {
    dump: &'d Dump,
    know: &'k Know<'d>,
    classes: Vec<Class>,
    of_code: Vec<u32>,
    unknown: HashMap<(u64, u64), ClassId>,
}

impl<'d, 'k> Classes<'d, 'k> {
    pub(super) fn new(dump: &'d Dump, know: &'k Know<'d>) -> Classes<'d, 'k> {
        Classes {
            dump,
            know,
            classes: Vec::new(),
            of_code: vec![u32::MAX; know.codes.len()],
            unknown: HashMap::new(),
        }
    }

    /// The classes of all objects, given their codes; in the same memory.
    pub(super) fn number(
        &mut self,
        mut codes: Vec<Code>,
        watch: &dyn Watch,
    ) -> Result<Vec<ClassId>, Interrupted> {
        let total = codes.len() as u64;
        for (code, object) in codes.iter_mut().zip(0u32..) {
            if object.is_multiple_of(1 << 14) {
                watch.step("naming types", object.into(), total)?;
            }
            let ClassId(class) = match self.of_code.get(code.0 as usize) {
                Some(&known) if known != u32::MAX => ClassId(known),
                Some(_) => self.known(*code, object),
                None => self.unknown(object),
            };
            code.0 = class;
        }
        // Of the same size, so the standard library takes the same memory.
        Ok(codes.into_iter().map(|class| ClassId(class.0)).collect())
    }

    pub(super) fn finish(self) -> Vec<Class> {
        self.classes
    }

    fn add(&mut self, class: Class) -> ClassId {
        let id = ClassId(self.classes.len() as u32);
        self.classes.push(class);
        id
    }

    fn known(&mut self, code: Code, object: u32) -> ClassId {
        let Some(what) = self.know.codes.what(code) else {
            return self.unknown(object);
        };
        let id = self.add(class(self.know.catalogue, self.know.word.max(1), what));
        if let Some(place) = self.of_code.get_mut(code.0 as usize) {
            *place = id.0;
        }
        id
    }

    fn unknown(&mut self, object: u32) -> ClassId {
        let object = ObjectId(object);
        let size = self.dump.size(object);
        let word = self.know.word.max(1);
        let mut pointers = 0u64;
        if let Some(record) = body(self.dump, object.0) {
            for (_, offset) in record.fields.iter() {
                let bit = u32::try_from(offset / word).ok();
                pointers |= bit.and_then(|bit| 1u64.checked_shl(bit)).unwrap_or(0);
            }
        }
        if let Some(id) = self.unknown.get(&(size, pointers)) {
            return *id;
        }
        let id = self.add(class(
            self.know.catalogue,
            word,
            What::Unknown { size, pointers },
        ));
        self.unknown.insert((size, pointers), id);
        id
    }
}

/// The class of what something is, with its name; `word` is how many bytes a pointer has.
pub(super) fn class(catalogue: &Catalogue, word: u64, what: What) -> Class {
    let (name, package) = match what {
        What::Unknown { size, pointers } => (unknown(size, pointers, word), String::new()),
        _ => names(catalogue, &what),
    };
    Class {
        what,
        name,
        package,
    }
}

/// The name of what is not known.
fn unknown(size: u64, pointers: u64, word: u64) -> String {
    let mut name = format!("unknown, {size} B, ");
    match pointers {
        0 => name.push_str("no pointers"),
        _ => {
            name.push_str("pointers at");
            let bits = (0..64u64).filter(|bit| pointers >> bit & 1 != 0);
            for bit in bits.take(TOLD as usize) {
                let _ = write!(name, " {}", bit * word);
            }
            if pointers.count_ones() > TOLD {
                name.push_str(" …");
            }
        }
    }
    name
}

/// The name and the package of a class.
fn names(catalogue: &Catalogue, what: &What) -> (String, String) {
    let of = |ty: TypeId| catalogue.get(ty).map_or("", |ty| ty.name.as_str());
    let package = |ty: TypeId| package(catalogue, ty);
    let none = String::new;
    match what {
        What::Unknown { .. } => (none(), none()),
        What::Value(ty) => {
            let kind = catalogue.get(*ty).map(|ty| ty.kind);
            let name = of(*ty);
            // What a slice or a string is of has the same name, and is far more often meant.
            let header = matches!(kind, Some(Kind::Slice)) && name.starts_with("[]")
                || kind == Some(Kind::String) && name == "string";
            let name = match header {
                true => format!("{name} (header)"),
                false => name.to_owned(),
            };
            (name, package(*ty))
        }
        What::Array(ty) => (format!("[]{}", of(*ty)), package(*ty)),
        What::StringBytes => ("string".to_owned(), none()),
        What::Tiny => ("tiny objects".to_owned(), none()),
        What::Map(ty) | What::Chan(ty) => (of(*ty).to_owned(), package(*ty)),
        What::MapPart(ty, part) => {
            let part = match part {
                MapPart::Buckets => "buckets",
                MapPart::Groups => "groups",
                MapPart::Table => "table",
                MapPart::Directory => "directory",
                MapPart::Key => "key",
                MapPart::Elem => "element",
            };
            (format!("{} ({part})", of(*ty)), package(*ty))
        }
        What::Closure(function) => {
            let name = catalogue.functions.get(*function as usize);
            let name = name.map_or("", |function| function.name.as_str());
            (format!("func {name}"), package_of(name).to_owned())
        }
        What::Runtime(name) => ((*name).to_owned(), "runtime".to_owned()),
    }
}

/// The package of the innermost named type.
fn package(catalogue: &Catalogue, ty: TypeId) -> String {
    let mut next = Some(ty);
    for _ in 0..DEPTH {
        let Some(ty) = next.and_then(|ty| catalogue.get(ty)) else {
            break;
        };
        if !ty.package.is_empty() {
            return ty.package.clone();
        }
        // The package of a map is that of its elements, or of its keys.
        next = match (ty.kind, ty.elem) {
            (Kind::Map, Some(elem)) if package_in(catalogue, elem) => Some(elem),
            (Kind::Map, _) => ty.key,
            (_, elem) => elem,
        };
    }
    String::new()
}

/// Whether a type, or what it is of, belongs to a package.
fn package_in(catalogue: &Catalogue, ty: TypeId) -> bool {
    let mut next = Some(ty);
    for _ in 0..DEPTH {
        let Some(ty) = next.and_then(|ty| catalogue.get(ty)) else {
            return false;
        };
        if !ty.package.is_empty() {
            return true;
        }
        next = ty.elem;
    }
    false
}
