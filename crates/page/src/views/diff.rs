//! What has changed from one dump to another.

use goheap_analysis::answers::diff::{ByAddress, Change, Diff, PathChange, difference};
use goheap_analysis::answers::ledger::Amount;
use maud::{Markup, html};

use crate::link::{self, Links};
use crate::site::{ListQuery, ROWS, Site};
use crate::table::{Column, Table};
use crate::{text, units, words};

/// How many rows the shorter tables have.
const FEW: usize = 30;

/// The page: `before` is what the first dump is called.
pub fn diff(site: &Site<'_>, of: &Diff, before: &str, now: &str, query: &ListQuery) -> Markup {
    html! {
        h1 { "What has changed" }
        p { span.name { (text::name(before)) } " → " span.name { (text::name(now)) } ": " (words::sameness(of.sameness)) }
        @if of.is_empty() {
            p { "No difference." }
        } @else {
            (sums(of))
            @if let Some(by) = &of.by_address { (by_address(site, by)) }
            h2 { "By type" }
            (query.filter_form(&site.to("diff"), "Filter types and holders by name"))
            (changes(site, &of.types, true, query))
            h2 { "By holder" span.about { "what each alone keeps" } }
            (changes(site, &of.holders, false, query))
            @if !of.paths.is_empty() {
                h2 { "By path, of what has grown most" }
                (paths(site, &of.paths))
            }
        }
    }
}

fn signed_cell(change: i64, show: fn(u64) -> String) -> Markup {
    let class = match change {
        0 => None,
        n if n > 0 => Some("grow"),
        _ => Some("shrink"),
    };
    html! { span class=[class] { (words::signed(change, show)) } }
}

fn sums(of: &Diff) -> Markup {
    let mut table = Table::new(
        "Sums",
        vec![
            Column::text(""),
            Column::number("before"),
            Column::number("after"),
            Column::number("change"),
        ],
    );
    let (before, after) = (of.before, of.after);
    type Show = fn(u64) -> String;
    let rows: [(&str, u64, u64, Show); 4] = [
        ("reachable", before.bytes, after.bytes, units::bytes),
        ("objects", before.objects, after.objects, units::count),
        (
            "garbage",
            before.garbage_bytes,
            after.garbage_bytes,
            units::bytes,
        ),
        ("goroutines", of.goroutines.0, of.goroutines.1, units::count),
    ];
    for (name, before, after, show) in rows {
        table.row(vec![
            html! { (name) },
            html! { (show(before)) },
            html! { (show(after)) },
            signed_cell(difference(before, after), show),
        ]);
    }
    table.markup()
}

fn by_address(site: &Site<'_>, by: &ByAddress) -> Markup {
    let amounts = |title: &str, all: &[(String, Amount)], is_type: bool| {
        let mut table = Table::new(
            title,
            vec![
                Column::number("bytes"),
                Column::number("objects"),
                Column::text(if is_type { "type" } else { "holder" }),
            ],
        );
        for (name, amount) in all.iter().take(FEW) {
            table.row(vec![
                html! { (units::bytes(amount.bytes)) },
                html! { (units::count(amount.objects)) },
                named(site, name, is_type),
            ]);
        }
        let more = all.len().saturating_sub(FEW) as u64;
        if more > 0 {
            table.foot(html! { span { "and " (units::count(more)) " more" } });
        }
        html! { h2 { (title) } (table.markup()) }
    };
    let line = |amount: Amount, what: &str| {
        html! {
            li { strong { (units::counted(amount.objects, "object")) } ", " (units::bytes(amount.bytes)) ", " (what) }
        }
    };
    html! {
        h2 { "By address" }
        ul {
            (line(by.survived, "were there before"))
            (line(by.gone, "are gone"))
            (line(by.new, "are new"))
        }
        div.columns {
            @if !by.new_by_class.is_empty() { section { (amounts("New, by type", &by.new_by_class, true)) } }
            @if !by.new_by_holder.is_empty() {
                section { (amounts("New, by who alone holds them", &by.new_by_holder, false)) }
            }
        }
    }
}

fn named(site: &Site<'_>, name: &str, is_type: bool) -> Markup {
    link::name(is_type.then(|| site.type_named(name)).flatten(), name)
}

fn changes(site: &Site<'_>, all: &[Change], is_type: bool, query: &ListQuery) -> Markup {
    let path = site.to("diff");
    let needle = query.filter.to_lowercase();
    let mut found: Vec<&Change> = all
        .iter()
        .filter(|change| needle.is_empty() || change.name.to_lowercase().contains(&needle))
        .collect();
    let sort = query.sort.as_deref().unwrap_or("change");
    let key = |change: &&Change| match sort {
        "after" => i64::try_from(change.after.bytes).unwrap_or(i64::MAX),
        "count" => difference(change.before.objects, change.after.objects),
        _ => change.growth(),
    };
    match query.ascending {
        true => found.sort_by_key(key),
        false => found.sort_by_key(|change| std::cmp::Reverse(key(change))),
    }
    let column = |title: &str, by: &str| {
        Column::number(title).sort(Some(query.sort(&path, by, "change", false)))
    };
    let mut table = Table::new(
        if is_type { "By type" } else { "By holder" },
        vec![
            column("change", "change"),
            column("after", "after"),
            column(if is_type { "objects" } else { "count" }, "count"),
            Column::text(if is_type { "type" } else { "holder" }),
        ],
    );
    let total = found.len() as u64;
    let rows = if is_type { ROWS } else { FEW };
    let skip = if is_type { query.skip() } else { 0 };
    let mut shown = 0;
    for change in found.into_iter().skip(skip).take(rows) {
        shown += 1;
        table.row(vec![
            signed_cell(change.growth(), units::bytes),
            html! { (units::bytes(change.after.bytes)) },
            signed_cell(
                difference(change.before.objects, change.after.objects),
                units::count,
            ),
            named(site, &change.name, is_type),
        ]);
    }
    match is_type {
        true => table.foot(query.pages(&path, shown, total, "type")),
        false => table.foot(html! { span { (units::counted(total, "holder")) } }),
    }
    table.markup()
}

fn paths(site: &Site<'_>, all: &[PathChange]) -> Markup {
    let mut table = Table::new(
        "By path",
        vec![
            Column::number("change"),
            Column::number("objects"),
            Column::text("type"),
            Column::text("path"),
        ],
    );
    for change in all.iter().take(FEW) {
        let (bytes, objects) = match change.before {
            Some(before) => (
                signed_cell(difference(before.bytes, change.after.bytes), units::bytes),
                signed_cell(
                    difference(before.objects, change.after.objects),
                    units::count,
                ),
            ),
            None => (
                html! { "now " (units::bytes(change.after.bytes)) },
                html! { "now " (units::count(change.after.objects)) },
            ),
        };
        table.row(vec![
            bytes,
            objects,
            link::type_named(site, &change.class),
            html! { span.name { (text::name(&change.path)) } },
        ]);
    }
    let more = all.len().saturating_sub(FEW) as u64;
    if more > 0 {
        table.foot(html! { span { "and " (units::count(more)) " more" } });
    }
    table.markup()
}
