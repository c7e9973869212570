//! Whether a thread is copying the stack of a goroutine that does not run, or setting where it goes on.
//!
//! A goroutine that outgrows its stack copies it itself, as `_Gcopystack` (runtime/stack.go:
//! `newstack`). The collector's workers shrink the stacks of others while they scan them
//! (runtime/mgcmark.go: `scanstack`, `shrinkstack`), and a goroutine that is asked to shrinks its own
//! in its prologue; both under states that say nothing. No word tells of it, but the worker's own
//! stack does: `copystack` is among its callers.
//!
//! A goroutine that has recovered is sent on by its scheduler (runtime/panic.go: `recovery`), which
//! sets its `sched` word by word: between `sp` and `pc` the two are of different frames.

use goheap_memory::{Addr, DataModel, Target, Thread};

use crate::{WalkError, World};

/// The functions that do so.
#[derive(Debug)]
pub(super) struct StackCopiers {
    /// Start and end of each.
    pub(super) functions: Vec<(Addr, Addr)>,
    /// Names are obfuscated, and one that every program has was not recognised: then any thread that is
    /// on its scheduler's stack may be in it.
    pub(super) unknown: bool,
}

/// How much of a thread's stack is looked at, in bytes. `copystack` and what it calls have some 1,840 at most (by
/// the calls and frames of go1.19.8, go1.24.3 and go1.27.3, with inlining and without, down to what throws).
const MOST: u64 = 4096;

/// How many frames are looked at. Likewise they are at most 18, and 24 without inlining.
const FRAMES: usize = 32;

impl StackCopiers {
    pub(super) fn prepare(world: &World<'_>) -> Result<StackCopiers, WalkError> {
        let mut functions = Vec::new();
        let mut unknown = false;
        for name in [
            "runtime.copystack",
            "runtime.shrinkstack",
            "runtime.recovery",
        ] {
            // A function that is inlined everywhere is not there by its name: only the second is so
            // short.
            let Some(entry) = world.program.address(name) else {
                unknown |= world.program.is_obfuscated() && name != "runtime.shrinkstack";
                continue;
            };
            if let Some(found) = world.find_func(entry)? {
                functions.push((found.entry(), found.module.text_address(found.func.end())));
            }
        }
        Ok(StackCopiers { functions, unknown })
    }

    /// Whether `thread`, whose stack pointer is in `stack`, is in one of them or was called by one:
    /// then where on the stack (or in the code) that was seen. Callers are found by the chain of frame
    /// pointers, which Go's code keeps on amd64; a function that has not set up its own yet was called
    /// by what lies on top of the stack.
    pub(super) fn is_copying(
        &self,
        model: DataModel,
        target: &dyn Target,
        thread: &Thread,
        stack: (Addr, Addr),
    ) -> Option<Addr> {
        let copies = |pc: u64| {
            let pc = Addr::new(pc);
            self.functions
                .iter()
                .any(|&(start, end)| start <= pc && pc < end)
        };
        let registers = &thread.registers;
        if self.unknown || copies(registers.pc.get()) {
            return Some(registers.pc);
        }
        let word = model.word_size();
        let len = stack.1.since(registers.sp)?.min(MOST);
        let mut bytes = vec![0; len as usize];
        target.read(registers.sp, &mut bytes).ok()?;
        let at = |offset: u64| {
            let end = offset.checked_add(word)?;
            Some(model.uint(bytes.get(offset as usize..end as usize)?))
        };
        for offset in [0, word] {
            if at(offset).is_some_and(copies) {
                return Some(registers.sp.offset(offset));
            }
        }
        // A live process has the registers of amd64 or of 386, and on the latter no frame pointers:
        // there any word may be a return address.
        let Some(frame) = registers.get("rbp") else {
            let mut words = (0..len / word).map(|i| i * word);
            let found = words.find(|offset| at(*offset).is_some_and(copies));
            return found.map(|offset| registers.sp.offset(offset));
        };
        let mut frame = Addr::new(frame);
        for _ in 0..FRAMES {
            // Outside of what was read: the end of the chain, or of the window.
            let offset = frame.since(registers.sp)?;
            let (next, caller) = (at(offset)?, at(offset.checked_add(word)?)?);
            if copies(caller) {
                return Some(frame.offset(word));
            }
            // Callers lie above.
            match Addr::new(next) {
                next if next > frame => frame = next,
                _ => return None,
            }
        }
        None
    }
}
