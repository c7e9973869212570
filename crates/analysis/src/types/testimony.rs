//! What the objects that are known already say of a type that another may be of.

use goheap_golang::catalogue::TypeId;

use super::codes::{Kinds, Of};
use super::program::{Act, Program};
use super::walk::{Walk, level};
use crate::dump::word_at;

/// Words that are asked at most.
const ASKED: u32 = 256;

/// How many words lead to what the type says, and how many to something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Testimony {
    pub(super) agree: u32,
    pub(super) contradict: u32,
    asked: u32,
}

impl Testimony {
    /// Some agree, and none contradicts.
    pub(super) fn is_good(self) -> bool {
        self.agree > 0 && self.contradict == 0
    }
}

impl Walk<'_, '_> {
    /// What the words of values say that lie one behind the other.
    pub(super) fn testimony(&self, bytes: &[u8], program: Program, from: u64) -> Testimony {
        let mut testimony = Testimony::default();
        let len = bytes.len() as u64;
        let mut at = from;
        while at < len && !program.is_empty() && testimony.asked < ASKED {
            self.hear(&mut testimony, bytes, program, at);
            match at.checked_add(program.stride.max(1)) {
                Some(next) => at = next,
                None => break,
            }
        }
        testimony
    }

    /// Lists call others to a known depth (`program::DEPTH`).
    fn hear(&self, testimony: &mut Testimony, bytes: &[u8], program: Program, from: u64) {
        let know = self.know;
        for op in know.programs.ops(program) {
            if testimony.asked >= ASKED {
                return;
            }
            let at = from + u64::from(op.offset);
            let ty = match op.act {
                Act::Pointer(ty) => ty,
                Act::Repeat { ty, count } => {
                    let inner = know.programs.of(ty);
                    for number in 0..u64::from(count) {
                        if testimony.asked >= ASKED {
                            return;
                        }
                        self.hear(testimony, bytes, inner, at + number * inner.stride);
                    }
                    continue;
                }
                _ => continue,
            };
            let word = word_at(know.model, bytes, at).unwrap_or(0);
            if word == 0 {
                continue;
            }
            testimony.asked += 1;
            match self.leads_to(word, ty) {
                Some(true) => testimony.agree += 1,
                Some(false) => testimony.contradict += 1,
                None => {}
            }
        }
    }

    /// Whether an address leads to a value of a type; `None` if that is not known.
    fn leads_to(&self, to: u64, ty: TypeId) -> Option<bool> {
        let know = self.know;
        let (object, offset) = self.dump.find(to)?;
        if self.level(object.0) < level::FITS {
            return None;
        }
        let extent = self.extent(object.0);
        let within = offset.checked_sub(extent.base)?;
        match know.codes.kind(self.code(object.0))? {
            Kinds::Of(Of::Value, of) => Some(know.has_at(of, within, ty)),
            Kinds::Of(Of::Array, of) => {
                let each = know.size_of(of);
                (each > 0).then(|| know.has_at(of, within % each, ty))
            }
            _ => None,
        }
    }
}
