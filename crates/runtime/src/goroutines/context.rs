//! Where the frames of a goroutine begin, at whatever instruction the process was stopped.
//!
//! The rules, for all of go1.19 to go1.27 on linux/amd64 (runtime/asm_amd64.s, sys_linux_amd64.s,
//! time_linux_amd64.s, race_amd64.s, asan_amd64.s, msan_amd64.s, proc.go, signal_unix.go):
//!
//! - Whether a goroutine is on a processor is told by the `m` whose `curg` it is; its status comes
//!   later or goes earlier (`execute`, `park_m`, `gcMarkTermination`, `coroswitch_m`).
//! - Its thread's stack pointer in its stack: the registers tell. The function tables hold at every
//!   instruction, prologues and epilogues included. The exceptions are few functions:
//!   [`OwnStack`](Contexts::on_own_stack).
//! - In a system call or in C (`_Gsyscall`): `syscallpc` and `syscallsp`. While these are being set
//!   or cleared the status is another one, and the registers tell.
//! - Its thread on the scheduler's stack: what it saved in `sched` on leaving (`mcall`, `systemstack`,
//!   `morestack`, `asmcgocall`) holds until `gogo` or `systemstack` are back on its stack. All of
//!   these switch the thread's own goroutine to `g0`. Other functions borrow the stack and switch
//!   nothing: then `sched` is what some earlier system call left there, and where the goroutine
//!   is must be learnt from `m.vdsoSP`, from R12 or from the borrowed stack.
//! - Its thread in a signal handler: the same, by the registers that the kernel saved.
//! - Not on a processor: `sched`, or `syscallpc` on its way back from a system call.
//!
//! On other processors (of which only cores are read) the same rules hold, but for those that name a
//! register of amd64: where these would tell, that is a gap there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use goheap_memory::{Addr, Machine, Registers};

use super::GoroutineState;
use super::layout::G;
use super::machine::M;
use super::threads::{ThreadState, Threads};
use crate::World;
use crate::stack::Sites;
use crate::unwind::{Code, Saved, Unwinder};

/// Where the frames of a goroutine begin: a program counter and a stack pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Saved at a call.
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

    /// The program counter and the stack pointer.
    pub(super) fn place(self) -> Saved {
        match self {
            Context::Saved(at) | Context::Registers(at) => at,
        }
    }
}

/// Why a goroutine's frames cannot be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    #[error("its status is {0}, and no m says that it runs it")]
    NoM(GoroutineState),
    #[error("the m at {0} runs it, and no thread is that m's")]
    NoThread(Addr),
    #[error(
        "thread {0} runs it and is in a signal handler, and what that interrupted is not found"
    )]
    Handler(u32),
    #[error(
        "thread {tid} is on its stack with {sp}, at {pc}, where the function tables do not tell how far the frame reaches"
    )]
    OwnStack { tid: u32, pc: Addr, sp: Addr },
    #[error(
        "thread {tid} left its stack and is at {pc} on {sp}, which does not tell where it left (its g is {own:?}, interrupted {interrupted})"
    )]
    Borrowed {
        tid: u32,
        pc: Addr,
        sp: Addr,
        own: Option<Addr>,
        interrupted: bool,
    },
    #[error("the stack pointer that it saved, {sp}, is outside of its stack from {lo} to {hi}")]
    Outside { sp: Addr, lo: Addr, hi: Addr },
}

/// Functions that call into C or the vDSO on the scheduler's stack and leave the thread's goroutine
/// and `sched` as they are. Their stack pointer is in R12 meanwhile.
const BORROWERS: [&[u8]; 7] = [
    b"racecall",
    b"asancall",
    b"msancall",
    b"runtime.libfuzzerCall",
    b"runtime.libfuzzerCall4",
    b"runtime.nanotime1",
    b"time.now",
];

/// Functions that call into the vDSO, whose caller `m.vdsoPC` and `m.vdsoSP` tell.
const VDSO_CALLERS: [&[u8]; 4] = [
    b"runtime.nanotime1",
    b"time.now",
    b"runtime.walltime",
    b"runtime.vgetrandom1",
];

/// The same in the words of pclntab: the part of `gogo` that switches is a function of its own.
fn is_gogo(name: &[u8]) -> bool {
    matches!(name, b"runtime.gogo" | b"gogo")
}

/// Functions that have set the thread's goroutine and are about to switch to its stack, or have
/// just left that: `sched` holds.
fn is_switching(name: &[u8]) -> bool {
    is_gogo(name)
        || matches!(
            name,
            b"runtime.systemstack"
                | b"runtime.mcall"
                | b"runtime.morestack"
                | b"runtime.asmcgocall"
                | b"runtime.cgocallback"
        )
}

/// What functions call that are about to leave the stack.
fn is_helper(name: &[u8]) -> bool {
    matches!(
        name,
        b"gosave_systemstack_switch"
            | b"runtime.secretEraseRegisters"
            | b"runtime.secretEraseRegistersMcall"
    )
}

/// The most words of a borrowed stack that are looked through.
const BORROWED_WORDS: u64 = 1 << 13;

/// The most frames that are unwound to find contexts.
const MOST_FRAMES: u64 = 1 << 24;

/// Finds contexts.
pub(super) struct Contexts<'s> {
    world: &'s World<'s>,
    sites: &'s Sites<'s>,
    threads: &'s Threads,
    /// The race detector calls back from the borrowed stack, and then switches the thread's
    /// goroutine.
    race: bool,
    /// Frames that may still be unwound to find contexts, of all goroutines together: a damaged
    /// stack must not take for ever.
    frames_left: Cell<u64>,
    /// How often each rule told.
    told: RefCell<BTreeMap<Rule, u64>>,
}

/// What told where the frames of a goroutine begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// Its `sched`, for it is not on a processor.
    Waiting,
    /// `syscallpc` and `syscallsp`.
    Syscall,
    /// Its thread's registers.
    Registers,
    /// Its `sched`, while its thread is on the scheduler's stack.
    Scheduler,
    /// `sched.pc`, for its thread is about to jump there.
    Gogo,
    /// `m.vdsoPC` and `m.vdsoSP`.
    Vdso,
    /// A return address that `rawVforkSyscall` has in a register.
    Vfork,
    /// The frame pointer.
    FramePointer,
    /// What a borrowed stack, or R12 meanwhile, has.
    Borrowed,
}

impl<'s> Contexts<'s> {
    pub(super) fn new(
        world: &'s World<'s>,
        sites: &'s Sites<'s>,
        threads: &'s Threads,
    ) -> Contexts<'s> {
        let race = world.program.address("runtime.racecallbackthunk").is_some();
        Contexts {
            world,
            sites,
            threads,
            race,
            frames_left: Cell::new(MOST_FRAMES),
            told: RefCell::default(),
        }
    }

    /// How often each rule told.
    pub(super) fn told(&self) -> BTreeMap<Rule, u64> {
        self.told.borrow().clone()
    }

    fn tell(&self, rule: Rule, context: Context) -> Context {
        *self.told.borrow_mut().entry(rule).or_default() += 1;
        context
    }

    /// Where the frames of `g` begin.
    pub(super) fn of(&self, state: GoroutineState, g: &G) -> Result<Context, Lost> {
        let running = self.threads.running(g);
        if state != GoroutineState::Syscall
            && let Some((m, Some(thread))) = running
            && g.stack.contains(thread.code().sp)
        {
            return self.on_own_stack(g, m, thread);
        }
        // runtime/heapdump.go: dumpgoroutine asks this and nothing else.
        if !g.syscall.sp.is_nil() {
            return Ok(self.tell(Rule::Syscall, Context::Saved(g.syscall)));
        }
        match state {
            GoroutineState::Running | GoroutineState::Unknown(_) => {
                let (m, thread) = running.ok_or(Lost::NoM(state))?;
                let thread = thread.ok_or(Lost::NoThread(m.address))?;
                self.off_its_stack(g, m, thread)
            }
            _ => self.saved(g, Rule::Waiting),
        }
    }

    /// What `sched` says. It is torn where the stack pointer is not in the stack: while that is
    /// moved, the bounds come first (runtime/stack.go: `copystack`).
    fn saved(&self, g: &G, rule: Rule) -> Result<Context, Lost> {
        match g.stack.contains(g.sched.sp) {
            true => Ok(self.tell(rule, Context::Saved(g.sched))),
            false => Err(Lost::Outside {
                sp: g.sched.sp,
                lo: g.stack.lo,
                hi: g.stack.hi,
            }),
        }
    }

    /// The thread is on the goroutine's stack.
    fn on_own_stack(&self, g: &G, m: &M, thread: &ThreadState) -> Result<Context, Lost> {
        let code = thread.code();
        let at = self.registers(code);
        let lost = Lost::OwnStack {
            tid: thread.tid,
            pc: at.pc,
            sp: at.sp,
        };
        // The vDSO saves nothing that is above the frame of its caller.
        let vdso = m
            .vdso
            .filter(|vdso| vdso.sp > at.sp && g.stack.contains(vdso.sp));
        let at = self.behind_helper(at);
        let Some(name) = self.function(at.pc) else {
            return match vdso {
                Some(vdso) => Ok(self.tell(Rule::Vdso, Context::Saved(vdso))),
                // A call of a nil function: the unwinder knows what to do.
                None if at.pc.is_nil() => Ok(self.tell(Rule::Registers, Context::Registers(at))),
                None => Err(lost),
            };
        };
        if let Some(vdso) = vdso
            && VDSO_CALLERS.contains(&name)
        {
            return Ok(self.tell(Rule::Vdso, Context::Saved(vdso)));
        }
        // It has switched the stack, and is about to jump to where the goroutine goes on. The
        // goroutine's context may be in a register alone.
        if is_gogo(name) {
            let at = Saved {
                pc: g.sched.pc,
                sp: at.sp,
                lr: g.sched.lr,
            };
            return Ok(self.tell(Rule::Gogo, Context::Registers(at)));
        }
        let Ok(Some(site)) = self.sites.site(at.pc) else {
            // The unwinder will say what is wrong.
            return Ok(self.tell(Rule::Registers, Context::Registers(at)));
        };
        let step = &(*site).as_ref();
        // It keeps its return address in a register while the child of vfork shares its stack
        // (syscall/asm_linux_amd64.s).
        let popped = self.world.arch.pushed_by_call().wrapping_neg();
        if name == b"syscall.rawVforkSyscall"
            && step.sp_delta == Some(popped)
            && let Some(register) = self.kept_in(code, ("r12", "esi"))
        {
            let at = Saved::on_stack(register, at.sp);
            return Ok(self.tell(Rule::Vfork, Context::Saved(at)));
        }
        if step.sp_write && !is_switching(name) {
            return self.with_frame_pointer(g, thread, at).ok_or(lost);
        }
        Ok(self.tell(Rule::Registers, Context::Registers(at)))
    }

    /// The caller, if `at` is in a function that those call which are about to leave the stack: the
    /// unwinder does not believe in frames of such callers, but here they have not left it yet.
    fn behind_helper(&self, at: Saved) -> Saved {
        if !self.function(at.pc).is_some_and(is_helper) {
            return at;
        }
        let word = self.world.model.word_size();
        let delta = match self.sites.site(at.pc) {
            Ok(Some(site)) => (*site).as_ref().sp_delta,
            _ => None,
        };
        let caller = delta.and_then(|delta| {
            let top = at.sp.offset(delta);
            match (self.world.arch.uses_link_register(), delta) {
                (false, _) => Some((self.read(top)?, top.offset(word))),
                // None of them has a frame, where it would have to save it.
                (true, 0) => Some((at.lr, top)),
                (true, _) => None,
            }
        });
        caller.map_or(at, |(pc, sp)| Saved::on_stack(pc, sp))
    }

    /// Where the code of these registers is.
    fn registers(&self, registers: &Registers) -> Saved {
        let link = self.world.arch.machine.link_register();
        let lr = link.and_then(|name| registers.get(name));
        Saved {
            pc: registers.pc,
            sp: registers.sp,
            lr: Addr::new(lr.unwrap_or(0)),
        }
    }

    /// The register in which assembly keeps something: of amd64, or else of 386; `None` on others.
    fn kept_in(&self, registers: &Registers, (amd64, x86): (&str, &str)) -> Option<Addr> {
        let name = match self.world.arch.machine {
            Machine::Amd64 => amd64,
            Machine::X86 => x86,
            _ => return None,
        };
        registers.get(name).map(Addr::new)
    }

    /// A function that moves its stack pointer on its own (assembly that aligns its locals). If the
    /// table does not hold, the frame pointer may: it leads to the caller.
    fn with_frame_pointer(&self, g: &G, thread: &ThreadState, at: Saved) -> Option<Context> {
        if self.unwinds(g, at) {
            return Some(self.tell(Rule::Registers, Context::Registers(at)));
        }
        let word = self.world.model.word_size();
        let bp = Addr::new(thread.code().get("rbp")?);
        if bp < at.sp || !g.stack.contains(bp) {
            return None;
        }
        let pc = self.read(bp.offset(word))?;
        let at = Saved::on_stack(pc, bp.offset(2 * word));
        self.unwinds(g, at)
            .then(|| self.tell(Rule::FramePointer, Context::Registers(at)))
    }

    /// It is running, and its thread is not on its stack.
    fn off_its_stack(&self, g: &G, m: &M, thread: &ThreadState) -> Result<Context, Lost> {
        if thread.lost {
            return Err(Lost::Handler(thread.tid));
        }
        let code = thread.code();
        let name = self.function(code.pc);
        let own = thread.g(m).or_else(|| {
            // Go code keeps it in a register.
            let register = self.world.arch.goroutine_register?;
            let g = Addr::new(code.get(register)?);
            (name.is_some() && (g == m.g0 || g == m.curg)).then_some(g)
        });
        let switched = match own {
            Some(own) if own == m.g0 => !self.called_back(m, code.sp),
            Some(own) if own == g.address => name.is_some_and(is_switching),
            _ => false,
        };
        match switched {
            true => self.saved(g, Rule::Scheduler),
            false => self.borrowed(g, m, thread, name).ok_or(Lost::Borrowed {
                tid: thread.tid,
                pc: code.pc,
                sp: code.sp,
                own,
                interrupted: thread.interrupted.is_some(),
            }),
        }
    }

    /// Whether the scheduler's stack, on which the thread is at `sp`, was borrowed before the
    /// thread's goroutine was switched.
    fn called_back(&self, m: &M, sp: Addr) -> bool {
        self.race && self.borrower(m, sp).is_some()
    }

    /// The call in one of [`BORROWERS`] that the scheduler's stack begins with, if the thread, which
    /// is at `sp`, is below it: its return address, and where that is.
    fn borrower(&self, m: &M, sp: Addr) -> Option<(Addr, Addr)> {
        // They align it to 16 and call.
        let at = Addr::new(m.g0_sp.get() & !15).before(self.world.model.word_size());
        if at < sp {
            return None;
        }
        let pc = self.read(at)?;
        BORROWERS.contains(&self.function(pc)?).then_some((pc, at))
    }

    /// The goroutine's stack was left for a call on the scheduler's, without a word in `sched`.
    fn borrowed(&self, g: &G, m: &M, thread: &ThreadState, name: Option<&[u8]>) -> Option<Context> {
        if let Some(vdso) = m.vdso.filter(|vdso| g.stack.contains(vdso.sp)) {
            return Some(self.tell(Rule::Vdso, Context::Saved(vdso)));
        }
        // The assembly of other processors has other ways, and no test here.
        if self.world.arch.machine != Machine::Amd64 {
            return None;
        }
        let code = thread.code();
        let r12 = Addr::new(code.get("r12")?);
        let fits = |pc: Addr, sp: Addr| {
            let at = Saved::on_stack(pc, sp);
            (g.stack.contains(sp) && self.unwinds(g, at))
                .then(|| self.tell(Rule::Borrowed, Context::Saved(at)))
        };
        if name.is_some_and(|name| BORROWERS.contains(&name)) {
            return fits(code.pc, r12);
        }
        // C code may have saved R12 on the stack, to use it for something else: whoever does so
        // first is the outermost. A word that only looks like it would have to lead from return
        // address to return address up to the very top of the goroutine's stack; one that an
        // earlier call left there may do so, and the register comes first therefore.
        let (pc, top) = self.borrower(m, code.sp)?;
        if let Some(context) = fits(pc, r12) {
            return Some(context);
        }
        let word = self.world.model.word_size();
        let words = top.since(code.sp)? / word;
        (1..=words.min(BORROWED_WORDS))
            .filter_map(|i| self.read(top.before(i * word)))
            .find_map(|sp| fits(pc, sp))
    }

    /// Whether the frames from `at` on end at the top of the stack. If too many have been asked
    /// for, that is not known, and is taken for no.
    fn unwinds(&self, g: &G, at: Saved) -> bool {
        let (memory, arch) = (&self.world.memory, self.world.arch);
        let mut unwinder = Unwinder::new(memory, arch, self.sites, g.stack, g.top, at);
        while let Some(left) = self.frames_left.get().checked_sub(1) {
            self.frames_left.set(left);
            match unwinder.next() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    /// The name of the function at `pc`, without what tells assembly's calling convention.
    fn function(&self, pc: Addr) -> Option<&'s [u8]> {
        let name = self.sites.own_name(pc)?;
        Some(name.strip_suffix(b".abi0").unwrap_or(name))
    }

    fn read(&self, at: Addr) -> Option<Addr> {
        self.world.model.read_ptr(&self.world.memory, at).ok()
    }
}
