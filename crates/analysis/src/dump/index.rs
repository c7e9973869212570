//! Objects by address, and addresses by object.

use std::ops::Range;

use super::Frame;

/// Where the objects are; by address.
#[derive(Debug, Default)]
pub(super) struct Index {
    addresses: Vec<u64>,
    records: Vec<u64>,
    sizes: Vec<u64>,
    /// Frames of [`super::Dump::frames`] by their lowest address.
    stacks: Vec<(Range<u64>, u32)>,
}

impl Index {
    /// Of objects: address, size, offset of the record.
    pub(super) fn of(mut objects: Vec<(u64, u64, u64)>, frames: &[Frame]) -> Index {
        objects.sort_unstable();
        objects.dedup_by_key(|object| object.0);
        let mut stacks: Vec<(Range<u64>, u32)> = frames
            .iter()
            .zip(0..)
            .map(|(frame, index)| (frame.sp..frame.sp.saturating_add(frame.len), index))
            .collect();
        stacks.sort_unstable_by_key(|(range, index)| (range.start, *index));
        Index {
            addresses: objects.iter().map(|object| object.0).collect(),
            sizes: objects.iter().map(|object| object.1).collect(),
            records: objects.iter().map(|object| object.2).collect(),
            stacks,
        }
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.addresses.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn address(&self, object: u32) -> u64 {
        self.addresses.get(object as usize).copied().unwrap_or(0)
    }

    pub(super) fn size(&self, object: u32) -> u64 {
        self.sizes.get(object as usize).copied().unwrap_or(0)
    }

    pub(super) fn record(&self, object: u32) -> Option<u64> {
        self.records.get(object as usize).copied()
    }

    pub(super) fn find(&self, address: u64) -> Option<(u32, u64)> {
        let behind = self.addresses.partition_point(|at| *at <= address);
        let index = behind.checked_sub(1)?;
        let offset = address - self.addresses[index];
        (offset < self.sizes[index]).then_some((index as u32, offset))
    }

    /// The frame that the address lies in.
    pub(super) fn frame_at<'f>(&self, frames: &'f [Frame], address: u64) -> Option<&'f Frame> {
        let behind = self
            .stacks
            .partition_point(|(range, _)| range.start <= address);
        let (range, frame) = self.stacks.get(behind.checked_sub(1)?)?;
        range
            .contains(&address)
            .then(|| frames.get(*frame as usize))
            .flatten()
    }
}
