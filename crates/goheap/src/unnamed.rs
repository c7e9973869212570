//! Files without a name, for what is needed only as long as a command runs: the dump of a process
//! that is looked at, the decompressed form of a dump.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::CommandError;

/// The directory for such files: `$TMPDIR`, or else /var/tmp, where large files belong (hier(7)) and
/// which, other than /tmp, is seldom memory; or else what the system names.
pub(crate) fn directory() -> PathBuf {
    match env::var_os("TMPDIR") {
        Some(told) if !told.is_empty() => PathBuf::from(told),
        _ if Path::new("/var/tmp").is_dir() => PathBuf::from("/var/tmp"),
        _ => env::temp_dir(),
    }
}

/// Makes a file that is gone with its last descriptor, whatever happens to goheap; and tells the
/// directory whose disk it takes: [`directory`].
///
/// # Errors
/// No directory takes a file.
pub(crate) fn create() -> Result<(PathBuf, File), CommandError> {
    let directory = directory();
    match tempfile::tempfile_in(&directory) {
        Ok(file) => Ok((directory, file)),
        Err(source) => Err(CommandError::Unnamed { directory, source }),
    }
}
