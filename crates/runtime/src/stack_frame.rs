//! A frame's record: where its pointers are (runtime/heapdump.go: `dumpframe`).

use std::rc::Rc;

use goheap_format::{Fields, StackFrame};
use goheap_memory::{Addr, Memory};

use crate::World;
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
/// (runtime/heapdump.go: `childInfo`). They begin at the caller's `sp`: on amd64 nothing lies in
/// between.
#[derive(Debug, Default)]
struct Child {
    /// Its function; `None` if the frame is the innermost.
    site: Option<Rc<Site>>,
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
        self.read_contents(frame)?;
        self.list_pointers(frame)?;
        let next = Child {
            site: Some(Rc::clone(&frame.site)),
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

    fn read_contents(&mut self, frame: &Frame<Site>) -> Result<(), UnwindError> {
        let pc = frame.pc;
        let len = frame.fp.get().wrapping_sub(frame.sp.get());
        if len > MOST_BYTES {
            return Err(UnwindError::Implausible {
                pc,
                what: "length of the frame",
                found: len,
            });
        }
        self.contents.clear();
        let mut done = 0;
        while done < len {
            let step = CHUNK.min(len - done);
            self.contents.resize((done + step) as usize, 0);
            let part = self.contents.get_mut(done as usize..).unwrap_or_default();
            self.world
                .memory
                .read(frame.sp.offset(done), part)
                .map_err(|fault| UnwindError::Unreadable {
                    pc,
                    what: "frame",
                    fault,
                })?;
            done += step;
        }
        Ok(())
    }

    fn list_pointers(&mut self, frame: &Frame<Site>) -> Result<(), UnwindError> {
        self.offsets.clear();
        let args = self.child.site.as_ref().and_then(|site| site.args.as_ref());
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
        let locals = &frame.site.locals;
        list_offsets(&mut self.offsets, args, args_len, locals, locals_end, word);
        Ok(())
    }

    /// Bytes of the frame's own arguments.
    fn args_len(&self, frame: &Frame<Site>) -> Result<u64, UnwindError> {
        match frame.site.args_len {
            ArgsLen::Fixed(len) => Ok(len),
            ArgsLen::Reflect => self.reflect_args_len(frame),
        }
    }

    /// The stubs of package reflect stand for functions of any type. What they were called with is
    /// told by the context that they save at `sp` (runtime/stkframe.go: `argMapInternal` and
    /// `reflectMethodValue`; go1.19: traceback.go, `getArgInfo`).
    fn reflect_args_len(&self, frame: &Frame<Site>) -> Result<u64, UnwindError> {
        let model = self.world.model;
        let word = model.word_size();
        let pc = frame.pc;
        if frame.sp >= frame.fp.before(word) {
            // A goroutine that has not begun yet: no context, and no arguments either.
            return match pc == frame.site.step.entry {
                true => Ok(0),
                false => Err(UnwindError::ReflectMismatch { pc }),
            };
        }
        let read = |at: Addr, size: u64| {
            model
                .read_uint(&self.world.memory, at, size as usize)
                .map_err(|fault| UnwindError::Unreadable {
                    pc,
                    what: "reflect context",
                    fault,
                })
        };
        let context = Addr::new(read(frame.sp, word)?);
        let results_valid = read(frame.sp.offset(4 * word), 1)? != 0;
        if read(context, word)? != frame.site.step.entry.get() {
            return Err(UnwindError::ReflectMismatch { pc });
        }
        let stack = Addr::new(read(context.offset(word), word)?);
        let args = read(context.offset(2 * word), word)?;
        // The first field of a bitvector is an int32.
        let words = i64::from((read(stack, 4)? as u32).cast_signed());
        let args_words = i64::from(((args / word) as u32).cast_signed());
        let valid = match results_valid {
            true => words,
            false => words.min(args_words),
        };
        Ok(valid.cast_unsigned().wrapping_mul(word))
    }
}

/// Offsets of pointers from `sp`: those in the arguments of the callee, then those in the locals,
/// which end at `locals_end`. Where there is no map, each word may be one.
fn list_offsets(
    offsets: &mut Vec<u64>,
    args: Option<&Bits>,
    args_len: u64,
    locals: &PointerMap,
    locals_end: u64,
    word: u64,
) {
    match args {
        Some(bits) => offsets.extend(bits.pointers.iter().map(|i| u64::from(*i) * word)),
        None => offsets.extend((0..args_len).step_by(word as usize)),
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
