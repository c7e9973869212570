//! Stack objects: variables of a frame whose address is taken, which its stack map does not cover.
//!
//! The compiler lists those of a function in `FUNCDATA_StackObjects`: a count, and a record of 16
//! bytes for each, the same in go1.19 to go1.27 but for the pointer programs of go1.23 and older
//! (runtime/stack.go: `stackObjectRecord`; cmd/compile/internal/liveness/plive.go:
//! `emitStackObjects`). Which of them are alive, [`stack_liveness`](crate::stack_liveness) tells.

use std::collections::HashMap;
use std::rc::Rc;

use goheap_golang::TypeError;
use goheap_memory::{Addr, Memory};

use crate::types::WorldTypes;
use crate::unwind::UnwindError;
use crate::{FoundFunc, WalkError, World};

/// `FUNCDATA_StackObjects` (internal/abi/symtab.go; runtime/symtab.go in go1.19).
const STACK_OBJECTS: u8 = 2;

/// Bytes of a record.
const RECORD: usize = 16;

/// Records of one function that are believed.
const MOST_RECORDS: u64 = 1 << 18;

/// One stack object of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ObjectRecord {
    /// Where it is in the frame: from `varp` if negative, else from the arguments.
    pub(crate) offset: i32,
    /// Its bytes.
    pub(crate) size: u32,
    /// Its bytes up to the end of its last pointer.
    pub(crate) pointer_bytes: u32,
    /// Whether a pointer program tells where the pointers are, and not a mask.
    pub(crate) program: bool,
    /// Where the mask or program is.
    pub(crate) mask: Addr,
}

/// The stack objects of `found`, in the order of their addresses.
pub(crate) fn records(
    world: &World<'_>,
    found: &FoundFunc<'_>,
) -> Result<Vec<ObjectRecord>, UnwindError> {
    let pc = found.entry();
    let offset = found
        .func
        .funcdata(STACK_OBJECTS)
        .map_err(|source| UnwindError::Table { pc, source })?;
    let Some(offset) = offset else {
        return Ok(Vec::new());
    };
    let at = found.module.gofunc.offset(u64::from(offset));
    let unreadable = |fault| UnwindError::Unreadable {
        pc,
        what: "list of stack objects",
        fault,
    };
    let word = world.model.word_size();
    let count = world
        .model
        .read_word(&world.memory, at)
        .map_err(unreadable)?;
    if count > MOST_RECORDS {
        return Err(UnwindError::Implausible {
            pc,
            what: "number of stack objects",
            found: count,
        });
    }
    let mut bytes = vec![0; count as usize * RECORD];
    world
        .memory
        .read(at.offset(word), &mut bytes)
        .map_err(unreadable)?;
    let decode = |raw: &[u8]| decode(world, found.module.rodata, pc, raw);
    bytes.chunks_exact(RECORD).map(decode).collect()
}

/// The one stack object of reflect's stubs `makeFuncStub` and `methodValueCall`: the registers that
/// they were called with. The compiler does not know of it, and the runtime keeps a record of it
/// (runtime/stkframe.go: `methodValueCallFrameObjs`; go1.19: stack.go). Its mask counts from the
/// module that the runtime is in.
pub(crate) fn reflect_record(world: &World<'_>, pc: Addr) -> Result<ObjectRecord, UnwindError> {
    let missing = || UnwindError::Implausible {
        pc,
        what: "address of runtime.methodValueCallFrameObjs",
        found: 0,
    };
    let at = world
        .program
        .address("runtime.methodValueCallFrameObjs")
        .ok_or_else(missing)?;
    let rodata = world.modules.first().ok_or_else(missing)?.rodata;
    let mut raw = [0; RECORD];
    world
        .memory
        .read(at, &mut raw)
        .map_err(|fault| UnwindError::Unreadable {
            pc,
            what: "record of reflect's stack object",
            fault,
        })?;
    decode(world, rodata, pc, &raw)
}

fn decode(
    world: &World<'_>,
    rodata: Addr,
    pc: Addr,
    raw: &[u8],
) -> Result<ObjectRecord, UnwindError> {
    let number = |index: usize| {
        let bytes = raw.get(index * 4..index * 4 + 4).unwrap_or(&[0; 4]);
        world.model.uint(bytes) as u32
    };
    let size = number(1);
    // Negative if there is a program (go1.23 and older).
    let pointers = number(2).cast_signed();
    let record = ObjectRecord {
        offset: number(0).cast_signed(),
        size,
        pointer_bytes: pointers.unsigned_abs(),
        program: pointers < 0,
        mask: rodata.offset(u64::from(number(3))),
    };
    if size > i32::MAX.cast_unsigned() || record.pointer_bytes > size {
        return Err(UnwindError::Implausible {
            pc,
            what: "size of a stack object",
            found: u64::from(size),
        });
    }
    Ok(record)
}

/// Which words of an object are pointers: a bit a word, those behind the last byte are none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ObjectMask(pub(crate) Box<[u8]>);

impl ObjectMask {
    /// That of an object of which each word (of `word` bytes) may be a pointer.
    pub(crate) fn all(record: &ObjectRecord, word: u64) -> ObjectMask {
        let words = u64::from(record.pointer_bytes) / word.max(1);
        let mut bits = vec![0xff; words.div_ceil(8) as usize];
        if let (Some(last), used @ 1..) = (bits.last_mut(), words % 8) {
            *last = (1 << used) - 1;
        }
        ObjectMask(bits.into())
    }

    /// Numbers of the words that are pointers, ascending, from word `first` on.
    pub(crate) fn words_from(&self, first: u64) -> impl Iterator<Item = u64> + '_ {
        let skipped = (first / 8).min(self.0.len() as u64) as usize;
        let bytes = self.0.get(skipped..).unwrap_or_default();
        (skipped as u64..)
            .zip(bytes)
            .filter(|(_, byte)| **byte != 0)
            .flat_map(|(index, byte)| {
                let set = (0..8).filter(move |bit| byte >> bit & 1 != 0);
                set.map(move |bit| index * 8 + bit)
            })
            .skip_while(move |word| *word < first)
    }
}

/// Tells which words of an object are pointers.
pub(crate) trait Masks {
    /// The mask of an object.
    fn get(&self, record: &ObjectRecord) -> Result<Rc<ObjectMask>, TypeError>;
}

/// The masks that a walk has met.
pub(crate) struct WorldMasks<'w, 't> {
    types: WorldTypes<'w, 't>,
    known: std::cell::RefCell<Known>,
}

#[derive(Default)]
struct Known {
    masks: HashMap<(Addr, u32), Result<Rc<ObjectMask>, TypeError>>,
    bytes: usize,
}

impl<'w, 't> WorldMasks<'w, 't> {
    /// More masks than this are not kept, nor more bytes of them.
    const KEPT: usize = 1 << 14;
    const KEPT_BYTES: usize = 1 << 24;

    pub(crate) fn new(world: &'w World<'t>) -> Result<WorldMasks<'w, 't>, WalkError> {
        Ok(WorldMasks {
            types: world.types()?,
            known: Default::default(),
        })
    }
}

impl Masks for WorldMasks<'_, '_> {
    fn get(&self, record: &ObjectRecord) -> Result<Rc<ObjectMask>, TypeError> {
        let key = (record.mask, record.pointer_bytes);
        if let Some(known) = self.known.borrow().masks.get(&key) {
            return known.clone();
        }
        let bytes = u64::from(record.pointer_bytes);
        let mask = self
            .types
            .read_stack_object_mask(record.mask, bytes, record.program)
            .map(|mask| Rc::new(ObjectMask(mask.bits().into())));
        let known = &mut *self.known.borrow_mut();
        known.bytes += mask.as_ref().map_or(0, |mask| mask.0.len());
        if known.masks.len() >= Self::KEPT || known.bytes > Self::KEPT_BYTES {
            known.masks.clear();
            known.bytes = mask.as_ref().map_or(0, |mask| mask.0.len());
        }
        known.masks.insert(key, mask.clone());
        mask
    }
}

#[cfg(test)]
mod tests;
