//! The frames of a stopped goroutine's stack, innermost first.
//!
//! The same walk as the runtime's own for a precise traceback, that is with no flags set:
//! `unwinder` (runtime/traceback.go, go1.21 and later), `gentraceback` with a callback (go1.19).
//! What those two do differently shows only where they throw.
//!
//! It knows nothing of processes: memory comes in as a [`Memory`], functions as a [`Code`], so that
//! a test unwinds an array of words.
//!
//! On processors with a link register a function saves it at the bottom of its frame, and only if it
//! has one: the return address of the innermost frame may be in the register alone.

use std::rc::Rc;

use goheap_golang::Arch;
use goheap_image::pclntab::PclntabError;
use goheap_memory::{Addr, Fault, Machine, Memory};

/// The most frames that are believed of one stack: as many as the runtime's default limit for a
/// stack (runtime/proc.go: `maxstacksize`, 1 GB) has room for.
const MOST_FRAMES: u64 = (1 << 30) / 8;

/// What the unwinder must know of a function at one program counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Where the function begins.
    pub(crate) entry: Addr,
    /// How far the stack pointer lies below its value at the entry; `None` for functions without
    /// such a table (C code that Go's linker took in).
    pub(crate) sp_delta: Option<u64>,
    /// The stack ends here.
    pub(crate) top_frame: bool,
    /// It writes the stack pointer in ways that the table does not tell, and is not one of those
    /// that are known to be safe all the same.
    pub(crate) sp_write: bool,
    /// It is `runtime.sigpanic`: its caller did not call it, but was trapped.
    pub(crate) sigpanic: bool,
    /// A signal handler pretended that it was called (runtime/traceback.go: `isInjectedCall`).
    pub(crate) injected: bool,
    /// Where the function goes on after a recovered panic; `None` if it defers nothing.
    pub(crate) deferreturn: Option<Addr>,
}

/// Functions by program counter.
pub(crate) trait Code {
    /// What else the caller wants to know of a function.
    type Site: AsRef<Step>;

    /// The function at `pc`; `None` outside of Go code.
    fn site(&self, pc: Addr) -> Result<Option<Rc<Self::Site>>, UnwindError>;
}

/// A place in code, the stack pointer there, and the link register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) pc: Addr,
    pub(crate) sp: Addr,
    /// Where the function returns to, if it has no frame; nil if the stack tells, and on processors
    /// without such a register.
    pub(crate) lr: Addr,
}

impl Saved {
    /// Where the stack tells the return address.
    pub(crate) fn on_stack(pc: Addr, sp: Addr) -> Saved {
        Saved {
            pc,
            sp,
            lr: Addr::NIL,
        }
    }
}

/// Bounds of a stack (runtime/runtime2.go: `stack`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stack {
    /// Lowest address.
    pub(crate) lo: Addr,
    /// First address above it.
    pub(crate) hi: Addr,
}

impl Stack {
    pub(crate) fn contains(&self, at: Addr) -> bool {
        self.lo <= at && at < self.hi
    }
}

/// One frame (runtime/stkframe.go: `stkframe`).
#[derive(Debug)]
pub(crate) struct Frame<S> {
    /// Its function.
    pub(crate) site: Rc<S>,
    /// Where it is in the function: behind a call, or for the innermost frame where it goes on.
    pub(crate) pc: Addr,
    /// Where it will go on; nil if never.
    pub(crate) continue_pc: Addr,
    /// Stack pointer at `pc`.
    pub(crate) sp: Addr,
    /// The caller's stack pointer.
    pub(crate) fp: Addr,
    /// Where the arguments begin.
    pub(crate) argp: Addr,
    /// First address above the local variables.
    pub(crate) varp: Addr,
}

/// Why a walk over a stack ends before the top. The runtime throws in each of these cases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnwindError {
    #[error("no function is known at pc {pc}")]
    UnknownPc { pc: Addr },
    #[error("no function is known at {lr}, where the function at {pc} returns to")]
    UnknownCaller { pc: Addr, lr: Addr },
    #[error("the function at {pc} writes the stack pointer")]
    SpWrite { pc: Addr },
    #[error(
        "the frame of pc {pc} from {sp} to {fp} does not fit into the stack from {} to {}",
        stack.lo, stack.hi
    )]
    OutsideOfStack {
        pc: Addr,
        sp: Addr,
        fp: Addr,
        stack: Stack,
    },
    #[error("the frame of pc {pc} at {sp} is the topmost, but the stack's top is {top}")]
    Incomplete { pc: Addr, sp: Addr, top: Addr },
    #[error("more than {MOST_FRAMES} frames, the last at pc {pc}")]
    Endless { pc: Addr },
    #[error("at pc {pc}: {source}")]
    Table { pc: Addr, source: PclntabError },
    #[error("at pc {pc}: the {what}: {fault}")]
    Unreadable {
        pc: Addr,
        what: &'static str,
        fault: Fault,
    },
    #[error("at pc {pc}: the {what} is {found:#x}")]
    Implausible {
        pc: Addr,
        what: &'static str,
        found: u64,
    },
    #[error("the function at pc {pc} has no stack map for what it has there")]
    NoMap { pc: Addr },
    #[error("at pc {pc}: the context of the reflect stub is of another function")]
    ReflectMismatch { pc: Addr },
}

/// Walks one stack.
pub(crate) struct Unwinder<'a, M: ?Sized, C: Code> {
    memory: &'a M,
    arch: Arch,
    code: &'a C,
    stack: Stack,
    /// Where the topmost frame must be (`g.stktopsp`).
    top: Addr,
    frames: u64,
    at: At<C::Site>,
}

/// Where a walk is.
enum At<S> {
    /// Before the innermost frame, which is here.
    Start {
        at: Saved,
        innermost: bool,
    },
    /// Behind a frame.
    Frame {
        site: Rc<S>,
        pc: Addr,
        sp: Addr,
        fp: Addr,
        lr: Addr,
    },
    End,
}

impl<'a, M: Memory + ?Sized, C: Code> Unwinder<'a, M, C> {
    /// Begins at `at` (`unwinder.initAt`).
    pub(crate) fn new(
        memory: &'a M,
        arch: Arch,
        code: &'a C,
        stack: Stack,
        top: Addr,
        at: Saved,
    ) -> Self {
        Unwinder {
            memory,
            arch,
            code,
            stack,
            top,
            frames: 0,
            at: At::Start {
                at,
                innermost: true,
            },
        }
    }

    /// Goes on at the frame of `pc` and `sp` behind code that cannot be unwound.
    pub(crate) fn go_on(&mut self, pc: Addr, sp: Addr) {
        self.at = At::Start {
            at: Saved::on_stack(pc, sp),
            innermost: false,
        };
    }

    /// The next frame outwards; `None` behind the topmost. After an error the walk is over.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<C::Site>>, UnwindError> {
        match std::mem::replace(&mut self.at, At::End) {
            At::End => Ok(None),
            At::Start { at, innermost } => self.start(at, innermost),
            At::Frame {
                site,
                pc,
                sp,
                fp,
                lr,
            } => self.caller(&site, pc, sp, fp, lr),
        }
    }

    fn start(
        &mut self,
        Saved { pc, sp, lr }: Saved,
        innermost: bool,
    ) -> Result<Option<Frame<C::Site>>, UnwindError> {
        /// Where the kernel has helper functions without frames for old processors
        /// (internal/runtime/atomic/sys_linux_arm.s).
        const ARM_HELPERS: u64 = 0xffff_0000;
        let at = match pc.get() {
            // A call of a nil function: all that happened is what a call does.
            0 => {
                let sp_then = sp.offset(self.arch.pushed_by_call());
                Saved::on_stack(self.read(pc, sp)?, sp_then)
            }
            ARM_HELPERS.. if self.arch.machine == Machine::Arm => Saved::on_stack(lr, sp),
            _ => Saved { pc, sp, lr },
        };
        let site = self.site(at.pc)?;
        self.resolve(site, at, innermost, false)
    }

    fn site(&self, pc: Addr) -> Result<Rc<C::Site>, UnwindError> {
        self.code.site(pc)?.ok_or(UnwindError::UnknownPc { pc })
    }

    /// `unwinder.next`.
    fn caller(
        &mut self,
        callee: &Rc<C::Site>,
        pc: Addr,
        sp: Addr,
        fp: Addr,
        lr: Addr,
    ) -> Result<Option<Frame<C::Site>>, UnwindError> {
        if lr.is_nil() {
            return self.finish(pc, sp);
        }
        let site = self
            .code
            .site(lr)?
            .ok_or(UnwindError::UnknownCaller { pc, lr })?;
        // It would go on like this for ever.
        if pc == lr && sp == fp {
            return Err(UnwindError::Endless { pc });
        }
        let callee = (**callee).as_ref();
        let mut at = Saved::on_stack(lr, fp);
        if callee.injected && self.arch.uses_link_register() {
            // The handler has saved the link register on the stack of whom it made the caller.
            let saved = self.read(lr, fp)?;
            at.sp = fp.offset(self.arch.injected_frame());
            if (*site).as_ref().sp_delta == Some(0) {
                at.lr = saved;
            }
        }
        self.resolve(site, at, false, callee.sigpanic)
    }

    /// `unwinder.resolveInternal`. That `sp_write` does not count for the innermost frame is its
    /// rule too: it is taken to have stopped itself in its prologue, or in a system call.
    fn resolve(
        &mut self,
        site: Rc<C::Site>,
        Saved { pc, sp, lr }: Saved,
        innermost: bool,
        trapped: bool,
    ) -> Result<Option<Frame<C::Site>>, UnwindError> {
        let word = self.arch.word_size();
        let step = (*site).as_ref();
        let Some(sp_delta) = step.sp_delta else {
            return self.finish(pc, sp);
        };
        // Where a call pushes the return address, that belongs to the frame of the callee.
        let pushed = self.arch.pushed_by_call();
        let fp = sp.offset(sp_delta).offset(pushed);
        let holds_what_is_pushed = fp.since(sp).is_some_and(|len| len >= pushed);
        if sp < self.stack.lo || !holds_what_is_pushed || fp > self.stack.hi {
            return Err(UnwindError::OutsideOfStack {
                pc,
                sp,
                fp,
                stack: self.stack,
            });
        }
        self.frames += 1;
        if self.frames > MOST_FRAMES {
            return Err(UnwindError::Endless { pc });
        }
        let lr = match (step.top_frame, step.sp_write && !innermost) {
            (true, _) => Addr::NIL,
            (false, true) => return Err(UnwindError::SpWrite { pc }),
            (false, false) if !self.arch.uses_link_register() => self.read(pc, fp.before(word))?,
            // A function with a frame has saved it there.
            (false, false) if innermost && sp < fp || lr.is_nil() => self.read(pc, sp)?,
            (false, false) => lr,
        };
        // Next to the variables lies the caller's frame pointer, unless the frame is empty.
        let mut varp = fp.before(pushed);
        if varp > sp && self.arch.frame_pointers {
            varp = varp.before(word);
        }
        let continue_pc = match trapped {
            false => pc,
            // The call of deferreturn, plus one: whoever uses this takes one off, as it does with
            // return addresses.
            true => step.deferreturn.map_or(Addr::NIL, |at| at.offset(1)),
        };
        self.at = At::Frame {
            site: Rc::clone(&site),
            pc,
            sp,
            fp,
            lr,
        };
        Ok(Some(Frame {
            site,
            pc,
            continue_pc,
            sp,
            fp,
            argp: fp.offset(self.arch.min_frame_size),
            varp,
        }))
    }

    /// `unwinder.finishInternal`.
    fn finish(&self, pc: Addr, sp: Addr) -> Result<Option<Frame<C::Site>>, UnwindError> {
        match sp == self.top {
            true => Ok(None),
            false => Err(UnwindError::Incomplete {
                pc,
                sp,
                top: self.top,
            }),
        }
    }

    fn read(&self, pc: Addr, at: Addr) -> Result<Addr, UnwindError> {
        let what = "return address";
        self.arch
            .model
            .read_ptr(self.memory, at)
            .map_err(|fault| UnwindError::Unreadable { pc, what, fault })
    }
}

#[cfg(test)]
mod tests;
