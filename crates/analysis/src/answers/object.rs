//! What is in an object: fields, elements, entries of a map, text, words; each as Go would print it.

use std::collections::HashSet;

use goheap_golang::Kind;
use goheap_golang::catalogue::TypeId;

use crate::Analysis;
use crate::dump::ObjectId;
use crate::paths::{dynamic, slot, value_text};
use crate::types::{MapPart, What};
use crate::values::{Layout, SLOTS};

/// How many parts of one value are told apart at most.
const PARTS: usize = 512;

/// How deep structs and arrays in one another are taken apart.
const DEEP: usize = 16;

/// Arrays of more elements are one part.
const ARRAY: u64 = 16;

/// How many objects that a map is made of are looked at.
const MAP_OBJECTS: usize = 4096;

/// How many slots of a map are looked at for one page.
const MAP_SLOTS: u64 = 1 << 20;

/// A part of an object: a field, an element, an entry, a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Bytes from the start of the object; of an entry of a map, where that is told apart.
    pub offset: Option<u64>,
    /// What it is called: `User.Name`, `[17].next`, `["sess-4f"]`; empty for a word.
    pub name: String,
    /// Its type, where that is known.
    pub ty: String,
    /// Its value, as Go prints it.
    pub value: String,
    /// Where it leads, if that is an object.
    pub leads_to: Option<u64>,
}

/// What is told of an object's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The fields of a struct, or one value.
    Fields,
    /// Elements of an array.
    Elements,
    /// Entries of a map.
    Entries,
    /// Text.
    Text,
    /// Words: no type tells what they are.
    Words,
}

/// What is in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What the parts are.
    pub form: Form,
    /// Parts, from the one that was asked for.
    pub parts: Vec<Part>,
    /// How many there are in all; `None` if that was not counted.
    pub total: Option<u64>,
    /// Whether there are more behind these.
    pub more: bool,
    /// The bytes of text, its beginning.
    pub text: Vec<u8>,
    /// Bytes of all the text.
    pub text_len: u64,
}

/// Key and element of a map: type and address of each.
type Entry = ((TypeId, u64), (TypeId, u64));

/// A place in a value.
#[derive(Debug, Clone)]
struct Leaf {
    name: String,
    ty: TypeId,
    offset: u64,
}

/// What is in an object: parts from number `skip` on, at most `most` of them, and at most `text` bytes
/// of text.
pub fn contents(
    analysis: &Analysis,
    object: ObjectId,
    skip: u64,
    most: usize,
    text: usize,
) -> Contents {
    let teller = Teller {
        analysis,
        layout: Layout::of(&analysis.dump),
    };
    let class = analysis.types.class(analysis.types.class_of(object));
    let size = analysis.dump.size(object);
    let base = teller.layout.base(&analysis.dump, object).min(size);
    match class.map(|class| &class.what) {
        Some(What::StringBytes) => teller.text(object, text),
        Some(What::Array(elem)) if teller.kind(*elem) == Some(Kind::Uint8) => {
            teller.text(object, text)
        }
        Some(What::Array(elem)) => teller.elements(object, *elem, base, skip, most),
        Some(What::Value(ty)) => teller.elements_of(object, *ty, base, 1, false, skip, most),
        Some(What::Closure(function)) => {
            let functions = &analysis.dump.catalogue().functions;
            let closure = functions.get(*function as usize).and_then(|f| f.closure);
            match closure {
                Some(ty) => teller.elements_of(object, ty, base, 1, false, skip, most),
                None => teller.words(object, skip, most),
            }
        }
        Some(What::Map(map) | What::MapPart(map, MapPart::Table | MapPart::Directory)) => {
            teller.entries(object, *map, true, skip, most)
        }
        Some(What::MapPart(map, MapPart::Groups | MapPart::Buckets)) => {
            teller.entries(object, *map, false, skip, most)
        }
        Some(What::MapPart(map, part @ (MapPart::Key | MapPart::Elem))) => {
            let of = analysis.dump.catalogue().get(*map);
            let ty = of.and_then(|map| match part {
                MapPart::Key => map.key,
                _ => map.elem,
            });
            match ty {
                Some(ty) => teller.elements_of(object, ty, base, 1, false, skip, most),
                None => teller.words(object, skip, most),
            }
        }
        _ => teller.words(object, skip, most),
    }
}

/// A pointer of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// Bytes from the start of the object.
    pub offset: u64,
    /// What it is called.
    pub name: String,
    /// The object that it leads to.
    pub to: ObjectId,
    /// How far into that.
    pub into: u64,
}

/// The pointers of an object that lead to objects: from number `skip` on, at most `most`, and how many
/// there are.
pub fn pointers(
    analysis: &Analysis,
    object: ObjectId,
    skip: u64,
    most: usize,
) -> (Vec<Pointer>, u64) {
    let mut found = Vec::new();
    let mut total = 0u64;
    analysis.dump.each_pointer(object, |offset, target| {
        if let Some((to, into)) = analysis.dump.find(target) {
            if total >= skip && found.len() < most {
                found.push((offset, to, into));
            }
            total += 1;
        }
    });
    let named = |(offset, to, into)| Pointer {
        offset,
        name: slot(analysis, object, offset),
        to,
        into,
    };
    (found.into_iter().map(named).collect(), total)
}

/// What the first pointer from one object to another is called; empty if there is none.
pub fn pointer_name(analysis: &Analysis, from: ObjectId, to: ObjectId) -> String {
    let mut found = None;
    analysis.dump.each_pointer(from, |offset, target| {
        if found.is_none() && analysis.dump.find(target).is_some_and(|(at, _)| at == to) {
            found = Some(offset);
        }
    });
    found.map_or(String::new(), |at| slot(analysis, from, at))
}

struct Teller<'a> {
    analysis: &'a Analysis,
    layout: Layout,
}

impl Teller<'_> {
    fn kind(&self, ty: TypeId) -> Option<Kind> {
        self.analysis.dump.catalogue().get(ty).map(|ty| ty.kind)
    }

    fn word(&self) -> u64 {
        u64::from(self.analysis.dump.params().model.word).max(1)
    }

    fn text(&self, object: ObjectId, most: usize) -> Contents {
        let bytes = self.analysis.dump.contents(object);
        Contents {
            form: Form::Text,
            parts: Vec::new(),
            total: None,
            more: bytes.len() > most,
            text: bytes.get(..most).unwrap_or(bytes).to_vec(),
            text_len: bytes.len() as u64,
        }
    }

    fn elements(
        &self,
        object: ObjectId,
        elem: TypeId,
        base: u64,
        skip: u64,
        most: usize,
    ) -> Contents {
        let size = self.analysis.dump.catalogue().get(elem);
        let size = size.map_or(0, |ty| ty.size);
        let bytes = self.analysis.dump.size(object).saturating_sub(base);
        match bytes.checked_div(size) {
            Some(count) => self.elements_of(object, elem, base, count, true, skip, most),
            None => self.words(object, skip, most),
        }
    }

    /// The parts of `count` values of a type that lie one behind the other.
    #[expect(clippy::too_many_arguments, reason = "where, what, and which of it")]
    fn elements_of(
        &self,
        object: ObjectId,
        ty: TypeId,
        base: u64,
        count: u64,
        is_array: bool,
        skip: u64,
        most: usize,
    ) -> Contents {
        let leaves = self.leaves(ty);
        let each = leaves.len() as u64;
        let size = self
            .analysis
            .dump
            .catalogue()
            .get(ty)
            .map_or(0, |ty| ty.size);
        let total = each.saturating_mul(count);
        let address = self.analysis.dump.address(object);
        let behind = self.analysis.dump.size(object);
        let mut parts = Vec::new();
        for number in skip..total.min(skip.saturating_add(most as u64)) {
            let (Some(index), Some(rest)) = (number.checked_div(each), number.checked_rem(each))
            else {
                break;
            };
            let Some(leaf) = leaves.get(rest as usize) else {
                break;
            };
            let offset = index
                .saturating_mul(size)
                .saturating_add(base)
                .saturating_add(leaf.offset);
            if offset >= behind {
                break;
            }
            let name = match (is_array, leaf.name.as_str()) {
                (true, "") => format!("[{index}]"),
                (true, name) if name.starts_with('[') => format!("[{index}]{name}"),
                (true, name) => format!("[{index}].{name}"),
                (false, name) => name.to_owned(),
            };
            parts.push(self.part(name, leaf.ty, address.saturating_add(offset), offset));
        }
        Contents {
            form: if is_array {
                Form::Elements
            } else {
                Form::Fields
            },
            more: skip.saturating_add(parts.len() as u64) < total,
            parts,
            total: Some(total),
            text: Vec::new(),
            text_len: 0,
        }
    }

    fn part(&self, name: String, ty: TypeId, at: u64, offset: u64) -> Part {
        let catalogue = self.analysis.dump.catalogue();
        let of = catalogue.get(ty);
        let word = |at: u64| self.analysis.dump.word(at);
        let led = |to: Option<u64>| to.filter(|to| self.analysis.dump.find(*to).is_some());
        let (value, to) = match of.map(|ty| ty.kind) {
            Some(Kind::Slice) => {
                let (to, len, cap) = (
                    word(at),
                    word(at.saturating_add(self.word())),
                    word(at.saturating_add(2 * self.word())),
                );
                let value = match (to, len, cap) {
                    (Some(0), Some(0), _) => "nil".to_owned(),
                    (_, Some(len), Some(cap)) => format!("len {len}, cap {cap}"),
                    _ => "?".to_owned(),
                };
                (value, led(to))
            }
            Some(Kind::Interface) => {
                let holds = word(at).and_then(|word| dynamic(catalogue, word));
                let data = at.saturating_add(self.word());
                let to = holds.and_then(|_| word(data));
                (value_text(&self.analysis.dump, ty, at), led(to))
            }
            Some(
                Kind::Pointer
                | Kind::Map
                | Kind::Chan
                | Kind::Func
                | Kind::UnsafePointer
                | Kind::String,
            ) => (value_text(&self.analysis.dump, ty, at), led(word(at))),
            _ => (value_text(&self.analysis.dump, ty, at), None),
        };
        Part {
            offset: Some(offset),
            name,
            ty: of.map_or(String::new(), |ty| ty.name.clone()),
            value,
            leads_to: to,
        }
    }

    /// The places of a value that are no structs and no short arrays.
    fn leaves(&self, ty: TypeId) -> Vec<Leaf> {
        let catalogue = self.analysis.dump.catalogue();
        let mut leaves = Vec::new();
        let top = Leaf {
            name: String::new(),
            ty,
            offset: 0,
        };
        let mut open = vec![(top, 0usize)];
        while let Some((leaf, deep)) = open.pop() {
            if leaves.len() >= PARTS {
                break;
            }
            let Some(ty) = catalogue.get(leaf.ty) else {
                leaves.push(leaf);
                continue;
            };
            let dotted = |name: &str| match (leaf.name.as_str(), name) {
                ("", name) => name.to_owned(),
                (before, name) => format!("{before}.{name}"),
            };
            match ty.kind {
                Kind::Struct if deep < DEEP && !ty.fields.is_empty() => {
                    for field in ty.fields.iter().rev().take(PARTS) {
                        let part = Leaf {
                            name: dotted(&field.name),
                            ty: field.ty,
                            offset: leaf.offset.saturating_add(field.offset),
                        };
                        open.push((part, deep + 1));
                    }
                }
                Kind::Array if deep < DEEP && (1..=ARRAY).contains(&ty.len) => {
                    let Some(elem) = ty.elem else { continue };
                    let size = catalogue.get(elem).map_or(0, |ty| ty.size);
                    for index in (0..ty.len).rev() {
                        let part = Leaf {
                            name: format!("{}[{index}]", leaf.name),
                            ty: elem,
                            offset: leaf.offset.saturating_add(index.saturating_mul(size)),
                        };
                        open.push((part, deep + 1));
                    }
                }
                _ => leaves.push(leaf),
            }
        }
        leaves
    }

    fn words(&self, object: ObjectId, skip: u64, most: usize) -> Contents {
        let dump = &self.analysis.dump;
        let word = self.word();
        let size = dump.size(object);
        let total = size.div_ceil(word);
        let address = dump.address(object);
        let bytes = dump.contents(object);
        let mut parts = Vec::new();
        for number in skip..total.min(skip.saturating_add(most as u64)) {
            let offset = number.saturating_mul(word);
            let value = dump.word(address.saturating_add(offset));
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let raw = bytes.get(from..(from.saturating_add(word as usize)).min(bytes.len()));
            let seen: String = raw
                .unwrap_or_default()
                .iter()
                .map(|byte| match byte {
                    0x20..=0x7e => char::from(*byte),
                    _ => '·',
                })
                .collect();
            let width = 2 * word as usize;
            parts.push(Part {
                offset: Some(offset),
                name: String::new(),
                ty: String::new(),
                value: match value {
                    Some(value) => format!("{value:0width$x}  {seen}"),
                    None => format!("?  {seen}"),
                },
                leads_to: value.filter(|to| dump.find(*to).is_some()),
            });
        }
        Contents {
            form: Form::Words,
            more: skip.saturating_add(parts.len() as u64) < total,
            parts,
            total: Some(total),
            text: Vec::new(),
            text_len: 0,
        }
    }

    /// The entries of a map, from its head or from a part of it; with `all`, those of all parts that
    /// the object leads to.
    fn entries(
        &self,
        object: ObjectId,
        map: TypeId,
        all: bool,
        skip: u64,
        most: usize,
    ) -> Contents {
        let mut contents = Contents {
            form: Form::Entries,
            parts: Vec::new(),
            total: None,
            more: false,
            text: Vec::new(),
            text_len: 0,
        };
        let (mut seen, mut looked_at) = (0u64, 0u64);
        for part in self.parts_of_map(object, map, all) {
            let is_going_on = self.slots(part, map, &mut |entry, offset| {
                looked_at += 1;
                if let Some((key, elem)) = entry {
                    seen += 1;
                    if seen > skip {
                        if contents.parts.len() >= most {
                            contents.more = true;
                            return false;
                        }
                        contents
                            .parts
                            .push(self.entry(key, elem, (!all).then_some(offset)));
                    }
                }
                looked_at < MAP_SLOTS
            });
            if !is_going_on {
                contents.more = true;
                break;
            }
        }
        if !contents.more {
            contents.total = Some(seen);
        }
        contents
    }

    fn entry(
        &self,
        (key_ty, key): (TypeId, u64),
        (elem_ty, elem): (TypeId, u64),
        offset: Option<u64>,
    ) -> Part {
        let key = value_text(&self.analysis.dump, key_ty, key);
        Part {
            offset,
            ..self.part(format!("[{key}]"), elem_ty, elem, 0)
        }
    }

    /// The objects of a map that have slots, breadth first from one of its parts.
    fn parts_of_map(&self, object: ObjectId, map: TypeId, all: bool) -> Vec<ObjectId> {
        let mut parts = Vec::new();
        let mut seen = HashSet::from([object]);
        let mut open = std::collections::VecDeque::from([object]);
        while let Some(at) = open.pop_front() {
            let class = self.analysis.types.class(self.analysis.types.class_of(at));
            match class.map(|class| &class.what) {
                Some(What::MapPart(of, MapPart::Groups | MapPart::Buckets)) if *of == map => {
                    parts.push(at);
                }
                Some(What::Map(of) | What::MapPart(of, _)) if *of == map => {}
                _ => continue,
            }
            if !all {
                break;
            }
            self.analysis.dump.each_pointer(at, |_, target| {
                if seen.len() < MAP_OBJECTS
                    && let Some((to, _)) = self.analysis.dump.find(target)
                    && seen.insert(to)
                {
                    open.push_back(to);
                }
            });
        }
        parts
    }

    /// Shows key and element of each slot of an object that a map is made of, `None`
    /// where there is no entry, until `visit` says no. Whether it never did.
    ///
    /// Which slots have an entry: `answers/waste/maps.rs` has the sources.
    fn slots(
        &self,
        object: ObjectId,
        map: TypeId,
        visit: &mut dyn FnMut(Option<Entry>, u64) -> bool,
    ) -> bool {
        const MIN_TOP_HASH: u8 = 5;
        const NO_ENTRY: u8 = 0b1000_0000;
        let dump = &self.analysis.dump;
        let of = dump.catalogue().get(map);
        let (Some(places), Some(key), Some(elem)) = (
            self.analysis.types.slot_places(map),
            of.and_then(|map| map.key),
            of.and_then(|map| map.elem),
        ) else {
            return true;
        };
        let class = self
            .analysis
            .types
            .class(self.analysis.types.class_of(object));
        let is_swiss = matches!(
            class.map(|class| &class.what),
            Some(What::MapPart(_, MapPart::Groups))
        );
        let address = dump.address(object);
        let bytes = dump.contents(object);
        let mut chunk = self.layout.base(dump, object);
        while chunk.saturating_add(places.size) <= bytes.len() as u64 {
            for slot in 0..SLOTS {
                let control = usize::try_from(chunk.saturating_add(slot)).ok();
                let control = control.and_then(|at| bytes.get(at)).copied().unwrap_or(0);
                let is_there = match is_swiss {
                    true => control & NO_ENTRY == 0,
                    false => control >= MIN_TOP_HASH,
                };
                let at = |start: u64, stride: u64, is_indirect: bool| {
                    let at = address
                        .saturating_add(chunk)
                        .saturating_add(start)
                        .saturating_add(slot.saturating_mul(stride));
                    match is_indirect {
                        true => dump.word(at),
                        false => Some(at),
                    }
                };
                let entry = match is_there {
                    true => at(places.keys, places.key_stride, places.indirect_key).zip(at(
                        places.elems,
                        places.elem_stride,
                        places.indirect_elem,
                    )),
                    false => None,
                };
                let entry = entry.map(|(at, elem_at)| ((key, at), (elem, elem_at)));
                if !visit(entry, chunk) {
                    return false;
                }
            }
            chunk = chunk.saturating_add(places.size.max(1));
        }
        true
    }
}

#[cfg(test)]
mod tests;
