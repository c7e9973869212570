//! A whole page: head, the source, where else one can go, and what it is about.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How pages look: one file, light and dark.
pub const STYLE: &str = include_str!("page.css");

/// Keys, for pages that are served. Every view works without it.
pub const SCRIPT: &str = include_str!("page.js");

/// What a page may do that stands alone: have the style that stands in it, and nothing else (CSP Level
/// 3; `frame-ancestors` and `sandbox` have no effect in a page itself, 3.3).
const ALONE: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Where the style comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look<'a> {
    /// It stands in the page itself.
    Inline,
    /// Style and script are files of their own.
    Linked {
        /// Where the style is.
        style: &'a str,
        /// Where the script is.
        script: &'a str,
    },
}

/// A link of the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is called.
    pub name: &'static str,
    /// Where it leads.
    pub href: String,
    /// Whether this is it.
    pub here: bool,
}

/// A page.
#[derive(Debug)]
pub struct Shell<'a> {
    /// What it is about; the title of the window.
    pub title: &'a str,
    /// What it is of: a file's name, `process 4711 (shop)`.
    pub source: &'a str,
    /// Where else one can go.
    pub places: Vec<Place>,
    /// Where a search goes, and what was searched for.
    pub search: Option<(&'a str, &'a str)>,
    /// After how many seconds it is to be asked for again: something is not ready yet.
    pub again: Option<u32>,
    /// What is missing of the source, in sentences.
    pub missing: &'a [String],
    /// Style.
    pub look: Look<'a>,
}

impl Shell<'_> {
    /// The page with its contents.
    pub fn page(&self, body: &Markup) -> Markup {
        let source = crate::text::name(self.source);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    // With a script, nobody is disturbed who is typing.
                    @if let Some(seconds) = self.again {
                        noscript { meta http-equiv="refresh" content=(seconds); }
                    }
                    title { (crate::text::name(self.title)) " · " (source) " · goheap" }
                    @match self.look {
                        Look::Inline => {
                            meta http-equiv="Content-Security-Policy" content=(ALONE);
                            style { (PreEscaped(STYLE)) }
                        },
                        Look::Linked { style, script } => {
                            link rel="icon" href="data:,";
                            link rel="stylesheet" href=(style);
                            script src=(script) defer {}
                        },
                    }
                }
                body data-again=[self.again] {
                    a.skip href="#main" { "Skip to the contents" }
                    header {
                        div.brand {
                            span.logo { "goheap" }
                            span.source { (source) }
                        }
                        @if let Some((action, asked)) = self.search {
                            form.search role="search" method="get" action=(action) {
                                input #search type="search" name="q" value=(asked) maxlength="512"
                                    placeholder="Type, address or text  ( / )"
                                    aria-label="Search for a type, an address, or text in strings"
                                    autocomplete="off" spellcheck="false";
                                button type="submit" { "Search" }
                            }
                        }
                        @if !self.places.is_empty() {
                            nav aria-label="Views" {
                                @for place in &self.places {
                                    a href=(place.href)
                                        aria-current=[place.here.then_some("page")] { (place.name) }
                                }
                            }
                        }
                    }
                    main #main tabindex="-1" {
                        @for missing in self.missing {
                            p.note { (crate::text::printable(crate::text::cut(missing, 2000).as_bytes()).to_string()) }
                        }
                        (body)
                    }
                    @if self.look != Look::Inline { (keys()) }
                }
            }
        }
    }
}

/// Which keys do what.
fn keys() -> Markup {
    const KEYS: [(&str, &str); 8] = [
        ("/", "search"),
        ("j", "next row"),
        ("k", "row before"),
        ("Enter", "open the row"),
        ("n", "next page"),
        ("p", "page before"),
        ("u", "one level up"),
        ("Esc", "leave"),
    ];
    html! {
        footer {
            details #help {
                summary { "Keys " kbd { "?" } }
                dl.keys {
                    @for (key, what) in KEYS { div { dt { kbd { (key) } } dd { (what) } } }
                }
            }
        }
    }
}
