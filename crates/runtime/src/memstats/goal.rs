//! At which heap size the next collection should be done (runtime/mgcpacer.go:
//! `gcControllerState.heapGoal`).

use goheap_golang::LimitHeadroom;

use super::counters::{At, HeapCounters};
use crate::{WalkError, World};

/// What the goal depends on besides the counters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pacer {
    pub(super) gc_percent_goal: u64,
    pub(super) sweep_dist_min_trigger: u64,
    /// Heap size at which the running cycle began; all ones between cycles.
    pub(super) triggered: u64,
    pub(super) memory_limit: u64,
    pub(super) heap_marked: u64,
}

impl Pacer {
    pub(super) fn read(world: &World<'_>) -> Result<Pacer, WalkError> {
        let controller = At::global(world, "runtime.gcControllerState", "runtime.gcController")?;
        Ok(Pacer {
            gc_percent_goal: controller.get("gcPercentHeapGoal")?,
            sweep_dist_min_trigger: controller.get("sweepDistMinTrigger")?,
            triggered: controller.get("triggered")?,
            memory_limit: controller.get("memoryLimit")?,
            heap_marked: controller.get("heapMarked")?,
        })
    }

    /// `heapGoalInternal`, the same in go1.19 to go1.27.
    pub(super) fn heap_goal(&self, headroom: LimitHeadroom, counters: &HeapCounters) -> u64 {
        /// A cycle that has begun gets room to finish (`minRunway`).
        const MIN_RUNWAY: u64 = 64 << 10;
        let goal = self.gc_percent_goal;
        let limited = self.memory_limit_goal(headroom, counters);
        if limited < goal {
            return limited;
        }
        let goal = goal.max(self.sweep_dist_min_trigger);
        if self.triggered == u64::MAX {
            return goal;
        }
        goal.max(self.triggered.wrapping_add(MIN_RUNWAY))
    }

    /// `memoryLimitHeapGoal`: what the memory limit leaves for the heap.
    fn memory_limit_goal(&self, headroom: LimitHeadroom, counters: &HeapCounters) -> u64 {
        const LEAST: u64 = 1 << 20;
        const PERCENT: u64 = 3;
        let heap_alloc = counters.total_alloc.wrapping_sub(counters.total_free);
        let ready = counters.mapped_ready;
        let non_heap = ready
            .wrapping_sub(counters.heap_free)
            .wrapping_sub(heap_alloc);
        let overage = ready.saturating_sub(self.memory_limit);
        let taken = non_heap.wrapping_add(overage);
        if taken >= self.memory_limit {
            return self.heap_marked;
        }
        let goal = self.memory_limit - taken;
        let room = match headroom {
            LimitHeadroom::Fixed => LEAST,
            LimitHeadroom::Percent => (goal / 100 * PERCENT).max(LEAST),
        };
        let goal = match goal.checked_sub(room) {
            Some(rest) if rest >= room => rest,
            _ => room,
        };
        goal.max(self.heap_marked)
    }
}
