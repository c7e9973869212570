//! Values by program counter: the encoding of `pctab`.
//!
//! A table is a sequence of pairs of varints: how the value changes (zigzag), and for how many
//! instruction units it then holds. It begins with the value -1 at the function's entry and ends
//! with a zero. Source: runtime/symtab.go, go1.19 to go1.27: `pcvalue`, `step`, `readvarint`.

use super::{FuncTable, PclntabError, TextOffset};

/// More steps than any function has: the largest generated ones have some megabytes of code.
const MAX_STEPS: u64 = 1 << 22;

impl<'d> FuncTable<'d> {
    /// What `runtime.pcvalue` gives in its strict form: the value of the table at `offset` of
    /// `pctab`, of a function that covers `entry..end`, at `pc`. -1 if there is no table (offset 0).
    ///
    /// Each step covers at least one instruction unit, as every linker's does; so even a hostile
    /// table takes no more steps than its function has room for.
    pub(super) fn pc_value(
        &self,
        offset: u32,
        entry: TextOffset,
        end: TextOffset,
        pc: TextOffset,
    ) -> Result<i32, PclntabError> {
        if offset == 0 {
            return Ok(-1);
        }
        let none = PclntabError::NoValue {
            table: offset,
            pc,
            entry,
        };
        let Some(mut rest) = self.pctab.get(offset as usize..) else {
            return Err(none);
        };
        let quantum = u64::from(self.header.quantum);
        let room = end.get().saturating_sub(entry.get()) / quantum;
        let steps = room.saturating_add(2).min(MAX_STEPS);
        let mut at = entry.get();
        let mut value = -1i32;
        for _ in 0..steps {
            let Some((change, after)) = varint(rest) else {
                return Err(none);
            };
            // A zero ends the table, except as the very first change: a table may begin with -1.
            if change == 0 && at != entry.get() {
                return Err(none);
            }
            let Some((units, after)) = varint(after) else {
                return Err(none);
            };
            value = value.wrapping_add(zigzag(change));
            at = at.wrapping_add(u64::from(units.wrapping_mul(self.header.quantum.into())));
            if pc.get() < at {
                return Ok(value);
            }
            rest = after;
        }
        Err(none)
    }
}

/// A number of 7 bits a byte, low ones first, and what follows it. Longer than 5 bytes is none: no
/// linker writes it.
fn varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0u32;
    for (index, &byte) in bytes.iter().enumerate().take(5) {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

fn zigzag(value: u32) -> i32 {
    let sign = if value & 1 == 1 { u32::MAX } else { 0 };
    (sign ^ (value >> 1)).cast_signed()
}
