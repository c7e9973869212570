//! Folders that are whole or not there.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{OutputError, directory_of, sync_directory};

/// A folder under a temporary name beside its destination, until [`OutputFolder::commit`] gives it the
/// destination's name; dropped before that, it is removed with all that is in it.
///
/// The folder has mode 0700, and its files 0600. Folders above the destination are made where they are
/// missing.
///
/// BUG: whoever is killed by SIGKILL cannot remove anything: `.NAME.XXXXXX.partial` stays behind.
#[derive(Debug)]
pub struct OutputFolder {
    destination: PathBuf,
    temporary: TempDir,
    /// The destination is there and has files of its own.
    into_filled: bool,
}

impl OutputFolder {
    /// Begins a folder that is to stand at `destination`. If that is there and not empty, files of the
    /// same names are to be replaced in it if `replace` says so, each by itself.
    ///
    /// # Errors
    /// A destination that is a link or a file, or not empty without `replace`; a place that takes no
    /// folders.
    pub fn create(
        destination: impl Into<PathBuf>,
        replace: bool,
    ) -> Result<OutputFolder, OutputError> {
        let destination = destination.into();
        let Some(name) = destination.file_name() else {
            return Err(OutputError::NoName(destination));
        };
        let look = |source| OutputError::Look {
            path: destination.clone(),
            source,
        };
        let into_filled = match fs::symlink_metadata(&destination) {
            Ok(there) if there.is_symlink() => return Err(OutputError::Symlink(destination)),
            Ok(there) if !there.is_dir() => return Err(OutputError::NotAFolder(destination)),
            Ok(_) => fs::read_dir(&destination).map_err(look)?.next().is_some(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(look(source)),
        };
        if into_filled && !replace {
            return Err(OutputError::NotEmpty(destination));
        }
        let dir = directory_of(&destination);
        let create = |source| OutputError::Create {
            dir: dir.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(create)?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".partial");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o700));
        }
        let temporary = builder.tempdir_in(dir).map_err(create)?;
        Ok(OutputFolder {
            destination,
            temporary,
            into_filled,
        })
    }

    /// Begins a file of the folder, of that name.
    ///
    /// # Errors
    /// Of the system; a name that there is already.
    pub fn file(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        options.open(self.temporary.path().join(name))
    }

    /// Brings all files to the disk, and gives the folder its name.
    ///
    /// # Errors
    /// Of the system; a folder that came to be there in the meantime, and is not empty. The folder is
    /// then not there; of one that had files, some may be replaced already.
    pub fn commit(self) -> Result<(), OutputError> {
        let path = self.destination.clone();
        self.complete()
            .map_err(|source| OutputError::Commit { path, source })
    }

    fn complete(self) -> io::Result<()> {
        let temporary = self.temporary.path();
        let mut names = Vec::new();
        for entry in fs::read_dir(temporary)? {
            let entry = entry?;
            File::open(entry.path())?.sync_all()?;
            names.push(entry.file_name());
        }
        names.sort();
        sync_directory(temporary)?;
        if self.into_filled {
            for name in &names {
                // A rename replaces what stands there; it does not follow a link.
                fs::rename(temporary.join(name), self.destination.join(name))?;
            }
            return sync_directory(&self.destination);
        }
        fs::rename(temporary, &self.destination)?;
        // It is not at its temporary name any more, so that there is nothing to remove.
        let _gone = self.temporary.keep();
        sync_directory(directory_of(&self.destination))
    }

    /// Where the folder is to stand.
    pub fn destination(&self) -> &Path {
        &self.destination
    }
}
