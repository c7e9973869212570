//! The ledger of `goheap info`: where all memory is. It adds up, and what does not is told.

use std::io::{self, Write};

use goheap_analysis::answers::ledger::{Ledger, Resident, System};
use goheap_page::ledger::lines;
use serde::Serialize;

use crate::text::{Align, Table, heading};
use crate::units;

/// Prints it for people.
///
/// # Errors
/// Of the writer.
pub(super) fn print(ledger: &Ledger, out: &mut dyn Write) -> io::Result<()> {
    heading(out, "Where the memory is")?;
    let mut table = Table::new(&[Align::Right, Align::Left]);
    for line in lines(ledger) {
        let indent = "  ".repeat(line.depth);
        table.row([units::bytes(line.bytes), format!("{indent}{}", line.what)]);
    }
    table.print(out)
}

/// The ledger in JSON, as `docs/commands.md` documents it.
#[derive(Serialize)]
pub(crate) struct LedgerValue {
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
    pub(crate) fn of(ledger: &Ledger) -> LedgerValue {
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
