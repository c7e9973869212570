//! What a signal handler interrupted: the kernel's frame on the signal stack.
//!
//! On amd64 the kernel puts a `struct rt_sigframe` (arch/x86/include/asm/sigframe.h) on the signal stack and
//! lets the handler begin there: the address that the handler returns to, a `ucontext` with the
//! registers of the interrupted code, and a `siginfo`. Go's handler runs on the stack of `m.gsignal`
//! and leaves that frame where it is (runtime/sys_linux_amd64.s: `sigtramp`).

use goheap_memory::{Addr, Machine, Memory, Registers};

use crate::World;
use crate::unwind::Stack;

mod others;

/// Words of the frame up to `fpstate`: the return address, `uc_flags`, `uc_link`, three of
/// `uc_stack`, and the first 24 of `uc_mcontext`.
const WORDS: usize = 6 + 24;

/// First of `uc_mcontext`.
const MCONTEXT: usize = 6;

/// The registers that `uc_mcontext` begins with (runtime/defs_linux_amd64.go: `sigcontext`).
const NAMES: [&str; 17] = [
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
    "rcx", "rsp", "rip",
];

/// Code segment of 64-bit programs (Linux, arch/x86/include/asm/segment.h: `__USER_CS`).
const USER_CS: u64 = 0x33;

/// All bits of `uc_flags` (arch/x86/include/uapi/asm/ucontext.h).
const UC_FLAGS: u64 = 7;

/// The most of a signal stack that is looked through. Go's have 32 KiB, those of C libraries 8 KiB
/// and more where the processor has large registers.
const MOST: u64 = 1 << 20;

/// A frame that the kernel made for a handler.
#[derive(Debug)]
pub(super) struct SignalFrame {
    /// Where it is: the handler's own frames are below.
    pub(super) at: Addr,
    /// The registers of what was interrupted.
    pub(super) registers: Registers,
}

impl SignalFrame {
    /// The frame on the signal stack `stack` of a thread whose stack pointer is `sp`. If there are
    /// several, a handler was interrupted too, and the outermost tells what the program did.
    pub(super) fn find(world: &World<'_>, stack: Stack, sp: Addr) -> Option<SignalFrame> {
        if world.arch.machine != Machine::Amd64 {
            return others::find(world, stack, sp);
        }
        let word = world.model.word_size();
        // While the handler returns the return address has been taken off already.
        let from = sp.before(word).max(stack.lo);
        let len = stack.hi.since(from)?.min(MOST);
        let mut bytes = vec![0; len as usize];
        world.memory.read(from, &mut bytes).ok()?;
        let words: Vec<u64> = bytes
            .chunks_exact(word as usize)
            .map(|word| world.model.uint(word))
            .collect();
        (0..words.len())
            .rev()
            .filter_map(|i| Some((i, words.get(i..i + WORDS)?)))
            .map(|(i, words)| (from.offset(i as u64 * word), words))
            .find(|(at, words)| is_frame(*at, words, stack))
            .map(|(at, words)| SignalFrame {
                at,
                registers: registers(world, &words[MCONTEXT..]),
            })
    }
}

/// Whether `words`, which lie at `at`, begin a frame on the signal stack `stack`.
fn is_frame(at: Addr, words: &[u64], stack: Stack) -> bool {
    let [_, flags, link, base, ss_flags, size, mcontext @ ..] = words else {
        return false;
    };
    let (Some(segments), Some(fpstate)) = (mcontext.get(18), mcontext.get(23)) else {
        return false;
    };
    // A handler is entered as if it had been called: 8 bytes off the alignment of 16.
    at.get() % 16 == 8
        && flags & !UC_FLAGS == 0
        && *link == 0
        && *base == stack.lo.get()
        && ss_flags & 0xffff_ffff == 0
        && stack.hi.since(stack.lo) == Some(*size)
        && segments & 0xffff == USER_CS
        // The other registers are above the frame.
        && (*fpstate == 0 || at.get() < *fpstate && *fpstate < stack.hi.get())
}

/// The registers of a `sigcontext`. Where the handler is just about to push a call of
/// `asyncPreempt` (runtime/signal_amd64.go: `sigctxt.pushCall`), the stack pointer is moved and the
/// program counter is not yet: then it is moved back.
fn registers(world: &World<'_>, words: &[u64]) -> Registers {
    let mut general: Vec<(&'static str, u64)> =
        NAMES.into_iter().zip(words.iter().copied()).collect();
    let (sp, pc) = (Addr::new(words[15]), Addr::new(words[16]));
    let pushed = world
        .model
        .read_ptr(&world.memory, sp)
        .is_ok_and(|top| top == pc);
    let sp = match pushed {
        true => sp.offset(world.model.word_size()),
        false => sp,
    };
    for (name, value) in &mut general {
        if *name == "rsp" {
            *value = sp.get();
        }
    }
    Registers { pc, sp, general }
}

#[cfg(test)]
mod tests;
