//! ELF core files.

use std::ops::Deref;
use std::path::PathBuf;

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::sparse::read_runs;
use crate::{
    Addr, ByteOrder, DataModel, Fault, FaultKind, Hole, Machine, Mapping, Memory, Sparse, Target,
    Thread, UnknownMachine,
};

mod notes;

pub use notes::ProcessInfo;

/// A core file: memory and threads of a process at its end, or when a debugger wrote it.
///
/// Its bytes are borrowed, never copied as a whole, so that a mapped file of any size will do.
/// Text and read-only data are usually left out of it; lay the executable under it with
/// [`Spliced`](crate::Spliced).
#[derive(Debug)]
pub struct Core<D> {
    data: D,
    machine: Machine,
    /// Ascending, not empty, without overlap.
    segments: Vec<Segment>,
    threads: Vec<Thread>,
    mappings: Vec<Mapping>,
    auxv: Vec<(u64, u64)>,
    process: Option<ProcessInfo>,
}

/// A range of memory (a `PT_LOAD`).
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: u64,
    /// Bytes of memory; `start + memory` does not overflow.
    memory: u64,
    /// Where its bytes are in the file.
    offset: u64,
    /// Bytes of it that the header promises in the file; at most `memory`.
    promised: u64,
    flags: u32,
}

/// Why a file cannot be used as a core.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// It does not begin as an ELF file does.
    #[error("not an ELF file, so not a core")]
    NotElf,
    /// It is an ELF file of another type.
    #[error("an ELF file, but not a core ({})", elf_type(*.e_type))]
    NotCore {
        /// The type, from its header.
        e_type: u16,
    },
    /// The core of a program for a processor that Go's programs do not run on, or that goheap does
    /// not know.
    #[error("the core of a program for {machine}, which goheap does not know")]
    OtherMachine {
        /// The processor, from its header.
        machine: UnknownMachine,
    },
    /// The file ends within what every use of it needs: its headers or its notes.
    #[error("the core is cut off at byte {len}, within its {what} (up to byte {end})")]
    CutOff {
        /// The length of the file in bytes.
        len: u64,
        /// The part that is cut.
        what: &'static str,
        /// Where that part should end, in bytes from the start of the file.
        end: u64,
    },
    /// A header or note that makes no sense.
    #[error("the core is malformed at byte {offset}: {what}")]
    Malformed {
        /// Bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Two of its segments claim the same address.
    #[error("the core is malformed: two of its segments hold address {at}")]
    Overlap {
        /// The address.
        at: Addr,
    },
    /// It has no threads, so it is not of a process that ran.
    #[error("the core has no threads (no NT_PRSTATUS note)")]
    NoThreads,
}

/// A core that is shorter than its headers promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff {
    /// The length of the file in bytes.
    pub len: u64,
    /// The length that its headers promise.
    pub promised: u64,
}

impl<D: Deref<Target = [u8]>> Core<D> {
    /// Reads the headers and notes of a core.
    ///
    /// # Errors
    /// [`CoreError`]. A file that is cut off behind its notes is none, see
    /// [`cut_off`](Core::cut_off).
    pub fn parse(data: D) -> Result<Core<D>, CoreError> {
        let (machine, mut segments, found) = match identify(&data)? {
            Class::Bits32 => read_headers::<FileHeader32<Endianness>>(&data)?,
            Class::Bits64 => read_headers::<FileHeader64<Endianness>>(&data)?,
        };
        segments.sort_by_key(|segment| segment.start);
        for pair in segments.windows(2) {
            if let [low, high] = pair
                && high.start - low.start < low.memory
            {
                return Err(CoreError::Overlap {
                    at: Addr::new(high.start),
                });
            }
        }
        if found.threads.is_empty() {
            return Err(CoreError::NoThreads);
        }
        Ok(Core {
            machine,
            mappings: mappings(&segments, found.files),
            segments,
            threads: found.threads,
            auxv: found.auxv,
            process: found.process,
            data,
        })
    }

    /// Whether the file is shorter than its headers promise. Reads of what is missing are
    /// [`FaultKind::CutOff`].
    pub fn cut_off(&self) -> Option<CutOff> {
        let ends = self
            .segments
            .iter()
            .map(|s| s.offset.saturating_add(s.promised));
        let promised = ends.max()?;
        let len = self.data.len() as u64;
        (len < promised).then_some(CutOff { len, promised })
    }

    /// The process that it is of, if the core says.
    pub fn process(&self) -> Option<&ProcessInfo> {
        self.process.as_ref()
    }

    /// Why an address outside of all segments cannot be read. Debuggers leave out whole mappings
    /// of files, of which the list of files still tells.
    fn kind_between(&self, at: u64) -> FaultKind {
        let at = Addr::new(at);
        let behind = self.mappings.partition_point(|mapping| mapping.start <= at);
        let mapping = behind.checked_sub(1).and_then(|i| self.mappings.get(i));
        match mapping {
            Some(mapping) if at < mapping.end => FaultKind::LeftOut,
            _ => FaultKind::Unmapped,
        }
    }
}

impl<D: Deref<Target = [u8]>> Sparse for Core<D> {
    fn run(&self, at: Addr) -> Result<&[u8], Hole> {
        let at = at.get();
        let behind = self.segments.partition_point(|segment| segment.start <= at);
        let segment = behind.checked_sub(1).and_then(|i| self.segments.get(i));
        // Behind a byte that a segment lacks it has no more; the next segment may.
        let next = self.segments.get(behind).map(|segment| segment.start);
        let hole = |kind| Hole {
            kind,
            len: next.map_or(u64::MAX, |next| next - at),
        };
        let Some((segment, inside)) = segment
            .map(|segment| (segment, at - segment.start))
            .filter(|(segment, inside)| *inside < segment.memory)
        else {
            return Err(hole(self.kind_between(at)));
        };
        if inside >= segment.promised {
            return Err(hole(FaultKind::LeftOut));
        }
        let from = segment.offset.saturating_add(inside);
        let to = segment.offset.saturating_add(segment.promised);
        let to = to.min(self.data.len() as u64);
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        range
            .and_then(|(from, to)| self.data.get(from..to))
            .filter(|run| !run.is_empty())
            .ok_or(hole(FaultKind::CutOff))
    }
}

impl<D: Deref<Target = [u8]>> Memory for Core<D> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        read_runs(at, buf, |at| self.run(at).map_err(|hole| hole.kind))
    }
}

impl<D: Deref<Target = [u8]>> Target for Core<D> {
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

    /// The file that was mapped where the program headers were loaded; failing that, the path by
    /// which the program was started.
    fn executable(&self) -> Option<PathBuf> {
        let value = |kind| {
            let (_, value) = self.auxv.iter().find(|&&(k, _)| k == kind)?;
            Some(Addr::new(*value))
        };
        let headers = value(crate::loaded::AT_PHDR);
        let holds = |mapping: &&Mapping| {
            headers.is_some_and(|headers| mapping.start <= headers && headers < mapping.end)
        };
        let mapped = self
            .mappings
            .iter()
            .find(holds)
            .and_then(|m| m.name.clone());
        mapped.or_else(|| {
            const AT_EXECFN: u64 = 31;
            const LONGEST: usize = 4096;
            let run = self.run(value(AT_EXECFN)?).ok()?;
            let run = run.get(..LONGEST).unwrap_or(run);
            let name = run.split(|&b| b == 0).next()?;
            (!name.is_empty()).then(|| notes::path(name))
        })
    }
}

/// How wide the fields of an ELF file are.
enum Class {
    Bits32,
    Bits64,
}

/// Makes sure that it is an ELF file.
fn identify(bytes: &[u8]) -> Result<Class, CoreError> {
    let ident = bytes
        .get(..16)
        .filter(|ident| ident.starts_with(b"\x7fELF"))
        .ok_or(CoreError::NotElf)?;
    Ok(match ident.get(elf_offset::CLASS) {
        Some(&elf::ELFCLASS32) => Class::Bits32,
        _ => Class::Bits64,
    })
}

mod elf_offset {
    /// Of the byte that tells 32 from 64 bits.
    pub(super) const CLASS: usize = 4;
}

/// What the headers and the notes say.
fn read_headers<E>(bytes: &[u8]) -> Result<(Machine, Vec<Segment>, notes::Notes), CoreError>
where
    E: FileHeader<Endian = Endianness>,
{
    let (header, endian, machine) = check_header::<E>(bytes)?;
    let program_headers = header
        .program_headers(endian, bytes)
        .map_err(|_| bad_program_headers(header, endian, bytes.len() as u64))?;
    let mut segments = Vec::new();
    let mut found = notes::Notes::new(machine);
    for (index, program_header) in program_headers.iter().enumerate() {
        match program_header.p_type(endian) {
            elf::PT_LOAD => segments.extend(load(program_header, endian, || {
                let size = size_of::<E::ProgramHeader>() as u64;
                header.e_phoff(endian).into() + size * index as u64
            })?),
            elf::PT_NOTE => found.read(program_header, endian, bytes)?,
            _ => {}
        }
    }
    Ok((machine, segments, found))
}

/// Makes sure that it is a core that can be decoded, as far as the header tells.
fn check_header<E>(bytes: &[u8]) -> Result<(&E, Endianness, Machine), CoreError>
where
    E: FileHeader<Endian = Endianness>,
{
    let malformed = CoreError::Malformed {
        offset: 0,
        what: "not a valid ELF header",
    };
    let header = match E::parse(bytes) {
        Ok(header) => header,
        Err(_) if bytes.len() < size_of::<E>() => {
            return Err(CoreError::CutOff {
                len: bytes.len() as u64,
                what: "ELF header",
                end: size_of::<E>() as u64,
            });
        }
        Err(_) => return Err(malformed),
    };
    let endian = header.endian().map_err(|_| malformed)?;
    let e_type = header.e_type(endian);
    if e_type != elf::ET_CORE {
        return Err(CoreError::NotCore { e_type });
    }
    let model = DataModel {
        byte_order: match endian {
            Endianness::Little => ByteOrder::Little,
            Endianness::Big => ByteOrder::Big,
        },
        word: match header.is_class_64() {
            true => 8,
            false => 4,
        },
    };
    let machine = Machine::from_elf(header.e_machine(endian), model)
        .map_err(|machine| CoreError::OtherMachine { machine })?;
    Ok((header, endian, machine))
}

/// Why the program headers cannot be read: the file ends before they do, or their size is odd.
fn bad_program_headers<E>(header: &E, endian: Endianness, len: u64) -> CoreError
where
    E: FileHeader<Endian = Endianness>,
{
    let offset: u64 = header.e_phoff(endian).into();
    let size = u64::from(header.e_phentsize(endian)) * u64::from(header.e_phnum(endian));
    match offset.checked_add(size) {
        Some(end) if end > len => CoreError::CutOff {
            len,
            what: "program headers",
            end,
        },
        _ => CoreError::Malformed {
            offset,
            what: "program headers of an odd size or place",
        },
    }
}

/// A segment, unless it is empty. `at` tells where its header is.
fn load<P>(
    header: &P,
    endian: Endianness,
    at: impl Fn() -> u64,
) -> Result<Option<Segment>, CoreError>
where
    P: ProgramHeader<Endian = Endianness>,
{
    let memory: u64 = header.p_memsz(endian).into();
    let in_file: u64 = header.p_filesz(endian).into();
    let segment = Segment {
        start: header.p_vaddr(endian).into(),
        memory,
        offset: header.p_offset(endian).into(),
        promised: in_file.min(memory),
        flags: header.p_flags(endian),
    };
    if segment.start.checked_add(segment.memory).is_none() {
        return Err(CoreError::Malformed {
            offset: at(),
            what: "a segment ends behind the end of the address space",
        });
    }
    Ok((segment.memory != 0).then_some(segment))
}

/// The segments as mappings, with names where the list of files has them, and between them the
/// mappings of files that have no segment.
fn mappings(segments: &[Segment], mut files: Vec<notes::MappedFile>) -> Vec<Mapping> {
    files.sort_by_key(|file| file.start);
    let mut mappings = Vec::with_capacity(segments.len());
    for segment in segments {
        let behind = files.partition_point(|file| file.start <= segment.start);
        let file = behind.checked_sub(1).and_then(|i| files.get(i));
        let file = file.filter(|file| segment.start < file.end);
        mappings.push(Mapping {
            start: Addr::new(segment.start),
            end: Addr::new(segment.start + segment.memory),
            read: segment.flags & elf::PF_R != 0,
            write: segment.flags & elf::PF_W != 0,
            execute: segment.flags & elf::PF_X != 0,
            offset: file.map_or(0, |file| {
                file.offset.saturating_add(segment.start - file.start)
            }),
            name: file.map(|file| file.name.clone()),
        });
    }
    let mut uncovered = Vec::new();
    for file in files {
        let first = mappings.partition_point(|mapping| mapping.end.get() <= file.start);
        let free_to = mappings
            .get(first)
            .map_or(u64::MAX, |next| next.start.get());
        let from = uncovered
            .last()
            .map_or(file.start, |last: &Mapping| last.end.get().max(file.start));
        let to = file.end.min(free_to);
        if from < to {
            uncovered.push(Mapping {
                start: Addr::new(from),
                end: Addr::new(to),
                // What it was allowed is not in the core; a mapping that nobody may read is not
                // worth a file.
                read: true,
                write: false,
                execute: false,
                offset: file.offset.saturating_add(from - file.start),
                name: Some(file.name),
            });
        }
    }
    mappings.extend(uncovered);
    mappings.sort_by_key(|mapping| mapping.start);
    mappings
}

fn elf_type(e_type: u16) -> &'static str {
    match e_type {
        elf::ET_REL => "an object file",
        elf::ET_EXEC | elf::ET_DYN => "an executable or a library; a core is a file of memory",
        _ => "of an unknown type",
    }
}

#[cfg(test)]
mod tests;
