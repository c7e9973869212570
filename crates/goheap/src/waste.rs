//! `goheap waste`: what is in the heap and of no use.

use std::io::{self, Write};
use std::process::ExitCode;

use goheap_analysis::Analysis;
use goheap_analysis::answers::ledger::Amount;
use goheap_analysis::answers::waste::{Part, Waste};
use serde::Serialize;

use crate::args::WasteArgs;
use crate::error::CommandError;
use crate::examined::{self, Examined};
use crate::text::{self, Align, FAINT, Table, heading, json_text, printable};
use crate::units;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.waste/1";

/// Characters of a duplicate string that are shown.
const TEXT: usize = 40;

pub(crate) fn run(args: &WasteArgs) -> Result<ExitCode, CommandError> {
    let examined = examined::open(&args.examine)?;
    let watch = examined.watch();
    let waste = Waste::of(&examined.of, &watch).map_err(examined::ended)?;
    drop(watch);
    let mut out = text::stdout();
    let written = match args.json {
        true => text::json(
            &mut out,
            &WasteValue::of(&examined.name, &examined.of, &waste),
        ),
        false => print(&examined, &waste, args.rows.rows, &mut out),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

fn print(
    examined: &Examined<Analysis>,
    waste: &Waste,
    shown: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let reachable = waste.reachable;
    writeln!(
        out,
        "{}: of {} in {} that are reachable",
        examined.name,
        units::bytes(reachable.bytes),
        units::counted(reachable.objects, "object")
    )?;
    crate::top::print_missing(examined.of.dump.missing(), out)?;
    let share = |bytes: u64| {
        format!(
            "{:.1} %",
            100.0 * bytes as f64 / reachable.bytes.max(1) as f64
        )
    };
    let mut table = Table::new(&[Align::Right, Align::Right, Align::Right, Align::Left]);
    let mut row = |amount: Amount, what: &str| {
        table.row([
            units::bytes(amount.bytes),
            share(amount.bytes),
            units::count(amount.objects),
            what.to_owned(),
        ]);
    };
    let deleted = match waste.deleted_slots {
        0 => String::new(),
        n => format!(" ({} of them deleted and not free yet)", units::count(n)),
    };
    row(
        waste.slice_tails.total,
        "slices: capacity beyond the length",
    );
    row(
        waste.pinned.total,
        "arrays and strings of which a part is shown: the rest",
    );
    row(
        waste.map_slots.total,
        &format!("maps: slots without an entry{deleted}"),
    );
    let duplicates = Amount {
        objects: waste.duplicates.copies,
        bytes: waste.duplicates.bytes,
    };
    row(duplicates, "strings that are there already");
    row(waste.channels.total, "channels: buffers without an element");
    row(waste.pools, "kept in sync.Pools");
    row(waste.finalizers, "held by finalizers alone");
    row(waste.cleanups, "held by cleanups alone");
    let rounding = Amount {
        objects: 0,
        bytes: waste.rounding,
    };
    row(
        rounding,
        "behind values, for the allocator's classes of sizes",
    );
    table.print(out)?;
    if waste.not_judged.objects > 0 {
        writeln!(
            out,
            "  {FAINT}not judged: {} ({}), for something else than slices and strings leads there{FAINT:#}",
            units::counted(waste.not_judged.objects, "array"),
            units::bytes(waste.not_judged.bytes)
        )?;
    }
    by_class("Slices with room, by type", &waste.slice_tails, shown, out)?;
    by_class("Shown in part, by type", &waste.pinned, shown, out)?;
    if !waste.largest_pinned.is_empty() {
        heading(out, "Largest of those that are shown in part")?;
        let mut table = Table::new(&[Align::Right, Align::Right, Align::Left, Align::Left]);
        table.row(["bytes", "shown", "address", "type"].map(str::to_owned));
        for pinned in waste.largest_pinned.iter().take(shown) {
            table.row([
                units::bytes(pinned.size),
                units::bytes(pinned.shown),
                format!("{:#x}", pinned.address),
                printable(pinned.class.as_bytes()).to_string(),
            ]);
        }
        table.print(out)?;
    }
    by_class("Maps with room, by type", &waste.map_slots, shown, out)?;
    if !waste.duplicates.largest.is_empty() {
        heading(out, "Strings that are there more than once")?;
        let mut table = Table::new(&[Align::Right, Align::Right, Align::Right, Align::Left]);
        table.row(["too much", "times", "length", "contents"].map(str::to_owned));
        for one in waste.duplicates.largest.iter().take(shown) {
            table.row([
                units::bytes(one.bytes),
                units::count(one.count),
                units::bytes(one.len),
                quoted(&one.text, one.len),
            ]);
        }
        table.print(out)?;
    }
    by_class("Channels with room, by type", &waste.channels, shown, out)
}

/// The beginning of a string, in quotes.
fn quoted(text: &[u8], len: u64) -> String {
    let all = printable(text).to_string();
    let cut: String = all.chars().take(TEXT).collect();
    match cut.len() < all.len() || (text.len() as u64) < len {
        true => format!("\"{cut}…"),
        false => format!("\"{cut}\""),
    }
}

fn by_class(title: &str, part: &Part, shown: usize, out: &mut dyn Write) -> io::Result<()> {
    if part.by_class.is_empty() {
        return Ok(());
    }
    heading(out, title)?;
    let mut table = Table::new(&[Align::Right, Align::Right, Align::Left]);
    for (name, amount) in part.by_class.iter().take(shown) {
        table.row([
            units::bytes(amount.bytes),
            units::count(amount.objects),
            printable(name.as_bytes()).to_string(),
        ]);
    }
    table.print(out)?;
    match part.by_class.len().saturating_sub(shown) {
        0 => Ok(()),
        more => writeln!(
            out,
            "  {FAINT}and {} more; -n N shows more{FAINT:#}",
            units::counted(more as u64, "type")
        ),
    }
}

/// The JSON, as `docs/commands.md` documents it.
#[derive(Serialize)]
pub(crate) struct WasteValue {
    schema: &'static str,
    source: String,
    missing: Vec<String>,
    reachable: AmountValue,
    slice_tails: PartValue,
    pinned: PartValue,
    largest_pinned: Vec<PinnedValue>,
    map_slots: PartValue,
    deleted_slots: u64,
    duplicate_strings: DuplicatesValue,
    channels: PartValue,
    pools: AmountValue,
    finalizers: AmountValue,
    cleanups: AmountValue,
    rounding_bytes: u64,
    not_judged: AmountValue,
}

#[derive(Serialize)]
struct AmountValue {
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct PartValue {
    objects: u64,
    bytes: u64,
    by_type: Vec<NamedValue>,
}

#[derive(Serialize)]
struct NamedValue {
    name: String,
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct PinnedValue {
    address: String,
    bytes: u64,
    shown_bytes: u64,
    #[serde(rename = "type")]
    class: String,
}

#[derive(Serialize)]
struct DuplicatesValue {
    contents: u64,
    copies: u64,
    bytes: u64,
    largest: Vec<DuplicateValue>,
}

#[derive(Serialize)]
struct DuplicateValue {
    /// Left out of a report that tells of no contents.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    length: u64,
    count: u64,
    bytes: u64,
    address: String,
}

impl From<Amount> for AmountValue {
    fn from(amount: Amount) -> AmountValue {
        AmountValue {
            objects: amount.objects,
            bytes: amount.bytes,
        }
    }
}

impl From<&Part> for PartValue {
    fn from(part: &Part) -> PartValue {
        PartValue {
            objects: part.total.objects,
            bytes: part.total.bytes,
            by_type: part
                .by_class
                .iter()
                .map(|(name, amount)| NamedValue {
                    name: json_text(name.as_bytes()),
                    objects: amount.objects,
                    bytes: amount.bytes,
                })
                .collect(),
        }
    }
}

impl WasteValue {
    pub(crate) fn of(name: &str, analysis: &Analysis, waste: &Waste) -> WasteValue {
        let duplicates = &waste.duplicates;
        WasteValue {
            schema: SCHEMA,
            source: name.to_owned(),
            missing: analysis.dump.missing().to_vec(),
            reachable: waste.reachable.into(),
            slice_tails: (&waste.slice_tails).into(),
            pinned: (&waste.pinned).into(),
            largest_pinned: waste
                .largest_pinned
                .iter()
                .map(|pinned| PinnedValue {
                    address: format!("{:#x}", pinned.address),
                    bytes: pinned.size,
                    shown_bytes: pinned.shown,
                    class: json_text(pinned.class.as_bytes()),
                })
                .collect(),
            map_slots: (&waste.map_slots).into(),
            deleted_slots: waste.deleted_slots,
            duplicate_strings: DuplicatesValue {
                contents: duplicates.contents,
                copies: duplicates.copies,
                bytes: duplicates.bytes,
                largest: duplicates
                    .largest
                    .iter()
                    .map(|one| DuplicateValue {
                        text: (!one.text.is_empty()).then(|| json_text(&one.text)),
                        length: one.len,
                        count: one.count,
                        bytes: one.bytes,
                        address: format!("{:#x}", one.address),
                    })
                    .collect(),
            },
            channels: (&waste.channels).into(),
            pools: waste.pools.into(),
            finalizers: waste.finalizers.into(),
            cleanups: waste.cleanups.into(),
            rounding_bytes: waste.rounding,
            not_judged: waste.not_judged.into(),
        }
    }
}
