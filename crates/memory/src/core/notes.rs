//! The notes of a core: threads, auxiliary vector, mapped files, process.

use std::path::PathBuf;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, Note, ProgramHeader};

use super::CoreError;
use crate::{Machine, Registers, Thread};

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
#[derive(Debug)]
pub(super) struct Notes {
    machine: Machine,
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
    /// None yet, of a core of `machine`.
    pub(super) fn new(machine: Machine) -> Notes {
        Notes {
            machine,
            threads: Vec::new(),
            auxv: Vec::new(),
            files: Vec::new(),
            process: None,
        }
    }

    /// Reads one segment of notes.
    pub(super) fn read<P>(
        &mut self,
        header: &P,
        endian: Endianness,
        bytes: &[u8],
    ) -> Result<(), CoreError>
    where
        P: ProgramHeader<Endian = Endianness>,
    {
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

    fn read_note<E>(&mut self, note: &Note<'_, E>, endian: Endianness) -> Result<(), &'static str>
    where
        E: FileHeader<Endian = Endianness>,
    {
        // Others (VMware, FreeBSD, LINUX for vector registers) use the same numbers.
        if note.name() != b"CORE" {
            return Ok(());
        }
        let desc = Desc {
            bytes: note.desc(),
            machine: self.machine,
        };
        match note.n_type(endian) {
            elf::NT_PRSTATUS => self.threads.push(desc.thread()?),
            elf::NT_AUXV => self.auxv = desc.auxv(),
            elf::NT_FILE => self.files = desc.files()?,
            elf::NT_PRPSINFO => self.process = Some(desc.process()?),
            _ => {}
        }
        Ok(())
    }
}

/// The contents of a note.
struct Desc<'d> {
    bytes: &'d [u8],
    machine: Machine,
}

impl Desc<'_> {
    fn uint(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        Some(self.machine.data_model().uint(bytes))
    }

    /// A number of 4 bytes.
    fn int(&self, at: usize) -> Option<u32> {
        Some(self.uint(at, 4)? as u32)
    }

    fn word(&self, at: usize) -> Option<u64> {
        self.uint(at, self.word_size())
    }

    fn word_size(&self) -> usize {
        usize::from(self.machine.data_model().word)
    }

    /// include/linux/elfcore.h: `struct elf_prstatus`: the signal's facts (16 bytes with padding),
    /// two words of signals, four ids of which the first is the thread's, four times of two words,
    /// the registers.
    fn thread(&self) -> Result<Thread, &'static str> {
        let short = "an NT_PRSTATUS note is too short";
        let word = self.word_size();
        let ids = 16 + 2 * word;
        let set = self.machine.register_set();
        let first = ids + 16 + 8 * word + set.skipped * word;
        let words: Option<Vec<u64>> = (0..set.names.len())
            .map(|i| self.word(first + word * i))
            .collect();
        let registers = words.and_then(|words| Registers::new(self.machine, &words));
        Ok(Thread {
            tid: self.int(ids).ok_or(short)?,
            registers: registers.ok_or(short)?,
        })
    }

    fn auxv(&self) -> Vec<(u64, u64)> {
        let word = self.word_size();
        let model = self.machine.data_model();
        let pairs = self.bytes.chunks_exact(2 * word).map(|pair| {
            let (kind, value) = pair.split_at(word);
            (model.uint(kind), model.uint(value))
        });
        pairs.take_while(|&(kind, _)| kind != 0).collect()
    }

    /// fs/binfmt_elf.c, fill_files_note: a count and a unit, for each file start, end and offset in
    /// units, then the names, each with a zero byte behind it.
    fn files(&self) -> Result<Vec<MappedFile>, &'static str> {
        let word = self.word_size();
        let (head, entry) = (2 * word, 3 * word);
        let short = "the NT_FILE note is too short for its count";
        let count = self.word(0).ok_or(short)?;
        let unit = self.word(word).ok_or(short)?;
        let entries = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(entry));
        let (entries, names) = entries
            .and_then(|len| self.bytes.get(head..)?.split_at_checked(len))
            .ok_or(short)?;
        let mut names = names.split(|&b| b == 0);
        let mut files = Vec::with_capacity(entries.len() / entry);
        for entry in entries.chunks_exact(entry) {
            let entry = Desc {
                bytes: entry,
                machine: self.machine,
            };
            let word = |index| entry.word(index * word).ok_or(short);
            let (start, end, offset) = (word(0)?, word(1)?, word(2)?);
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

    /// include/linux/elfcore.h: `struct elf_prpsinfo`: four bytes and a word of state, the user's
    /// and the group's number, four ids of which the first is the process's, 16 bytes of its name,
    /// 80 of its arguments. The two numbers have 16 bits each on some 32-bit processors, which
    /// shows in the length.
    fn process(&self) -> Result<ProcessInfo, &'static str> {
        /// Bytes from the process's id on.
        const FROM_PID: usize = 16 + 16 + 80;
        let short = "the NT_PRPSINFO note is too short";
        let pid = match (self.word_size(), self.bytes.len()) {
            (8, _) => 24,
            (_, 124) => 12,
            _ => 16,
        };
        let (name, arguments) = (pid + 16, pid + 32);
        let text = |from: usize, to: usize| {
            let text = self.bytes.get(from..to)?.split(|&b| b == 0).next()?;
            Some(String::from_utf8_lossy(text).trim_end().to_owned())
        };
        Ok(ProcessInfo {
            pid: self.int(pid).ok_or(short)?,
            name: text(name, arguments).ok_or(short)?,
            arguments: text(arguments, pid + FROM_PID).ok_or(short)?,
        })
    }
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
