//! `runtime.hmap`: buckets with overflow chains.

use std::ops::ControlFlow;

use goheap_memory::{Addr, Memory};

use super::{CHUNK, MapError, SLOTS, Walk};
use crate::{LayoutError, Place, Structs};

/// The largest `B` that is believed: 2^40 buckets.
const B_MOST: u64 = 40;

/// `tophash` below this is no hash but a state (runtime/map.go, go1.19: `minTopHash`).
const MIN_TOP_HASH: u8 = 5;

/// The states of a bucket whose entries have moved to the new buckets (runtime/map.go, go1.19:
/// `evacuatedX`, `evacuatedY`, `evacuatedEmpty`, looked at by `evacuated`).
const EVACUATED: std::ops::RangeInclusive<u8> = 2..=4;

/// The flag of a map that grows to as many buckets as it had (runtime/map.go, go1.19:
/// `sameSizeGrow`).
const SAME_SIZE_GROW: u64 = 8;

/// Where the fields of `hmap` are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    flags: Place,
    b: Place,
    buckets: Place,
    oldbuckets: Place,
}

impl Layout {
    pub(super) fn new(structs: &Structs<'_>) -> Result<Layout, LayoutError> {
        const HMAP: &str = "runtime.hmap";
        Ok(Layout {
            flags: structs.place(HMAP, "flags")?,
            b: structs.place(HMAP, "B")?,
            buckets: structs.place(HMAP, "buckets")?,
            oldbuckets: structs.place(HMAP, "oldbuckets")?,
        })
    }

    pub(super) fn walk<M: Memory + ?Sized>(
        &self,
        walk: &mut Walk<'_, M>,
    ) -> Result<ControlFlow<()>, MapError> {
        let map = walk.map;
        let b = walk.field(map, self.b, "hmap.B")?;
        if b > B_MOST {
            return Err(walk.implausible("hmap.B", b, "at most 40"));
        }
        let old = Addr::new(walk.field(map, self.oldbuckets, "hmap.oldbuckets")?);
        if !old.is_nil() {
            // What has been evacuated is in the new buckets, and whoever writes to an old bucket
            // evacuates it first: the live slots of both, together, are the map.
            let flags = walk.field(map, self.flags, "hmap.flags")?;
            let old_b = if flags & SAME_SIZE_GROW != 0 {
                b
            } else {
                b.saturating_sub(1)
            };
            if walk.buckets(old, 1 << old_b, true)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let buckets = Addr::new(walk.field(map, self.buckets, "hmap.buckets")?);
        if buckets.is_nil() {
            return Ok(ControlFlow::Continue(()));
        }
        walk.buckets(buckets, 1 << b, false)
    }
}

impl<M: Memory + ?Sized> Walk<'_, M> {
    fn buckets(&mut self, first: Addr, count: u64, old: bool) -> Result<ControlFlow<()>, MapError> {
        let mut buffer = [0; CHUNK as usize];
        let word = self.model.word_size();
        for index in 0..count {
            let mut at = first.offset(index.wrapping_mul(self.places.size));
            let mut first_of_chain = true;
            while !at.is_nil() {
                let bucket = self.chunk(at, "a bucket", &mut buffer)?;
                let Some((hashes, rest)) = bucket.split_first_chunk::<{ SLOTS as usize }>() else {
                    break;
                };
                // runtime/map.go, go1.19: the state of a whole chain is in its first bucket.
                if old && first_of_chain && EVACUATED.contains(&hashes[0]) {
                    break;
                }
                first_of_chain = false;
                let hashes = *hashes;
                let overflow = rest.len().saturating_sub(word as usize);
                let next = Addr::new(self.model.uint(rest.get(overflow..).unwrap_or_default()));
                for (slot, hash) in (0..).zip(hashes) {
                    if hash >= MIN_TOP_HASH && self.show(at, slot)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                at = next;
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
