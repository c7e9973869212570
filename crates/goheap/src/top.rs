//! `goheap top`: what fills the heap, and who holds it.

use std::io::{self, Write};
use std::process::ExitCode;

use goheap_analysis::answers::top::{By, Heap, Row, Table as Answer, Top, top};
use goheap_page::tops;

use crate::args::{ByArg, TopArgs};
use crate::error::CommandError;
use crate::examined;
use crate::room;
use crate::text::{self, Align, FAINT, Table, heading, printable};
use crate::units;

mod json;

pub(crate) use json::{HeapValue, TopValue};

/// How many rows a table of the overview has.
const OVERVIEW: usize = 12;

/// How many rows a table has that was asked for.
const ROWS: usize = 30;

pub(crate) fn run(args: &TopArgs) -> Result<ExitCode, CommandError> {
    let examined = examined::open(&args.examine)?;
    let mut by: Vec<By> = args.by.iter().map(|by| by.of()).collect();
    let rows = args
        .rows
        .unwrap_or(if by.is_empty() { OVERVIEW } else { ROWS });
    if by.is_empty() {
        by = vec![By::Type, By::Root];
    }
    let answer = top(&examined.of, &by, rows, &examined.watch()).map_err(examined::ended)?;
    let mut out = text::stdout();
    let missing = examined.of.dump.missing();
    let written = match args.json {
        true => text::json(&mut out, &TopValue::of(&examined.name, &answer, missing)),
        false => print(&answer, missing, &mut out),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

impl ByArg {
    fn of(self) -> By {
        match self {
            ByArg::Type => By::Type,
            ByArg::Root => By::Root,
            ByArg::Goroutine => By::Goroutine,
            ByArg::Package => By::Package,
            ByArg::Object => By::Object,
            ByArg::Size => By::Size,
        }
    }
}

pub(crate) use goheap_page::tops::NO_ROOTS;

fn print(top: &Top, missing: &[String], out: &mut dyn Write) -> io::Result<()> {
    if top.roots_missing {
        return print_all(top, missing, out);
    }
    // A dump that lacks its annex, or a part of it, is not to be taken for one without types.
    print_missing(missing, out)?;
    let mut head = heap(&top.heap);
    let known = top.known;
    if known.sure + known.guessed < top.heap.bytes || known.guessed > 0 {
        let guessed = match known.guessed {
            0 => String::new(),
            guessed => format!(", {} of them by a guess", share(guessed, top.heap.bytes)),
        };
        head.row([
            "types known".to_owned(),
            share(known.sure.saturating_add(known.guessed), top.heap.bytes),
            format!("of the reachable bytes{guessed}"),
        ]);
    }
    head.print(out)?;
    for table in &top.tables {
        print_table(table, &top.heap, false, out)?;
    }
    Ok(())
}

/// All objects, where it cannot be told which are reachable.
fn print_all(top: &Top, missing: &[String], out: &mut dyn Write) -> io::Result<()> {
    print_missing(missing, out)?;
    writeln!(out, "  note: {NO_ROOTS}; all objects are counted")?;
    let mut head = Table::new(&[Align::Left, Align::Right, Align::Left]);
    let objects = units::counted(top.heap.garbage_objects, "object");
    head.row([
        "heap in use".to_owned(),
        units::bytes(top.heap.garbage_bytes),
        format!("in {objects}, as far as the dump goes"),
    ]);
    head.print(out)?;
    // Shares are those of all.
    let all = Heap {
        objects: top.heap.garbage_objects,
        bytes: top.heap.garbage_bytes,
        ..Heap::default()
    };
    for table in &top.tables {
        if matches!(table.by, By::Type | By::Size) {
            print_table(table, &all, true, out)?;
        }
    }
    Ok(())
}

/// What is reachable, and what is not.
pub(crate) fn heap(heap: &Heap) -> Table {
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Left]);
    let mut row = |name: &str, bytes: u64, objects: u64, about: &str| {
        let objects = units::counted(objects, "object");
        table.row([
            name.to_owned(),
            units::bytes(bytes),
            format!("in {objects}{about}"),
        ]);
    };
    row(
        "heap in use",
        heap.bytes.saturating_add(heap.garbage_bytes),
        heap.objects + heap.garbage_objects,
        "",
    );
    row("reachable", heap.bytes, heap.objects, "");
    let about = match heap.garbage_objects {
        0 => "",
        _ => " that no root leads to",
    };
    row("garbage", heap.garbage_bytes, heap.garbage_objects, about);
    table
}

/// What the dump lacks.
pub(crate) fn print_missing(missing: &[String], out: &mut dyn Write) -> io::Result<()> {
    for missing in missing {
        writeln!(out, "  note: {}", printable(missing.as_bytes()))?;
    }
    Ok(())
}

pub(crate) use crate::units::share;

fn print_table(table: &Answer, heap: &Heap, no_roots: bool, out: &mut dyn Write) -> io::Result<()> {
    let columns = tops::columns(table.by);
    heading(out, tops::title(table.by))?;
    if let Some(about) = tops::about(table.by) {
        writeln!(out, "  {FAINT}{about}{FAINT:#}")?;
    }
    const ALIGN: [Align; 5] = [
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ];
    let cells = |row: &Row| -> Vec<String> {
        let bytes = |n: u64| units::bytes(n);
        let of = |n: u64| share(n, heap.bytes);
        let count = units::count(row.count);
        match table.by {
            By::Type | By::Size => vec![
                bytes(row.shallow),
                of(row.shallow),
                match no_roots {
                    true => "?".to_owned(),
                    false => bytes(row.retained),
                },
                count,
            ],
            By::Root => vec![bytes(row.retained), of(row.retained)],
            By::Goroutine => vec![bytes(row.retained), of(row.retained), count],
            By::Package => vec![
                bytes(row.retained),
                of(row.retained),
                bytes(row.shallow),
                count,
            ],
            By::Object => vec![
                bytes(row.retained),
                of(row.retained),
                bytes(row.shallow),
                format!("{:#x}", row.address),
            ],
        }
    };
    let mut rows: Vec<Vec<String>> = table.rows.iter().map(cells).collect();
    let numbers = columns.len() - 1;
    let before: usize = (0..numbers)
        .map(|at| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            2 + widest.max(columns.get(at).map_or(0, |name| name.len()))
        })
        .sum();
    let width = room::width();
    for (cells, row) in rows.iter_mut().zip(&table.rows) {
        let name = printable(title_of(table.by, row).as_bytes()).to_string();
        cells.push(room::fitted(name, width, before + 2));
    }
    let mut shown = Table::new(ALIGN.get(5 - columns.len()..).unwrap_or(&ALIGN));
    shown.row(columns.iter().map(|name| (*name).to_owned()));
    rows.into_iter().for_each(|row| shown.row(row));
    shown.print(out)?;
    rest(table, out)
}

/// What the last column says of a row.
fn title_of(by: By, row: &Row) -> String {
    match tops::behind(by, row).as_str() {
        "" => row.name.clone(),
        behind => format!("{}  {behind}", row.name),
    }
}

fn rest(table: &Answer, out: &mut dyn Write) -> io::Result<()> {
    match tops::more(table) {
        Some(more) => writeln!(out, "  {FAINT}{more}{FAINT:#}"),
        None => Ok(()),
    }
}
