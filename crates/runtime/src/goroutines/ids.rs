//! Whether the goroutines' ids make sense.

use std::collections::HashSet;

use goheap_golang::Place;
use goheap_memory::Addr;

use super::GoroutineState;
use super::layout::G;
use crate::gap::Gaps;
use crate::{WalkError, World};

/// Checks ids: each is given once, and none is above the last that was handed out
/// (runtime/proc.go: `newproc1`, `oneNewExtraM`; `sched.goidgen` counts whole batches, before
/// they are used).
pub(super) struct Ids {
    /// The last one handed out; `None` if it cannot be read.
    last: Option<u64>,
    seen: HashSet<u64>,
}

impl Ids {
    pub(super) fn new(world: &World<'_>, gaps: &mut Gaps) -> Result<Ids, WalkError> {
        let sched = world.global("runtime.sched")?;
        let place: Place = world
            .structs
            .first("runtime.schedt", &["goidgen.value", "goidgen"])?;
        let last = world.field(sched, place, "sched.goidgen");
        Ok(Ids {
            last: gaps.unless("ids of goroutines", sched, last)?,
            seen: HashSet::new(),
        })
    }

    /// Adds a gap if the id of `g` cannot be.
    pub(super) fn check(&mut self, g: &G, state: GoroutineState, gaps: &mut Gaps) {
        const WHAT: &str = "the id of a goroutine";
        if g.id == 0 {
            // It is being made: in old versions it can run before it has one.
            if state != GoroutineState::Runnable {
                gaps.add(WHAT, g.address, "it is 0");
            }
            return;
        }
        if let Some(last) = self.last.filter(|last| g.id > *last) {
            let why = format_args!("it is {}, and the last one given is {last}", g.id);
            gaps.add(WHAT, g.address, why);
        }
        if !self.seen.insert(g.id) {
            let why = format_args!("it is {}, and so is another one's", g.id);
            gaps.add(WHAT, g.address, why);
        }
    }
}

/// Adds a gap if the `m` at `m` says that it runs `g`, and `g` knows of another one. Before and
/// after it is running that is so for a moment (runtime/proc.go: `execute`, `dropg`).
pub(super) fn check_m(g: &G, state: GoroutineState, m: Addr, gaps: &mut Gaps) {
    if state == GoroutineState::Running && m != g.m {
        let why = format_args!(
            "goroutine {}: the m at {m} says that it runs it, its own is at {}",
            g.id, g.m
        );
        gaps.add("a running goroutine", g.address, why);
    }
}
