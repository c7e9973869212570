//! What lies on the stacks that belong to threads: the scheduler's, and that of signal handlers.
//!
//! The runtime's own functions run there, and the collector does not look at these stacks: it stops
//! the world where nothing is under way. A process that is stopped at any moment has timers that
//! are about to fire, goroutines that are being made, objects that are being allocated, with the
//! only pointer to them in such a frame. So each word of the frames is taken for a pointer.
//!
//! Threads that wait for work are left alone: what is on their stacks is over.

use std::collections::BTreeSet;

use goheap_format::{OtherRoot, Record};
use goheap_memory::{Addr, Memory};

use super::heap_words::HeapWords;
use super::machine::M;
use super::registers::Owner;
use crate::gap::Gaps;
use crate::{Sink, WalkError, World};

/// The most bytes of a stack that are looked through: as much as a main thread has by default.
const MOST: u64 = 8 << 20;

/// The most bytes of all such stacks together: a damaged list of threads may name the same stack
/// again and again.
pub(super) const MOST_OF_ALL: u64 = 4 << 30;

/// Where nobody tells the end of a stack: as much as the runtime gives to its threads, and more
/// (runtime/proc.go: `allocm`; runtime/os_linux.go: `newosproc0`).
const UNTOLD: u64 = 64 << 10;

/// Writes a root for each object that a word on the stacks of a busy thread leads to.
pub(super) fn write_roots(
    world: &World<'_>,
    owner: &Owner<'_>,
    m: &M,
    heap: &HeapWords<'_, '_>,
    sink: &mut dyn Sink,
    gaps: &mut Gaps,
) -> Result<u64, WalkError> {
    let thread = owner.thread;
    let mut count = 0;
    if let Some(frame) = &thread.interrupted {
        let from = thread.registers.sp;
        count += write_range(world, owner, "signal", (from, frame.at), heap, sink, gaps)?;
    }
    if thread.lost {
        let why = format_args!(
            "thread {} is in a signal handler, and what that interrupted is not found",
            thread.tid
        );
        gaps.add("the stack of a thread", thread.registers.sp, why);
    }
    // On its goroutine's stack nothing is on this one.
    if owner.g.is_none() && !thread.lost {
        let from = thread.code().sp;
        let to = end(world, m, from);
        count += write_range(world, owner, "scheduler", (from, to), heap, sink, gaps)?;
    }
    Ok(count)
}

/// Where the frames end that begin at `sp` on the scheduler's stack: where it begins for whoever
/// comes from a goroutine.
fn end(world: &World<'_>, m: &M, sp: Addr) -> Addr {
    let near = |end: Addr, most: u64| end.since(sp).is_some_and(|len| len <= most);
    if near(m.g0_sp, MOST) {
        return m.g0_sp;
    }
    let mappings = world.target.mappings();
    let behind = mappings.partition_point(|mapping| mapping.end <= sp);
    let mapped = mappings.get(behind).map_or(sp, |mapping| mapping.end);
    let told = match near(m.g0_stack.hi, MOST) {
        true => m.g0_stack.hi,
        false => sp.offset(UNTOLD),
    };
    told.min(mapped)
}

fn write_range(
    world: &World<'_>,
    owner: &Owner<'_>,
    which: &str,
    (from, to): (Addr, Addr),
    heap: &HeapWords<'_, '_>,
    sink: &mut dyn Sink,
    gaps: &mut Gaps,
) -> Result<u64, WalkError> {
    let word = world.model.word_size();
    let from = Addr::new(from.get() & !(word - 1));
    let len = to.since(from).unwrap_or(0).min(MOST);
    let Some(room) = owner.room.get().checked_sub(len) else {
        let why = format_args!(
            "the {which} stack of thread {}: all together have too many bytes",
            owner.thread.tid
        );
        gaps.add("the stack of a thread", from, why);
        return Ok(0);
    };
    owner.room.set(room);
    let mut bytes = vec![0; len as usize];
    if let Err(fault) = world.memory.read(from, &mut bytes) {
        let why = format_args!("the {which} stack of thread {}: {fault}", owner.thread.tid);
        gaps.add("the stack of a thread", from, why);
        return Ok(0);
    }
    let targets: BTreeSet<u64> = bytes
        .chunks_exact(word as usize)
        .map(|word| world.model.uint(word))
        .filter(|word| heap.object(*word).is_some())
        .collect();
    let description = format!("{which} stack of thread {}", owner.thread.tid);
    for target in &targets {
        sink.record(&Record::OtherRoot(OtherRoot {
            description: description.as_bytes(),
            target: *target,
        }))?;
    }
    Ok(targets.len() as u64)
}
