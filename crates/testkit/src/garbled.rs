//! Function tables as garble leaves them: another magic number, and entries that are encrypted.
//!
//! garble itself is in no registry that the tests can reach. What it does to the table is little, and
//! is done here to real programs: the runtime is compiled so that it expects the other number, and
//! decrypts where it reads an entry (garble's runtime_patch.go); and the table of the linked file is
//! rewritten as garble's linker writes it (its internal/linker/patches). What differs is who writes it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::altered::function_table;
use crate::symbols::number;
use crate::{Error, Result};

/// In the place of the magic number.
const MAGIC: u32 = 0x6a5d_2c31;

/// By which entries are encrypted, and the offsets of names multiplied.
const KEY: u32 = 0x9e37_79b1;

/// What Go has for the magic number since go1.20.
const GOS_MAGIC: u32 = 0xffff_fff1;

/// Files of the runtime that differ, and what they are instead.
///
/// # Errors
/// A file cannot be read, or what has to be changed is not in it exactly once.
pub(crate) fn runtime(goroot: &Path) -> Result<Vec<(PathBuf, String)>> {
    let symtab = goroot.join("src/runtime/symtab.go");
    let mut text = read(&symtab)?;
    let decrypted = format!("f.datap.textAddr(f.entryOff ^ (uint32(f.nameOff) * {KEY}))");
    replace(
        &symtab,
        &mut text,
        "f.datap.textAddr(f.entryOff)",
        &decrypted,
    )?;
    // Up to go1.25 the number itself is there; since, the name of a constant of internal/abi.
    if text.contains("CurrentPCLnTabMagic") {
        let constants = goroot.join("src/internal/abi/symtab.go");
        let mut other = read(&constants)?;
        let constant = "Go120PCLnTabMagic PCLnTabMagic = ";
        let (old, new) = (
            format!("{constant}{GOS_MAGIC:#x}"),
            format!("{constant}{MAGIC:#x}"),
        );
        replace(&constants, &mut other, &old, &new)?;
        return Ok(vec![(symtab, text), (constants, other)]);
    }
    let (old, new) = (
        format!("hdr.magic != {GOS_MAGIC:#x} "),
        format!("hdr.magic != {MAGIC:#x} "),
    );
    replace(&symtab, &mut text, &old, &new)?;
    Ok(vec![(symtab, text)])
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(Error::io("read", file))
}

fn replace(file: &Path, text: &mut String, old: &str, new: &str) -> Result<()> {
    if text.matches(old).count() != 1 {
        return Err(Error::Refused {
            program: file.display().to_string(),
            said: format!("it does not have {old:?} exactly once"),
        });
    }
    *text = text.replace(old, new);
    Ok(())
}

/// Encrypts the entry of each function, and changes the magic number (runtime/symtab.go: `pcHeader`,
/// `functab`; runtime/runtime2.go: `_func`). `None` if there is no such table.
pub(crate) fn encrypt(file: &mut [u8]) -> Option<()> {
    encrypt_by(file, |_, _| KEY)
}

/// The same, but that one function in the middle of the table has another key.
pub(crate) fn encrypt_one_otherwise(file: &mut [u8]) -> Option<()> {
    encrypt_by(file, |index, count| match index == count / 2 {
        true => !KEY,
        false => KEY,
    })
}

/// The key is that for a function, by its number and how many there are.
fn encrypt_by(file: &mut [u8], key: impl Fn(usize, usize) -> u32) -> Option<()> {
    let table = function_table(file)?;
    let size = |at| usize::try_from(number(file, at, 8)?).ok();
    let count = size(table + 8)?;
    // The last of the five parts.
    let functab = table + size(table + 64)?;
    if number(file, table, 4)? != u64::from(GOS_MAGIC) {
        return None;
    }
    for index in 0..count {
        let offset = usize::try_from(number(file, functab + 8 * index + 4, 4)?).ok()?;
        let at = functab + offset;
        let entry = u32::try_from(number(file, at, 4)?).ok()?;
        let name = u32::try_from(number(file, at + 4, 4)?).ok()?;
        let encrypted = entry ^ name.wrapping_mul(key(index, count));
        let place = file.get_mut(at..at + 4)?;
        place.copy_from_slice(&encrypted.to_le_bytes());
    }
    let place = file.get_mut(table..table + 4)?;
    place.copy_from_slice(&MAGIC.to_le_bytes());
    Some(())
}
