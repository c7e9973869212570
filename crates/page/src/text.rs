//! Text that a dump tells, for people's eyes: what cannot be seen is escaped, what is long is cut.
//!
//! Pages escape HTML where text is put into them; this is about what a reader would be misled by.

use std::borrow::Cow;
use std::fmt;

/// How many bytes of a name a page shows at most.
pub const NAME: usize = 240;

/// Bytes of a name as text: UTF-8 as it is, but for control characters and what is no UTF-8, which
/// are escaped. A name in a dump can hold anything, and a terminal obeys what it is sent.
pub fn printable(bytes: &[u8]) -> Printable<'_> {
    Printable(bytes)
}

/// See [`printable`].
#[derive(Debug)]
pub struct Printable<'a>(&'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() || is_format(c) {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    f.write_char(c)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// What is not seen itself, but hides in a text, or reorders the text around it, or breaks its line.
pub fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Text of which at most `most` bytes are shown: of what is longer its beginning, and how long it is.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let start = text.get(..end).unwrap_or_default();
    let all = crate::units::count(text.len() as u64);
    Cow::Owned(format!("{start}… ({all} bytes in all)"))
}

/// A name of a dump as a page shows it: printable, and cut at [`NAME`].
pub fn name(text: &str) -> String {
    printable(cut(text, NAME).as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_talk_to_the_terminal() {
        for (bytes, text) in [
            (&b"runtime.main"[..], "runtime.main"),
            ("(*T·größe)".as_bytes(), "(*T·größe)"),
            (b"\x1b[31mred\n", "\\u{1b}[31mred\\n"),
            (b"a\xffb", "a\\xffb"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
            (
                "a\u{200b}\u{2060}\u{feff}b".as_bytes(),
                "a\\u{200b}\\u{2060}\\u{feff}b",
            ),
            ("\u{2067}\u{ad}–“é”".as_bytes(), "\\u{2067}\\u{ad}–“é”"),
        ] {
            assert_eq!(printable(bytes).to_string(), text);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("größer", 3), "gr… (8 bytes in all)");
        assert_eq!(name("a\u{202e}b"), "a\\u{202e}b");
        assert!(name(&"x".repeat(1 << 20)).len() < NAME + 40);
    }
}
