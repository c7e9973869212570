//! Which goroutines the runtime started for itself (runtime/traceback.go: `isSystemGoroutine`).

use std::cell::RefCell;
use std::collections::HashMap;

use goheap_image::pclntab::FuncId;
use goheap_memory::Addr;

use super::layout::G;
use crate::stack::Sites;
use crate::{WalkError, World};

/// `fingRunningFinalizer` (runtime/mfinal.go, go1.20 and later).
const FING_RUNNING_FINALIZER: u64 = 2;

/// Tells goroutines of the runtime from those of the program.
pub(super) struct SystemGoroutines<'s> {
    sites: &'s Sites<'s>,
    /// Whether the finalizer goroutine runs a finalizer right now.
    running_finalizer: bool,
    known: RefCell<HashMap<Addr, Start>>,
}

/// What the function that a goroutine began with says of it.
#[derive(Debug, Clone, Copy)]
enum Start {
    Program,
    Runtime,
    /// The program's while a finalizer runs.
    Finalizers,
    /// The program's while cleanups run.
    Cleanups,
}

impl<'s> SystemGoroutines<'s> {
    pub(super) fn new(world: &World<'_>, sites: &'s Sites<'s>) -> Result<Self, WalkError> {
        let running_finalizer = match world.global("runtime.fingStatus") {
            Ok(status) => {
                let place = goheap_golang::Place { offset: 0, size: 4 };
                world.field(status, place, "fingStatus")? & FING_RUNNING_FINALIZER != 0
            }
            // go1.19 has a bool.
            Err(_) => {
                let place = goheap_golang::Place { offset: 0, size: 1 };
                world.field(world.global("runtime.fingRunning")?, place, "fingRunning")? != 0
            }
        };
        Ok(SystemGoroutines {
            sites,
            running_finalizer,
            known: RefCell::default(),
        })
    }

    /// Whether `g` is one of the runtime's.
    pub(super) fn contains(&self, g: &G) -> bool {
        let mut known = self.known.borrow_mut();
        match *known
            .entry(g.startpc)
            .or_insert_with(|| self.start(g.startpc))
        {
            Start::Program => false,
            Start::Runtime => true,
            Start::Finalizers => !self.running_finalizer,
            Start::Cleanups => !g.running_cleanups,
        }
    }

    fn start(&self, pc: Addr) -> Start {
        match self.sites.function(pc) {
            None => Start::Program,
            Some((FuncId::runtime_main | FuncId::corostart | FuncId::handleAsyncEvent, _name)) => {
                Start::Program
            }
            Some((FuncId::runfinq | FuncId::runFinalizers, _name)) => Start::Finalizers,
            Some((FuncId::runCleanups, _name)) => Start::Cleanups,
            Some((_, name)) if name.starts_with(b"runtime.") => Start::Runtime,
            Some(_) => Start::Program,
        }
    }
}
