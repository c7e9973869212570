//! `internal/runtime/maps.Map`: a directory of tables of groups, or one small group.

use std::ops::ControlFlow;

use goheap_memory::{Addr, Memory};

use super::{CHUNK, MapError, SLOTS, Walk};
use crate::{LayoutError, Place, Structs};

/// The most tables and groups that are believed.
const COUNT: u64 = 1 << 40;

/// The bit of a control byte that tells an empty or deleted slot from a full one
/// (internal/runtime/maps/group.go, go1.24: `ctrlEmpty`, `ctrlDeleted`).
const NOT_FULL: u8 = 0x80;

/// Where the fields of `maps.Map` and `maps.table` are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    dir_ptr: Place,
    dir_len: Place,
    table_index: Place,
    groups: Place,
    length_mask: Place,
}

impl Layout {
    pub(super) fn new(structs: &Structs<'_>) -> Result<Layout, LayoutError> {
        const MAP: &str = "internal/runtime/maps.Map";
        const TABLE: &str = "internal/runtime/maps.table";
        Ok(Layout {
            dir_ptr: structs.place(MAP, "dirPtr")?,
            dir_len: structs.place(MAP, "dirLen")?,
            table_index: structs.place(TABLE, "index")?,
            groups: structs.place(TABLE, "groups.data")?,
            length_mask: structs.place(TABLE, "groups.lengthMask")?,
        })
    }

    pub(super) fn walk<M: Memory + ?Sized>(
        &self,
        walk: &mut Walk<'_, M>,
    ) -> Result<ControlFlow<()>, MapError> {
        let map = walk.map;
        let directory = Addr::new(walk.field(map, self.dir_ptr, "Map.dirPtr")?);
        let tables = walk.field(map, self.dir_len, "Map.dirLen")?;
        if directory.is_nil() {
            return Ok(ControlFlow::Continue(()));
        }
        if tables == 0 {
            // A map of at most eight entries is a group without a table.
            return walk.groups(directory, 1);
        }
        if tables > COUNT {
            return Err(walk.implausible("Map.dirLen", tables, "fewer tables"));
        }
        let word = walk.model.word_size();
        for index in 0..tables {
            // Entries of the directory count as slots, so that a limit bounds this loop too.
            walk.left = walk.left.checked_sub(1).ok_or(MapError::Endless {
                map,
                most: walk.most,
            })?;
            let table = walk.pointer(directory.offset(index * word), "Map.directory")?;
            // A table that has not been split as often as others has several entries in a row, and
            // knows the first of them.
            if walk.field(table, self.table_index, "table.index")? != index {
                continue;
            }
            let groups = Addr::new(walk.field(table, self.groups, "table.groups")?);
            let mask = walk.field(table, self.length_mask, "table.lengthMask")?;
            if mask >= COUNT {
                return Err(walk.implausible("table.lengthMask", mask, "fewer groups"));
            }
            if walk.groups(groups, mask + 1)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl<M: Memory + ?Sized> Walk<'_, M> {
    fn groups(&mut self, first: Addr, count: u64) -> Result<ControlFlow<()>, MapError> {
        let mut buffer = [0; CHUNK as usize];
        for index in 0..count {
            let at = first.offset(index.wrapping_mul(self.places.size));
            let group = self.chunk(at, "a group", &mut buffer)?;
            // The control bytes are one number, slot 0 the least significant byte
            // (internal/runtime/maps/group.go, go1.24: `ctrlGroup.get`).
            let controls = self
                .model
                .uint(group.get(..SLOTS as usize).unwrap_or_default());
            for slot in 0..SLOTS {
                let control = (controls >> (8 * slot)) as u8;
                if control & NOT_FULL == 0 && self.show(at, slot)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
