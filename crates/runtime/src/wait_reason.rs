//! Why a goroutine waits, in the runtime's words.

use std::cell::RefCell;
use std::rc::Rc;

use goheap_memory::Addr;

use crate::{WalkError, World};

/// What the runtime calls a reason that is not in its table (runtime/runtime2.go:
/// `waitReason.String`).
const UNKNOWN: &[u8] = b"unknown wait reason";

/// Bytes of a name; the longest of go1.27 has 36.
const LONGEST: u64 = 128;

/// `runtime.waitReasonStrings`, an array of strings in the program's own memory. Nothing is known
/// of the versions' reasons here.
pub(crate) struct WaitReasons<'w> {
    world: &'w World<'w>,
    table: Addr,
    names: RefCell<Vec<Option<Rc<[u8]>>>>,
}

impl<'w> WaitReasons<'w> {
    pub(crate) fn new(world: &'w World<'w>) -> Result<Self, WalkError> {
        Ok(WaitReasons {
            world,
            table: world.global("runtime.waitReasonStrings")?,
            names: RefCell::new(vec![None; 256]),
        })
    }

    /// The name of `g.waitreason`.
    pub(crate) fn name(&self, reason: u8) -> Rc<[u8]> {
        let mut names = self.names.borrow_mut();
        let Some(slot) = names.get_mut(usize::from(reason)) else {
            return UNKNOWN.into();
        };
        Rc::clone(slot.get_or_insert_with(|| self.read(reason)))
    }

    /// The symbol table does not tell where the array ends. Behind its end lies something that is
    /// hardly ever a short string; and no program has such a reason.
    fn read(&self, reason: u8) -> Rc<[u8]> {
        let what = "waitReasonStrings";
        let header = self
            .table
            .offset(u64::from(reason) * 2 * self.world.model.word_size());
        let name = self
            .world
            .slice(header, what)
            .and_then(|(data, len)| self.world.bytes(data, len, LONGEST, what));
        name.map_or_else(|_| UNKNOWN.into(), Rc::from)
    }
}
