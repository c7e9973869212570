//! `runtime.firstmoduledata` and the function table of an executable that has neither symbols nor
//! telling sections.
//!
//! A `moduledata` begins with the address of the function table's header, behind which stand slices
//! of the table's parts (runtime/symtab.go, go1.18 to go1.27: the first 24 words are the same). So the
//! one word of the file that holds the address of a function table, and is followed by the addresses
//! of the parts that the table's own header names, is its beginning. An answer is given only if there
//! is exactly one.
//!
//! Function tables are known by their magic number. Where no table with one is found, an obfuscator
//! may have changed it: then it is any word that points to something which, but for that number, begins
//! like a function table, and all else must be as it is with one.

use std::ops::Deref;

use crate::pclntab::{FuncTable, Header, PclntabError};
use crate::{Executable, FileAddr};

/// What the first bytes of a function table are, but for the order of the first four: a magic number,
/// two zeros, the size of an instruction, the size of a pointer (`pcHeader`).
const MAGICS: [u32; 2] = [0xffff_fff0, 0xffff_fff1];

/// How many places that begin like a function table are looked into.
const MOST_TABLES: usize = 256;

/// How many words that point to one are looked into.
const MOST_POINTERS: usize = 1 << 12;

/// Words of a `moduledata`, by number (runtime/symtab.go, go1.18 to go1.27).
mod word {
    /// First of the slices of the table's parts: names, compilation units, files, pc-value tables,
    /// functions. Each takes three words.
    pub(super) const PARTS: u64 = 1;
    /// Length of the last of these, `pclntable`.
    pub(super) const FUNCS_LEN: u64 = 14;
    /// `ftab`, which begins where `pclntable` does, and its length.
    pub(super) const FTAB: u64 = 16;
    pub(super) const FTAB_LEN: u64 = 17;
    /// `minpc`, `maxpc`, `text`, `etext`.
    pub(super) const MINPC: u64 = 20;
    pub(super) const MAXPC: u64 = 21;
    pub(super) const TEXT: u64 = 22;
    pub(super) const ETEXT: u64 = 23;
}

/// Why an executable's `moduledata` was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// Nothing in the file is one.
    #[error(
        "no function table of Go's (pclntab) with a moduledata that points to it: packed, \
         obfuscated, or built by go1.17 or older"
    )]
    Missing,
    /// Several things could be it.
    #[error("{first} and {second} both look like the program's moduledata")]
    Ambiguous {
        /// One of them.
        first: FileAddr,
        /// Another one.
        second: FileAddr,
    },
    /// The one thing that is a moduledata points to a function table that cannot be read.
    #[error("the function table at {at}, of the moduledata at {module}: {source}")]
    Table {
        /// The moduledata.
        module: FileAddr,
        /// The table.
        at: FileAddr,
        /// What is wrong with it.
        source: PclntabError,
    },
}

/// The program's own `moduledata`, as the file has it.
#[derive(Clone, Copy)]
pub struct ModuleData<'d> {
    /// Where it lies: `runtime.firstmoduledata`.
    pub at: FileAddr,
    /// Where the function table lies.
    pub pclntab: FileAddr,
    /// The function table.
    pub functions: FuncTable<'d>,
    /// Where the text begins, from which the table counts.
    pub text: FileAddr,
    /// Where the text ends.
    pub text_end: FileAddr,
}

impl std::fmt::Debug for ModuleData<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModuleData")
            .field("at", &self.at)
            .field("pclntab", &self.pclntab)
            .field("text", &self.text)
            .field("text_end", &self.text_end)
            .finish_non_exhaustive()
    }
}

/// The words of a file as the dynamic linker leaves them, but for the load bias.
pub struct FileWords<'d, D> {
    executable: &'d Executable<D>,
    /// What it writes, by address.
    relocated: Vec<(FileAddr, FileAddr)>,
}

impl<'d, D: Deref<Target = [u8]>> FileWords<'d, D> {
    /// Those of `executable`.
    pub fn new(executable: &'d Executable<D>) -> FileWords<'d, D> {
        FileWords {
            executable,
            relocated: executable.relocations(),
        }
    }

    /// The word at `at`: an address of the file where it is one. `None` where the file has none.
    pub fn get(&self, at: FileAddr) -> Option<u64> {
        if let Ok(found) = self
            .relocated
            .binary_search_by_key(&at, |(place, _)| *place)
        {
            return self.relocated.get(found).map(|(_, to)| to.get());
        }
        self.raw(at)
    }

    /// The word at `at` as it stands in the file.
    fn raw(&self, at: FileAddr) -> Option<u64> {
        let size = self.executable.word_size();
        let bytes = self.executable.bytes_at(at, u64::from(size)).ok()?;
        self.executable.order().word(bytes, 0, size)
    }
}

impl<D> std::fmt::Debug for FileWords<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWords")
            .field("relocated", &self.relocated.len())
            .finish_non_exhaustive()
    }
}

impl<D: Deref<Target = [u8]>> Executable<D> {
    /// Finds the program's own `moduledata`, and by it the function table and the text, without
    /// symbols and whatever its sections are called. It takes a pass over the file.
    ///
    /// # Errors
    /// There is none, or more than one thing that could be it.
    pub fn module_data(&self) -> Result<ModuleData<'_>, ModuleError> {
        let words = FileWords::new(self);
        let tables = self.tables();
        let known = self.pointers_to(&words, |to| tables.binary_search(&to).is_ok());
        if let Some(found) = self.only_module(&words, &known)? {
            return Ok(found);
        }
        let any = self.pointers_to(&words, |to| self.has_table_form(to));
        let found = self.only_module(&words, &any)?;
        found.ok_or(ModuleError::Missing)
    }

    /// The `moduledata` among words that point to function tables: where, and to which.
    fn only_module(
        &self,
        words: &FileWords<'_, D>,
        pointers: &[(FileAddr, FileAddr)],
    ) -> Result<Option<ModuleData<'_>>, ModuleError> {
        let mut found: Option<ModuleData<'_>> = None;
        let mut unreadable = None;
        // A table whose magic number is hidden is read whole. In a hostile file there may be thousands.
        let mut room = self.data().len();
        for &(at, table) in pointers {
            let module = match self.module_at(words, at, table, &mut room) {
                Ok(Some(module)) => module,
                Ok(None) => continue,
                Err(error) => {
                    unreadable.get_or_insert(error);
                    continue;
                }
            };
            match found {
                Some(first) if first.at != module.at => {
                    return Err(ModuleError::Ambiguous {
                        first: first.at,
                        second: module.at,
                    });
                }
                _ => found = Some(module),
            }
        }
        match (found, unreadable) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    /// Where something begins like a function table, ascending: a section that is called so, and what
    /// else looks like one.
    fn tables(&self) -> Vec<FileAddr> {
        let mut tables: Vec<FileAddr> = self.pclntab().map(|(at, _)| at).into_iter().collect();
        let word = usize::from(self.word_size());
        // In a hostile file thousands of segments could show the same bytes.
        let mut room = self.data().len();
        for segment in self.segments() {
            let Some(bytes) = self.data().get(segment.file_range.clone()) else {
                continue;
            };
            let Some(left) = room.checked_sub(bytes.len()) else {
                break;
            };
            room = left;
            // The linker aligns it; where a segment begins is aligned to pages.
            let starts = bytes.chunks_exact(word).enumerate();
            let starts = starts.filter(|(_, start)| self.begins_like_a_table(start));
            for (index, _) in starts.take(MOST_TABLES) {
                let at = segment.addr.offset((index * word) as u64);
                if self.has_table_form(at) {
                    tables.push(at);
                }
            }
        }
        tables.truncate(MOST_TABLES);
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    fn begins_like_a_table(&self, bytes: &[u8]) -> bool {
        // Most words of a file are dropped here.
        let magic = self.order().u32(bytes, 0);
        magic.is_some_and(|magic| MAGICS.contains(&magic))
    }

    /// Whether it is a function table by what stands behind the magic number.
    fn has_table_form(&self, at: FileAddr) -> bool {
        let second = self.bytes_at(at.offset(4), 4).unwrap_or_default();
        matches!(second, [0, 0, 1 | 2 | 4, size] if *size == self.word_size())
    }

    /// Words that hold the address of what may be a table: where, and which.
    fn pointers_to(
        &self,
        words: &FileWords<'_, D>,
        is_table: impl Fn(FileAddr) -> bool,
    ) -> Vec<(FileAddr, FileAddr)> {
        let relocated = words.relocated.iter().filter(|(_, to)| is_table(*to));
        let mut found: Vec<(FileAddr, FileAddr)> = relocated.copied().take(MOST_POINTERS).collect();
        let word = usize::from(self.word_size());
        let mut room = self.data().len();
        for segment in self.segments().into_iter().filter(|part| part.write) {
            let Some(bytes) = self.data().get(segment.file_range.clone()) else {
                continue;
            };
            let Some(left) = room.checked_sub(bytes.len()) else {
                break;
            };
            room = left;
            for (index, bytes) in bytes.chunks_exact(word).enumerate() {
                let Some(to) = self.order().word(bytes, 0, self.word_size()) else {
                    continue;
                };
                if is_table(FileAddr::new(to)) && found.len() < MOST_POINTERS {
                    let at = segment.addr.offset((index * word) as u64);
                    found.push((at, FileAddr::new(to)));
                }
            }
        }
        found
    }

    /// The `moduledata` at `at`, if it is one, and its table is that at `pclntab`. Of tables with a
    /// hidden magic number not more than `room` bytes are read.
    fn module_at(
        &self,
        words: &FileWords<'_, D>,
        at: FileAddr,
        pclntab: FileAddr,
        room: &mut usize,
    ) -> Result<Option<ModuleData<'_>>, ModuleError> {
        let Some((whole, text, text_end, minpc)) = self.module_words(words, at, pclntab) else {
            return Ok(None);
        };
        if let Err(PclntabError::Magic { .. }) = Header::parse(whole) {
            let Some(left) = room.checked_sub(whole.len()) else {
                return Ok(None);
            };
            *room = left;
        }
        let functions = FuncTable::parse(whole).map_err(|source| ModuleError::Table {
            module: at,
            at: pclntab,
            source,
        })?;
        // Entries count from the text's start, and the first may lie behind it.
        let first = functions.func(0).map(|func| func.entry().get());
        let is_first = first.is_some_and(|first| text.offset(first) == minpc);
        Ok(is_first.then_some(ModuleData {
            at,
            pclntab,
            functions,
            text,
            text_end,
        }))
    }

    /// What the words at `at` say, if they are a `moduledata` whose table is that at `pclntab`: the bytes
    /// of the table, start and end of the text, and the first pc.
    fn module_words(
        &self,
        words: &FileWords<'_, D>,
        at: FileAddr,
        pclntab: FileAddr,
    ) -> Option<(&[u8], FileAddr, FileAddr, FileAddr)> {
        let word = |number: u64| words.get(at.offset(number * u64::from(self.word_size())));
        if word(0)? != pclntab.get() {
            return None;
        }
        let header = Header::with_any_magic(self.rest_at(pclntab)?).ok()?;
        let parts = header.part_offsets();
        for (number, offset) in (0..).zip(parts) {
            if word(word::PARTS + 3 * number)? != pclntab.offset(offset).get() {
                return None;
            }
        }
        let [.., funcs] = parts;
        let count = header.func_count();
        // ftab has an entry for each function, and one for the end (cmd/link/internal/ld/symtab.go).
        let ftab = (word(word::FTAB)?, word(word::FTAB_LEN)?);
        if count == 0 || ftab != (pclntab.offset(funcs).get(), count.checked_add(1)?) {
            return None;
        }
        // The table ends where the last part does.
        let end = pclntab.offset(funcs).offset(word(word::FUNCS_LEN)?);
        let whole = self.bytes_at(pclntab, end.since(pclntab)?).ok()?;
        let (text, etext) = (word(word::TEXT)?, word(word::ETEXT)?);
        let (minpc, maxpc) = (word(word::MINPC)?, word(word::MAXPC)?);
        let fits = text <= minpc && minpc < maxpc && maxpc <= etext;
        let executable = self.segments().into_iter().any(|segment| {
            let inside = FileAddr::new(text).since(segment.addr);
            segment.execute && inside.is_some_and(|inside| inside < segment.mem_size)
        });
        let [text, etext, minpc] = [text, etext, minpc].map(FileAddr::new);
        (fits && executable).then_some((whole, text, etext, minpc))
    }
}
