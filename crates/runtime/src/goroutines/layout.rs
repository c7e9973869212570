//! Where the fields of `g`, `_defer` and `_panic` are, and what they say.

use goheap_format::{Defer, Panic, Record};
use goheap_golang::{Arch, Place, Structs};
use goheap_memory::Addr;

use crate::unwind::{Saved, Stack};
use crate::{WalkError, World};

/// Where the fields are (runtime/runtime2.go: `g`, `gobuf`, `_defer`, `_panic`), looked up once.
#[derive(Debug)]
pub(super) struct Layout {
    /// Bytes of a `g`.
    pub(super) size: u64,
    pub(super) status: Place,
    goid: Place,
    gopc: Place,
    startpc: Place,
    waitsince: Place,
    waitreason: Place,
    sched_pc: Place,
    sched_sp: Place,
    sched_lr: Place,
    sched_ctxt: Place,
    syscallpc: Place,
    syscallsp: Place,
    stack_lo: Place,
    stack_hi: Place,
    stktopsp: Place,
    m: Place,
    defers: Place,
    panics: Place,
    /// `None` before go1.25.
    running_cleanups: Option<Place>,
    defer: DeferLayout,
    panic: PanicLayout,
}

#[derive(Debug)]
struct DeferLayout {
    sp: Place,
    pc: Place,
    closure: Place,
    link: Place,
}

#[derive(Debug)]
struct PanicLayout {
    arg: Place,
    link: Place,
}

impl Layout {
    pub(super) fn new(structs: &Structs<'_>) -> Result<Layout, WalkError> {
        let g = |path: &str| structs.place("runtime.g", path);
        let defer = |path: &str| structs.place("runtime._defer", path);
        let panic = |path: &str| structs.place("runtime._panic", path);
        Ok(Layout {
            size: structs.size("runtime.g")?,
            // go1.20 made it an atomic.Uint32.
            status: structs.first("runtime.g", &["atomicstatus.value", "atomicstatus"])?,
            goid: g("goid")?,
            gopc: g("gopc")?,
            startpc: g("startpc")?,
            waitsince: g("waitsince")?,
            waitreason: g("waitreason")?,
            sched_pc: g("sched.pc")?,
            sched_sp: g("sched.sp")?,
            sched_lr: g("sched.lr")?,
            sched_ctxt: g("sched.ctxt")?,
            syscallpc: g("syscallpc")?,
            syscallsp: g("syscallsp")?,
            stack_lo: g("stack.lo")?,
            stack_hi: g("stack.hi")?,
            stktopsp: g("stktopsp")?,
            m: g("m")?,
            defers: g("_defer")?,
            panics: g("_panic")?,
            running_cleanups: structs.optional("runtime.g", "runningCleanups.u.value"),
            defer: DeferLayout {
                sp: defer("sp")?,
                pc: defer("pc")?,
                closure: defer("fn")?,
                link: defer("link")?,
            },
            panic: PanicLayout {
                arg: panic("arg")?,
                link: panic("link")?,
            },
        })
    }

    /// The record of the `_defer` at `at`, and the next one.
    pub(super) fn read_defer(
        &self,
        world: &World<'_>,
        g: Addr,
        at: Addr,
    ) -> Result<(Record<'static>, Addr), WalkError> {
        let field = |place: Place| world.field(at, place, "_defer");
        let closure = Addr::new(field(self.defer.closure)?);
        let link = field(self.defer.link)?;
        let record = Record::Defer(Defer {
            address: at.get(),
            g: g.get(),
            sp: field(self.defer.sp)?,
            pc: field(self.defer.pc)?,
            closure: closure.get(),
            // Of an open-coded defer (go1.21 and older) the frame has the closures.
            code: match closure.is_nil() {
                true => 0,
                false => world.word(closure, "closure of a _defer")?,
            },
            link,
        });
        Ok((record, Addr::new(link)))
    }

    /// The record of the `_panic` at `at`, and the next one.
    pub(super) fn read_panic(
        &self,
        world: &World<'_>,
        g: Addr,
        at: Addr,
    ) -> Result<(Record<'static>, Addr), WalkError> {
        let arg = at.offset(self.panic.arg.offset);
        let link = world.field(at, self.panic.link, "_panic")?;
        let record = Record::Panic(Panic {
            address: at.get(),
            g: g.get(),
            value_type: world.word(arg, "_panic")?,
            value_data: world.word(arg.offset(world.model.word_size()), "_panic")?,
            defer: 0,
            link,
        });
        Ok((record, Addr::new(link)))
    }
}

/// What a `g` says.
#[derive(Debug)]
pub(super) struct G {
    pub(super) address: Addr,
    pub(super) id: u64,
    pub(super) gopc: u64,
    pub(super) startpc: Addr,
    pub(super) waitsince: u64,
    pub(super) waitreason: u8,
    /// Where it goes on when it is next scheduled; `sp` is nil where that is not told.
    pub(super) sched: Saved,
    pub(super) ctxt: u64,
    /// Where it entered a system call; `sp` is nil if it is in none.
    pub(super) syscall: Saved,
    pub(super) stack: Stack,
    /// Where the topmost frame must be.
    pub(super) top: Addr,
    pub(super) m: Addr,
    pub(super) defers: Addr,
    pub(super) panics: Addr,
    pub(super) running_cleanups: bool,
    /// Its stack is being moved: pointers to its own frames may still lead to the old one.
    pub(super) moving: bool,
}

impl G {
    /// Completes what is torn while its stack is moved: the bounds are those of the new one already,
    /// and the stack pointer and the top, which are set after them, may be those of the old one
    /// (runtime/stack.go: `copystack`). What lies on the new one is complete by then. Whether there
    /// was something to do.
    pub(super) fn untear(&mut self, arch: &Arch) -> bool {
        let top = self.stack.hi.before(arch.above_top());
        if self.stack.contains(self.top) || !self.stack.contains(top) {
            return false;
        }
        if !self.stack.contains(self.sched.sp) {
            let Some(depth) = self.top.since(self.sched.sp) else {
                return false;
            };
            self.sched.sp = top.before(depth);
        }
        self.top = top;
        true
    }

    pub(super) fn read(world: &World<'_>, layout: &Layout, address: Addr) -> Result<G, WalkError> {
        let field = |place: Place| world.field(address, place, "g");
        let pointer = |place: Place| field(place).map(Addr::new);
        Ok(G {
            address,
            id: field(layout.goid)?,
            gopc: field(layout.gopc)?,
            startpc: pointer(layout.startpc)?,
            waitsince: field(layout.waitsince)?,
            // The type is uint8.
            waitreason: field(layout.waitreason)? as u8,
            sched: Saved {
                pc: pointer(layout.sched_pc)?,
                sp: pointer(layout.sched_sp)?,
                // Where nothing uses it, it says nothing.
                lr: match world.arch.uses_link_register() {
                    true => pointer(layout.sched_lr)?,
                    false => Addr::NIL,
                },
            },
            ctxt: field(layout.sched_ctxt)?,
            syscall: Saved::on_stack(pointer(layout.syscallpc)?, pointer(layout.syscallsp)?),
            stack: Stack {
                lo: pointer(layout.stack_lo)?,
                hi: pointer(layout.stack_hi)?,
            },
            top: pointer(layout.stktopsp)?,
            m: pointer(layout.m)?,
            defers: pointer(layout.defers)?,
            panics: pointer(layout.panics)?,
            running_cleanups: match layout.running_cleanups {
                Some(place) => field(place)? != 0,
                None => false,
            },
            moving: false,
        })
    }
}
