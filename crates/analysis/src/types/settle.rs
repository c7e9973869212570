//! What the hints say together of objects that nothing tells the type of.

use std::collections::HashSet;

use goheap_golang::catalogue::TypeId;

use super::How;
use super::agree::Extent;
use super::body::body;
use super::codes::{Code, Of};
use super::walk::{Claim, Hint, HintKind, Walk, level};
use crate::dump::ObjectId;
use crate::{Interrupted, Watch};

/// How often hints are gone through at most.
const ROUNDS: usize = 64;

impl Walk<'_, '_> {
    /// Goes through the hints until they say nothing new.
    pub(super) fn settle(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        let mut done: HashSet<Hint> = HashSet::new();
        for round in 0..ROUNDS {
            let mut hints = std::mem::take(&mut self.hints);
            hints.sort_unstable();
            hints.dedup();
            hints.retain(|hint| self.level(hint.object) < level::FAIR);
            let before = hints.len();
            // What a hint says of its own few words is true whatever the object is.
            for hint in &hints {
                if done.insert(*hint) {
                    self.words(*hint);
                }
            }
            self.drain(watch)?;
            let mut rest = Vec::new();
            for of in hints.chunk_by(|a, b| a.object == b.object) {
                if of.first().is_some_and(|hint| self.level(hint.object) == 0)
                    && !self.whole(of, round > 0)
                {
                    rest.extend_from_slice(of);
                }
            }
            self.drain(watch)?;
            let new = !self.hints.is_empty();
            let left = rest.len();
            self.hints.extend(rest);
            if !new && left == before && round > 0 {
                break;
            }
        }
        Ok(())
    }

    /// The words that a hint speaks of.
    fn words(&mut self, hint: Hint) {
        let size = self.dump.size(ObjectId(hint.object));
        let offset = u64::from(hint.offset);
        let know = self.know;
        let program = know.programs.of(hint.ty);
        let bytes = self.dump.contents(ObjectId(hint.object));
        // A slice's length was not kept, and its first element is what is sure.
        if offset + know.size_of(hint.ty) <= size {
            self.values(bytes, program, offset, 1, How::Pointer);
        }
    }

    /// What an object is, by all hints of it; guesses only if they are wanted.
    fn whole(&mut self, hints: &[Hint], guess: bool) -> bool {
        let Some(first) = hints.first() else {
            return false;
        };
        let object = first.object;
        let extent = self.extent(object);
        let codes = self.know.codes;
        // The largest element of a slice contains the others.
        let mut slices: Vec<&Hint> = hints
            .iter()
            .filter(|hint| hint.kind != HintKind::Pointer)
            .collect();
        slices.sort_by_key(|hint| {
            let size = self.know.size_of(hint.ty);
            (hint.kind, std::cmp::Reverse(size), hint.ty, hint.offset)
        });
        for hint in slices {
            let to_end = hint.kind == HintKind::SliceToEnd;
            if (to_end || guess) && self.is_element(hint, extent) {
                let claim = Claim {
                    code: codes.of(Of::Array, hint.ty),
                    level: if to_end { level::FAIR } else { level::GUESS },
                    how: if to_end { How::Pointer } else { How::Guess },
                };
                if self.claim(object, extent, claim) {
                    return true;
                }
            }
        }
        if !guess {
            return false;
        }
        if let Some(code) = self.container(hints, extent) {
            let claim = Claim {
                code,
                level: level::GUESS,
                how: How::Guess,
            };
            return self.claim(object, extent, claim);
        }
        let mut pointers: Vec<&Hint> = hints
            .iter()
            .filter(|hint| hint.kind == HintKind::Pointer && self.is_element(hint, extent))
            .collect();
        pointers.sort_by_key(|hint| (std::cmp::Reverse(self.know.size_of(hint.ty)), hint.ty));
        for hint in pointers {
            let claim = Claim {
                code: codes.of(Of::Array, hint.ty),
                level: level::GUESS,
                how: How::Guess,
            };
            if self.claim(object, extent, claim) {
                return true;
            }
        }
        false
    }

    /// Whether a hint may be of an element of an array that the object is.
    fn is_element(&self, hint: &Hint, extent: Extent) -> bool {
        let each = self.know.size_of(hint.ty);
        let Some(from) = u64::from(hint.offset).checked_sub(extent.base) else {
            return false;
        };
        let room = extent.size.saturating_sub(extent.base);
        each > 0
            && from.is_multiple_of(each)
            && self
                .know
                .sizes
                .fits(extent.base + room / each * each, extent.size)
    }

    /// The one struct that has all that the hints tell of where they tell it.
    fn container(&self, hints: &[Hint], extent: Extent) -> Option<Code> {
        let object = hints.first()?.object;
        let record = body(self.dump, object)?;
        let pointers: Vec<(u64, TypeId)> = hints
            .iter()
            .filter(|hint| hint.kind == HintKind::Pointer)
            .filter_map(|hint| Some((u64::from(hint.offset).checked_sub(extent.base)?, hint.ty)))
            .collect();
        if pointers.is_empty() {
            return None;
        }
        let mut found: Vec<(TypeId, Code)> = Vec::new();
        for &ty in self.know.structs_of(extent.size, extent.base) {
            let has = pointers
                .iter()
                .all(|(offset, part)| self.know.has_at(ty, *offset, *part));
            let code = self.know.codes.of(Of::Value, ty);
            if has && self.know.agrees(&record, self.know.shape(code), extent) {
                found.push((ty, code));
            }
        }
        if found.len() > 1 {
            found.retain(|(_, code)| {
                let program = self.know.shape(*code).program;
                self.testimony(record.contents, program, extent.base)
                    .is_good()
            });
        }
        match found.as_slice() {
            [(ty, one)] if !self.know.is_part_of_map(*ty) => Some(*one),
            _ => None,
        }
    }
}
