//! Files that are whole or not there.
//!
//! A heap dump holds what the program held: passwords, keys, other people's data. So the file is its
//! owner's alone from its first byte, it never lands where a link points, and what failed half-way
//! leaves nothing behind.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

mod folder;

pub use folder::OutputFolder;

/// A file under a temporary name beside its destination, until [`OutputFile::commit`] gives it the
/// destination's name; dropped before that, it is removed.
///
/// The file has mode 0600. What stood at the destination is there, unchanged, up to the commit. A
/// character device (`/dev/null`) is written to as it is.
///
/// BUG: whoever is killed by SIGKILL cannot remove anything: `.NAME.XXXXXX.partial` stays behind.
#[derive(Debug)]
pub struct OutputFile {
    destination: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Temporary(NamedTempFile),
    Device(File),
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The path has no file name, as `..` and `/` have none.
    #[error("{}: not the name of a file", .0.display())]
    NoName(PathBuf),
    /// A symbolic link stands there; links are not followed.
    #[error("{}: is a symbolic link, and links are not followed; name the file itself", .0.display())]
    Symlink(PathBuf),
    /// A directory, a pipe, a socket or a block device stands there.
    #[error("{path}: is {what}, not a file; \"-o -\" writes to standard output", path = .path.display())]
    NotAFile {
        /// The destination.
        path: PathBuf,
        /// What stands there.
        what: &'static str,
    },
    /// Something else than a folder stands there.
    #[error("{}: is there, and no folder", .0.display())]
    NotAFolder(PathBuf),
    /// The folder that stands there has files in it.
    #[error("{}: is not empty; name another folder, or add --force to replace files of the same names in it", .0.display())]
    NotEmpty(PathBuf),
    /// What stands at the destination cannot be told.
    #[error("{path}: {source}", path = .path.display())]
    Look {
        /// The destination.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// No file can be made in the destination's directory.
    #[error("{dir}: cannot make a file here: {source}", dir = .dir.display())]
    Create {
        /// The directory.
        dir: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file cannot be brought to the disk, or given its name.
    #[error("{path}: cannot complete the file: {source}", path = .path.display())]
    Commit {
        /// The destination.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The file is there for every program; a crash of the machine may lose it.
    Visible,
    /// File and name are on the disk (fsync).
    Durable,
}

impl OutputFile {
    /// Begins a file that is to stand at `destination`.
    ///
    /// # Errors
    /// A destination that is a link, or is there and not a regular file or character device; a
    /// directory that takes no files.
    pub fn create(destination: impl Into<PathBuf>) -> Result<Self, OutputError> {
        let destination = destination.into();
        let Some(name) = destination.file_name() else {
            return Err(OutputError::NoName(destination));
        };
        let device = match fs::symlink_metadata(&destination) {
            Ok(there) => check_destination(&destination, &there)?.then_some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(OutputError::Look {
                    path: destination,
                    source,
                });
            }
        };
        let place = match device {
            Some(there) => Place::Device(open_device(&destination, &there)?),
            None => {
                let dir = directory_of(&destination);
                let mut prefix = OsString::from(".");
                prefix.push(name);
                prefix.push(".");
                let file = tempfile::Builder::new()
                    .prefix(&prefix)
                    .suffix(".partial")
                    .tempfile_in(dir)
                    .map_err(|source| OutputError::Create {
                        dir: dir.to_owned(),
                        source,
                    })?;
                Place::Temporary(file)
            }
        };
        Ok(OutputFile { destination, place })
    }

    /// Gives the file its name; only now does it replace what stood there.
    ///
    /// # Errors
    /// Of the system; the file is then not there, and what stood at the destination still is.
    pub fn commit(self, durability: Durability) -> Result<(), OutputError> {
        let path = self.destination;
        let completed = match self.place {
            Place::Device(_) => Ok(()),
            Place::Temporary(file) => complete(file, &path, durability),
        };
        completed.map_err(|source| OutputError::Commit { path, source })
    }

    /// Where the file is to stand.
    pub fn destination(&self) -> &Path {
        &self.destination
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.place {
            Place::Temporary(file) => file.as_file_mut().write(bytes),
            Place::Device(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Temporary(file) => file.as_file_mut().flush(),
            Place::Device(file) => file.flush(),
        }
    }
}

fn complete(file: NamedTempFile, path: &Path, durability: Durability) -> io::Result<()> {
    if durability == Durability::Durable {
        file.as_file().sync_all()?;
    }
    // A rename replaces a link that came there in the meantime; it does not follow it.
    file.persist(path).map_err(|failed| failed.error)?;
    if durability == Durability::Durable {
        sync_directory(directory_of(path))?;
    }
    Ok(())
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

/// Whether the file that is there is a device to be written to as it is.
fn check_destination(path: &Path, there: &fs::Metadata) -> Result<bool, OutputError> {
    let kind = there.file_type();
    if kind.is_symlink() {
        return Err(OutputError::Symlink(path.to_owned()));
    }
    if kind.is_file() {
        return Ok(false);
    }
    match special_name(kind) {
        None => Ok(true),
        Some(what) => Err(OutputError::NotAFile {
            path: path.to_owned(),
            what,
        }),
    }
}

/// What a file is that is neither link nor regular; `None` for a character device.
#[cfg(unix)]
fn special_name(kind: fs::FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        _ if kind.is_char_device() => None,
        _ if kind.is_dir() => Some("a directory"),
        _ if kind.is_fifo() => Some("a named pipe"),
        _ if kind.is_socket() => Some("a socket"),
        _ if kind.is_block_device() => Some("a block device"),
        _ => Some("a special file"),
    }
}

#[cfg(not(unix))]
fn special_name(kind: fs::FileType) -> Option<&'static str> {
    match kind.is_dir() {
        true => Some("a directory"),
        false => Some("a special file"),
    }
}

fn open_device(path: &Path, there: &fs::Metadata) -> Result<File, OutputError> {
    let look = |source| OutputError::Look {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new().write(true).open(path).map_err(look)?;
    let opened = file.metadata().map_err(look)?;
    // A link may have come to stand there since `there` was looked at.
    if !same_file(there, &opened) {
        return Err(OutputError::Symlink(path.to_owned()));
    }
    Ok(file)
}

#[cfg(unix)]
fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino(), a.rdev()) == (b.dev(), b.ino(), b.rdev())
}

#[cfg(not(unix))]
fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    a.file_type() == b.file_type()
}

#[cfg(unix)]
fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
