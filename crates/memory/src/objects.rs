//! The ELF files that a target has mapped: its executable, libraries, plugins.

use std::path::{Path, PathBuf};

use crate::{Addr, Mapping, Memory};

/// A file that a target has loaded. Whether it is an ELF file at all its first bytes tell, and they may
/// be missing from a core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedObject {
    /// Where the file was, as the target saw it; it may be gone, replaced, or in another mount
    /// namespace.
    pub path: PathBuf,
    /// Where its first byte is: that of its ELF header.
    pub start: Addr,
}

/// More than this are not looked at; programs with the most libraries have some hundreds.
const MOST_OBJECTS: usize = 4096;

/// The files of which `mappings`, ascending, have the first byte, and what lies behind it, by address.
/// What is mapped in one piece without being allowed to run is left out: a file that is only read or
/// written so, as a linker does with what it makes, is not loaded. So is what does not begin as an ELF
/// file does, where `memory` can be read.
pub fn mapped_objects<M: Memory + ?Sized>(mappings: &[Mapping], memory: &M) -> Vec<MappedObject> {
    let mut objects: Vec<(MappedObject, bool)> = Vec::new();
    for mapping in mappings {
        // What is of no file is named in brackets, or not at all (proc(5)).
        let Some(path) = mapping.name.as_deref().filter(|path| is_file(path)) else {
            continue;
        };
        let room = objects.len() < MOST_OBJECTS;
        match objects.last_mut() {
            // The parts of a file that is loaded lie one behind the other. A core does not say of all
            // of them what was allowed.
            Some((last, loaded)) if last.path == path && mapping.offset != 0 => *loaded = true,
            _ if mapping.offset == 0 && room => {
                let object = MappedObject {
                    path: path.to_owned(),
                    start: mapping.start,
                };
                objects.push((object, mapping.execute));
            }
            _ => {}
        }
    }
    let loaded = objects.into_iter().filter(|(_, loaded)| *loaded);
    loaded
        .map(|(object, _)| object)
        .filter(|object| may_be_elf(memory, object.start))
        .collect()
}

fn is_file(path: &Path) -> bool {
    !path.as_os_str().as_encoded_bytes().starts_with(b"[")
}

fn may_be_elf<M: Memory + ?Sized>(memory: &M, start: Addr) -> bool {
    let mut magic = [0; 4];
    memory.read(start, &mut magic).is_err() || magic == *b"\x7fELF"
}

/// How much of a file is compared: a page, which has its headers, its build ids, and more.
const HEAD: usize = 4096;

/// Whether `file`, from its first byte on, is what lies at `start`; `None` if that cannot be read. No
/// program writes to the first page of an ELF file: it has its headers and its build ids.
pub fn is_mapped_at<M: Memory + ?Sized>(file: &[u8], memory: &M, start: Addr) -> Option<bool> {
    let file = file.get(..HEAD).unwrap_or(file);
    let mut there = vec![0; file.len()];
    memory.read(start, &mut there).ok()?;
    Some(there == file)
}

#[cfg(test)]
mod tests;
