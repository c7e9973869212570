//! Stack maps: which words of a frame are pointers, as the compiler tells it.

use goheap_memory::{Addr, Memory};

use crate::unwind::UnwindError;
use crate::{FoundFunc, World};

/// `PCDATA_StackMapIndex` (internal/abi/symtab.go; runtime/symtab.go in go1.19).
const PCDATA_STACK_MAP_INDEX: u32 = 1;

/// `FUNCDATA_ArgsPointerMaps` (same place).
pub(crate) const ARGS_POINTER_MAPS: u8 = 0;

/// `FUNCDATA_LocalsPointerMaps` (same place).
pub(crate) const LOCALS_POINTER_MAPS: u8 = 1;

/// Bits of a map that are believed: a frame of 64 MiB. The compiler would accept one of 1 GiB
/// (cmd/compile: "stack frame too large"), but a variable of more than 10 MiB goes to the heap
/// (cmd/compile/internal/ir/cfg.go, go1.19: `MaxStackVarSize`).
const MOST_BITS: u64 = (64 << 20) / 8;

/// What `FUNCDATA_LocalsPointerMaps` or `FUNCDATA_ArgsPointerMaps` says at one program counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PointerMap {
    /// Nothing: the function has no such data.
    Missing,
    /// There are this many bytes, which may be pointers or not (a negative count of maps).
    Sized(u64),
    /// There is nothing (no maps).
    Empty,
    /// A bit a word.
    Bits(Bits),
}

/// A `bitvector`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits {
    /// How many words it describes.
    pub(crate) words: u64,
    /// Which of them are pointers, ascending.
    pub(crate) pointers: Box<[u32]>,
}

/// The maps of a function at one program counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameMaps {
    /// Which words of the locals are pointers.
    pub(crate) locals: PointerMap,
    /// Which words of the arguments are pointers; `None` if the function has no such data.
    pub(crate) args: Option<Bits>,
    /// Whether there are as many maps of the locals as the index says. The runtime's dumper does
    /// not look, and takes the bytes that are there; the collector throws.
    pub(crate) locals_in_range: bool,
    /// The same of the arguments.
    pub(crate) args_in_range: bool,
}

impl FrameMaps {
    /// How many pointers they name.
    pub(crate) fn pointers(&self) -> usize {
        let locals = match &self.locals {
            PointerMap::Bits(bits) => bits.pointers.len(),
            PointerMap::Missing | PointerMap::Sized(_) | PointerMap::Empty => 0,
        };
        self.args.as_ref().map_or(0, |bits| bits.pointers.len()) + locals
    }
}

/// The maps of `found` that hold at `pc`.
pub(crate) fn read(
    world: &World<'_>,
    found: &FoundFunc<'_>,
    pc: Addr,
) -> Result<FrameMaps, UnwindError> {
    let index = index(found, pc)?;
    let in_range = |count: i32| (0..count).contains(&index);
    let (locals, locals_in_range) = match Maps::read(world, found, pc, LOCALS_POINTER_MAPS)? {
        None => (PointerMap::Missing, true),
        Some(maps) => {
            let locals = match maps.count {
                0 => PointerMap::Empty,
                ..0 => PointerMap::Sized(u64::from(maps.count.unsigned_abs())),
                1.. => PointerMap::Bits(maps.bits(world, pc, index)?),
            };
            (locals, in_range(maps.count))
        }
    };
    let (args, args_in_range) = match Maps::read(world, found, pc, ARGS_POINTER_MAPS)? {
        None => (None, true),
        Some(maps) => (Some(maps.bits(world, pc, index)?), in_range(maps.count)),
    };
    Ok(FrameMaps {
        locals,
        args,
        locals_in_range,
        args_in_range,
    })
}

/// The index of the stack map that holds at `pc` of `found`, as `dumpframe` picks it.
fn index(found: &FoundFunc<'_>, pc: Addr) -> Result<i32, UnwindError> {
    let index = match found.module.text_offset(pc) {
        // Behind a call, what holds is what held at the call.
        Some(offset) if pc != found.entry() => found
            .func
            .pcdata(PCDATA_STACK_MAP_INDEX, offset.before(1))
            .map_err(|source| UnwindError::Table { pc, source })?,
        _ => -1,
    };
    // The prologue has no index; it is described by the first map.
    Ok(if index == -1 { 0 } else { index })
}

/// `stackmap` (runtime/symtab.go): the compiler writes two 32-bit numbers and then the maps.
struct Maps {
    count: i32,
    bits: i32,
    bytes: Addr,
}

impl Maps {
    fn read(
        world: &World<'_>,
        found: &FoundFunc<'_>,
        pc: Addr,
        funcdata: u8,
    ) -> Result<Option<Maps>, UnwindError> {
        let table = |source| UnwindError::Table { pc, source };
        let Some(offset) = found.func.funcdata(funcdata).map_err(table)? else {
            return Ok(None);
        };
        let at = found.module.gofunc.offset(u64::from(offset));
        let number = |at: Addr| {
            let number = world.model.read_uint(&world.memory, at, 4);
            number
                .map(|number| (number as u32).cast_signed())
                .map_err(|fault| UnwindError::Unreadable {
                    pc,
                    what: "stack map",
                    fault,
                })
        };
        Ok(Some(Maps {
            count: number(at)?,
            bits: number(at.offset(4))?,
            bytes: at.offset(8),
        }))
    }

    /// The map number `index`. An index past the last map is not refused, since the runtime does
    /// not refuse it either (runtime/symtab.go: `stackmapdata` looks with `stackDebug` alone).
    fn bits(&self, world: &World<'_>, pc: Addr, index: i32) -> Result<Bits, UnwindError> {
        let words = u64::from(self.bits.cast_unsigned());
        if words > MOST_BITS {
            return Err(UnwindError::Implausible {
                pc,
                what: "length of a stack map",
                found: words,
            });
        }
        let size = self.bits.wrapping_add(7) >> 3;
        // The product is an int32 that is then widened as a signed number is.
        let start = i64::from(index.wrapping_mul(size)).cast_unsigned();
        let mut bytes = vec![0; words.div_ceil(8) as usize];
        world
            .memory
            .read(self.bytes.offset(start), &mut bytes)
            .map_err(|fault| UnwindError::Unreadable {
                pc,
                what: "stack map",
                fault,
            })?;
        let is_pointer = |i: &u32| {
            bytes
                .get(*i as usize / 8)
                .is_some_and(|byte| byte >> (i % 8) & 1 == 1)
        };
        Ok(Bits {
            words,
            pointers: (0..words as u32).filter(is_pointer).collect(),
        })
    }
}
