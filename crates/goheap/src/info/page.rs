//! The page that `goheap info` shows to people.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use goheap_format::annex::Digest;
use goheap_format::{Compression, RecordKind};

use super::{DumpFile, From, Info};
use crate::capture::{Facts, Walked};
use crate::census::{Census, Head, status_name};
use crate::gaps;
use crate::standstill::Told;
use crate::text::{Align, FAINT, Table, heading, printable};
use crate::units;

/// How many size classes and wait reasons are shown; `--json` has all.
const SHOWN: usize = 12;

pub(super) fn print(info: &Info, out: &mut dyn Write) -> io::Result<()> {
    let census = &info.census;
    let mut head = Table::new(&[Align::Left, Align::Left]);
    match &info.from {
        From::Program { facts, walked, .. } => program(&mut head, facts, walked),
        From::Dump(dump) => {
            dump_file(&mut head, dump);
            told(&mut head, &info.notes);
            if let Some(analysis) = &info.analysis {
                head.row(["analysed".to_owned(), analysis.to_string()]);
            }
        }
    }
    if let Some(params) = &census.head {
        world(&mut head, params);
    }
    head.print(out)?;
    if let From::Program { facts, walked, .. } = &info.from {
        if let Some(standstill) = &walked.standstill {
            standstill.print_notes(out)?;
        }
        gaps::print(out, &walked.summary.gaps, facts.caveat.as_deref())?;
    }
    if let From::Dump(dump) = &info.from {
        if let Some(capture) = &info.notes.capture {
            Told(capture).print_notes(out)?;
        }
        gaps::print_told(out, &info.notes)?;
        if let Some(error) = &dump.annex_error {
            writeln!(out, "  note: {}", printable(error.to_string().as_bytes()))?;
        }
    }
    let phantoms = match &info.from {
        From::Program { walked, .. } => walked.summary.objects.phantoms,
        From::Dump(_) => 0,
    };
    heap(census, phantoms, out)?;
    if let Some(ledger) = &info.ledger {
        super::ledger::print(ledger, out)?;
    }
    sizes(census, out)?;
    goroutines(census, out)?;
    records(census, out)?;
    annex(&info.notes, out)
}

fn program(table: &mut Table, facts: &Facts, walked: &Walked) {
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("source", facts.name.clone());
    if let Some(path) = &facts.executable {
        row("program", crate::error::Shown(path).to_string());
    }
    if let Some(package) = &facts.main_package {
        let version = facts.main_version.as_deref().unwrap_or_default();
        row(
            "main package",
            printable(format!("{package} {version}").as_bytes()).to_string(),
        );
    }
    if let Some(id) = &facts.go_build_id {
        row("build id", printable(id.as_bytes()).to_string());
    }
    if let Some(standstill) = &walked.standstill {
        row("stood still for", standstill.to_string());
    }
    if !walked.safe_moment {
        row("moment", "not a safe one".to_owned());
    }
    let gaps = match walked.summary.gaps.count() {
        0 => "none".to_owned(),
        count => {
            let of = gaps::of_what(&walked.summary.gaps);
            format!("{} ({of})", units::count(count))
        }
    };
    row("gaps", gaps);
}

fn dump_file(table: &mut Table, dump: &DumpFile) {
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("source", dump.name.clone());
    if dump.of.is_some() {
        // What is told of its file is of no interest: that is gone already.
        return;
    }
    let format = String::from_utf8_lossy(dump.header.bytes())
        .trim_end()
        .to_owned();
    row("format", format);
    let packed = match (dump.compression, dump.file_len) {
        (Compression::None, _) => String::new(),
        (how, len) => {
            let how = if how == Compression::Gzip {
                "gzip"
            } else {
                "zstd"
            };
            let len = len.map_or(String::new(), |len| format!(" in {}", units::bytes(len)));
            format!(" (compressed with {how}{len})")
        }
    };
    let behind = match dump.trailing {
        0 => String::new(),
        n if dump.annex => format!(", and an annex of {}", units::bytes(n)),
        n => format!(", and {} behind its last record", units::bytes(n)),
    };
    row(
        "size",
        format!("{}{packed}{behind}", units::bytes(dump.bytes)),
    );
}

/// What the annex of a dump says of its program and of how that was captured.
fn told(table: &mut Table, notes: &Digest) {
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    let text = |bytes: &[u8]| printable(bytes).to_string();
    if let Some(program) = &notes.program {
        let package = [&program.main_package[..], &program.main_version].join(&b' ');
        for (name, value) in [
            ("program", &program.executable),
            ("main package", &package),
            ("build id", &program.go_build_id),
        ] {
            if !value.trim_ascii().is_empty() {
                row(name, text(value.trim_ascii()));
            }
        }
    }
    let Some(capture) = &notes.capture else {
        return;
    };
    // How old a core is, it does not tell.
    let when = match capture.method == b"core" {
        true => "core read",
        false => "captured",
    };
    row(
        when,
        format!(
            "{}, of {}",
            units::utc(capture.unix_ns),
            text(&capture.source)
        ),
    );
    if let Some(stood_still) = Told(capture).stood_still() {
        row("stood still for", stood_still);
    }
    if !capture.safe_moment {
        row("moment", "not a safe one".to_owned());
    }
    let gaps = match notes.gap_count() {
        0 => "none".to_owned(),
        count => units::count(count),
    };
    row("gaps", gaps);
}

fn world(table: &mut Table, head: &Head) {
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row(
        "Go version",
        printable(head.go_version.as_bytes()).to_string(),
    );
    row(
        "machine",
        format!(
            "{}, {}-bit words, {}-endian, {}",
            printable(head.arch.as_bytes()),
            head.pointer_size.saturating_mul(8),
            if head.big_endian { "big" } else { "little" },
            units::counted(head.ncpu, "processor"),
        ),
    );
    row(
        "heap",
        format!("{:#x} to {:#x}", head.heap_start, head.heap_end),
    );
}

fn heap(census: &Census, phantoms: u64, out: &mut dyn Write) -> io::Result<()> {
    heading(out, "Memory")?;
    let mut table = Table::new(&[Align::Right, Align::Left]);
    let objects = units::counted(census.count(RecordKind::Object), "object");
    let phantoms = match phantoms {
        0 => String::new(),
        n => format!(
            ", {} of which do not exist (the runtime's dumper writes them, and so does --exact)",
            units::count(n)
        ),
    };
    table.row([
        units::bytes(census.object_bytes),
        format!("in {objects}{phantoms}"),
    ]);
    if let Some(m) = &census.memstats {
        let mut row = |n: u64, text: String| table.row([units::bytes(n), text]);
        row(m.heap_inuse, "in spans in use".to_owned());
        row(
            m.heap_idle,
            format!(
                "in idle spans, {} of it released",
                units::bytes(m.heap_released)
            ),
        );
        row(m.stack_inuse, "in stacks".to_owned());
        row(m.sys, "from the system in all".to_owned());
        let collections = match m.num_gc {
            0 => "no collection yet".to_owned(),
            // runtime/mstats.go: the most recent pause is at (NumGC+255)%256.
            n => {
                let last = m
                    .pause_ns
                    .get((n.wrapping_add(255) % 256) as usize)
                    .copied();
                format!(
                    "{}, the last paused {}",
                    units::counted(n, "collection"),
                    units::duration(Duration::from_nanos(last.unwrap_or_default()))
                )
            }
        };
        let (next, is) = next_collection(m.next_gc);
        table.row([next, format!("{is}; {collections}")]);
    }
    table.print(out)
}

/// How large the heap is when the next collection begins, and what that number is.
///
/// With GOGC=off it is what the memory limit allows, and without a limit that is a few percent below
/// 2^63 (runtime/mgcpacer.go, go1.19 to go1.27: `memoryLimitHeapGoal`); up to go1.18, which had no
/// limit, it was 2^64-1. No heap gets there.
fn next_collection(next_gc: u64) -> (String, &'static str) {
    match next_gc >= 1 << 62 {
        true => ("none".to_owned(), "is to come, for the collector is off"),
        false => (units::bytes(next_gc), "is where the next collection begins"),
    }
}

fn sizes(census: &Census, out: &mut dyn Write) -> io::Result<()> {
    let sizes = census.biggest_sizes();
    if sizes.is_empty() {
        return Ok(());
    }
    heading(out, "Biggest size classes")?;
    let mut table = Table::new(&[Align::Right, Align::Right, Align::Right, Align::Right]);
    table.row(["bytes each", "objects", "together", "share"].map(str::to_owned));
    for &(size, objects, bytes) in sizes.iter().take(SHOWN) {
        let share = 100.0 * bytes as f64 / census.object_bytes.max(1) as f64;
        table.row([
            units::count(size),
            units::count(objects),
            units::bytes(bytes),
            format!("{share:.1} %"),
        ]);
    }
    table.print(out)?;
    rest(out, sizes.len(), "size")
}

fn goroutines(census: &Census, out: &mut dyn Write) -> io::Result<()> {
    let total = census.count(RecordKind::Goroutine);
    let system = census.system_goroutines;
    heading(out, "Goroutines")?;
    let mut table = Table::new(&[Align::Right, Align::Left]);
    table.row([
        units::count(total),
        format!("in all, {} of the runtime itself", units::count(system)),
    ]);
    for (status, count) in sorted(&census.by_status) {
        table.row([units::count(count), status_name(*status)]);
    }
    table.print(out)?;
    if census.by_wait_reason.is_empty() {
        return Ok(());
    }
    heading(out, "Why they wait")?;
    let mut table = Table::new(&[Align::Right, Align::Left]);
    let reasons = sorted(&census.by_wait_reason);
    for (reason, count) in reasons.iter().take(SHOWN) {
        let reason = match reason.is_empty() {
            true => "no reason given".to_owned(),
            false => printable(reason).to_string(),
        };
        table.row([units::count(*count), reason]);
    }
    table.print(out)?;
    rest(out, reasons.len(), "reason")
}

fn records(census: &Census, out: &mut dyn Write) -> io::Result<()> {
    heading(out, "Records")?;
    let mut table = Table::new(&[Align::Right, Align::Left]);
    for kind in RecordKind::ALL {
        let count = census.count(kind);
        if count > 0 && kind != RecordKind::Eof {
            table.row([units::count(count), kind.name().to_owned()]);
        }
    }
    table.print(out)
}

/// What there is beside the records.
fn annex(notes: &Digest, out: &mut dyn Write) -> io::Result<()> {
    if notes.sections.is_empty() {
        return Ok(());
    }
    heading(out, "Annex")?;
    let mut table = Table::new(&[Align::Right, Align::Left]);
    let sections = sorted(&notes.sections);
    for (name, rows) in sections.iter().take(SHOWN) {
        table.row([units::count(*rows), printable(name).to_string()]);
    }
    table.print(out)?;
    rest(out, sections.len(), "section")
}

/// The largest first; of equals, as the map has them.
fn sorted<K>(counts: &BTreeMap<K, u64>) -> Vec<(&K, u64)> {
    let mut counts: Vec<(&K, u64)> = counts.iter().map(|(key, &count)| (key, count)).collect();
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    counts
}

fn rest(out: &mut dyn Write, all: usize, what: &str) -> io::Result<()> {
    match all.saturating_sub(SHOWN) {
        0 => Ok(()),
        more => {
            let more = units::counted(more as u64, what);
            writeln!(out, "  {FAINT}and {more} more{FAINT:#}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_is_off_has_no_next_collection() {
        // GOGC=off without a memory limit: go1.27, and go1.18 and older.
        for next_gc in [8_946_671_135_000_000_000, u64::MAX] {
            assert_eq!(next_collection(next_gc).0, "none");
        }
        let (next, is) = next_collection(4 << 20);
        assert_eq!(
            format!("{next} {is}"),
            "4.00 MiB is where the next collection begins"
        );
    }
}
