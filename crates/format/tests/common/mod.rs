//! Dumps for tests: one of every kind of record, and any number of generated ones.

#![allow(dead_code)] // each test file is a crate of its own and uses its share

use goheap_format::{
    AllocSample, Arch, Defer, Fields, Finalizer, Goroutine, Header, Itab, MemProf, MemStats,
    Object, OsThread, OtherRoot, Panic, Params, ProfFrame, Record, Segment, StackFrame,
    TypeDescriptor, Writer,
};

/// One record of every kind, in the runtime's order; a dump that makes sense.
pub(crate) fn every_kind() -> Vec<Record<'static>> {
    let finalizer = Finalizer {
        object: 0xc0_0000_1010,
        closure: 0x51_0000,
        code: 0x48_0000,
        argument_type: 0x4a_0000,
        object_type: 0x4a_0000,
    };
    vec![
        Record::Params(Params {
            big_endian: false,
            pointer_size: 8,
            heap_start: 0xc0_0000_0000,
            heap_end: 0xc0_0400_0000,
            arch: Arch::Name(b"amd64"),
            go_version: b"go1.24.3",
            ncpu: 2,
        }),
        Record::Type(TypeDescriptor {
            address: 0x4a_0000,
            size: 16,
            name: b"main.node",
            indirect: true,
        }),
        Record::Itab(Itab {
            address: 0x50_0000,
            concrete_type: 0x4a_0000,
        }),
        Record::Object(Object {
            address: 0xc0_0000_1000,
            contents: &[1; 16],
            fields: Fields::Offsets(&[8]),
        }),
        Record::Object(Object {
            address: 0xc0_0000_1010,
            contents: &[2; 16],
            fields: Fields::NONE,
        }),
        Record::OtherRoot(OtherRoot {
            description: b"cleanup",
            target: 0xc0_0000_1000,
        }),
        Record::Goroutine(Goroutine {
            address: 0xc0_0000_2000,
            sp: 0xc0_0010_0000,
            id: 1,
            created_at: 0,
            status: 4,
            system: false,
            background: false,
            waiting_since: 12345,
            wait_reason: b"chan receive",
            context: 0,
            m: 0,
            defers: 0xc0_0000_3000,
            panics: 0xc0_0010_0040,
        }),
        Record::StackFrame(StackFrame {
            sp: 0xc0_0010_0000,
            depth: 0,
            child_sp: 0,
            contents: &[3; 24],
            entry: 0x40_0000,
            pc: 0x40_0010,
            continue_pc: 0x40_0010,
            function: b"main.leaf",
            fields: Fields::Offsets(&[16]),
        }),
        Record::StackFrame(StackFrame {
            sp: 0xc0_0010_0018,
            depth: 1,
            child_sp: 0xc0_0010_0000,
            contents: &[4; 8],
            entry: 0x40_1000,
            pc: 0x40_1010,
            continue_pc: 0x40_1010,
            function: b"main.main",
            fields: Fields::NONE,
        }),
        Record::Defer(Defer {
            address: 0xc0_0000_3000,
            g: 0xc0_0000_2000,
            sp: 0xc0_0010_0018,
            pc: 0x40_1008,
            closure: 0x51_0008,
            code: 0x40_2000,
            link: 0,
        }),
        Record::Panic(Panic {
            address: 0xc0_0010_0040,
            g: 0xc0_0000_2000,
            value_type: 0x4a_0000,
            value_data: 0xc0_0000_1000,
            defer: 0,
            link: 0,
        }),
        Record::OsThread(OsThread {
            address: 0x55_0000,
            id: 0,
            os_id: 4242,
        }),
        Record::Data(Segment {
            address: 0x52_0000,
            contents: &[5; 32],
            fields: Fields::Offsets(&[0, 24]),
        }),
        Record::Bss(Segment {
            address: 0x53_0000,
            contents: &[0; 16],
            fields: Fields::NONE,
        }),
        Record::Finalizer(finalizer),
        Record::QueuedFinalizer(finalizer),
        Record::MemStats(Box::new(memstats(|i| i * i * i * i * i))),
        Record::MemProf(MemProf {
            bucket: 0x7f00_0000_0000,
            size: 16,
            stack: vec![
                ProfFrame {
                    function: b"main.alloc",
                    file: b"/src/main.go",
                    line: 42,
                },
                ProfFrame {
                    function: b"(0x0)",
                    file: b"?",
                    line: 0,
                },
            ],
            allocs: 2,
            frees: 1,
        }),
        Record::AllocSample(AllocSample {
            object: 0xc0_0000_1000,
            bucket: 0x7f00_0000_0000,
        }),
        Record::Eof,
    ]
}

/// Statistics whose `i`th number is `number(i)`.
pub(crate) fn memstats(number: impl Fn(u64) -> u64) -> MemStats {
    let mut pause_ns = [0; 256];
    for (i, pause) in pause_ns.iter_mut().enumerate() {
        *pause = number(24 + i as u64);
    }
    MemStats {
        alloc: number(0),
        total_alloc: number(1),
        sys: number(2),
        lookups: number(3),
        mallocs: number(4),
        frees: number(5),
        heap_alloc: number(6),
        heap_sys: number(7),
        heap_idle: number(8),
        heap_inuse: number(9),
        heap_released: number(10),
        heap_objects: number(11),
        stack_inuse: number(12),
        stack_sys: number(13),
        mspan_inuse: number(14),
        mspan_sys: number(15),
        mcache_inuse: number(16),
        mcache_sys: number(17),
        buck_hash_sys: number(18),
        gc_sys: number(19),
        other_sys: number(20),
        next_gc: number(21),
        last_gc: number(22),
        pause_total_ns: number(23),
        pause_ns,
        num_gc: number(280),
    }
}

/// The dump of `records`, which [`Record::Eof`] closes.
pub(crate) fn encode(header: Header, records: &[Record<'_>]) -> Vec<u8> {
    let mut writer = Writer::with_header(Vec::new(), header);
    for record in records {
        writer.write(record).expect("a vector takes all");
    }
    writer.finish().expect("the last record is eof")
}
