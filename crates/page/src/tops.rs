//! The tables of `top` as pages show them, and the words that the command shares with them.

use goheap_analysis::answers::top::{By, Heap, Row, Table as Answer};
use maud::{Markup, html};

use crate::bar;
use crate::link::{self, Links};
use crate::table::{Column, Table};
use crate::units;

/// What is said of a dump that ends before its roots do.
pub const NO_ROOTS: &str = "where roots are is not in this dump: what is reachable cannot be told";

/// What a table is called.
pub fn title(by: By) -> &'static str {
    match by {
        By::Type => "Types",
        By::Root => "Holders",
        By::Goroutine => "Goroutines",
        By::Package => "Packages",
        By::Object => "Largest objects",
        By::Size => "Sizes",
    }
}

/// What the numbers of a table are of, where that needs a sentence.
pub fn about(by: By) -> Option<&'static str> {
    match by {
        By::Package => Some(
            "retained: held by the package's variables alone; own: objects of its types, whoever holds them",
        ),
        _ => None,
    }
}

/// What stands at the head of a table's columns: the last one is the name.
pub fn columns(by: By) -> &'static [&'static str] {
    match by {
        By::Type => &["own", "share", "retained", "objects", "type"],
        By::Root => &["retained", "share", "held by this alone"],
        By::Goroutine => &["retained", "share", "goroutines", "standing at"],
        By::Package => &["retained", "share", "own", "objects", "package"],
        By::Object => &["retained", "share", "own", "address", "object"],
        By::Size => &["own", "share", "retained", "objects", "bytes each"],
    }
}

/// What the last column says of a row behind its name: how its type is known, what it waits for.
pub fn behind(by: By, row: &Row) -> String {
    match by {
        By::Type => match row.known.words().as_str() {
            // An unknown type says so by its name.
            "" | "sure" | "unknown" => String::new(),
            words => format!("({words})"),
        },
        By::Root | By::Goroutine | By::Object => row.about.clone(),
        By::Package | By::Size => String::new(),
    }
}

/// What is left out of a table for its limit; `None` if nothing is.
pub fn more(table: &Answer) -> Option<String> {
    let what = match table.by {
        By::Type => "type",
        By::Root => "holder",
        By::Goroutine => "group",
        By::Package => "package",
        By::Object => "object",
        By::Size => "size",
    };
    let bytes = match table.by {
        By::Type | By::Size => table.rest.shallow,
        _ => table.rest.retained,
    };
    let more = match table.left_out {
        0 => return None,
        1 => format!("1 more {what}"),
        n => format!("{} more {what}s", units::count(n)),
    };
    Some(format!("and {more}, {}", units::bytes(bytes)))
}

/// The heap in three lines: in use, reachable, garbage.
pub fn heap(heap: &Heap) -> Markup {
    let line = |name: &str, bytes: u64, objects: u64, about: &str| {
        html! {
            div.figure {
                dt { (name) }
                dd {
                    strong { (units::bytes(bytes)) }
                    " in " (units::counted(objects, "object")) (about)
                }
            }
        }
    };
    let all = heap.bytes.saturating_add(heap.garbage_bytes);
    let about = match heap.garbage_objects {
        0 => "",
        _ => " that no root leads to",
    };
    html! {
        dl.figures {
            (line("heap in use", all, heap.objects + heap.garbage_objects, ""))
            (line("reachable", heap.bytes, heap.objects, ""))
            (line("garbage", heap.garbage_bytes, heap.garbage_objects, about))
        }
    }
}

/// A table of `top`. Shares are those of `all` bytes; without roots it is not known what is retained.
pub fn table(answer: &Answer, all: u64, no_roots: bool, links: &dyn Links) -> Markup {
    let by = answer.by;
    let (name, numbers) = columns(by).split_last().unwrap_or((&"", &[]));
    let mut head: Vec<Column> = numbers
        .iter()
        .map(|title| match *title {
            "retained" if matches!(by, By::Type | By::Size) => Column::number(title).minor(),
            "own" if matches!(by, By::Package | By::Object) => Column::number(title).minor(),
            title => Column::number(title),
        })
        .collect();
    head.push(Column::text(name));
    let mut table = Table::new(title(by), head);
    for row in &answer.rows {
        table.row(cells(by, row, all, no_roots, links));
    }
    if let Some(more) = more(answer) {
        table.foot(html! { (more) });
    }
    table.markup()
}

/// The cells of a row.
pub fn cells(by: By, row: &Row, all: u64, no_roots: bool, links: &dyn Links) -> Vec<Markup> {
    let bytes = |n: u64| html! { (units::bytes(n)) };
    let count = || html! { (units::count(row.count)) };
    let behind = behind(by, row);
    let name = html! {
        (link::subject(links, row.of, &row.name))
        @if !behind.is_empty() { " " span.about { (crate::text::name(&behind)) } }
    };
    match by {
        By::Type | By::Size => vec![
            bytes(row.shallow),
            bar::share(row.shallow, all),
            match no_roots {
                true => html! { "?" },
                false => bytes(row.retained),
            },
            count(),
            name,
        ],
        By::Root => vec![bytes(row.retained), bar::share(row.retained, all), name],
        By::Goroutine => vec![
            bytes(row.retained),
            bar::share(row.retained, all),
            count(),
            name,
        ],
        By::Package => vec![
            bytes(row.retained),
            bar::share(row.retained, all),
            bytes(row.shallow),
            count(),
            name,
        ],
        By::Object => vec![
            bytes(row.retained),
            bar::share(row.retained, all),
            bytes(row.shallow),
            link::address(links, row.address),
            name,
        ],
    }
}
