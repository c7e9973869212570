//! Memory and registers of a process at one instant, to be read while the process runs on.
//!
//! There are three ways to one ([`Method`]), and one type for what comes of it. Which one is taken is
//! told, with what was in the way of the others ([`Taken`]).

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use goheap_memory::{Addr, Fault, Machine, Mapping, Memory, Part, Target, Thread};

use crate::supervisor::Supervisor;
use crate::supervisor::protocol::Hosts;
use crate::{LiveMemory, Process, ProcessError, StopOptions, Stopped};

mod copy;
mod fork;
mod image;
mod imaged;
mod last;
mod outlook;
mod precopy;
mod room;
mod stop_copy;
mod tracked;

use imaged::Imaged;
pub use outlook::Prospect;
pub(crate) use outlook::prospects;

/// A way to take a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Copy while the process runs, see what it writes meanwhile, and stop it only for the rest
    /// (userfaultfd's write tracking, kernel 6.7).
    PreCopy,
    /// Stop it, make it fork, and read the copy, which never runs.
    Fork,
    /// Stop it and copy.
    Stop,
}

impl Method {
    /// All of them, the gentlest first.
    pub const ALL: [Method; 3] = [Method::PreCopy, Method::Fork, Method::Stop];

    /// What it is called on the command line, in JSON and in the annex.
    pub fn name(self) -> &'static str {
        match self {
            Method::PreCopy => "pre-copy",
            Method::Fork => "fork",
            Method::Stop => "stop",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A method that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The method.
    pub method: Method,
    /// What was in its way, and what to do about it, in words.
    pub why: String,
}

/// How to take a snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    /// How to stop.
    pub stop: StopOptions,
    /// The way to take; the gentlest that is open if `None`.
    pub method: Option<Method>,
    /// Where the copy of the memory is written, to a file without a name.
    pub directory: PathBuf,
    /// How many bytes the caller is going to write to the same disk, beside.
    pub beside: u64,
    /// Code in which a wait may come back early without harm: where a system call may be made in the
    /// process. Without any, [`Method::Stop`] is the only way.
    pub sites: Vec<Range<Addr>>,
}

/// What a snapshot must ask about the program.
pub trait Watch {
    /// Whether the moment at which it stands still suits.
    fn suits(&mut self, stopped: &Stopped) -> bool;

    /// Whether the running program writes little now, as far as the caller can tell. A stop waits for
    /// this a while.
    fn is_quiet(&mut self, memory: &LiveMemory) -> bool {
        let _ = memory;
        true
    }
}

/// How a snapshot was taken, and what that cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The way.
    pub method: Method,
    /// Gentler ways that were not open.
    pub passed_over: Vec<PassedOver>,
    /// Whether the moment suits ([`Watch::suits`]).
    pub settled: bool,
    /// How long the process stood still for it, from when its first thread was told to stop to when
    /// the last was let go.
    pub pause: Duration,
    /// How long in all, the tries before included.
    pub total: Duration,
    /// How often it was stopped, the last time included.
    pub tries: u32,
    /// How often it was copied, or what it had written to since, before it was stopped
    /// ([`Method::PreCopy`]; 0 for the others).
    pub rounds: u32,
    /// Bytes that were copied while it stood still.
    pub copied_in_pause: u64,
    /// Bytes that were copied in all; more than there are where it wrote meanwhile.
    pub copied: u64,
    /// Bytes of memory that it cost: for [`Method::Fork`] of pages that had to be copied for the
    /// process meanwhile (known once the snapshot was ended); for the others of the copy, on disk.
    pub extra: u64,
}

/// A process as it was at one instant.
///
/// It is a [`Target`]. Reading it does not hold the process up. What the process cannot write to, or
/// shares with others, is read from it as it is now.
#[derive(Debug)]
pub struct Snapshot {
    contents: Contents,
    machine: Machine,
    threads: Vec<Thread>,
    mappings: Vec<Mapping>,
    auxv: Vec<(u64, u64)>,
    executable: Option<PathBuf>,
    taken: Taken,
}

/// Where its memory is.
#[derive(Debug)]
enum Contents {
    /// In a file.
    Imaged(Imaged),
    /// In a copy of the process.
    Forked(fork::Forked),
}

impl Snapshot {
    /// How it was taken.
    pub fn taken(&self) -> &Taken {
        &self.taken
    }

    /// Whether some of it could not be read since the copy of the process was gone: what was made of it
    /// is worth nothing. [`end`](Snapshot::end) tells why.
    pub fn is_lost(&self) -> bool {
        match &self.contents {
            Contents::Imaged(_) => false,
            Contents::Forked(forked) => forked.is_lost(),
        }
    }

    /// Ends it: nothing is left of it in the process. Dropping it does the same, and tells nothing.
    ///
    /// # Errors
    /// The process may have been left with a trace of it.
    pub fn end(self) -> Result<Taken, ProcessError> {
        let mut taken = self.taken;
        match self.contents {
            Contents::Imaged(imaged) => imaged.end()?,
            Contents::Forked(forked) => taken.extra = forked.end()?,
        }
        Ok(taken)
    }
}

impl Memory for Snapshot {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        match &self.contents {
            Contents::Imaged(imaged) => imaged.read(at, buf),
            Contents::Forked(forked) => forked.read(at, buf),
        }
    }

    fn read_parts(&self, parts: &mut [Part<'_>]) -> Result<(), Fault> {
        match &self.contents {
            Contents::Imaged(imaged) => imaged.read_parts(parts),
            Contents::Forked(forked) => forked.read_parts(parts),
        }
    }
}

impl Target for Snapshot {
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

/// Why a method came to nothing.
enum Failed {
    /// It is not to be had here: another may be tried.
    NotOpen(String),
    /// No method will do.
    Error(ProcessError),
}

impl From<ProcessError> for Failed {
    fn from(error: ProcessError) -> Failed {
        Failed::Error(error)
    }
}

/// Takes a snapshot; see [`Process::snapshot`].
pub(crate) fn take(
    process: &Process,
    options: &SnapshotOptions,
    watch: &mut dyn Watch,
) -> Result<Snapshot, ProcessError> {
    let wanted: Vec<Method> = match options.method {
        Some(method) => vec![method],
        None => Method::ALL.to_vec(),
    };
    let mut passed_over = Vec::new();
    process.check_access()?;
    for method in wanted {
        if let Err(why) = outlook::obstacle(process, options, method) {
            passed_over.push(PassedOver { method, why });
            continue;
        }
        let taken = match method {
            Method::PreCopy => precopy::take(process, options, watch),
            Method::Fork => fork::take(process, options, watch),
            Method::Stop => stop_copy::take(process, options, watch),
        };
        match taken {
            Ok(mut snapshot) => {
                snapshot.taken.passed_over = passed_over;
                return Ok(snapshot);
            }
            Err(Failed::NotOpen(why)) => passed_over.push(PassedOver { method, why }),
            Err(Failed::Error(error)) => return Err(error),
        }
    }
    // If it is ending, that is what is in the way.
    process.check_same()?;
    Err(ProcessError::NoMethod {
        pid: process.pid(),
        name: process.name().to_owned(),
        passed_over,
    })
}

/// Where system calls may be made in the process, or why none may.
fn hosts(process: &Process, options: &SnapshotOptions) -> Result<Hosts, Failed> {
    outlook::hosts(process, options).map_err(Failed::NotOpen)
}

/// A file without a name in the directory for it.
fn unnamed(process: &Process, options: &SnapshotOptions) -> Result<File, ProcessError> {
    tempfile::tempfile_in(&options.directory).map_err(|source| ProcessError::Image {
        pid: process.pid(),
        directory: options.directory.clone(),
        source,
    })
}

/// A snapshot of what stands still now, but for its memory and what is told of it.
fn snapshot(process: &Process, stopped: &Stopped, contents: Contents, taken: Taken) -> Snapshot {
    Snapshot {
        contents,
        machine: stopped.machine(),
        threads: stopped.threads().to_vec(),
        mappings: stopped.mappings().to_vec(),
        auxv: process.auxv().to_vec(),
        executable: stopped.executable(),
        taken,
    }
}

/// Stops it at a moment that suits, held by `supervisor`.
fn stop(
    process: &Process,
    options: &SnapshotOptions,
    supervisor: Option<Supervisor>,
    watch: &mut dyn Watch,
) -> Result<Stopped, ProcessError> {
    crate::stop::stop_when(process, &options.stop, supervisor, &mut |stopped| {
        watch.suits(stopped)
    })
}
