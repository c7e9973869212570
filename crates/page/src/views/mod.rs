//! The views of `goheap serve`: answers in, a page's contents out.

pub mod class;
pub mod diff;
pub mod find;
pub mod goroutines;
pub mod holder;
pub mod lists;
pub mod maps;
pub mod object;
pub mod overview;
pub mod waste;

use maud::{Markup, html};

/// What stands where an answer is not ready yet: the page asks again by itself.
pub fn not_yet(what: &str) -> Markup {
    html! { p.wait role="status" { (what) " is still being worked out; this page asks again by itself." } }
}

/// A page of which nothing is ready yet but what can be chosen.
pub fn waiting(title: &str, choices: Option<Markup>, what: &str) -> Markup {
    html! {
        h1 { (title) }
        @if let Some(choices) = choices { (choices) }
        (not_yet(what))
    }
}

/// What stands where there is no answer.
pub fn refused(title: &str, why: &str) -> Markup {
    html! {
        h1 { (title) }
        p { (crate::text::printable(crate::text::cut(why, 1000).as_bytes()).to_string()) }
    }
}
