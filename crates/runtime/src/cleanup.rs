//! Cleanups (`runtime.AddCleanup`, go1.24), those that wait for an object to die and those that are
//! queued to run.
//!
//! The runtime's own dumper writes neither, though both are roots for its collector: the special
//! and the blocks of the queue lie outside of the heap, and `markroot` scans them
//! (runtime/mgcmark.go, go1.24 to go1.27: `gcScanCleanup`, `fixedRootCleanups`).

use goheap_golang::{Elements, Place};
use goheap_memory::Addr;

use crate::chain::Chain;
use crate::{WalkError, World, limit};

/// What is called when an object has died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleanup {
    /// The function to call: a closure that holds the argument as well, up to go1.25
    /// (runtime/mcleanup.go: `AddCleanup`).
    pub(crate) closure: Addr,
    /// Where the argument is, from go1.26 on (runtime/mcleanup.go: `cleanupFn.arg`).
    pub(crate) argument: Option<Addr>,
    /// The closure that knows how to call with it (`cleanupFn.call`).
    pub(crate) caller: Option<Addr>,
}

impl Cleanup {
    /// Entry of its code; 0 if there is none.
    ///
    /// # Errors
    /// The closure cannot be read.
    pub(crate) fn code(&self, world: &World<'_>) -> Result<u64, WalkError> {
        match self.closure.is_nil() {
            true => Ok(0),
            false => world.word(self.closure, "a cleanup's function"),
        }
    }

    /// Everything that it keeps alive, with what each is to it. Nil pointers are left out.
    pub(crate) fn holds(&self) -> impl Iterator<Item = (&'static str, Addr)> {
        [
            ("", Some(self.closure)),
            ("argument of ", self.argument),
            ("caller of ", self.caller),
        ]
        .into_iter()
        .filter_map(|(what, at)| at.filter(|at| !at.is_nil()).map(|at| (what, at)))
    }
}

/// Where a cleanup is inside of a struct.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CleanupLayout {
    closure: Place,
    argument: Option<Place>,
    caller: Option<Place>,
}

impl CleanupLayout {
    /// In `runtime.specialCleanup`: `fn` alone, or from go1.26 on a `cleanupFn`.
    pub(crate) fn of_special(world: &World<'_>) -> Result<CleanupLayout, WalkError> {
        const SPECIAL: &str = "runtime.specialCleanup";
        Ok(CleanupLayout {
            closure: world.structs.first(SPECIAL, &["fn", "cleanup.fn"])?,
            argument: world.structs.optional(SPECIAL, "cleanup.arg"),
            caller: world.structs.optional(SPECIAL, "cleanup.call"),
        })
    }

    /// As an entry of a block of the queue: a `*funcval`, or from go1.26 on a `cleanupFn`.
    fn of_entry(world: &World<'_>) -> CleanupLayout {
        const FN: &str = "runtime.cleanupFn";
        match world.structs.optional(FN, "fn") {
            Some(closure) => CleanupLayout {
                closure,
                argument: world.structs.optional(FN, "arg"),
                caller: world.structs.optional(FN, "call"),
            },
            None => CleanupLayout {
                closure: Place {
                    offset: 0,
                    size: world.model.word_size(),
                },
                argument: None,
                caller: None,
            },
        }
    }

    /// The one at `at`.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn read(&self, world: &World<'_>, at: Addr) -> Result<Cleanup, WalkError> {
        let pointer = |place: Place| world.field(at, place, "a cleanup").map(Addr::new);
        Ok(Cleanup {
            closure: pointer(self.closure)?,
            argument: self.argument.map(pointer).transpose()?,
            caller: self.caller.map(pointer).transpose()?,
        })
    }
}

/// The queue of cleanups whose objects have died (runtime/mcleanup.go, go1.25: `gcCleanups`).
struct Queue {
    head: Addr,
    alllink: Place,
    count: Place,
    entries: Elements,
    entry: CleanupLayout,
}

impl Queue {
    fn find(world: &World<'_>) -> Result<Queue, WalkError> {
        const BLOCK: &str = "runtime.cleanupBlock";
        let queue = world.global("runtime.gcCleanups")?;
        let all = world
            .structs
            .first("runtime.cleanupQueue", &["all.value", "all"])?;
        Ok(Queue {
            head: Addr::new(world.field(queue, all, "the queue of cleanups")?),
            alllink: world.structs.place(BLOCK, "cleanupBlockHeader.alllink")?,
            count: world.structs.place(BLOCK, "cleanupBlockHeader.n")?,
            entries: world.structs.elements(BLOCK, "cleanups")?,
            entry: CleanupLayout::of_entry(world),
        })
    }
}

/// Calls `each` for every cleanup that is queued to run: those in all blocks, which are what the
/// collector scans, whether a block is full, free, or still filled by a P. Nothing before go1.25,
/// where they are in the queue of finalizers.
///
/// # Errors
/// The queue cannot be read or cannot be true, or what `each` says.
pub(crate) fn each_queued(
    world: &World<'_>,
    mut each: impl FnMut(Cleanup) -> Result<(), WalkError>,
) -> Result<(), WalkError> {
    const WHAT: &str = "the queue of cleanups";
    if world.features.specials.cleanup.is_none() || world.features.cleanups_queue_as_finalizers {
        return Ok(());
    }
    let queue = Queue::find(world)?;
    let mut chain = Chain::new(queue.head);
    let mut room = limit::QUEUED_CLEANUPS;
    while let Some(block) = chain.at() {
        let count = world.field(block, queue.count, WHAT)?;
        if count > queue.entries.count {
            return Err(WalkError::Implausible {
                what: "the count of a block of queued cleanups",
                at: block,
                found: count,
                expected: "no more than the block has room for",
            });
        }
        room = room.checked_sub(count).ok_or(WalkError::Implausible {
            what: WHAT,
            at: block,
            found: count,
            expected: "fewer cleanups in all",
        })?;
        for i in 0..count {
            let at = block.offset(queue.entries.offset + i * queue.entries.stride);
            let cleanup = queue.entry.read(world, at)?;
            // One that has run, or runs now: its goroutine holds it (runtime/mcleanup.go:
            // `runCleanups`).
            if !cleanup.closure.is_nil() {
                each(cleanup)?;
            }
        }
        let next = world.field(block, queue.alllink, WHAT)?;
        chain.follow(Addr::new(next), WHAT)?;
    }
    Ok(())
}
