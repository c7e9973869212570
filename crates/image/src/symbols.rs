//! Symbols by name, with an index that costs 8 bytes a symbol at most.

use std::hash::{BuildHasher, RandomState};

use object::elf;

use crate::FileAddr;
use crate::bytes::Order;

/// A symbol of the executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Where it lies.
    pub addr: FileAddr,
    /// Its size in bytes; 0 where the table does not tell.
    pub size: u64,
}

/// A symbol table, and its names.
pub(crate) struct SymbolTable<'d> {
    pub(crate) entries: &'d [u8],
    pub(crate) strings: &'d [u8],
    pub(crate) order: Order,
}

/// Where an entry of a symbol table has what.
#[derive(Clone, Copy)]
struct Layout {
    /// Bytes of an entry.
    entry: usize,
    info: usize,
    section: usize,
    value: usize,
    size: usize,
}

/// elf.h: Elf64_Sym is name u32, info u8, other u8, section u16, value u64, size u64.
const BITS64: Layout = Layout {
    entry: 24,
    info: 4,
    section: 6,
    value: 8,
    size: 16,
};

/// elf.h: Elf32_Sym is name u32, value u32, size u32, info u8, other u8, section u16.
const BITS32: Layout = Layout {
    entry: 16,
    info: 12,
    section: 14,
    value: 4,
    size: 8,
};

impl<'d> SymbolTable<'d> {
    fn layout(&self) -> Layout {
        match self.order.word {
            4 => BITS32,
            _ => BITS64,
        }
    }

    fn len(&self) -> usize {
        self.entries.len() / self.layout().entry
    }

    fn entries(&self) -> std::slice::ChunksExact<'d, u8> {
        self.entries.chunks_exact(self.layout().entry)
    }

    /// The name of a symbol that has an address.
    fn name(&self, index: usize) -> Option<&'d [u8]> {
        let entry = self.entries().nth(index)?;
        let Layout { info, section, .. } = self.layout();
        let kind = entry.get(info)? & 0xf;
        let defined = entry.get(section..section + 2)? != [0, 0];
        if !defined || !matches!(kind, elf::STT_NOTYPE | elf::STT_OBJECT | elf::STT_FUNC) {
            return None;
        }
        let names = self.strings.get(self.order.u32(entry, 0)? as usize..)?;
        let end = names.iter().position(|&byte| byte == 0)?;
        names.get(..end).filter(|name| !name.is_empty())
    }

    /// The section, by number, of a symbol that is a variable and has a size.
    fn variable_section(&self, entry: &[u8]) -> Option<usize> {
        let layout = self.layout();
        let kind = entry.get(layout.info)? & 0xf;
        let section = *entry.get(layout.section..)?.first_chunk()?;
        let section = match self.order.little {
            true => u16::from_le_bytes(section),
            false => u16::from_be_bytes(section),
        };
        let has_size = self.order.address(entry, layout.size)? > 0;
        (kind == elf::STT_OBJECT && has_size).then_some(usize::from(section))
    }

    /// Whether the symbol has this name: costs no more than the name's own length.
    fn is_named(&self, index: usize, name: &[u8]) -> bool {
        let found = self
            .entries()
            .nth(index)
            .and_then(|entry| self.strings.get(self.order.u32(entry, 0)? as usize..))
            .and_then(|names| names.split_at_checked(name.len()));
        found.is_some_and(|(found, after)| found == name && after.first() == Some(&0))
    }

    fn symbol(&self, index: usize) -> Option<Symbol> {
        let entry = self.entries().nth(index)?;
        let layout = self.layout();
        let addr = FileAddr::new(self.order.address(entry, layout.value)?);
        Some(Symbol {
            addr,
            size: self.order.address(entry, layout.size)?,
        })
    }
}

/// The variables of a table that lie in a section that `wanted` has, by number, and their names.
///
/// In a hostile file all names may be one long string; so what is looked at of names in all is
/// bounded by a multiple of their own size, and the rest of the variables is left out.
pub(crate) fn variables<'d>(
    table: &SymbolTable<'d>,
    wanted: impl Fn(usize) -> bool,
) -> Vec<(&'d [u8], Symbol)> {
    let mut budget = table
        .strings
        .len()
        .saturating_mul(8)
        .saturating_add(1 << 20);
    let mut found = Vec::new();
    for (index, entry) in table.entries().enumerate() {
        if !table.variable_section(entry).is_some_and(&wanted) {
            continue;
        }
        let (Some(name), Some(symbol)) = (table.name(index), table.symbol(index)) else {
            continue;
        };
        let Some(left) = budget.checked_sub(name.len()) else {
            break;
        };
        budget = left;
        found.push((name, symbol));
    }
    found
}

/// A hash table, open addressing, of numbers of symbols; the names stay in the file.
pub(crate) struct SymbolIndex {
    hasher: RandomState,
    /// A symbol's number plus one, counted through all tables; 0 is an empty slot. The length is a
    /// power of two, and at least a quarter of the slots are empty.
    slots: Vec<u32>,
}

impl SymbolIndex {
    pub(crate) fn build(tables: &[SymbolTable<'_>]) -> SymbolIndex {
        let total: usize = tables.iter().map(SymbolTable::len).sum();
        let total = total.min(u32::MAX as usize / 2);
        let slots = (total + total / 3 + 1).next_power_of_two();
        let mut index = SymbolIndex {
            hasher: RandomState::new(),
            slots: vec![0; slots],
        };
        // In a hostile file all names may be one long string, or each the tail of the one before.
        // What is looked at in all is bounded by a multiple of the names' own size.
        let strings: usize = tables.iter().map(|table| table.strings.len()).sum();
        let mut budget = strings.saturating_mul(8).saturating_add(1 << 20);
        let mut number = 0usize;
        for table in tables {
            for within in 0..table.len() {
                number += 1;
                if number > total {
                    return index;
                }
                let Some(name) = table.name(within) else {
                    continue;
                };
                let Some(left) = budget.checked_sub(name.len()) else {
                    return index;
                };
                budget = left;
                index.insert(tables, name, number);
            }
        }
        index
    }

    fn insert(&mut self, tables: &[SymbolTable<'_>], name: &[u8], number: usize) {
        let Ok(number) = u32::try_from(number) else {
            return;
        };
        if let Err(slot) = self.probe(tables, name)
            && let Some(slot) = self.slots.get_mut(slot)
        {
            *slot = number;
        }
    }

    pub(crate) fn find(&self, tables: &[SymbolTable<'_>], name: &[u8]) -> Option<Symbol> {
        let number = self.probe(tables, name).ok()?;
        let (table, within) = locate(tables, number)?;
        table.symbol(within)
    }

    /// The number of the symbol called `name`, or the slot that it would have. The first of several
    /// symbols of one name is the one that stays.
    fn probe(&self, tables: &[SymbolTable<'_>], name: &[u8]) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = self.hasher.hash_one(name) as usize & mask;
        loop {
            match self.slots.get(slot) {
                None | Some(0) => return Err(slot),
                Some(&number) => {
                    let found = locate(tables, number);
                    if found.is_some_and(|(table, at)| table.is_named(at, name)) {
                        return Ok(number);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }
}

fn locate<'t, 'd>(
    tables: &'t [SymbolTable<'d>],
    number: u32,
) -> Option<(&'t SymbolTable<'d>, usize)> {
    let mut within = usize::try_from(number.checked_sub(1)?).ok()?;
    for table in tables {
        if within < table.len() {
            return Some((table, within));
        }
        within -= table.len();
    }
    None
}
