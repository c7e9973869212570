//! Tables that an obfuscator has hidden: another magic number, and encrypted entries.
//!
//! garble builds a linker and a runtime of its own for each program (its internal/linker/patches and
//! runtime_patch.go; since its v0.10 and go1.20). Their magic number is any, and each `_func` has, in
//! the place of its entry, `entry ^ name * key`: `name` is the offset of its name, `key` a number of 32
//! bits that only the program's code has. `functab`, which the runtime looks functions up in, stays as
//! it is. So the entries are known without the key; it is worked out only to see whether all functions
//! agree on one. If they do, the table is what garble makes of one of go1.20 or later. If they do not,
//! what else may be different in it is not known.

use super::{FuncTable, Header, PclntabError};

/// How many functions must have a name whose offset is not 0: the first tells the key, and each of the
/// others agrees by chance once in four thousand million times.
const FEWEST_NAMED: usize = 2;

/// Reads a table that begins with `magic`, which is none of Go's.
pub(super) fn parse(bytes: &[u8], magic: u32) -> Result<FuncTable<'_>, PclntabError> {
    let is_none = |_| PclntabError::Magic { found: magic };
    let header = Header::with_any_magic(bytes).map_err(is_none)?;
    let table = FuncTable::with_header(bytes, header).map_err(is_none)?;
    let key = Key::of(&table).ok_or(PclntabError::Magic { found: magic })?;
    let mut end = None;
    for index in 0..table.func_count() {
        let func = table
            .func(index)
            .ok_or(PclntabError::Magic { found: magic })?;
        // The structs lie one behind another, in the order of the functions, each at a multiple of a
        // pointer (cmd/link/internal/ld/pcln.go, go1.20 to go1.27: `calculateFunctabSize`).
        let start = table.func_offset(index).map(|start| start as u64);
        let follows = end.is_none_or(|end| start == Some(end));
        let align = u64::from(header.pointer_size);
        end = start.map(|start| (start + func.size()).next_multiple_of(align));
        let entry = func.entry().get();
        if !follows || func.stored_entry() != entry ^ key.times(func.name_offset()) {
            return Err(PclntabError::Encryption {
                magic,
                index,
                entry: func.entry(),
            });
        }
    }
    Ok(table)
}

/// As much of the key as is needed.
struct Key(u32);

impl Key {
    /// The key, if the functions' entries tell one; `None` if they are not encrypted, as in a table of
    /// a version of Go that has a magic number of its own.
    fn of(table: &FuncTable<'_>) -> Option<Key> {
        let named = || table.funcs().filter(|func| func.name_offset() != 0);
        // The one with the fewest factors of two tells the most bits: all that the others need.
        let best = named().min_by_key(|func| func.name_offset().trailing_zeros())?;
        let twos = best.name_offset().trailing_zeros();
        let product = u32::try_from(best.stored_entry() ^ best.entry().get()).ok()?;
        if product == 0 || product.trailing_zeros() < twos || named().count() < FEWEST_NAMED {
            return None;
        }
        let odd = best.name_offset() >> twos;
        Some(Key((product >> twos).wrapping_mul(inverse(odd))))
    }

    fn times(&self, name: u32) -> u64 {
        u64::from(name.wrapping_mul(self.0))
    }
}

/// What gives 1 when multiplied by `odd`, modulo 2^32.
fn inverse(odd: u32) -> u32 {
    // An odd number is its own inverse modulo 8; each step doubles the bits.
    (0..4).fold(odd, |known, _| {
        known.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(known)))
    })
}
