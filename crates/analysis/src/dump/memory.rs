//! A dump as the memory of its program: objects, data and bss, frames, texts of its source.

use goheap_memory::{Addr, Fault, FaultKind, Memory};

use super::{Dump, Frame, SegmentAt};

/// Segments and frames by address.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    segments: Vec<u32>,
    frames: Vec<u32>,
}

impl Ranges {
    pub(super) fn of(segments: &[SegmentAt], frames: &[Frame]) -> Ranges {
        let mut by_address: Vec<u32> = (0..segments.len() as u32).collect();
        by_address.sort_by_key(|at| segments.get(*at as usize).map(|segment| segment.address));
        // A frame without bytes has none of them.
        let mut by_sp: Vec<u32> = (0u32..)
            .zip(frames)
            .filter(|(_, frame)| frame.len > 0)
            .map(|(at, _)| at)
            .collect();
        by_sp.sort_by_key(|at| frames.get(*at as usize).map(|frame| frame.sp));
        Ranges {
            segments: by_address,
            frames: by_sp,
        }
    }

    fn segment<'s>(&self, segments: &'s [SegmentAt], address: u64) -> Option<&'s SegmentAt> {
        let of = |at: &u32| segments.get(*at as usize);
        let behind = self
            .segments
            .partition_point(|at| of(at).is_some_and(|segment| segment.address <= address));
        let segment = of(self.segments.get(behind.checked_sub(1)?)?)?;
        (address - segment.address < segment.len).then_some(segment)
    }

    fn frame<'f>(&self, frames: &'f [Frame], address: u64) -> Option<&'f Frame> {
        let of = |at: &u32| frames.get(*at as usize);
        let behind = self
            .frames
            .partition_point(|at| of(at).is_some_and(|frame| frame.sp <= address));
        let frame = of(self.frames.get(behind.checked_sub(1)?)?)?;
        (address - frame.sp < frame.len).then_some(frame)
    }
}

impl Dump {
    /// The bytes of the object, segment, frame or constant that the address lies in, and how far in.
    #[inline]
    pub fn bytes_at(&self, at: u64) -> Option<(&[u8], u64)> {
        match self.find(at) {
            Some((object, offset)) => Some((self.contents(object), offset)),
            None => self.bytes_outside(at),
        }
    }

    fn bytes_outside(&self, at: u64) -> Option<(&[u8], u64)> {
        if let Some(segment) = self.ranges.segment(&self.segments, at) {
            let from = usize::try_from(segment.contents).ok()?;
            let to = from.checked_add(usize::try_from(segment.len).ok()?)?;
            let contents = (*self.bytes).as_ref().get(from..to)?;
            return Some((contents, at - segment.address));
        }
        if let Some(frame) = self.frame_at(at) {
            return Some((self.frame_record(frame)?.contents, at - frame.sp));
        }
        self.catalogue.constant_at(at)
    }

    /// Whether an address lies in data or bss.
    pub(crate) fn is_in_segment(&self, at: u64) -> bool {
        self.ranges.segment(&self.segments, at).is_some()
    }

    /// Whether an address lies in data, bss or a frame.
    pub(crate) fn is_outside(&self, at: u64) -> bool {
        self.is_in_segment(at) || self.frame_at(at).is_some()
    }

    /// How many bytes data and bss have.
    pub(crate) fn outside_bytes(&self) -> u64 {
        let bytes = self.segments.iter().map(|segment| segment.len);
        bytes.fold(0, u64::saturating_add)
    }

    /// The frame that the address lies in.
    pub fn frame_at(&self, at: u64) -> Option<&Frame> {
        self.ranges.frame(&self.frames, at)
    }
}

impl Memory for Dump {
    /// Reads what lies in one object, one data or bss segment, or one frame.
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let fault = || Fault::new(at, buf.len(), FaultKind::LeftOut);
        if buf.is_empty() {
            return Ok(());
        }
        let (bytes, offset) = self.bytes_at(at.get()).ok_or_else(fault)?;
        let from = usize::try_from(offset).map_err(|_| fault())?;
        let bytes = bytes
            .get(from..)
            .and_then(|rest| rest.get(..buf.len()))
            .ok_or_else(fault)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}
