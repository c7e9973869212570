//! What the runtime knows of its threads: `runtime.m`.

use goheap_golang::{Place, Structs};
use goheap_memory::Addr;

use crate::chain::Chain;
use crate::gap::Gaps;
use crate::unwind::{Saved, Stack};
use crate::{WalkError, World, limit};

/// What errors say that they are about.
const WHAT: &str = "runtime.m";

/// Where the fields are (runtime/runtime2.go: `m`, and those of `g` that matter for its two own
/// goroutines).
#[derive(Debug)]
pub(super) struct MLayout {
    g0: Place,
    gsignal: Place,
    curg: Place,
    p: Place,
    locks: Place,
    procid: Place,
    next: Place,
    /// `None` where the system has no vDSO.
    vdso: Option<(Place, Place)>,
    stack_lo: Place,
    stack_hi: Place,
    sched_sp: Place,
}

impl MLayout {
    pub(super) fn new(structs: &Structs<'_>) -> Result<MLayout, WalkError> {
        let m = |path: &str| structs.place(WHAT, path);
        let g = |path: &str| structs.place("runtime.g", path);
        Ok(MLayout {
            g0: m("g0")?,
            gsignal: m("gsignal")?,
            curg: m("curg")?,
            p: m("p")?,
            locks: m("locks")?,
            procid: m("procid")?,
            next: m("alllink")?,
            vdso: structs
                .optional(WHAT, "vdsoPC")
                .zip(structs.optional(WHAT, "vdsoSP")),
            stack_lo: g("stack.lo")?,
            stack_hi: g("stack.hi")?,
            sched_sp: g("sched.sp")?,
        })
    }

    /// The `m`s of the chain `allm`. Where the chain breaks off, that is a gap.
    pub(super) fn read_all(&self, world: &World<'_>, gaps: &mut Gaps) -> Result<Vec<M>, WalkError> {
        let mut list = Vec::new();
        let at = world.global("runtime.allm")?;
        let read = self.read_chain(world, at, &mut list);
        gaps.unless("what threads are doing", at, read)?;
        Ok(list)
    }

    fn read_chain(
        &self,
        world: &World<'_>,
        allm: Addr,
        list: &mut Vec<M>,
    ) -> Result<(), WalkError> {
        let mut chain = Chain::new(world.ptr(allm, "runtime.allm")?);
        while let Some(at) = chain.at() {
            if list.len() >= limit::THREADS {
                return Err(WalkError::Implausible {
                    what: "runtime.allm",
                    at,
                    found: list.len() as u64,
                    expected: "fewer threads",
                });
            }
            list.push(self.read(world, at)?);
            chain.follow(Addr::new(world.field(at, self.next, WHAT)?), "runtime.allm")?;
        }
        Ok(())
    }

    fn read(&self, world: &World<'_>, at: Addr) -> Result<M, WalkError> {
        let field = |place: Place| world.field(at, place, WHAT);
        let pointer = |place: Place| field(place).map(Addr::new);
        let (g0, gsignal) = (pointer(self.g0)?, pointer(self.gsignal)?);
        Ok(M {
            address: at,
            g0,
            g0_stack: self.stack(world, g0)?,
            g0_sp: match g0.is_nil() {
                true => Addr::NIL,
                false => Addr::new(world.field(g0, self.sched_sp, "m.g0")?),
            },
            gsignal,
            gsignal_stack: self.stack(world, gsignal)?,
            curg: pointer(self.curg)?,
            p: pointer(self.p)?,
            locks: field(self.locks)?,
            procid: field(self.procid)?,
            vdso: match self.vdso {
                Some((pc, sp)) => Some(Saved::on_stack(pointer(pc)?, pointer(sp)?)),
                None => None,
            },
        })
    }

    fn stack(&self, world: &World<'_>, g: Addr) -> Result<Stack, WalkError> {
        if g.is_nil() {
            return Ok(Stack {
                lo: Addr::NIL,
                hi: Addr::NIL,
            });
        }
        let pointer = |place: Place| world.field(g, place, WHAT).map(Addr::new);
        Ok(Stack {
            lo: pointer(self.stack_lo)?,
            hi: pointer(self.stack_hi)?,
        })
    }
}

/// What an `m` says.
#[derive(Debug)]
pub(super) struct M {
    pub(super) address: Addr,
    /// The goroutine of its scheduler.
    pub(super) g0: Addr,
    /// Bounds of the scheduler's stack. On a thread that C made they are guesses
    /// (runtime/cgocall.go: `callbackUpdateSystemStack`).
    pub(super) g0_stack: Stack,
    /// Where on that stack what is called from a goroutine begins: above it are the frames of the
    /// thread's start, or of the C code that called Go.
    pub(super) g0_sp: Addr,
    /// The goroutine that stands for its signal handler.
    pub(super) gsignal: Addr,
    pub(super) gsignal_stack: Stack,
    /// The goroutine that it runs, nil if none.
    pub(super) curg: Addr,
    /// The processor that it holds, nil if none.
    pub(super) p: Addr,
    /// Above 0 while it does what must not be interrupted.
    pub(super) locks: u64,
    /// The kernel's number of its thread; 0 until that has told it.
    pub(super) procid: u64,
    /// Where it called into the vDSO; `sp` is nil if it is not there.
    pub(super) vdso: Option<Saved>,
}
