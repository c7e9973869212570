//! A frame's record: where its pointers are (runtime/heapdump.go: `dumpframe`).

use std::rc::Rc;

use goheap_format::{Fields, StackFrame};
use goheap_memory::{Addr, Memory};

use crate::World;
use crate::reflect_call::ReflectCall;
use crate::stack::{ArgsLen, Site};
use crate::stack_map::{Bits, PointerMap};
use crate::unwind::{Frame, UnwindError};

/// Bytes of one frame that are believed: the most that the compiler accepts (cmd/compile: "stack
/// frame too large").
const MOST_BYTES: u64 = 1 << 30;

/// Bytes of arguments that are believed where each word of them makes an entry of the list.
const MOST_UNTYPED_ARGS: u64 = 1 << 24;

/// Bytes that are read at once, so that no more is allocated than can be read.
const CHUNK: u64 = 1 << 20;

/// Makes the records of one stack's frames, innermost first. `reset` begins a new stack.
pub(crate) struct FrameWriter<'w> {
    world: &'w World<'w>,
    contents: Vec<u8>,
    offsets: Vec<u64>,
    child: Child,
}

/// What a frame passes on to its caller's frame, in which its arguments lie
/// (runtime/heapdump.go: `childInfo`).
#[derive(Debug, Default)]
struct Child {
    /// Its function; `None` if the frame is the innermost.
    site: Option<Rc<Site>>,
    /// Where they begin, from the caller's `sp`.
    args_offset: u64,
    args_len: u64,
    sp: Addr,
    depth: u64,
}

impl<'w> FrameWriter<'w> {
    pub(crate) fn new(world: &'w World<'w>) -> Self {
        FrameWriter {
            world,
            contents: Vec::new(),
            offsets: Vec::new(),
            child: Child::default(),
        }
    }

    /// Begins a new stack.
    pub(crate) fn reset(&mut self) {
        self.child = Child::default();
    }

    /// The record of the next frame of the stack.
    pub(crate) fn record<'f>(
        &'f mut self,
        frame: &'f Frame<Site>,
    ) -> Result<StackFrame<'f>, UnwindError> {
        let place = (frame.pc, frame.sp, frame.fp);
        read_contents(self.world, place, &mut self.contents)?;
        self.list_pointers(frame)?;
        let next = Child {
            site: Some(Rc::clone(&frame.site)),
            args_offset: frame.argp.get().wrapping_sub(frame.fp.get()),
            args_len: self.args_len(frame)?,
            sp: frame.sp,
            depth: self.child.depth + 1,
        };
        let child = std::mem::replace(&mut self.child, next);
        Ok(StackFrame {
            sp: frame.sp.get(),
            depth: child.depth,
            child_sp: child.sp.get(),
            contents: &self.contents,
            entry: frame.site.step.entry.get(),
            pc: frame.pc.get(),
            continue_pc: frame.continue_pc.get(),
            function: &frame.site.name,
            fields: Fields::Offsets(&self.offsets),
        })
    }

    fn list_pointers(&mut self, frame: &Frame<Site>) -> Result<(), UnwindError> {
        self.offsets.clear();
        let maps = frame.site.maps.as_ref().map_err(UnwindError::clone)?;
        // The child's own record had its maps.
        let child = self.child.site.as_ref();
        let args = child.and_then(|site| site.maps.as_ref().ok()?.args.as_ref());
        let args_len = self.child.args_len;
        if args.is_none() && args_len > MOST_UNTYPED_ARGS {
            let what = "length of the callee's arguments";
            return Err(UnwindError::Implausible {
                pc: frame.pc,
                what,
                found: args_len,
            });
        }
        let locals_end = frame.varp.get().wrapping_sub(frame.sp.get());
        let word = self.world.model.word_size();
        list_offsets(
            &mut self.offsets,
            args,
            (self.child.args_offset, args_len),
            &maps.locals,
            locals_end,
            word,
        );
        Ok(())
    }

    /// Bytes of the frame's own arguments.
    fn args_len(&self, frame: &Frame<Site>) -> Result<u64, UnwindError> {
        match frame.site.args_len {
            ArgsLen::Fixed(len) => Ok(len),
            ArgsLen::Reflect => {
                let place = (frame.pc, frame.sp, frame.fp);
                let call = ReflectCall::read(self.world, &frame.site, place)?;
                let word = self.world.model.word_size();
                Ok(call.map_or(0, |call| call.words.wrapping_mul(word)))
            }
        }
    }
}

/// Reads the contents of the frame of this pc, from sp to fp.
pub(crate) fn read_contents(
    world: &World<'_>,
    (pc, sp, fp): (Addr, Addr, Addr),
    contents: &mut Vec<u8>,
) -> Result<(), UnwindError> {
    let len = fp.get().wrapping_sub(sp.get());
    if len > MOST_BYTES {
        return Err(UnwindError::Implausible {
            pc,
            what: "length of the frame",
            found: len,
        });
    }
    contents.clear();
    // A damaged stack must not cost a buffer before it is known not to be there.
    let last = fp.before(1).max(sp);
    for at in [sp, last] {
        let what = "frame";
        let read = world.memory.read(at, &mut [0]);
        read.map_err(|fault| UnwindError::Unreadable { pc, what, fault })?;
    }
    let mut done = 0;
    while done < len {
        let step = CHUNK.min(len - done);
        contents.resize((done + step) as usize, 0);
        let part = contents.get_mut(done as usize..).unwrap_or_default();
        world
            .memory
            .read(sp.offset(done), part)
            .map_err(|fault| UnwindError::Unreadable {
                pc,
                what: "frame",
                fault,
            })?;
        done += step;
    }
    Ok(())
}

/// Offsets of pointers from `sp`: those in the arguments of the callee, which begin at an offset and
/// have a length, then those in the locals, which end at `locals_end`. Where there is no map, each
/// word may be one.
fn list_offsets(
    offsets: &mut Vec<u64>,
    args: Option<&Bits>,
    (args_offset, args_len): (u64, u64),
    locals: &PointerMap,
    locals_end: u64,
    word: u64,
) {
    match args {
        Some(bits) => {
            let offset = |i: &u32| args_offset + u64::from(*i) * word;
            offsets.extend(bits.pointers.iter().map(offset));
        }
        None => {
            let end = args_offset.saturating_add(args_len);
            offsets.extend((args_offset..end).step_by(word as usize));
        }
    }
    match locals {
        PointerMap::Missing => offsets.extend((args_len..locals_end).step_by(word as usize)),
        PointerMap::Sized(size) => {
            // A size beyond the frame's wraps, and the runtime's loop then does not begin.
            let start = locals_end.wrapping_sub(*size);
            offsets.extend((start..locals_end).step_by(word as usize));
        }
        PointerMap::Empty => {}
        PointerMap::Bits(bits) => {
            // In a frame that has no room for its locals yet, the map begins below `sp`. The first
            // map has no pointers then; if it had, the runtime would write offsets that wrap.
            let start = locals_end.wrapping_sub(bits.words * word);
            let offset = |i: &u32| start.wrapping_add(u64::from(*i) * word);
            offsets.extend(bits.pointers.iter().map(offset));
        }
    }
}

#[cfg(test)]
mod tests;
