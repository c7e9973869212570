//! A file as a slice of bytes.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

/// The contents of a file, mapped read-only.
///
/// **The hazard.** The bytes are the file's own, not a copy. If another process shortens the file
/// while it is mapped, touching a page behind the new end raises SIGBUS (an access violation on
/// Windows), which ends this process; if another process writes to it, the bytes change under the
/// reader. Neither can be excluded by any check made here. Executables and finished dumps are not
/// written in place by sane tools (they are replaced by rename), which is why this is good enough
/// for them; do not map a file that is still being written.
#[derive(Debug)]
pub struct Mapped {
    /// `None` for an empty file, which some systems refuse to map.
    map: Option<memmap2::Mmap>,
}

impl Mapped {
    /// Gives the pages of the file back that lie in this process's memory. What is read of them again
    /// comes from the system's cache of files, or from the file. Nothing happens where the system
    /// has no such call.
    pub fn give_back(&self) {
        #[cfg(target_os = "linux")]
        if let Some(map) = &self.map {
            // SAFETY: the map is of a file, shared and never written to, so that what is dropped is
            // only where its pages are: the same bytes are there at the next touch (madvise(2)).
            // Slices of it stay valid, since the range stays mapped.
            let _ = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }
}

/// How many bytes of mapped files lie in this process's memory: the dump, executables, libraries
/// (`shared` in /proc/self/statm, proc(5)). About right, for the kernel counts by processor. `None`
/// where nothing tells.
pub fn resident_of_files() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(2)?.parse().ok()?;
    Some(pages.saturating_mul(PAGE))
}

/// What a page has at least, bytes. Larger ones make less of what is resident than it is.
const PAGE: u64 = 4096;

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Maps the file at `path`, which may be `/proc/PID/exe`: then it is the executable that the
/// process runs, even where that was deleted or lies in another mount namespace.
///
/// # Errors
/// Those of opening and mapping; what is not a regular file (a directory, a pipe) is
/// [`io::ErrorKind::InvalidInput`].
pub fn map_file(path: impl AsRef<Path>) -> io::Result<Mapped> {
    map_opened(&File::open(path)?)
}

/// Maps an open file; see [`map_file`].
///
/// # Errors
/// As [`map_file`], less those of opening.
pub fn map_opened(file: &File) -> io::Result<Mapped> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file, so it cannot be mapped",
        ));
    }
    if metadata.len() == 0 {
        return Ok(Mapped { map: None });
    }
    // SAFETY: the map is private to `Mapped`, is handed out only as `&[u8]` for no longer than it
    // lives, and is never written through. That nobody else changes the file cannot be enforced;
    // the type's documentation says so, and every reader of these bytes takes them as hostile.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Mapped { map: Some(map) })
}

#[cfg(test)]
mod tests;
