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
    /// Whether the executable is loaded at an address of the kernel's choice.
    pub position_independent: bool,
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
        let header =
            fs::read(&program.executable).map_err(Error::io("read", &program.executable))?;
        // e_type of the ELF header; 3 is ET_DYN.
        let position_independent = header.get(16..18) == Some(&[3, 0]);
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
            position_independent,
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
