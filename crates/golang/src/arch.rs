//! What Go does differently on different processors.

use goheap_memory::{DataModel, Machine};

/// How Go's compiler and runtime use a processor (on Linux).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arch {
    /// The processor.
    pub machine: Machine,
    /// Its byte order and word size.
    pub model: DataModel,
    /// What the runtime takes off an address before it divides the address space into arenas
    /// (runtime/malloc.go, go1.19 to go1.27: `arenaBaseOffset`).
    pub arena_base_offset: u64,
    /// Bits of an address in the heap (runtime/malloc.go, go1.19 to go1.27: `heapAddrBits`).
    pub heap_address_bits: u32,
    /// Bytes at the bottom of each frame that belong to its callee: on processors with a link
    /// register that is saved there. 0 where a call pushes its return address
    /// (internal/goarch/goarch_*.go, go1.19 to go1.27: `_MinFrameSize`).
    pub min_frame_size: u64,
    /// What stack pointers are a multiple of (same places: `_StackAlign`).
    pub stack_align: u64,
    /// Functions with a frame save their caller's frame pointer just above their variables
    /// (runtime/runtime2.go, go1.19 to go1.27: `framepointer_enabled`).
    pub frame_pointers: bool,
    /// The register that the goroutine is in while Go code runs; `None` where it is only in
    /// thread-local storage (cmd/internal/obj/*/a.out.go, go1.19 to go1.27: `REGG`, `REG_R14` on
    /// amd64).
    pub goroutine_register: Option<&'static str>,
    /// Bytes of a line of the cache, as far as structs are aligned to it (internal/cpu/cpu_*.go,
    /// go1.19 to go1.27: `CacheLinePadSize`).
    pub cache_line: u64,
    /// Bits of an address in a tagged pointer are sign-extended (runtime/tagptr_64bit.go).
    pub signed_addresses: bool,
}

impl Arch {
    /// How Go uses `machine`.
    pub const fn of(machine: Machine) -> Arch {
        let model = machine.data_model();
        // What most have.
        let arch = Arch {
            machine,
            model,
            arena_base_offset: 0,
            heap_address_bits: match model.word {
                4 => 32,
                _ => 48,
            },
            min_frame_size: model.word_size(),
            stack_align: model.word_size(),
            frame_pointers: false,
            goroutine_register: None,
            cache_line: 64,
            signed_addresses: false,
        };
        match machine {
            Machine::Amd64 => Arch {
                arena_base_offset: 0xffff_8000_0000_0000,
                min_frame_size: 0,
                frame_pointers: true,
                goroutine_register: Some("r14"),
                signed_addresses: true,
                ..arch
            },
            Machine::X86 => Arch {
                min_frame_size: 0,
                ..arch
            },
            Machine::Arm64 => Arch {
                stack_align: 16,
                frame_pointers: true,
                goroutine_register: Some("x28"),
                cache_line: 128,
                ..arch
            },
            Machine::Arm => Arch {
                goroutine_register: Some("r10"),
                cache_line: 32,
                ..arch
            },
            Machine::Loong64 => Arch {
                goroutine_register: Some("r22"),
                ..arch
            },
            Machine::Mips | Machine::Mipsle => Arch {
                heap_address_bits: 31,
                goroutine_register: Some("r30"),
                cache_line: 32,
                ..arch
            },
            Machine::Mips64 | Machine::Mips64le => Arch {
                goroutine_register: Some("r30"),
                cache_line: 32,
                ..arch
            },
            Machine::Ppc64 | Machine::Ppc64le => Arch {
                min_frame_size: 32,
                stack_align: 16,
                goroutine_register: Some("r30"),
                cache_line: 128,
                ..arch
            },
            Machine::Riscv64 => Arch {
                goroutine_register: Some("s11"),
                ..arch
            },
            Machine::S390x => Arch {
                goroutine_register: Some("r13"),
                cache_line: 256,
                ..arch
            },
            // Machine is open for more; those are not known here.
            _ => arch,
        }
    }

    /// Whether a call leaves its return address in a register, and does not push it
    /// (runtime/traceback.go, go1.19 to go1.27: `usesLR`).
    pub const fn uses_link_register(&self) -> bool {
        self.min_frame_size > 0
    }

    /// Whether the vector registers of a goroutine that was stopped between two instructions are kept
    /// beside its stack, in the versions that do so (runtime/preempt_xreg.go, go1.27).
    pub const fn keeps_extended_registers(&self) -> bool {
        matches!(
            self.machine,
            Machine::Amd64 | Machine::Arm64 | Machine::Loong64
        )
    }

    /// Bytes of a word.
    pub const fn word_size(&self) -> u64 {
        self.model.word_size()
    }

    /// Bytes that a call pushes: its return address, or nothing.
    pub const fn pushed_by_call(&self) -> u64 {
        match self.uses_link_register() {
            true => 0,
            false => self.word_size(),
        }
    }

    /// Bytes that a signal handler puts on the stack under the frame of a call that it injects,
    /// where the link register is saved (runtime/signal_*.go: `sigctxt.pushCall`;
    /// runtime/traceback.go: `unwinder.next`); 0 without a link register.
    pub const fn injected_frame(&self) -> u64 {
        self.min_frame_size.next_multiple_of(self.stack_align)
    }

    /// Bytes from the topmost frame to the end of a goroutine's stack (runtime/proc.go, go1.19 to
    /// go1.27: `newproc1`).
    pub const fn above_top(&self) -> u64 {
        (4 * self.word_size() + self.min_frame_size).next_multiple_of(self.stack_align)
    }

    /// A frame has variables if it has more bytes than this (runtime/stkframe.go, go1.21:
    /// `getStackMap`; runtime/stack.go in go1.19).
    pub const fn empty_frame(&self) -> u64 {
        match self.machine {
            Machine::Arm64 => self.stack_align,
            _ => self.min_frame_size,
        }
    }

    /// The registers that may hold pointers. The stack pointer leads to no object, nor does the
    /// program counter.
    pub fn pointer_registers(&self) -> impl Iterator<Item = &'static str> + use<> {
        /// Those that hold none, on whatever processor; `sp` and its like by number are told apart
        /// below.
        const NONE: [&str; 31] = [
            "badv", "badvaddr", "ccr", "cpsr", "cs", "ds", "eflags", "eip", "epc", "era", "es",
            "esp", "fs", "fs_base", "gs", "gs_base", "msr", "nip", "orig_a0", "orig_eax",
            "orig_r0", "orig_r3", "orig_rax", "pc", "pstate", "psw_addr", "psw_mask", "rip", "rsp",
            "sp", "ss",
        ];
        /// In the order in which they have always been told.
        const AMD64: [&str; 15] = [
            "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12",
            "r13", "r14", "r15",
        ];
        let sp = match self.machine {
            Machine::Loong64 => "r3",
            Machine::Mips | Machine::Mipsle | Machine::Mips64 | Machine::Mips64le => "r29",
            Machine::Ppc64 | Machine::Ppc64le => "r1",
            Machine::S390x => "r15",
            _ => "",
        };
        let names: &'static [&'static str] = match self.machine {
            Machine::Amd64 => const { &AMD64 },
            machine => machine.register_names(),
        };
        names
            .iter()
            .copied()
            .filter(move |name| *name != sp && !NONE.contains(name))
    }
}
