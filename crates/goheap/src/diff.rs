//! `goheap diff`: what has changed from one dump to another.

use std::io::{self, Write};
use std::process::ExitCode;

use goheap_analysis::answers::diff::{
    Before, ByAddress, Change, Diff, PathChange, Sameness, Size, difference,
};
use goheap_analysis::answers::ledger::Amount;
use goheap_page::words::{self, signed};
use serde::Serialize;

use crate::args::{DiffArgs, ExamineArgs};
use crate::error::CommandError;
use crate::examined;
use crate::text::{self, Align, FAINT, Table, heading, json_text, printable};
use crate::units;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.diff/1";

pub(crate) fn run(args: &DiffArgs) -> Result<ExitCode, CommandError> {
    let source = |source: &std::ffi::OsString| ExamineArgs {
        source: source.clone(),
        exe: args.exe.clone(),
        how: args.how.clone(),
        damaged: args.damaged,
    };
    // One after the other: the first is gone before the second is opened.
    let (before, a) = {
        let examined = examined::open(&source(&args.before))?;
        let before = Before::of(&examined.of, &examined.watch()).map_err(examined::ended)?;
        (before, Source::of(&examined))
    };
    let examined = examined::open(&source(&args.after))?;
    let diff = before
        .diff(&examined.of, &examined.watch())
        .map_err(examined::ended)?;
    let b = Source::of(&examined);
    let mut out = text::stdout();
    let written = match args.json {
        true => text::json(&mut out, &DiffValue::of(&a, &b, &diff)),
        false => print(&a, &b, &diff, args.rows.rows, &mut out),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(match args.exit_code && !diff.is_empty() {
        true => ExitCode::from(1),
        false => ExitCode::SUCCESS,
    })
}

/// What is told of a source.
struct Source {
    name: String,
    missing: Vec<String>,
}

impl Source {
    fn of(examined: &examined::Examined<goheap_analysis::Analysis>) -> Source {
        Source {
            name: examined.name.clone(),
            missing: examined.of.dump.missing().to_vec(),
        }
    }
}

fn print(a: &Source, b: &Source, diff: &Diff, shown: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} → {}: {}",
        a.name,
        b.name,
        words::sameness(diff.sameness)
    )?;
    for source in [a, b] {
        for missing in &source.missing {
            let missing = printable(missing.as_bytes());
            writeln!(out, "  note: {}: {missing}", source.name)?;
        }
    }
    if diff.is_empty() {
        return writeln!(out, "  no difference");
    }
    let (before, after) = (diff.before, diff.after);
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Right, Align::Right]);
    table.row(["", "before", "after", "change"].map(str::to_owned));
    let mut row = |name: &str, a: u64, b: u64, show: fn(u64) -> String| {
        let change = signed(difference(a, b), show);
        table.row([name.to_owned(), show(a), show(b), change]);
    };
    row("reachable", before.bytes, after.bytes, units::bytes);
    row("objects", before.objects, after.objects, units::count);
    let (a, b) = (before.garbage_bytes, after.garbage_bytes);
    row("garbage", a, b, units::bytes);
    row(
        "goroutines",
        diff.goroutines.0,
        diff.goroutines.1,
        units::count,
    );
    table.print(out)?;
    if let Some(by_address) = &diff.by_address {
        print_by_address(by_address, shown, out)?;
    }
    changes("By type", "objects", &diff.types, shown, out)?;
    changes(
        "By holder (what each alone keeps)",
        "count",
        &diff.holders,
        shown,
        out,
    )?;
    paths(&diff.paths, shown, out)
}

fn print_by_address(by: &ByAddress, shown: usize, out: &mut dyn Write) -> io::Result<()> {
    heading(out, "By address")?;
    let mut table = Table::new(&[Align::Right, Align::Right, Align::Left]);
    for (amount, what) in [
        (by.survived, "were there before"),
        (by.gone, "are gone"),
        (by.new, "are new"),
    ] {
        table.row([
            units::bytes(amount.bytes),
            units::counted(amount.objects, "object"),
            what.to_owned(),
        ]);
    }
    table.print(out)?;
    for (name, all) in [
        ("New, by type", &by.new_by_class),
        ("New, by who alone holds them", &by.new_by_holder),
    ] {
        if all.is_empty() {
            continue;
        }
        heading(out, name)?;
        let mut table = Table::new(&[Align::Right, Align::Right, Align::Left]);
        for (name, amount) in all.iter().take(shown) {
            table.row([
                units::bytes(amount.bytes),
                units::count(amount.objects),
                printable(name.as_bytes()).to_string(),
            ]);
        }
        table.print(out)?;
        more(all.len(), shown, out)?;
    }
    Ok(())
}

/// The largest growth, and the largest shrinkage.
fn changes(
    title: &str,
    count: &str,
    all: &[Change],
    shown: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    heading(out, title)?;
    let mut table = Table::new(&[
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ]);
    table.row(["change", "after", count, "change", ""].map(str::to_owned));
    // Most have grown; of those that have shrunk, the last few are the largest.
    let grown = all.iter().filter(|change| change.growth() >= 0).count();
    let shrunk = all.len() - grown;
    let of_shrunk = shrunk.min(shown.saturating_sub(grown).max(shown / 3));
    let of_grown = grown.min(shown.saturating_sub(of_shrunk));
    let largest = all.iter().take(of_grown);
    let smallest = all.iter().skip(all.len() - of_shrunk);
    for change in largest.chain(smallest) {
        table.row([
            signed(change.growth(), units::bytes),
            units::bytes(change.after.bytes),
            units::count(change.after.objects),
            signed(
                difference(change.before.objects, change.after.objects),
                units::count,
            ),
            printable(change.name.as_bytes()).to_string(),
        ]);
    }
    table.print(out)?;
    more(all.len(), of_grown + of_shrunk, out)
}

fn paths(all: &[PathChange], shown: usize, out: &mut dyn Write) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    heading(out, "By path, of what has grown most")?;
    let mut table = Table::new(&[Align::Right, Align::Right, Align::Left, Align::Left]);
    for change in all.iter().take(shown) {
        let (growth, objects) = match change.before {
            Some(before) => (
                signed(difference(before.bytes, change.after.bytes), units::bytes),
                signed(
                    difference(before.objects, change.after.objects),
                    units::count,
                ),
            ),
            None => (
                format!("now {}", units::bytes(change.after.bytes)),
                format!("now {}", units::count(change.after.objects)),
            ),
        };
        table.row([
            growth,
            objects,
            printable(change.class.as_bytes()).to_string(),
            printable(change.path.as_bytes()).to_string(),
        ]);
    }
    table.print(out)?;
    more(all.len(), shown, out)
}

fn more(all: usize, shown: usize, out: &mut dyn Write) -> io::Result<()> {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        more => writeln!(
            out,
            "  {FAINT}and {} more; -n N shows more{FAINT:#}",
            units::count(more as u64)
        ),
    }
}

#[derive(Serialize)]
struct DiffValue {
    schema: &'static str,
    before: SideValue,
    after: SideValue,
    same_process: &'static str,
    differs: bool,
    types: Vec<ChangeValue>,
    holders: Vec<ChangeValue>,
    paths: Vec<PathValue>,
    by_address: Option<ByAddressValue>,
}

#[derive(Serialize)]
struct SideValue {
    source: String,
    objects: u64,
    bytes: u64,
    garbage_objects: u64,
    garbage_bytes: u64,
    goroutines: u64,
    missing: Vec<String>,
}

#[derive(Serialize)]
struct SizeValue {
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ChangeValue {
    name: String,
    before: SizeValue,
    after: SizeValue,
}

#[derive(Serialize)]
struct PathValue {
    #[serde(rename = "type")]
    class: String,
    path: String,
    before: Option<SizeValue>,
    after: SizeValue,
}

#[derive(Serialize)]
struct ByAddressValue {
    survived: SizeValue,
    gone: SizeValue,
    new: SizeValue,
    new_by_type: Vec<NamedValue>,
    new_by_holder: Vec<NamedValue>,
}

#[derive(Serialize)]
struct NamedValue {
    name: String,
    objects: u64,
    bytes: u64,
}

impl From<Size> for SizeValue {
    fn from(size: Size) -> SizeValue {
        SizeValue {
            objects: size.objects,
            bytes: size.bytes,
        }
    }
}

impl From<Amount> for SizeValue {
    fn from(amount: Amount) -> SizeValue {
        SizeValue {
            objects: amount.objects,
            bytes: amount.bytes,
        }
    }
}

impl DiffValue {
    fn of(a: &Source, b: &Source, diff: &Diff) -> DiffValue {
        let text = |text: &str| json_text(text.as_bytes());
        let side =
            |source: &Source, heap: goheap_analysis::answers::top::Heap, goroutines| SideValue {
                source: source.name.clone(),
                objects: heap.objects,
                bytes: heap.bytes,
                garbage_objects: heap.garbage_objects,
                garbage_bytes: heap.garbage_bytes,
                goroutines,
                missing: source.missing.clone(),
            };
        let changes = |all: &[Change]| {
            let all = all.iter().map(|change| ChangeValue {
                name: text(&change.name),
                before: change.before.into(),
                after: change.after.into(),
            });
            all.collect()
        };
        let named = |all: &[(String, Amount)]| {
            let all = all.iter().map(|(name, amount)| NamedValue {
                name: text(name),
                objects: amount.objects,
                bytes: amount.bytes,
            });
            all.collect()
        };
        DiffValue {
            schema: SCHEMA,
            before: side(a, diff.before, diff.goroutines.0),
            after: side(b, diff.after, diff.goroutines.1),
            same_process: match diff.sameness {
                Sameness::Same => "same",
                Sameness::Reversed => "reversed",
                Sameness::OtherProcess => "other-process",
                Sameness::OtherBuild => "other-build",
                Sameness::Unknown => "unknown",
            },
            differs: !diff.is_empty(),
            types: changes(&diff.types),
            holders: changes(&diff.holders),
            paths: diff
                .paths
                .iter()
                .map(|change| PathValue {
                    class: text(&change.class),
                    path: text(&change.path),
                    before: change.before.map(SizeValue::from),
                    after: change.after.into(),
                })
                .collect(),
            by_address: diff.by_address.as_ref().map(|by| ByAddressValue {
                survived: by.survived.into(),
                gone: by.gone.into(),
                new: by.new.into(),
                new_by_type: named(&by.new_by_class),
                new_by_holder: named(&by.new_by_holder),
            }),
        }
    }
}
