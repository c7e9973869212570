use goheap_format::MemStats;
use goheap_golang::Kind;

use super::super::by_hand::World;
use super::{Amount, Ledger, ValueKind};
use crate::NoWatch;

const HEAP: u64 = 0xc0_0000_0000;

pub(in crate::answers) fn stats() -> MemStats {
    MemStats {
        alloc: 0,
        total_alloc: 0,
        sys: 100_000,
        lookups: 0,
        mallocs: 0,
        frees: 0,
        heap_alloc: 0,
        heap_sys: 0,
        heap_idle: 30_000,
        heap_inuse: 8192,
        heap_released: 20_000,
        heap_objects: 0,
        stack_inuse: 4000,
        stack_sys: 5000,
        mspan_inuse: 0,
        mspan_sys: 100,
        mcache_inuse: 0,
        mcache_sys: 200,
        buck_hash_sys: 300,
        gc_sys: 400,
        other_sys: 55_808,
        next_gc: 0,
        last_gc: 0,
        pause_total_ns: 0,
        pause_ns: [0; 256],
        num_gc: 0,
    }
}

#[test]
fn it_adds_up() {
    let mut w = World::default();
    let int = w.ty("int", Kind::Int, 8, None);
    let node = w.ty("main.node", Kind::Struct, 40, None);
    let pointer = w.ty("*main.node", Kind::Pointer, 8, Some(node));
    w.field(node, "next", 0, pointer);
    w.field(node, "a", 8, int);
    w.field(node, "b", 16, int);
    // Two nodes of 40 bytes in slots of 48; one of no type; garbage.
    let second = w.object(HEAP + 0x100, &[0, 1, 2, 0, 0, 0], &[0]);
    let first = w.object(HEAP, &[second, 1, 2, 9, 9, 9], &[0]);
    let other = w.object(HEAP + 0x200, &[0; 6], &[]);
    w.object(HEAP + 0x300, &[0; 10], &[]);
    w.data = vec![first, other];
    w.variable("main.list", 0, 1, Some(pointer));
    w.mem_stats = Some(stats());
    let ledger = Ledger::of(&w.analysis(), &NoWatch).unwrap();
    let amount = |objects, bytes| Amount { objects, bytes };
    assert_eq!(ledger.objects, amount(4, 3 * 48 + 80));
    assert_eq!(ledger.garbage, amount(1, 80));
    let parts = ledger.reachable_total().bytes + ledger.rounding + ledger.headers;
    assert_eq!(parts + ledger.garbage.bytes, ledger.objects.bytes);
    let kind = |kind: ValueKind| ledger.reachable[kind as usize];
    assert_eq!(
        kind(ValueKind::Structs),
        (ValueKind::Structs, amount(2, 80))
    );
    assert_eq!(
        kind(ValueKind::Unknown),
        (ValueKind::Unknown, amount(1, 48))
    );
    assert_eq!((ledger.rounding, ledger.headers), (16, 0));
    assert_eq!((ledger.spans, ledger.resident), (None, None));

    let system = ledger.memstats.unwrap();
    assert_eq!(system.unaccounted, 8192 - 224);
    assert_eq!((system.idle, system.released), (10_000, 20_000));
    assert_eq!((system.stacks, system.thread_stacks), (4000, 1000));
    assert_eq!(system.bookkeeping, 56_808);
    assert_eq!(system.sys_unaccounted, 0);
    assert_eq!(system.kept(), 80_000);
}

#[test]
fn numbers_that_cannot_be_do_no_harm() {
    let mut w = World::default();
    w.object(HEAP, &[0; 4], &[]);
    let mut wrong = stats();
    wrong.heap_inuse = 0;
    wrong.heap_idle = 0;
    wrong.stack_sys = 0;
    wrong.gc_sys = u64::MAX;
    wrong.other_sys = u64::MAX;
    w.mem_stats = Some(wrong);
    let system = Ledger::of(&w.analysis(), &NoWatch).unwrap().memstats;
    let system = system.unwrap();
    assert_eq!(system.unaccounted, -32);
    assert_eq!(system.sys_unaccounted, i64::MIN);
}
