//! The page of an object: what it is, what is in it, who points to it, what it points to, who holds it.

use goheap_analysis::answers::Subject;
use goheap_analysis::answers::object::{Contents, Form, Part, Pointer};
use goheap_analysis::paths::CutPath;
use goheap_analysis::{NodeId, NodeKind, ObjectId};
use maud::{Markup, html};

use super::class::figure;
use super::{lists, not_yet};
use crate::link;
use crate::site::{Site, address};
use crate::table::{Column, Table};
use crate::{text, units, words};

/// Who points to an object.
pub struct Referrer {
    /// The node.
    pub node: NodeId,
    /// What its pointer is called; empty where that is not known.
    pub by: String,
    /// A path by way of it, if there is one.
    pub path: Option<CutPath>,
    /// Whether one was looked for.
    pub looked: bool,
}

/// A part of a list of which the rest is on other pages.
pub struct Page<T> {
    /// What is shown.
    pub shown: Vec<T>,
    /// How many are before these.
    pub skipped: u64,
    /// How many there are in all.
    pub total: u64,
}

/// What is shown. `None` is not ready yet.
pub struct Object<'a> {
    /// The object.
    pub object: ObjectId,
    /// The address that was asked for, and what is there, if that is in the middle of it.
    pub inside: Option<(u64, String)>,
    /// What is in it.
    pub contents: Contents,
    /// How many of the parts are before those that are shown.
    pub skipped: u64,
    /// What it points to.
    pub pointers: Page<Pointer>,
    /// Who points to it.
    pub referrers: Option<Page<Referrer>>,
    /// The shortest path to it; inner `None` if no root leads to it.
    pub path: Option<Option<CutPath>>,
    /// Who holds it alone, from the object on: the nearest, and those next to the root of all; and how
    /// many are left out between.
    pub chain: (Vec<NodeId>, u64, Vec<NodeId>),
    /// Those that it holds alone, the largest first, and how many there are; `None` if there are too
    /// many to be looked at.
    pub held: Option<(Vec<ObjectId>, u64)>,
    /// Query of the address: which parts of the lists are shown.
    pub more: &'a [(&'a str, u64)],
}

/// The page. Shares are those of `all` bytes.
pub fn object(site: &Site<'_>, view: &Object<'_>, all: u64) -> Markup {
    let analysis = site.analysis;
    let object = view.object;
    let at = analysis.dump.address(object);
    let retained = analysis.retained_of(NodeId(object.0));
    let size = analysis.dump.size(object);
    let is_garbage = !analysis.is_reachable(object) && !analysis.dump.roots_are_missing();
    html! {
        h1 { span.name { (format!("{at:#x}")) } " " (lists::class_of(site, object)) }
        p.about { (words::how_known(analysis.types.how(object))) }
        @if let Some((address, part)) = &view.inside {
            p {
                span.name { (format!("{address:#x}")) } " is " (units::bytes(address.saturating_sub(at)))
                " into it"
                @if !part.is_empty() { ": " span.name { (text::name(part)) } }
            }
        }
        dl.figures {
            (figure("own", &units::bytes(size), ""))
            @if is_garbage {
                (figure("retained", "garbage", "no root leads to it; it was not collected yet"))
            } @else {
                (figure("retained", &units::bytes(retained), &units::share(retained, all)))
            }
        }
        p.links { a href=(site.map_under(Subject::Node(NodeId(object.0)))) { "Map of what it holds" } }
        @if !is_garbage {
            h2 { "Shortest path from a root" }
            @match &view.path {
                Some(Some(path)) => (whole_path(site, path)),
                Some(None) => p { "No root leads to it." },
                None => (not_yet("Paths from roots")),
            }
        }
        h2 { (match view.contents.form {
            Form::Fields => "Fields",
            Form::Elements => "Elements",
            Form::Entries => "Entries",
            Form::Text => "Text",
            Form::Words => "Words",
        }) }
        (contents(site, view))
        h2 #pointed { "Who points to it" }
        @match &view.referrers {
            Some(page) => (referrers(site, view, page)),
            None => (not_yet("Who points where")),
        }
        h2 #points { "What it points to" }
        (pointers(site, view))
        h2 { "Who holds it alone" span.about { "each holds all that stand before it" } }
        (chain(site, view))
        h2 { "What it holds alone" }
        @match &view.held {
            Some((objects, total)) => (held(site, objects, *total, all)),
            None => p { "Very many objects; the map shows them by type." },
        }
    }
}

/// The address of the same object with another part of a list.
fn here(site: &Site<'_>, view: &Object<'_>, name: &str, from: u64, anchor: &str) -> String {
    let at = site.analysis.dump.address(view.object);
    let mut pairs: Vec<(&str, String)> = view
        .more
        .iter()
        .filter(|(of, from)| *of != name && *from > 0)
        .map(|(name, from)| (*name, from.to_string()))
        .collect();
    if from > 0 {
        pairs.push((name, from.to_string()));
    }
    format!(
        "{}{anchor}",
        address(&site.to(&format!("object/{at:#x}")), &pairs)
    )
}

/// Which part of a list is shown, and where the rest is.
fn pages(
    site: &Site<'_>,
    view: &Object<'_>,
    (name, anchor): (&str, &str),
    (skipped, shown, total): (u64, u64, Option<u64>),
    more: bool,
) -> Markup {
    let each = crate::site::ROWS as u64;
    html! {
        @if skipped > 0 || more {
            span {
                (units::count(skipped + 1)) "–" (units::count(skipped + shown))
                @if let Some(total) = total { " of " (units::count(total)) }
            }
        }
        @if skipped > 0 {
            a href=(here(site, view, name, skipped.saturating_sub(each), anchor)) { "← previous" }
        }
        @if more {
            a href=(here(site, view, name, skipped + shown, anchor)) { "next →" }
        }
    }
}

fn contents(site: &Site<'_>, view: &Object<'_>) -> Markup {
    let contents = &view.contents;
    if contents.form == Form::Text {
        let shown = contents.text.len() as u64;
        return html! {
            pre.text tabindex="0" { (printed(&contents.text)) }
            @if shown < contents.text_len {
                p.about { "the first " (units::bytes(shown)) " of " (units::bytes(contents.text_len)) }
            }
        };
    }
    let is_words = contents.form == Form::Words;
    let mut columns = vec![Column::number("offset").minor()];
    if !is_words {
        columns.push(Column::text(match contents.form {
            Form::Entries => "key",
            Form::Elements => "element",
            _ => "field",
        }));
        columns.push(Column::text("type").minor());
    }
    columns.push(Column::text("value"));
    columns.push(Column::text("leads to"));
    let mut table = Table::new("Contents", columns);
    for part in &contents.parts {
        let mut cells = vec![html! { @if let Some(offset) = part.offset { (offset) } }];
        if !is_words {
            cells.push(html! { span.name { (text::name(&part.name)) } });
            cells.push(link::type_named(site, &part.ty));
        }
        cells.push(value(part));
        cells.push(led_to(site, part.leads_to));
        table.row(cells);
    }
    let shown = contents.parts.len() as u64;
    table.foot(pages(
        site,
        view,
        ("parts", ""),
        (view.skipped, shown, contents.total),
        contents.more,
    ));
    table.markup()
}

fn value(part: &Part) -> Markup {
    html! { span.name { (text::name(&part.value)) } }
}

fn led_to(site: &Site<'_>, to: Option<u64>) -> Markup {
    let object = to.and_then(|to| site.analysis.dump.find(to));
    html! {
        @if let (Some(to), Some((object, _))) = (to, object) {
            (link::address(site, to)) " " span.about { (class_name(site, object)) }
        }
    }
}

fn class_name(site: &Site<'_>, object: ObjectId) -> String {
    let types = &site.analysis.types;
    let class = types.class(types.class_of(object));
    text::name(class.map_or("", |class| &class.name))
}

/// Text as lines: what a terminal would obey, and what hides, is escaped; lines and tabs stay.
fn printed(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (place, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if place > 0 {
            out.push('\n');
        }
        for (place, part) in line.split(|byte| *byte == b'\t').enumerate() {
            if place > 0 {
                out.push('\t');
            }
            out.push_str(&text::printable(part).to_string());
        }
    }
    out
}

fn pointers(site: &Site<'_>, view: &Object<'_>) -> Markup {
    let page = &view.pointers;
    let mut table = Table::new(
        "What it points to",
        vec![
            Column::text("by"),
            Column::text("address"),
            Column::text("type"),
            Column::number("retained"),
        ],
    );
    for pointer in &page.shown {
        let to = site.analysis.dump.address(pointer.to);
        table.row(vec![
            html! { span.name { (text::name(&pointer.name)) } },
            html! {
                (link::address(site, to))
                @if pointer.into > 0 { span.about { " +" (format!("{:#x}", pointer.into)) } }
            },
            lists::class_of(site, pointer.to),
            lists::retained_cell(site.analysis, pointer.to),
        ]);
    }
    let shown = page.shown.len() as u64;
    table.foot(pages(
        site,
        view,
        ("to", "#points"),
        (page.skipped, shown, Some(page.total)),
        page.skipped + shown < page.total,
    ));
    table.markup()
}

fn referrers(site: &Site<'_>, view: &Object<'_>, page: &Page<Referrer>) -> Markup {
    let mut table = Table::new(
        "Who points to it",
        vec![
            Column::text("who"),
            Column::text("by"),
            Column::number("retained"),
            Column::text("path by way of it"),
        ],
    );
    for referrer in &page.shown {
        let retained = match site.analysis.nodes.kind(referrer.node) {
            NodeKind::Object(object) => lists::retained_cell(site.analysis, object),
            _ => html! { (units::bytes(site.analysis.retained_of(referrer.node))) },
        };
        table.row(vec![
            node(site, referrer.node),
            html! { span.name { (text::name(&referrer.by)) } },
            retained,
            html! {
                @match &referrer.path {
                    Some(path) => span.name { (text::name(&path.text)) },
                    None if referrer.looked => span.about { "none but through the object itself" },
                    None => {},
                }
            },
        ]);
    }
    let shown = page.shown.len() as u64;
    table.foot(pages(
        site,
        view,
        ("from", "#pointed"),
        (page.skipped, shown, Some(page.total)),
        page.skipped + shown < page.total,
    ));
    table.markup()
}

/// A node with a link and, of an object, its type.
pub fn node(site: &Site<'_>, node: NodeId) -> Markup {
    let subject = Some(Subject::Node(node));
    match site.analysis.nodes.kind(node) {
        NodeKind::Object(object) => {
            let at = site.analysis.dump.address(object);
            html! {
                (link::subject(site, subject, &format!("{at:#x}")))
                " " span.about { (class_name(site, object)) }
            }
        }
        _ => link::subject(site, subject, &super::holder::name(site.analysis, node)),
    }
}

fn whole_path(site: &Site<'_>, path: &CutPath) -> Markup {
    let strength = path.strength.map_or("", words::strength);
    let hop = |object: &ObjectId| node(site, NodeId(object.0));
    let root = path
        .root
        .map(|root| site.analysis.nodes.id(NodeKind::Root(root)));
    html! {
        p.path { (strength) span.name { (text::printable(text::cut(&path.text, 2000).as_bytes()).to_string()) } }
        details {
            summary { "its objects" }
            ol.hops {
                @if let Some(root) = root { li { (node(site, root)) } }
                @for object in &path.start { li { (hop(object)) } }
                @if path.left_out > 0 {
                    li.about { "… " (units::counted(path.left_out, "object")) " …" }
                }
                @for object in &path.end { li { (hop(object)) } }
            }
        }
    }
}

fn chain(site: &Site<'_>, view: &Object<'_>) -> Markup {
    let (near, left_out, far) = &view.chain;
    html! {
        @if near.is_empty() && far.is_empty() {
            p { "Nobody: it is garbage, or several that have nothing in common lead to it." }
        } @else {
            ol.hops {
                @for of in near { li { (node(site, *of)) span.about { " " (units::bytes(site.analysis.retained_of(*of))) } } }
                @if *left_out > 0 { li.about { "… " (units::count(*left_out)) " more …" } }
                @for of in far { li { (node(site, *of)) span.about { " " (units::bytes(site.analysis.retained_of(*of))) } } }
            }
        }
    }
}

/// Objects that one node holds alone.
pub fn held(site: &Site<'_>, objects: &[ObjectId], total: u64, all: u64) -> Markup {
    let mut table = Table::new(
        "What it holds alone",
        vec![
            Column::number("retained"),
            Column::number("share").minor(),
            Column::number("own").minor(),
            Column::text("address"),
            Column::text("type"),
        ],
    );
    for object in objects {
        table.row(lists::cells(site, *object, all));
    }
    let left_out = total.saturating_sub(objects.len() as u64);
    if left_out > 0 {
        table.foot(html! { span { "and " (units::count(left_out)) " more" } });
    }
    table.markup()
}
