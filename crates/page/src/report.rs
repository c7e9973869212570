//! A whole report: one page, or one text, for those who have no goheap at hand.

pub(crate) mod goroutines;
mod markdown;
mod page;

use goheap_analysis::answers::goroutines::Goroutines;
use goheap_analysis::answers::ledger::Ledger;
use goheap_analysis::answers::suspects::Suspects;
use goheap_analysis::answers::top::Top;
use goheap_analysis::answers::tree::Tree;
use goheap_analysis::answers::waste::Waste;

pub use markdown::markdown;
pub use page::html;

/// What a report tells.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// What its source is called.
    pub source: &'a str,
    /// What stands for the source in commands.
    pub asked: &'a str,
    /// What is known of the program and of its capture, as names and values.
    pub facts: Vec<(&'static str, String)>,
    /// What the dump does not know, in sentences.
    pub notes: Vec<String>,
    /// Nothing is shown that tells of contents.
    pub redact: bool,
    /// Leak suspects.
    pub suspects: &'a Suspects,
    /// What fills the heap.
    pub top: &'a Top,
    /// Who holds what.
    pub tree: &'a Tree,
    /// Goroutines by where they stand.
    pub goroutines: &'a Goroutines,
    /// How many groups of these are shown at most.
    pub most_groups: usize,
    /// What is of no use.
    pub waste: &'a Waste,
    /// Where the memory is.
    pub ledger: &'a Ledger,
}

/// How many types are told of each kind of waste.
const TYPES: usize = 5;
/// How many strings that are there more than once.
const STRINGS: usize = 10;
/// How many characters of each.
const CHARACTERS: usize = 60;

/// What is said of a report without contents.
const REDACTED: &str = "Keys of maps, indexes and texts are left out of this report.";

/// The beginning of a text that a string holds, in quotes.
fn contents(bytes: &[u8], len: u64) -> String {
    let all = crate::text::printable(bytes).to_string();
    let cut: String = all.chars().take(CHARACTERS).collect();
    match cut.len() < all.len() || (bytes.len() as u64) < len {
        true => format!("\"{cut}…"),
        false => format!("\"{cut}\""),
    }
}
