//! What is of no use, in the lines and tables that the report and the pages of `serve` share.

use goheap_analysis::answers::ledger::Amount;
use goheap_analysis::answers::waste::{Duplicate, Part, Waste};
use maud::{Markup, html};

use crate::link::{self, Links};
use crate::table::{Column, Table};
use crate::{bar, units};

/// What a table of strings is called.
pub(crate) const STRINGS: &str = "Strings that are there more than once";

/// How much of what.
pub(crate) fn lines(waste: &Waste) -> Vec<(Amount, &'static str)> {
    let duplicates = Amount {
        objects: waste.duplicates.copies,
        bytes: waste.duplicates.bytes,
    };
    let rounding = Amount {
        objects: 0,
        bytes: waste.rounding,
    };
    vec![
        (
            waste.slice_tails.total,
            "slices: capacity beyond the length",
        ),
        (
            waste.pinned.total,
            "arrays and strings of which a part is shown: the rest",
        ),
        (waste.map_slots.total, "maps: slots without an entry"),
        (duplicates, "strings that are there already"),
        (waste.channels.total, "channels: buffers without an element"),
        (waste.pools, "kept in sync.Pools"),
        (waste.finalizers, "held by finalizers alone"),
        (waste.cleanups, "held by cleanups alone"),
        (
            rounding,
            "behind values, for the allocator's classes of sizes",
        ),
    ]
}

/// The parts that are told of by type.
pub(crate) fn parts(waste: &Waste) -> [(&'static str, &Part); 4] {
    [
        ("Slices with room, by type", &waste.slice_tails),
        ("Shown in part, by type", &waste.pinned),
        ("Maps with room, by type", &waste.map_slots),
        ("Channels with room, by type", &waste.channels),
    ]
}

/// How much of what, as a table; `objects` is the column of their number.
pub(crate) fn amounts<S: AsRef<str>>(
    waste: &Waste,
    lines: impl IntoIterator<Item = (Amount, S)>,
    objects: Column,
) -> Table {
    let mut table = Table::new(
        "What is of no use",
        vec![
            Column::number("bytes"),
            Column::number("share"),
            objects,
            Column::text("what"),
        ],
    );
    for (amount, what) in lines {
        table.row(vec![
            html! { (units::bytes(amount.bytes)) },
            bar::share(amount.bytes, waste.reachable.bytes),
            html! { (units::count(amount.objects)) },
            html! { (what.as_ref()) },
        ]);
    }
    table
}

/// A part by type, the first `most` of them.
pub(crate) fn types(title: &str, part: &Part, most: usize, links: &dyn Links) -> Table {
    let mut table = Table::new(
        title,
        vec![
            Column::number("bytes"),
            Column::number("objects"),
            Column::text("type"),
        ],
    );
    for (name, amount) in part.by_class.iter().take(most) {
        table.row(vec![
            html! { (units::bytes(amount.bytes)) },
            html! { (units::count(amount.objects)) },
            link::type_named(links, name),
        ]);
    }
    table
}

/// Strings that are there more than once, the first `most` of them, with their contents as the page
/// shows them.
pub(crate) fn strings(
    waste: &Waste,
    most: usize,
    contents: impl Fn(&Duplicate) -> Markup,
) -> Table {
    let mut table = Table::new(
        STRINGS,
        vec![
            Column::number("too much"),
            Column::number("times"),
            Column::number("length"),
            Column::text("contents"),
        ],
    );
    for one in waste.duplicates.largest.iter().take(most) {
        table.row(vec![
            html! { (units::bytes(one.bytes)) },
            html! { (units::count(one.count)) },
            html! { (units::bytes(one.len)) },
            contents(one),
        ]);
    }
    table
}
