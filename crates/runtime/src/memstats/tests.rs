use goheap_golang::LimitHeadroom;

use super::compute;
use super::counters::{ClassCounters, Cycles, HeapCounters};
use super::goal::Pacer;

const MIB: u64 = 1 << 20;

fn counters() -> HeapCounters {
    HeapCounters {
        in_stacks: 1,
        in_work_bufs: 2,
        in_ptr_scalar_bits: 3,
        tiny_alloc_count: 5,
        large_alloc: 7 * MIB,
        large_alloc_count: 2,
        large_free: 3 * MIB,
        large_free_count: 1,
        classes: vec![
            ClassCounters {
                size: 0,
                allocs: 0,
                frees: 0,
            },
            ClassCounters {
                size: 8,
                allocs: 100,
                frees: 40,
            },
            ClassCounters {
                size: 16,
                allocs: 10,
                frees: 10,
            },
        ],
        heap_in_use: 10 * MIB,
        heap_free: 20 * MIB,
        heap_released: 30 * MIB,
        total_alloc: 7 * MIB,
        total_free: 3 * MIB,
        mapped_ready: 40 * MIB,
        stacks_sys: 100,
        mspan_sys: 200,
        mcache_sys: 300,
        buckhash_sys: 400,
        gc_misc_sys: 500,
        other_sys: 600,
        mspan_inuse: 160,
        mcache_inuse: 1200,
    }
}

#[test]
fn sums_are_those_of_readmemstats() {
    let cycles = Cycles {
        last_gc: 1,
        pause_total_ns: 2,
        pause_ns: [3; 256],
        num_gc: 4,
    };
    let stats = compute(&counters(), cycles, 99);
    assert_eq!(stats.total_alloc, 7 * MIB + 100 * 8 + 10 * 16);
    assert_eq!(stats.alloc, 4 * MIB + 60 * 8);
    assert_eq!((stats.mallocs, stats.frees), (2 + 110 + 5, 1 + 50 + 5));
    assert_eq!(stats.heap_objects, 61);
    assert_eq!(stats.heap_sys, 60 * MIB);
    assert_eq!(stats.heap_idle, 50 * MIB);
    assert_eq!(stats.stack_sys, 101);
    assert_eq!(stats.gc_sys, 505);
    assert_eq!(stats.sys, 60 * MIB + 100 + 200 + 300 + 400 + 600 + 1 + 505);
    assert_eq!((stats.next_gc, stats.last_gc, stats.num_gc), (99, 1, 4));
}

#[test]
fn the_goal_follows_the_percentage_unless_the_limit_is_lower() {
    let pacer = Pacer {
        gc_percent_goal: 8 * MIB,
        sweep_dist_min_trigger: 0,
        triggered: u64::MAX,
        memory_limit: i64::MAX as u64,
        heap_marked: MIB,
    };
    let goal = |pacer: Pacer, headroom| pacer.heap_goal(headroom, &counters());
    assert_eq!(goal(pacer, LimitHeadroom::Percent), 8 * MIB);
    // A sweep that is under way, and a cycle that is, push it up.
    let swept = Pacer {
        sweep_dist_min_trigger: 9 * MIB,
        ..pacer
    };
    assert_eq!(goal(swept, LimitHeadroom::Percent), 9 * MIB);
    let triggered = Pacer {
        triggered: 8 * MIB,
        ..pacer
    };
    assert_eq!(
        goal(triggered, LimitHeadroom::Percent),
        8 * MIB + (64 << 10)
    );

    // 40 MiB are mapped, of which 20 are free and 4 allocated: 16 are no heap.
    let off = Pacer {
        gc_percent_goal: u64::MAX,
        memory_limit: 116 * MIB,
        ..pacer
    };
    assert_eq!(goal(off, LimitHeadroom::Fixed), 99 * MIB);
    assert_eq!(
        goal(off, LimitHeadroom::Percent),
        100 * MIB - 100 * MIB / 100 * 3
    );
    // What is over the limit counts twice.
    let over = Pacer {
        memory_limit: 39 * MIB,
        ..off
    };
    assert_eq!(goal(over, LimitHeadroom::Fixed), 21 * MIB);
    // No room at all: what was live last time.
    let hopeless = Pacer {
        memory_limit: 10 * MIB,
        ..off
    };
    assert_eq!(goal(hopeless, LimitHeadroom::Percent), MIB);
    // Hardly any (1.5 MiB): never below the headroom.
    let tight = Pacer {
        memory_limit: 115 * MIB / 4,
        heap_marked: 0,
        ..off
    };
    assert_eq!(goal(tight, LimitHeadroom::Fixed), MIB);
}
