//! The pointers in the program's data.

use goheap_format::Record;

use super::{Dump, word_at};

impl Dump {
    /// Shows each pointer in data and bss, but nil: where it is, and where it leads.
    pub(crate) fn each_data_pointer(&self, mut visit: impl FnMut(u64, u64)) {
        for segment in &self.segments {
            let (contents, fields) = match self.record_at(segment.record) {
                Some(Record::Data(data) | Record::Bss(data)) => (data.contents, data.fields),
                _ => continue,
            };
            for (_, offset) in fields.iter() {
                if let Some(target) = word_at(self.params.model, contents, offset)
                    && target != 0
                {
                    visit(segment.address.wrapping_add(offset), target);
                }
            }
        }
    }

    /// Whether an address lies in data or bss.
    pub(crate) fn is_data(&self, at: u64) -> bool {
        self.segments
            .iter()
            .any(|segment| at.wrapping_sub(segment.address) < segment.len)
    }
}
