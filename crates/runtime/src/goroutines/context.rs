//! Where the frames of a goroutine begin.

use goheap_memory::Thread;

use super::GoroutineState;
use super::layout::{G, M, Saved};
use crate::unwind::Stack;

/// Where the frames of a goroutine begin: a program counter and a stack pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Saved in its `g`.
    Saved(Saved),
    /// In its thread's registers.
    Registers(Saved),
}

impl Context {
    /// Whether the innermost frame stands at a call, where its stack map holds. If not, each word of
    /// it may be a pointer, and so may the thread's registers.
    pub(super) fn at_call(self) -> bool {
        matches!(self, Context::Saved(_))
    }
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

    /// Where the frames of `g` begin, `None` if nobody tells. `m` is the one that it runs on.
    pub(super) fn context(&self, state: GoroutineState, g: &G, m: &M) -> Option<Context> {
        // runtime/heapdump.go: dumpgoroutine asks this and nothing else.
        if !g.syscall.sp.is_nil() {
            return Some(Context::Saved(g.syscall));
        }
        match state {
            GoroutineState::Running | GoroutineState::Idle | GoroutineState::Unknown(_) => {
                self.of_running(g, m)
            }
            _ => Some(Context::Saved(g.sched)),
        }
    }

    /// A goroutine that left its stack saved its context, to come back: in `sched`, or in its `m`
    /// to ask the vDSO for the time (runtime/asm_amd64.s: systemstack, mcall, morestack;
    /// sys_linux_amd64.s: nanotime1). A signal handler's interruption saved nothing, and `sched` is
    /// then what some earlier system call has left there (runtime/proc.go: exitsyscall).
    ///
    /// BUG: at the last instructions of nanotime1 on the scheduler's stack, when the `m` has
    /// forgotten already, an old `sched` is believed.
    fn of_running(&self, g: &G, m: &M) -> Option<Context> {
        if let Some(registers) = self.on(g.stack) {
            return Some(Context::Registers(registers));
        }
        let on_g0 = m.g0.is_some_and(|stack| self.on(stack).is_some());
        let left = [m.vdso, on_g0.then_some(g.sched)].into_iter().flatten();
        left.filter(|at| g.stack.contains(at.sp))
            .map(Context::Saved)
            .next()
    }
}
