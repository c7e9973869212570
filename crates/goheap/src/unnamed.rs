//! Files without a name, for what is needed only as long as a command runs: the dump of a process
//! that is looked at, the decompressed form of a dump.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::CommandError;

/// Makes a file that is gone with its last descriptor, whatever happens to goheap; and tells the
/// directory whose disk it takes.
///
/// That is `$TMPDIR`, or else /var/tmp, where large files belong (hier(7)) and which, other than
/// /tmp, is seldom memory; or else what the system names.
///
/// # Errors
/// No directory takes a file.
pub(crate) fn create() -> Result<(PathBuf, File), CommandError> {
    let directory = match env::var_os("TMPDIR") {
        Some(told) if !told.is_empty() => PathBuf::from(told),
        _ if Path::new("/var/tmp").is_dir() => PathBuf::from("/var/tmp"),
        _ => env::temp_dir(),
    };
    match tempfile::tempfile_in(&directory) {
        Ok(file) => Ok((directory, file)),
        Err(source) => Err(CommandError::Unnamed { directory, source }),
    }
}
