//! What a word claims of the object that it leads to, and which of two claims is the better one.

use std::cmp::Reverse;

use goheap_golang::Kind;
use goheap_golang::catalogue::{GoType, TypeId};

use super::How;
use super::agree::Extent;
use super::body::body;
use super::codes::{self, Code, Kinds, Of};
use super::know::is_one_way;
use super::sizes::TINY;
use super::walk::{Claim, Hint, HintKind, Walk, level};
use crate::dump::{ObjectId, word_at};

impl<'d> Walk<'d, '_> {
    /// A pointer to a value of a type.
    pub(super) fn pointer(&mut self, to: u64, ty: TypeId, how: How) {
        let know = self.know;
        let bytes = know.size_of(ty);
        let Some((ObjectId(object), offset)) = self.dump.find(to) else {
            self.place(to, ty, bytes, how);
            return;
        };
        let value = know.codes.of(Of::Value, ty);
        let known = self.code(object);
        if known == value || bytes == 0 || known == know.codes.of(Of::Array, ty) {
            return;
        }
        let level_now = self.level(object);
        // Most pointers that are left lead into the middle of something known.
        if level_now == level::TOLD || (level_now >= level::FAIR && offset > 8) {
            return;
        }
        let extent = self.extent(object);
        if offset == extent.base && know.sizes.fits(extent.base + bytes, extent.size) {
            let claim = Claim {
                code: value,
                level: level::FITS,
                how,
            };
            if self.claim(object, extent, claim) || self.level(object) >= level::FITS {
                return;
            }
        }
        self.hint(object, offset, extent, HintKind::Pointer, (ty, bytes), how);
    }

    /// A slice of a type: its pointer, and how many elements there are up to its capacity.
    pub(super) fn slice(&mut self, to: u64, elem: TypeId, count: u64, how: How) {
        let know = self.know;
        let each = know.size_of(elem);
        let bytes = match each.checked_mul(count) {
            None | Some(0) => return,
            Some(bytes) => bytes,
        };
        let Some((ObjectId(object), offset)) = self.dump.find(to) else {
            self.place(to, elem, bytes, how);
            return;
        };
        let code = know.codes.of(Of::Array, elem);
        let level_now = self.level(object);
        if self.code(object) == code && level_now >= level::FAIR || level_now == level::TOLD {
            return;
        }
        let extent = self.extent(object);
        let end = offset.saturating_add(bytes);
        if end > extent.size || offset < extent.base {
            return;
        }
        let to_end =
            know.sizes.fits(end, extent.size) && (offset - extent.base).is_multiple_of(each);
        if offset == extent.base && to_end {
            let claim = Claim {
                code,
                level: level::FITS,
                how,
            };
            if self.claim(object, extent, claim) || self.level(object) >= level::FITS {
                return;
            }
        }
        let kind = match to_end {
            true => HintKind::SliceToEnd,
            false => HintKind::Slice,
        };
        self.hint(object, offset, extent, kind, (elem, bytes), how);
    }

    /// Keeps what does not tell what an object is, but may help to find that out.
    fn hint(
        &mut self,
        object: u32,
        offset: u64,
        extent: Extent,
        kind: HintKind,
        (ty, bytes): (TypeId, u64),
        how: How,
    ) {
        if self.level(object) >= level::FAIR || how == How::Guess {
            return;
        }
        if extent.size == TINY && bytes < TINY && self.is_plain(object) {
            self.tiny(object, extent, how);
            return;
        }
        // As many hints as there are objects must be enough.
        let room = (self.dump.object_count() as usize / 2).saturating_add(1 << 20);
        if let Ok(offset) = u32::try_from(offset)
            && self.hints.len() < room
        {
            self.hints.push(Hint {
                object,
                offset,
                kind,
                ty,
            });
        }
    }

    fn tiny(&mut self, object: u32, extent: Extent, how: How) {
        let claim = Claim {
            code: self.know.codes.tiny(),
            level: level::FAIR,
            how,
        };
        self.claim(object, extent, claim);
    }

    /// The pointer and the length of a string.
    pub(super) fn string(&mut self, to: u64, len: u64, how: How) {
        let code = self.know.codes.string_bytes();
        let Some((ObjectId(object), offset)) = self.dump.find(to) else {
            return;
        };
        if len == 0 || self.code(object) == code && self.level(object) == level::FITS {
            return;
        }
        let size = self.dump.size(ObjectId(object));
        if offset.saturating_add(len) > size {
            return;
        }
        let whole = offset == 0 && self.know.sizes.fits(len, size);
        if !whole && self.level(object) >= level::FAIR {
            return;
        }
        let extent = Extent {
            base: 0,
            size,
            tiled: false,
        };
        if size == TINY && len < TINY {
            if self.code(object) == Code::NONE && self.is_plain(object) {
                self.tiny(object, extent, how);
            }
            return;
        }
        let claim = Claim {
            code,
            level: if whole { level::FITS } else { level::FAIR },
            how,
        };
        self.claim(object, extent, claim);
    }

    /// A pointer to a map.
    pub(super) fn map(&mut self, to: u64, map: TypeId, how: How) {
        self.part(to, Of::Map, map, how);
    }

    /// A pointer to a part of a map.
    pub(super) fn part(&mut self, to: u64, of: Of, map: TypeId, how: How) {
        let know = self.know;
        let Some((ObjectId(object), offset)) = self.dump.find(to) else {
            return;
        };
        let code = know.codes.of(of, map);
        if self.code(object) == code && self.level(object) == level::TOLD {
            return;
        }
        let extent = self.extent(object);
        // Overflow buckets lie behind the others, in the same array (runtime/map.go, go1.19:
        // `makeBucketArray`).
        let inside = of == Of::Buckets && offset > extent.base;
        if offset != extent.base && !inside {
            return;
        }
        let shape = know.shape(code);
        let each = shape.size;
        let room = extent.size.saturating_sub(extent.base);
        let bytes = match shape.many {
            true if each > 0 => room / each * each,
            _ => each,
        };
        if bytes == 0 || !know.sizes.fits(extent.base + bytes, extent.size) {
            return;
        }
        let how = match (of, how) {
            (Of::Map, how) | (_, how @ How::Guess) => how,
            _ => How::Runtime,
        };
        let claim = Claim {
            code,
            level: if inside { level::FITS } else { level::TOLD },
            how,
        };
        self.claim(object, extent, claim);
    }

    /// `hmap.extra`: lists of buckets that nothing else keeps (runtime/map.go, go1.19: `mapextra`).
    pub(super) fn map_extra(&mut self, to: u64, map: TypeId, how: How) {
        let know = self.know;
        let Some(form) = know.extra else { return };
        let Some(bytes) = self.own(to, codes::MAP_EXTRA, how) else {
            return;
        };
        for place in [form.overflow, form.old_overflow] {
            let header = word_at(know.model, bytes, place).unwrap_or(0);
            let Some(slice) = self.own(header, codes::OVERFLOW_HEADER, how) else {
                continue;
            };
            let list = word_at(know.model, slice, 0).unwrap_or(0);
            let len = word_at(know.model, slice, know.word).unwrap_or(0);
            let Some(list) = self.own(list, codes::OVERFLOW_LIST, how) else {
                continue;
            };
            for index in 0..len {
                let Some(bucket) = word_at(know.model, list, index.saturating_mul(know.word))
                else {
                    break;
                };
                self.part(bucket, Of::Buckets, map, how);
            }
        }
        let next = word_at(know.model, bytes, form.next).unwrap_or(0);
        self.part(next, Of::Buckets, map, how);
    }

    /// An object of the runtime's own: its contents, from where the value begins.
    fn own(&mut self, to: u64, which: u32, how: How) -> Option<&'d [u8]> {
        let (ObjectId(object), offset) = self.dump.find(to)?;
        let extent = self.extent(object);
        // All but the list are three words.
        let fits =
            which == codes::OVERFLOW_LIST || self.know.sizes.fits(3 * self.know.word, extent.size);
        if offset != extent.base || !fits {
            return None;
        }
        let claim = Claim {
            code: self.know.codes.runtime(which),
            level: level::TOLD,
            how: if how == How::Guess { how } else { How::Runtime },
        };
        self.claim(object, extent, claim);
        self.dump
            .contents(ObjectId(object))
            .get(extent.base as usize..)
    }

    /// A pointer to a channel; of which type, if that is known.
    pub(super) fn channel(&mut self, to: u64, chan: Option<TypeId>, how: How) {
        let know = self.know;
        let (Some(form), Some((object, offset))) = (know.chan, self.dump.find(to)) else {
            return;
        };
        let ObjectId(index) = object;
        if chan.is_some_and(|chan| self.code(index) == know.codes.of(Of::Chan, chan)) {
            return;
        }
        let extent = self.extent(index);
        if offset != extent.base || extent.size < extent.base + form.size {
            return;
        }
        let contents = self.dump.contents(object);
        let told = word_at(know.model, contents, extent.base + form.elem_type).unwrap_or(0);
        let elem = know.catalogue.at(told);
        let chan = match chan.and_then(|chan| know.catalogue.get(chan).map(|ty| (chan, ty))) {
            Some((id, ty)) => {
                // The channel's own word must say the same.
                let same = elem.is_some() && ty.elem == elem
                    || ty
                        .elem
                        .and_then(|elem| know.catalogue.get(elem))
                        .is_some_and(|of| {
                            of.address == 0
                                || elem
                                    .and_then(|elem| know.catalogue.get(elem))
                                    .is_some_and(|told| told.name == of.name)
                        });
                if !same {
                    return;
                }
                Some(id)
            }
            None => match elem {
                Some(elem) => know.chan_of(elem),
                None => return,
            },
        };
        let code = match chan {
            Some(chan) => know.codes.of(Of::Chan, chan),
            None => know.codes.runtime(codes::CHANNEL),
        };
        let claim = Claim {
            code,
            level: level::TOLD,
            how: if how == How::Guess { how } else { How::Runtime },
        };
        self.claim(index, extent, claim);
    }

    /// A func value: a pointer to where the entry of a function stands, and what it has captured.
    pub(super) fn closure(&mut self, to: u64, how: How) {
        let Some((ObjectId(object), offset)) = self.dump.find(to) else {
            return;
        };
        if self.level(object) >= level::TOLD {
            return;
        }
        let extent = self.extent(object);
        if offset == extent.base {
            self.closure_of(object, extent, how);
        }
    }

    /// An object whose first word is a function's entry. Whether it is a closure of that.
    pub(super) fn closure_of(&mut self, object: u32, extent: Extent, how: How) -> bool {
        let know = self.know;
        let Some(record) = body(self.dump, object) else {
            return false;
        };
        let entry = word_at(know.model, record.contents, extent.base).unwrap_or(0);
        if record
            .fields
            .iter()
            .next()
            .is_some_and(|(_, at)| at == extent.base)
        {
            return false;
        }
        let Some(function) = know.function_at(entry) else {
            return false;
        };
        let code = know.codes.closure(function);
        let shape = know.shape(code);
        let fits = know.sizes.fits(extent.base + shape.size, extent.size)
            && know.agrees(&record, shape, extent);
        let how = match how {
            How::Guess => How::Guess,
            _ => How::Closure,
        };
        let claim = Claim {
            code,
            level: if fits { level::TOLD } else { level::FITS },
            how,
        };
        self.claim(object, extent, claim)
    }

    /// A pointer to a node of a hash trie: its first byte tells which of two types it is.
    pub(super) fn trie_node(&mut self, to: u64, node: u32, how: How) {
        let Some(&(entry, indirect)) = self.know.rules.nodes.get(node as usize) else {
            return;
        };
        let Some((bytes, offset)) = self.dump.bytes_at(to) else {
            return;
        };
        match bytes.get(offset as usize) {
            Some(1) => self.pointer(to, entry, how),
            Some(0) => self.pointer(to, indirect, how),
            _ => {}
        }
    }

    /// Whether a claim is better than what is known of an object.
    pub(super) fn better(&self, object: u32, extent: Extent, claim: Claim) -> bool {
        let known = self.code(object);
        let level_now = self.level(object);
        if known == Code::NONE || claim.level != level_now {
            return known == Code::NONE || claim.level > level_now;
        }
        if known == claim.code {
            return false;
        }
        let how = self.how(object);
        self.rank(claim.code, claim.how, extent) > self.rank(known, how, extent)
    }

    /// Bytes that a class speaks of in an object.
    fn bytes_of(&self, code: Code, extent: Extent) -> u64 {
        let shape = self.know.shape(code);
        let room = extent.size.saturating_sub(extent.base);
        match shape.size {
            0 => room,
            each if shape.many => room / each * each,
            each => each,
        }
    }

    /// What makes one of two claims of the same level the better one: it speaks of more bytes, for
    /// the larger thing contains the other; it is a map's or a string's, and not only what that is
    /// made of; it is a slice of what the other is one of; it begins with what the other is; it has
    /// a name of its own, or is of both directions; it is known in a better way. Of two, one is always the better: else the
    /// search might never end.
    fn rank(
        &self,
        code: Code,
        how: How,
        extent: Extent,
    ) -> (u64, u8, u8, u8, Reverse<How>, Reverse<Code>) {
        let know = self.know;
        let bytes = self.bytes_of(code, extent);
        let (mut kind, mut height, mut named) = (1, 0, 0);
        match know.codes.kind(code) {
            Some(Kinds::Of(of, ty)) => {
                kind = match of {
                    Of::Value => 2,
                    Of::Array if bytes == know.size_of(ty) => 3,
                    Of::Array => 1,
                    _ => 4,
                };
                height = know.height(ty);
                named = know.catalogue.get(ty).map_or(0, how_named);
            }
            Some(Kinds::StringBytes) => kind = 4,
            _ => {}
        }
        (bytes, kind, height, named, Reverse(how), Reverse(code))
    }
}

/// 2 for a type with a name of its own, 1 for another, 0 for a channel of one direction: the channel
/// itself has both.
fn how_named(ty: &GoType) -> u8 {
    let plain = ty.name.starts_with("map[") || ty.name.contains("chan ");
    match ty.kind {
        Kind::Chan if is_one_way(ty) => 0,
        Kind::Map | Kind::Chan if plain => 1,
        _ => 2,
    }
}
