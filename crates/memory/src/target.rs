//! A stopped program: memory, threads, mappings, executable.

use std::fmt;
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

    /// The processor of an ELF file, from its `e_machine`.
    ///
    /// # Errors
    /// For a processor that is not supported (yet).
    pub const fn from_elf(e_machine: u16) -> Result<Machine, UnknownMachine> {
        match e_machine {
            62 => Ok(Machine::Amd64),
            _ => Err(UnknownMachine { e_machine }),
        }
    }

    /// Its byte order and word size.
    pub const fn data_model(self) -> DataModel {
        match self {
            Machine::Amd64 => DataModel::LITTLE64,
        }
    }
}

/// A processor that is not supported (yet); its text is a name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownMachine {
    /// The number that ELF has for it.
    pub e_machine: u16,
}

impl fmt::Display for UnknownMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The processors that Go can be built for (or could), by the numbers of the ELF registry.
        let name = match self.e_machine {
            3 => "386",
            8 => "mips",
            20 => "ppc",
            21 => "ppc64",
            22 => "s390x",
            40 => "arm",
            43 => "sparc64",
            183 => "arm64",
            243 => "riscv",
            258 => "loong64",
            other => return write!(f, "an unknown processor (ELF machine {other})"),
        };
        f.write_str(name)
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

/// The general registers of amd64, in the order of the kernel's `user_regs_struct`, which both
/// ptrace and the `NT_PRSTATUS` note of a core use.
const AMD64: [&str; 27] = [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
    "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs",
    "gs",
];

impl Registers {
    /// The registers of an amd64 thread, from the words of a `user_regs_struct`.
    pub fn amd64(words: &[u64; 27]) -> Registers {
        let [.., rip, _cs, _eflags, rsp, _, _, _, _, _, _, _] = *words;
        Registers {
            pc: Addr::new(rip),
            sp: Addr::new(rsp),
            general: AMD64.into_iter().zip(words.iter().copied()).collect(),
        }
    }

    /// A register by its name in [`general`](Registers::general).
    pub fn get(&self, name: &str) -> Option<u64> {
        let (_, value) = self.general.iter().find(|(known, _)| *known == name)?;
        Some(*value)
    }
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
