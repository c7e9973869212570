//! Symbols of a built program, told by its own toolchain's `go tool nm`: an oracle that shares no
//! code with goheap's reader of executables.

use std::collections::BTreeMap;
use std::fs;

use crate::error::run;
use crate::program::{Program, go};
use crate::{Error, Result};

/// A symbol of an executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its address, as in the file.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its name.
    pub name: String,
}

/// The symbols of an executable, by address.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    by_address: BTreeMap<u64, Symbol>,
    /// For an executable that is loaded at an address of the kernel's choice: the one that it was
    /// linked for. Go's own linker links such ones for 0x400000, others for 0.
    pub linked_for: Option<u64>,
}

impl Symbols {
    /// Asks `go tool nm` for the symbols of a program.
    ///
    /// # Errors
    /// If it cannot be run, or fails.
    pub fn of(program: &Program) -> Result<Symbols> {
        let mut nm = go(&program.goroot);
        nm.args(["tool", "nm", "-n", "-size"])
            .arg(&program.executable);
        let listing = run(&mut nm, "go tool nm")?;
        let file = fs::read(&program.executable).map_err(Error::io("read", &program.executable))?;
        let mut by_address = BTreeMap::new();
        for line in String::from_utf8_lossy(&listing).lines() {
            if let Some(symbol) = parse(line) {
                // Of several names of an address the one with a size says more.
                let known = by_address
                    .get(&symbol.address)
                    .map_or(0, |s: &Symbol| s.size);
                if known == 0 || symbol.size > known {
                    by_address.insert(symbol.address, symbol);
                }
            }
        }
        Ok(Symbols {
            by_address,
            linked_for: linked_for(&file),
        })
    }

    /// The symbol of this name.
    pub fn named(&self, name: &str) -> Option<&Symbol> {
        self.by_address.values().find(|s| s.name == name)
    }

    /// The symbols whose names begin so, by address.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Symbol> + 'a {
        self.by_address
            .values()
            .filter(move |s| s.name.starts_with(prefix))
    }

    /// The symbol that covers an address of the file.
    pub fn covering(&self, address: u64) -> Option<&Symbol> {
        let (_, symbol) = self.by_address.range(..=address).next_back()?;
        (address - symbol.address < symbol.size.max(1)).then_some(symbol)
    }
}

/// Where the first loadable segment of a position-independent executable was linked for.
fn linked_for(file: &[u8]) -> Option<u64> {
    const ET_DYN: u64 = 3;
    let first = segments(file, false)?
        .first()
        .map(|segment| segment.address);
    first.filter(|_| number(file, 16, 2) == Some(ET_DYN))
}

/// A loadable segment: where it was linked for, and, of code and of what is written to, its bytes in the
/// file and in memory. (What is only read has the names of the file's sections as well.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    address: u64,
    sizes: Option<(u64, u64)>,
}

impl Segment {
    /// Where it was linked for, and how many bytes it has in memory.
    pub(crate) fn in_memory(&self) -> (u64, Option<u64>) {
        (self.address, self.sizes.map(|(_, memory)| memory))
    }
}

/// The loadable segments of a program.
pub(crate) fn segments_of(program: &Program) -> Result<Vec<Segment>> {
    let path = &program.executable;
    let file = fs::read(path).map_err(Error::io("read", path))?;
    Ok(segments(&file, false).unwrap_or_default())
}

/// The same, with the sizes of all of them: what is only read is at the same places, too, if these are
/// equal.
pub(crate) fn whole_segments_of(program: &Program) -> Result<Vec<Segment>> {
    let path = &program.executable;
    let file = fs::read(path).map_err(Error::io("read", path))?;
    Ok(segments(&file, true).unwrap_or_default())
}

/// The loadable segments of an executable; the sizes of what is only read if `whole`. The offsets are
/// those of elf.h: Elf64_Ehdr and Elf64_Phdr.
fn segments(file: &[u8], whole: bool) -> Option<Vec<Segment>> {
    const PT_LOAD: u64 = 1;
    const PF_R: u64 = 4;
    let headers = usize::try_from(number(file, 32, 8)?).ok()?;
    let size = usize::try_from(number(file, 54, 2)?).ok()?;
    let count = usize::try_from(number(file, 56, 2)?).ok()?;
    let all = (0..count).filter_map(|i| headers.checked_add(i * size));
    let loaded = all.filter(|at| number(file, *at, 4) == Some(PT_LOAD));
    loaded
        .map(|at| {
            let sizes = (number(file, at + 32, 8)?, number(file, at + 40, 8)?);
            let is_read_only = number(file, at + 4, 4)? == PF_R;
            Some(Segment {
                address: number(file, at + 16, 8)?,
                sizes: (whole || !is_read_only).then_some(sizes),
            })
        })
        .collect()
}

/// The little-endian number of `length` bytes at `at`.
pub(crate) fn number(file: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}

/// A line is `address size kind name`; undefined symbols have no address.
fn parse(line: &str) -> Option<Symbol> {
    let mut words = line.split_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let size = words.next()?.parse().ok()?;
    words.next()?;
    let name = words.collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(Symbol {
        address,
        size,
        name,
    })
}
