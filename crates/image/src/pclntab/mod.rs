//! The function table of a Go program (`pclntab`): functions by program counter, and for each its
//! name, frame sizes, stack map indexes, files and lines.
//!
//! A [`FuncTable`] is read in place, from the bytes of the executable or of a live process; it is
//! the same in both. All program counters are [`TextOffset`]s: bytes from the start of the module's
//! text (`moduledata.text`), so that neither file nor live addresses are mixed into the table.
//!
//! Layout: runtime/symtab.go (`pcHeader`, `functab`) and runtime/runtime2.go (`_func`), go1.19 to
//! go1.27, and debug/gosym/pclntab.go for go1.16.
//!
//! BUG: one text section is assumed. Programs for ppc64 and arm with more than some 30 MB of code
//! have several (`moduledata.textsectmap`); there a caller must do the mapping to text offsets.

mod func;
mod func_id;
mod header;
mod hidden;
mod pcvalue;
#[cfg(test)]
mod tests;

use std::fmt;

pub use func::Func;
pub use func_id::{FuncId, FuncIds};
pub use header::Header;

use crate::bytes::Order;

/// A program counter, in bytes from the start of the module's text (`moduledata.text`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TextOffset(u64);

impl TextOffset {
    /// An offset from its number.
    pub const fn new(raw: u64) -> TextOffset {
        TextOffset(raw)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The offset `bytes` further up, wrapping.
    #[must_use]
    pub const fn offset(self, bytes: u64) -> TextOffset {
        TextOffset(self.0.wrapping_add(bytes))
    }

    /// The offset `bytes` further down, wrapping: of a return address, `before(1)` lies within the
    /// call.
    #[must_use]
    pub const fn before(self, bytes: u64) -> TextOffset {
        TextOffset(self.0.wrapping_sub(bytes))
    }
}

impl fmt::Debug for TextOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text+{:#x}", self.0)
    }
}

impl fmt::Display for TextOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text+{:#x}", self.0)
    }
}

/// What can be wrong with a function table. Offsets are bytes from the table's header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PclntabError {
    /// The table ends before its header, or before a part that the header names.
    #[error("pclntab is cut off: {what} needs {size} bytes at offset {offset:#x} of {len:#x}")]
    Truncated {
        /// What was looked for.
        what: &'static str,
        /// Where it should begin.
        offset: u64,
        /// How long it should be.
        size: u64,
        /// Length of the table.
        len: u64,
    },
    /// The table does not begin with a magic number of Go's.
    #[error("pclntab begins with {found:#010x}, which is no magic number of Go's")]
    Magic {
        /// The first four bytes, as a little-endian number.
        found: u32,
    },
    /// Neither is the magic number one of Go's, nor are the entries encrypted as obfuscators do that
    /// change it.
    #[error(
        "pclntab begins with {magic:#010x}, which is no magic number of Go's, and function {index} at \
         {entry} does not have its entry encrypted as the others have it: an obfuscator that goheap \
         does not know (it knows garble's way, by name offset and one key)"
    )]
    Encryption {
        /// The first four bytes, as a little-endian number.
        magic: u32,
        /// The number of the first function that differs.
        index: usize,
        /// Where it begins.
        entry: TextOffset,
    },
    /// The table of go1.2 to go1.15.
    #[error("pclntab of {version} (magic {magic:#010x}) is not supported: go1.16 is the oldest")]
    TooOld {
        /// The magic number.
        magic: u32,
        /// The versions that wrote it.
        version: &'static str,
    },
    /// A header field that no linker writes.
    #[error("pclntab header: {what} is {found} at offset {offset:#x}")]
    Header {
        /// The field.
        what: &'static str,
        /// Its value.
        found: u64,
        /// Where it lies.
        offset: u64,
    },
    /// A table of values by program counter does not cover the program counter asked for, or ends
    /// within a number. The runtime says "invalid pc-encoded table" and dies.
    #[error(
        "pc-value table at pctab offset {table:#x} has no value for {pc} (function at {entry})"
    )]
    NoValue {
        /// Where the table begins in `pctab`.
        table: u32,
        /// The program counter asked for.
        pc: TextOffset,
        /// Entry of the function.
        entry: TextOffset,
    },
    /// A function refers to a part of the table that is not there.
    #[error("function at {entry}: {what} lies outside of the table")]
    Dangling {
        /// What.
        what: &'static str,
        /// Entry of the function.
        entry: TextOffset,
    },
}

/// The function table of one module.
#[derive(Clone, Copy)]
pub struct FuncTable<'d> {
    header: Header,
    /// Names of functions, each ending with a zero byte.
    names: &'d [u8],
    /// For each compilation unit, offsets of its files in `files`.
    cutab: &'d [u8],
    /// Names of files, each ending with a zero byte.
    files: &'d [u8],
    /// The pc-value tables.
    pctab: &'d [u8],
    /// `functab` entries (pc, offset in `funcs`), sorted, and one more pc: the end of the text.
    ftab: &'d [u8],
    /// The `_func` structs (and before them, `ftab`).
    funcs: &'d [u8],
}

impl<'d> FuncTable<'d> {
    /// Reads the header of the table that begins with `bytes`; what follows the table's end is not
    /// looked at, as far as the table itself tells where it ends.
    ///
    /// Where an obfuscator has changed the magic number and encrypted the functions' entries, all
    /// functions are looked at, whether they agree on that; who asks often keeps the
    /// [`header`](FuncTable::header).
    ///
    /// # Errors
    /// When the magic number is unknown or too old, or the parts of the table do not lie within
    /// `bytes`.
    pub fn parse(bytes: &'d [u8]) -> Result<Self, PclntabError> {
        match Header::parse(bytes) {
            Err(PclntabError::Magic { found }) => hidden::parse(bytes, found),
            header => FuncTable::with_header(bytes, header?),
        }
    }

    /// The table that begins with `bytes`, and whose header was read before: by
    /// [`parse`](FuncTable::parse), from the same bytes.
    ///
    /// # Errors
    /// When the parts of the table do not lie within `bytes`.
    pub fn with_header(bytes: &'d [u8], header: Header) -> Result<Self, PclntabError> {
        let part = |start: u64, what: &'static str| header.part(bytes, start, what);
        let funcs = part(header.funcs, "the function table")?;
        let size = header.ftab_size();
        let ftab = usize::try_from(size)
            .ok()
            .and_then(|size| funcs.get(..size));
        let ftab = ftab.ok_or(PclntabError::Truncated {
            what: "the function table",
            offset: header.funcs,
            size,
            len: bytes.len() as u64,
        })?;
        let mut table = FuncTable {
            header,
            names: part(header.names, "the names of functions")?,
            cutab: part(header.cutab, "the table of compilation units")?,
            files: part(header.files, "the names of files")?,
            pctab: part(header.pctab, "the pc-value tables")?,
            ftab,
            funcs,
        };
        if header.absolute_pcs {
            // runtime/symtab.go, go1.17: moduledata.minpc is the first entry, and is where the text
            // begins; go1.16 has no other word of it.
            table.header.base = table.raw_pc(0).unwrap_or(0);
        }
        Ok(table)
    }

    /// Its header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// How many functions there are.
    pub fn func_count(&self) -> usize {
        usize::try_from(self.header.func_count).unwrap_or(usize::MAX)
    }

    /// The function that `pc` lies in, or behind, before the next one begins. `None` before the
    /// first function and from the end of the text on.
    pub fn find(&self, pc: TextOffset) -> Option<Func<'d>> {
        if pc >= self.pc(self.func_count())? {
            return None;
        }
        // The first entry that lies above pc; functions without code share their successor's entry,
        // and the runtime takes the last of them.
        let (mut low, mut high) = (0, self.func_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.pc(middle)? <= pc {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.func(low.checked_sub(1)?)
    }

    /// The function of this number; they are sorted by entry.
    pub fn func(&self, index: usize) -> Option<Func<'d>> {
        if index >= self.func_count() {
            return None;
        }
        let raw = self.funcs.get(self.func_offset(index)?..)?;
        let end = self.pc(index.checked_add(1)?)?;
        Func::decode(*self, raw, self.pc(index)?, end)
    }

    /// All functions, by entry. One that lies outside of the table (in a hostile file) is left out.
    pub fn funcs(&self) -> impl Iterator<Item = Func<'d>> {
        (0..self.func_count()).filter_map(|index| self.func(index))
    }

    /// The end of the text that the table covers.
    pub fn text_end(&self) -> TextOffset {
        self.pc(self.func_count()).unwrap_or_default()
    }

    /// Where the text begins, as the header tells it: an address of the file, or of the live
    /// process where the dynamic linker has relocated it. `None` from go1.26 on, where only
    /// `moduledata.text` tells (runtime/symtab.go, go1.26: the field is unused and 0).
    pub fn text_start(&self) -> Option<u64> {
        (self.header.base != 0).then_some(self.header.base)
    }

    /// The file called `offset` in the table of files.
    fn file_name(&self, offset: u32) -> Option<&'d [u8]> {
        c_string(self.files, offset as usize)
    }

    fn order(&self) -> Order {
        self.header.order
    }

    /// Where the `_func` of function `index` begins in `funcs`.
    fn func_offset(&self, index: usize) -> Option<usize> {
        let size = self.header.ftab_field;
        let at = index.checked_mul(2)?.checked_add(1)?;
        let offset = self
            .order()
            .word(self.ftab, at.checked_mul(usize::from(size))?, size)?;
        usize::try_from(offset).ok()
    }

    fn raw_pc(&self, index: usize) -> Option<u64> {
        let size = self.header.ftab_field;
        self.order()
            .word(self.ftab, index.checked_mul(2 * usize::from(size))?, size)
    }

    /// The entry of function `index`; that of the last plus one is the end of the text.
    fn pc(&self, index: usize) -> Option<TextOffset> {
        let raw = self.raw_pc(index)?;
        let base = if self.header.absolute_pcs {
            self.header.base
        } else {
            0
        };
        Some(TextOffset(raw.wrapping_sub(base)))
    }
}

impl fmt::Debug for FuncTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FuncTable")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// No name of a function or a file is longer: generic functions' type arguments are left out.
const MAX_NAME: usize = 1 << 16;

/// The bytes from `at` to the next zero byte; `None` without one near enough.
fn c_string(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let rest = rest.get(..MAX_NAME).unwrap_or(rest);
    let end = rest.iter().position(|&byte| byte == 0)?;
    rest.get(..end)
}
