//! The notes of a core: threads, auxiliary vector, mapped files, process.

use std::path::PathBuf;

use object::Endian;
use object::Endianness;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{Note, ProgramHeader};

use super::CoreError;
use crate::{Registers, Thread};

/// The process that a core is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its number, in its own pid namespace.
    pub pid: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The start of its arguments, at most 79 bytes, separated by spaces.
    pub arguments: String,
}

/// What the notes say.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) threads: Vec<Thread>,
    pub(super) auxv: Vec<(u64, u64)>,
    pub(super) files: Vec<MappedFile>,
    pub(super) process: Option<ProcessInfo>,
}

/// A mapping of a file; `start < end`.
#[derive(Debug)]
pub(super) struct MappedFile {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Bytes into the file.
    pub(super) offset: u64,
    pub(super) name: PathBuf,
}

impl Notes {
    /// Reads one segment of notes.
    pub(super) fn read(
        &mut self,
        header: &ProgramHeader64<Endianness>,
        endian: Endianness,
        bytes: &[u8],
    ) -> Result<(), CoreError> {
        let (start, size) = header.file_range(endian);
        let malformed = |what| CoreError::Malformed {
            offset: start,
            what,
        };
        let end = start
            .checked_add(size)
            .ok_or(malformed("the notes end behind the end of any file"))?;
        if end > bytes.len() as u64 {
            return Err(CoreError::CutOff {
                len: bytes.len() as u64,
                what: "notes",
                end,
            });
        }
        let notes = header
            .notes(endian, bytes)
            .map_err(|_| malformed("notes of an odd alignment"))?;
        let Some(mut notes) = notes else {
            return Ok(());
        };
        while let Some(note) = notes
            .next()
            .map_err(|_| malformed("a note is longer than its segment"))?
        {
            self.read_note(&note, endian).map_err(malformed)?;
        }
        Ok(())
    }

    fn read_note(
        &mut self,
        note: &Note<'_, FileHeader64<Endianness>>,
        endian: Endianness,
    ) -> Result<(), &'static str> {
        // Others (VMware, FreeBSD, LINUX for vector registers) use the same numbers.
        if note.name() != b"CORE" {
            return Ok(());
        }
        let desc = note.desc();
        match note.n_type(endian) {
            elf::NT_PRSTATUS => self.threads.push(thread(desc, endian)?),
            elf::NT_AUXV => self.auxv = auxv(desc, endian),
            elf::NT_FILE => self.files = files(desc, endian)?,
            elf::NT_PRPSINFO => self.process = Some(process(desc, endian)?),
            _ => {}
        }
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize, endian: Endianness) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(endian.read_u32_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize, endian: Endianness) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(endian.read_u64_bytes(*bytes))
}

/// include/linux/elfcore.h: struct elf_prstatus, of a 64-bit kernel: the thread's id stands behind
/// the signal's facts, the registers behind four times of 16 bytes.
fn thread(desc: &[u8], endian: Endianness) -> Result<Thread, &'static str> {
    const PID: usize = 32;
    const REGISTERS: usize = 112;
    let short = "an NT_PRSTATUS note is too short";
    let mut words = [0; 27];
    for (i, word) in words.iter_mut().enumerate() {
        *word = u64_at(desc, REGISTERS + 8 * i, endian).ok_or(short)?;
    }
    Ok(Thread {
        tid: u32_at(desc, PID, endian).ok_or(short)?,
        registers: Registers::amd64(&words),
    })
}

fn auxv(desc: &[u8], endian: Endianness) -> Vec<(u64, u64)> {
    let pairs = desc.chunks_exact(16);
    let pairs = pairs.filter_map(|pair| Some((u64_at(pair, 0, endian)?, u64_at(pair, 8, endian)?)));
    pairs.take_while(|&(kind, _)| kind != 0).collect()
}

/// fs/binfmt_elf.c, fill_files_note: a count and a unit, for each file start, end and offset in
/// units, then the names, each with a zero byte behind it.
fn files(desc: &[u8], endian: Endianness) -> Result<Vec<MappedFile>, &'static str> {
    const HEAD: usize = 16;
    const ENTRY: usize = 24;
    let short = "the NT_FILE note is too short for its count";
    let count = u64_at(desc, 0, endian).ok_or(short)?;
    let unit = u64_at(desc, 8, endian).ok_or(short)?;
    let entries = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(ENTRY));
    let (entries, names) = entries
        .and_then(|len| desc.get(HEAD..)?.split_at_checked(len))
        .ok_or(short)?;
    let mut names = names.split(|&b| b == 0);
    let mut files = Vec::with_capacity(entries.len() / ENTRY);
    for entry in entries.chunks_exact(ENTRY) {
        let word = |at| u64_at(entry, at, endian).ok_or(short);
        let (start, end, offset) = (word(0)?, word(8)?, word(16)?);
        let name = names.next().ok_or("the NT_FILE note has too few names")?;
        if start < end {
            files.push(MappedFile {
                start,
                end,
                offset: offset.saturating_mul(unit),
                // The kernel marks files that were deleted.
                name: path(name.strip_suffix(b" (deleted)").unwrap_or(name)),
            });
        }
    }
    Ok(files)
}

/// include/linux/elfcore.h: struct elf_prpsinfo, of a 64-bit kernel.
fn process(desc: &[u8], endian: Endianness) -> Result<ProcessInfo, &'static str> {
    const PID: usize = 24;
    const NAME: usize = 40;
    const ARGUMENTS: usize = 56;
    const END: usize = 136;
    let short = "the NT_PRPSINFO note is too short";
    let text = |from: usize, to: usize| {
        let text = desc.get(from..to)?.split(|&b| b == 0).next()?;
        Some(String::from_utf8_lossy(text).trim_end().to_owned())
    };
    Ok(ProcessInfo {
        pid: u32_at(desc, PID, endian).ok_or(short)?,
        name: text(NAME, ARGUMENTS).ok_or(short)?,
        arguments: text(ARGUMENTS, END).ok_or(short)?,
    })
}

/// A path from its bytes, as exact as the system that runs this can have it.
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}
