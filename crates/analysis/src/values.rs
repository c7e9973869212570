//! Where strings and slices are in values of known type, and where values are in objects.

use std::cell::Cell;
use std::collections::HashMap;

use goheap_golang::catalogue::{Catalogue, TypeId};
use goheap_golang::{Features, GoVersion, HeapBits, Kind};

use crate::dump::{Dump, ObjectId, word_at};
use crate::types::{HEADER, MapPart, Types, What, largest_without_header};

/// Where in an object its value begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    headers: bool,
}

/// Above these the type is told elsewhere than in a header (runtime/mbitmap.go, go1.22:
/// `mspan.largeType`).
const SMALL: u64 = 32 << 10;

impl Layout {
    pub(crate) fn of(dump: &Dump) -> Layout {
        let version = dump.params().go_version.parse::<GoVersion>().ok();
        let features = version.and_then(|version| Features::of(&version).ok());
        Layout {
            headers: features.is_some_and(|f| f.heap_bits == HeapBits::Headers),
        }
    }

    /// Bytes of an object before its value: the allocator's header, if it has one.
    pub(crate) fn base(&self, dump: &Dump, object: ObjectId) -> u64 {
        let size = dump.size(object);
        let without_header = largest_without_header(dump.params().model.word);
        if !self.headers || size <= without_header || size > SMALL {
            return 0;
        }
        let Some(record) = dump.object(object) else {
            return 0;
        };
        match record.fields.iter().next() {
            // Without pointers there is none; with one, the first word is no pointer.
            None | Some((_, 0)) => 0,
            // The largest class is also what four pages take, and that has no header.
            Some(_) if size == SMALL => {
                let first = word_at(dump.params().model, record.contents, 0).unwrap_or(0);
                match dump.catalogue().at(first) {
                    Some(_) => HEADER,
                    None => 0,
                }
            }
            Some(_) => HEADER,
        }
    }
}

/// A string or a slice that lies somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Where its first element is.
    pub(crate) pointer: u64,
    /// Bytes that it shows.
    pub(crate) len: u64,
    /// Bytes that it may grow into, those included; of a string, as many as it shows.
    pub(crate) capacity: u64,
    /// Whether it is a string.
    pub(crate) is_string: bool,
}

/// A word, or several of them, in a value.
#[derive(Debug, Clone, Copy)]
enum Part {
    String,
    /// A slice, and the bytes of an element.
    Slice(u64),
    /// So many values of a type that has parts.
    Repeat(TypeId, u64),
}

/// What a value of a type has in it.
#[derive(Debug, Clone, Default)]
struct Parts {
    size: u64,
    parts: Vec<(u64, Part)>,
}

/// How deep types that have parts may be nested: structs in arrays in structs. What is deeper is not
/// looked into.
const DEPTH: usize = 24;
/// How many parts of a type are kept.
const MOST_PARTS: usize = 4096;

/// The strings and slices of a dump.
pub(crate) struct Values<'d> {
    dump: &'d Dump,
    types: &'d Types,
    layout: Layout,
    parts: HashMap<TypeId, Parts>,
    word: u64,
    /// Parts of the object at hand that may still be looked at: types from outside may say that there
    /// are more in it than it has bytes.
    left: Cell<u64>,
}

impl<'d> Values<'d> {
    pub(crate) fn new(dump: &'d Dump, types: &'d Types) -> Values<'d> {
        let mut values = Values {
            dump,
            types,
            layout: Layout::of(dump),
            parts: HashMap::new(),
            word: dump.params().model.word_size().max(1),
            left: Cell::new(0),
        };
        let catalogue = dump.catalogue();
        for (id, _) in catalogue.types() {
            let parts = parts_of(catalogue, id, values.word);
            if !parts.parts.is_empty() {
                values.parts.insert(id, parts);
            }
        }
        values
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Shows all strings and slices in an object whose type is known.
    pub(crate) fn each(&self, object: ObjectId, visit: &mut impl FnMut(Shown)) {
        let Some(class) = self.types.class(self.types.class_of(object)) else {
            return;
        };
        let catalogue = self.dump.catalogue();
        self.left.set(self.dump.size(object));
        match class.what {
            What::Value(ty) => self.values(object, ty, false, visit),
            What::Array(ty) => self.values(object, ty, true, visit),
            What::Closure(function) => {
                let function = catalogue.functions.get(function as usize);
                if let Some(ty) = function.and_then(|function| function.closure) {
                    self.values(object, ty, false, visit);
                }
            }
            What::MapPart(map, MapPart::Buckets | MapPart::Groups) => {
                self.slots(object, map, visit);
            }
            What::MapPart(map, part @ (MapPart::Key | MapPart::Elem)) => {
                let map = catalogue.get(map);
                let ty = map.and_then(|map| match part {
                    MapPart::Key => map.key,
                    _ => map.elem,
                });
                if let Some(ty) = ty {
                    self.values(object, ty, false, visit);
                }
            }
            _ => {}
        }
    }

    /// Shows all strings and slices in global variables whose type is known.
    pub(crate) fn each_of_globals(&self, visit: &mut impl FnMut(Shown)) {
        for variable in &self.dump.catalogue().variables {
            let Some(parts) = variable.ty.and_then(|ty| self.parts.get(&ty)) else {
                continue;
            };
            if let Some((bytes, offset)) = self.dump.bytes_at(variable.address) {
                self.left.set(variable.size);
                self.value(bytes, parts, offset, 0, visit);
            }
        }
    }

    fn values(&self, object: ObjectId, ty: TypeId, many: bool, visit: &mut impl FnMut(Shown)) {
        let Some(parts) = self.parts.get(&ty) else {
            return;
        };
        let bytes = self.dump.contents(object);
        let mut at = self.layout.base(self.dump, object);
        while at < bytes.len() as u64 {
            self.value(bytes, parts, at, 0, visit);
            if !many {
                return;
            }
            at = at.saturating_add(parts.size.max(1));
        }
    }

    fn slots(&self, object: ObjectId, map: TypeId, visit: &mut impl FnMut(Shown)) {
        let (Some(places), Some(map)) =
            (self.types.slot_places(map), self.dump.catalogue().get(map))
        else {
            return;
        };
        let parts = |ty: Option<TypeId>, indirect: bool| {
            ty.filter(|_| !indirect).and_then(|ty| self.parts.get(&ty))
        };
        let keys = parts(map.key, places.indirect_key);
        let elems = parts(map.elem, places.indirect_elem);
        if keys.is_none() && elems.is_none() {
            return;
        }
        let bytes = self.dump.contents(object);
        let mut chunk = self.layout.base(self.dump, object);
        while chunk.saturating_add(places.size) <= bytes.len() as u64 {
            for slot in 0..SLOTS {
                for (parts, first, stride) in [
                    (keys, places.keys, places.key_stride),
                    (elems, places.elems, places.elem_stride),
                ] {
                    if let Some(parts) = parts {
                        let at = first.saturating_add(slot.saturating_mul(stride));
                        self.value(bytes, parts, chunk.saturating_add(at), 0, visit);
                    }
                }
            }
            chunk = chunk.saturating_add(places.size.max(1));
        }
    }

    fn value(
        &self,
        bytes: &[u8],
        parts: &Parts,
        at: u64,
        depth: usize,
        visit: &mut impl FnMut(Shown),
    ) {
        let word = |at: u64| word_at(self.dump.params().model, bytes, at);
        for (offset, part) in &parts.parts {
            let (Some(at), Some(left)) = (at.checked_add(*offset), self.left.get().checked_sub(1))
            else {
                return;
            };
            self.left.set(left);
            let (elem, is_string) = match *part {
                Part::String => (1, true),
                Part::Slice(elem) => (elem, false),
                Part::Repeat(ty, count) => {
                    let inner = self
                        .parts
                        .get(&ty)
                        .filter(|inner| depth < DEPTH && inner.size > 0);
                    let Some(inner) = inner else {
                        continue;
                    };
                    for nth in 0..count {
                        let at = at.saturating_add(nth.saturating_mul(inner.size));
                        if at >= bytes.len() as u64 || self.left.get() == 0 {
                            return;
                        }
                        self.value(bytes, inner, at, depth + 1, visit);
                    }
                    continue;
                }
            };
            let (Some(pointer), Some(len)) = (word(at), word(at.saturating_add(self.word))) else {
                return;
            };
            let capacity = match is_string {
                true => len,
                false => word(at.saturating_add(2 * self.word)).unwrap_or(len),
            };
            if pointer != 0 {
                visit(Shown {
                    pointer,
                    len: len.saturating_mul(elem),
                    capacity: capacity.max(len).saturating_mul(elem),
                    is_string,
                });
            }
        }
    }
}

/// Slots of a bucket and of a group (internal/abi/map.go: `MapBucketCount`, `MapGroupSlots`).
pub(crate) const SLOTS: u64 = 8;

/// The strings and slices in a value of a type. Types are from outside: they may be nested without
/// end.
fn parts_of(catalogue: &Catalogue, id: TypeId, word: u64) -> Parts {
    let mut parts = Parts {
        size: catalogue.get(id).map_or(0, |ty| ty.size),
        parts: Vec::new(),
    };
    let mut open = vec![(id, 0u64, 0usize)];
    while let Some((id, at, depth)) = open.pop() {
        let Some(ty) = catalogue.get(id) else {
            continue;
        };
        if depth > DEPTH || parts.parts.len() + open.len() > MOST_PARTS {
            continue;
        }
        match ty.kind {
            Kind::String => parts.parts.push((at, Part::String)),
            Kind::Slice => {
                let elem = ty.elem.and_then(|elem| catalogue.get(elem));
                if let Some(elem) = elem {
                    parts.parts.push((at, Part::Slice(elem.size)));
                }
            }
            Kind::Struct => {
                for field in &ty.fields {
                    open.push((field.ty, at.saturating_add(field.offset), depth + 1));
                }
            }
            Kind::Array => {
                if let Some(elem) = ty.elem.filter(|_| ty.len > 0) {
                    let has_pointers = catalogue.get(elem).is_some_and(|ty| ty.size >= word);
                    match ty.len {
                        1 => open.push((elem, at, depth + 1)),
                        _ if has_pointers => parts.parts.push((at, Part::Repeat(elem, ty.len))),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    parts.parts.sort_by_key(|(at, _)| *at);
    parts
}
