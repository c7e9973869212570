//! From an address to the run that it may lie in, in constant time.

use super::index::Span;
use super::runs::{PAGE, Run};

/// Pages that stand together: 1 MiB.
const TOGETHER: u64 = 128;
/// Numbers of such: one more, which is the first of the next.
const NUMBERS: usize = TOGETHER as usize + 1;
const BYTES: u64 = PAGE * TOGETHER;

/// For each page where something lies, how many runs begin before it.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// The lowest address of all, rounded down.
    start: u64,
    /// For each MiB from there, which of `low` it is, plus one; 0 where nothing lies.
    top: Vec<u32>,
    low: Vec<u32>,
    /// There is no table: what lies so far apart is searched for.
    search: bool,
}

impl Pages {
    /// Of runs by address, of which none overlaps another.
    pub(super) fn of(runs: &[Run]) -> Pages {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
            return Pages::default();
        };
        let start = first.base - first.base % BYTES;
        let number = |address: u64| (address - start) / BYTES;
        // How many there will be: bounded by the bytes of the dump and the number of its runs.
        let mut used = 0u64;
        let mut next = 0;
        for run in runs {
            let (from, to) = (number(run.base).max(next), number(run.end() - 1));
            if to >= from {
                used += to - from + 1;
                next = to + 1;
            }
        }
        let all = number(last.end() - 1) + 1;
        // A heap has a table; what is scattered over all addresses, by whomever, has none that
        // would be much larger than the rest of the index.
        let covered: u64 = runs.iter().map(|run| run.end() - run.base).sum();
        let numbers = used.saturating_mul(NUMBERS as u64);
        let enough = 16 * (runs.len() as u64) + covered / 256 + (1 << 20);
        if all > 16 * used + (1 << 16) || numbers > enough {
            return Pages {
                search: true,
                ..Pages::default()
            };
        }
        let mut pages = Pages {
            start,
            top: vec![0; all as usize],
            low: Vec::with_capacity(numbers as usize),
            search: false,
        };
        let mut next = 0;
        let mut before = 0usize;
        for run in runs {
            let (from, to) = (number(run.base).max(next), number(run.end() - 1));
            for group in from..=to {
                pages.low.extend((0..NUMBERS as u64).map(|page| {
                    let address = start.saturating_add(group * BYTES + page * PAGE);
                    while runs.get(before).is_some_and(|run| run.base < address) {
                        before += 1;
                    }
                    before as u32
                }));
                // The last number of a group and the first of the next are the same.
                if let Some(top) = pages.top.get_mut(group as usize) {
                    *top = (pages.low.len() / NUMBERS) as u32;
                }
                next = group + 1;
            }
        }
        pages
    }

    /// How many bytes it takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        (self.top.len() + self.low.len()) * 4
    }

    /// The last run that begins at or before an address, if it may cover that.
    #[inline]
    pub(super) fn run(&self, runs: &[Span], address: u64) -> Option<usize> {
        if self.search {
            let behind = runs.partition_point(|run| run.base <= address);
            return behind.checked_sub(1);
        }
        let offset = address.checked_sub(self.start)?;
        let group = *self.top.get(usize::try_from(offset / BYTES).ok()?)?;
        let group = (group as usize).checked_sub(1)?;
        let page = group * NUMBERS + (offset % BYTES / PAGE) as usize;
        let low = *self.low.get(page)? as usize;
        let high = *self.low.get(page + 1)? as usize;
        let behind = match runs.get(low..high)? {
            [] => 0,
            [one] => usize::from(one.base <= address),
            among => among.partition_point(|run| run.base <= address),
        };
        (low + behind).checked_sub(1)
    }
}
