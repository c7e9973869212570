//! Which bytes belong to a data or bss segment, to find out whether any belong to two.

use std::collections::BTreeMap;

/// How many segments are remembered. A program has two for itself, and two for each plugin.
const MOST: usize = 1 << 16;

/// The segments so far, by where they begin: their ends.
#[derive(Debug, Default)]
pub(super) struct Segments(BTreeMap<u64, u64>);

impl Segments {
    /// Adds a segment; where another one begins that it overlaps, if there is one.
    pub(super) fn add(&mut self, start: u64, len: u64) -> Option<u64> {
        let end = start.saturating_add(len);
        if start == end {
            return None;
        }
        let before = self.0.range(..end).next_back();
        if let Some((&other, &other_end)) = before
            && other_end > start
        {
            return Some(other);
        }
        if self.0.len() < MOST {
            self.0.insert(start, end);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_by_side_but_not_over_one_another() {
        let mut segments = Segments::default();
        assert_eq!(segments.add(0x2000, 0x1000), None);
        assert_eq!(segments.add(0x1000, 0x1000), None);
        assert_eq!(segments.add(0x3000, 1), None);
        // Nothing is in an empty one.
        assert_eq!(segments.add(0x2000, 0), None);
        assert_eq!(segments.add(0x2000, 0x1000), Some(0x2000));
        assert_eq!(segments.add(0xfff, 2), Some(0x1000));
        assert_eq!(segments.add(0, u64::MAX), Some(0x3000));
        assert_eq!(segments.add(0x3001, u64::MAX), None);
    }
}
