//! Goroutines by where they stand, and what they alone hold.

use std::time::Duration;

use goheap_analysis::NodeKind;
use goheap_analysis::answers::Subject;
use goheap_analysis::answers::goroutines::{Clock, GoroutineGroup, Goroutines};
use maud::{Markup, html};

use super::class::figure;
use crate::link;
use crate::site::{ListQuery, ROWS, Site};
use crate::table::{Column, Table};
use crate::{text, units};

/// How many frames of a stack are shown.
const FRAMES: usize = 64;

/// The name of a goroutine's status, which the runtime's crate knows.
pub type StatusName = fn(u64) -> String;

fn state(group: &GoroutineGroup, status: StatusName) -> String {
    match group.wait_reason.is_empty() {
        true => status(group.status),
        false => text::name(&group.wait_reason),
    }
}

/// The page.
pub fn goroutines(
    site: &Site<'_>,
    of: &Goroutines,
    query: &ListQuery,
    status: StatusName,
) -> Markup {
    let path = site.to("goroutines");
    let needle = query.filter.to_lowercase();
    let matches = |group: &&GoroutineGroup| {
        needle.is_empty()
            || group.wait_reason.to_lowercase().contains(&needle)
            || group
                .stack
                .iter()
                .any(|f| f.to_lowercase().contains(&needle))
    };
    let mut groups: Vec<&GoroutineGroup> = of.groups.iter().filter(matches).collect();
    let first = "held alone";
    let sort = query.sort.as_deref().unwrap_or(first);
    let key = |group: &&GoroutineGroup| match sort {
        "goroutines" => group.goroutines.len() as u64,
        "stacks" => group.stack_bytes,
        "leaked" => group.leaked,
        "waits" => group.waited.map_or(0, |waited| waited.longest),
        _ => group.retained,
    };
    match query.ascending {
        true => groups.sort_by_key(key),
        false => groups.sort_by_key(|group| std::cmp::Reverse(key(group))),
    }
    let column =
        |title: &str| Column::number(title).sort(Some(query.sort(&path, title, first, false)));
    let mut table = Table::new(
        "Goroutines",
        vec![
            column("held alone"),
            column("goroutines"),
            column("leaked"),
            column("waits").minor(),
            column("stacks").minor(),
            Column::text("standing at"),
        ],
    );
    let total = groups.len() as u64;
    let shown: Vec<&GoroutineGroup> = groups.into_iter().skip(query.skip()).take(ROWS).collect();
    let count = shown.len();
    for group in shown {
        let subject = subject_of(site, group);
        table.row(vec![
            html! { (units::bytes(group.retained)) },
            html! { (units::count(group.goroutines.len() as u64)) },
            html! {
                @if group.leaked > 0 { strong.grow { (units::count(group.leaked)) } } @else { "0" }
            },
            html! {
                @if let Some(waited) = group.waited.filter(|waited| waited.longest > 0) {
                    (units::duration(Duration::from_nanos(waited.longest)))
                }
            },
            html! { (units::bytes(group.stack_bytes)) },
            html! {
                (link::subject(site, subject, group.place()))
                " " span.about { (state(group, status)) }
                @if let Some((by, _)) = group.created_by.first() {
                    br; span.about { "started by " span.name { (text::name(by)) } }
                }
            },
        ]);
    }
    table.foot(query.pages(&path, count, total, "group"));
    html! {
        h1 { "Goroutines" }
        dl.figures {
            (figure("goroutines", &units::count(of.count), &format!("{} of the runtime", units::count(of.system))))
            (figure("stacks", &units::bytes(of.stack_bytes), ""))
            (figure("leaked", &units::count(leaked(of)), "they wait for what nobody else can reach"))
        }
        @if let Clock::Youngest(_) = of.clock {
            p.about { "Waits are at least that long: the dump does not tell when it was made by that clock." }
        }
        @if of.leaks.unknown.is_some() {
            p.note { "Which of them are leaked cannot be told of this dump." }
        }
        (query.filter_form(&path, "Filter by function or wait"))
        (table.markup())
    }
}

fn leaked(of: &Goroutines) -> u64 {
    of.groups.iter().map(|group| group.leaked).sum()
}

/// The node of the group that its first goroutine is in.
fn subject_of(site: &Site<'_>, group: &GoroutineGroup) -> Option<Subject> {
    let nodes = &site.analysis.nodes;
    let first = group.goroutines.first()?;
    let place = nodes
        .groups()
        .iter()
        .position(|of| of.goroutines.binary_search(first).is_ok())?;
    Some(Subject::Node(nodes.id(NodeKind::Group(place as u32))))
}

/// What is told of a group on its own page.
pub fn group(of: &GoroutineGroup, status: StatusName) -> Markup {
    html! {
        p {
            (state(of, status))
            @if let Some(waited) = of.waited.filter(|waited| waited.longest > 0) {
                ", for " (units::duration(Duration::from_nanos(waited.longest)))
            }
            @if of.leaked > 0 {
                ", " strong.grow { (units::count(of.leaked)) " for ever" }
                @if !of.waits_for.is_empty() {
                    ", on " span.name { (text::name(&of.waits_for.join(", "))) }
                }
            }
        }
        @for (by, count) in &of.created_by {
            p.about { (units::count(*count)) " started by " span.name { (text::name(by)) } }
        }
        h2 { "Stack" span.about { "of the first of them, the innermost first" } }
        ol.stack {
            @for function in of.stack.iter().take(FRAMES) { li { span.name { (text::name(function)) } } }
            @if of.stack.len() > FRAMES {
                li.about { "and " (units::counted((of.stack.len() - FRAMES) as u64, "frame")) }
            }
        }
    }
}
