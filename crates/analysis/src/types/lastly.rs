//! The last resort for objects that nothing of known type leads to: what of all that the program has
//! they can be, by size and pointers alone. Whatever comes of it is a guess, and said to be one.

use goheap_golang::catalogue::TypeId;

use super::How;
use super::agree::Extent;
use super::body::{Body, body};
use super::codes::{Code, Of};
use super::walk::{Claim, Walk, level};
use crate::dump::word_at;
use crate::{Interrupted, Watch};

const PHASE: &str = "finding types";

/// An object with fewer pointers is like too many others.
const POINTERS: usize = 6;

/// Fewer strings than this may as well be the fields of a struct.
const FEWEST: u64 = 4;

/// Strings that are looked at of a slice.
const STRINGS: u64 = 64;

/// Bytes of a string that the program may have been built with.
const STATIC: u64 = 1 << 24;

impl Walk<'_, '_> {
    /// Guesses what is left.
    pub(super) fn lastly(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        let string = self.know.catalogue.named("string");
        let total = self.dump.object_count();
        for object in self.dump.objects() {
            if object.0.is_multiple_of(1 << 14) {
                watch.step(PHASE, object.0.into(), total.into())?;
            }
            if self.level(object.0) > 0 {
                continue;
            }
            let Some(record) = body(self.dump, object.0) else {
                continue;
            };
            if record.fields.is_empty() {
                continue;
            }
            let extent = self.extent(object.0);
            let code = match string.filter(|_| self.is_strings(&record, extent)) {
                Some(string) => Some(self.know.codes.of(Of::Array, string)),
                None => self.only_struct(&record, extent),
            };
            if let Some(code) = code {
                let claim = Claim {
                    code,
                    level: level::GUESS,
                    how: How::Guess,
                };
                self.claim(object.0, extent, claim);
            }
        }
        self.drain(watch)
    }

    /// Whether every other word is a pointer to bytes, and the one behind it a length that these have.
    fn is_strings(&self, record: &Body<'_>, extent: Extent) -> bool {
        let know = self.know;
        let each = 2 * know.word;
        let (mut strings, mut any) = (0, false);
        for (_, offset) in record.fields.iter().take(STRINGS as usize) {
            if offset != extent.base + strings * each {
                return false;
            }
            let word = |at| word_at(know.model, record.contents, at);
            let (Some(to), Some(len)) = (word(offset), word(offset + know.word)) else {
                return false;
            };
            let is_string = match (to, self.dump.find(to)) {
                (0, _) => len == 0,
                (_, Some((object, inside))) => {
                    let room = self.dump.size(object) - inside;
                    len > 0 && len <= room && self.is_plain(object.0)
                }
                (_, None) => len > 0 && len < STATIC,
            };
            if !is_string {
                return false;
            }
            strings += 1;
            any |= to != 0;
        }
        strings >= FEWEST && any
    }

    /// The one struct of the program that an object can be.
    fn only_struct(&self, record: &Body<'_>, extent: Extent) -> Option<Code> {
        let know = self.know;
        if record.fields.iter().take(POINTERS).count() < POINTERS {
            return None;
        }
        let mut found: Vec<TypeId> = Vec::new();
        for &ty in know.structs_of(extent.size, extent.base) {
            let shape = know.shape(know.codes.of(Of::Value, ty));
            if !shape.program.opaque
                && know.agrees(record, shape, extent)
                && self
                    .testimony(record.contents, shape.program, extent.base)
                    .is_good()
            {
                found.push(ty);
            }
            if found.len() > 1 {
                return None;
            }
        }
        let one = found.first().filter(|ty| !know.is_part_of_map(**ty));
        one.map(|ty| know.codes.of(Of::Value, *ty))
    }
}
