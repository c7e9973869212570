//! A span as it will be once the sweeper has been there.
//!
//! The runtime's dumper sweeps what the last collection marked before it writes objects
//! (runtime/heapdump.go: `mdump`). From outside nothing can be swept, so this works out what the
//! sweep would leave (runtime/mgcsweep.go: `sweepLocked.sweep`).

use std::collections::{BTreeSet, HashMap};

use goheap_golang::IsFree;
use goheap_memory::{Addr, Memory};

use crate::bits::{INLINE_MARKS, has_inline_marks};
use crate::cleanup::Cleanup;
use crate::error::Doing;
use crate::gap::Gaps;
use crate::span::{Span, SpanTable};
use crate::special::{Special, SpecialKind, Specials};
use crate::{Fidelity, WalkError, World, limit};

/// Which objects of a span exist, and which of its specials stay.
#[derive(Debug)]
pub(crate) struct SpanState {
    /// A bit an object: set if it is allocated.
    allocated: Vec<u8>,
    /// Objects below this index exist whatever the bits say, for the runtime's own dumper.
    below: u64,
    /// Objects below this index are allocated whatever the bits say.
    free_index: u64,
    /// Objects that are being allocated at this instant: what they hold is of their previous lives.
    pub(crate) in_flight: Vec<u64>,
    /// Specials that the sweep takes off, in its order.
    pub(crate) taken: Vec<Special>,
    /// Specials that stay.
    pub(crate) specials: Vec<Special>,
    /// Whether the span had not been swept.
    pub(crate) swept_here: bool,
    /// Whether it was being swept at this instant.
    pub(crate) in_sweep: bool,
    /// Whether nothing is left of it: the sweep gives its pages back.
    pub(crate) released: bool,
}

/// Bytes that a sweep changes inside of a span: the inline marks are moved out and cleared, all
/// but the class in their last byte (runtime/mgcmark_greenteagc.go, go1.25: `moveInlineMarks`).
pub(crate) fn clear_inline_marks(contents: &mut [u8]) {
    if let Some(start) = contents.len().checked_sub(INLINE_MARKS as usize) {
        let marks = &mut contents[start..];
        let (_class, rest) = marks.split_last_mut().expect("INLINE_MARKS bytes");
        rest.fill(0);
    }
}

/// How far the sweeper is with a span, by its generation (runtime/mheap.go: `mspan.sweepgen`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sweep {
    /// Nothing is to be done: swept since the last collection, or cached since.
    Done,
    /// Not swept since the last collection (`sg-2`), or cached before it and still cached (`sg+1`).
    Waiting,
    /// Being swept at this instant (`sg-1`).
    Underway,
}

impl Sweep {
    fn of(span: &Span, heap_sweepgen: u32) -> Sweep {
        match span.sweepgen.wrapping_sub(heap_sweepgen).cast_signed() {
            -2 | 1 => Sweep::Waiting,
            -1 => Sweep::Underway,
            _ => Sweep::Done,
        }
    }
}

/// Whether a span still waits for the sweeper.
pub(crate) fn needs_sweep(span: &Span, heap_sweepgen: u32) -> bool {
    Sweep::of(span, heap_sweepgen) == Sweep::Waiting
}

impl SpanState {
    /// The state of `span`, swept if it was not.
    pub(crate) fn of(
        world: &World<'_>,
        specials: &Specials,
        span: &Span,
        heap_sweepgen: u32,
    ) -> Result<SpanState, WalkError> {
        let list = specials.list(world, span)?;
        match Sweep::of(span, heap_sweepgen) {
            Sweep::Done => SpanState::swept(world, span, list, heap_sweepgen),
            Sweep::Waiting => SpanState::waiting(world, span, list),
            Sweep::Underway => SpanState::underway(world, span, list),
        }
    }

    fn swept(
        world: &World<'_>,
        span: &Span,
        list: Vec<Special>,
        heap_sweepgen: u32,
    ) -> Result<SpanState, WalkError> {
        let allocated = alloc_bits(world, span)?;
        let in_flight = in_flight(world, span, &allocated, heap_sweepgen)?;
        Ok(SpanState {
            allocated,
            below: match world.features.is_free {
                IsFree::FreeIndexForScan => span.free_index_for_scan.unwrap_or(span.free_index),
                IsFree::FreeIndex => span.free_index,
            },
            free_index: span.free_index,
            in_flight,
            taken: Vec::new(),
            specials: list,
            swept_here: false,
            in_sweep: false,
            released: false,
        })
    }

    fn waiting(world: &World<'_>, span: &Span, list: Vec<Special>) -> Result<SpanState, WalkError> {
        let mut marked = marks(world, span)?;
        let (taken, left) = sweep_specials(span, list, &mut marked);
        let released = (0..span.nelems).all(|i| !bit(&marked, i));
        Ok(SpanState {
            allocated: marked,
            below: 0,
            free_index: 0,
            in_flight: Vec::new(),
            taken,
            specials: left,
            swept_here: true,
            in_sweep: false,
            released,
        })
    }

    /// A span in the middle of its sweep (runtime/mgcsweep.go: `sweepLocked.sweep`). That takes off
    /// the specials of dead objects one after the other, moves the inline marks to the other mark
    /// bits, and then has these become `allocBits`, with fresh mark bits in their stead, all clear.
    ///
    /// So where a mark is set, the marks tell what lives, and a special left says that its object
    /// may live on for its finalizer. Where none is, the marks have moved already, or all is
    /// dead: then what `allocBits` and `freeindex` say is at least everything that lives.
    fn underway(
        world: &World<'_>,
        span: &Span,
        list: Vec<Special>,
    ) -> Result<SpanState, WalkError> {
        let mut allocated = marks(world, span)?;
        let mut free_index = 0;
        if allocated.iter().all(|byte| *byte == 0) {
            allocated = alloc_bits(world, span)?;
            free_index = span.free_index;
        } else {
            for special in &list {
                let object = special.offset / span.elem_size;
                if let Some(byte) = allocated.get_mut((object / 8) as usize) {
                    *byte |= 1 << (object % 8);
                }
            }
        }
        Ok(SpanState {
            allocated,
            below: free_index,
            free_index,
            in_flight: Vec::new(),
            taken: Vec::new(),
            specials: list,
            swept_here: false,
            in_sweep: true,
            released: false,
        })
    }

    /// Whether there is an object at `index`, as the runtime's own dumper tells it.
    pub(crate) fn exists(&self, span: &Span, index: u64) -> bool {
        index < span.nelems && (index < self.below || bit(&self.allocated, index))
    }

    /// Whether the dumper writes object `index`. The runtime's own writes phantoms behind `nelems`
    /// always (runtime/heapdump.go: `dumpobjs`, whose `freemark` stops there); a mended dump has
    /// what is being allocated as well, so that it has whatever the allocator counts.
    pub(crate) fn is_dumped(&self, span: &Span, index: u64, fidelity: Fidelity) -> bool {
        match fidelity {
            Fidelity::Exact => index >= span.nelems || self.exists(span, index),
            Fidelity::Mended => {
                index < span.nelems && (index < self.free_index || bit(&self.allocated, index))
            }
        }
    }

    /// How many objects there are by the bits, where `mspan.allocCount` has to say the same: in
    /// spans that are swept. The allocator raises it with `freeindex` (runtime/malloc.go:
    /// `nextFreeFast`), and the sweep sets it to the bits that it leaves (runtime/mgcsweep.go:
    /// `countAlloc`).
    pub(crate) fn counted(&self, span: &Span) -> Option<u64> {
        if self.swept_here || self.in_sweep {
            return None;
        }
        let free_index = self.free_index.min(span.nelems);
        let (whole, rest) = (free_index as usize / 8, free_index % 8);
        let mut count = free_index;
        for (i, byte) in self.allocated.iter().enumerate().skip(whole) {
            let mut byte = *byte;
            if i == whole {
                byte &= 0xff << rest;
            }
            // Bits behind the last object are none of its.
            let left = span.nelems.saturating_sub(i as u64 * 8);
            if left < 8 {
                byte &= (1 << left) - 1;
            }
            count += u64::from(byte.count_ones());
        }
        Some(count)
    }
}

/// `mspan.allocBits`.
fn alloc_bits(world: &World<'_>, span: &Span) -> Result<Vec<u8>, WalkError> {
    let mut bits = vec![0; span.nelems.div_ceil(8) as usize];
    world
        .memory
        .read(span.alloc_bits, &mut bits)
        .doing("mspan.allocBits")?;
    Ok(bits)
}

/// `mspan.gcmarkBits`, with the marks inside of the span where it has those.
fn marks(world: &World<'_>, span: &Span) -> Result<Vec<u8>, WalkError> {
    let mut marked = vec![0; span.nelems.div_ceil(8) as usize];
    world
        .memory
        .read(span.mark_bits, &mut marked)
        .doing("mspan.gcmarkBits")?;
    if has_inline_marks(world, span) {
        // scans [63]byte, owner, marks [63]byte, class.
        let mut inline = [0; INLINE_MARKS as usize];
        world
            .memory
            .read(span.base.offset(span.bytes - INLINE_MARKS), &mut inline)
            .doing("spanInlineMarkBits")?;
        for (mark, inline) in marked.iter_mut().zip(&inline[64..127]) {
            *mark |= inline;
        }
    }
    Ok(marked)
}

/// Objects of a swept span that `freeindex` has passed and `freeIndexForScan` has not: what they
/// hold is of their previous lives, their pointer bits or type as well, until `mallocgc` publishes
/// them by `freeIndexForScan` (runtime/malloc.go, go1.19.8 to go1.27). While the collector marks,
/// go1.25 and later publish by a mark instead (`gcmarknewobject`).
///
/// A P allocates from the span that it has cached (`sg+3`), so that there is one such object at
/// most; one of a large object's span has no cache.
fn in_flight(
    world: &World<'_>,
    span: &Span,
    allocated: &[u8],
    heap_sweepgen: u32,
) -> Result<Vec<u64>, WalkError> {
    let end = span.free_index.min(span.nelems);
    let start = span.free_index_for_scan.unwrap_or(end);
    let cached = span.sweepgen == heap_sweepgen.wrapping_add(3);
    if start >= end || !cached && span.size_class() != 0 {
        return Ok(Vec::new());
    }
    let unpublished = |bits: &[u8]| (start..end).filter(|i| !bit(bits, *i)).collect::<Vec<_>>();
    let mut found = unpublished(allocated);
    if !found.is_empty() {
        let marked = marks(world, span)?;
        found.retain(|i| !bit(&marked, *i));
    }
    Ok(found)
}

fn bit(bits: &[u8], index: u64) -> bool {
    bits.get((index / 8) as usize)
        .is_some_and(|byte| byte >> (index % 8) & 1 != 0)
}

/// What the sweep makes of the specials of dead objects: one with a finalizer lives on until that
/// has run, and loses its finalizers and weak handles; any other loses all.
fn sweep_specials(
    span: &Span,
    list: Vec<Special>,
    marked: &mut [u8],
) -> (Vec<Special>, Vec<Special>) {
    let index = |special: &Special| special.offset / span.elem_size;
    let dead: Vec<bool> = list
        .iter()
        .map(|special| !bit(marked, index(special)))
        .collect();
    let revived: BTreeSet<u64> = list
        .iter()
        .zip(&dead)
        .filter(|(special, dead)| **dead && special.kind == SpecialKind::Finalizer)
        .map(|(special, _)| index(special))
        .collect();
    for object in &revived {
        if let Some(byte) = marked.get_mut((object / 8) as usize) {
            *byte |= 1 << (object % 8);
        }
    }
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for (special, dead) in list.into_iter().zip(dead) {
        let stays = !dead
            || revived.contains(&index(&special))
                && !matches!(
                    special.kind,
                    SpecialKind::Finalizer | SpecialKind::WeakHandle
                );
        if stays {
            left.push(special)
        } else {
            taken.push(special)
        }
    }
    (taken, left)
}

/// What the sweep of all spans that wait for it changes outside of them.
#[derive(Debug, Default)]
pub(crate) struct SweepEffects {
    /// Finalizers (and in go1.24 cleanups) that it queues, in its order.
    pub(crate) queued: Vec<goheap_format::Finalizer>,
    /// Cleanups that it queues in their own queue (from go1.25 on).
    pub(crate) queued_cleanups: Vec<Cleanup>,
    /// Weak pointers' handles that it clears, ascending.
    pub(crate) cleared: Vec<Addr>,
}

impl SweepEffects {
    /// Works out the effects, in the order in which the runtime sweeps: stale cached spans when
    /// the mcaches are flushed (runtime/mcentral.go: `uncacheSpan`), then all others in the order
    /// of `allspans` (runtime/heapdump.go: `mdump`).
    pub(crate) fn of(
        world: &World<'_>,
        spans: &SpanTable<'_>,
        specials: &Specials,
        heap_sweepgen: u32,
        gaps: &mut Gaps,
    ) -> Result<SweepEffects, WalkError> {
        let mut effects = SweepEffects::default();
        let mut waiting = Vec::new();
        for i in 0..spans.len() {
            // What cannot be read is a gap when it comes to objects.
            let Ok(at) = spans.address(world, i) else {
                break;
            };
            if let Ok(Some(span)) = spans.read(world, at)
                && !span.specials.is_nil()
                && needs_sweep(&span, heap_sweepgen)
            {
                waiting.push(span);
            }
        }
        if waiting.is_empty() {
            return Ok(effects);
        }
        // Without the mcaches only the order of what is queued may be another one.
        let allp = world.global("runtime.allp")?;
        let cached = gaps.unless(
            "the order of the finalizer queue",
            allp,
            cached_spans(world),
        )?;
        let cached = cached.unwrap_or_default();
        let stale = |span: &Span| span.sweepgen == heap_sweepgen.wrapping_add(1);
        waiting.sort_by_key(|span| {
            let place = cached.get(&span.at).filter(|_| stale(span));
            (place.is_none(), place)
        });
        for span in &waiting {
            // This too is a gap when it comes to objects.
            let Ok(state) = SpanState::of(world, specials, span, heap_sweepgen) else {
                continue;
            };
            for special in &state.taken {
                let taken = effects.take(world, specials, span, special);
                gaps.unless("what a sweep makes of a special", special.at, taken)?;
            }
        }
        effects.cleared.sort_unstable();
        Ok(effects)
    }

    /// Adds what the sweep makes of `special`, which it takes off.
    fn take(
        &mut self,
        world: &World<'_>,
        specials: &Specials,
        span: &Span,
        special: &Special,
    ) -> Result<(), WalkError> {
        match special.kind {
            SpecialKind::Finalizer => {
                let object = object_of(span, special);
                self.queued
                    .push(specials.finalizer(world, special, object)?);
            }
            SpecialKind::Cleanup if world.features.cleanups_queue_as_finalizers => {
                self.queued.extend(specials.queued_cleanup(world, special)?);
            }
            SpecialKind::Cleanup => self
                .queued_cleanups
                .extend(specials.cleanup(world, special)?),
            SpecialKind::WeakHandle => self.cleared.push(specials.weak_handle(world, special)?),
            SpecialKind::Profile | SpecialKind::Other => {}
        }
        Ok(())
    }

    /// Clears what the sweep clears in `contents`, which lie at `base`.
    pub(crate) fn apply(&self, word: u64, base: Addr, contents: &mut [u8]) {
        let first = self.cleared.partition_point(|at| *at < base);
        for at in &self.cleared[first..] {
            let Some(offset) = at.since(base).filter(|o| *o < contents.len() as u64) else {
                break;
            };
            let start = offset as usize;
            if let Some(handle) = contents.get_mut(start..start + word as usize) {
                handle.fill(0);
            }
        }
    }
}

/// The spans in the mcaches, with their places in the order in which these are flushed
/// (runtime/mcache.go: `releaseAll`, for each p of `allp`).
fn cached_spans(world: &World<'_>) -> Result<HashMap<Addr, usize>, WalkError> {
    const WHAT: &str = "an mcache";
    let (allp, count) = world.slice(world.global("runtime.allp")?, "runtime.allp")?;
    let mcache = world.structs.place("runtime.p", "mcache")?;
    let alloc = world.structs.elements("runtime.mcache", "alloc")?;
    let mut spans = HashMap::new();
    let mut place = 0;
    for i in 0..count.min(limit::PROCS) {
        let p = world.ptr(allp.offset(i * world.model.word_size()), "runtime.allp")?;
        let cache = Addr::new(world.field(p, mcache, "p.mcache")?);
        if cache.is_nil() {
            continue;
        }
        for class in 0..alloc.count {
            let at = alloc.offset.wrapping_add(class.wrapping_mul(alloc.stride));
            spans
                .entry(world.ptr(cache.offset(at), WHAT)?)
                .or_insert(place);
            place += 1;
        }
    }
    Ok(spans)
}

/// Where a queued finalizer's object is.
pub(crate) fn object_of(span: &Span, special: &Special) -> Addr {
    span.base.offset(special.offset)
}

#[cfg(test)]
mod tests;
