//! One function of the table (`_func`).

use super::{FuncTable, PclntabError, TextOffset, c_string};

/// What the table says of one function.
///
/// Layout of `_func`: runtime/runtime2.go. Words of 4 bytes, but for the entry of go1.16 and go1.17
/// (a pointer); behind the struct, `npcdata` offsets into `pctab`, then `nfuncdata` offsets from
/// `moduledata.gofunc`.
#[derive(Clone, Copy)]
pub struct Func<'d> {
    table: FuncTable<'d>,
    raw: &'d [u8],
    entry: TextOffset,
    end: TextOffset,
    npcdata: u32,
    nfuncdata: u8,
    /// Size of the fixed part, in bytes.
    fixed: usize,
}

/// Fields of `_func` behind the entry, in words of 4 bytes.
#[derive(Clone, Copy)]
enum Field {
    Name = 0,
    Args = 1,
    DeferReturn = 2,
    PcSp = 3,
    PcFile = 4,
    PcLine = 5,
    PcDataCount = 6,
    CuOffset = 7,
    /// go1.20 and later; before, the four bytes of funcID, flag, padding and nfuncdata stand here.
    StartLine = 8,
}

impl<'d> Func<'d> {
    /// The function whose `_func` begins with `raw`; `None` if its fixed part is cut off. Where it
    /// begins is what `functab` says, by which the runtime finds it as well: obfuscators encrypt the
    /// entry of the struct, which says the same.
    pub(super) fn decode(
        table: FuncTable<'d>,
        raw: &'d [u8],
        entry: TextOffset,
        end: TextOffset,
    ) -> Option<Func<'d>> {
        let header = &table.header;
        let words = if header.start_line { 9 } else { 8 };
        let fixed = usize::from(header.ftab_field) + 4 * words + 4;
        raw.get(..fixed)?;
        let mut func = Func {
            table,
            raw,
            entry,
            end,
            npcdata: 0,
            nfuncdata: 0,
            fixed,
        };
        func.npcdata = func.word(Field::PcDataCount);
        func.nfuncdata = func.byte(3);
        Some(func)
    }

    /// Where it begins.
    pub fn entry(&self) -> TextOffset {
        self.entry
    }

    /// Where the next function begins: padding behind the code counts to this one.
    pub fn end(&self) -> TextOffset {
        self.end
    }

    /// What its struct has in the place of the entry: the same as [`Func::entry`], as an address up to
    /// go1.17; encrypted by some obfuscators.
    pub fn stored_entry(&self) -> u64 {
        let header = &self.table.header;
        header
            .order
            .word(self.raw, 0, header.ftab_field)
            .unwrap_or(0)
    }

    /// Where its name begins among the names of functions.
    pub(super) fn name_offset(&self) -> u32 {
        self.word(Field::Name)
    }

    /// How many bytes its struct has, with the lists behind it.
    pub(super) fn size(&self) -> u64 {
        let lists = u64::from(self.npcdata) + u64::from(self.nfuncdata);
        self.fixed as u64 + 4 * lists
    }

    /// Its name as the linker has it, `main.(*T).m` (type arguments shortened to `[...]`). Empty if
    /// the table has none.
    pub fn name(&self) -> &'d [u8] {
        // runtime/symtab.go, go1.21: moduledata.funcName: offset 0 is no name.
        match self.name_offset() {
            0 => b"",
            offset => c_string(self.table.names, offset as usize).unwrap_or_default(),
        }
    }

    /// Size of arguments and results on the stack, in bytes; [`Func::ARGS_SIZE_UNKNOWN`] for
    /// assembly that does not tell.
    pub fn args_size(&self) -> i32 {
        self.word(Field::Args).cast_signed()
    }

    /// The value of [`Func::args_size`] that says "unknown" (internal/abi/symtab.go, go1.21:
    /// ArgsSizeUnknown).
    pub const ARGS_SIZE_UNKNOWN: i32 = i32::MIN;

    /// Where the call of `deferreturn` begins, in bytes from the entry; 0 if it has none.
    pub fn deferreturn(&self) -> u32 {
        self.word(Field::DeferReturn)
    }

    /// Which special function of the runtime it is, in the numbering of the program's Go version:
    /// [`FuncId::from_raw`](super::FuncId::from_raw).
    pub fn func_id(&self) -> u8 {
        self.byte(0)
    }

    /// Flags: 1 top of a stack, 2 writes the stack pointer, 4 assembly (internal/abi/symtab.go,
    /// go1.21: FuncFlag).
    pub fn flag(&self) -> u8 {
        self.byte(1)
    }

    /// Line of its `func` keyword; `None` before go1.20.
    pub fn start_line(&self) -> Option<i32> {
        self.table
            .header
            .start_line
            .then(|| self.word(Field::StartLine).cast_signed())
    }

    /// How far the stack pointer lies below its value at the entry, in bytes, at `pc`.
    ///
    /// # Errors
    /// When the table has no value for this program counter.
    pub fn sp_delta(&self, pc: TextOffset) -> Result<i32, PclntabError> {
        self.pc_value(self.word(Field::PcSp), pc)
    }

    /// The value of one of the function's `PCDATA` tables at `pc`; -1 if it has no such table, as
    /// `runtime.pcdatavalue` has it.
    ///
    /// # Errors
    /// When it has the table, but the table has no value for this program counter.
    pub fn pcdata(&self, table: u32, pc: TextOffset) -> Result<i32, PclntabError> {
        if table >= self.npcdata {
            return Ok(-1);
        }
        let offset = self
            .trailing(u64::from(table))
            .ok_or(PclntabError::Dangling {
                what: "the list of PCDATA tables",
                entry: self.entry,
            })?;
        self.pc_value(offset, pc)
    }

    /// Where the `FUNCDATA` of this number lies, in bytes from `moduledata.gofunc`. `None` if the
    /// function has none, and before go1.18, where the table holds addresses.
    ///
    /// # Errors
    /// When it has one, but the list is cut off before it.
    pub fn funcdata(&self, index: u8) -> Result<Option<u32>, PclntabError> {
        if index >= self.nfuncdata || self.table.header.absolute_pcs {
            return Ok(None);
        }
        let offset = self
            .trailing(u64::from(self.npcdata) + u64::from(index))
            .ok_or(PclntabError::Dangling {
                what: "the list of FUNCDATA",
                entry: self.entry,
            })?;
        Ok((offset != u32::MAX).then_some(offset))
    }

    /// File and line of `pc`, as `runtime.funcline1` has them: those of the table of this function,
    /// which for inlined code are the inlined function's. `("?", 0)` if the table does not tell.
    ///
    /// # Errors
    /// When a table has no value for this program counter, or a file is not in the table.
    pub fn file_line(&self, pc: TextOffset) -> Result<(&'d [u8], i32), PclntabError> {
        let file = self.pc_value(self.word(Field::PcFile), pc)?;
        let line = self.pc_value(self.word(Field::PcLine), pc)?;
        if file == -1 || line == -1 || i64::from(file) >= self.table.files.len() as i64 {
            return Ok((b"?", 0));
        }
        let dangling = |what| PclntabError::Dangling {
            what,
            entry: self.entry,
        };
        // The runtime adds the two as uint32.
        let slot = self
            .word(Field::CuOffset)
            .wrapping_add(file.cast_unsigned());
        let slot = usize::try_from(u64::from(slot) * 4).unwrap_or(usize::MAX);
        let offset = self.table.order().u32(self.table.cutab, slot);
        match offset.ok_or_else(|| dangling("the file's number"))? {
            u32::MAX => Ok((b"?", line)),
            offset => {
                let name = self.table.file_name(offset);
                Ok((name.ok_or_else(|| dangling("the file's name"))?, line))
            }
        }
    }

    fn pc_value(&self, offset: u32, pc: TextOffset) -> Result<i32, PclntabError> {
        self.table.pc_value(offset, self.entry, self.end, pc)
    }

    /// A field of the fixed part, whose length `decode` has checked.
    fn word(&self, field: Field) -> u32 {
        let at = usize::from(self.table.header.ftab_field) + 4 * field as usize;
        self.table.order().u32(self.raw, at).unwrap_or(0)
    }

    /// One of the last four bytes of the fixed part: funcID, flag, padding, nfuncdata.
    fn byte(&self, index: usize) -> u8 {
        self.raw.get(self.fixed - 4 + index).copied().unwrap_or(0)
    }

    /// A word behind the fixed part.
    fn trailing(&self, index: u64) -> Option<u32> {
        let at = usize::try_from(index.checked_mul(4)?)
            .ok()?
            .checked_add(self.fixed)?;
        self.table.order().u32(self.raw, at)
    }
}

impl std::fmt::Debug for Func<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Func")
            .field("name", &String::from_utf8_lossy(self.name()))
            .field("entry", &self.entry)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
