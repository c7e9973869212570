//! A record as a line of text: offset, kind, and what is in it as `name value`.

use std::io::{self, Write};

use goheap_format::{Fields, Finalizer, Record, Segment};

use crate::census;
use crate::text::{FAINT, printable};

/// How many pointers of one record are listed before the rest is only counted. Data and bss have
/// thousands.
const MOST_POINTERS: usize = 16;

pub(super) fn print(out: &mut dyn Write, offset: u64, record: &Record<'_>) -> io::Result<()> {
    write!(out, "{FAINT}{offset:>10}{FAINT:#}  {:<16}", record.kind())?;
    match record {
        Record::Eof => {}
        Record::Object(o) => {
            write!(out, "{:#x} size {}", o.address, o.contents.len())?;
            pointers(out, &o.fields)?;
        }
        Record::OtherRoot(r) => {
            write!(out, "{} target {:#x}", printable(r.description), r.target)?;
        }
        Record::Type(t) => {
            write!(
                out,
                "{:#x} size {} {}",
                t.address,
                t.size,
                printable(t.name)
            )?;
            if t.indirect {
                write!(out, " indirect")?;
            }
        }
        Record::Goroutine(g) => {
            write!(
                out,
                "{:#x} id {} {}",
                g.address,
                g.id,
                census::status_name(g.status)
            )?;
            if !g.wait_reason.is_empty() {
                write!(out, " ({})", printable(g.wait_reason))?;
            }
            if g.system {
                write!(out, " system")?;
            }
            write!(
                out,
                " sp {:#x} created-at {:#x} waiting-since {} context {:#x} m {:#x} defers {:#x} \
                 panics {:#x}",
                g.sp, g.created_at, g.waiting_since, g.context, g.m, g.defers, g.panics
            )?;
        }
        Record::StackFrame(f) => {
            write!(
                out,
                "{:#x} depth {} {} size {} entry {:#x} pc {:#x} continue-pc {:#x} child {:#x}",
                f.sp,
                f.depth,
                printable(f.function),
                f.contents.len(),
                f.entry,
                f.pc,
                f.continue_pc,
                f.child_sp
            )?;
            pointers(out, &f.fields)?;
        }
        Record::Params(p) => {
            write!(
                out,
                "{} {} {}-endian pointer-size {} heap {:#x}-{:#x} ncpu {}",
                printable(p.go_version),
                printable(census::arch(&p.arch).as_bytes()),
                if p.big_endian { "big" } else { "little" },
                p.pointer_size,
                p.heap_start,
                p.heap_end,
                p.ncpu
            )?;
        }
        Record::Finalizer(f) | Record::QueuedFinalizer(f) => finalizer(out, f)?,
        Record::Itab(i) => write!(out, "{:#x} type {:#x}", i.address, i.concrete_type)?,
        Record::OsThread(t) => write!(out, "{:#x} id {} tid {}", t.address, t.id, t.os_id)?,
        Record::MemStats(m) => {
            write!(
                out,
                "alloc {} total-alloc {} sys {} mallocs {} frees {} heap-inuse {} heap-objects {} \
                 num-gc {}",
                m.alloc,
                m.total_alloc,
                m.sys,
                m.mallocs,
                m.frees,
                m.heap_inuse,
                m.heap_objects,
                m.num_gc
            )?;
        }
        Record::Data(s) | Record::Bss(s) => segment(out, s)?,
        Record::Defer(d) => {
            write!(
                out,
                "{:#x} g {:#x} sp {:#x} pc {:#x} closure {:#x} code {:#x} link {:#x}",
                d.address, d.g, d.sp, d.pc, d.closure, d.code, d.link
            )?;
        }
        Record::Panic(p) => {
            write!(
                out,
                "{:#x} g {:#x} value-type {:#x} value {:#x} defer {:#x} link {:#x}",
                p.address, p.g, p.value_type, p.value_data, p.defer, p.link
            )?;
        }
        Record::MemProf(b) => {
            write!(
                out,
                "{:#x} size {} allocs {} frees {}",
                b.bucket, b.size, b.allocs, b.frees
            )?;
            for frame in &b.stack {
                let (function, file) = (printable(frame.function), printable(frame.file));
                write!(out, " < {function} {file}:{}", frame.line)?;
            }
        }
        Record::AllocSample(s) => write!(out, "{:#x} bucket {:#x}", s.object, s.bucket)?,
    }
    writeln!(out)
}

fn finalizer(out: &mut dyn Write, f: &Finalizer) -> io::Result<()> {
    write!(
        out,
        "{:#x} closure {:#x} code {:#x} argument-type {:#x} object-type {:#x}",
        f.object, f.closure, f.code, f.argument_type, f.object_type
    )
}

fn segment(out: &mut dyn Write, s: &Segment<'_>) -> io::Result<()> {
    write!(out, "{:#x} size {}", s.address, s.contents.len())?;
    pointers(out, &s.fields)
}

fn pointers(out: &mut dyn Write, fields: &Fields<'_>) -> io::Result<()> {
    let mut offsets = super::pointers(fields);
    let Some(first) = offsets.next() else {
        return Ok(());
    };
    write!(out, " pointers {first}")?;
    for offset in offsets.by_ref().take(MOST_POINTERS - 1) {
        // A frame's pointers can lie below its sp, which wraps.
        write!(out, ",{}", offset.cast_signed())?;
    }
    match offsets.count() {
        0 => Ok(()),
        more => write!(out, ",... and {more} more"),
    }
}
