//! An ELF executable: its segments, sections and notes.

use std::ops::{Deref, Range};
use std::sync::OnceLock;

use object::elf;

use crate::build_info::{self, BuildInfo};
use crate::bytes::Order;
use crate::error::ImageError;
use crate::symbols::{self, Symbol, SymbolIndex, SymbolTable};
use crate::{Dwarf, FileAddr};

mod headers;
mod relocations;

use headers::{Class, Headers, identify, read_headers};

/// How many segments and sections of notes are looked into, and how many bytes of each. Go's linker
/// writes two, of some 100 bytes; in a hostile file thousands of them could show the same bytes.
const MAX_NOTES: usize = 64;
const MAX_NOTE_SIZE: usize = 1 << 16;

/// How much of a section's name is looked at.
const MAX_SECTION_NAME: usize = 64;

/// An executable (or shared library) that a Go linker wrote.
///
/// It owns the file's bytes, as anything that gives a byte slice: a `Vec<u8>`, a memory map. All
/// that is kept beside them is the list of segments and sections, and, once asked for, an index of
/// the symbols.
pub struct Executable<D = Vec<u8>> {
    data: D,
    order: Order,
    goarch: &'static str,
    entry: FileAddr,
    pie: bool,
    program_headers: Option<FileAddr>,
    segments: Vec<Segment>,
    notes: Vec<Range<usize>>,
    /// What the dynamic linker is told (`PT_DYNAMIC`), in the file.
    dynamic: Option<Range<usize>>,
    sections: Vec<Section>,
    symbols: OnceLock<SymbolIndex>,
}

/// A loadable segment (`PT_LOAD`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins, without the load bias.
    pub addr: FileAddr,
    /// Its size in memory, in bytes; what the file has no bytes for is zero at start.
    pub mem_size: u64,
    /// Its bytes in the file; not longer than `mem_size`, and within the file.
    pub file_range: Range<usize>,
    /// Whether it is mapped readable.
    pub read: bool,
    /// Whether it is mapped writable.
    pub write: bool,
    /// Whether it is mapped executable.
    pub execute: bool,
}

/// A section, as far as this crate needs it.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) addr: FileAddr,
    /// Its bytes in the file: empty for `SHT_NOBITS`; `None` if the file is cut off before its end.
    pub(crate) file_range: Option<Range<usize>>,
    /// Index of the section that it refers to (a symbol table's strings).
    pub(crate) link: u32,
}

impl<D: Deref<Target = [u8]>> Executable<D> {
    /// Reads the headers of an executable.
    ///
    /// # Errors
    /// When `data` is no ELF file, is for a machine that Go has no port for, is neither an executable
    /// nor a shared library, or ends before its segments do. Sections that are missing or cut off are
    /// no error: a running program needs none.
    pub fn parse(data: D) -> Result<Self, ImageError> {
        let Headers {
            order,
            goarch,
            entry,
            pie,
            program_headers,
            segments,
            notes,
            dynamic,
            sections,
        } = match identify(&data)? {
            Class::Bits32 => read_headers::<elf::FileHeader32<object::Endianness>>(&data)?,
            Class::Bits64 => read_headers::<elf::FileHeader64<object::Endianness>>(&data)?,
        };
        Ok(Executable {
            data,
            order,
            goarch,
            entry,
            pie,
            program_headers,
            segments,
            notes,
            dynamic,
            sections,
            symbols: OnceLock::new(),
        })
    }

    /// The machine, by Go's name for it (`GOARCH`).
    pub fn goarch(&self) -> &'static str {
        self.goarch
    }

    /// Whether the program's words are little-endian.
    pub fn is_little_endian(&self) -> bool {
        self.order.little
    }

    /// Size of a word, in bytes: 4 or 8.
    pub fn word_size(&self) -> u8 {
        self.order.word
    }

    /// Where execution begins.
    pub fn entry(&self) -> FileAddr {
        self.entry
    }

    /// Whether it may be loaded anywhere (`ET_DYN`: a position-independent executable or a shared
    /// library), so that its live addresses differ from the file's by a bias.
    pub fn is_pie(&self) -> bool {
        self.pie
    }

    /// Where the program headers lie once loaded, which the kernel tells a process as `AT_PHDR`.
    /// `None` if no segment loads them.
    pub fn program_header_addr(&self) -> Option<FileAddr> {
        self.program_headers
    }

    /// The loadable segments, in the order of the program headers.
    pub fn segments(&self) -> Vec<Segment> {
        self.segments.clone()
    }

    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// The whole file.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The `size` bytes that the file has for the address `addr`.
    ///
    /// # Errors
    /// When no segment holds all of them in the file: the address is not mapped, or the bytes are
    /// only made at start (bss).
    pub fn bytes_at(&self, addr: FileAddr, size: u64) -> Result<&[u8], ImageError> {
        self.rest_at(addr)
            .and_then(|rest| rest.get(..usize::try_from(size).ok()?))
            .ok_or(ImageError::NoBytes { addr, size })
    }

    /// The bytes from `addr` to the end of its segment's part of the file.
    pub fn rest_at(&self, addr: FileAddr) -> Option<&[u8]> {
        self.segments.iter().find_map(|segment| {
            let skip = usize::try_from(addr.since(segment.addr)?).ok()?;
            let rest = self.data.get(segment.file_range.clone())?.get(skip..)?;
            (!rest.is_empty()).then_some(rest)
        })
    }

    /// The build id that the system's linker gave it (note `NT_GNU_BUILD_ID`).
    pub fn gnu_build_id(&self) -> Option<&[u8]> {
        // elf.h: NT_GNU_BUILD_ID is 3, owner "GNU".
        self.note(b"GNU", 3)
    }

    /// The build id that Go's linker gave it: four hashes with slashes between.
    pub fn go_build_id(&self) -> Option<&str> {
        // cmd/link/internal/ld/elf.go, go1.24: ELF_NOTE_GOBUILDID_TAG is 4, owner "Go".
        std::str::from_utf8(self.note(b"Go", 4)?).ok()
    }

    /// The Go version and the module information that the linker left in the program. `None` if it
    /// has none (built by gccgo, or no Go program at all).
    pub fn build_info(&self) -> Option<BuildInfo> {
        build_info::find(self)
    }

    /// The symbol called `name`: from the symbol table, or else from the dynamic one. Undefined
    /// symbols and thread-local ones, which have no address, are not found.
    ///
    /// The first call builds an index (8 bytes a symbol or less); later ones take constant time.
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        let tables = self.symbol_tables();
        let index = self.symbols.get_or_init(|| SymbolIndex::build(&tables));
        index.find(&tables, name.as_bytes())
    }

    /// The variables of the symbol table that a program may write to, with their names, in the order
    /// of the table: those of the data and bss sections, with and without pointers
    /// (cmd/link/internal/ld/data.go: `dodata`), and C's.
    pub fn variables(&self) -> Vec<(&[u8], Symbol)> {
        const SECTIONS: [&[u8]; 4] = [b".data", b".bss", b".noptrdata", b".noptrbss"];
        let wanted = |number: usize| {
            let section = self.sections.get(number);
            section.is_some_and(|section| SECTIONS.contains(&section.name.as_slice()))
        };
        match self.symbol_tables().first() {
            Some(table) if self.has_symbols() => symbols::variables(table, wanted),
            _ => Vec::new(),
        }
    }

    /// Whether it has a symbol table (`go build -ldflags=-s` and strip(1) remove it).
    pub fn has_symbols(&self) -> bool {
        self.sections
            .iter()
            .any(|section| section.kind == elf::SHT_SYMTAB && section.file_range.is_some())
    }

    /// Its DWARF, if it has any that describes Go types. Reads and, where needed, decompresses the
    /// runtime's own part of it; the rest is passed over.
    ///
    /// # Errors
    /// When there is DWARF but it cannot be decoded or decompressed.
    pub fn dwarf(&self) -> Result<Option<Dwarf<'_>>, ImageError> {
        Dwarf::load(self.order, &self.data, &self.sections)
    }

    /// The function table: its address, and its bytes from the header on. `None` if neither a
    /// section nor symbols tell where it is (then the program's moduledata does).
    pub fn pclntab(&self) -> Option<(FileAddr, &[u8])> {
        // cmd/link/internal/ld/data.go: the section is .gopclntab, in a position-independent
        // executable .data.rel.ro.gopclntab until go1.25 inclusive.
        for name in [&b".gopclntab"[..], b".data.rel.ro.gopclntab"] {
            if let Some(section) = self.section(name) {
                let bytes = self.data.get(section.file_range.clone()?)?;
                return Some((section.addr, bytes));
            }
        }
        // Where the system's linker has merged sections, Go's symbols remain.
        let start = self.symbol("runtime.pclntab")?.addr;
        let end = self.symbol("runtime.epclntab")?.addr;
        Some((start, self.bytes_at(start, end.since(start)?).ok()?))
    }

    pub(crate) fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Symbol table first, dynamic symbol table second.
    fn symbol_tables(&self) -> Vec<SymbolTable<'_>> {
        [elf::SHT_SYMTAB, elf::SHT_DYNSYM]
            .iter()
            .filter_map(|&kind| self.sections.iter().find(|section| section.kind == kind))
            .filter_map(|section| {
                let strings = self.sections.get(usize::try_from(section.link).ok()?)?;
                let strings = self.data.get(strings.file_range.clone()?)?;
                // Every name ends within the table: so looking for its end costs its own length.
                let end = strings.iter().rposition(|&byte| byte == 0)?;
                Some(SymbolTable {
                    entries: self.data.get(section.file_range.clone()?)?,
                    strings: strings.get(..=end)?,
                    order: self.order,
                })
            })
            .collect()
    }

    /// The contents of the first note of this owner and type.
    fn note(&self, owner: &[u8], kind: u32) -> Option<&[u8]> {
        self.notes.iter().find_map(|range| {
            let bytes = self.data.get(range.clone())?;
            let bytes = bytes.get(..MAX_NOTE_SIZE).unwrap_or(bytes);
            find_note(bytes, self.order, owner, kind)
        })
    }
}

impl<D> std::fmt::Debug for Executable<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executable")
            .field("goarch", &self.goarch)
            .field("pie", &self.pie)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

/// Walks notes: name size, contents size, type, then both, each padded to 4 bytes.
fn find_note<'a>(bytes: &'a [u8], order: Order, owner: &[u8], kind: u32) -> Option<&'a [u8]> {
    let mut at = 0usize;
    loop {
        let name_size = order.u32(bytes, at)? as usize;
        let size = order.u32(bytes, at.checked_add(4)?)? as usize;
        let found = order.u32(bytes, at.checked_add(8)?)?;
        let name_at = at.checked_add(12)?;
        let name = bytes.get(name_at..name_at.checked_add(name_size)?)?;
        let contents_at = name_at.checked_add(name_size.checked_next_multiple_of(4)?)?;
        let contents = bytes.get(contents_at..contents_at.checked_add(size)?)?;
        // Go's linker pads its owner, "Go", to four bytes and counts the padding.
        let name_end = name
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        if found == kind && name.get(..name_end) == Some(owner) {
            return Some(contents);
        }
        at = contents_at.checked_add(size.checked_next_multiple_of(4)?)?;
    }
}
