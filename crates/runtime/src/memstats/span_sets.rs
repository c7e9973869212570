//! The lists of spans that a flush puts spans into, and the memory that they take when they grow
//! (runtime/mcentral.go: `uncacheSpan`; runtime/mspanset.go: `spanSet.push`).

use std::collections::HashMap;

use goheap_golang::{Elements, Place};
use goheap_memory::Addr;

use super::counters::HeapCounters;
use super::proc::Flusher;
use crate::chain::Chain;
use crate::{WalkError, World};

/// Spans in a block (`spanSetBlockEntries`, go1.19 to go1.27).
const BLOCK_SPANS: u64 = 512;

/// Blocks in the first spine of a list (`spanSetInitSpineCap`, go1.19 to go1.27).
const FIRST_SPINE: u64 = 256;

/// Which of a class's lists of swept spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Swept {
    /// Spans with room.
    Partial,
    /// Spans without.
    Full,
}

/// The lists of all span classes.
pub(super) struct SpanSets<'w, 't> {
    world: &'w World<'t>,
    /// `mheap_`.
    heap: Addr,
    central: Elements,
    partial: Elements,
    full: Elements,
    spine_len: Place,
    spine_cap: Place,
    index: Place,
    block_size: u64,
    /// Which of the two lists of each kind has the swept ones: `sweepgen / 2 % 2`.
    generation: u64,
    /// Lists that spans were put into.
    grown: HashMap<(u64, Swept), SpanSet>,
    /// Blocks that wait to be used again; `None` before anyone has looked.
    pool: Option<u64>,
}

/// A list, as far as its growth goes.
#[derive(Debug, Clone, Copy)]
struct SpanSet {
    /// Where the next span goes.
    tail: u64,
    /// Blocks that it has.
    blocks: u64,
    /// Blocks that its spine has room for.
    room: u64,
}

impl<'w, 't> SpanSets<'w, 't> {
    pub(super) fn new(world: &'w World<'t>, heap_sweepgen: u32) -> Result<Self, WalkError> {
        const SET: &str = "runtime.spanSet";
        let structs = &world.structs;
        Ok(SpanSets {
            world,
            heap: world.global("runtime.mheap_")?,
            central: structs.elements("runtime.mheap", "central")?,
            partial: structs.elements("runtime.mheap", "central[0].mcentral.partial")?,
            full: structs.elements("runtime.mheap", "central[0].mcentral.full")?,
            spine_len: structs.first(SET, &["spineLen.value", "spineLen"])?,
            spine_cap: structs.place(SET, "spineCap")?,
            index: structs.first(SET, &["index.u.value", "index"])?,
            block_size: structs.size("runtime.spanSetBlock")?,
            generation: u64::from(heap_sweepgen / 2 % 2),
            grown: HashMap::new(),
            pool: None,
        })
    }

    /// `push` of one span of the class whose number is `class` (the size class twice, and the
    /// noscan bit).
    pub(super) fn push(
        &mut self,
        class: u64,
        list: Swept,
        flusher: &mut Flusher<'w, 't>,
        counters: &mut HeapCounters,
    ) -> Result<(), WalkError> {
        if class >= self.central.count {
            return Ok(());
        }
        let mut set = match self.grown.get(&(class, list)) {
            Some(set) => *set,
            None => self.read(class, list)?,
        };
        if set.tail / BLOCK_SPANS >= set.blocks {
            if set.blocks == set.room {
                set.room = match set.room {
                    0 => FIRST_SPINE,
                    room => room.saturating_mul(2),
                };
                let bytes = set.room.saturating_mul(self.world.model.word_size());
                flusher.alloc_persistent(bytes, self.world.arch.cache_line, counters);
            }
            let pool = match self.pool {
                Some(pool) => pool,
                None => self.count_pool()?,
            };
            if pool == 0 {
                let line = self.world.arch.cache_line;
                let align = line.max(self.world.features.tagged_pointers.align);
                flusher.alloc_persistent(self.block_size, align, counters);
            }
            self.pool = Some(pool.saturating_sub(1));
            set.blocks += 1;
        }
        set.tail += 1;
        self.grown.insert((class, list), set);
        Ok(())
    }

    fn read(&self, class: u64, list: Swept) -> Result<SpanSet, WalkError> {
        const WHAT: &str = "a list of spans in mheap_.central";
        let lists = match list {
            Swept::Partial => self.partial,
            Swept::Full => self.full,
        };
        let at = self
            .heap
            .offset(lists.offset + class * self.central.stride + self.generation * lists.stride);
        // The upper half is the head, the lower half the tail (`headTailIndex`).
        let index = self.world.field(at, self.index, WHAT)?;
        Ok(SpanSet {
            tail: index & 0xffff_ffff,
            blocks: self.world.field(at, self.spine_len, WHAT)?,
            room: self.world.field(at, self.spine_cap, WHAT)?,
        })
    }

    /// How many blocks wait in `spanSetBlockPool`, a stack of tagged pointers (runtime/lfstack.go).
    fn count_pool(&self) -> Result<u64, WalkError> {
        const WHAT: &str = "runtime.spanSetBlockPool";
        let world = self.world;
        let next = world.structs.place("runtime.lfnode", "next")?;
        let tagged = world.features.tagged_pointers;
        let untag = |word| Addr::new(tagged.untag(&world.arch, word));
        // A uint64 on all processors.
        let head = world.global("runtime.spanSetBlockPool")?;
        let head = world.field(head, Place { offset: 0, size: 8 }, WHAT)?;
        let mut chain = Chain::new(untag(head));
        let mut count = 0;
        while let Some(block) = chain.at() {
            count += 1;
            chain.follow(untag(world.field(block, next, WHAT)?), WHAT)?;
        }
        Ok(count)
    }
}
