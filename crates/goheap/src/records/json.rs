//! A record as JSON. Addresses are strings in hexadecimal: JSON numbers lose what is over 2^53.

use goheap_format::{Fields, Finalizer, MemStats, Record, Segment};
use serde::Serialize;

use crate::census;
use crate::text::json_text;

/// One record, on a line of its own.
#[derive(Serialize)]
pub(super) struct Line {
    offset: u64,
    #[serde(flatten)]
    record: Value,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Value {
    Eof,
    Object {
        address: Hex,
        size: u64,
        pointers: Vec<i64>,
    },
    OtherRoot {
        description: String,
        target: Hex,
    },
    Type {
        address: Hex,
        size: u64,
        name: String,
        indirect: bool,
    },
    Goroutine(Box<Goroutine>),
    StackFrame(Box<StackFrame>),
    Params(Box<Params>),
    Finalizer(FinalizerValue),
    Itab {
        address: Hex,
        concrete_type: Hex,
    },
    OsThread {
        address: Hex,
        id: u64,
        os_id: u64,
    },
    MemStats(Box<MemStatsValue>),
    QueuedFinalizer(FinalizerValue),
    Data(SegmentValue),
    Bss(SegmentValue),
    Defer {
        address: Hex,
        g: Hex,
        sp: Hex,
        pc: Hex,
        closure: Hex,
        code: Hex,
        link: Hex,
    },
    Panic {
        address: Hex,
        g: Hex,
        value_type: Hex,
        value_data: Hex,
        defer: Hex,
        link: Hex,
    },
    MemProf {
        bucket: Hex,
        size: u64,
        allocs: u64,
        frees: u64,
        stack: Vec<Frame>,
    },
    AllocSample {
        object: Hex,
        bucket: Hex,
    },
}

#[derive(Serialize)]
struct Goroutine {
    address: Hex,
    id: u64,
    status: u64,
    state: String,
    wait_reason: String,
    waiting_since: u64,
    system: bool,
    background: bool,
    sp: Hex,
    created_at: Hex,
    context: Hex,
    m: Hex,
    defers: Hex,
    panics: Hex,
}

#[derive(Serialize)]
struct StackFrame {
    sp: Hex,
    depth: u64,
    child_sp: Hex,
    size: u64,
    function: String,
    entry: Hex,
    pc: Hex,
    continue_pc: Hex,
    pointers: Vec<i64>,
}

#[derive(Serialize)]
struct Params {
    big_endian: bool,
    pointer_size: u64,
    heap_start: Hex,
    heap_end: Hex,
    arch: String,
    go_version: String,
    ncpu: u64,
}

#[derive(Serialize)]
struct FinalizerValue {
    object: Hex,
    closure: Hex,
    code: Hex,
    argument_type: Hex,
    object_type: Hex,
}

#[derive(Serialize)]
struct SegmentValue {
    address: Hex,
    size: u64,
    pointers: Vec<i64>,
}

#[derive(Serialize)]
struct Frame {
    function: String,
    file: String,
    line: u64,
}

/// All of the runtime's statistics, by the names of the record.
#[derive(Serialize)]
pub(crate) struct MemStatsValue {
    alloc: u64,
    total_alloc: u64,
    sys: u64,
    lookups: u64,
    mallocs: u64,
    frees: u64,
    heap_alloc: u64,
    heap_sys: u64,
    heap_idle: u64,
    heap_inuse: u64,
    heap_released: u64,
    heap_objects: u64,
    stack_inuse: u64,
    stack_sys: u64,
    mspan_inuse: u64,
    mspan_sys: u64,
    mcache_inuse: u64,
    mcache_sys: u64,
    buck_hash_sys: u64,
    gc_sys: u64,
    other_sys: u64,
    next_gc: u64,
    last_gc: u64,
    pause_total_ns: u64,
    /// The 256 last pauses, as the runtime's ring has them.
    pause_ns: Vec<u64>,
    num_gc: u64,
}

impl MemStatsValue {
    pub(crate) fn of(m: &MemStats) -> MemStatsValue {
        MemStatsValue {
            alloc: m.alloc,
            total_alloc: m.total_alloc,
            sys: m.sys,
            lookups: m.lookups,
            mallocs: m.mallocs,
            frees: m.frees,
            heap_alloc: m.heap_alloc,
            heap_sys: m.heap_sys,
            heap_idle: m.heap_idle,
            heap_inuse: m.heap_inuse,
            heap_released: m.heap_released,
            heap_objects: m.heap_objects,
            stack_inuse: m.stack_inuse,
            stack_sys: m.stack_sys,
            mspan_inuse: m.mspan_inuse,
            mspan_sys: m.mspan_sys,
            mcache_inuse: m.mcache_inuse,
            mcache_sys: m.mcache_sys,
            buck_hash_sys: m.buck_hash_sys,
            gc_sys: m.gc_sys,
            other_sys: m.other_sys,
            next_gc: m.next_gc,
            last_gc: m.last_gc,
            pause_total_ns: m.pause_total_ns,
            pause_ns: m.pause_ns.to_vec(),
            num_gc: m.num_gc,
        }
    }
}

/// A number that is written as a hexadecimal string.
pub(crate) struct Hex(pub(crate) u64);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl Line {
    pub(super) fn of(offset: u64, record: &Record<'_>) -> Line {
        Line {
            offset,
            record: value(record),
        }
    }
}

fn value(record: &Record<'_>) -> Value {
    match record {
        Record::Eof => Value::Eof,
        Record::Object(o) => Value::Object {
            address: Hex(o.address),
            size: o.contents.len() as u64,
            pointers: pointers(&o.fields),
        },
        Record::OtherRoot(r) => Value::OtherRoot {
            description: json_text(r.description),
            target: Hex(r.target),
        },
        Record::Type(t) => Value::Type {
            address: Hex(t.address),
            size: t.size,
            name: json_text(t.name),
            indirect: t.indirect,
        },
        Record::Goroutine(g) => Value::Goroutine(Box::new(Goroutine {
            address: Hex(g.address),
            id: g.id,
            status: g.status,
            state: census::status_name(g.status),
            wait_reason: json_text(g.wait_reason),
            waiting_since: g.waiting_since,
            system: g.system,
            background: g.background,
            sp: Hex(g.sp),
            created_at: Hex(g.created_at),
            context: Hex(g.context),
            m: Hex(g.m),
            defers: Hex(g.defers),
            panics: Hex(g.panics),
        })),
        Record::StackFrame(f) => Value::StackFrame(Box::new(StackFrame {
            sp: Hex(f.sp),
            depth: f.depth,
            child_sp: Hex(f.child_sp),
            size: f.contents.len() as u64,
            function: json_text(f.function),
            entry: Hex(f.entry),
            pc: Hex(f.pc),
            continue_pc: Hex(f.continue_pc),
            pointers: pointers(&f.fields),
        })),
        Record::Params(p) => Value::Params(Box::new(Params {
            big_endian: p.big_endian,
            pointer_size: p.pointer_size,
            heap_start: Hex(p.heap_start),
            heap_end: Hex(p.heap_end),
            arch: census::arch(&p.arch),
            go_version: json_text(p.go_version),
            ncpu: p.ncpu,
        })),
        Record::Finalizer(f) => Value::Finalizer(finalizer(f)),
        Record::Itab(i) => Value::Itab {
            address: Hex(i.address),
            concrete_type: Hex(i.concrete_type),
        },
        Record::OsThread(t) => Value::OsThread {
            address: Hex(t.address),
            id: t.id,
            os_id: t.os_id,
        },
        Record::MemStats(m) => Value::MemStats(Box::new(MemStatsValue::of(m))),
        Record::QueuedFinalizer(f) => Value::QueuedFinalizer(finalizer(f)),
        Record::Data(s) => Value::Data(segment(s)),
        Record::Bss(s) => Value::Bss(segment(s)),
        Record::Defer(d) => Value::Defer {
            address: Hex(d.address),
            g: Hex(d.g),
            sp: Hex(d.sp),
            pc: Hex(d.pc),
            closure: Hex(d.closure),
            code: Hex(d.code),
            link: Hex(d.link),
        },
        Record::Panic(p) => Value::Panic {
            address: Hex(p.address),
            g: Hex(p.g),
            value_type: Hex(p.value_type),
            value_data: Hex(p.value_data),
            defer: Hex(p.defer),
            link: Hex(p.link),
        },
        Record::MemProf(b) => Value::MemProf {
            bucket: Hex(b.bucket),
            size: b.size,
            allocs: b.allocs,
            frees: b.frees,
            stack: b
                .stack
                .iter()
                .map(|frame| Frame {
                    function: json_text(frame.function),
                    file: json_text(frame.file),
                    line: frame.line,
                })
                .collect(),
        },
        Record::AllocSample(s) => Value::AllocSample {
            object: Hex(s.object),
            bucket: Hex(s.bucket),
        },
    }
}

fn finalizer(f: &Finalizer) -> FinalizerValue {
    FinalizerValue {
        object: Hex(f.object),
        closure: Hex(f.closure),
        code: Hex(f.code),
        argument_type: Hex(f.argument_type),
        object_type: Hex(f.object_type),
    }
}

fn segment(s: &Segment<'_>) -> SegmentValue {
    SegmentValue {
        address: Hex(s.address),
        size: s.contents.len() as u64,
        pointers: pointers(&s.fields),
    }
}

/// A frame's pointers can lie below its sp, which wraps on the wire; here they are negative.
fn pointers(fields: &Fields<'_>) -> Vec<i64> {
    super::pointers(fields).map(u64::cast_signed).collect()
}
