//! The whole walk, in the order of the runtime's own dumper (runtime/heapdump.go: `mdump`).

use goheap_format::{AllocSample, Record};

use crate::arena::Arenas;
use crate::gap::Gaps;
use crate::globals::{
    write_finalizer_queue, write_itabs, write_params, write_segments, write_threads,
};
use crate::goroutines::{GoroutineSummary, write_goroutines};
use crate::memstats::read_mem_stats;
use crate::objects::{ObjectSummary, Objects};
use crate::profile::write_mem_profile;
use crate::span::SpanTable;
use crate::special::{SpecialKind, Specials};
use crate::sweep::{SpanState, SweepEffects};
use crate::{Sink, WalkError, World};

/// What a walk has written, and what it could not see.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    /// Objects and spans.
    pub objects: ObjectSummary,
    /// Goroutines, by state.
    pub goroutines: GoroutineSummary,
    /// Operating system threads.
    pub threads: u64,
    /// Itabs.
    pub itabs: u64,
    /// What is missing.
    pub gaps: Gaps,
}

/// Walks `world` and writes what the runtime's own dumper would write of it at this instant,
/// record by record.
///
/// # Errors
/// The runtime's structures cannot be read or cannot be true, or the sink fails. What is merely
/// missing is a gap of the summary.
pub fn dump(world: &World<'_>, sink: &mut dyn Sink) -> Result<Summary, WalkError> {
    let mut summary = Summary::default();
    let heap = world.global("runtime.mheap_")?;
    let sweepgen = world.structs.place("runtime.mheap", "sweepgen")?;
    let heap_sweepgen = world.field(heap, sweepgen, "mheap_.sweepgen")? as u32;
    let arenas = Arenas::new(world)?;
    let spans = SpanTable::new(world)?;
    let specials = Specials::new(world)?;

    write_params(world, &arenas, sink)?;
    summary.itabs = write_itabs(world, sink)?;

    let effects = SweepEffects::of(world, &spans, &specials, heap_sweepgen)?;
    let objects = Objects {
        world,
        spans: &spans,
        arenas: &arenas,
        specials: &specials,
        effects: &effects,
        heap_sweepgen,
    };
    let (objects, with_specials) = objects.write(sink, &mut summary.gaps)?;
    summary.objects = objects;

    summary.goroutines = write_goroutines(world, sink)?;
    summary
        .gaps
        .append(std::mem::take(&mut summary.goroutines.gaps));
    summary.threads = write_threads(world, sink)?;
    write_segments(world, sink)?;

    let each_special = |wanted: SpecialKind, sink: &mut dyn Sink| -> Result<(), WalkError> {
        for at in &with_specials {
            let Some(span) = spans.read(world, *at)? else {
                continue;
            };
            let state = SpanState::of(world, &specials, &span, heap_sweepgen)?;
            for special in state
                .specials
                .iter()
                .filter(|special| special.kind == wanted)
            {
                let object = span.base.offset(special.offset);
                let record = match wanted {
                    SpecialKind::Finalizer => {
                        Record::Finalizer(specials.finalizer(world, special, object)?)
                    }
                    _ => Record::AllocSample(AllocSample {
                        object: object.get(),
                        bucket: specials.bucket(world, special)?,
                    }),
                };
                sink.record(&record)?;
            }
        }
        Ok(())
    };
    each_special(SpecialKind::Finalizer, sink)?;
    write_finalizer_queue(world, &effects.queued, sink)?;
    sink.record(&Record::MemStats(Box::new(read_mem_stats(world)?)))?;
    write_mem_profile(world, sink)?;
    each_special(SpecialKind::Profile, sink)?;
    sink.record(&Record::Eof)?;
    Ok(summary)
}
