//! Where the frames of a goroutine begin.

use goheap_memory::Thread;

use super::GoroutineState;
use super::layout::{G, Saved};
use crate::unwind::Stack;

/// Where the frames of a goroutine begin: a program counter and a stack pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Saved in its `g`.
    Saved(Saved),
    /// In its thread's registers.
    Registers(Saved),
}

/// The stack pointers of all threads, to find the one that runs on a given stack. (An `m` knows its
/// thread by number, but a core from inside a container has other numbers.)
#[derive(Debug)]
pub(super) struct ThreadStacks {
    /// In order of `sp`.
    threads: Vec<Saved>,
}

impl ThreadStacks {
    pub(super) fn new(threads: &[Thread]) -> Self {
        let registers = threads.iter().map(|thread| &thread.registers);
        let mut threads: Vec<Saved> = registers
            .map(|registers| Saved {
                pc: registers.pc,
                sp: registers.sp,
            })
            .collect();
        threads.sort_unstable_by_key(|thread| thread.sp);
        ThreadStacks { threads }
    }

    fn on(&self, stack: Stack) -> Option<Saved> {
        let first = self.threads.partition_point(|thread| thread.sp < stack.lo);
        self.threads
            .get(first)
            .copied()
            .filter(|thread| stack.contains(thread.sp))
    }

    /// Where the frames of `g` begin, `None` if nobody tells.
    pub(super) fn context(&self, state: GoroutineState, g: &G) -> Option<Context> {
        // runtime/heapdump.go: dumpgoroutine asks this and nothing else.
        if !g.syscall.sp.is_nil() {
            return Some(Context::Saved(g.syscall));
        }
        let saved = Some(g.sched).filter(|sched| !sched.sp.is_nil());
        match state {
            // gogo and systemstack clear sched.sp when they leave the saved context
            // (runtime/asm_amd64.s).
            GoroutineState::Running | GoroutineState::Idle | GoroutineState::Unknown(_) => {
                self.on(g.stack).map(Context::Registers).or(saved
                    .filter(|sched| g.stack.contains(sched.sp))
                    .map(Context::Saved))
            }
            _ => Some(Context::Saved(g.sched)),
        }
    }
}
