//! The ledger in words: where all memory is, line by line. The command prints it, pages show it.

use goheap_analysis::answers::ledger::{Ledger, ValueKind};
use maud::{Markup, html};

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

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How many bytes.
    pub bytes: u64,
    /// 0 for what Go has of the system, 1 for a part of that, 2 for a part of a part.
    pub depth: usize,
    /// What it is.
    pub what: String,
}

/// All lines, in the order in which they are told.
pub fn lines(ledger: &Ledger) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut row = |bytes: u64, depth: usize, what: String| lines.push(Line { bytes, depth, what });
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
    lines
}

/// The ledger as a table.
pub fn table(ledger: &Ledger) -> Markup {
    html! {
        div.scroll {
            table.ledger {
                caption.hidden { "Where the memory is" }
                thead { tr { th.n scope="col" { "bytes" } th scope="col" { "of what" } } }
                tbody {
                    @for line in lines(ledger) {
                        tr class={ "deep" (line.depth) } {
                            td.n { (units::bytes(line.bytes)) }
                            td { (line.what) }
                        }
                    }
                }
            }
        }
    }
}
