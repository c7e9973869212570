//! What ends a command early, as the one line that is said about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use goheap_format::annex::AnnexError;
use goheap_format::output::OutputError;
use goheap_format::{ReadError, WriteError};
use goheap_golang::ProgramError;
use goheap_image::ImageError;
use goheap_memory::CoreError;
use goheap_runtime::WalkError;

use crate::demo::DemoError;
use crate::output::WriteFailed;

/// Why a command did not do what it was asked to. Each names the file or the process; the inner
/// error has the byte offset or the address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("there is no process {pid}")]
    NoSuchProcess { pid: String },
    #[cfg_attr(target_os = "linux", expect(dead_code, reason = "of other systems"))]
    #[error(
        "cannot look into process {pid}: that works on Linux only; a core or a dump can be read here"
    )]
    NoProcessesHere { pid: u32 },
    #[error("{what} is no process id; that is all digits")]
    NotAProcess { what: String },
    #[error(
        "{}: with --every, each dump is a file of its own, with the time in its name; give -o FILE",
        ShownOut(path)
    )]
    NotNamable { path: PathBuf },
    #[error(
        "{of}: its memory cgroup ({cgroup}) cannot be seen from here, nor its limit, of which a share was \
         asked for; give bytes (--when 'rss>2GiB'), or run goheap where that can be seen (on the host)"
    )]
    HiddenLimit { of: String, cgroup: String },
    #[error("{of} has ended before {conditions}; nothing was written")]
    EndedBefore { of: String, conditions: String },
    #[error("{}: cannot remove older dumps: {}", Shown(path), Reason(source))]
    Keep { path: PathBuf, source: io::Error },
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Process(#[from] goheap_process::ProcessError),
    #[error(
        "cannot listen on 127.0.0.1, port {port}: {}; --port N takes another, none at all a free one",
        Reason(source)
    )]
    Listen { port: u16, source: io::Error },
    #[error(
        "the system gives no random bytes, which the address needs: {}",
        Reason(source)
    )]
    NoSecret { source: io::Error },
    #[error("the copy of the process was gone before it was read: {why}")]
    CopyLost { why: String },
    #[error("cannot open {}: {}", Shown(path), Reason(source))]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "{} is an executable, not a core or a dump; give the process that runs it, or the core \
         that it left",
        Shown(path)
    )]
    Executable { path: PathBuf },
    #[error(
        "{} is a dump already; goheap info and goheap records show what is in it",
        Shown(path)
    )]
    AlreadyADump { path: PathBuf },
    #[error(
        "{} is no core file: it does not begin with ELF's magic number; goheap dump takes a process id or a core",
        Shown(path)
    )]
    NoCore { path: PathBuf },
    #[error("--exe and --module are for a process or a core; a dump needs no executable")]
    ExeOfDump,
    #[error("{} is {found}, not a heap dump; {todo}", Shown(path))]
    NotADump {
        path: PathBuf,
        found: &'static str,
        todo: &'static str,
    },
    #[error("{}: {source}", Shown(path))]
    Read { path: PathBuf, source: ReadError },
    #[error(
        "{}: {source}; --damaged takes the dump as far as it goes",
        Shown(path)
    )]
    Damaged { path: PathBuf, source: ReadError },
    #[error(
        "{}: it can be decompressed no further than byte {len} of the dump: {}; --damaged takes it \
         as far as it goes",
        Shown(path),
        Reason(source)
    )]
    Compressed {
        path: PathBuf,
        len: u64,
        source: io::Error,
    },
    #[error("{}: {source}", Shown(path))]
    Annex { path: PathBuf, source: AnnexError },
    #[error("{}: {source}", Shown(path))]
    Core { path: PathBuf, source: CoreError },
    #[error(
        "{}: the core does not say where its executable is; give it with --exe PATH",
        Shown(path)
    )]
    NoExe { path: PathBuf },
    #[error(
        "{}: cannot open the executable {} that the core names: {}; give it with --exe PATH",
        Shown(path),
        Shown(exe),
        Reason(source)
    )]
    ExeOfCore {
        path: PathBuf,
        exe: PathBuf,
        source: io::Error,
    },
    #[error("{}: {source}", Shown(path))]
    Image { path: PathBuf, source: ImageError },
    #[error(
        "{of} is not a Go program: neither its executable nor a library that it has loaded has Go code"
    )]
    NotGo { of: String },
    #[error("{} has no Go code", Shown(path))]
    NoGoFile { path: PathBuf },
    #[error(
        "{} is a Go plugin, which works by the runtime of the program that opens it; give that",
        Shown(path)
    )]
    Plugin { path: PathBuf },
    #[error(
        "{of} has {} Go programs, each with a heap of its own: {}; tell which with --module FILE",
        paths.len(),
        List(paths)
    )]
    SeveralPrograms { of: String, paths: Vec<PathBuf> },
    #[error("{of} has no Go program {}; it has {}", Shown(module), List(paths))]
    NoModule {
        of: String,
        module: PathBuf,
        paths: Vec<PathBuf>,
    },
    #[error(
        "{of} has loaded Go code from {}, which cannot be opened any more; give the very file with \
         --exe PATH, or run goheap as root",
        List(paths)
    )]
    LostObject { of: String, paths: Vec<PathBuf> },
    #[error(
        "{} is another build than the one that {of} runs (their build ids differ); give the very \
         file with --exe PATH",
        Shown(path)
    )]
    OtherBuild { path: PathBuf, of: String },
    #[error(
        "{} is for {file}, and {of} runs a program for {program}; give its file with --exe PATH",
        Shown(path)
    )]
    OtherProcessor {
        path: PathBuf,
        of: String,
        file: &'static str,
        program: &'static str,
    },
    #[error(
        "{} is not the executable that {of} is of: the functions on its stacks lie elsewhere",
        Shown(path)
    )]
    NotOfDump { path: PathBuf, of: String },
    #[error("{of}: {source}")]
    Program { of: String, source: ProgramError },
    #[error("{of}: {source}")]
    Walk { of: String, source: WalkError },
    #[error(
        "{}: goheap compresses by zstd alone; name the file .zst, or without an ending like this \
         for a dump that is not compressed",
        Shown(path)
    )]
    OtherCompression { path: PathBuf },
    #[error(
        "{}: which format is meant? Name the file .html, .md or .json, or say it with --format",
        ShownOut(path)
    )]
    NoFormat { path: PathBuf },
    #[error("{}", OutputReason(.0))]
    Output(OutputError),
    #[error("{}: {}", ShownOut(path), WriteReason(source))]
    Write { path: PathBuf, source: WriteError },
    #[error(
        "a dump is no text for a terminal; send standard output elsewhere, or name a file with -o FILE"
    )]
    Terminal,
    #[error(
        "this format is no text for a terminal; send standard output elsewhere, or name a file with -o FILE"
    )]
    ExportToTerminal,
    #[error(
        "{}: the name does not tell in what format it shall be; say --to FORMAT",
        ShownOut(path)
    )]
    NoExportFormat { path: PathBuf },
    #[error("{of}: {source}")]
    Export {
        of: String,
        source: goheap_export::ExportError,
    },
    #[error("{of}: {source}")]
    Snapshot {
        of: String,
        source: goheap_analysis::snapshot::SnapshotError,
    },
    #[error("a snapshot is of all of the heap: leave out --of")]
    PartOfSnapshot,
    #[error("cannot write to standard output: {}", Reason(.0))]
    Stdout(io::Error),
    /// Ends the command, but is no failure.
    #[error("whoever read standard output has had enough")]
    EnoughRead,
    #[error("cannot set up what notices Ctrl-C: {}", Reason(.0))]
    Signals(io::Error),
    #[error("interrupted by signal {0}; nothing was left behind")]
    Interrupted(i32),
    #[error(
        "cannot make or write a temporary file in {}: {}; name another directory with TMPDIR",
        Shown(directory),
        Reason(source)
    )]
    Unnamed {
        directory: PathBuf,
        source: io::Error,
    },
    #[error("{of}: {source}")]
    Opened {
        of: String,
        source: goheap_analysis::OpenError,
    },
    #[error("{of}: {source}")]
    Analysis {
        of: String,
        source: goheap_analysis::AnalysisError,
    },
    #[error("{of}: {source}")]
    What {
        of: String,
        source: goheap_analysis::answers::what::WhatError,
    },
    #[error("{of}: {source}")]
    Check {
        of: String,
        source: goheap_analysis::answers::check::CheckError,
    },
    #[error("{}: cannot write the report: {}", Shown(path), Reason(source))]
    Report { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Parquet(#[from] crate::export::ParquetError),
    #[error("demo: {0}")]
    Demo(#[source] Box<DemoError>),
}

impl CommandError {
    /// Says it, on one line of standard error.
    pub(crate) fn say(&self) {
        if !matches!(self, CommandError::EnoughRead) {
            crate::text::say(format_args!("goheap: {self}"));
        }
    }

    /// The exit status that stands for it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let signal = match self {
            CommandError::EnoughRead => return ExitCode::SUCCESS,
            CommandError::Interrupted(signal) => *signal,
            #[cfg(target_os = "linux")]
            CommandError::Process(goheap_process::ProcessError::Interrupted { signal, .. }) => {
                *signal
            }
            _ => return ExitCode::from(2),
        };
        // The shell's way to say "ended by a signal".
        ExitCode::from(u8::try_from(128 + signal).unwrap_or(2))
    }
}

/// A path as a message names it: standard input by its name, control characters escaped.
pub(crate) struct Shown<'p>(pub(crate) &'p Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Path::new("-") {
            return f.write_str("standard input");
        }
        fmt::Display::fmt(
            &crate::text::printable(self.0.as_os_str().as_encoded_bytes()),
            f,
        )
    }
}

/// Paths, one behind the other.
struct List<'p>(&'p [PathBuf]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, path) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            Shown(path).fmt(f)?;
        }
        Ok(())
    }
}

/// A path that is written to.
struct ShownOut<'p>(&'p Path);

impl fmt::Display for ShownOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Path::new("-") {
            return f.write_str("standard output");
        }
        Shown(self.0).fmt(f)
    }
}

/// An error of the system as people say it: without the number, in lower case.
pub(crate) struct Reason<'e>(pub(crate) &'e io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text
            .split_once(" (os error")
            .map_or(text.as_str(), |(text, _)| text);
        let mut chars = text.chars();
        // "Permission denied", but not "EOF".
        match (chars.next(), chars.next()) {
            (Some(first), Some(second)) if second.is_lowercase() => {
                write!(f, "{}{second}{}", first.to_lowercase(), chars.as_str())
            }
            _ => f.write_str(text),
        }
    }
}

/// Why a dump cannot be written, with what to do about a full disk.
struct WriteReason<'e>(&'e WriteError);

impl fmt::Display for WriteReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WriteError::Sink { offset, source } = self.0 else {
            return self.0.fmt(f);
        };
        let on_thread = source
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<WriteFailed>());
        let (offset, source) = match on_thread {
            Some(failed) => (failed.written, &failed.source),
            None => (*offset, source),
        };
        write!(
            f,
            "cannot write on behind byte {offset} of the dump: {}",
            Reason(source)
        )?;
        match source.kind() {
            io::ErrorKind::StorageFull => {
                f.write_str("; make room, or write elsewhere (a name in .zst takes less)")
            }
            io::ErrorKind::BrokenPipe => {
                f.write_str("; the reader went away, and what it has is not whole")
            }
            _ => Ok(()),
        }
    }
}

/// Why a file cannot come to be, in the words of this command and without the temporary name.
struct OutputReason<'e>(&'e OutputError);

impl fmt::Display for OutputReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            OutputError::Create { dir, source } => {
                let todo = match source.kind() {
                    io::ErrorKind::NotFound => "; make that directory first",
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        "; name a file elsewhere with -o FILE"
                    }
                    _ => "",
                };
                write!(
                    f,
                    "{}: cannot make a file here: {}{todo}",
                    Shown(dir),
                    Reason(source)
                )
            }
            OutputError::Look { path, source } => {
                write!(f, "{}: {}", Shown(path), Reason(source))
            }
            OutputError::Commit { path, source } => {
                write!(
                    f,
                    "{}: cannot complete the file: {}",
                    Shown(path),
                    Reason(source)
                )
            }
            other => other.fmt(f),
        }
    }
}
