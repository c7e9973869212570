//! A stopped program: memory, threads, mappings, executable.

use std::path::PathBuf;

use crate::{Addr, DataModel, Memory};

/// A stopped program, whatever it comes from: a live process that is held still, a core file, a
/// recording.
pub trait Target: Memory {
    /// The processor it ran on.
    fn machine(&self) -> Machine;

    /// Its threads, in the order in which the source has them.
    fn threads(&self) -> &[Thread];

    /// Its mappings, ascending and without overlap.
    fn mappings(&self) -> &[Mapping];

    /// The auxiliary vector, as pairs of type and value (`AT_ENTRY` is 9, `AT_PHDR` is 3); empty if
    /// the source has none.
    fn auxv(&self) -> &[(u64, u64)];

    /// Where the executable was, as the target saw it; it may be gone, replaced, or in another
    /// mount namespace.
    fn executable(&self) -> Option<PathBuf>;
}

/// A processor architecture that Go programs run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Machine {
    /// x86-64.
    Amd64,
}

impl Machine {
    /// Go's name for it (`GOARCH`).
    pub const fn goarch(self) -> &'static str {
        match self {
            Machine::Amd64 => "amd64",
        }
    }

    /// Its byte order and word size.
    pub const fn data_model(self) -> DataModel {
        match self {
            Machine::Amd64 => DataModel::LITTLE64,
        }
    }
}

/// A thread of a stopped program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The kernel's id of the thread, in the target's own pid namespace where the source knows it.
    pub tid: u32,
    /// Its registers at the stop.
    pub registers: Registers,
}

/// Registers of a stopped thread. The two that every walk needs have fields; all others are in
/// `general`, by the processor's own order (for amd64, that of `user_regs_struct`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers {
    /// Program counter.
    pub pc: Addr,
    /// Stack pointer.
    pub sp: Addr,
    /// All general registers, named by the processor's manual in lower case.
    pub general: Vec<(&'static str, u64)>,
}

/// A mapping of a stopped program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: Addr,
    /// First address behind it.
    pub end: Addr,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// Offset in the file that backs it, in bytes.
    pub offset: u64,
    /// The file that backs it, or the kernel's name for it (`[heap]`, `[vdso]`).
    pub name: Option<PathBuf>,
}
