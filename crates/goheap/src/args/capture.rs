//! What can be said of a capture: `dump`, and how a process is stopped and copied.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Write the heap dump of a process or of a core file
///
/// The process is stopped while its memory is read, and goes on as if nothing had happened,
/// whatever becomes of goheap. The file is there whole (mode 0600) or not at all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap dump 4711 -o app.heapdump\n  \
    goheap dump 4711 -o app.heapdump.zst      compressed, still readable in parts\n  \
    goheap dump core.4711 --exe ./app -o app.heapdump\n  \
    goheap dump 4711 -o app.heapdump.zst --when 'rss>90%'        before it is too late\n  \
    goheap dump 4711 -o app.heapdump.zst --every 10m --keep 5\n  \
    goheap dump 4711 -o - | ssh me@home 'cat > app.heapdump'")]
pub(crate) struct DumpArgs {
    /// A process id, or a core file
    #[arg(value_name = "PID|CORE")]
    pub(crate) source: OsString,

    /// Where to write: a file (compressed if it ends in .zst), or - for standard output
    #[arg(short, long, value_name = "FILE|-")]
    pub(crate) output: PathBuf,

    /// Byte for byte what Go's own debug.WriteHeapDump would write (its faults included)
    #[arg(long)]
    pub(crate) exact: bool,

    /// Leave out user data: strings, bytes and numbers become zeros, structure and types stay. The
    /// source may be a dump, too
    #[arg(long, conflicts_with_all = ["exact", "no_dwarf"])]
    pub(crate) redact: bool,

    #[command(flatten)]
    pub(crate) exe: ExeArg,

    #[command(flatten)]
    pub(crate) how: HowArgs,

    /// Leave out what only the executable's DWARF tells: types of variables, closures, frames
    #[arg(long)]
    pub(crate) no_dwarf: bool,

    /// Wait until this holds, and dump then: rss (bytes in RAM), heap (bytes in use) or goroutines; > >=
    /// < or <=; a size, a number, or for rss a share of the memory that the process may have. May be
    /// given more than once: any of them
    #[arg(long, value_name = "CONDITION", value_parser = crate::when::parse, conflicts_with = "redact")]
    pub(crate) when: Vec<crate::when::Condition>,

    /// Dump again and again, once in this time (with --when, while that holds), until the process
    /// ends; each dump is a file of its own, with the time in its name: app-20261126T051400Z.heapdump
    #[arg(long, value_name = "TIME", value_parser = at_least_a_second, conflicts_with = "redact")]
    pub(crate) every: Option<Duration>,

    /// How many dumps --every keeps: older ones with such names are removed
    #[arg(long, value_name = "N", default_value_t = 5, requires = "every", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: u32,

    /// Print what was done as JSON (goheap.dump/1) instead of as a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which Go program is meant, and where its file is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ExeArg {
    /// The program's executable (or the library with the Go code), if it is not where the process or
    /// the core says it is
    #[arg(long, value_name = "PATH")]
    pub(crate) exe: Option<PathBuf>,

    /// Which Go program, if a process has more than one: the executable or a library that it has
    /// loaded, by its path or the end of that
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,
}

/// How often a process is stopped if nobody says: 99 of 100 captures of a program that allocates
/// flat out need no more than some 15.
pub(crate) const TRIES: u32 = 50;

/// For how long a process may stand still in all if nobody says.
const MAX_PAUSE: &str = "2s";

/// How a process is captured. A core or a dump is as it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct HowArgs {
    /// Stop a process up to N times until the moment is a safe one; 1 takes the first. A core or a
    /// dump is as it is
    #[arg(long, value_name = "N", default_value_t = TRIES, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tries: u32,

    /// How a process is captured; the gentlest way that is open here if not given
    #[arg(long, value_name = "METHOD", value_enum)]
    pub(crate) method: Option<MethodArg>,

    /// For how long a process may stand still, all stops together: then it is let go, whatever comes
    /// of the capture
    #[arg(long, value_name = "TIME", default_value = MAX_PAUSE, value_parser = crate::units::parse_duration)]
    pub(crate) max_pause: Duration,
}

impl Default for HowArgs {
    fn default() -> HowArgs {
        HowArgs {
            tries: TRIES,
            method: None,
            max_pause: crate::units::parse_duration(MAX_PAUSE).unwrap_or(Duration::from_secs(2)),
        }
    }
}

/// A way to capture a process, as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodArg {
    /// Copy it while it runs, and stop it only for what it writes meanwhile (kernel 6.7)
    PreCopy,
    /// Stop it, make it fork, and read the copy, which never runs
    Fork,
    /// Stop it and copy
    Stop,
}

/// Names of files tell seconds.
fn at_least_a_second(text: &str) -> Result<Duration, String> {
    match crate::units::parse_duration(text)? {
        time if time < Duration::from_secs(1) => Err("it is less than a second".to_owned()),
        time => Ok(time),
    }
}
