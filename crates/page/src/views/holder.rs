//! The page of what holds objects and is none: a variable, a goroutine, a group of them, a package.

use goheap_analysis::answers::Subject;
use goheap_analysis::answers::goroutines::GoroutineGroup;
use goheap_analysis::{Analysis, NodeId, NodeKind, ObjectId, RootKind};
use maud::{Markup, html};

use super::class::figure;
use super::object::{held, node};
use super::{goroutines, lists};
use crate::link;
use crate::site::{ListQuery, ROWS, Site};
use crate::table::{Column, Table};
use crate::{bar, text, units};

/// What is shown.
pub struct Holder<'a> {
    /// The node.
    pub node: NodeId,
    /// Objects that it leads to directly, at most [`ROWS`], and how many there are.
    pub leads_to: (Vec<ObjectId>, u64),
    /// Objects right below it that it alone holds, the largest first, and how many there are; `None`
    /// if there are too many to be looked at.
    pub held: Option<(Vec<ObjectId>, u64)>,
    /// Of a group, what is told of its goroutines.
    pub group: Option<&'a GoroutineGroup>,
    /// Names statuses of goroutines.
    pub status: goroutines::StatusName,
    /// Which of its members are shown.
    pub query: &'a ListQuery,
}

/// What a node is called.
pub fn name(analysis: &Analysis, node: NodeId) -> String {
    let dump = &analysis.dump;
    match analysis.nodes.kind(node) {
        NodeKind::Object(object) => format!("{:#x}", dump.address(object)),
        NodeKind::Root(root) => {
            let root = dump.roots().get(root as usize);
            let goroutine = |goroutine: u32| {
                let goroutine = dump.goroutines().get(goroutine as usize);
                goroutine.map_or(0, |goroutine| goroutine.id)
            };
            match root.map(|root| (root.kind, root.name.to_string())) {
                Some((RootKind::Frame(frame), name)) => {
                    let of = dump.frames().get(frame as usize);
                    let id = of.map_or(0, |frame| goroutine(frame.goroutine));
                    format!("goroutine {id}, frame {name}")
                }
                Some((RootKind::Goroutine(of), _)) => {
                    format!("goroutine {}, deferred calls and panics", goroutine(of))
                }
                Some((_, name)) => name,
                None => String::new(),
            }
        }
        NodeKind::Goroutine(goroutine) => {
            let goroutine = dump.goroutines().get(goroutine as usize);
            format!(
                "goroutine {}",
                goroutine.map_or(0, |goroutine| goroutine.id)
            )
        }
        NodeKind::Group(group) => {
            let group = analysis.nodes.groups().get(group as usize);
            let first = group.and_then(|group| group.goroutines.first());
            let first = first.and_then(|first| dump.goroutines().get(*first as usize));
            let frames = first.and_then(|first| dump.frames().get(first.frames.clone()));
            let function = frames.and_then(|frames| frames.first());
            let count = group.map_or(0, |group| group.goroutines.len() as u64);
            format!(
                "{} in {}",
                units::counted(count, "goroutine"),
                function.map_or("no function", |frame| &*frame.function)
            )
        }
        NodeKind::Package(package) => {
            let package = analysis.nodes.packages().get(package as usize);
            match package.map_or("", |package| package.name.as_str()) {
                "" => "variables of no package".to_owned(),
                name => format!("package {name}"),
            }
        }
        NodeKind::All => "all that is reachable".to_owned(),
    }
}

/// The page. Shares are those of `all` bytes.
pub fn holder(site: &Site<'_>, view: &Holder<'_>, all: u64) -> Markup {
    let analysis = site.analysis;
    let retained = analysis.retained_of(view.node);
    let kind = analysis.nodes.kind(view.node);
    html! {
        h1 { span.name { (text::name(&name(analysis, view.node))) } }
        (about(site, kind))
        dl.figures {
            (figure("held by this alone", &units::bytes(retained), &units::share(retained, all)))
            @if let Some(group) = view.group {
                (figure("goroutines", &units::count(group.goroutines.len() as u64), ""))
                (figure("stacks", &units::bytes(group.stack_bytes), ""))
            }
        }
        p.links { a href=(site.map_under(Subject::Node(view.node))) { "Map of what it holds" } }
        @if let Some(group) = view.group { (goroutines::group(group, view.status)) }
        (members(site, view, all))
        @if matches!(kind, NodeKind::Root(_)) {
            h2 { "Leads to" span.about { (units::counted(view.leads_to.1, "object")) } }
            (leads_to(site, view))
        }
        h2 { "Holds alone" }
        @match &view.held {
            Some((objects, total)) => (held(site, objects, *total, all)),
            None => p { "Very many objects; the map shows them by type." },
        }
    }
}

/// What kind of holder it is.
fn about(site: &Site<'_>, kind: NodeKind) -> Markup {
    let dump = &site.analysis.dump;
    let NodeKind::Root(root) = kind else {
        return html! {};
    };
    let words = match dump.roots().get(root as usize).map(|root| root.kind) {
        Some(RootKind::Global(variable)) => {
            let catalogue = dump.catalogue();
            let variable = catalogue.variables.get(variable as usize);
            let ty = variable.and_then(|variable| catalogue.get(variable.ty?));
            return html! {
                p.about {
                    "A variable"
                    @if let Some(variable) = variable { " at " (format!("{:#x}", variable.address)) }
                    @match ty {
                        Some(ty) => { ", of type " (link::type_named(site, &ty.name)) },
                        None => ", of a type that is not known",
                    }
                }
            };
        }
        Some(RootKind::Frame(_)) => "The frame of a function on a goroutine's stack",
        Some(RootKind::Segment(_)) => "Words of the program's data that no symbol names",
        Some(RootKind::Thread(_)) => {
            "What a thread's registers and stacks may lead to; its words may be no pointers, or old"
        }
        Some(RootKind::Goroutine(_)) => "What a goroutine keeps beside its frames",
        _ => "Kept by the runtime",
    };
    html! { p.about { (words) } }
}

/// What a package or a group is made of, or a goroutine.
fn members(site: &Site<'_>, view: &Holder<'_>, all: u64) -> Markup {
    let nodes = &site.analysis.nodes;
    let (title, what, of): (&str, &str, Vec<NodeKind>) = match nodes.kind(view.node) {
        NodeKind::Package(package) => {
            let package = nodes.packages().get(package as usize);
            let roots = package.map_or(&[][..], |package| &package.roots);
            let of = roots.iter().map(|root| NodeKind::Root(*root)).collect();
            ("Variables", "variable", of)
        }
        NodeKind::Group(group) => {
            let group = nodes.groups().get(group as usize);
            let of = group.map_or(&[][..], |group| &group.goroutines);
            let of = of.iter().map(|one| NodeKind::Goroutine(*one)).collect();
            ("Goroutines", "goroutine", of)
        }
        NodeKind::Goroutine(goroutine) => {
            let roots = nodes.roots_of_goroutine(goroutine);
            let of = roots.iter().map(|root| NodeKind::Root(*root)).collect();
            ("Frames that hold something", "frame", of)
        }
        _ => return html! {},
    };
    let mut of: Vec<NodeId> = of.into_iter().map(|kind| nodes.id(kind)).collect();
    let total = of.len() as u64;
    // Frames stay in the order of the stack.
    if what != "frame" {
        of.sort_by_key(|node| (std::cmp::Reverse(site.analysis.retained_of(*node)), *node));
    }
    let mut table = Table::new(
        title,
        vec![
            Column::number("held alone"),
            Column::number("share"),
            Column::text(what),
        ],
    );
    let shown: Vec<NodeId> = of.into_iter().skip(view.query.skip()).take(ROWS).collect();
    let count = shown.len();
    for of in shown {
        let retained = site.analysis.retained_of(of);
        table.row(vec![
            html! { (units::bytes(retained)) },
            bar::share(retained, all),
            node(site, of),
        ]);
    }
    let path = site.to(&format!("holder/{}", view.node.0));
    table.foot(view.query.pages(&path, count, total, what));
    html! { h2 { (title) } (table.markup()) }
}

fn leads_to(site: &Site<'_>, view: &Holder<'_>) -> Markup {
    let mut table = Table::new(
        "Leads to",
        vec![
            Column::number("retained"),
            Column::text("address"),
            Column::text("type"),
        ],
    );
    let (objects, total) = &view.leads_to;
    for object in objects {
        let at = site.analysis.dump.address(*object);
        table.row(vec![
            lists::retained_cell(site.analysis, *object),
            link::address(site, at),
            lists::class_of(site, *object),
        ]);
    }
    let left_out = total.saturating_sub(objects.len() as u64);
    if left_out > 0 {
        table.foot(html! { span { "and " (units::count(left_out)) " more" } });
    }
    table.markup()
}
