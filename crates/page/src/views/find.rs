//! What a search finds: types and holders by a part of their name, text in strings.

use goheap_analysis::answers::search::Hits;
use goheap_analysis::answers::top::{By, Row};
use maud::{Markup, html};

use super::not_yet;
use crate::link;
use crate::site::{Site, address};
use crate::table::{Column, Table};
use crate::{text, tops, units};

/// How many types and holders are shown.
const ROWS: usize = 30;

/// What is shown.
pub struct Found<'a> {
    /// What was asked for.
    pub asked: &'a str,
    /// All types, the largest first.
    pub types: &'a [Row],
    /// All holders.
    pub holders: &'a [Row],
    /// Where the text is; `None` is not ready yet.
    pub hits: Option<Result<&'a Hits, &'a str>>,
    /// Why the address that was asked for has no page.
    pub no_address: Option<String>,
}

/// The page. Shares are those of `all` bytes.
pub fn find(site: &Site<'_>, view: &Found<'_>, all: u64, no_roots: bool) -> Markup {
    if view.asked.is_empty() {
        return html! {
            h1 { "Search" }
            p { "Give a part of a type's or a holder's name, an address (0x…), or text that strings may have in them." }
        };
    }
    html! {
        h1 { "Search: " span.name { (text::name(view.asked)) } }
        @if let Some(why) = &view.no_address { p.note { (text::name(why)) } }
        h2 { "Types" }
        (named(site, By::Type, view.types, view.asked, all, no_roots))
        h2 { "Holders" }
        (named(site, By::Root, view.holders, view.asked, all, no_roots))
        h2 { "Text in strings and bytes" }
        @match &view.hits {
            Some(Ok(hits)) => (texts(site, hits)),
            Some(Err(why)) => p { (why) },
            None => (not_yet("The search in strings")),
        }
    }
}

fn named(site: &Site<'_>, by: By, rows: &[Row], asked: &str, all: u64, no_roots: bool) -> Markup {
    let needle = asked.to_lowercase();
    let found: Vec<&Row> = rows
        .iter()
        .filter(|row| row.name.to_lowercase().contains(&needle))
        .collect();
    if found.is_empty() {
        let none = match by {
            // A variable that shares all it leads to is in no table.
            By::Root => "None that alone holds something has this in its name.",
            _ => "None has this in its name.",
        };
        return html! { p.about { (none) } };
    }
    let columns = tops::columns(by);
    let last = columns.len().saturating_sub(1);
    let columns = columns
        .iter()
        .enumerate()
        .map(|(at, title)| match at == last {
            true => Column::text(title),
            false if *title == "retained" && by == By::Type => Column::number(title).minor(),
            false => Column::number(title),
        });
    let mut table = Table::new(tops::title(by), columns.collect());
    for row in found.iter().take(ROWS) {
        table.row(tops::cells(by, row, all, no_roots, site));
    }
    if found.len() > ROWS {
        let href = address(&site.table(by), &[("q", asked.to_owned())]);
        let more = units::count((found.len() - ROWS) as u64);
        table.foot(html! { a href=(href) { "and " (more) " more" } });
    }
    table.markup()
}

fn texts(site: &Site<'_>, hits: &Hits) -> Markup {
    let mut table = Table::new(
        "Text",
        vec![
            Column::text("address"),
            Column::number("offset"),
            Column::text("text"),
            Column::text("type").minor(),
        ],
    );
    for hit in &hits.hits {
        let (before, found, behind) = &hit.around;
        let shown = |bytes: &[u8]| text::printable(bytes).to_string();
        table.row(vec![
            link::address(site, hit.address),
            html! { (hit.offset) },
            html! {
                span.name { (shown(before)) mark { (text::name(&shown(found))) } (shown(behind)) }
            },
            super::lists::class_of(site, hit.object),
        ]);
    }
    let looked_at = format!(
        "{} with {} were looked at",
        units::counted(hits.objects, "object"),
        units::bytes(hits.bytes)
    );
    table.foot(html! {
        @if hits.more {
            span { "the first " (units::count(hits.hits.len() as u64)) "; there may be more" }
        } @else {
            span { (units::counted(hits.hits.len() as u64, "object")) }
        }
        span { (looked_at) }
    });
    table.markup()
}
