//! Runs of objects: what stands in a dump one behind the other, of one size and ascending.
//!
//! A span's objects are such a run, and a dump has millions of objects in thousands of spans. So what
//! is kept of an object is where its record begins, in 16 bits, and a bit where others of its span
//! are not there. The runs are found in the records alone; no annex is needed.

/// Runs do not go on across a page if their objects are that small: a span of them is one page
/// (runtime/sizeclasses.go, go1.19 to go1.24; internal/runtime/gc/sizeclasses.go, go1.25 to go1.27:
/// no class up to 1024 bytes has more than 8192 bytes a span).
pub(super) const SMALL: u64 = 512;
/// Bytes of a page of the heap (the same files: `PageShift`).
pub(super) const PAGE: u64 = 8192;
/// So many objects may be missing between two of a run.
const MOST_MISSING: u64 = 256;
/// The most bytes that a run covers, so that a place in it has 32 bits.
const MOST_BYTES: u64 = 1 << 32;

/// Objects that lie in memory at equal distances, some of which may be missing, and whose records
/// follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Address of the first object.
    pub(super) base: u64,
    /// Bytes of each.
    pub(super) size: u64,
    /// Where the record of the first one begins.
    pub(super) record: u64,
    /// The place of its first object in [`Runs::offsets`].
    pub(super) at: u32,
    /// How many objects there are.
    pub(super) count: u32,
    /// How many there would be if none was missing.
    pub(super) slots: u32,
    /// The place of its first word in [`Runs::present`], or [`FULL`].
    pub(super) bits: u32,
    /// Whether any of them has pointers.
    pub(super) pointers: bool,
}

/// In place of [`Run::bits`]: nothing is missing.
pub(super) const FULL: u32 = u32::MAX;

impl Run {
    /// The first address behind it.
    pub(super) fn end(&self) -> u64 {
        // What would overflow was not taken.
        self.base + self.size * u64::from(self.slots)
    }
}

/// Sixty-four places of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    /// Bit i: the i-th object is there.
    pub(super) bits: u64,
    /// How many objects of the run come before these.
    pub(super) before: u32,
}

/// All runs of a dump, in the order of its records.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) runs: Vec<Run>,
    /// Of each object, how far behind that of its run's first one its record begins.
    pub(super) offsets: Vec<u16>,
    pub(super) present: Vec<Word>,
    /// The run that the last object went to.
    last: Option<Open>,
    /// Objects that cannot be: without bytes, or beyond the last address.
    pub(super) impossible: u64,
}

#[derive(Debug)]
struct Open {
    run: Run,
    /// Address of the last object.
    address: u64,
}

/// More objects than can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl Runs {
    /// Takes an object: its address, its size, where its record begins, whether it has pointers.
    #[inline]
    pub(super) fn take(
        &mut self,
        address: u64,
        size: u64,
        record: u64,
        pointers: bool,
    ) -> Result<(), TooMany> {
        if let Some(open) = &mut self.last
            && open.run.size == size
            && address.wrapping_sub(open.address) == size
            && size > 1
            && (size > SMALL || !address.is_multiple_of(PAGE))
            && open.run.bits == FULL
            && let Ok(offset) = u16::try_from(record - open.run.record)
            && address - open.run.base < MOST_BYTES
        {
            // Nearly all: the next one of a span, and none was missing.
            open.address = address;
            open.run.count += 1;
            open.run.slots += 1;
            open.run.pointers |= pointers;
            self.offsets.push(offset);
            return Ok(());
        }
        self.take_other(address, size, record, pointers)
    }

    #[inline(never)]
    fn take_other(
        &mut self,
        address: u64,
        size: u64,
        record: u64,
        pointers: bool,
    ) -> Result<(), TooMany> {
        if size == 0 || address.checked_add(size).is_none() {
            self.impossible += 1;
            return Ok(());
        }
        if let Some(open) = &mut self.last
            && let Some((distance, offset)) = fits(open, address, size, record)
        {
            if distance > 1 && open.run.bits == FULL {
                open.run.bits = u32::try_from(self.present.len()).map_err(|_| TooMany)?;
                let mut left = open.run.slots;
                let mut before = 0;
                while left > 0 {
                    let bits = left.min(64);
                    self.present.push(Word {
                        bits: u64::MAX >> (64 - bits),
                        before,
                    });
                    before += bits;
                    left -= bits;
                }
            }
            open.run.slots += distance;
            if open.run.bits != FULL {
                let slot = open.run.slots - 1;
                let word = open.run.bits as usize + slot as usize / 64;
                while self.present.len() <= word {
                    self.present.push(Word {
                        bits: 0,
                        before: open.run.count,
                    });
                }
                if let Some(word) = self.present.get_mut(word) {
                    word.bits |= 1 << (slot % 64);
                }
            }
            open.address = address;
            open.run.count += 1;
            open.run.pointers |= pointers;
            self.offsets.push(offset);
            return Ok(());
        }
        self.close();
        let at = u32::try_from(self.offsets.len())
            .ok()
            .filter(|at| *at < u32::MAX - 1)
            .ok_or(TooMany)?;
        self.offsets.push(0);
        self.last = Some(Open {
            run: Run {
                base: address,
                size,
                record,
                at,
                count: 1,
                slots: 1,
                bits: FULL,
                pointers,
            },
            address,
        });
        Ok(())
    }

    /// Ends the run that is being filled.
    pub(super) fn close(&mut self) {
        if let Some(open) = self.last.take() {
            self.runs.push(open.run);
        }
    }

    /// Whether the object at `slot` of a run is there.
    pub(super) fn is_present(&self, run: &Run, slot: u32) -> bool {
        slot < run.slots
            && (run.bits == FULL
                || self
                    .present
                    .get(run.bits as usize + slot as usize / 64)
                    .is_some_and(|word| word.bits >> (slot % 64) & 1 != 0))
    }

    /// How many objects of a run come before `slot`.
    pub(super) fn rank(&self, run: &Run, slot: u32) -> u32 {
        if run.bits == FULL || slot >= run.slots {
            return slot.min(run.count);
        }
        self.present
            .get(run.bits as usize + slot as usize / 64)
            .map_or(0, |word| {
                word.before + (word.bits & ((1 << (slot % 64)) - 1)).count_ones()
            })
    }
}

/// Whether a whole page lies between two addresses: another span may be there, so that what is behind
/// it is of another run.
fn has_page(from: u64, to: u64) -> bool {
    let page = from.checked_next_multiple_of(PAGE);
    page.and_then(|page| page.checked_add(PAGE))
        .is_some_and(|end| end <= to)
}

/// Whether an object goes on with a run: how many places behind the last one it is, and how far
/// its record is from the first one's.
fn fits(open: &Open, address: u64, size: u64, record: u64) -> Option<(u32, u16)> {
    let run = &open.run;
    let offset = u16::try_from(record.checked_sub(run.record)?).ok()?;
    let behind = address.checked_sub(open.address)?;
    let fits = run.size == size
        // One byte each would have no reciprocal of 64 bits.
        && size > 1
        && behind > 0
        && behind.is_multiple_of(size)
        && behind / size <= MOST_MISSING
        && address - run.base < MOST_BYTES
        && match size > SMALL {
            true => !has_page(open.address + size, address),
            false => address / PAGE == open.address / PAGE,
        };
    fits.then_some(((behind / size) as u32, offset))
}
