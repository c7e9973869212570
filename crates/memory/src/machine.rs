//! Processors that Go programs run on, and the registers that a stopped thread has on each.

use std::fmt;

use crate::{Addr, DataModel};

/// A processor architecture that Go programs run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Machine {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM.
    Arm,
    /// 32-bit x86 (`386`).
    X86,
    /// LoongArch, 64 bits.
    Loong64,
    /// MIPS, 32 bits, big-endian.
    Mips,
    /// MIPS, 32 bits, little-endian.
    Mipsle,
    /// MIPS, 64 bits, big-endian.
    Mips64,
    /// MIPS, 64 bits, little-endian.
    Mips64le,
    /// POWER, 64 bits, big-endian.
    Ppc64,
    /// POWER, 64 bits, little-endian.
    Ppc64le,
    /// RISC-V, 64 bits.
    Riscv64,
    /// z/Architecture.
    S390x,
}

/// Numbers of processors in ELF headers (elf.h: `EM_386` and so on).
mod em {
    pub(super) const X86: u16 = 3;
    pub(super) const MIPS: u16 = 8;
    pub(super) const PPC: u16 = 20;
    pub(super) const PPC64: u16 = 21;
    pub(super) const S390: u16 = 22;
    pub(super) const ARM: u16 = 40;
    pub(super) const SPARC64: u16 = 43;
    pub(super) const X86_64: u16 = 62;
    pub(super) const ARM64: u16 = 183;
    pub(super) const RISCV: u16 = 243;
    pub(super) const LOONGARCH: u16 = 258;
}

impl Machine {
    /// All of them.
    pub const ALL: [Machine; 13] = [
        Machine::Amd64,
        Machine::Arm64,
        Machine::Arm,
        Machine::X86,
        Machine::Loong64,
        Machine::Mips,
        Machine::Mipsle,
        Machine::Mips64,
        Machine::Mips64le,
        Machine::Ppc64,
        Machine::Ppc64le,
        Machine::Riscv64,
        Machine::S390x,
    ];

    /// Go's name for it (`GOARCH`).
    pub const fn goarch(self) -> &'static str {
        match self {
            Machine::Amd64 => "amd64",
            Machine::Arm64 => "arm64",
            Machine::Arm => "arm",
            Machine::X86 => "386",
            Machine::Loong64 => "loong64",
            Machine::Mips => "mips",
            Machine::Mipsle => "mipsle",
            Machine::Mips64 => "mips64",
            Machine::Mips64le => "mips64le",
            Machine::Ppc64 => "ppc64",
            Machine::Ppc64le => "ppc64le",
            Machine::Riscv64 => "riscv64",
            Machine::S390x => "s390x",
        }
    }

    /// The processor that Go calls `goarch`.
    pub fn from_goarch(goarch: &str) -> Option<Machine> {
        Machine::ALL
            .into_iter()
            .find(|machine| machine.goarch() == goarch)
    }

    /// The processor of an ELF file: from its `e_machine`, and its class and byte order.
    ///
    /// # Errors
    /// For a processor that is not known.
    pub const fn from_elf(e_machine: u16, model: DataModel) -> Result<Machine, UnknownMachine> {
        let little = model.is_little();
        Ok(match (e_machine, model.word, little) {
            (em::X86_64, 8, true) => Machine::Amd64,
            (em::ARM64, 8, true) => Machine::Arm64,
            (em::ARM, 4, true) => Machine::Arm,
            (em::X86, 4, true) => Machine::X86,
            (em::LOONGARCH, 8, true) => Machine::Loong64,
            (em::MIPS, 4, false) => Machine::Mips,
            (em::MIPS, 4, true) => Machine::Mipsle,
            (em::MIPS, 8, false) => Machine::Mips64,
            (em::MIPS, 8, true) => Machine::Mips64le,
            (em::PPC64, 8, false) => Machine::Ppc64,
            (em::PPC64, 8, true) => Machine::Ppc64le,
            (em::RISCV, 8, true) => Machine::Riscv64,
            (em::S390, 8, false) => Machine::S390x,
            _ => {
                return Err(UnknownMachine {
                    e_machine,
                    bits: 8 * model.word as u16,
                });
            }
        })
    }

    /// Its byte order and word size.
    pub const fn data_model(self) -> DataModel {
        match self {
            Machine::Amd64
            | Machine::Arm64
            | Machine::Loong64
            | Machine::Mips64le
            | Machine::Ppc64le
            | Machine::Riscv64 => DataModel::LITTLE64,
            Machine::Arm | Machine::X86 | Machine::Mipsle => DataModel::LITTLE32,
            Machine::Mips64 | Machine::Ppc64 | Machine::S390x => DataModel::BIG64,
            Machine::Mips => DataModel::BIG32,
        }
    }

    /// The registers that a thread has, by their names in [`Registers::general`], in its order.
    pub const fn register_names(self) -> &'static [&'static str] {
        self.register_set().names
    }

    /// The name of the register that a call leaves its return address in; `None` where it pushes
    /// that instead.
    pub const fn link_register(self) -> Option<&'static str> {
        match self {
            Machine::Amd64 | Machine::X86 => None,
            Machine::Arm64 => Some("x30"),
            Machine::Arm => Some("lr"),
            Machine::Loong64 => Some("r1"),
            Machine::Mips | Machine::Mipsle | Machine::Mips64 | Machine::Mips64le => Some("r31"),
            Machine::Ppc64 | Machine::Ppc64le => Some("link"),
            Machine::Riscv64 => Some("ra"),
            Machine::S390x => Some("r14"),
        }
    }

    pub(crate) const fn register_set(self) -> RegisterSet {
        match self {
            Machine::Amd64 => AMD64,
            Machine::Arm64 => ARM64,
            Machine::Arm => ARM,
            Machine::X86 => X86,
            Machine::Loong64 => LOONG64,
            Machine::Mips | Machine::Mipsle => MIPS,
            Machine::Mips64 | Machine::Mips64le => MIPS64,
            Machine::Ppc64 | Machine::Ppc64le => PPC64,
            Machine::Riscv64 => RISCV64,
            Machine::S390x => S390X,
        }
    }
}

/// A processor that is not known; its text is a name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownMachine {
    /// The number that ELF has for it.
    pub e_machine: u16,
    /// 32 or 64, by the file's class.
    pub bits: u16,
}

impl fmt::Display for UnknownMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.e_machine {
            em::X86 => "386",
            em::MIPS => "mips",
            em::PPC => "ppc",
            em::PPC64 => "ppc64",
            em::S390 => "s390",
            em::ARM => "arm",
            em::SPARC64 => "sparc64",
            em::X86_64 => "x86-64",
            em::ARM64 => "arm64",
            em::RISCV => "riscv",
            em::LOONGARCH => "loongarch",
            other => return write!(f, "an unknown processor (ELF machine {other})"),
        };
        write!(f, "{name} ({} bits)", self.bits)
    }
}

/// Registers of a stopped thread. The two that every walk needs have fields; all others are in
/// `general`, by the processor's own order: that of the kernel's `elf_gregset_t`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers {
    /// Program counter.
    pub pc: Addr,
    /// Stack pointer.
    pub sp: Addr,
    /// All general registers, named by the processor's manual in lower case.
    pub general: Vec<(&'static str, u64)>,
}

impl Registers {
    /// The registers of an amd64 thread, from the words of a `user_regs_struct`.
    pub fn amd64(words: &[u64; 27]) -> Registers {
        Registers::of(AMD64, words)
    }

    /// The registers of a thread on `machine`, from their values in the order of
    /// [`Machine::register_names`]; `None` if there are fewer.
    pub fn new(machine: Machine, words: &[u64]) -> Option<Registers> {
        let set = machine.register_set();
        (words.len() >= set.names.len()).then(|| Registers::of(set, words))
    }

    fn of(set: RegisterSet, words: &[u64]) -> Registers {
        let at = |index: usize| Addr::new(words.get(index).copied().unwrap_or(0));
        Registers {
            pc: at(set.pc),
            sp: at(set.sp),
            general: set
                .names
                .iter()
                .copied()
                .zip(words.iter().copied())
                .collect(),
        }
    }

    /// A register by its name in [`general`](Registers::general).
    pub fn get(&self, name: &str) -> Option<u64> {
        let (_, value) = self.general.iter().find(|(known, _)| *known == name)?;
        Some(*value)
    }
}

/// The registers of a thread as the kernel writes them into an `NT_PRSTATUS` note
/// (`elf_gregset_t`): words, one behind the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RegisterSet {
    /// Words in front of the first register.
    pub(crate) skipped: usize,
    /// The registers; what may come behind them is none of a program's.
    pub(crate) names: &'static [&'static str],
    /// Which of them is the program counter.
    pc: usize,
    /// Which of them is the stack pointer.
    sp: usize,
}

/// arch/x86/include/asm/user_64.h: `user_regs_struct`, which ptrace gives as well.
const AMD64: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
        "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds",
        "es", "fs", "gs",
    ],
    pc: 16,
    sp: 19,
};

/// arch/x86/include/asm/user_32.h: `user_regs_struct`.
const X86: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "ds", "es", "fs", "gs", "orig_eax", "eip",
        "cs", "eflags", "esp", "ss",
    ],
    pc: 12,
    sp: 15,
};

/// arch/arm64/include/uapi/asm/ptrace.h: `user_pt_regs`.
const ARM64: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
        "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
        "x27", "x28", "x29", "x30", "sp", "pc", "pstate",
    ],
    pc: 32,
    sp: 31,
};

/// arch/arm/include/uapi/asm/ptrace.h: `pt_regs`.
const ARM: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "sp",
        "lr", "pc", "cpsr", "orig_r0",
    ],
    pc: 15,
    sp: 13,
};

/// arch/loongarch/include/uapi/asm/ptrace.h: `user_pt_regs`.
const LOONG64: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26",
        "r27", "r28", "r29", "r30", "r31", "orig_a0", "era", "badv",
    ],
    pc: 33,
    sp: 3,
};

/// arch/mips/include/uapi/asm/reg.h: `MIPS32_EF_R0` and those behind it.
const MIPS: RegisterSet = RegisterSet {
    skipped: 6,
    ..MIPS64
};

/// arch/mips/include/uapi/asm/reg.h: `MIPS64_EF_R0` and those behind it.
const MIPS64: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26",
        "r27", "r28", "r29", "r30", "r31", "lo", "hi", "epc", "badvaddr", "status", "cause",
    ],
    pc: 34,
    sp: 29,
};

/// arch/powerpc/include/uapi/asm/ptrace.h: `pt_regs`.
const PPC64: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26",
        "r27", "r28", "r29", "r30", "r31", "nip", "msr", "orig_r3", "ctr", "link", "xer", "ccr",
    ],
    pc: 32,
    sp: 1,
};

/// arch/riscv/include/uapi/asm/ptrace.h: `user_regs_struct`.
const RISCV64: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
        "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
        "t5", "t6",
    ],
    pc: 0,
    sp: 2,
};

/// arch/s390/include/uapi/asm/ptrace.h: `s390_regs`.
const S390X: RegisterSet = RegisterSet {
    skipped: 0,
    names: &[
        "psw_mask", "psw_addr", "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10",
        "r11", "r12", "r13", "r14", "r15",
    ],
    pc: 1,
    sp: 17,
};
