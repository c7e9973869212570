//! What can go wrong before anything is compared.

use std::path::{Path, PathBuf};

/// Why a toolchain, a program or a twin could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder did not do what was asked of it.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Neither GOHEAP_CACHE nor XDG_CACHE_HOME nor HOME is set.
    #[error("no place for toolchains: set GOHEAP_CACHE to a folder")]
    NoCache,
    /// A version that the table of toolchains does not have.
    #[error(
        "Go {version} is not one of the versions that goheap claims; see `toolchains::CLAIMED`"
    )]
    UnknownVersion {
        /// As it was given.
        version: String,
    },
    /// A way to build and run a program that [`crate::variant::NAMES`] does not have.
    #[error("no variant is called {name}; there are {}", crate::variant::NAMES.join(", "))]
    UnknownVariant {
        /// As it was given.
        name: String,
    },
    /// A program that we need could not be started.
    #[error("cannot run {program} (is it installed?): {source}")]
    Spawn {
        /// Its name.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A program that we need ended with an error.
    #[error("{what} failed ({status}): {stderr}")]
    Failed {
        /// What was being done.
        what: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it said.
        stderr: String,
    },
    /// What was fetched is not what was expected.
    #[error("{what} has no {}", missing.display())]
    Incomplete {
        /// What was fetched.
        what: String,
        /// The file that it lacks.
        missing: PathBuf,
    },
    /// A Go program did not get where it should in the time that it had.
    #[error("{program} (pid {pid}) did not {expected} within {seconds} s; it said: {said}")]
    Stuck {
        /// The program.
        program: String,
        /// Its process.
        pid: u32,
        /// What was waited for.
        expected: &'static str,
        /// For how long.
        seconds: u64,
        /// Its stderr.
        said: String,
    },
    /// A Go program could not do what it was told.
    #[error("{program}: {said}")]
    Refused {
        /// The program.
        program: String,
        /// What it said.
        said: String,
    },
    /// A Go program ended before its time.
    #[error("{program} (pid {pid}) ended while it should {expected}; it said: {said}")]
    Ended {
        /// The program.
        program: String,
        /// Its process.
        pid: u32,
        /// What was waited for.
        expected: &'static str,
        /// Its stderr.
        said: String,
    },
    /// The executable lacks a symbol that the test kit goes by.
    #[error("{} has no symbol {name}", executable.display())]
    NoSymbol {
        /// The executable.
        executable: PathBuf,
        /// The symbol.
        name: String,
    },
    /// Two builds that should differ by their symbols alone do not have their segments at the same
    /// places.
    #[error("{} and {} are not laid out alike", stripped.display(), with_symbols.display())]
    NotTwins {
        /// The one without symbols.
        stripped: PathBuf,
        /// The other.
        with_symbols: PathBuf,
    },
    /// The kernel refused something about a thread.
    #[error("{action} thread {tid}: {source}")]
    Thread {
        /// What was tried.
        action: &'static str,
        /// The thread.
        tid: i32,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of /proc says what we cannot make sense of.
    #[error("{} says {text:?}", path.display())]
    Proc {
        /// The file.
        path: PathBuf,
        /// What is in it.
        text: String,
    },
    /// The runtime's own dump cannot be read.
    #[error("the dump of {program} is not one: {source}")]
    Dump {
        /// The program.
        program: String,
        /// Where and why.
        source: crate::second_reader::ReadError,
    },
}

/// A result of the test kit.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn thread(
        action: &'static str,
        tid: i32,
    ) -> impl FnOnce(nix::errno::Errno) -> Error {
        move |errno| Error::Thread {
            action,
            tid,
            source: errno.into(),
        }
    }
}

/// Runs a command to its end; its output, or an error that has the end of its stderr.
pub(crate) fn run(command: &mut std::process::Command, what: &str) -> Result<Vec<u8>> {
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|source| Error::Spawn {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let start = said.char_indices().rev().nth(3000).map_or(0, |(i, _)| i);
    Err(Error::Failed {
        what: what.to_owned(),
        status: output.status,
        stderr: said[start..].trim().to_owned(),
    })
}
