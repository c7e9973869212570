//! Objects by address, and addresses by object.
//!
//! Some two and a half bytes an object where spans are small and full; see [`super::runs`].

use super::pages::Pages;
use super::runs::{FULL, Run, Runs, Word};

/// Where the objects are; by address.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By address; none overlaps another.
    runs: Vec<Span>,
    /// Of each run, where its records are.
    records: Vec<Records>,
    /// Sizes of objects.
    shapes: Vec<Shape>,
    offsets: Vec<u16>,
    present: Vec<Word>,
    pages: Pages,
    /// The run of every 64th object.
    ids: Vec<u32>,
    count: u32,
}

/// A run, as far as addresses go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Address of its first object.
    pub(super) base: u64,
    /// Number of its first object.
    first: u32,
    /// As [`Run::bits`].
    bits: u32,
    /// As [`Run::slots`].
    slots: u32,
    shape: u32,
}

/// A run, as far as the dump goes.
#[derive(Debug, Clone, Copy)]
struct Records {
    /// Where the record of its first object begins.
    record: u64,
    /// The place of its first object in `offsets`.
    at: u32,
}

/// A size of objects.
#[derive(Debug, Clone, Copy)]
struct Shape {
    size: u64,
    /// 2^64 divided by that, rounded up; 0 if only runs of one object have this size.
    reciprocal: u64,
}

impl Shape {
    fn of(size: u64) -> Shape {
        // Exact for what is below 2^32 of both (Lemire, Kaser, Kurz: "Faster remainder by direct
        // computation", 2019), and a run of two objects is no longer than that.
        let reciprocal = match size {
            2..=0xffff_ffff => u64::MAX / size + 1,
            _ => 0,
        };
        Shape { size, reciprocal }
    }

    #[inline]
    fn slot(self, offset: u64) -> u64 {
        ((u128::from(self.reciprocal) * u128::from(offset)) >> 64) as u64
    }
}

/// How an index came to be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Objects that overlap others, and so are left out.
    pub(super) overlapping: u64,
}

impl Index {
    /// The index of runs; `None` if there are too many objects.
    pub(super) fn of(mut runs: Runs) -> Option<(Index, Left)> {
        runs.close();
        let mut of = std::mem::take(&mut runs.runs);
        of.sort_unstable_by_key(|run| (run.base, run.at));
        let mut left = Left::default();
        disjoint(&mut of, &mut left);
        let count = of.iter().map(|run| u64::from(run.count)).sum::<u64>();
        let count = u32::try_from(count).ok().filter(|n| *n < u32::MAX)?;
        let mut index = Index {
            runs: Vec::with_capacity(of.len()),
            records: Vec::with_capacity(of.len()),
            offsets: runs.offsets,
            present: runs.present,
            pages: Pages::of(&of),
            ids: Vec::with_capacity(count as usize / 64 + 2),
            count,
            ..Index::default()
        };
        index.offsets.shrink_to_fit();
        index.present.shrink_to_fit();
        let mut shapes = std::collections::HashMap::new();
        let mut first = 0u32;
        for (run, number) in of.iter().zip(0u32..) {
            let shape = *shapes.entry(run.size).or_insert_with(|| {
                index.shapes.push(Shape::of(run.size));
                index.shapes.len() as u32 - 1
            });
            // Every 64th object lies in this run, or in one before.
            while (index.ids.len() as u64) * 64 < u64::from(first) + u64::from(run.count) {
                index.ids.push(number);
            }
            index.runs.push(Span {
                base: run.base,
                first,
                bits: run.bits,
                slots: run.slots,
                shape,
            });
            index.records.push(Records {
                record: run.record,
                at: run.at,
            });
            first += run.count;
        }
        Some((index, left))
    }

    pub(super) fn len(&self) -> u32 {
        self.count
    }

    /// How many bytes it takes.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.runs.len() * (size_of::<Span>() + size_of::<Records>())
            + self.offsets.len() * 2
            + self.present.len() * size_of::<Word>()
            + self.pages.bytes()
            + self.ids.len() * 4
    }

    /// The run of an object.
    #[inline]
    fn run_of(&self, object: u32) -> Option<usize> {
        if object >= self.count {
            return None;
        }
        let place = object as usize / 64;
        let low = *self.ids.get(place)? as usize;
        let high = self
            .ids
            .get(place + 1)
            .map_or(self.runs.len(), |run| *run as usize + 1);
        let among = self.runs.get(low..high)?;
        let behind = match among {
            [_] => 1,
            _ => among.partition_point(|run| run.first <= object),
        };
        Some(low + behind.checked_sub(1)?)
    }

    #[inline]
    fn shape(&self, run: &Span) -> Shape {
        self.shapes
            .get(run.shape as usize)
            .copied()
            .unwrap_or(Shape {
                size: 0,
                reciprocal: 0,
            })
    }

    /// Address and size of an object.
    #[inline]
    pub(super) fn place(&self, object: u32) -> Option<(u64, u64)> {
        let run = self.runs.get(self.run_of(object)?)?;
        Some(self.place_in(run, object))
    }

    #[inline]
    fn place_in(&self, run: &Span, object: u32) -> (u64, u64) {
        let size = self.shape(run).size;
        let nth = object - run.first;
        let slot = match run.bits {
            FULL => nth,
            bits => self.select(bits, run.slots, nth),
        };
        (run.base.wrapping_add(size.wrapping_mul(slot.into())), size)
    }

    /// The place of the `nth` object that is there.
    fn select(&self, bits: u32, slots: u32, nth: u32) -> u32 {
        let start = bits as usize;
        let words = self
            .present
            .get(start..start + slots.div_ceil(64) as usize)
            .unwrap_or_default();
        let at = words
            .partition_point(|word| word.before <= nth)
            .saturating_sub(1);
        let Some(word) = words.get(at) else { return 0 };
        let mut left = word.bits;
        for _ in word.before..nth {
            left &= left.wrapping_sub(1);
        }
        at as u32 * 64 + left.trailing_zeros().min(63)
    }

    /// Where the record of an object begins, its address and its size.
    #[inline]
    pub(super) fn record(&self, object: u32) -> Option<(u64, u64, u64)> {
        let at = self.run_of(object)?;
        let run = self.runs.get(at)?;
        let records = self.records.get(at)?;
        let offset = self
            .offsets
            .get(records.at as usize + (object - run.first) as usize)?;
        let (address, size) = self.place_in(run, object);
        Some((records.record + u64::from(*offset), address, size))
    }

    /// The object that an address lies in, and how far in.
    #[inline]
    pub(super) fn find(&self, address: u64) -> Option<(u32, u64)> {
        let run = self.runs.get(self.pages.run(&self.runs, address)?)?;
        let offset = address - run.base;
        let shape = self.shape(run);
        let slot = if run.slots == 1 {
            0
        } else {
            shape.slot(offset)
        };
        if slot >= u64::from(run.slots) {
            return None;
        }
        let within = offset - slot * shape.size;
        if within >= shape.size {
            return None;
        }
        let slot = slot as u32;
        let nth = if run.bits == FULL {
            slot
        } else {
            let word = self.present.get(run.bits as usize + slot as usize / 64)?;
            let bit = 1u64 << (slot % 64);
            if word.bits & bit == 0 {
                return None;
            }
            word.before + (word.bits & (bit - 1)).count_ones()
        };
        Some((run.first + nth, within))
    }
}

/// Leaves of runs that overlap the one with more objects; of equals, the first in the dump.
fn disjoint(runs: &mut Vec<Run>, left: &mut Left) {
    let mut kept = 0usize;
    for at in 0..runs.len() {
        let run = runs[at];
        match kept.checked_sub(1).map(|last| runs[last]) {
            Some(last) if last.end() > run.base => {
                let better = (run.count, std::cmp::Reverse(run.at))
                    > (last.count, std::cmp::Reverse(last.at));
                let (keep, drop) = if better { (run, last) } else { (last, run) };
                left.overlapping += u64::from(drop.count);
                runs[kept - 1] = keep;
            }
            _ => {
                runs[kept] = run;
                kept += 1;
            }
        }
    }
    runs.truncate(kept);
}

/// Where the contents of an object begin, of which the record begins there: behind its tag, its
/// address and its length.
#[inline]
pub(super) fn contents_at(record: u64, address: u64, size: u64) -> u64 {
    record + 1 + number_len(address) + number_len(size)
}

/// How many bytes a number has in a dump: seven bits each.
#[inline]
fn number_len(number: u64) -> u64 {
    u64::from((70 - (number | 1).leading_zeros()) / 7)
}

#[cfg(test)]
mod tests;
