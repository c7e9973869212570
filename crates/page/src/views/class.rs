//! The page of a type: how many there are, the largest of them, who holds them, what it is made of.

use goheap_analysis::ObjectId;
use goheap_analysis::answers::Subject;
use goheap_analysis::answers::top::Row;
use goheap_analysis::answers::why::WhyClass;
use goheap_analysis::types::{ClassId, What};
use goheap_golang::Kind;
use goheap_golang::catalogue::TypeId;
use maud::{Markup, html};

use super::{lists, not_yet};
use crate::site::Site;
use crate::table::{Column, Table};
use crate::{bar, link, text, units, words};

/// How many fields are shown.
const FIELDS: usize = 400;

/// How many of the largest objects are shown.
pub const LARGEST: usize = 12;

/// What is shown. `None` is not ready yet.
pub struct Class<'a> {
    /// The type.
    pub class: ClassId,
    /// Its name.
    pub name: &'a str,
    /// Its line in the table of types: with the reachable objects of it. None if all are garbage.
    pub row: Option<&'a Row>,
    /// Those of its objects that retain most.
    pub largest: Option<&'a [ObjectId]>,
    /// Who holds them.
    pub why: Option<Result<&'a WhyClass, &'a str>>,
}

/// The page. Shares are those of `all` bytes.
pub fn class(site: &Site<'_>, view: &Class<'_>, all: u64) -> Markup {
    let analysis = site.analysis;
    let map = site.map_under(Subject::Class(view.class));
    html! {
        h1 { span.name { (text::name(view.name)) } }
        @match view.row {
            Some(row) => {
                dl.figures {
                    (figure("objects", &units::count(row.count), ""))
                    (figure("own", &units::bytes(row.shallow), &units::share(row.shallow, all)))
                    (figure("retained", &units::bytes(row.retained), &units::share(row.retained, all)))
                    @if !row.known.words().is_empty() {
                        (figure("type known", &row.known.words(), ""))
                    }
                }
            },
            None => p { "No reachable object is of this type: those that there are, are garbage." },
        }
        p.links {
            a href={ (site.to("objects")) "?type=" (view.class.0) } { "All objects of it" }
            a href=(map) { "Map of what they hold" }
        }
        h2 { "Held by" }
        @match &view.why {
            Some(Ok(why)) => (held_by(site, why)),
            Some(Err(why)) => p { (why) },
            None => (not_yet("Who holds these")),
        }
        h2 { "The largest" }
        @match view.largest {
            Some(objects) => (largest(site, objects, all)),
            None => (not_yet("The order of objects")),
        }
        @if let Some(of) = analysis.types.class(view.class) {
            (made_of(site, &of.what))
        }
    }
}

pub(super) fn figure(name: &str, value: &str, about: &str) -> Markup {
    html! {
        div.figure {
            dt { (name) }
            dd {
                strong { (value) }
                @if !about.is_empty() { " " span.about { (about) } }
            }
        }
    }
}

fn largest(site: &Site<'_>, objects: &[ObjectId], all: u64) -> Markup {
    let mut table = Table::new(
        "The largest",
        vec![
            Column::number("retained"),
            Column::number("share"),
            Column::number("own").minor(),
            Column::text("address"),
        ],
    );
    for object in objects.iter().take(LARGEST) {
        let mut cells = lists::cells(site, *object, all);
        cells.truncate(4);
        table.row(cells);
    }
    table.markup()
}

fn held_by(site: &Site<'_>, why: &WhyClass) -> Markup {
    let mut table = Table::new(
        "Ways",
        vec![
            Column::number("objects"),
            Column::number("share").minor(),
            Column::number("retained"),
            Column::text("way"),
        ],
    );
    for way in &why.ways {
        let merged = &way.merged;
        let example = link::address(site, way.address);
        table.row(vec![
            html! { (units::count(merged.objects)) },
            bar::share(merged.objects, why.objects),
            html! { (units::bytes(merged.retained)) },
            html! {
                span.name { (words::strength(merged.strength)) (text::name(&merged.signature)) }
                " " span.about { "such as " (example) }
            },
        ]);
    }
    let (ways, objects, bytes) = why.more;
    if ways > 0 {
        table.foot(html! {
            span {
                "and " (units::counted(ways, "more way")) ", " (units::bytes(bytes)) " in "
                (units::counted(objects, "object"))
            }
        });
    }
    html! {
        @if why.garbage_objects > 0 {
            p.about {
                "And " (units::count(why.garbage_objects)) " more, " (units::bytes(why.garbage_bytes))
                ", that no root leads to: garbage, not collected yet."
            }
        }
        (table.markup())
    }
}

/// The fields of a type.
fn made_of(site: &Site<'_>, what: &What) -> Markup {
    let ty = match what {
        What::Value(ty) | What::Array(ty) => *ty,
        What::Map(ty) | What::Chan(ty) => *ty,
        _ => return html! {},
    };
    let catalogue = site.analysis.dump.catalogue();
    let Some(of) = catalogue.get(ty) else {
        return html! {};
    };
    if of.kind != Kind::Struct {
        return html! {};
    }
    let name = |ty: TypeId| catalogue.get(ty).map_or("?", |ty| ty.name.as_str());
    let mut table = Table::new(
        "Fields",
        vec![
            Column::number("offset"),
            Column::number("bytes"),
            Column::text("field"),
            Column::text("type"),
        ],
    );
    for field in of.fields.iter().take(FIELDS) {
        let size = catalogue.get(field.ty).map_or(0, |ty| ty.size);
        table.row(vec![
            html! { (field.offset) },
            html! { (size) },
            html! { span.name { (text::name(&field.name)) } },
            link::type_named(site, name(field.ty)),
        ]);
    }
    if of.fields.len() > FIELDS {
        let more = units::count((of.fields.len() - FIELDS) as u64);
        table.foot(html! { span { "and " (more) " more" } });
    }
    html! {
        h2 { "Fields" span.about { (units::bytes(of.size)) } }
        (table.markup())
    }
}
