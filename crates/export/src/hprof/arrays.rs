//! Arrays of references; what is too long for readers is told in parts.

use std::io;

use super::File;
use super::records::{Array, Records};
use crate::ExportError;

/// An array that is being written, or the part of one.
struct Writing {
    open: Array,
    /// Where in the whole array it begins.
    start: u64,
    /// Elements of the whole, and of each part but the last.
    len: u64,
    part: u64,
    class: u64,
    /// Parts that follow.
    next: std::vec::IntoIter<u64>,
}

impl Writing {
    /// The next element that is not nil: places ascend.
    fn put(&mut self, records: &mut Records<'_>, place: u64, value: u64) -> io::Result<()> {
        while place.saturating_sub(self.start) >= self.part {
            if !self.turn(records)? {
                return Ok(());
            }
        }
        match place.checked_sub(self.start) {
            Some(place) => records.element(&mut self.open, place, value),
            None => Ok(()),
        }
    }

    /// On to the next part, if there is one.
    fn turn(&mut self, records: &mut Records<'_>) -> io::Result<bool> {
        let Some(id) = self.next.next() else {
            return Ok(false);
        };
        records.end_array(&mut self.open)?;
        self.start = self.start.saturating_add(self.part);
        let len = self.len.saturating_sub(self.start).min(self.part);
        self.open = records.begin_array(id, self.class, len)?;
        Ok(true)
    }

    fn end(mut self, records: &mut Records<'_>) -> io::Result<()> {
        while self.turn(records)? {}
        records.end_array(&mut self.open)
    }
}

impl File<'_, '_> {
    /// Writes an array of references. `elements` shows those that are not nil, by their places, ascending.
    pub(super) fn array(
        &mut self,
        id: u64,
        class: u64,
        len: u64,
        elements: impl FnOnce(&mut dyn FnMut(u64, u64)),
    ) -> Result<(), ExportError> {
        let mut writing = self.begin(id, class, len)?;
        let records = &mut self.records;
        let mut done = Ok(());
        elements(&mut |place, value| {
            if done.is_ok() {
                done = writing.put(records, place, value);
            }
        });
        done?;
        writing.end(records)?;
        Ok(())
    }

    fn begin(&mut self, id: u64, class: u64, len: u64) -> io::Result<Writing> {
        let part = self.part.max(1);
        if len <= part {
            return Ok(Writing {
                open: self.records.begin_array(id, class, len)?,
                start: 0,
                len,
                part: len,
                class,
                next: Vec::new().into_iter(),
            });
        }
        let mut parts = Vec::new();
        let mut whole = self.records.begin_array(id, class, len.div_ceil(part))?;
        for place in 0..len.div_ceil(part) {
            let id = self.new_array_id(part as usize);
            self.records.element(&mut whole, place, id)?;
            parts.push(id);
        }
        self.records.end_array(&mut whole)?;
        self.written.more += parts.len() as u64;
        self.written.in_parts += 1;
        let class = self.part_class.id;
        let mut next = parts.into_iter();
        let first = next.next().unwrap_or_default();
        Ok(Writing {
            open: self.records.begin_array(first, class, part)?,
            start: 0,
            len,
            part,
            class,
            next,
        })
    }
}
