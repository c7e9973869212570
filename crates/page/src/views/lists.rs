//! Tables that can be sorted and filtered: types, holders, packages, sizes; and objects.

use goheap_analysis::answers::listing::LARGEST;
use goheap_analysis::answers::top::{By, Row};
use goheap_analysis::types::How;
use goheap_analysis::{Analysis, NodeId, ObjectId};
use maud::{Markup, html};

use crate::site::{ListQuery, ROWS, Site};
use crate::table::{Column, Table};
use crate::{bar, link, tops, units};

/// What a table of `top` can be sorted by: the columns' titles.
fn key(row: &Row, column: &str) -> Option<u64> {
    Some(match column {
        "own" => row.shallow,
        "retained" | "share" => row.retained,
        "objects" | "goroutines" => row.count,
        "bytes each" => row.name.parse().unwrap_or(0),
        _ => return None,
    })
}

/// A table of `top`, of which a part is wanted. Shares are those of `all`.
pub fn rows(
    site: &Site<'_>,
    by: By,
    rows: &[Row],
    all: u64,
    no_roots: bool,
    query: &ListQuery,
) -> Markup {
    let path = site.table(by);
    let columns = tops::columns(by);
    let first = columns.first().copied().unwrap_or_default();
    let name = columns.last().copied().unwrap_or_default();
    let sort = match query.sort.as_deref() {
        Some("share") | None => first,
        Some(sort) => sort,
    };
    let needle = query.filter.to_lowercase();
    let mut found: Vec<&Row> = rows
        .iter()
        .filter(|row| {
            needle.is_empty()
                || row.name.to_lowercase().contains(&needle)
                || row.about.to_lowercase().contains(&needle)
        })
        .collect();
    // Rows come in the order that they have by themselves, which decides between equals.
    match (sort, query.ascending) {
        (sort, true) if sort == name && by != By::Size => found.sort_by(|a, b| a.name.cmp(&b.name)),
        (sort, false) if sort == name && by != By::Size => {
            found.sort_by(|a, b| b.name.cmp(&a.name));
        }
        (sort, true) => found.sort_by_key(|row| key(row, sort)),
        (sort, false) => found.sort_by_key(|row| std::cmp::Reverse(key(row, sort))),
    }
    let total = found.len() as u64;
    let head = columns
        .iter()
        .map(|title| {
            let column = match *title == name {
                true => Column::text(title),
                false => Column::number(title),
            };
            let column = match (by, *title) {
                (By::Type | By::Size, "retained") | (By::Package, "own") => column.minor(),
                _ => column,
            };
            let shown = if *title == "share" { first } else { title };
            let is_text = *title == name && by != By::Size;
            let sort = query.sort(&path, shown, first, is_text);
            match *title {
                "share" => column,
                _ => column.sort(Some(sort)),
            }
        })
        .collect();
    let mut table = Table::new(tops::title(by), head);
    let shown: Vec<&Row> = found.into_iter().skip(query.skip()).take(ROWS).collect();
    let count = shown.len();
    for row in shown {
        table.row(tops::cells(by, row, all, no_roots, site));
    }
    let what = match by {
        By::Type => "type",
        By::Root => "holder",
        By::Goroutine => "group",
        By::Package => "package",
        By::Object => "object",
        By::Size => "size",
    };
    table.foot(query.pages(&path, count, total, what));
    html! {
        h1 { (tops::title(by)) }
        @if let Some(about) = tops::about(by) { p.about { (about) } }
        @if by == By::Type {
            p.about { "own: the bytes of the objects themselves; retained: all that would be gone without them" }
        }
        (query.filter_form(&path, "Filter by name"))
        (table.markup())
    }
}

/// Objects, of which a part is wanted.
pub struct Objects<'a> {
    /// In order; what is shown of them is in the query.
    pub objects: &'a [ObjectId],
    /// What they are: `objects of main.Session`.
    pub title: String,
    /// Only those that no other object holds alone; of objects of all types.
    pub outer: Option<bool>,
    /// How many there would be; more than are in `objects` if these are the largest alone.
    pub total: u64,
}

/// A list of objects.
pub fn objects(site: &Site<'_>, view: &Objects<'_>, all: u64, query: &ListQuery) -> Markup {
    let path = site.to("objects");
    let sort = |column: &str| {
        let mut sort = query.sort(&path, column, "retained", false);
        // The largest first is all there is.
        let kept = ListQuery {
            sort: Some(column.to_owned()),
            ascending: false,
            ..query.clone()
        };
        sort.href = kept.href(&path, 1);
        sort
    };
    let mut table = Table::new(
        &view.title,
        vec![
            Column::number("retained").sort(Some(sort("retained"))),
            Column::number("share").minor(),
            Column::number("own").sort(Some(sort("own"))),
            Column::text("address"),
            Column::text("type"),
        ],
    );
    let shown = view.objects.iter().skip(query.skip()).take(ROWS);
    let mut count = 0;
    for object in shown {
        count += 1;
        table.row(cells(site, *object, all));
    }
    let listed = view.objects.len() as u64;
    let cut = view.total > listed;
    let switch = |outer: bool| {
        let mut query = query.clone();
        query.more.retain(|(name, _)| name != "only");
        if !outer {
            query.more.push(("only".to_owned(), "any".to_owned()));
        }
        query.href(&path, 1)
    };
    table.foot(html! {
        (query.pages(&path, count, listed, "object"))
        @if cut {
            span { "the " (units::count(LARGEST as u64)) " largest; filter by type, on its page, to see others" }
        }
    });
    html! {
        h1 { (view.title) }
        @if let Some(outer) = view.outer {
            p.about {
                @if outer {
                    "Objects that no other object holds alone. "
                    a href=(switch(false)) { "All objects" }
                } @else {
                    "All objects. "
                    a href=(switch(true)) { "Only those that no other object holds alone" }
                }
            }
        }
        (table.markup())
    }
}

/// The cells of an object in a list: retained, share, own, address, type.
pub fn cells(site: &Site<'_>, object: ObjectId, all: u64) -> Vec<Markup> {
    let analysis = site.analysis;
    let retained = analysis.retained_of(NodeId(object.0));
    vec![
        retained_cell(analysis, object),
        bar::share(retained, all),
        html! { (units::bytes(analysis.dump.size(object))) },
        link::address(site, analysis.dump.address(object)),
        class_of(site, object),
    ]
}

/// What an object retains; garbage retains nothing.
pub fn retained_cell(analysis: &Analysis, object: ObjectId) -> Markup {
    html! {
        @if analysis.is_reachable(object) {
            (units::bytes(analysis.retained_of(NodeId(object.0))))
        } @else if analysis.dump.roots_are_missing() {
            "?"
        } @else {
            span.about { "garbage" }
        }
    }
}

/// The type of an object, and how it is known where that is not sure.
pub fn class_of(site: &Site<'_>, object: ObjectId) -> Markup {
    let types = &site.analysis.types;
    let id = types.class_of(object);
    let name = types.class(id).map_or("", |class| class.name.as_str());
    html! {
        (link::subject(site, Some(goheap_analysis::answers::Subject::Class(id)), name))
        @if types.how(object) == How::Guess { " " span.about { "(a guess)" } }
    }
}
