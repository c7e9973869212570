//! The report as one page of HTML that needs nothing else.

use goheap_analysis::answers::goroutines::{GoroutineGroup, Goroutines};
use goheap_analysis::answers::tree::Branch;
use goheap_analysis::answers::waste::Waste;
use maud::{Markup, html};

use super::goroutines::{FRAMES, state, summary, waited};
use super::{REDACTED, Report, STRINGS, TYPES};
use crate::bar;
use crate::ledger;
use crate::link::{self, NoLinks};
use crate::shell::{Look, Shell};
use crate::suspects;
use crate::table::Column;
use crate::text;
use crate::tops;
use crate::units;
use crate::waste;

/// The page.
pub fn html(report: &Report<'_>) -> String {
    let shell = Shell {
        title: "Heap",
        source: report.source,
        places: Vec::new(),
        search: None,
        again: None,
        missing: &report.notes,
        look: Look::Inline,
    };
    let mut page = shell.page(&body(report)).into_string();
    page.push('\n');
    page
}

fn body(report: &Report<'_>) -> Markup {
    let top = report.top;
    let all = match top.roots_missing {
        true => top.heap.garbage_bytes,
        false => top.heap.bytes,
    };
    html! {
        h1 { "Heap of " span.name { (text::name(report.source)) } }
        @if report.redact { p.note { (REDACTED) } }
        @if top.roots_missing { p.note { (tops::NO_ROOTS) "; all objects are counted" } }
        (tops::heap(&top.heap))
        h2 id="suspects" { "What most likely leaks, or fills the heap" }
        (suspects::list(report.suspects, Some(report.asked), report.redact, &NoLinks))
        h2 id="program" { "The program and its capture" }
        (facts(report))
        @for table in &top.tables {
            h2 id=(table.by.name()) { (tops::title(table.by)) }
            @if let Some(about) = tops::about(table.by) { p.about { (about) } }
            (tops::table(table, all, top.roots_missing, &NoLinks))
        }
        h2 id="tree" { "Who holds what alone" }
        p.about { "What is below a line would be gone without it. Siblings of one type are one line." }
        (tree(&report.tree.top, report.tree.heap.bytes))
        h2 id="goroutines" { "Goroutines" }
        (goroutines(report.goroutines, report.most_groups))
        h2 id="waste" { "Of no use" }
        (waste(report.waste, report.redact))
        h2 id="ledger" { "Where the memory is" }
        (ledger::table(report.ledger))
    }
}

fn facts(report: &Report<'_>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in &report.facts {
                dt { (name) }
                dd { (text::name(value)) }
            }
        }
    }
}

/// The tree, its first levels open. It is no deeper than who made it allowed, so that this may call
/// itself.
fn tree(branch: &Branch, all: u64) -> Markup {
    html! { div.tree { (branches(branch, all, 0)) } }
}

fn branches(branch: &Branch, all: u64, depth: usize) -> Markup {
    /// How many levels are open.
    const OPEN: usize = 2;
    let line = html! {
        span.n { (units::bytes(branch.retained)) }
        " " (bar::share(branch.retained, all)) " "
        @if branch.count > 1 { (units::count(branch.count)) " × " }
        (link::name(None, &branch.name))
        @if !branch.about.is_empty() { " " span.about { (text::name(&branch.about)) } }
        @if branch.address != 0 { " " span.about { (format!("{:#x}", branch.address)) } }
        @if branch.shallow > 0 { " " span.about { (units::bytes(branch.shallow)) " itself" } }
    };
    let rest = &branch.rest;
    html! {
        @if branch.branches.is_empty() && rest.branches == 0 {
            div.leaf { (line) }
        } @else {
            details open[depth < OPEN] {
                summary { (line) }
                @for next in &branch.branches { (branches(next, all, depth + 1)) }
                @if rest.branches > 0 {
                    div.leaf {
                        span.n { (units::bytes(rest.retained)) }
                        " " span.about { "… and " (units::count(rest.branches)) " more" }
                    }
                }
            }
        }
    }
}

fn goroutines(goroutines: &Goroutines, most: usize) -> Markup {
    let shown = goroutines.groups.iter().take(most);
    let left_out = goroutines.groups.len().saturating_sub(most);
    html! {
        p { (summary(goroutines)) "." }
        @for group in shown { (group_of(group, goroutines)) }
        @if left_out > 0 {
            p.about { "and " (units::counted(left_out as u64, "more group")) }
        }
    }
}

fn group_of(group: &GoroutineGroup, all: &Goroutines) -> Markup {
    let waited = waited(group, all.clock);
    html! {
        details {
            summary {
                (units::counted(group.goroutines.len() as u64, "goroutine"))
                " in " (link::name(None, group.place()))
                ", " (text::name(state(group)))
                @if !waited.is_empty() { ", for " (waited) }
                @if group.leaked > 0 {
                    ", " strong { (units::count(group.leaked)) " for ever" }
                }
                span.about {
                    " " (units::bytes(group.retained)) " held by nobody else, "
                    (units::bytes(group.stack_bytes)) " of stacks"
                }
            }
            ol.stack {
                @for function in group.stack.iter().take(FRAMES) {
                    li { (link::name(None, function)) }
                }
            }
            @if group.stack.len() > FRAMES {
                p.about { "and " (units::counted((group.stack.len() - FRAMES) as u64, "frame")) }
            }
            @if !group.waits_for.is_empty() {
                p { "waits for "
                    @for (place, name) in group.waits_for.iter().enumerate() {
                        @if place > 0 { ", " }
                        (link::name(None, name))
                    }
                }
            }
            @if let Some((name, _)) = group.created_by.first() {
                p { "created by " (link::name(None, name)) }
            }
        }
    }
}

fn waste(of: &Waste, redact: bool) -> Markup {
    let lines = waste::lines(of);
    let strings = match redact {
        true => None,
        false => Some(waste::strings(of, STRINGS, |one| {
            html! { span.name { (super::contents(&one.text, one.len)) } }
        })),
    };
    html! {
        (waste::amounts(of, lines, Column::number("objects")).markup())
        @for (title, part) in waste::parts(of) {
            @if !part.by_class.is_empty() {
                h3 { (title) }
                (waste::types(title, part, TYPES, &NoLinks).markup())
            }
        }
        @if let Some(strings) = strings.filter(|table| !table.is_empty()) {
            h3 { (waste::STRINGS) }
            (strings.markup())
        }
    }
}
