//! The runtime's own statistics, as `readmemstats_m` computes them (runtime/mstats.go).
//!
//! The runtime flushes every mcache before it counts. From outside nothing can be flushed, so what
//! a flush would change is worked out ([`flush`]) on a copy of its counters ([`counters`]), and the
//! numbers are computed from that. In a world that is flushed already the copy stays as it is.

use goheap_format::MemStats;

use crate::arena::Arenas;
use crate::span::SpanTable;
use crate::special::Specials;
use crate::{WalkError, World};

mod counters;
mod flush;
mod goal;
mod proc;
mod span_sets;

use counters::{Cycles, HeapCounters};
use goal::Pacer;

/// Computes the statistics that the runtime's own dumper would write at this instant.
///
/// # Errors
/// A counter cannot be read, or a layout is missing.
pub fn read_mem_stats(world: &World<'_>) -> Result<MemStats, WalkError> {
    let mut counters = HeapCounters::read(world)?;
    let arenas = Arenas::new(world)?;
    flush::flush_all_mcaches(
        world,
        &arenas,
        &SpanTable::new(world, &arenas)?,
        &Specials::new(world)?,
        &mut counters,
    )?;
    let goal = Pacer::read(world)?.heap_goal(world.features.limit_headroom, &counters);
    Ok(compute(&counters, Cycles::read(world)?, goal))
}

/// What `readmemstats_m` does with the counters once they are flushed: the same in go1.19 to
/// go1.27, but that go1.25 has no `inPtrScalarBits` left (which then reads as 0).
fn compute(counters: &HeapCounters, cycles: Cycles, heap_goal: u64) -> MemStats {
    let c = counters;
    let mut total_alloc = c.large_alloc;
    let mut mallocs = c.large_alloc_count;
    let mut total_free = c.large_free;
    let mut frees = c.large_free_count;
    for class in &c.classes {
        total_alloc = total_alloc.wrapping_add(class.allocs.wrapping_mul(class.size));
        mallocs = mallocs.wrapping_add(class.allocs);
        total_free = total_free.wrapping_add(class.frees.wrapping_mul(class.size));
        frees = frees.wrapping_add(class.frees);
    }
    // Tiny allocations count as allocated and as freed.
    mallocs = mallocs.wrapping_add(c.tiny_alloc_count);
    frees = frees.wrapping_add(c.tiny_alloc_count);

    let sum = |parts: &[u64]| {
        parts
            .iter()
            .fold(0_u64, |sum, part| sum.wrapping_add(*part))
    };
    let heap_sys = sum(&[c.heap_in_use, c.heap_free, c.heap_released]);
    let gc_sys = sum(&[c.gc_misc_sys, c.in_work_bufs, c.in_ptr_scalar_bits]);
    let alloc = total_alloc.wrapping_sub(total_free);
    MemStats {
        alloc,
        total_alloc,
        sys: sum(&[
            heap_sys,
            c.stacks_sys,
            c.mspan_sys,
            c.mcache_sys,
            c.buckhash_sys,
            c.other_sys,
            c.in_stacks,
            gc_sys,
        ]),
        // Not counted since go1.3.
        lookups: 0,
        mallocs,
        frees,
        heap_alloc: alloc,
        heap_sys,
        heap_idle: c.heap_free.wrapping_add(c.heap_released),
        heap_inuse: c.heap_in_use,
        heap_released: c.heap_released,
        heap_objects: mallocs.wrapping_sub(frees),
        stack_inuse: c.in_stacks,
        stack_sys: c.in_stacks.wrapping_add(c.stacks_sys),
        mspan_inuse: c.mspan_inuse,
        mspan_sys: c.mspan_sys,
        mcache_inuse: c.mcache_inuse,
        mcache_sys: c.mcache_sys,
        buck_hash_sys: c.buckhash_sys,
        gc_sys,
        other_sys: c.other_sys,
        next_gc: heap_goal,
        last_gc: cycles.last_gc,
        pause_total_ns: cycles.pause_total_ns,
        pause_ns: cycles.pause_ns,
        num_gc: cycles.num_gc,
    }
}

#[cfg(test)]
mod tests;
