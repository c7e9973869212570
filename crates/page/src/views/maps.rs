//! Maps: a treemap or an icicle, and the same as a table.

use goheap_analysis::answers::Subject;
use goheap_analysis::answers::top::Row;
use goheap_analysis::answers::tree::{Branch, Rest};
use maud::{Markup, html};

use crate::map::{Drawn, Picture, picture, title};
use crate::site::{Site, address};
use crate::table::{Column, Table};
use crate::{bar, link, text, units};

/// What is mapped, and where in it one is.
pub struct View<'a> {
    /// The whole tree.
    pub top: &'a Branch,
    /// The branch that is looked at: its place.
    pub at: &'a [u32],
    /// How it is drawn.
    pub picture: Picture,
    /// `holder`, `type`, or a subject (`c12`, `n345`).
    pub of: &'a str,
    /// What is said of it.
    pub about: &'a str,
}

/// The address of a map.
pub fn href(site: &Site<'_>, of: &str, picture: Picture, at: &[u32]) -> String {
    let mut pairs = match of {
        "holder" => Vec::new(),
        "type" => vec![("by", of.to_owned())],
        of => vec![("under", of.to_owned())],
    };
    if picture != Picture::Treemap {
        pairs.push(("as", picture.name().to_owned()));
    }
    if !at.is_empty() {
        let places: Vec<String> = at.iter().map(u32::to_string).collect();
        pairs.push(("at", places.join(".")));
    }
    address(&site.to("map"), &pairs)
}

/// What is drawn while a map is not ready: the choices alone.
pub fn choices(site: &Site<'_>, of: &str, now: Picture, at: &[u32]) -> Markup {
    let is_subject = !matches!(of, "holder" | "type");
    html! {
        div.choices {
            span.choice role="group" aria-label="What is mapped" {
                a href=(href(site, "holder", now, &[])) aria-current=[(of == "holder").then_some("true")] { "by holder" }
                a href=(href(site, "type", now, &[])) aria-current=[(of == "type").then_some("true")] { "by type" }
                @if is_subject { a href=(href(site, of, now, &[])) aria-current="true" { "of this alone" } }
            }
            span.choice role="group" aria-label="How it is drawn" {
                a href=(href(site, of, Picture::Treemap, at)) aria-current=[(now == Picture::Treemap).then_some("true")] { "treemap" }
                a href=(href(site, of, Picture::Icicle, at)) aria-current=[(now == Picture::Icicle).then_some("true")] { "icicle" }
            }
        }
    }
}

/// The page; `None` if there is no such place in the tree.
pub fn map(site: &Site<'_>, view: &View<'_>) -> Option<Markup> {
    let branch = crate::map::branch_at(view.top, view.at)?;
    let to = |at: &[u32]| href(site, view.of, view.picture, at);
    let drawn = Drawn {
        branch,
        at: view.at,
        href: &|at| Some(to(at)),
    };
    Some(html! {
        h1 { "Map" }
        (choices(site, view.of, view.picture, view.at))
        p.about { (view.about) }
        nav.crumbs aria-label="Where this is" {
            @for depth in 0..=view.at.len() {
                @let at = &view.at[..depth];
                @if let Some(branch) = crate::map::branch_at(view.top, at) {
                    @if depth > 0 { span aria-hidden="true" { " › " } }
                    @if depth == view.at.len() {
                        span.name aria-current="true" { (title(branch)) }
                    } @else if depth + 1 == view.at.len() {
                        a.name rel="up" href=(to(at)) { (title(branch)) }
                    } @else {
                        a.name href=(to(at)) { (title(branch)) }
                    }
                }
            }
        }
        (picture(view.picture, &drawn))
        (table(site, branch, view, &to))
    })
}

/// The branches as a table: for those who read, and for what is too small to be seen.
fn table(
    site: &Site<'_>,
    branch: &Branch,
    view: &View<'_>,
    to: &dyn Fn(&[u32]) -> String,
) -> Markup {
    let mut table = Table::new(
        "Branches",
        vec![
            Column::number("bytes"),
            Column::number("share"),
            Column::number("own").minor(),
            Column::text("branch"),
            Column::number(""),
        ],
    );
    let all = branch.retained;
    for (child, place) in branch.branches.iter().zip(0u32..) {
        let mut at = view.at.to_vec();
        at.push(place);
        let page = child.of.and_then(|of| link::Links::subject(site, of));
        table.row(vec![
            html! { (units::bytes(child.retained)) },
            bar::share(child.retained, all),
            html! { (units::bytes(child.shallow)) },
            html! {
                a.name href=(to(&at)) { (title(child)) }
                @if !child.about.is_empty() { " " span.about { (text::name(&child.about)) } }
            },
            html! {
                @if let Some(page) = page {
                    a href=(page) aria-label={ "Page of " (title(child)) } { "page" }
                }
            },
        ]);
    }
    if branch.rest.branches > 0 {
        table.foot(html! {
            span {
                "and " (units::count(branch.rest.branches)) " more, which hold "
                (units::bytes(branch.rest.retained))
            }
        });
    }
    // The root of all has no page but this.
    let all = site.analysis.nodes.all();
    let own = branch.of.filter(|of| *of != Subject::Node(all));
    let own = own.and_then(|of| link::Links::subject(site, of));
    html! {
        h2 {
            (title(branch))
            span.about { (units::bytes(branch.retained)) }
            @if let Some(own) = own { a.all href=(own) { "its page" } }
            @if let (Some(of), false) = (branch.of, view.at.is_empty()) {
                a.all href=(site.map_under(of)) { "map of this alone" }
            }
        }
        (table.markup())
    }
}

/// The tree by type: packages, and in them types, by the bytes of their objects.
pub fn by_type(rows: &[Row]) -> Branch {
    /// How many types of a package are told apart.
    const TYPES: usize = 200;
    let mut packages: std::collections::BTreeMap<&str, Vec<&Row>> = Default::default();
    for row in rows {
        packages.entry(row.about.as_str()).or_default().push(row);
    }
    let mut top = Branch {
        name: "all types".to_owned(),
        count: 1,
        ..Branch::default()
    };
    for (package, mut rows) in packages {
        rows.sort_by_key(|row| std::cmp::Reverse(row.shallow));
        let mut branch = Branch {
            name: match package {
                "" => "types of no package".to_owned(),
                package => format!("package {package}"),
            },
            count: 1,
            ..Branch::default()
        };
        for (place, row) in rows.into_iter().enumerate() {
            branch.retained = branch.retained.saturating_add(row.shallow);
            if place >= TYPES {
                branch.rest.branches += 1;
                branch.rest.count += row.count;
                branch.rest.retained = branch.rest.retained.saturating_add(row.shallow);
                continue;
            }
            branch.branches.push(Branch {
                name: row.name.clone(),
                count: row.count,
                shallow: row.shallow,
                retained: row.shallow,
                rest: Rest::default(),
                of: row.of.filter(|of| matches!(of, Subject::Class(_))),
                ..Branch::default()
            });
        }
        top.retained = top.retained.saturating_add(branch.retained);
        top.branches.push(branch);
    }
    top.branches
        .sort_by_key(|branch| std::cmp::Reverse(branch.retained));
    top
}
