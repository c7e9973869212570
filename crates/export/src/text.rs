//! Text of a dump, fit for others: names of types and variables, and what strings hold, may be anything.

use std::fmt::Write as _;

use goheap_page::text::is_format;

/// How many characters a name has at most.
pub const LONGEST: usize = 1000;

/// A name without anything that a reader could obey instead of show: control characters and those that
/// hide or reorder text are escaped as in Rust (`\n`, `\u{1b}`), and of what is longer than `most`
/// characters the rest is counted.
pub fn clean(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    let mut chars = text.chars();
    for c in chars.by_ref().take(most) {
        match c.is_control() || is_format(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    let left = chars.as_str().len();
    if left > 0 {
        // Writing to a string does not fail.
        let _ = write!(out, "… ({left} bytes more)");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tamed_and_cut() {
        assert_eq!(clean("main.Größe", 100), "main.Größe");
        assert_eq!(
            clean("a\n\u{1b}[31m\u{202e}b", 100),
            "a\\n\\u{1b}[31m\\u{202e}b"
        );
        assert_eq!(clean("abcdef", 3), "abc… (3 bytes more)");
    }
}
