//! Which version of Go built an executable, by what the file says.

use std::collections::BTreeSet;
use std::ops::Deref;

use goheap_image::{Executable, FileAddr};

use crate::GoVersion;

/// Longest text of a version that is believed, in bytes. With all experiments that there are one has
/// some 100.
const MAX_TEXT: u64 = 256;

/// What the linker has given `runtime.buildVersion`: by the build information, the symbol, or, where
/// both were removed, by looking through the data for a Go string that reads like one.
///
/// `None` where nothing is found, or several that differ: then it cannot be told which is the
/// runtime's own.
pub fn build_version<D: Deref<Target = [u8]>>(executable: &Executable<D>) -> Option<String> {
    if let Some(info) = executable.build_info() {
        return Some(info.go_version);
    }
    let strings = Strings::of(executable);
    if let Some(symbol) = executable.symbol("runtime.buildVersion") {
        return strings.at(symbol.addr);
    }
    let mut found = BTreeSet::new();
    for segment in executable.segments().iter().filter(|s| s.write) {
        let words = segment.file_range.len() as u64 / strings.word;
        for index in 0..words {
            let at = segment.addr.offset(index * strings.word);
            if let Some(text) = strings.at(at).filter(|text| is_release(text)) {
                found.insert(text);
            }
        }
    }
    match found.len() {
        1 => found.pop_first(),
        _ => None,
    }
}

/// Whether it names a release as toolchains do, with its patch: `go1.26.2`. Lists of versions of the
/// language, which programs about Go have, name minor versions.
fn is_release(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    let numbers = text.strip_prefix("go1.").unwrap_or_default();
    is_plain && numbers.contains('.') && text.parse::<GoVersion>().is_ok()
}

/// Go strings in the file.
struct Strings<'e, D> {
    executable: &'e Executable<D>,
    /// Bytes of a word.
    word: u64,
    /// Words that the dynamic linker writes, by address.
    relocated: Vec<(FileAddr, FileAddr)>,
}

impl<'e, D: Deref<Target = [u8]>> Strings<'e, D> {
    fn of(executable: &'e Executable<D>) -> Self {
        Strings {
            executable,
            word: u64::from(executable.word_size()),
            relocated: executable.relocations(),
        }
    }

    /// The text of the Go string whose header (pointer, length) lies at `at`, if it begins like a
    /// version.
    fn at(&self, at: FileAddr) -> Option<String> {
        let len = self.number(at.offset(self.word))?;
        if !(5..=MAX_TEXT).contains(&len) {
            return None;
        }
        let place = self.relocated.partition_point(|(known, _)| *known < at);
        let pointer = match self.relocated.get(place) {
            Some((known, to)) if *known == at => *to,
            _ => FileAddr::new(self.number(at)?),
        };
        let bytes = self.executable.bytes_at(pointer, len).ok()?;
        if !bytes.starts_with(b"go1.") && !bytes.starts_with(b"devel ") {
            return None;
        }
        String::from_utf8(bytes.to_vec()).ok()
    }

    fn number(&self, at: FileAddr) -> Option<u64> {
        let bytes = self.executable.bytes_at(at, self.word).ok()?;
        let push = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(match self.executable.is_little_endian() {
            true => bytes.iter().rev().fold(0, push),
            false => bytes.iter().fold(0, push),
        })
    }
}
