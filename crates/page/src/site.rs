//! The pages that `goheap serve` has, and their addresses.

use std::collections::HashMap;
use std::fmt::Write as _;

use goheap_analysis::answers::Subject;
use goheap_analysis::answers::top::By;
use goheap_analysis::types::ClassId;
use goheap_analysis::{Analysis, NodeId, NodeKind};
use maud::{Markup, html};

use crate::link::Links;
use crate::shell::Place;
use crate::table::{Direction, Sort};
use crate::units;

/// How many rows of a list one page has.
pub const ROWS: usize = 100;

/// Types by their names: of those of one name, the first.
pub type Names = HashMap<String, ClassId>;

/// Makes the addresses of pages.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// What all addresses begin with: `/TOKEN`.
    pub base: &'a str,
    /// What is looked at.
    pub analysis: &'a Analysis,
    /// Types by name.
    pub names: &'a Names,
    /// Whether there is another dump to compare with.
    pub compared: bool,
}

impl Site<'_> {
    /// The address of a page below the base.
    pub fn to(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The navigation.
    pub fn places(&self, here: &str) -> Vec<Place> {
        let mut all = vec![
            ("Overview", ""),
            ("Map", "map"),
            ("Types", "top/type"),
            ("Holders", "top/root"),
            ("Objects", "objects"),
            ("Goroutines", "goroutines"),
            ("Packages", "top/package"),
            ("Sizes", "top/size"),
            ("Waste", "waste"),
        ];
        if self.compared {
            all.push(("Diff", "diff"));
        }
        all.into_iter()
            .map(|(name, path)| Place {
                name,
                href: self.to(path),
                here: path == here,
            })
            .collect()
    }

    /// The map of what a subject holds.
    pub fn map_under(&self, subject: Subject) -> String {
        self.to(&format!("map?under={}", subject_text(subject)))
    }

    /// The table of a kind.
    pub fn table(&self, by: By) -> String {
        match by {
            By::Goroutine => self.to("goroutines"),
            By::Object => self.to("objects"),
            by => self.to(&format!("top/{}", by.name())),
        }
    }
}

/// A subject in an address: `c12`, `n345`.
pub fn subject_text(subject: Subject) -> String {
    match subject {
        Subject::Class(class) => format!("c{}", class.0),
        Subject::Node(node) => format!("n{}", node.0),
    }
}

/// The subject of an address, if there is such a one.
pub fn subject_of(analysis: &Analysis, text: &str) -> Option<Subject> {
    let number = |text: &str| text.parse::<u32>().ok();
    if let Some(class) = text.strip_prefix('c').and_then(number) {
        analysis.types.class(ClassId(class))?;
        return Some(Subject::Class(ClassId(class)));
    }
    let node = text.strip_prefix('n').and_then(number)?;
    (node < analysis.nodes.len()).then_some(Subject::Node(NodeId(node)))
}

impl Links for Site<'_> {
    fn subject(&self, subject: Subject) -> Option<String> {
        Some(match subject {
            Subject::Class(class) => self.to(&format!("type/{}", class.0)),
            Subject::Node(node) => match self.analysis.nodes.kind(node) {
                NodeKind::Object(object) => {
                    let address = self.analysis.dump.address(object);
                    self.to(&format!("object/{address:#x}"))
                }
                NodeKind::All => self.to("map"),
                _ => self.to(&format!("holder/{}", node.0)),
            },
        })
    }

    fn object(&self, address: u64) -> Option<String> {
        self.analysis.dump.find(address)?;
        Some(self.to(&format!("object/{address:#x}")))
    }

    fn type_named(&self, name: &str) -> Option<String> {
        let class = self.names.get(name)?;
        Some(self.to(&format!("type/{}", class.0)))
    }
}

/// Which rows of a list are wanted, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListQuery {
    /// The column that it is sorted by; the list's own if not given.
    pub sort: Option<String>,
    /// The smallest first.
    pub ascending: bool,
    /// Only rows with this in their name, whatever the case of its letters.
    pub filter: String,
    /// Which page, from 1.
    pub page: usize,
    /// What else the address says, which stays.
    pub more: Vec<(String, String)>,
}

impl ListQuery {
    /// The page from 0.
    fn at(&self) -> usize {
        self.page.max(1) - 1
    }

    /// How many rows are before those of the page.
    pub fn skip(&self) -> usize {
        self.at().saturating_mul(ROWS)
    }

    /// The address of the same list at another page.
    pub fn href(&self, path: &str, page: usize) -> String {
        let mut pairs: Vec<(&str, String)> = self
            .more
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        if let Some(sort) = &self.sort {
            pairs.push(("sort", sort.clone()));
        }
        if self.ascending {
            pairs.push(("dir", "asc".to_owned()));
        }
        if !self.filter.is_empty() {
            pairs.push(("q", self.filter.clone()));
        }
        if page > 1 {
            pairs.push(("page", page.to_string()));
        }
        address(path, &pairs)
    }

    /// How a column is sorted, and the address where it is sorted the next way. `first` is the column
    /// that the list is sorted by if nobody says.
    pub fn sort(&self, path: &str, column: &str, first: &str, text: bool) -> Sort {
        let is_now = self.sort.as_deref().unwrap_or(first) == column;
        let now = is_now.then_some(match self.ascending {
            true => Direction::Ascending,
            false => Direction::Descending,
        });
        // Names begin with a, numbers with the largest.
        let ascending = match now {
            Some(Direction::Ascending) => false,
            Some(Direction::Descending) => true,
            None => text,
        };
        let next = ListQuery {
            sort: Some(column.to_owned()),
            ascending,
            ..self.clone()
        };
        Sort {
            href: next.href(path, 1),
            now,
        }
    }

    /// The field that filters a list.
    pub fn filter_form(&self, path: &str, label: &str) -> Markup {
        html! {
            form.filter method="get" action=(path) {
                @for (name, value) in &self.more {
                    input type="hidden" name=(name) value=(value);
                }
                @if let Some(sort) = &self.sort { input type="hidden" name="sort" value=(sort); }
                @if self.ascending { input type="hidden" name="dir" value="asc"; }
                input type="search" name="q" value=(self.filter) maxlength="512" aria-label=(label)
                    placeholder=(label) autocomplete="off" spellcheck="false";
                button type="submit" { "Filter" }
            }
        }
    }

    /// Which rows are shown, of how many, and the pages before and behind.
    pub fn pages(&self, path: &str, shown: usize, total: u64, what: &str) -> Markup {
        let from = self.skip() as u64;
        let page = self.at() + 1;
        let behind = from + (shown as u64) < total;
        html! {
            @if shown > 0 {
                span {
                    (units::count(from + 1)) "–" (units::count(from + shown as u64)) " of "
                    (units::counted(total, what))
                }
            } @else { span { (units::counted(total, what)) } }
            @if page > 1 { a rel="prev" href=(self.href(path, page - 1)) { "← previous" } }
            @if behind { a rel="next" href=(self.href(path, page + 1)) { "next →" } }
        }
    }
}

/// An address with a query.
pub fn address(path: &str, pairs: &[(&str, String)]) -> String {
    let mut out = path.to_owned();
    for (place, (name, value)) in pairs.iter().enumerate() {
        out.push(if place == 0 { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        out.push_str(&encoded(value));
    }
    out
}

/// Text in a query: all but what RFC 3986 calls unreserved as its bytes.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_what_was_asked() {
        let query = ListQuery {
            filter: "a&b=\"ü\"".to_owned(),
            page: 3,
            more: vec![("type".to_owned(), "7".to_owned())],
            ..ListQuery::default()
        };
        assert_eq!(query.skip(), 200);
        assert_eq!(
            query.href("/t/objects", 2),
            "/t/objects?type=7&q=a%26b%3D%22%C3%BC%22&page=2"
        );
        let own = query.sort("/t", "own", "own", false);
        assert_eq!(own.now, Some(Direction::Descending));
        assert!(own.href.contains("sort=own&dir=asc"));
        let name = query.sort("/t", "type", "own", true);
        assert_eq!(name.now, None);
        assert!(name.href.contains("sort=type&dir=asc"));
        assert_eq!(ListQuery::default().skip(), 0);
        let last = ListQuery {
            page: usize::MAX,
            ..ListQuery::default()
        };
        last.pages("/", 0, 5, "row").into_string();
    }
}
