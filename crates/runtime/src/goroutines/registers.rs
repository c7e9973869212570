//! What the threads' registers hold: a pointer may be nowhere else.
//!
//! Only general registers are looked at. The compiler moves data through vector registers, pointers
//! among it, but what it moves is still where it came from; the collector relies on that
//! (runtime/preempt_xreg.go, go1.26: what is in them counts as scalar). The one exception is
//! `memmove` of overlapping memory, whose source is overwritten while it is in registers alone:
//! that moment is a gap.

use std::cell::Cell;

use goheap_format::annex::{Note, Register};
use goheap_format::{OtherRoot, Record};
use goheap_golang::Arch;
use goheap_memory::{Addr, Machine, Registers};

use super::heap_words::HeapWords;
use super::machine::M;
use super::threads::ThreadState;
use crate::gap::Gaps;
use crate::stack::Sites;
use crate::{Sink, WalkError};

/// Bytes that `memmove` holds in registers at once (runtime/memmove_amd64.s: `move_129through256`,
/// and four vectors of 32 or 64 bytes in its loops).
const MOVED: u64 = 256;

/// What is known of a thread, for those who look at its registers and stacks.
pub(super) struct Owner<'a> {
    pub(super) thread: &'a ThreadState,
    /// The goroutine whose code it ran: address and id.
    pub(super) g: Option<(Addr, u64)>,
    /// Whether what it holds may be the only pointer to something.
    pub(super) busy: bool,
    /// Bytes of threads' stacks that are still looked through.
    pub(super) room: &'a Cell<u64>,
}

/// Writes the notes of all registers of a thread.
pub(super) fn note(arch: &Arch, owner: &Owner<'_>, sink: &mut dyn Sink) -> Result<(), WalkError> {
    let pointers: Vec<&str> = arch.pointer_registers().collect();
    let registers = &owner.thread.registers;
    let places = [registers.pc.get(), registers.sp.get()];
    for (name, value) in &registers.general {
        if pointers.contains(name) || is_place(name) && places.contains(value) {
            sink.note(&Note::Register(Register {
                thread: u64::from(owner.thread.tid),
                g: owner.g.map_or(0, |(g, _)| g.get()),
                name: name.as_bytes(),
                value: *value,
            }))?;
        }
    }
    Ok(())
}

/// Whether a register is the program counter or the stack pointer of some processor.
fn is_place(name: &str) -> bool {
    const PLACES: [&str; 14] = [
        "rip", "rsp", "eip", "esp", "pc", "sp", "era", "r3", "epc", "r29", "nip", "r1", "psw_addr",
        "r15",
    ];
    PLACES.contains(&name)
}

/// Writes a root for each register of a busy thread that leads to an object.
pub(super) fn write_roots(
    arch: &Arch,
    owner: &Owner<'_>,
    heap: &HeapWords<'_, '_>,
    sink: &mut dyn Sink,
) -> Result<u64, WalkError> {
    let thread = owner.thread;
    let goroutine = match owner.g {
        Some((_, id)) => format!(" (goroutine {id})"),
        None => String::new(),
    };
    let mut count = roots(arch, thread.tid, thread.code(), &goroutine, heap, sink)?;
    if thread.interrupted.is_some() {
        count += roots(
            arch,
            thread.tid,
            &thread.registers,
            " (signal handler)",
            heap,
            sink,
        )?;
    }
    Ok(count)
}

fn roots(
    arch: &Arch,
    tid: u32,
    registers: &Registers,
    whose: &str,
    heap: &HeapWords<'_, '_>,
    sink: &mut dyn Sink,
) -> Result<u64, WalkError> {
    let mut count = 0;
    for name in arch.pointer_registers() {
        let Some(value) = registers.get(name) else {
            continue;
        };
        if heap.object(value).is_some() {
            let description = format!("register {name} of thread {tid}{whose}");
            sink.record(&Record::OtherRoot(OtherRoot {
                description: description.as_bytes(),
                target: value,
            }))?;
            count += 1;
        }
    }
    Ok(count)
}

/// Adds a gap if the thread is in the middle of a move of overlapping memory.
pub(super) fn check_move(
    arch: &Arch,
    owner: &Owner<'_>,
    sites: &Sites<'_>,
    heap: &HeapWords<'_, '_>,
    gaps: &mut Gaps,
) {
    let code = owner.thread.code();
    let Some(b"runtime.memmove") = sites.own_name(code.pc) else {
        return;
    };
    if arch.machine != Machine::Amd64 {
        let why = format_args!(
            "thread {} moves memory, and it is not known whether a part of that is in vector registers alone",
            owner.thread.tid
        );
        gaps.add("pointers in vector registers", code.pc, why);
        return;
    }
    let (Some(to), Some(from)) = (code.get("rdi"), code.get("rsi")) else {
        return;
    };
    let object = heap.object(to);
    if to != from && to.abs_diff(from) < MOVED && object.is_some() && object == heap.object(from) {
        let why = format_args!(
            "thread {} moves overlapping memory, and a part of it may be in vector registers alone",
            owner.thread.tid
        );
        gaps.add("pointers in vector registers", Addr::new(to), why);
    }
}

/// Whether a thread may hold the only pointer to something: it has a processor or is inside of the
/// runtime, and is not in a system call or in C, whose arguments the goroutine's frames hold
/// (runtime/proc.go: `entersyscall`; from go1.26 on the processor stays with the `m` meanwhile).
pub(super) fn is_busy(m: &M, in_system_call: bool) -> bool {
    m.locks != 0 || !m.p.is_nil() && !in_system_call
}
