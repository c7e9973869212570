//! What `flushallmcaches` would change about the counters (runtime/mstats.go).

use std::collections::HashMap;

use goheap_golang::{Elements, Place};
use goheap_memory::Addr;

use super::counters::{At, HeapCounters};
use super::proc::{Flusher, all_procs};
use super::span_sets::{SpanSets, Swept};
use crate::arena::Arenas;
use crate::chain::Chain;
use crate::span::{PAGE, Span, SpanTable};
use crate::special::{SpecialKind, Specials};
use crate::sweep::SpanState;
use crate::{WalkError, World};

/// Bytes that the runtime maps for mark bits at a time (runtime/mheap.go: `gcBitsChunkBytes`, all
/// versions).
const MARK_BITS_CHUNK: u64 = 64 << 10;

/// `_GCoff` (runtime/mgc.go, all versions).
const GC_OFF: u64 = 0;

/// Applies to `counters` what the runtime would change about them by flushing the mcache of each P.
pub(super) fn flush_all_mcaches(
    world: &World<'_>,
    arenas: &Arenas,
    spans: &SpanTable<'_>,
    specials: &Specials,
    counters: &mut HeapCounters,
) -> Result<(), WalkError> {
    let procs = all_procs(world)?;
    let mcache = world.structs.place("runtime.p", "mcache")?;
    let mut flush = Flush::new(world, arenas, spans, specials, &procs, counters)?;
    for p in procs {
        let cache = Addr::new(world.field(p, mcache, "p.mcache")?);
        if !cache.is_nil() {
            flush.release_all(cache)?;
            flush.clear_stack_cache(cache)?;
        }
    }
    Ok(())
}

struct Flush<'f, 'w, 't> {
    world: &'w World<'t>,
    arenas: &'f Arenas,
    spans: &'f SpanTable<'f>,
    specials: &'f Specials,
    counters: &'f mut HeapCounters,
    flusher: Flusher<'w, 't>,
    span_sets: SpanSets<'w, 't>,
    heap_sweepgen: u32,
    gc_off: bool,
    layout: Layout,
    /// `emptymspan`: what an mcache has where it has no span.
    empty: Addr,
    /// Bytes left where mark bits are cut from, and chunks that wait.
    mark_bits: Option<(u64, Addr)>,
    /// Free places in the block of queued finalizers, and blocks that wait.
    finalizers: Option<(u64, Addr)>,
    /// Stacks that are left in the spans that stacks went back to.
    stack_spans: HashMap<Addr, u64>,
}

struct Layout {
    alloc: Elements,
    tiny_allocs: Place,
    stack_cache: Elements,
    stack_list: Place,
    alloc_count: Place,
    alloc_count_before: Place,
    npages: Place,
    mspan_size: u64,
}

impl<'f, 'w, 't> Flush<'f, 'w, 't> {
    fn new(
        world: &'w World<'t>,
        arenas: &'f Arenas,
        spans: &'f SpanTable<'f>,
        specials: &'f Specials,
        procs: &[Addr],
        counters: &'f mut HeapCounters,
    ) -> Result<Self, WalkError> {
        const MCACHE: &str = "runtime.mcache";
        const MSPAN: &str = "runtime.mspan";
        let structs = &world.structs;
        let heap = At::global(world, "runtime.mheap", "runtime.mheap_")?;
        let phase = world.global("runtime.gcphase")?;
        let phase = world
            .model
            .read_uint(&world.memory, phase, 4)
            .map_err(|fault| WalkError::Fault {
                what: "runtime.gcphase",
                fault,
            })?;
        let heap_sweepgen = heap.get("sweepgen")? as u32;
        Ok(Flush {
            world,
            arenas,
            spans,
            specials,
            counters,
            flusher: Flusher::find(world, procs)?,
            span_sets: SpanSets::new(world, heap_sweepgen)?,
            heap_sweepgen,
            gc_off: phase == GC_OFF,
            layout: Layout {
                alloc: structs.elements(MCACHE, "alloc")?,
                tiny_allocs: structs.place(MCACHE, "tinyAllocs")?,
                stack_cache: structs.elements(MCACHE, "stackcache")?,
                stack_list: structs.place("runtime.stackfreelist", "list")?,
                alloc_count: structs.place(MSPAN, "allocCount")?,
                alloc_count_before: structs.place(MSPAN, "allocCountBeforeCache")?,
                npages: structs.place(MSPAN, "npages")?,
                mspan_size: structs.size(MSPAN)?,
            },
            empty: world.global("runtime.emptymspan")?,
            mark_bits: None,
            finalizers: None,
            stack_spans: HashMap::new(),
        })
    }

    /// `mcache.releaseAll` (runtime/mcache.go, go1.19 to go1.27).
    fn release_all(&mut self, cache: Addr) -> Result<(), WalkError> {
        const WHAT: &str = "an mcache";
        let Elements {
            offset,
            count,
            stride,
        } = self.layout.alloc;
        for index in 0..count {
            let at = self
                .world
                .ptr(cache.offset(offset + index * stride), WHAT)?;
            if at != self.empty {
                self.uncache(at, index)?;
            }
        }
        let tiny = self.world.field(cache, self.layout.tiny_allocs, WHAT)?;
        self.counters.tiny_alloc_count = self.counters.tiny_alloc_count.wrapping_add(tiny);
        Ok(())
    }

    /// `mcentral.uncacheSpan` of a span of the class whose number is `class`: the size class twice,
    /// and the noscan bit.
    fn uncache(&mut self, at: Addr, class: u64) -> Result<(), WalkError> {
        const WHAT: &str = "a span in an mcache";
        let Some(span) = self.spans.read(self.world, at)? else {
            return Err(WalkError::Implausible {
                what: WHAT,
                at,
                found: 0,
                expected: "a span in use",
            });
        };
        let allocated = self.world.field(at, self.layout.alloc_count, WHAT)?;
        let before = self.world.field(at, self.layout.alloc_count_before, WHAT)?;
        let used = allocated.wrapping_sub(before);
        self.counters.total_alloc = self
            .counters
            .total_alloc
            .wrapping_add(used.wrapping_mul(span.elem_size));
        if let Some(class) = self.counters.classes.get_mut((class >> 1) as usize) {
            class.allocs = class.allocs.wrapping_add(used);
        }
        // A span that was cached before the last collection began has not been swept.
        if span.sweepgen == self.heap_sweepgen.wrapping_add(1) {
            return self.sweep(&span, allocated, class);
        }
        self.push(&span, allocated, class)
    }

    /// `sweepLocked.sweep(false)` of a span of small objects (runtime/mgcsweep.go).
    fn sweep(&mut self, span: &Span, allocated: u64, class: u64) -> Result<(), WalkError> {
        let state = SpanState::of(self.world, self.specials, span, self.heap_sweepgen)?;
        for special in &state.taken {
            match special.kind {
                SpecialKind::Finalizer => self.queue_finalizer()?,
                SpecialKind::Cleanup if self.world.features.cleanups_queue_as_finalizers => {
                    self.queue_finalizer()?;
                }
                SpecialKind::Cleanup => self.flusher.queue_cleanup(self.counters)?,
                SpecialKind::WeakHandle | SpecialKind::Profile | SpecialKind::Other => {}
            }
        }
        let live = (0..span.nelems).filter(|i| state.exists(span, *i)).count() as u64;
        self.new_mark_bits(span.nelems)?;
        let freed = allocated.wrapping_sub(live);
        if let Some(class) = self.counters.classes.get_mut((class >> 1) as usize) {
            class.frees = class.frees.wrapping_add(freed);
        }
        self.counters.total_free = self
            .counters
            .total_free
            .wrapping_add(freed.wrapping_mul(span.elem_size));
        if live == 0 {
            self.counters.heap_in_use = self.counters.heap_in_use.wrapping_sub(span.bytes);
            self.counters.heap_free = self.counters.heap_free.wrapping_add(span.bytes);
            self.flusher
                .free_mspan(self.layout.mspan_size, self.counters);
            return Ok(());
        }
        self.push(span, live, class)
    }

    /// The span goes into its class's list of swept spans with room, or without.
    fn push(&mut self, span: &Span, allocated: u64, class: u64) -> Result<(), WalkError> {
        let list = match span.nelems > allocated {
            true => Swept::Partial,
            false => Swept::Full,
        };
        self.span_sets
            .push(class, list, &mut self.flusher, self.counters)
    }

    /// `newMarkBits` (runtime/mheap.go): a swept span gets fresh mark bits, for which a chunk may
    /// have to be mapped.
    fn new_mark_bits(&mut self, nelems: u64) -> Result<(), WalkError> {
        const ARENA: &str = "runtime.gcBitsArena";
        let world = self.world;
        let room = world.structs.elements(ARENA, "bits")?.count;
        let next = world.structs.place(ARENA, "next")?;
        let (left, free) = match self.mark_bits {
            Some(known) => known,
            None => {
                // runtime/mheap.go: `var gcBitsArenas struct { lock mutex; free, next, ... }`.
                let lists = world.global("runtime.gcBitsArenas")?;
                let word = world.model.word_size();
                let free_at = world.structs.size("runtime.mutex")?.next_multiple_of(word);
                let free = world.ptr(lists.offset(free_at), "runtime.gcBitsArenas")?;
                let head = world.ptr(lists.offset(free_at + word), "runtime.gcBitsArenas")?;
                let used = match head.is_nil() {
                    true => room,
                    false => {
                        let place = world.structs.place(ARENA, "free")?;
                        world.field(head, place, "runtime.gcBitsArenas")?
                    }
                };
                (room.saturating_sub(used), free)
            }
        };
        let needed = nelems.div_ceil(64) * 8;
        self.mark_bits = Some(if needed <= left {
            (left - needed, free)
        } else if free.is_nil() {
            self.counters.gc_misc_sys = self.counters.gc_misc_sys.wrapping_add(MARK_BITS_CHUNK);
            self.counters.mapped_ready = self.counters.mapped_ready.wrapping_add(MARK_BITS_CHUNK);
            (room.saturating_sub(needed), free)
        } else {
            let next = world.field(free, next, "runtime.gcBitsArenas")?;
            (room.saturating_sub(needed), Addr::new(next))
        });
        Ok(())
    }

    /// `queuefinalizer` (runtime/mfinal.go): a full block is followed by one that waits, or by a
    /// new one.
    fn queue_finalizer(&mut self) -> Result<(), WalkError> {
        const WHAT: &str = "the finalizer queue";
        let world = self.world;
        // go1.25 renamed it.
        let block = ["runtime.finblock", "runtime.finBlock"]
            .into_iter()
            .find(|name| world.structs.size(name).is_ok())
            .unwrap_or("runtime.finBlock");
        let room = world.structs.elements(block, "fin")?.count;
        let (left, free) = match self.finalizers {
            Some(known) => known,
            None => {
                let queue = world.ptr(world.global("runtime.finq")?, WHAT)?;
                let used = match queue.is_nil() {
                    true => room,
                    false => world.field(queue, world.structs.place(block, "cnt")?, WHAT)?,
                };
                let free = world.ptr(world.global("runtime.finc")?, WHAT)?;
                (room.saturating_sub(used), free)
            }
        };
        self.finalizers = Some(if left > 0 {
            (left - 1, free)
        } else if free.is_nil() {
            let size = world.structs.size(block)?;
            self.flusher.alloc_persistent(size, 8, self.counters);
            (room.saturating_sub(1), free)
        } else {
            let next = world.field(free, world.structs.place(block, "next")?, WHAT)?;
            (room.saturating_sub(1), Addr::new(next))
        });
        Ok(())
    }

    /// `stackcache_clear` (runtime/stack.go): free stacks go back to their spans, and a span
    /// without stacks goes back to the heap unless the collector is marking.
    fn clear_stack_cache(&mut self, cache: Addr) -> Result<(), WalkError> {
        const WHAT: &str = "the free stacks of an mcache";
        let world = self.world;
        let Elements {
            offset,
            count,
            stride,
        } = self.layout.stack_cache;
        for order in 0..count {
            let list = cache.offset(offset + order * stride);
            let first = Addr::new(world.field(list, self.layout.stack_list, WHAT)?);
            let mut chain = Chain::new(first);
            while let Some(stack) = chain.at() {
                // A free stack's first word is the next one (runtime/mcache.go: `gclink`).
                let next = world.ptr(stack, WHAT)?;
                self.free_stack(stack)?;
                chain.follow(next, WHAT)?;
            }
        }
        Ok(())
    }

    fn free_stack(&mut self, stack: Addr) -> Result<(), WalkError> {
        const WHAT: &str = "the span of a free stack";
        let world = self.world;
        let span = self
            .arenas
            .span_of(world, stack)?
            .filter(|span| !span.is_nil());
        let Some(span) = span else {
            return Err(WalkError::Implausible {
                what: "a free stack",
                at: stack,
                found: stack.get(),
                expected: "an address in the heap's arenas",
            });
        };
        let left = match self.stack_spans.get(&span) {
            Some(left) => *left,
            None => world.field(span, self.layout.alloc_count, WHAT)?,
        };
        let left = left.saturating_sub(1);
        self.stack_spans.insert(span, left);
        if left == 0 && self.gc_off {
            let bytes = world
                .field(span, self.layout.npages, WHAT)?
                .wrapping_mul(PAGE);
            self.counters.in_stacks = self.counters.in_stacks.wrapping_sub(bytes);
            self.counters.heap_free = self.counters.heap_free.wrapping_add(bytes);
            self.flusher
                .free_mspan(self.layout.mspan_size, self.counters);
        }
        Ok(())
    }
}
