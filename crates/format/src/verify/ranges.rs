//! Which bytes of the heap belong to an object, to find out whether any belong to two.
//!
//! Objects come in the order of spans, not of addresses, so an overlap shows only once all are
//! known and sorted. Objects side by side, as those of a full span are, become one range, and a
//! range is one word.

/// How many ranges are kept at most: a gibibyte of them.
const MAX_RANGES: usize = 1 << 27;
/// Low bits of a packed range: its length in words. The rest is its start in words.
const LEN_BITS: u32 = 19;
const MAX_LEN: u64 = ((1 << LEN_BITS) - 1) * WORD;
const MAX_START: u64 = 1 << 48;
const WORD: u64 = 8;

#[derive(Debug, Clone, Copy)]
struct Range {
    start: u64,
    end: u64,
}

impl Range {
    fn pack(self) -> Option<u64> {
        let len = self.end - self.start;
        let fits = self.start < MAX_START && len <= MAX_LEN;
        let words = (self.start | len).is_multiple_of(WORD);
        (fits && words).then_some(((self.start / WORD) << LEN_BITS) | (len / WORD))
    }

    fn unpack(packed: u64) -> Self {
        let start = (packed >> LEN_BITS) * WORD;
        Range {
            start,
            end: start + (packed & ((1 << LEN_BITS) - 1)) * WORD,
        }
    }
}

/// The bytes of all objects so far.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    packed: Vec<u64>,
    /// What is too long, too high or too odd for one word.
    wide: Vec<Range>,
    /// Grows as long as objects follow one another.
    last: Option<Range>,
    full: bool,
}

impl Ranges {
    /// Adds an object, whose end does not wrap round. False if it overlaps the one before.
    #[inline]
    pub(super) fn add(&mut self, start: u64, len: u64) -> bool {
        let new = Range {
            start,
            end: start.saturating_add(len),
        };
        if let Some(last) = &mut self.last {
            if new.start == last.end && new.end - last.start <= MAX_LEN {
                last.end = new.end;
                return true;
            }
            if new.start < last.end && last.start < new.end {
                return false;
            }
            let last = *last;
            self.keep(last);
        }
        self.last = Some(new);
        true
    }

    fn keep(&mut self, range: Range) {
        if self.packed.len() + self.wide.len() * 2 >= MAX_RANGES {
            self.full = true;
            return;
        }
        match range.pack() {
            Some(packed) => self.packed.push(packed),
            None => self.wide.push(range),
        }
    }

    /// Whether there were more objects than could be remembered.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Addresses of objects that overlap one which begins before them (or is the same), ascending:
    /// the first `max` of them, and how many there are.
    pub(super) fn overlaps(mut self, max: usize) -> (Vec<u64>, u64) {
        if let Some(last) = self.last.take() {
            self.keep(last);
        }
        self.packed.sort_unstable();
        self.wide.sort_unstable_by_key(|range| range.start);
        let mut packed = self.packed.into_iter().map(Range::unpack).peekable();
        let mut wide = self.wide.into_iter().peekable();
        let mut found = Vec::new();
        let mut count = 0;
        let mut end = 0;
        loop {
            let next = match (packed.peek(), wide.peek()) {
                (Some(p), Some(w)) if w.start < p.start => wide.next(),
                (Some(_), _) => packed.next(),
                (None, _) => wide.next(),
            };
            let Some(range) = next else {
                return (found, count);
            };
            if range.start < end {
                count += 1;
                if found.len() < max {
                    found.push(range.start);
                }
            }
            end = end.max(range.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaps(objects: &[(u64, u64)]) -> (Vec<u64>, u64) {
        let mut ranges = Ranges::default();
        for &(start, len) in objects {
            assert!(ranges.add(start, len));
        }
        ranges.overlaps(100)
    }

    #[test]
    fn side_by_side_is_no_overlap() {
        assert_eq!(overlaps(&[]), (vec![], 0));
        assert_eq!(
            overlaps(&[(0x2000, 16), (0x2010, 16), (0x1000, 0x1000)]),
            (vec![], 0)
        );
        // Beyond what a packed range can say, in each way.
        let all = [
            (MAX_START - 8, 8),
            (MAX_START, 8),
            (0x1000, MAX_LEN),
            (0x1000 + MAX_LEN, MAX_LEN + 8),
            (3, 5),
            (8, 3),
            (u64::MAX - 7, 7),
        ];
        assert_eq!(overlaps(&all), (vec![], 0));
    }

    #[test]
    fn overlaps_far_apart_are_found() {
        assert_eq!(
            overlaps(&[(0x1000, 64), (0x5000, 64), (0x1020, 8)]),
            (vec![0x1020], 1)
        );
        assert_eq!(
            overlaps(&[(0x1000, 64), (0x5000, 64), (0x1000, 64)]),
            (vec![0x1000], 1)
        );
        // A long one over many.
        assert_eq!(
            overlaps(&[
                (0x800, 1 << 30),
                (1 << 40, 8),
                (0x1000, 8),
                (0x1100, 8),
                (0x1200, 8)
            ]),
            (vec![0x1000, 0x1100, 0x1200], 3)
        );
        assert_eq!(overlaps(&[(9, 3), (100, 1), (8, 3)]), (vec![9], 1));
    }

    #[test]
    fn an_overlap_with_the_one_before_is_told_at_once() {
        let mut ranges = Ranges::default();
        assert!(ranges.add(0x1000, 16));
        assert!(ranges.add(0x1010, 16));
        assert!(!ranges.add(0x1010, 16));
        assert!(!ranges.add(0xff8, 16));
        assert!(ranges.add(0x1020, 16));
        assert_eq!(ranges.overlaps(1), (vec![], 0));
    }

    #[test]
    fn a_full_span_is_one_range() {
        let mut ranges = Ranges::default();
        for i in 0..1_000_000 {
            assert!(ranges.add(0xc0_0000_0000 + i * 48, 48));
        }
        assert!(ranges.packed.len() <= 12, "{}", ranges.packed.len());
        assert!(ranges.wide.is_empty());
    }
}
