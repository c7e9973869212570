//! The whole walk, in the order of the runtime's own dumper (runtime/heapdump.go: `mdump`).

use goheap_format::{AllocSample, Record};

use crate::arena::Arenas;
use crate::borne_out;
use crate::checks::check_constants;
use crate::gap::Gaps;
use crate::globals::{
    note_modules, write_finalizer_queue, write_itabs, write_params, write_segments, write_threads,
};
use crate::goroutines::{GoroutineSummary, HeapWords, write_goroutines};
use crate::layout_check::check_layouts;
use crate::memstats::read_mem_stats;
use crate::objects::{ObjectSummary, Objects};
use crate::profile::write_mem_profile;
use crate::roots::OtherRoots;
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

/// How close a dump keeps to the runtime's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// Byte for byte what the runtime's own dumper would write, its faults included.
    Exact,
    /// Everything that is there and nothing else: without the faults of the runtime's dumper, and
    /// with [notes](Sink::note) of what the format has no record for.
    Mended,
}

/// Walks `world` and writes it record by record, in the order of the runtime's own dumper.
///
/// # Errors
/// The runtime's structures cannot be read or cannot be true, their layouts are out of a table that
/// does not fit, or the sink fails. What is merely missing is a gap of the summary.
pub fn dump(
    world: &World<'_>,
    fidelity: Fidelity,
    sink: &mut dyn Sink,
) -> Result<Summary, WalkError> {
    check_layouts(world, true)?;
    let mut summary = Summary::default();
    let heap = world.global("runtime.mheap_")?;
    let sweepgen = world.structs.place("runtime.mheap", "sweepgen")?;
    let heap_sweepgen = world.field(heap, sweepgen, "mheap_.sweepgen")? as u32;
    let arenas = Arenas::new(world)?;
    let spans = SpanTable::new(world, &arenas)?;
    let specials = Specials::new(world)?;

    write_params(world, &arenas, fidelity, sink)?;
    let itabs = world.global("runtime.itabTable")?;
    let written = write_itabs(world, sink, &mut summary);
    summary.gaps.unless("itabs", itabs, written)?;

    let effects = SweepEffects::of(world, &spans, &specials, heap_sweepgen, &mut summary.gaps)?;
    let objects = Objects {
        world,
        spans: &spans,
        arenas: &arenas,
        specials: &specials,
        effects: &effects,
        heap_sweepgen,
        fidelity,
    };
    let walked = objects.write(sink, &mut summary.gaps)?;
    let with_specials = walked.with_specials;
    summary.objects = walked.summary;
    let checked = walked
        .pages
        .check(world, &arenas, &spans, &mut summary.gaps);
    summary
        .gaps
        .unless("which spans there are", heap, checked)?;
    // What code has told of was asked before the world was opened.
    if world.program.inferred().is_none()
        && let Some((name, at, why)) = borne_out::doubt(world)
    {
        let what = "the runtime's variables";
        summary.gaps.add(what, at, format!("{name}: {why}"));
    }
    let checked = check_constants(world, &mut summary.gaps);
    summary.gaps.unless("Ps and central lists", heap, checked)?;

    let heap_words = HeapWords::new(world, &arenas, &spans, &specials, heap_sweepgen);
    summary.goroutines = write_goroutines(world, &arenas, &heap_words, fidelity, sink)?;
    summary
        .gaps
        .append(std::mem::take(&mut summary.goroutines.gaps));
    let threads = world.global("runtime.allm")?;
    let written = write_threads(world, sink, &mut summary);
    summary.gaps.unless("threads", threads, written)?;
    if fidelity == Fidelity::Mended {
        note_modules(world, sink)?;
    }
    write_segments(world, fidelity, sink, &mut summary.gaps)?;

    let each_special = |wanted: SpecialKind,
                        what: &'static str,
                        sink: &mut dyn Sink,
                        gaps: &mut Gaps|
     -> Result<(), WalkError> {
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
                    SpecialKind::Finalizer => specials
                        .finalizer(world, special, object)
                        .map(Record::Finalizer),
                    _ => specials.bucket(world, special).map(|bucket| {
                        Record::AllocSample(AllocSample {
                            object: object.get(),
                            bucket,
                        })
                    }),
                };
                if let Some(record) = gaps.unless(what, special.at, record)? {
                    sink.record(&record)?;
                }
            }
        }
        Ok(())
    };
    let gaps = &mut summary.gaps;
    each_special(SpecialKind::Finalizer, "a finalizer", sink, gaps)?;
    let queue = world.global("runtime.allfin")?;
    let written = write_finalizer_queue(world, &effects.queued, fidelity, sink);
    gaps.unless("the finalizer queue", queue, written)?;
    if fidelity == Fidelity::Mended {
        let roots = OtherRoots {
            world,
            arenas: &arenas,
            spans: &spans,
            specials: &specials,
            effects: &effects,
            heap_sweepgen,
        };
        roots.write(&with_specials, sink, gaps)?;
    }
    let stats = read_mem_stats(world);
    if let Some(stats) = gaps.unless("statistics", world.global("runtime.memstats")?, stats)? {
        sink.record(&Record::MemStats(Box::new(stats)))?;
    }
    let buckets = world.global("runtime.mbuckets")?;
    gaps.unless(
        "the memory profile",
        buckets,
        write_mem_profile(world, sink),
    )?;
    each_special(
        SpecialKind::Profile,
        "a sample of the memory profile",
        sink,
        gaps,
    )?;
    sink.record(&Record::Eof)?;
    Ok(summary)
}
