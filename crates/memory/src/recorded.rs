//! Targets kept in small files, so that a test sees the same process again without it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sparse::read_runs;
use crate::target::target_through;
use crate::{
    Addr, Fault, FaultKind, Hole, Machine, Mapping, Memory, Registers, Sparse, Target, Thread,
};

/// What a recording begins with.
const MAGIC: &[u8; 16] = b"goheap record 1\n";

/// The unit of recording.
const PAGE: u64 = 4096;

/// Longest head and most memory of a recording that is loaded, in bytes: far more than any test
/// keeps, and little enough to be had.
const LONGEST_HEAD: u64 = 64 << 20;
const MOST_MEMORY: u64 = 1 << 30;

/// A target made of parts, or loaded from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The processor.
    pub machine: Machine,
    /// The threads.
    pub threads: Vec<Thread>,
    /// The mappings, ascending.
    pub mappings: Vec<Mapping>,
    /// The auxiliary vector.
    pub auxv: Vec<(u64, u64)>,
    /// Where the executable was.
    pub executable: Option<PathBuf>,
    /// Ascending, not empty, without overlap or touch.
    segments: Vec<(Addr, Vec<u8>)>,
}

/// Why a recording cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// It does not begin as recordings do.
    #[error("not a recording")]
    NotRecorded,
    /// It cannot be read, or its checksum is wrong.
    #[error("the recording cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Its head makes no sense.
    #[error("the head of the recording makes no sense: {0}")]
    Head(#[from] serde_json::Error),
    /// It is too big, or says of itself what cannot be.
    #[error("the recording is malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
}

/// The head of a recording; behind it are the bytes of all segments in a row.
#[derive(Serialize, Deserialize)]
struct Head {
    goarch: String,
    /// Thread id and general registers.
    threads: Vec<(u32, Vec<u64>)>,
    /// Start, end, permissions, offset, name.
    mappings: Vec<(u64, u64, String, u64, Option<PathBuf>)>,
    auxv: Vec<(u64, u64)>,
    executable: Option<PathBuf>,
    /// Start and length.
    segments: Vec<(u64, u64)>,
}

impl Recorded {
    /// An empty target: no memory, no threads, no mappings.
    pub fn new(machine: Machine) -> Recorded {
        Recorded {
            machine,
            threads: Vec::new(),
            mappings: Vec::new(),
            auxv: Vec::new(),
            executable: None,
            segments: Vec::new(),
        }
    }

    /// Adds memory. Where there is memory already, the new bytes replace it.
    pub fn put(&mut self, at: Addr, bytes: &[u8]) {
        let start = at.get();
        let end = start.saturating_add(bytes.len() as u64);
        let mut merged = (start, bytes.to_vec());
        let mut kept = Vec::with_capacity(self.segments.len() + 1);
        for (from, old) in std::mem::take(&mut self.segments) {
            let (from, to) = (from.get(), from.get() + old.len() as u64);
            if to < start || end < from {
                kept.push((Addr::new(from), old));
                continue;
            }
            // It touches or overlaps: what of it sticks out is joined to the new bytes.
            if from < start {
                let mut front = old[..(start - from) as usize].to_vec();
                front.append(&mut merged.1);
                merged = (from, front);
            }
            if to > end {
                merged
                    .1
                    .extend_from_slice(&old[(end.max(from) - from) as usize..]);
            }
        }
        if !merged.1.is_empty() {
            kept.push((Addr::new(merged.0), merged.1));
        }
        kept.sort_by_key(|(from, _)| *from);
        self.segments = kept;
    }

    /// Writes the recording, compressed and with a checksum.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn save(&self, sink: impl Write) -> io::Result<()> {
        let head = serde_json::to_vec(&self.head())?;
        let mut sink = sink;
        sink.write_all(MAGIC)?;
        let mut encoder = zstd::Encoder::new(sink, 19)?;
        encoder.include_checksum(true)?;
        encoder.write_all(&(head.len() as u64).to_le_bytes())?;
        encoder.write_all(&head)?;
        for (_, bytes) in &self.segments {
            encoder.write_all(bytes)?;
        }
        encoder.finish()?.flush()
    }

    fn head(&self) -> Head {
        let permissions = |m: &Mapping| {
            let flags = [(m.read, 'r'), (m.write, 'w'), (m.execute, 'x')];
            flags
                .map(|(set, letter)| if set { letter } else { '-' })
                .iter()
                .collect()
        };
        let registers = |t: &Thread| {
            t.registers
                .general
                .iter()
                .map(|(_, value)| *value)
                .collect()
        };
        Head {
            goarch: self.machine.goarch().to_owned(),
            threads: self.threads.iter().map(|t| (t.tid, registers(t))).collect(),
            mappings: self
                .mappings
                .iter()
                .map(|m| {
                    (
                        m.start.get(),
                        m.end.get(),
                        permissions(m),
                        m.offset,
                        m.name.clone(),
                    )
                })
                .collect(),
            auxv: self.auxv.clone(),
            executable: self.executable.clone(),
            segments: self
                .segments
                .iter()
                .map(|(at, bytes)| (at.get(), bytes.len() as u64))
                .collect(),
        }
    }

    /// Loads what [`save`](Recorded::save) wrote.
    ///
    /// # Errors
    /// [`RecordedError`].
    pub fn load(source: impl Read) -> Result<Recorded, RecordedError> {
        let malformed = |what| RecordedError::Malformed { what };
        let mut source = source;
        let mut magic = [0; 16];
        source.read_exact(&mut magic)?;
        if magic != *MAGIC {
            return Err(RecordedError::NotRecorded);
        }
        let mut decoder = zstd::Decoder::new(source)?;
        let mut len = [0; 8];
        decoder.read_exact(&mut len)?;
        let len = u64::from_le_bytes(len);
        if len > LONGEST_HEAD {
            return Err(malformed("its head is too long"));
        }
        let head: Head = serde_json::from_slice(&read_exactly(&mut decoder, len)?)?;
        let mut recorded = Recorded::of(&head)?;
        let total = head
            .segments
            .iter()
            .try_fold(0u64, |sum, (_, len)| sum.checked_add(*len));
        if total.is_none_or(|total| total > MOST_MEMORY) {
            return Err(malformed("it has too much memory"));
        }
        let mut behind = 0;
        for (start, len) in head.segments {
            let end = start.checked_add(len);
            let end = end.ok_or(malformed("memory behind the end of the address space"))?;
            if start < behind || len == 0 {
                return Err(malformed("its memory is not in order"));
            }
            behind = end;
            let bytes = read_exactly(&mut decoder, len)?;
            recorded.segments.push((Addr::new(start), bytes));
        }
        // The checksum is looked at when the end is reached.
        if decoder.read(&mut [0])? != 0 {
            return Err(malformed("there is more of it than it says"));
        }
        Ok(recorded)
    }

    /// All but the memory.
    fn of(head: &Head) -> Result<Recorded, RecordedError> {
        let malformed = |what| RecordedError::Malformed { what };
        let machine = Machine::from_goarch(&head.goarch);
        let machine = machine.ok_or(malformed("of an unknown processor"))?;
        let mut recorded = Recorded::new(machine);
        for (tid, words) in &head.threads {
            let registers = Registers::new(machine, words);
            recorded.threads.push(Thread {
                tid: *tid,
                registers: registers.ok_or(malformed("a thread with too few registers"))?,
            });
        }
        for (start, end, permissions, offset, name) in &head.mappings {
            recorded.mappings.push(Mapping {
                start: Addr::new(*start),
                end: Addr::new(*end),
                read: permissions.contains('r'),
                write: permissions.contains('w'),
                execute: permissions.contains('x'),
                offset: *offset,
                name: name.clone(),
            });
        }
        recorded.auxv.clone_from(&head.auxv);
        recorded.executable.clone_from(&head.executable);
        Ok(recorded)
    }
}

fn read_exactly(source: &mut impl Read, len: u64) -> Result<Vec<u8>, RecordedError> {
    let mut bytes = Vec::new();
    source.take(len).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == len {
        true => Ok(bytes),
        false => Err(RecordedError::Malformed {
            what: "it ends too early",
        }),
    }
}

impl Sparse for Recorded {
    fn run(&self, at: Addr) -> Result<&[u8], Hole> {
        let behind = self.segments.partition_point(|(start, _)| *start <= at);
        let below = behind.checked_sub(1).and_then(|i| self.segments.get(i));
        if let Some((start, bytes)) = below
            && let Some(inside) = at.since(*start).and_then(|inside| inside.try_into().ok())
            && let Some(run) = bytes.get::<std::ops::RangeFrom<usize>>(inside..)
            && !run.is_empty()
        {
            return Ok(run);
        }
        let next = self
            .segments
            .get(behind)
            .and_then(|(start, _)| start.since(at));
        let mapped = self.mappings.iter().any(|m| m.start <= at && at < m.end);
        Err(Hole {
            kind: match mapped {
                true => FaultKind::LeftOut,
                false => FaultKind::Unmapped,
            },
            len: next.unwrap_or(u64::MAX),
        })
    }
}

impl Memory for Recorded {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        read_runs(at, buf, |at| self.run(at).map_err(|hole| hole.kind))
    }
}

impl Target for Recorded {
    fn machine(&self) -> Machine {
        self.machine
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn auxv(&self) -> &[(u64, u64)] {
        &self.auxv
    }

    fn executable(&self) -> Option<PathBuf> {
        self.executable.clone()
    }
}

/// A target that remembers which of its pages were read.
#[derive(Debug)]
pub struct Recorder<T> {
    inner: T,
    /// Numbers of pages.
    read: RefCell<BTreeSet<u64>>,
}

impl<T: Target> Recorder<T> {
    /// Begins to remember.
    pub fn new(inner: T) -> Recorder<T> {
        Recorder {
            inner,
            read: RefCell::default(),
        }
    }

    /// The target with the pages that were read, and no other memory.
    ///
    /// # Errors
    /// If a page cannot be read as a whole, although a part of it was read.
    pub fn finish(self) -> Result<Recorded, Fault> {
        let mut recorded = Recorded::new(self.inner.machine());
        recorded.threads = self.inner.threads().to_vec();
        recorded.mappings = self.inner.mappings().to_vec();
        recorded.auxv = self.inner.auxv().to_vec();
        recorded.executable = self.inner.executable();
        let mut behind = None;
        for number in self.read.into_inner() {
            let at = Addr::new(number * PAGE);
            let mut page = vec![0; PAGE as usize];
            self.inner.read(at, &mut page)?;
            match recorded.segments.last_mut() {
                Some((_, bytes)) if behind == Some(number) => bytes.append(&mut page),
                _ => recorded.segments.push((at, page)),
            }
            behind = number.checked_add(1);
        }
        Ok(recorded)
    }
}

impl<T: Target> Memory for Recorder<T> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.inner.read(at, buf)?;
        if let Some(last) = (buf.len() as u64).checked_sub(1) {
            let pages = at.get() / PAGE..=at.get().saturating_add(last) / PAGE;
            self.read.borrow_mut().extend(pages);
        }
        Ok(())
    }
}

target_through!([T: Target] Recorder<T>, |this| this.inner);

#[cfg(test)]
mod tests;
