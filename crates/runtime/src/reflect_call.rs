//! What one of reflect's stubs was called with.

use goheap_memory::{Addr, Memory};

use crate::World;
use crate::stack::Site;
use crate::unwind::UnwindError;

/// Words of arguments and results that are believed.
const MOST_WORDS: u64 = 1 << 24;

/// The call that a frame of `reflect.makeFuncStub` or `reflect.methodValueCall` stands for. The stubs
/// stand for functions of any type; what they were called with is told by the context that they save
/// first thing in their frame (runtime/stkframe.go: `argMapInternal` and `reflectMethodValue`; go1.19: traceback.go,
/// `getArgInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReflectCall {
    /// Words of the arguments, and of the results if these are valid by now.
    pub(crate) words: u64,
    /// The `bitvector` of which of all its words are pointers.
    map: Addr,
}

impl ReflectCall {
    /// Reads the call of a frame with this pc, sp and fp. `None` for a goroutine that has not begun
    /// yet: it has no context, and no arguments either.
    pub(crate) fn read(
        world: &World<'_>,
        site: &Site,
        (pc, sp, fp): (Addr, Addr, Addr),
    ) -> Result<Option<ReflectCall>, UnwindError> {
        let word = world.model.word_size();
        let sp = sp.offset(world.arch.min_frame_size);
        if sp >= fp.before(world.arch.pushed_by_call()) {
            return match pc == site.step.entry {
                true => Ok(None),
                false => Err(UnwindError::ReflectMismatch { pc }),
            };
        }
        let read = |at: Addr, size: u64| read(world, pc, at, size);
        let context = Addr::new(read(sp, word)?);
        let results_valid = read(sp.offset(4 * word), 1)? != 0;
        if read(context, word)? != site.step.entry.get() {
            return Err(UnwindError::ReflectMismatch { pc });
        }
        let map = Addr::new(read(context.offset(word), word)?);
        let args = read(context.offset(2 * word), word)?;
        // The first field of a bitvector is an int32.
        let words = i64::from((read(map, 4)? as u32).cast_signed());
        let args_words = i64::from(((args / word) as u32).cast_signed());
        let valid = match results_valid {
            true => words,
            false => words.min(args_words),
        };
        Ok(Some(ReflectCall {
            words: valid.cast_unsigned(),
            map,
        }))
    }

    /// Numbers of the words that are pointers.
    pub(crate) fn pointers(&self, world: &World<'_>, pc: Addr) -> Result<Vec<u64>, UnwindError> {
        if self.words > MOST_WORDS {
            return Err(UnwindError::Implausible {
                pc,
                what: "length of the arguments",
                found: self.words,
            });
        }
        let word = world.model.word_size();
        // runtime/stack.go: `bitvector`, whose second field is a pointer.
        let bytes_at = Addr::new(read(world, pc, self.map.offset(word), word)?);
        let mut bytes = vec![0; self.words.div_ceil(8) as usize];
        world
            .memory
            .read(bytes_at, &mut bytes)
            .map_err(|fault| UnwindError::Unreadable {
                pc,
                what: "reflect context",
                fault,
            })?;
        let is_pointer = |i: &u64| {
            let byte = bytes.get((i / 8) as usize);
            byte.is_some_and(|byte| byte >> (i % 8) & 1 != 0)
        };
        Ok((0..self.words).filter(is_pointer).collect())
    }
}

fn read(world: &World<'_>, pc: Addr, at: Addr, size: u64) -> Result<u64, UnwindError> {
    world
        .model
        .read_uint(&world.memory, at, size as usize)
        .map_err(|fault| UnwindError::Unreadable {
            pc,
            what: "reflect context",
            fault,
        })
}
