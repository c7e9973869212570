//! The ledger of `goheap info`: where all memory is. It adds up, and what does not is told.

use std::io::{self, Write};

use goheap_analysis::answers::ledger::{Ledger, Resident, System, ValueKind};
use serde::Serialize;

use crate::text::{Align, Table, heading};
use crate::units;

/// What a kind of values is for people.
fn in_words(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Strings => "bytes of strings",
        ValueKind::Slices => "arrays of slices",
        ValueKind::Maps => "maps",
        ValueKind::Structs => "structs",
        ValueKind::Channels => "channels, with their buffers",
        ValueKind::Closures => "closures",
        ValueKind::Values => "other single values",
        ValueKind::Tiny => "blocks of tiny values",
        ValueKind::Goroutines => "structs of goroutines, without their stacks",
        ValueKind::Runtime => "other structs of the runtime",
        ValueKind::Unknown => "of unknown type",
    }
}

/// Prints it for people.
///
/// # Errors
/// Of the writer.
pub(super) fn print(ledger: &Ledger, out: &mut dyn Write) -> io::Result<()> {
    heading(out, "Where the memory is")?;
    let mut table = Table::new(&[Align::Right, Align::Left]);
    let mut row = |bytes: u64, depth: usize, what: String| {
        let indent = "  ".repeat(depth);
        table.row([units::bytes(bytes), format!("{indent}{what}")]);
    };
    match (&ledger.memstats, &ledger.spans) {
        (Some(system), Some(spans)) => {
            let spans = units::counted(spans.count, "span");
            row(system.heap_inuse, 0, format!("heap in use, {spans}"));
        }
        (Some(system), None) => row(system.heap_inuse, 0, "heap in use".to_owned()),
        (None, Some(spans)) => {
            let count = units::counted(spans.count, "span");
            row(spans.bytes, 0, format!("heap in use, {count}"));
        }
        (None, None) => row(ledger.objects.bytes, 0, "objects".to_owned()),
    }
    let reachable = ledger.reachable_total();
    let objects = units::counted(reachable.objects, "object");
    row(reachable.bytes, 1, format!("reachable: {objects}"));
    let mut kinds: Vec<_> = ledger
        .reachable
        .iter()
        .filter(|(_, amount)| amount.objects > 0)
        .collect();
    kinds.sort_by_key(|(kind, amount)| (std::cmp::Reverse(amount.bytes), *kind));
    for (kind, amount) in kinds {
        let objects = units::counted(amount.objects, "object");
        row(amount.bytes, 2, format!("{}: {objects}", in_words(*kind)));
    }
    let slack = ledger.rounding.saturating_add(ledger.headers);
    row(
        slack,
        1,
        "around these: the allocator's classes of sizes and headers".to_owned(),
    );
    let garbage = units::counted(ledger.garbage.objects, "object");
    row(
        ledger.garbage.bytes,
        1,
        format!("garbage that was not collected yet: {garbage}"),
    );
    if let Some(spans) = &ledger.spans {
        row(spans.free, 1, "free slots of spans".to_owned());
        row(
            spans.tails,
            1,
            "ends of spans, too short for a slot".to_owned(),
        );
    }
    if let Some(system) = &ledger.memstats {
        let what = match ledger.spans {
            Some(_) => "not accounted for",
            None => "free slots and ends of spans",
        };
        if system.unaccounted > 0 {
            row(system.unaccounted.unsigned_abs(), 1, what.to_owned());
        } else if system.unaccounted < 0 {
            let more = "more than the runtime has counted when it stood still";
            row(system.unaccounted.unsigned_abs(), 1, more.to_owned());
        }
        row(system.stacks, 0, "stacks of goroutines".to_owned());
        row(system.thread_stacks, 0, "stacks of threads".to_owned());
        row(
            system.bookkeeping,
            0,
            "the runtime's bookkeeping".to_owned(),
        );
        row(system.idle, 0, "idle, and kept for later".to_owned());
        row(
            system.kept(),
            0,
            "all of it: what Go has of the system".to_owned(),
        );
        row(
            system.released,
            0,
            "reserved beyond that, and given back".to_owned(),
        );
    }
    if let Some(resident) = &ledger.resident {
        let anonymous = units::bytes(resident.rss_anon);
        row(
            resident.rss,
            0,
            format!("of the process in RAM, {anonymous} of it of no file"),
        );
        if let Some(system) = &ledger.memstats {
            match resident.rss_anon.checked_sub(system.kept()) {
                Some(others) => row(
                    others,
                    1,
                    "of that at least is not Go's: C's, the data of the executable".to_owned(),
                ),
                None => row(
                    system.kept() - resident.rss_anon,
                    1,
                    "of what Go has was never touched, or is swapped out".to_owned(),
                ),
            }
        }
    }
    table.print(out)
}

/// The ledger in JSON, as `docs/commands.md` documents it.
#[derive(Serialize)]
pub(super) struct LedgerValue {
    objects: AmountValue,
    reachable: Vec<KindValue>,
    reachable_objects: u64,
    reachable_bytes: u64,
    rounding_bytes: u64,
    header_bytes: u64,
    garbage: AmountValue,
    spans: Option<SpansValue>,
    system: Option<SystemValue>,
    resident: Option<ResidentValue>,
}

#[derive(Serialize)]
struct AmountValue {
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct KindValue {
    kind: &'static str,
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct SpansValue {
    count: u64,
    bytes: u64,
    free_bytes: u64,
    tail_bytes: u64,
}

#[derive(Serialize)]
struct SystemValue {
    heap_inuse: u64,
    unaccounted: i64,
    stacks: u64,
    thread_stacks: u64,
    bookkeeping: u64,
    idle: u64,
    released: u64,
    sys: u64,
    sys_unaccounted: i64,
}

#[derive(Serialize)]
struct ResidentValue {
    rss: u64,
    rss_anon: u64,
}

impl LedgerValue {
    /// Of a ledger.
    pub(super) fn of(ledger: &Ledger) -> LedgerValue {
        let reachable = ledger.reachable_total();
        LedgerValue {
            objects: AmountValue {
                objects: ledger.objects.objects,
                bytes: ledger.objects.bytes,
            },
            reachable: ledger
                .reachable
                .iter()
                .map(|(kind, amount)| KindValue {
                    kind: kind.name(),
                    objects: amount.objects,
                    bytes: amount.bytes,
                })
                .collect(),
            reachable_objects: reachable.objects,
            reachable_bytes: reachable.bytes,
            rounding_bytes: ledger.rounding,
            header_bytes: ledger.headers,
            garbage: AmountValue {
                objects: ledger.garbage.objects,
                bytes: ledger.garbage.bytes,
            },
            spans: ledger.spans.map(|spans| SpansValue {
                count: spans.count,
                bytes: spans.bytes,
                free_bytes: spans.free,
                tail_bytes: spans.tails,
            }),
            system: ledger.memstats.map(SystemValue::of),
            resident: ledger
                .resident
                .map(|Resident { rss, rss_anon }| ResidentValue { rss, rss_anon }),
        }
    }
}

impl SystemValue {
    fn of(system: System) -> SystemValue {
        SystemValue {
            heap_inuse: system.heap_inuse,
            unaccounted: system.unaccounted,
            stacks: system.stacks,
            thread_stacks: system.thread_stacks,
            bookkeeping: system.bookkeeping,
            idle: system.idle,
            released: system.released,
            sys: system.sys,
            sys_unaccounted: system.sys_unaccounted,
        }
    }
}
