//! Executables as others alter them after the linker: without DWARF, without section headers, with
//! other names of functions; and one with a symbol table that is wrong. Where only DWARF is taken, of any processor; else 64-bit little-endian ones
//! of go1.18 or later.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::symbols::number;
use crate::{Error, Result, garbled};

/// What is done to an executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alteration {
    /// No DWARF is found: its sections have other names.
    NoDwarf,
    /// No section headers, and nothing behind the last segment, as sstrip(1) leaves it.
    NoSections,
    /// Names of functions are letters that say nothing, but for those of the runtime itself, and of
    /// reflect, whose assembly the runtime knows by name: as obfuscators leave it that do not touch the
    /// runtime.
    OthersRenamed,
    /// The names of all functions are such letters.
    AllRenamed,
    /// As [`AllRenamed`](Alteration::AllRenamed), and the function table is as garble leaves it: for
    /// programs whose runtime was built for that ([`BuildOptions::garbled`](crate::BuildOptions::garbled)).
    Encrypted,
    /// The same, but that one function is encrypted by another key: it does not run for long.
    EncryptedOtherwise,
    /// As [`OthersRenamed`](Alteration::OthersRenamed) and [`Encrypted`](Alteration::Encrypted): names and
    /// function table as garble leaves them.
    Garbled,
    /// The symbol table has the names `runtime.m0` and `runtime.g0` each for the other's variable.
    SymbolsSwapped,
}

impl Alteration {
    /// Writes an altered copy of an executable beside it, into a folder of its own.
    ///
    /// # Errors
    /// It cannot be read, is not as Go's linker makes it, or the copy cannot be written.
    pub fn copy_of(self, executable: &Path) -> Result<PathBuf> {
        let mut file = fs::read(executable).map_err(Error::io("read", executable))?;
        let done = match self {
            Alteration::NoDwarf => without_dwarf(&mut file),
            Alteration::NoSections => without_sections(&mut file),
            Alteration::OthersRenamed => rename(&mut file, |name| !is_the_runtimes(name)),
            Alteration::AllRenamed => rename(&mut file, |_| true),
            Alteration::Encrypted => {
                rename(&mut file, |_| true).and_then(|()| garbled::encrypt(&mut file))
            }
            Alteration::EncryptedOtherwise => garbled::encrypt_one_otherwise(&mut file),
            Alteration::Garbled => rename(&mut file, |name| !is_the_runtimes(name))
                .and_then(|()| garbled::encrypt(&mut file)),
            Alteration::SymbolsSwapped => {
                swap_names(&mut file, b"\0runtime.m0\0", b"\0runtime.g0\0")
            }
        };
        done.ok_or_else(|| Error::Refused {
            program: executable.display().to_string(),
            said: format!("it cannot be altered ({self:?})"),
        })?;
        let name = executable.file_name().unwrap_or_default();
        let folder = executable.with_file_name(format!("{self:?}"));
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let copy = folder.join(name);
        if fs::read(&copy).is_ok_and(|known| known == file) {
            return Ok(copy);
        }
        // Others may be running it, or writing it just now.
        let unfinished = tempfile::NamedTempFile::new_in(&folder)
            .map_err(Error::io("write a file in", &folder))?
            .into_temp_path();
        fs::write(&unfinished, &file).map_err(Error::io("write", &unfinished))?;
        let runs = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&unfinished, runs).map_err(Error::io("change", &unfinished))?;
        fs::rename(&unfinished, &copy).map_err(Error::io("rename", &unfinished))?;
        Ok(copy)
    }
}

fn is_the_runtimes(name: &[u8]) -> bool {
    let kept: [&[u8]; 4] = [b"runtime.", b"runtime/", b"internal/", b"reflect."];
    kept.iter().any(|package| name.starts_with(package))
}

/// How far from its own name the other names of sections are, at most. There are some thirty.
const NAMES: usize = 2048;

/// Gives other names to the sections `.debug_*` and `.zdebug_*`.
fn without_dwarf(file: &mut [u8]) -> Option<()> {
    let table = b"\0.shstrtab\0";
    let mut tables = (0..file.len()).filter(|at| file[*at..].starts_with(table));
    let (at, None) = (tables.next()?, tables.next()) else {
        return None;
    };
    let end = file.len().min(at + NAMES);
    let names = &mut file[at.saturating_sub(NAMES)..end];
    let mut renamed = 0;
    for start in 0..names.len() {
        let name = &mut names[start..];
        if name.starts_with(b"debug_") {
            name[..5].copy_from_slice(b"other");
            renamed += 1;
        }
    }
    (renamed > 0).then_some(())
}

/// Puts each of two names of a table of strings in the place of the other; each is there once.
fn swap_names<const N: usize>(file: &mut [u8], one: &[u8; N], other: &[u8; N]) -> Option<()> {
    let place = |name: &[u8; N]| {
        let mut places = (0..file.len()).filter(|at| file[*at..].starts_with(name));
        let (at, None) = (places.next()?, places.next()) else {
            return None;
        };
        Some(at)
    };
    let (first, second) = (place(one)?, place(other)?);
    file.get_mut(first..first + N)?.copy_from_slice(other);
    file.get_mut(second..second + N)?.copy_from_slice(one);
    Some(())
}

/// elf.h: Elf64_Ehdr has the offset of the section headers at 40, size, number and the names' at 58.
fn without_sections(file: &mut Vec<u8>) -> Option<()> {
    let (headers, size, count) = (
        number(file, 32, 8)?,
        number(file, 54, 2)?,
        number(file, 56, 2)?,
    );
    let ends = (0..count).map(|i| {
        // Elf64_Phdr: offset at 8, size in the file at 32.
        let at = usize::try_from(headers + i * size).ok()?;
        number(file, at + 8, 8)?.checked_add(number(file, at + 32, 8)?)
    });
    let end = ends.collect::<Option<Vec<u64>>>()?.into_iter().max()?;
    file.truncate(usize::try_from(end).ok()?);
    file.get_mut(40..48)?.fill(0);
    file.get_mut(58..64)?.fill(0);
    Some(())
}

/// Where the function table begins (runtime/symtab.go: `pcHeader`).
pub(crate) fn function_table(file: &[u8]) -> Option<usize> {
    let is_table = |at: &usize| {
        // Magic numbers of go1.18 and go1.20; then the sizes of an instruction and of a pointer.
        let known = matches!(
            file.get(*at..*at + 8),
            Some([0xf0 | 0xf1, 0xff, 0xff, 0xff, 0, 0, 1 | 4, 8])
        );
        known && number(file, at + 8, 8).is_some_and(|count| 0 < count && count < 1 << 20)
    };
    (0..file.len()).step_by(8).find(is_table)
}

/// Puts other letters in the place of the functions' names (runtime/symtab.go: `pcHeader`,
/// `funcnametab`).
fn rename(file: &mut [u8], is_renamed: impl Fn(&[u8]) -> bool) -> Option<()> {
    let table = function_table(file)?;
    // Where names begin, and what is behind them: files by compilation unit.
    let place = |at| usize::try_from(number(file, table + at, 8)?).ok();
    let (from, to) = (place(32)?, place(40)?);
    let names = file.get_mut(table + from..table + to)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for name in names.split_mut(|byte| *byte == 0) {
        if !is_renamed(name) {
            continue;
        }
        for byte in name {
            state = state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            *byte = b'a' + (state >> 59) as u8 % 26;
        }
    }
    Some(())
}
