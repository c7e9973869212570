//! Texts as columns have them.

use std::fmt::Write as _;

use parquet::data_type::ByteArray;

/// How many bytes of a text are written.
pub const LONGEST: usize = 4096;

/// A text of a column. What is longer than [`LONGEST`] is cut, with how long it is behind it:
/// `main.Very… (1048576 bytes)`.
pub(super) fn text(text: &str) -> ByteArray {
    if text.len() <= LONGEST {
        return ByteArray::from(text);
    }
    let mut end = LONGEST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = text.get(..end).unwrap_or_default();
    ByteArray::from(format!("{cut}… ({} bytes)", text.len()).as_str())
}

/// Bytes that are text as a rule: those that are no UTF-8 are written as `\xNN`.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Texts that are asked for again and again, by a number of their own.
pub(super) struct Texts(Vec<Option<ByteArray>>);

impl Texts {
    /// As many as that.
    pub(super) fn new(count: usize) -> Texts {
        Texts(vec![None; count])
    }

    /// The text of a number, made the first time.
    pub(super) fn get(&mut self, number: usize, make: impl FnOnce() -> String) -> ByteArray {
        match self.0.get_mut(number) {
            Some(known) => known.get_or_insert_with(|| text(&make())).clone(),
            None => text(&make()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let whole = "é".repeat(LONGEST / 2);
        assert_eq!(text(&whole).as_utf8().unwrap(), whole);
        let long = format!("x{whole}");
        let cut = text(&long);
        let cut = cut.as_utf8().unwrap();
        let (shown, told) = cut.split_once('…').unwrap();
        assert_eq!(shown.len(), LONGEST - 1);
        assert!(long.starts_with(shown));
        assert_eq!(told, " (4097 bytes)");
    }

    #[test]
    fn bytes_that_are_no_text() {
        assert_eq!(of_bytes(b"a\xff\0\xc3\xa9\xf0\x9f"), "a\\xff\0é\\xf0\\x9f");
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }
}
