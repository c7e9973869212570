//! What a step from one object to the next adds to a path.

use goheap_golang::catalogue::{Catalogue, GoType, TypeId};
use goheap_golang::{Kind, Structs};

use super::fields::{Leaf, walk};
use super::piece::Piece;
use super::value;
use crate::dump::{Dump, ObjectId};
use crate::types::{Class, HEADER, MapPart, Types, What, largest_without_header};

/// Slots of a bucket or group (internal/abi/map.go: `MapBucketCount`, `MapGroupSlots`; all versions).
const SLOTS: u64 = 8;

/// Packages of hash tries (internal/concurrent/hashtriemap.go, go1.23; internal/sync/hashtriemap.go,
/// go1.24), and the start of their names.
const TRIES: [&str; 2] = ["internal/sync.", "internal/concurrent."];

/// What the program takes what a pointer leads to for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// A value of that type.
    Pointer(TypeId),
    /// Values of that type, from there on.
    Slice(TypeId),
    /// A value of that type, that stands for itself: in an interface, or a captured variable.
    Value(TypeId),
    /// What the object is.
    Object,
}

/// How an object was come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) via: Via,
    /// Where in the object the pointer leads.
    pub(super) offset: u64,
}

/// Names what lies in objects.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) dump: &'a Dump,
    pub(super) types: &'a Types,
    /// Goroutines have no numbers, and keys no text: what differs in these alone is called the same.
    pub(super) any: bool,
}

impl<'a> Steps<'a> {
    pub(super) fn catalogue(&self) -> &'a Catalogue {
        self.dump.catalogue()
    }

    fn ty(&self, ty: TypeId) -> Option<&'a GoType> {
        self.catalogue().get(ty)
    }

    fn word_size(&self) -> u64 {
        self.dump.params().model.word.into()
    }

    pub(super) fn class(&self, object: ObjectId) -> Option<&'a Class> {
        self.types.class(self.types.class_of(object))
    }

    /// How far into an object its value begins: behind the header that the allocator wrote.
    pub(super) fn base(&self, object: ObjectId) -> u64 {
        let without_header = largest_without_header(self.dump.params().model.word);
        if self.dump.size(object) <= without_header {
            return 0;
        }
        let header = self.dump.word(self.dump.address(object));
        match header.and_then(|word| self.catalogue().at(word)) {
            // The first word of a value is never a type's address where that type has the value's
            // size, for the runtime's own types are not on the heap.
            Some(_) => HEADER,
            None => 0,
        }
    }

    /// The key slots may be a constant distance apart, whatever leads there: what tells two pointers
    /// of an object apart for a signature. Of a slice, a map or a channel's buffer, the offset in one
    /// element.
    pub(super) fn folded(&self, object: ObjectId, offset: u64) -> u64 {
        let size = |ty: Option<TypeId>| ty.and_then(|ty| self.ty(ty)).map_or(0, |ty| ty.size);
        let each = match self.class(object).map(|class| &class.what) {
            Some(What::Array(elem)) => size(Some(*elem)),
            Some(What::MapPart(map, MapPart::Buckets | MapPart::Groups)) => {
                self.types.slot_places(*map).map_or(0, |places| places.size)
            }
            _ => 0,
        };
        let rel = offset.wrapping_sub(self.base(object));
        rel.checked_rem(each).unwrap_or(offset)
    }

    /// Adds what the pointer at `slot` of an object is called, if one came to the object by `entry`.
    /// Returns what it leads to.
    pub(super) fn step(
        &self,
        object: ObjectId,
        entry: Entry,
        slot: u64,
        pieces: &mut Vec<Piece>,
    ) -> Via {
        let base = self.base(object);
        let rel = slot.wrapping_sub(base);
        let before = pieces.len();
        let leaf = match self.class(object).map(|class| &class.what) {
            Some(What::Value(ty)) => self.in_value(object, *ty, entry, slot, pieces),
            Some(What::Array(elem)) => self.in_array(*elem, base, entry, slot, pieces),
            Some(What::Map(_)) => return Via::Object,
            Some(What::MapPart(map, part)) => return self.in_map(object, *map, *part, rel, pieces),
            Some(What::Chan(ty)) => return self.in_chan(Some(*ty), rel, pieces),
            Some(What::Closure(function)) => {
                return self.in_closure(object, *function, slot, pieces);
            }
            // What leads from a map's head to its overflow buckets, up to go1.23.
            Some(What::Runtime(
                "runtime.mapextra" | "[]*runtime.bmap (header)" | "[]*runtime.bmap",
            )) => return Via::Object,
            Some(What::Runtime("runtime.hchan")) => return self.in_chan(None, rel, pieces),
            Some(What::Runtime(name)) => {
                pieces.push(Piece::Within((*name).to_owned()));
                pieces.push(Piece::Word(slot));
                return Via::Object;
            }
            Some(What::Unknown { .. } | What::StringBytes | What::Tiny) | None => {
                self.in_unknown(entry, slot, pieces)
            }
        };
        match leaf {
            Some(leaf) => {
                let is_hidden = self.trie(object, before, pieces);
                match is_hidden {
                    true => Via::Object,
                    false => self.leaf(leaf, self.dump.address(object) + slot, pieces),
                }
            }
            None => {
                pieces.truncate(before);
                pieces.push(Piece::Word(slot.wrapping_sub(entry.offset.min(slot))));
                Via::Object
            }
        }
    }

    /// Adds what the first pointer from one object to another is called.
    pub(super) fn to(
        &self,
        from: ObjectId,
        entry: Entry,
        to: ObjectId,
        pieces: &mut Vec<Piece>,
    ) -> Option<Entry> {
        let mut found = None;
        self.dump.each_pointer(from, |slot, target| {
            if found.is_none()
                && let Some((object, offset)) = self.dump.find(target)
                && object == to
            {
                found = Some((slot, offset));
            }
        });
        let (slot, offset) = found?;
        let via = self.step(from, entry, slot, pieces);
        Some(Entry { via, offset })
    }

    /// Adds what lies at `offset` of the last object of a path, if that is not where the pointer to
    /// it leads.
    pub(super) fn inside(
        &self,
        object: ObjectId,
        entry: Entry,
        offset: u64,
        pieces: &mut Vec<Piece>,
    ) {
        if offset != entry.offset {
            self.step(object, entry, offset, pieces);
        }
    }

    fn in_value(
        &self,
        object: ObjectId,
        ty: TypeId,
        entry: Entry,
        slot: u64,
        pieces: &mut Vec<Piece>,
    ) -> Option<Leaf> {
        let base = self.base(object);
        let at = entry.offset;
        let before = pieces.len();
        if let Via::Slice(elem) = entry.via {
            return self.in_slice(elem, at, slot, pieces);
        }
        if at == base || at == 0 {
            let leaf = walk(self.catalogue(), ty, slot.checked_sub(base)?, pieces)?;
            // Only what is no struct and no array has to be told from the pointer to it.
            if pieces.len() == before && matches!(entry.via, Via::Pointer(_)) && leaf.ty == ty {
                pieces.push(Piece::Deref);
            }
            return Some(leaf);
        }
        if let Some(leaf) = self.by_pointer(entry, slot, pieces) {
            return Some(leaf);
        }
        pieces.truncate(before);
        pieces.push(Piece::Within(self.ty(ty)?.name.clone()));
        walk(self.catalogue(), ty, slot.checked_sub(base)?, pieces)
    }

    fn in_array(
        &self,
        elem: TypeId,
        base: u64,
        entry: Entry,
        slot: u64,
        pieces: &mut Vec<Piece>,
    ) -> Option<Leaf> {
        match entry.via {
            Via::Slice(elem) => self.in_slice(elem, entry.offset, slot, pieces),
            Via::Pointer(_) if entry.offset != base => {
                let before = pieces.len();
                self.by_pointer(entry, slot, pieces).or_else(|| {
                    pieces.truncate(before);
                    let elem_name = &self.ty(elem)?.name;
                    pieces.push(Piece::Within(format!("[]{elem_name}")));
                    self.in_slice(elem, base, slot, pieces)
                })
            }
            _ => self.in_slice(elem, base, slot, pieces),
        }
    }

    /// In a slice that begins at `from`.
    fn in_slice(
        &self,
        elem: TypeId,
        from: u64,
        slot: u64,
        pieces: &mut Vec<Piece>,
    ) -> Option<Leaf> {
        let size = i64::try_from(self.ty(elem)?.size).ok()?;
        let distance = i64::try_from(slot).ok()? - i64::try_from(from).ok()?;
        let index = distance.checked_div_euclid(size)?;
        pieces.push(Piece::Index(index));
        let rest = distance.checked_rem_euclid(size)?;
        walk(self.catalogue(), elem, rest as u64, pieces)
    }

    /// As the type of the pointer has it that leads into the middle of an object.
    fn by_pointer(&self, entry: Entry, slot: u64, pieces: &mut Vec<Piece>) -> Option<Leaf> {
        let (Via::Pointer(ty) | Via::Value(ty)) = entry.via else {
            return None;
        };
        let before = pieces.len();
        let leaf = walk(
            self.catalogue(),
            ty,
            slot.checked_sub(entry.offset)?,
            pieces,
        )?;
        if pieces.len() == before && matches!(entry.via, Via::Pointer(_)) && leaf.ty == ty {
            pieces.push(Piece::Deref);
        }
        Some(leaf)
    }

    fn in_unknown(&self, entry: Entry, slot: u64, pieces: &mut Vec<Piece>) -> Option<Leaf> {
        match entry.via {
            Via::Slice(elem) => self.in_slice(elem, entry.offset, slot, pieces),
            _ => self.by_pointer(entry, slot, pieces),
        }
    }

    /// In what belongs to a map. Only its keys and elements have names.
    fn in_map(
        &self,
        object: ObjectId,
        map: TypeId,
        part: MapPart,
        rel: u64,
        pieces: &mut Vec<Piece>,
    ) -> Via {
        let id = map;
        let Some(map) = self.ty(id) else {
            return Via::Object;
        };
        let at = self.dump.address(object) + self.base(object);
        let whole = match part {
            MapPart::Table | MapPart::Directory => return Via::Object,
            MapPart::Key => map.key,
            MapPart::Elem => map.elem,
            MapPart::Buckets | MapPart::Groups => {
                return self.in_slots(id, map, at, rel, pieces);
            }
        };
        let leaf = whole.and_then(|ty| walk(self.catalogue(), ty, rel, pieces));
        match leaf {
            Some(leaf) => self.leaf(leaf, at + rel, pieces),
            None => Via::Object,
        }
    }

    /// In buckets or groups, at `rel` of the object's first one, which is at `at`.
    fn in_slots(
        &self,
        id: TypeId,
        map: &GoType,
        at: u64,
        rel: u64,
        pieces: &mut Vec<Piece>,
    ) -> Via {
        let places = self.types.slot_places(id);
        let Some((places, offset)) = places.and_then(|p| Some((p, rel.checked_rem(p.size)?)))
        else {
            pieces.push(Piece::Key("?".to_owned()));
            return Via::Object;
        };
        let chunk = at + (rel - offset);
        let size = |ty: Option<TypeId>, is_indirect: bool| match is_indirect {
            true => self.word_size(),
            false => ty.and_then(|ty| self.ty(ty)).map_or(0, |ty| ty.size),
        };
        let elem_size = size(map.elem, places.indirect_elem);
        let key_size = size(map.key, places.indirect_key);
        // How far into a slot's part the offset leads.
        let within = |start: u64, stride: u64, size: u64| {
            (0..SLOTS).find_map(|slot| {
                let rest = offset.checked_sub(start.checked_add(slot.checked_mul(stride)?)?)?;
                (rest < size).then_some((slot, rest))
            })
        };
        let elem = within(places.elems, places.elem_stride, elem_size);
        let key = within(places.keys, places.key_stride, key_size);
        let (is_key, slot, rest) = match (elem, key) {
            (Some((slot, rest)), _) => (false, slot, rest),
            (None, Some((slot, rest))) => (true, slot, rest),
            // What leads on to more buckets.
            (None, None) => return Via::Object,
        };
        let key_at = chunk + places.keys + slot * places.key_stride;
        let text = self.key_text(map, places.indirect_key, key_at);
        let (piece, ty, is_indirect) = match is_key {
            true => (Piece::OfKey(text), map.key, places.indirect_key),
            false => (Piece::Key(text), map.elem, places.indirect_elem),
        };
        pieces.push(piece);
        if is_indirect {
            return Via::Object;
        }
        match ty.and_then(|ty| walk(self.catalogue(), ty, rest, pieces)) {
            Some(leaf) => self.leaf(leaf, at + rel, pieces),
            None => Via::Object,
        }
    }

    fn key_text(&self, map: &GoType, is_indirect: bool, at: u64) -> String {
        if self.any {
            return String::new();
        }
        let at = match is_indirect {
            true => self.dump.word(at),
            false => Some(at),
        };
        match (map.key, at) {
            (Some(key), Some(at)) => value::text(self.dump, key, at),
            _ => "?".to_owned(),
        }
    }

    /// In a channel's head (runtime/chan.go: `hchan`), or in the buffer behind it.
    fn in_chan(&self, ty: Option<TypeId>, rel: u64, pieces: &mut Vec<Piece>) -> Via {
        const HCHAN: &str = "runtime.hchan";
        let structs = Structs::new(&self.catalogue().layouts);
        let is_at = |path: &str| structs.offset(HCHAN, path).is_ok_and(|at| at == rel);
        let elem = ty.and_then(|ty| self.ty(ty)?.elem);
        if is_at("buf") {
            pieces.push(Piece::Part("buffer"));
            return elem.map_or(Via::Object, Via::Slice);
        }
        let part = if is_at("recvq.first") || is_at("recvq.last") {
            "receivers"
        } else if is_at("sendq.first") || is_at("sendq.last") {
            "senders"
        } else {
            pieces.push(Piece::Word(rel));
            return Via::Object;
        };
        pieces.push(Piece::Part(part));
        Via::Object
    }

    /// In a closure: a word of code, then what it captured, variables by address under `&name`.
    fn in_closure(
        &self,
        object: ObjectId,
        function: u32,
        slot: u64,
        pieces: &mut Vec<Piece>,
    ) -> Via {
        let Some(function) = self.catalogue().functions.get(function as usize) else {
            pieces.push(Piece::Word(slot));
            return Via::Object;
        };
        pieces.push(Piece::Closure(function.name.clone()));
        let before = pieces.len();
        let leaf = function
            .closure
            .and_then(|ty| walk(self.catalogue(), ty, slot, pieces));
        let Some(leaf) = leaf else {
            pieces.truncate(before);
            pieces.push(Piece::Word(slot));
            return Via::Object;
        };
        let mut by_address = false;
        match pieces.get_mut(before) {
            Some(Piece::Field(name)) => {
                if let Some(own) = name.strip_prefix('&') {
                    *name = own.to_owned();
                    by_address = true;
                }
            }
            // What has no name may be a variable's address.
            Some(Piece::Word(_)) => by_address = true,
            _ => {}
        }
        match self.leaf(leaf, self.dump.address(object) + slot, pieces) {
            Via::Pointer(ty) if by_address => Via::Value(ty),
            via => via,
        }
    }

    /// What sync.Map is made of from go1.24 on (a hash trie): of its nodes only
    /// entries have a name, that of their key. Whether the pieces are complete.
    fn trie(&self, object: ObjectId, before: usize, pieces: &mut Vec<Piece>) -> bool {
        let Some(What::Value(ty)) = self.class(object).map(|class| &class.what) else {
            return false;
        };
        let Some(ty) = self.ty(*ty) else { return false };
        let own = TRIES
            .iter()
            .find_map(|package| ty.name.strip_prefix(package));
        let Some(own) = own else { return false };
        if own.starts_with("indirect[") {
            pieces.truncate(before);
            return true;
        }
        if !own.starts_with("entry[") {
            return false;
        }
        let Some(Piece::Field(field)) = pieces.get(before) else {
            return false;
        };
        let key = || {
            let field = ty.fields.iter().find(|field| field.name == "key")?;
            let at = self.dump.address(object) + self.base(object) + field.offset;
            Some(value::text(self.dump, field.ty, at))
        };
        let piece = match field.as_str() {
            "value" => Piece::Key(key().unwrap_or_else(|| "?".to_owned())),
            "key" => Piece::OfKey(key().unwrap_or_else(|| "?".to_owned())),
            _ => {
                pieces.truncate(before);
                return true;
            }
        };
        if let Some(first) = pieces.get_mut(before) {
            *first = piece;
        }
        false
    }

    /// Adds the type of what an interface holds. Returns what the pointer at `at` leads to.
    pub(super) fn leaf(&self, leaf: Leaf, at: u64, pieces: &mut Vec<Piece>) -> Via {
        let Some(ty) = self.ty(leaf.ty) else {
            return Via::Object;
        };
        match (ty.kind, leaf.rest) {
            (Kind::Pointer, 0) => ty.elem.map_or(Via::Object, Via::Pointer),
            (Kind::Slice, 0) => ty.elem.map_or(Via::Object, Via::Slice),
            (Kind::Interface, rest) if rest == self.word_size() => {
                let holds = self
                    .dump
                    .word(at.wrapping_sub(rest))
                    .and_then(|word| value::dynamic(self.catalogue(), word));
                let Some((id, ty)) = holds.and_then(|id| Some((id, self.ty(id)?))) else {
                    return Via::Object;
                };
                pieces.push(Piece::Assert(ty.name.clone()));
                match ty.kind {
                    Kind::Pointer => ty.elem.map_or(Via::Object, Via::Pointer),
                    Kind::Map | Kind::Chan | Kind::Func | Kind::UnsafePointer => Via::Object,
                    _ if value::is_direct(self.catalogue(), id) => {
                        match walk(self.catalogue(), id, 0, pieces) {
                            // No interface is in there, so this goes no deeper.
                            Some(leaf) => match self.ty(leaf.ty) {
                                Some(ty) if ty.kind == Kind::Pointer => {
                                    ty.elem.map_or(Via::Object, Via::Pointer)
                                }
                                _ => Via::Object,
                            },
                            None => Via::Object,
                        }
                    }
                    _ => Via::Value(id),
                }
            }
            (_, 0) => Via::Object,
            (Kind::String | Kind::Slice, rest) if rest == self.word_size() => {
                pieces.push(Piece::Part("len"));
                Via::Object
            }
            (Kind::Slice, rest) if rest == 2 * self.word_size() => {
                pieces.push(Piece::Part("cap"));
                Via::Object
            }
            (_, rest) => {
                pieces.push(Piece::Word(rest));
                Via::Object
            }
        }
    }
}
