//! From places whose type is known to what their words lead to, until nothing new comes up.

use std::collections::HashMap;

use goheap_golang::catalogue::TypeId;

use super::How;
use super::agree::Extent;
use super::body::body;
use super::codes::{Code, Kinds, Of};
use super::know::Know;
use super::program::{Act, Op, Program};
use super::sizes::{HEADER, LARGEST_CLASS, largest_without_header};
use crate::dump::{Dump, ObjectId, word_at};
use crate::{Interrupted, Watch};

/// How much a class is believed, from least to most.
pub(super) mod level {
    /// It can be so.
    pub(in super::super) const GUESS: u8 = 1;
    /// It is so, or it is a larger thing that contains this.
    pub(in super::super) const FAIR: u8 = 2;
    /// What leads to it tells its type, and that has its size and its pointers.
    pub(in super::super) const FITS: u8 = 3;
    /// The runtime's own words tell.
    pub(in super::super) const TOLD: u8 = 4;
}

/// Something that says what lies in an object without telling what the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Hint {
    pub(super) object: u32,
    pub(super) offset: u32,
    pub(super) kind: HintKind,
    pub(super) ty: TypeId,
}

/// What kind of hint it is; the better one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum HintKind {
    /// A slice, whose capacity ends where the object ends.
    SliceToEnd,
    /// Another slice.
    Slice,
    /// A pointer.
    Pointer,
}

/// Values of a type outside of the heap.
#[derive(Debug, Clone, Copy)]
struct Place {
    address: u64,
    ty: TypeId,
    bytes: u64,
    how: How,
}

/// The state of the search.
pub(super) struct Walk<'d, 'k> {
    pub(super) dump: &'d Dump,
    pub(super) know: &'k Know<'d>,
    class: Vec<Code>,
    /// Level in the upper, `How` in the lower four bits.
    state: Vec<u8>,
    work: Vec<u32>,
    places: Vec<Place>,
    /// What has been gone through outside of the heap: type and bytes by address.
    seen: HashMap<u64, (TypeId, u64)>,
    pub(super) hints: Vec<Hint>,
    /// What closures of a function that tells no type have captured, as far as that is sure.
    pub(super) captures: HashMap<u32, Vec<Op>>,
    /// How many claims were believed.
    believed: u64,
    /// How many classes were refused because the collector's pointers say otherwise.
    refused: u64,
}

/// A claim that an object is of a class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) code: Code,
    pub(super) level: u8,
    pub(super) how: How,
}

const PHASE: &str = "finding types";

impl<'d, 'k> Walk<'d, 'k> {
    pub(super) fn new(dump: &'d Dump, know: &'k Know<'d>) -> Walk<'d, 'k> {
        let count = dump.object_count() as usize;
        Walk {
            dump,
            know,
            class: vec![Code::NONE; count],
            state: vec![0; count],
            work: Vec::new(),
            places: Vec::new(),
            seen: HashMap::new(),
            hints: Vec::new(),
            captures: HashMap::new(),
            believed: 0,
            refused: 0,
        }
    }

    /// Classes, states and how many claims were refused.
    pub(super) fn finish(self) -> (Vec<Code>, Vec<u8>, u64) {
        (self.class, self.state, self.refused)
    }

    /// How many claims were believed so far.
    pub(super) fn claims(&self) -> u64 {
        self.believed
    }

    #[inline]
    pub(super) fn code(&self, object: u32) -> Code {
        self.class
            .get(object as usize)
            .copied()
            .unwrap_or(Code::NONE)
    }

    #[inline]
    pub(super) fn level(&self, object: u32) -> u8 {
        self.state
            .get(object as usize)
            .map_or(0, |state| state >> 4)
    }

    pub(super) fn how(&self, object: u32) -> How {
        let raw = self
            .state
            .get(object as usize)
            .map_or(0, |state| state & 15);
        How::from_raw(raw)
    }

    /// Where the value of an object begins, and how its pointers are told.
    pub(super) fn extent(&self, object: u32) -> Extent {
        let size = self.dump.size(ObjectId(object));
        let plain = Extent {
            base: 0,
            size,
            tiled: false,
        };
        let without_header = largest_without_header(self.know.model.word);
        if !self.know.headers || size <= without_header {
            return plain;
        }
        if size > LARGEST_CLASS {
            return Extent {
                tiled: true,
                ..plain
            };
        }
        let Some(object) = body(self.dump, object) else {
            return plain;
        };
        match object.fields.iter().next() {
            None => plain,
            // The largest class is also what four pages take, and that has no header.
            Some((_, 0)) => Extent {
                tiled: true,
                ..plain
            },
            Some(_) if size == LARGEST_CLASS => {
                let first = word_at(self.know.model, object.contents, 0).unwrap_or(0);
                let base = if self.know.told(first).is_some() {
                    HEADER
                } else {
                    0
                };
                Extent {
                    base,
                    tiled: true,
                    ..plain
                }
            }
            Some(_) => Extent {
                base: HEADER,
                tiled: true,
                ..plain
            },
        }
    }

    /// Whether the collector sees no pointers in an object.
    pub(super) fn is_plain(&self, object: u32) -> bool {
        let object = body(self.dump, object);
        object.is_some_and(|object| object.fields.is_empty())
    }

    /// Bytes of values of a type that lie one behind the other at an address outside of the heap.
    pub(super) fn place(&mut self, address: u64, ty: TypeId, bytes: u64, how: How) {
        if self.know.programs.of(ty).is_empty() || self.dump.bytes_at(address).is_none() {
            return;
        }
        let place = Place {
            address,
            ty,
            bytes,
            how,
        };
        match self.seen.get_mut(&address) {
            Some(seen) if seen.0 == ty && seen.1 >= bytes => return,
            // Something else is said of the same place: the larger thing contains the other.
            Some(seen) if seen.0 != ty && seen.1 >= bytes => return,
            Some(seen) => *seen = (ty, bytes),
            None => {
                self.seen.insert(address, (ty, bytes));
            }
        }
        self.places.push(place);
    }

    /// Goes on until nothing new comes up.
    pub(super) fn drain(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        let total = u64::from(self.dump.object_count());
        let mut done = 0u64;
        loop {
            if let Some(object) = self.work.pop() {
                self.scan(object);
            } else if let Some(place) = self.places.pop() {
                if let Some((bytes, offset)) = self.dump.bytes_at(place.address) {
                    let program = self.know.programs.of(place.ty);
                    let count = place.bytes / program.stride.max(1);
                    self.values(bytes, program, offset, count.max(1), place.how);
                }
            } else {
                return Ok(());
            }
            done += 1;
            if done.is_multiple_of(1 << 13) {
                watch.step(PHASE, done.min(total), total)?;
            }
        }
    }

    /// Goes through an object by its class.
    fn scan(&mut self, object: u32) {
        let code = self.code(object);
        let how = match self.how(object) {
            How::Guess => How::Guess,
            _ => How::Pointer,
        };
        if let Some(Kinds::Closure(function)) = self.know.codes.kind(code) {
            self.captured(object, function, how);
            return;
        }
        let shape = self.know.shape(code);
        if shape.program.is_empty() {
            return;
        }
        let Some(record) = body(self.dump, object) else {
            return;
        };
        let extent = self.extent(object);
        let room = extent.size.saturating_sub(extent.base);
        let count = match shape.many {
            true => room / shape.size.max(1),
            false => 1,
        };
        self.values(record.contents, shape.program, extent.base, count, how);
    }

    /// Goes through what a closure has captured.
    fn captured(&mut self, object: u32, function: u32, how: How) {
        let know = self.know;
        let Some(record) = body(self.dump, object) else {
            return;
        };
        let extent = self.extent(object);
        let shape = know.shape(self.code(object));
        if !shape.program.is_empty()
            && know.sizes.fits(extent.base + shape.size, extent.size)
            && know.agrees(&record, shape, extent)
        {
            self.values(record.contents, shape.program, extent.base, 1, how);
            return;
        }
        if record.fields.is_empty() {
            return;
        }
        // DWARF may leave some of what was captured out, but what it tells is so.
        let told: Vec<Op> = know
            .programs
            .ops(shape.program)
            .iter()
            .filter(|op| self.know.is_held(&record, **op, extent))
            .copied()
            .collect();
        self.ops(record.contents, &told, extent.base, how);
        let ops = match self.captures.get(&function) {
            Some(ops) => ops.clone(),
            None => {
                let ops = self.captures(&record, extent);
                self.captures.insert(function, ops.clone());
                ops
            }
        };
        self.ops(record.contents, &ops, extent.base, how);
        // And whatever tells its type by itself.
        self.interfaces(&record);
    }

    /// Goes through values that lie one behind the other.
    pub(super) fn values(
        &mut self,
        bytes: &[u8],
        program: Program,
        from: u64,
        count: u64,
        how: How,
    ) {
        let len = bytes.len() as u64;
        let mut at = from;
        if program.is_empty() {
            return;
        }
        for _ in 0..count {
            if at >= len {
                return;
            }
            self.value(bytes, program, at, how);
            match at.checked_add(program.stride.max(1)) {
                Some(next) => at = next,
                None => return,
            }
        }
    }

    /// Goes through one value of a type.
    pub(super) fn value_at(&mut self, bytes: &[u8], ty: TypeId, how: How) {
        let program = self.know.programs.of(ty);
        self.value(bytes, program, 0, how);
    }

    /// Goes through one value. Lists call others to a known depth (`program::DEPTH`).
    fn value(&mut self, bytes: &[u8], program: Program, from: u64, how: How) {
        let know = self.know;
        self.ops(bytes, know.programs.ops(program), from, how);
    }

    fn ops(&mut self, bytes: &[u8], ops: &[Op], from: u64, how: How) {
        let know = self.know;
        for op in ops {
            let at = from + u64::from(op.offset);
            if let Act::Repeat { ty, count } = op.act {
                let inner = know.programs.of(ty);
                self.values(bytes, inner, at, u64::from(count), how);
                continue;
            }
            let Some(word) = word_at(know.model, bytes, at) else {
                return;
            };
            if word != 0 {
                self.act(bytes, *op, at, word, how);
            }
        }
    }

    fn act(&mut self, bytes: &[u8], op: Op, at: u64, word: u64, how: How) {
        let know = self.know;
        let next = |words: u64| word_at(know.model, bytes, at + words * know.word).unwrap_or(0);
        match op.act {
            Act::String => self.string(word, next(1), how),
            Act::Slice(elem) => self.slice(word, elem, next(2), how),
            Act::Counted(elem) => self.slice(word, elem, next(1), how),
            Act::Interface | Act::InterfaceOfPointers => self.interface(word, next(1), how),
            // reflect/value.go: `flagIndir`: a pointer to the value, else the value itself.
            Act::ReflectValue => match next(2) & (1 << 7) {
                0 => self.interface(word, next(1), how),
                _ => {
                    if let Some(ty) = know.catalogue.at(word) {
                        self.pointer(next(1), ty, how);
                    }
                }
            },
            Act::Directory(map, behind) => {
                let len = at.wrapping_add_signed(i64::from(behind));
                let len = word_at(know.model, bytes, len).unwrap_or(0);
                match len {
                    0 => self.part(word, Of::Groups, map, how),
                    _ => self.part(word, Of::Directory, map, how),
                }
            }
            Act::ChanBuffer(elem) => {
                let count = know.chan.and_then(|chan| {
                    let from = at.checked_sub(chan.buffer)?;
                    word_at(know.model, bytes, from + chan.count)
                });
                self.slice(word, elem, count.unwrap_or(0), how);
            }
            act => self.one(act, word, how),
        }
    }

    /// What a single word asks for.
    fn one(&mut self, act: Act, word: u64, how: How) {
        match act {
            Act::Pointer(ty) | Act::RuntimePointer(ty) => self.pointer(word, ty, how),
            Act::Map(map) => self.map(word, map, how),
            Act::Chan(chan) => self.channel(word, Some(chan), how),
            Act::AnyChan => self.channel(word, None, how),
            Act::Func => self.closure(word, how),
            Act::Timer(ty) => {
                if let Some(timer) = self.know.rules.timer {
                    self.pointer(word, timer, how);
                }
                // One that the program made itself.
                self.pointer(word, ty, how);
            }
            Act::TrieNode(node) => self.trie_node(word, node, how),
            Act::Buckets(map) => self.part(word, Of::Buckets, map, how),
            Act::Groups(map) => self.part(word, Of::Groups, map, how),
            Act::Table(map) => self.part(word, Of::Table, map, how),
            Act::Key(map) => self.part(word, Of::Key, map, how),
            Act::Elem(map) => self.part(word, Of::Elem, map, how),
            Act::MapExtra(map) => self.map_extra(word, map, how),
            _ => {}
        }
    }

    /// The two words of an interface.
    pub(super) fn interface(&mut self, told: u64, data: u64, how: How) {
        if data == 0 {
            return;
        }
        let Some(ty) = self.know.told(told) else {
            return;
        };
        let how = match how {
            How::Guess => How::Guess,
            _ => How::Interface,
        };
        match self.know.direct(ty) {
            Some(act) => self.one(act, data, how),
            None => self.pointer(data, ty, how),
        }
    }

    /// Makes a claim about an object, if it is better than what is known. Whether it was believed.
    pub(super) fn claim(&mut self, object: u32, extent: Extent, claim: Claim) -> bool {
        let mut claim = claim;
        if claim.how == How::Guess {
            claim.level = claim.level.min(level::GUESS);
        }
        if claim.code == Code::NONE || !self.better(object, extent, claim) {
            return false;
        }
        let Some(record) = body(self.dump, object) else {
            return false;
        };
        let shape = self.know.shape(claim.code);
        let checked = match self.know.codes.kind(claim.code) {
            // The channel's own word has told; what a closure has captured may not be known.
            Some(Kinds::Of(Of::Chan, _) | Kinds::Runtime(_) | Kinds::Closure(_)) => true,
            _ => self.know.agrees(&record, shape, extent),
        };
        if !checked {
            self.refused += 1;
            return false;
        }
        self.believed += 1;
        let index = object as usize;
        if let (Some(class), Some(state)) = (self.class.get_mut(index), self.state.get_mut(index)) {
            *class = claim.code;
            *state = claim.level << 4 | claim.how as u8;
        }
        let closure = matches!(self.know.codes.kind(claim.code), Some(Kinds::Closure(_)));
        if closure || !shape.program.is_empty() {
            self.work.push(object);
        }
        true
    }
}
