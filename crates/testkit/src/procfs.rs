//! What /proc tells about a process, read by the test kit's own code: threads, what they wait for,
//! mappings, and memory, to check that a program stands still without asking goheap.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::symbols::Symbols;
use crate::{Error, Result};

/// What a thread does, as far as one can tell without stopping it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadState {
    /// Its id.
    pub tid: i32,
    /// R, S, D, t, T, Z ...
    pub state: char,
    /// How often it has been switched off its processor, both ways: it grows when the thread runs.
    pub switches: u64,
    /// The system call that it is blocked in, if it is.
    pub syscall: Option<Syscall>,
}

/// A system call that a thread is blocked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// Its number.
    pub number: u64,
    /// Its first three arguments.
    pub arguments: [u64; 3],
}

/// The threads of a process, by id.
///
/// # Errors
/// If the process is gone.
pub fn threads(pid: u32) -> Result<Vec<ThreadState>> {
    let mut threads = Vec::new();
    for tid in thread_ids(pid)? {
        let folder = PathBuf::from(format!("/proc/{pid}/task/{tid}"));
        // A thread that ends meanwhile is none.
        let Ok(status) = fs::read_to_string(folder.join("status")) else {
            continue;
        };
        let field = |name: &str| {
            status
                .lines()
                .find_map(|l| l.strip_prefix(name))
                .map(str::trim)
                .unwrap_or_default()
        };
        let count = |name| field(name).parse::<u64>().unwrap_or(0);
        threads.push(ThreadState {
            tid,
            state: field("State:").chars().next().unwrap_or('?'),
            switches: count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:"),
            syscall: fs::read_to_string(folder.join("syscall"))
                .ok()
                .and_then(|s| syscall(&s)),
        });
    }
    Ok(threads)
}

/// The ids of a process's threads, ascending.
///
/// # Errors
/// If the process is gone.
pub fn thread_ids(pid: u32) -> Result<Vec<i32>> {
    let folder = PathBuf::from(format!("/proc/{pid}/task"));
    let mut ids: Vec<i32> = fs::read_dir(&folder)
        .map_err(Error::io("list", &folder))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

/// The file is `number 0xarg0 .. 0xarg5 0xsp 0xpc`, or `running`.
fn syscall(text: &str) -> Option<Syscall> {
    let mut words = text.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut argument = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    Some(Syscall {
        number,
        arguments: [argument()?, argument()?, argument()?],
    })
}

/// What must be added to an address of the executable to get where it is in the process.
///
/// # Errors
/// If the process is gone or maps no such file.
pub fn load_bias(pid: u32, executable: &Path, symbols: &Symbols) -> Result<u64> {
    let Some(linked_for) = symbols.linked_for else {
        return Ok(0);
    };
    let path = PathBuf::from(format!("/proc/{pid}/maps"));
    let maps = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let name = executable.to_string_lossy();
    let line = maps.lines().find(|l| l.ends_with(name.as_ref()));
    line.and_then(|l| u64::from_str_radix(l.split('-').next()?, 16).ok())
        .map(|start| start.wrapping_sub(linked_for))
        .ok_or(Error::Proc {
            path,
            text: format!("nothing of {name}"),
        })
}

/// The memory of a process, open for reading.
#[derive(Debug)]
pub struct ProcessMemory {
    file: File,
    path: PathBuf,
}

impl ProcessMemory {
    /// Opens it.
    ///
    /// # Errors
    /// If the process is gone, or may not be read.
    pub fn open(pid: u32) -> Result<ProcessMemory> {
        let path = PathBuf::from(format!("/proc/{pid}/mem"));
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        Ok(ProcessMemory { file, path })
    }

    /// Fills `buffer` with what is at `address`.
    ///
    /// # Errors
    /// If some of it is not mapped.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<()> {
        self.file
            .read_exact_at(buffer, address)
            .map_err(Error::io("read", &self.path))
    }
}
