//! A span as it will be once the sweeper has been there.
//!
//! The runtime's dumper sweeps what the last collection marked before it writes objects
//! (runtime/heapdump.go: `mdump`). From outside nothing can be swept, so this works out what the
//! sweep would leave (runtime/mgcsweep.go: `sweepLocked.sweep`).

use std::collections::{BTreeSet, HashMap};

use goheap_golang::IsFree;
use goheap_memory::{Addr, Memory};

use crate::bits::{INLINE_MARKS, has_inline_marks};
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
    /// Objects below this index exist whatever the bits say.
    below: u64,
    /// Specials that the sweep takes off, in its order.
    pub(crate) taken: Vec<Special>,
    /// Specials that stay.
    pub(crate) specials: Vec<Special>,
    /// Whether the span had not been swept.
    pub(crate) swept_here: bool,
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

/// Whether a span still waits for the sweeper: not swept since the last collection (`sg-2`), or
/// cached before it and still cached (`sg+1`). Any other generation needs nothing
/// (runtime/mheap.go: `mspan.sweepgen`).
pub(crate) fn needs_sweep(span: &Span, heap_sweepgen: u32) -> bool {
    span.sweepgen == heap_sweepgen.wrapping_sub(2) || span.sweepgen == heap_sweepgen.wrapping_add(1)
}

impl SpanState {
    /// The state of `span`, swept if it was not.
    pub(crate) fn of(
        world: &World<'_>,
        specials: &Specials,
        span: &Span,
        heap_sweepgen: u32,
    ) -> Result<SpanState, WalkError> {
        let bytes = span.nelems.div_ceil(8) as usize;
        let list = specials.list(world, span)?;
        if !needs_sweep(span, heap_sweepgen) {
            let mut allocated = vec![0; bytes];
            world
                .memory
                .read(span.alloc_bits, &mut allocated)
                .doing("mspan.allocBits")?;
            return Ok(SpanState {
                allocated,
                below: match world.features.is_free {
                    IsFree::FreeIndexForScan => span.free_index_for_scan.unwrap_or(span.free_index),
                    IsFree::FreeIndex => span.free_index,
                },
                taken: Vec::new(),
                specials: list,
                swept_here: false,
                released: false,
            });
        }
        let mut marked = vec![0; bytes];
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
        let (taken, left) = sweep_specials(span, list, &mut marked);
        let released = (0..span.nelems).all(|i| !bit(&marked, i));
        Ok(SpanState {
            allocated: marked,
            below: 0,
            taken,
            specials: left,
            swept_here: true,
            released,
        })
    }

    /// Whether there is an object at `index`.
    pub(crate) fn exists(&self, span: &Span, index: u64) -> bool {
        index < span.nelems && (index < self.below || bit(&self.allocated, index))
    }

    /// Whether the dumper writes object `index`: the runtime's own writes phantoms behind `nelems`
    /// always (runtime/heapdump.go: `dumpobjs`, whose `freemark` stops there).
    pub(crate) fn is_dumped(&self, span: &Span, index: u64, fidelity: Fidelity) -> bool {
        match fidelity {
            Fidelity::Exact => index >= span.nelems || self.exists(span, index),
            Fidelity::Mended => self.exists(span, index),
        }
    }
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
            SpecialKind::Cleanup => self.queued.extend(specials.queued_cleanup(world, special)?),
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
