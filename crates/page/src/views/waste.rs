//! What is in the heap and of no use.

use goheap_analysis::answers::ledger::Amount;
use goheap_analysis::answers::waste::{Part, Waste};
use maud::{Markup, html};

use crate::site::Site;
use crate::table::{Column, Table};
use crate::{link, text, units};

/// How many rows a table has.
const ROWS: usize = 20;

/// Bytes of a string that are shown.
const TEXT: usize = 60;

/// How much of what.
fn lines(waste: &Waste) -> Vec<(Amount, String)> {
    let deleted = match waste.deleted_slots {
        0 => String::new(),
        n => format!(" ({} of them deleted and not free yet)", units::count(n)),
    };
    let lines = crate::waste::lines(waste).into_iter();
    lines
        .map(|(amount, what)| match what.starts_with("maps") {
            true => (amount, format!("{what}{deleted}")),
            false => (amount, what.to_owned()),
        })
        .collect()
}

/// The page.
pub fn waste(site: &Site<'_>, of: &Waste) -> Markup {
    let all = of.reachable.bytes;
    let table = crate::waste::amounts(of, lines(of), Column::number("objects").minor());
    let [slices, shown_in_part, maps, channels] = crate::waste::parts(of);
    html! {
        h1 { "What is in the heap and of no use" }
        p.about { "Of " (units::bytes(all)) " in " (units::counted(of.reachable.objects, "object")) " that are reachable." }
        (table.markup())
        @if of.not_judged.objects > 0 {
            p.about {
                "Not judged: " (units::counted(of.not_judged.objects, "array")) " ("
                (units::bytes(of.not_judged.bytes))
                "), for something else than slices and strings leads there."
            }
        }
        (by_class(site, slices))
        (by_class(site, shown_in_part))
        (pinned(site, of))
        (by_class(site, maps))
        (duplicates(site, of))
        (by_class(site, channels))
    }
}

fn by_class(site: &Site<'_>, (title, part): (&str, &Part)) -> Markup {
    if part.by_class.is_empty() {
        return html! {};
    }
    let mut table = crate::waste::types(title, part, ROWS, site);
    let more = part.by_class.len().saturating_sub(ROWS) as u64;
    if more > 0 {
        table.foot(html! { span { "and " (units::counted(more, "more type")) } });
    }
    html! { h2 { (title) } (table.markup()) }
}

fn pinned(site: &Site<'_>, of: &Waste) -> Markup {
    if of.largest_pinned.is_empty() {
        return html! {};
    }
    let title = "Largest of those that are shown in part";
    let mut table = Table::new(
        title,
        vec![
            Column::number("bytes"),
            Column::number("shown"),
            Column::text("address"),
            Column::text("type"),
        ],
    );
    for one in of.largest_pinned.iter().take(ROWS) {
        table.row(vec![
            html! { (units::bytes(one.size)) },
            html! { (units::bytes(one.shown)) },
            link::address(site, one.address),
            link::type_named(site, &one.class),
        ]);
    }
    html! { h2 { (title) } (table.markup()) }
}

fn duplicates(site: &Site<'_>, of: &Waste) -> Markup {
    if of.duplicates.largest.is_empty() {
        return html! {};
    }
    let table = crate::waste::strings(of, ROWS, |one| {
        let shown = one.text.get(..TEXT).unwrap_or(&one.text);
        let more = if (shown.len() as u64) < one.len {
            "…"
        } else {
            ""
        };
        let contents = format!("\"{}{more}\"", text::printable(shown));
        link::name(link::Links::object(site, one.address), &contents)
    });
    html! { h2 { (crate::waste::STRINGS) } (table.markup()) }
}
