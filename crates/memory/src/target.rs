//! A stopped program: memory, threads, mappings, executable.

use std::path::PathBuf;

use crate::{Addr, Machine, Memory, Registers};

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

/// Makes a target of what has one inside: all but its memory is the inner one's.
macro_rules! target_through {
    ([$($generics:tt)*] $outer:ty, |$this:ident| $inner:expr) => {
        impl<$($generics)*> $crate::Target for $outer {
            fn machine(&self) -> $crate::Machine {
                let $this = self;
                $inner.machine()
            }

            fn threads(&self) -> &[$crate::Thread] {
                let $this = self;
                $inner.threads()
            }

            fn mappings(&self) -> &[$crate::Mapping] {
                let $this = self;
                $inner.mappings()
            }

            fn auxv(&self) -> &[(u64, u64)] {
                let $this = self;
                $inner.auxv()
            }

            fn executable(&self) -> Option<std::path::PathBuf> {
                let $this = self;
                $inner.executable()
            }
        }
    };
}
pub(crate) use target_through;

target_through!([T: Target + ?Sized] &T, |this| **this);
target_through!([T: Target + ?Sized] Box<T>, |this| **this);

/// A thread of a stopped program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The kernel's id of the thread, in the target's own pid namespace where the source knows it.
    pub tid: u32,
    /// Its registers at the stop.
    pub registers: Registers,
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
