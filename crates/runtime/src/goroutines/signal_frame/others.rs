//! Signal frames of other processors than amd64: a `siginfo`, and behind it a `ucontext` that tells
//! the signal stack and the registers. Where these are in it is told by Go's own definitions
//! (runtime/defs_linux_*.go, go1.19 to go1.27: `ucontext`, `sigcontext`), which are the kernel's.

use goheap_memory::{Addr, DataModel, Machine, Memory, Registers};

use super::{MOST, SignalFrame};
use crate::World;
use crate::unwind::Stack;

/// Where a `ucontext` has what, in bytes.
struct Layout {
    /// The size of the signal stack; its start comes right behind the link.
    stack_size: usize,
    /// Registers by their names in `Machine::register_names`.
    registers: Vec<(&'static str, usize)>,
    /// Bytes of a register.
    size: usize,
    /// Bytes up to the end of the last register.
    len: usize,
}

/// Names, the first at `first` and each `step` bytes behind the one before.
fn row(
    names: &[&'static str],
    first: usize,
    step: usize,
) -> impl Iterator<Item = (&'static str, usize)> {
    names
        .iter()
        .copied()
        .enumerate()
        .map(move |(i, name)| (name, first + step * i))
}

impl Layout {
    fn of(machine: Machine) -> Option<Layout> {
        let word = usize::from(machine.data_model().word);
        let names = machine.register_names();
        let general = names.get(..32).unwrap_or(names);
        let mut size = word;
        // flags, link, start of the stack, flags of it (or its size).
        let mut stack_size = 4 * word;
        let registers: Vec<(&'static str, usize)> = match machine {
            Machine::Arm64 => row(names.get(..33)?, 184, 8).collect(),
            Machine::Arm => row(names.get(..17)?, 32, 4).collect(),
            Machine::X86 => {
                const ORDER: [&str; 17] = [
                    "gs", "fs", "es", "ds", "edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax",
                    "trapno", "err", "eip", "cs", "eflags",
                ];
                let known = |(name, _): &(&str, usize)| names.contains(name);
                row(&ORDER, 20, 4).filter(known).collect()
            }
            Machine::Loong64 => {
                let era = [("era", 176)];
                row(general, 184, 8).chain(era).collect()
            }
            Machine::Mips | Machine::Mipsle => {
                size = 8;
                stack_size = 3 * word;
                row(general, 40, 8).chain([("epc", 32)]).collect()
            }
            Machine::Mips64 | Machine::Mips64le => {
                stack_size = 3 * word;
                let others = [("hi", 552), ("lo", 584), ("epc", 616)];
                row(general, 40, 8).chain(others).collect()
            }
            Machine::Ppc64 | Machine::Ppc64le => row(names, 232, 8).collect(),
            Machine::Riscv64 => row(names, 176, 8).collect(),
            Machine::S390x => row(names, 40, 8).collect(),
            _ => return None,
        };
        let last = registers.iter().map(|(_, at)| *at).max()?;
        Some(Layout {
            stack_size,
            registers,
            size,
            len: last + size,
        })
    }

    /// Whether `bytes` begin as a `ucontext` of a handler on the signal stack `stack` does.
    fn fits(&self, model: DataModel, bytes: &[u8], stack: Stack) -> bool {
        let word = usize::from(model.word);
        let at = |offset: usize| model.uint(bytes.get(offset..offset + word).unwrap_or_default());
        let len = stack.hi.since(stack.lo);
        at(word) == 0 && at(2 * word) == stack.lo.get() && len == Some(at(self.stack_size))
    }

    /// The registers, in the order of the processor.
    fn read(&self, machine: Machine, bytes: &[u8]) -> Option<Registers> {
        let model = machine.data_model();
        let register = |name: &&'static str| {
            let found = self.registers.iter().find(|(known, _)| known == name);
            let at = found.map(|(_, at)| *at);
            at.map_or(0, |at| {
                model.uint(bytes.get(at..at + self.size).unwrap_or_default())
            })
        };
        let words: Vec<u64> = machine.register_names().iter().map(register).collect();
        Registers::new(machine, &words)
    }
}

/// The frame on the signal stack `stack` of a thread whose stack pointer is `sp`; the outermost, if
/// there are several.
pub(super) fn find(world: &World<'_>, stack: Stack, sp: Addr) -> Option<SignalFrame> {
    let (machine, model) = (world.arch.machine, world.model);
    let layout = Layout::of(machine)?;
    let word = usize::from(model.word);
    let from = Addr::new(sp.get() & !(model.word_size() - 1)).max(stack.lo);
    let len = stack.hi.since(from)?.min(MOST);
    let mut bytes = vec![0; len as usize];
    world.memory.read(from, &mut bytes).ok()?;
    let last = bytes.len().checked_sub(layout.len)?;
    let place = (0..=last)
        .rev()
        .filter(|at| at.is_multiple_of(word))
        .find(|at| layout.fits(model, bytes.get(*at..).unwrap_or_default(), stack))?;
    let mut registers = layout.read(machine, bytes.get(place..)?)?;
    // The handler is about to push a call, see `super::registers`.
    if machine == Machine::X86 {
        let top = model.read_ptr(&world.memory, registers.sp);
        if top.is_ok_and(|top| top == registers.pc) {
            registers.sp = registers.sp.offset(model.word_size());
        }
    }
    Some(SignalFrame {
        at: from.offset(place as u64),
        registers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `ucontext` whose registers are what a function of their names says.
    fn context(machine: Machine, stack: Stack) -> Vec<u8> {
        let layout = Layout::of(machine).expect("a layout");
        let model = machine.data_model();
        let word = usize::from(model.word);
        let mut bytes = vec![0; layout.len];
        let mut put = |at: usize, size: usize, value: u64| {
            let raw = match model.is_little() {
                true => value.to_le_bytes()[..size].to_vec(),
                false => value.to_be_bytes()[8 - size..].to_vec(),
            };
            bytes[at..at + size].copy_from_slice(&raw);
        };
        put(2 * word, word, stack.lo.get());
        put(layout.stack_size, word, stack.hi.get() - stack.lo.get());
        for (i, (_, at)) in layout.registers.iter().enumerate() {
            put(*at, layout.size, 0x1000 + i as u64);
        }
        bytes
    }

    #[test]
    fn each_processor_has_a_frame() {
        let stack = Stack {
            lo: Addr::new(0x10000),
            hi: Addr::new(0x18000),
        };
        for machine in Machine::ALL {
            if machine == Machine::Amd64 {
                continue;
            }
            let bytes = context(machine, stack);
            let layout = Layout::of(machine).expect("a layout");
            let model = machine.data_model();
            assert!(layout.fits(model, &bytes, stack), "{machine:?}");
            let higher = Stack {
                lo: Addr::new(0x10008),
                ..stack
            };
            assert!(!layout.fits(model, &bytes, higher), "{machine:?}");
            let larger = Stack {
                hi: Addr::new(0x20000),
                ..stack
            };
            assert!(!layout.fits(model, &bytes, larger), "{machine:?}");
            let registers = layout.read(machine, &bytes).expect("registers");
            let link = machine.link_register().and_then(|name| registers.get(name));
            assert!(registers.pc.get() >= 0x1000, "{machine:?}");
            assert!(registers.sp.get() >= 0x1000, "{machine:?}");
            assert!(link.is_none_or(|link| link >= 0x1000), "{machine:?}");
        }
    }
}
