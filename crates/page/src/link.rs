//! Where names lead: pages that are served link to one another, a file that stands alone does not.

use goheap_analysis::answers::Subject;
use maud::{Markup, html};

use crate::text;

/// Makes addresses of pages. `None` where there is no such page: the name stands alone then.
pub trait Links {
    /// The page of what a line of an answer is about.
    fn subject(&self, subject: Subject) -> Option<String>;

    /// The page of the object that an address lies in.
    fn object(&self, address: u64) -> Option<String>;

    /// The page of the type, given by its name.
    fn type_named(&self, name: &str) -> Option<String>;
}

/// There are no pages.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLinks;

impl Links for NoLinks {
    fn subject(&self, _: Subject) -> Option<String> {
        None
    }

    fn object(&self, _: u64) -> Option<String> {
        None
    }

    fn type_named(&self, _: &str) -> Option<String> {
        None
    }
}

/// A name, in the letters of code, with a link where there is a page.
pub fn name(to: Option<String>, name: &str) -> Markup {
    let shown = text::name(name);
    html! {
        @match to {
            Some(to) => a.name href=(to) { (shown) },
            None => span.name { (shown) },
        }
    }
}

/// What a line of an answer is about.
pub fn subject(links: &dyn Links, subject: Option<Subject>, named: &str) -> Markup {
    name(subject.and_then(|subject| links.subject(subject)), named)
}

/// An address, `0xc000012340`.
pub fn address(links: &dyn Links, address: u64) -> Markup {
    name(links.object(address), &format!("{address:#x}"))
}

/// A type.
pub fn type_named(links: &dyn Links, named: &str) -> Markup {
    name(links.type_named(named), named)
}
