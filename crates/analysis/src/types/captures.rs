//! What closures have captured whose functions do not tell.

use std::collections::HashMap;

use goheap_golang::catalogue::TypeId;

use super::agree::Extent;
use super::body::{Body, body};
use super::codes::Of;
use super::program::{Act, Op};
use super::walk::Walk;
use crate::dump::word_at;

impl Walk<'_, '_> {
    /// What a closure has captured, if its function does not tell: what all closure types that the
    /// program has, and that agree with the object and with what its pointers lead to, have in
    /// common. The compiler describes each type that it lets the program allocate, so that the right
    /// one is among them.
    pub(super) fn captures(&self, object: &Body<'_>, extent: Extent) -> Vec<Op> {
        let know = self.know;
        let mut common: Option<Vec<Op>> = None;
        for &ty in know.closures_of(extent.size, extent.base) {
            let shape = know.shape(know.codes.of(Of::Value, ty));
            if !know.agrees(object, shape, extent) {
                continue;
            }
            let ops = know.programs.ops(shape.program);
            if !ops.iter().all(|op| self.can_be(object, *op, extent)) {
                continue;
            }
            match &mut common {
                None => common = Some(ops.to_vec()),
                Some(common) => common.retain(|op| ops.contains(op)),
            }
            if common.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        common.unwrap_or_default()
    }

    /// The words of closures' captures that tell how long something is, by function.
    pub(super) fn captured_lengths(&self) -> HashMap<u32, Vec<(u64, u64)>> {
        let word = u64::from(self.dump.params().model.word);
        let length = |op: &Op| {
            let behind = u64::from(op.offset) + word;
            match op.act {
                Act::String | Act::Counted(_) => Some((behind, word)),
                Act::Slice(_) => Some((behind, 2 * word)),
                _ => None,
            }
        };
        let captures = self.captures.iter();
        captures
            .map(|(function, ops)| (*function, ops.iter().filter_map(length).collect()))
            .collect()
    }

    /// Whether a pointer may lead to what it says.
    fn can_be(&self, object: &Body<'_>, op: Op, extent: Extent) -> bool {
        let at = extent.base + u64::from(op.offset);
        let word = word_at(self.know.model, object.contents, at).unwrap_or(0);
        match op.act {
            _ if word == 0 => true,
            Act::Pointer(ty) => self.can_lead_to(word, ty),
            Act::Interface => self.know.told(word).is_some(),
            Act::Func => self.leads_to_code(word),
            _ => true,
        }
    }

    /// Whether there is room for a value of a type where an address leads, and its pointers are those
    /// of the object there, if that is of its size.
    fn can_lead_to(&self, to: u64, ty: TypeId) -> bool {
        let know = self.know;
        let Some((object, offset)) = self.dump.find(to) else {
            return true;
        };
        let extent = self.extent(object.0);
        let bytes = know.size_of(ty);
        if offset < extent.base || offset.saturating_add(bytes) > extent.size {
            return false;
        }
        if offset > extent.base || !know.sizes.fits(extent.base + bytes, extent.size) {
            return true;
        }
        let shape = know.shape(know.codes.of(Of::Value, ty));
        body(self.dump, object.0).is_none_or(|record| know.agrees(&record, shape, extent))
    }

    fn leads_to_code(&self, to: u64) -> bool {
        let Some((object, offset)) = self.dump.find(to) else {
            return true;
        };
        let first = word_at(self.know.model, self.dump.contents(object), offset).unwrap_or(0);
        self.know.function_at(first).is_some()
    }
}
