//! The first page: how much there is, who holds it, what it is.

use goheap_analysis::answers::ledger::Ledger;
use goheap_analysis::answers::top::{By, Heap, Known, Table};
use goheap_analysis::answers::tree::Branch;
use maud::{Markup, html};

use super::not_yet;
use crate::link::Links;
use crate::map::{Drawn, Picture, picture};
use crate::site::Site;
use crate::{ledger, tops, units};

/// What the first page shows. `None` is not ready yet.
pub struct Overview<'a> {
    /// The heap as a whole.
    pub heap: Heap,
    /// How types are known.
    pub known: Known,
    /// The dump ends before its roots do.
    pub no_roots: bool,
    /// The largest types, and holders.
    pub tables: [&'a Table; 2],
    /// How it was captured, in a sentence.
    pub captured: Option<&'a str>,
    /// Suspects in words.
    pub suspects: Option<Markup>,
    /// The tree of who holds what.
    pub tree: Option<&'a Branch>,
    /// Where all memory is.
    pub ledger: Option<&'a Ledger>,
}

/// The page.
pub fn overview(site: &Site<'_>, view: &Overview<'_>) -> Markup {
    let all = match view.no_roots {
        true => view.heap.garbage_bytes,
        false => view.heap.bytes,
    };
    let tree = site.to("map");
    html! {
        h1 { "What fills the heap, and who holds it" }
        @if let Some(captured) = view.captured { p.about { (crate::text::name(captured)) } }
        @if view.no_roots { p.note { (tops::NO_ROOTS) "; all objects are counted" } }
        (tops::heap(&view.heap))
        (known(view.known, view.heap.bytes))
        @if !view.no_roots {
            h2 { "Suspects" }
            @match &view.suspects {
                Some(suspects) => (suspects),
                None => (not_yet("Who is suspect")),
            }
            h2 { "Who holds it alone" a.all href=(tree) { "whole map" } }
            @match view.tree {
                Some(branch) => {
                    (picture(Picture::Icicle, &Drawn {
                        branch,
                        at: &[],
                        href: &|at| Some(super::maps::href(site, "holder", Picture::Icicle, at)),
                    }))
                },
                None => (not_yet("The map")),
            }
        }
        div.columns {
            @for table in &view.tables {
                @if !view.no_roots || table.by == By::Type {
                    section {
                        h2 { (tops::title(table.by)) a.all href=(site.table(table.by)) { "all" } }
                        (tops::table(table, all, view.no_roots, site as &dyn Links))
                    }
                }
            }
        }
        h2 { "Where the memory is" }
        @match view.ledger {
            Some(of) => (ledger::table(of)),
            None => (not_yet("The ledger")),
        }
    }
}

/// How types are known, if not all are for sure.
fn known(known: Known, all: u64) -> Markup {
    let told = known.sure.saturating_add(known.guessed);
    html! {
        @if told < all || known.guessed > 0 {
            p.about {
                "Types are known of " (units::share(told, all)) " of the reachable bytes"
                @if known.guessed > 0 {
                    ", " (units::share(known.guessed, all)) " of them by a guess"
                }
                "."
            }
        }
    }
}
