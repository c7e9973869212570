//! A program's memory as its executable has it.

use std::ops::{Deref, Range};

use goheap_image::Executable;
use goheap_memory::{Addr, ByteOrder, DataModel, Fault, FaultKind, Memory};

/// What the file of a program says is at its addresses, as the dynamic linker leaves it: type
/// descriptors, names, function tables, the first contents of variables. What the file has no bytes
/// for (bss, the heap, plugins) is asked of the process, if there is one.
pub struct ProgramImage<'a> {
    /// By address.
    segments: Vec<(Addr, &'a [u8])>,
    /// Words that the dynamic linker writes, by address.
    relocated: Vec<(Addr, u64)>,
    model: DataModel,
    process: Option<&'a dyn Memory>,
    /// Addresses at which the process is believed rather than the file.
    changed: Vec<Range<Addr>>,
}

impl<'a> ProgramImage<'a> {
    /// The program of `executable`, `bias` bytes above the addresses of its file.
    pub fn new<D: Deref<Target = [u8]>>(
        executable: &'a Executable<D>,
        bias: u64,
        model: DataModel,
    ) -> ProgramImage<'a> {
        let live = |addr: goheap_image::FileAddr| Addr::new(addr.get().wrapping_add(bias));
        let data = executable.data();
        let mut segments: Vec<(Addr, &[u8])> = executable
            .segments()
            .into_iter()
            .filter_map(|segment| Some((live(segment.addr), data.get(segment.file_range)?)))
            .collect();
        segments.sort_by_key(|(start, _)| *start);
        let mut relocated: Vec<(Addr, u64)> = executable
            .relocations()
            .into_iter()
            .map(|(at, to)| (live(at), live(to).get()))
            .collect();
        relocated.sort_unstable();
        ProgramImage {
            segments,
            relocated,
            model,
            process: None,
            changed: Vec::new(),
        }
    }

    /// Asks `process` for what the file does not have.
    #[must_use]
    pub fn over(mut self, process: &'a dyn Memory) -> ProgramImage<'a> {
        self.process = Some(process);
        self
    }

    /// Believes the process, as far as it can be read, at the addresses of a variable that the
    /// program writes to.
    #[must_use]
    pub fn changed(mut self, at: Addr, size: u64) -> ProgramImage<'a> {
        self.changed.push(at..at.offset(size));
        self
    }

    /// Fills `buf` from the file.
    fn file_bytes(&self, at: Addr, buf: &mut [u8]) -> Option<()> {
        let behind = self.segments.partition_point(|(start, _)| *start <= at);
        let (start, bytes) = self.segments.get(behind.checked_sub(1)?)?;
        let from = usize::try_from(at.since(*start)?).ok()?;
        let found = bytes.get(from..from.checked_add(buf.len())?)?;
        buf.copy_from_slice(found);
        if self.relocated.is_empty() {
            return Some(());
        }
        let word = usize::from(self.model.word);
        let end = at.offset(buf.len() as u64);
        // A word that begins before may reach in.
        let first = Addr::new(at.get().saturating_sub(word as u64 - 1));
        let from = self.relocated.partition_point(|(place, _)| *place < first);
        let places = self.relocated.get(from..).unwrap_or_default();
        for (place, value) in places.iter().take_while(|(place, _)| *place < end) {
            let bytes = match (self.model.byte_order, word) {
                (ByteOrder::Little, _) => value.to_le_bytes(),
                (ByteOrder::Big, 8..) => value.to_be_bytes(),
                (ByteOrder::Big, _) => (value << 32).to_be_bytes(),
            };
            for (index, byte) in bytes.iter().take(word).enumerate() {
                let inside = place.offset(index as u64).since(at);
                let inside = inside.and_then(|inside| usize::try_from(inside).ok());
                if let Some(target) = inside.and_then(|inside| buf.get_mut(inside)) {
                    *target = *byte;
                }
            }
        }
        Some(())
    }
}

impl Memory for ProgramImage<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        if buf.is_empty() {
            return Ok(());
        }
        let is_changed = self.changed.iter().any(|range| range.contains(&at));
        if is_changed
            && let Some(process) = self.process
            && process.read(at, buf).is_ok()
        {
            return Ok(());
        }
        if self.file_bytes(at, buf).is_some() {
            return Ok(());
        }
        match self.process {
            Some(process) => process.read(at, buf),
            None => Err(Fault::new(at, buf.len(), FaultKind::Unmapped)),
        }
    }
}

impl std::fmt::Debug for ProgramImage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgramImage")
            .field("segments", &self.segments.len())
            .field("relocated", &self.relocated.len())
            .finish_non_exhaustive()
    }
}
