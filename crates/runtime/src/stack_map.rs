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

/// The index of the stack map that holds at `pc` of `found`, as `dumpframe` picks it.
pub(crate) fn index(found: &FoundFunc<'_>, pc: Addr) -> Result<i32, UnwindError> {
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

/// The locals' map number `index` of `found`.
pub(crate) fn locals(
    world: &World<'_>,
    found: &FoundFunc<'_>,
    pc: Addr,
    index: i32,
) -> Result<PointerMap, UnwindError> {
    let Some(maps) = Maps::read(world, found, pc, LOCALS_POINTER_MAPS)? else {
        return Ok(PointerMap::Missing);
    };
    Ok(match maps.count {
        0 => PointerMap::Empty,
        ..0 => PointerMap::Sized(u64::from(maps.count.unsigned_abs())),
        1.. => PointerMap::Bits(maps.bits(world, pc, index)?),
    })
}

/// The arguments' map number `index` of `found`; the count of maps is not looked at.
pub(crate) fn args(
    world: &World<'_>,
    found: &FoundFunc<'_>,
    pc: Addr,
    index: i32,
) -> Result<Option<Bits>, UnwindError> {
    Maps::read(world, found, pc, ARGS_POINTER_MAPS)?
        .map(|maps| maps.bits(world, pc, index))
        .transpose()
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
