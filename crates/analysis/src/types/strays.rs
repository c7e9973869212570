//! Maps that nothing of known type leads to: the runtime's own numbers in them tell that they are maps,
//! and the program's map types which.

use goheap_golang::SlotPlaces;
use goheap_golang::catalogue::TypeId;

use super::How;
use super::body::body;
use super::codes::{Kinds, Of};
use super::maps::SLOTS;
use super::walk::Walk;
use crate::dump::{ObjectId, word_at};
use crate::{Interrupted, Watch};

const PHASE: &str = "finding types";

/// The bit of a control byte that tells an empty or deleted slot from a full one
/// (internal/runtime/maps/group.go, go1.24: `ctrlEmpty`, `ctrlDeleted`).
const NOT_FULL: u8 = 0x80;

/// The most groups of a table (internal/runtime/maps/table.go, go1.24: `maxTableCapacity` slots).
const GROUPS: u64 = 1024 / SLOTS;

impl Walk<'_, '_> {
    /// Looks for maps with tables among the objects of unknown type.
    pub(super) fn stray_maps(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        let Some(form) = self.know.table else {
            return Ok(());
        };
        let sizes = [form.size, form.map_size].map(|size| self.know.sizes.rounded(size));
        let total = self.dump.object_count();
        // Tables first, for these tell what directories and maps are.
        for (size, table) in [(sizes[0], true), (sizes[1], false)] {
            for object in self.dump.objects() {
                if object.0.is_multiple_of(1 << 14) {
                    watch.step(PHASE, object.0.into(), total.into())?;
                }
                if self.level(object.0) > 0 || self.dump.size(object) != size {
                    continue;
                }
                match table {
                    true => self.stray_table(object.0),
                    false => self.stray_map(object.0),
                }
            }
            self.drain(watch)?;
        }
        Ok(())
    }

    /// A table tells how many groups it has, how many slots these have, and how many are used.
    fn stray_table(&mut self, object: u32) {
        let know = self.know;
        let (Some(form), Some(record)) = (know.table, body(self.dump, object)) else {
            return;
        };
        if !one_pointer(&record.fields, form.groups) {
            return;
        }
        let half = |at: u64| {
            let from = at as usize;
            let bytes = record.contents.get(from..from.saturating_add(2));
            bytes.map_or(u64::MAX, |bytes| know.model.uint(bytes))
        };
        let word = |at: u64| word_at(know.model, record.contents, at).unwrap_or(u64::MAX);
        let mask = word(form.mask);
        let (used, capacity) = (half(form.used), half(form.capacity));
        let count = mask.wrapping_add(1);
        if !count.is_power_of_two()
            || count > GROUPS
            || capacity != count * SLOTS
            || used > capacity
        {
            return;
        }
        let Some((ObjectId(groups), offset)) = self.dump.find(word(form.groups)) else {
            return;
        };
        let extent = self.extent(groups);
        if offset != extent.base {
            return;
        }
        let map = match know.codes.kind(self.code(groups)) {
            Some(Kinds::Of(Of::Groups, map)) => Some(map),
            Some(_) => None,
            None => self.map_of(groups, count, used),
        };
        if let Some(map) = map {
            self.part(
                self.dump.address(ObjectId(object)),
                Of::Table,
                map,
                How::Runtime,
            );
        }
    }

    /// The one map type whose groups an object can be: their size, their pointers, and as many slots
    /// that are full; of several, the one that what the slots lead to agrees with.
    fn map_of(&self, object: u32, count: u64, used: u64) -> Option<TypeId> {
        let know = self.know;
        let record = body(self.dump, object)?;
        let extent = self.extent(object);
        let types = |map: TypeId| know.catalogue.get(map).map(|ty| (ty.key, ty.elem));
        let mut found: Vec<TypeId> = Vec::new();
        for &(map, places) in &know.swiss_maps {
            let Some(bytes) = places.size.checked_mul(count) else {
                continue;
            };
            if !know
                .sizes
                .fits(extent.base.saturating_add(bytes), extent.size)
            {
                continue;
            }
            let shape = know.shape(know.codes.of(Of::Groups, map));
            if !shape.program.opaque
                && know.agrees(&record, shape, extent)
                && full(record.contents, extent.base, &places, count) == Some(used)
                // A map type of another name is as good.
                && !found.iter().any(|other| types(*other) == types(map))
            {
                found.push(map);
            }
        }
        if let [one] = found.as_slice() {
            return Some(*one);
        }
        found.retain(|map| {
            let shape = know.shape(know.codes.of(Of::Groups, *map));
            self.testimony(record.contents, shape.program, extent.base)
                .is_good()
        });
        match found.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// A map whose directory leads to a table of known type.
    fn stray_map(&mut self, object: u32) {
        let know = self.know;
        let (Some(form), Some(record)) = (know.table, body(self.dump, object)) else {
            return;
        };
        if !one_pointer(&record.fields, form.directory) {
            return;
        }
        let word = |at: u64| word_at(know.model, record.contents, at).unwrap_or(0);
        let (directory, tables) = (word(form.directory), word(form.tables));
        let map = match tables {
            // A map of at most eight entries is a group without a table.
            0 => {
                let Some((ObjectId(group), offset)) = self.dump.find(directory) else {
                    return;
                };
                let known = self.level(group) > 0 || offset != self.extent(group).base;
                let map = (!known).then(|| self.map_of(group, 1, word(form.entries)));
                map.flatten().map(|map| (map, How::Guess))
            }
            _ => {
                let table = self.dump.word(directory).and_then(|at| self.dump.find(at));
                let code = table.map(|(ObjectId(table), _)| self.code(table));
                match code.and_then(|code| know.codes.kind(code)) {
                    Some(Kinds::Of(Of::Table, map)) => Some((map, How::Runtime)),
                    _ => None,
                }
            }
        };
        if let Some((map, how)) = map {
            self.part(self.dump.address(ObjectId(object)), Of::Map, map, how);
        }
    }
}

/// Whether an object has one pointer, at that offset.
fn one_pointer(fields: &goheap_format::Fields<'_>, at: u64) -> bool {
    let mut fields = fields.iter();
    fields.next().is_some_and(|(_, offset)| offset == at) && fields.next().is_none()
}

/// How many slots of groups are full; `None` if a control byte is none.
fn full(contents: &[u8], base: u64, places: &SlotPlaces, count: u64) -> Option<u64> {
    let mut full = 0;
    for group in 0..count {
        let from = usize::try_from(base.checked_add(group.checked_mul(places.size)?)?).ok()?;
        let controls = contents.get(from..from.checked_add(SLOTS as usize)?)?;
        for control in controls {
            match *control {
                0x80 | 0xfe => {}
                control if control & NOT_FULL == 0 => full += 1,
                _ => return None,
            }
        }
    }
    Some(full)
}
