//! Roots that the runtime's own dumper does not write, though its collector starts from them: what
//! cleanups hold, the handles of weak pointers, and the blocks that tiny objects are put into.
//!
//! Gone through for this: `markroot`, `markrootSpans`, `gcMarkTinyAllocs` (runtime/mgcmark.go,
//! go1.19 to go1.27). The roots that they have beside these have records of their own: data and bss
//! of all modules, the queue of finalizers, finalizers, goroutines. Of the other specials (samples,
//! pins, tiny blocks, bubbles, what checks finalizers, secrets) none is a root: what a `Pinner`
//! holds, it holds by a slice of its own.

use goheap_format::annex::{self, Note};
use goheap_format::{OtherRoot, Record};
use goheap_memory::Addr;

use crate::arena::Arenas;
use crate::cleanup::{self, Cleanup};
use crate::gap::Gaps;
use crate::span::SpanTable;
use crate::special::{SpecialKind, Specials};
use crate::sweep::{SpanState, SweepEffects, object_of};
use crate::{Sink, WalkError, World, limit};

/// Writes them.
pub(crate) struct OtherRoots<'a, 'w> {
    pub(crate) world: &'a World<'w>,
    pub(crate) arenas: &'a Arenas,
    pub(crate) spans: &'a SpanTable<'a>,
    pub(crate) specials: &'a Specials,
    pub(crate) effects: &'a SweepEffects,
    pub(crate) heap_sweepgen: u32,
}

impl OtherRoots<'_, '_> {
    /// Writes a record for each, and notes of cleanups and weak handles. The spans are those that
    /// have specials.
    pub(crate) fn write(
        &self,
        spans: &[Addr],
        sink: &mut dyn Sink,
        gaps: &mut Gaps,
    ) -> Result<(), WalkError> {
        for at in spans {
            // Where this fails, the walk over objects has told of it.
            let Ok(Some(span)) = self.spans.read(self.world, *at) else {
                continue;
            };
            let state = SpanState::of(self.world, self.specials, &span, self.heap_sweepgen);
            let Ok(state) = state else {
                continue;
            };
            for special in &state.specials {
                let object = object_of(&span, special);
                match special.kind {
                    SpecialKind::Cleanup => {
                        let cleanup = self.specials.cleanup(self.world, special);
                        let cleanup = gaps.unless("a cleanup", special.at, cleanup)?;
                        if let Some(cleanup) = cleanup.flatten() {
                            self.cleanup(Some(object), cleanup, sink, gaps)?;
                        }
                    }
                    SpecialKind::WeakHandle => {
                        let handle = self.specials.weak_handle(self.world, special);
                        let handle = gaps.unless("a weak handle", special.at, handle)?;
                        if let Some(handle) = handle.filter(|handle| !handle.is_nil()) {
                            weak_handle(object, handle, sink)?;
                        }
                    }
                    SpecialKind::Finalizer | SpecialKind::Profile | SpecialKind::Other => {}
                }
            }
        }
        for cleanup in &self.effects.queued_cleanups {
            self.cleanup(None, *cleanup, sink, gaps)?;
        }
        let read = cleanup::each_queued(self.world, |cleanup| {
            self.cleanup(None, cleanup, sink, gaps)
        });
        gaps.unless("the queue of cleanups", Addr::NIL, read)?;
        let allp = self.world.global("runtime.allp")?;
        let written = self.tiny_blocks(sink);
        gaps.unless("the blocks of tiny objects", allp, written)?;
        Ok(())
    }

    /// A cleanup of `object`, or one that is queued.
    fn cleanup(
        &self,
        object: Option<Addr>,
        cleanup: Cleanup,
        sink: &mut dyn Sink,
        gaps: &mut Gaps,
    ) -> Result<(), WalkError> {
        let whole = match object {
            Some(object) => format!("cleanup of object {object}"),
            None => "queued cleanup".to_owned(),
        };
        for (part, target) in cleanup.holds() {
            // What lies in the program itself needs no root.
            if !part.is_empty() && !self.arenas.cover(target, 1) {
                continue;
            }
            sink.record(&Record::OtherRoot(OtherRoot {
                description: format!("{part}{whole}").as_bytes(),
                target: target.get(),
            }))?;
        }
        let code = cleanup.code(self.world);
        let code = gaps.unless("a cleanup", cleanup.closure, code)?;
        sink.note(&Note::Cleanup(annex::Cleanup {
            object: object.map_or(0, Addr::get),
            closure: cleanup.closure.get(),
            code: code.unwrap_or(0),
        }))?;
        Ok(())
    }

    /// The block that each P cuts tiny objects from: the collector keeps it even if nobody holds one
    /// of these (runtime/mgcmark.go: `gcMarkTinyAllocs`).
    fn tiny_blocks(&self, sink: &mut dyn Sink) -> Result<(), WalkError> {
        const WHAT: &str = "mcache.tiny";
        let world = self.world;
        let (allp, count) = world.slice(world.global("runtime.allp")?, "runtime.allp")?;
        let mcache = world.structs.place("runtime.p", "mcache")?;
        let tiny = world.structs.place("runtime.mcache", "tiny")?;
        for i in 0..count.min(limit::PROCS) {
            let p = world.ptr(allp.offset(i * world.model.word_size()), "runtime.allp")?;
            let cache = Addr::new(world.field(p, mcache, "p.mcache")?);
            if cache.is_nil() {
                continue;
            }
            let block = world.field(cache, tiny, WHAT)?;
            if block != 0 {
                sink.record(&Record::OtherRoot(OtherRoot {
                    description: format!("tiny block of P {i}").as_bytes(),
                    target: block,
                }))?;
            }
        }
        Ok(())
    }
}

/// A weak pointer's handle. The special holds the handle, and the handle does not hold the object:
/// it is an object without pointers (runtime/mgcmark.go, go1.23: `markrootSpans`).
fn weak_handle(object: Addr, handle: Addr, sink: &mut dyn Sink) -> Result<(), WalkError> {
    sink.record(&Record::OtherRoot(OtherRoot {
        description: format!("weak handle of object {object}").as_bytes(),
        target: handle.get(),
    }))?;
    sink.note(&Note::WeakHandle(annex::WeakHandle {
        object: object.get(),
        handle: handle.get(),
    }))?;
    Ok(())
}
