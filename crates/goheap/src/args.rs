//! What can be said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use goheap_format::RecordKind;
use goheap_format::annex::NoteKind;

mod capture;
mod export;
mod refuse;
mod report;
mod serve;

pub(crate) use capture::{DumpArgs, ExeArg, HowArgs, MethodArg};
pub(crate) use export::{ExportArgs, ToArg};
pub(crate) use refuse::refuse;
pub(crate) use report::{FormatArg, ReportArgs};
pub(crate) use serve::ServeArgs;

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
    Top(TopArgs),
    Tree(TreeArgs),
    Why(WhyArgs),
    Goroutines(GoroutinesArgs),
    Diff(DiffArgs),
    Waste(WasteArgs),
    Check(CheckArgs),
    Export(ExportArgs),
    Report(ReportArgs),
    Serve(ServeArgs),
    Doctor(DoctorArgs),
    Demo(DemoArgs),
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
    pub(crate) how: HowArgs,

    /// Take a damaged dump as far as it goes; what is missing is said
    #[arg(long)]
    pub(crate) damaged: bool,
}

/// Show what fills the heap, and who holds it
///
/// Without --by: types, and the variables and goroutines that hold most alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap top 4711\n  \
    goheap top app.heapdump.zst --by object -n 10\n  \
    goheap top app.heapdump --by package --json | jq '.tables[0].rows[0]'")]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// What is told apart; may be given more than once
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) by: Vec<ByArg>,

    /// How many rows a table has at most
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) rows: Option<usize>,

    /// Print as JSON (goheap.top/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `top` tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ByArg {
    /// What objects are
    Type,
    /// Variables, goroutines and other roots, by what they hold alone
    Root,
    /// Goroutines that stand at the same place
    Goroutine,
    /// Packages: by what their variables hold alone, and by their types
    Package,
    /// The largest objects, with all that they hold
    Object,
    /// Size classes
    Size,
}

/// Show who holds what alone, as a tree: the largest first
///
/// What is below a branch would be gone without it. Siblings of one type are one branch.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap tree 4711\n  \
    goheap tree app.heapdump --under main.cache --depth 6\n  \
    goheap tree app.heapdump --min 10MiB")]
pub(crate) struct TreeArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// How many levels are shown
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) depth: usize,

    /// Branches that hold less are summed up: bytes, or 512KiB, 10MiB, 1GiB. The thousandth part
    /// of what the top of the tree retains, if not given
    #[arg(long, value_name = "SIZE", value_parser = crate::units::parse_bytes)]
    pub(crate) min: Option<u64>,

    /// How many branches each one has at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) rows: usize,

    /// Begin there: an address (0x...), a type, a variable, goroutine:N or package:PATH
    #[arg(long, value_name = "WHAT")]
    pub(crate) under: Option<String>,

    /// Print as JSON (goheap.tree/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show by what chain of variables, fields, keys and indexes a thing is held
///
/// WHAT is an address, also one in the middle of an object; a type, or the end of its name, for all
/// objects of it; or a variable.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap why 4711 0xc000123450\n  \
    goheap why app.heapdump main.Session\n  \
    goheap why app.heapdump Session --paths 20\n  \
    goheap why app.heapdump var:main.cache --json")]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// An address (0x...), a type (main.Session, or Session if that is the only one), or a variable;
    /// type:NAME and var:NAME leave no doubt
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,

    /// How many paths are shown at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    pub(crate) paths: usize,

    /// Print as JSON (goheap.why/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// A number that is not 0.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it is not at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is no number".to_owned()),
    }
}

/// Show goroutines by where they stand, and what they alone hold
///
/// Goroutines with the same stack are one group. With --leaked: those that wait for ever, for what
/// nobody who can still run leads to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap goroutines 4711\n  \
    goheap goroutines app.heapdump --leaked\n  \
    goheap goroutines app.heapdump --json | jq '.groups[] | {count, wait_reason}'")]
pub(crate) struct GoroutinesArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// Only those that wait for ever
    #[arg(long)]
    pub(crate) leaked: bool,

    #[command(flatten)]
    pub(crate) rows: RowsArg,

    /// Print as JSON (goheap.goroutines/1); all groups
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RowsArg {
    /// How many rows a table has at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 15)]
    pub(crate) rows: usize,
}

/// Show what has changed from one dump to another: by type, by holder, by path
///
/// Of dumps of one process also which objects are new, by address. Exit status 1 with --exit-code
/// if there is a difference.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap diff before.heapdump after.heapdump\n  \
    goheap diff before.heapdump 4711              what has changed since\n  \
    goheap diff a.heapdump b.heapdump --json | jq '.types[0]'")]
pub(crate) struct DiffArgs {
    /// The first: a process id, a core file, a dump, or - for a dump on standard input
    #[arg(value_name = "A")]
    pub(crate) before: OsString,

    /// The second
    #[arg(value_name = "B")]
    pub(crate) after: OsString,

    /// Exit status 1 if there is a difference
    #[arg(long)]
    pub(crate) exit_code: bool,

    #[command(flatten)]
    pub(crate) exe: ExeArg,

    #[command(flatten)]
    pub(crate) how: HowArgs,

    /// Take a damaged dump as far as it goes; what is missing is said
    #[arg(long)]
    pub(crate) damaged: bool,

    #[command(flatten)]
    pub(crate) rows: RowsArg,

    /// Print as JSON (goheap.diff/1); all rows
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what is in the heap and of no use
///
/// Capacity beyond the length, arrays of which a part is shown, slots of maps without an entry,
/// strings that are there twice, idle buffers of channels, what only pools, finalizers and cleanups
/// hold.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap waste 4711\n  \
    goheap waste app.heapdump --json | jq .duplicate_strings.largest")]
pub(crate) struct WasteArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    #[command(flatten)]
    pub(crate) rows: RowsArg,

    /// Print as JSON (goheap.waste/1); all rows
    #[arg(long)]
    pub(crate) json: bool,
}

/// Check that what is in the heap keeps within limits
///
/// Exit status 1 if a limit does not hold, 2 if it makes no sense: a type that the program does not
/// have, for instance.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap check 4711 --max heap=2GiB --max goroutines=500\n  \
    goheap check app.heapdump --max 'type:main.Session=10000' --max 'retained:main.cache=1GiB'\n  \
    goheap check app.heapdump --no-leaked-goroutines --junit heap.xml")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// The most that is allowed of something: type:NAME=COUNT (reachable objects), bytes:NAME=SIZE
    /// (theirs), retained:VARIABLE=SIZE (also of a package, or an address), goroutines=COUNT,
    /// leaked-goroutines=COUNT, heap=SIZE (reachable), objects=COUNT, garbage=SIZE; may be given more
    /// than once
    #[arg(long, value_name = "WHAT=MOST", value_parser = crate::check::parse_limit, required_unless_present = "no_leaked_goroutines")]
    pub(crate) max: Vec<goheap_analysis::answers::check::Limit>,

    /// No goroutine waits for ever; the same as --max leaked-goroutines=0
    #[arg(long)]
    pub(crate) no_leaked_goroutines: bool,

    /// Write what came of it to this file as well, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Print as JSON (goheap.check/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what is in a process, a core or a dump: version, sizes, counts, goroutines
///
/// Of a process what was captured is counted, while it runs on; no file of that is kept.
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
    pub(crate) how: HowArgs,

    /// Show where all memory is, down to what kinds of values fill the heap. A dump of up to 256 MiB
    /// is shown so in any case; a process or a core is dumped for it, to a file that is gone at once
    #[arg(long)]
    pub(crate) ledger: bool,

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

/// Tell how a process could be captured here, and what to change, without touching it
///
/// Each way with what is in its way, and for how long the process would stand still, roughly. Exit
/// status 1 if there is none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap doctor 4711\n  \
    goheap doctor 4711 --json | jq -r .dump_takes")]
pub(crate) struct DoctorArgs {
    /// A process id
    #[arg(value_name = "PID")]
    pub(crate) pid: OsString,

    /// Where the dump would be written: a copy of the process's memory needs room there
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) exe: ExeArg,

    /// Print as JSON (goheap.doctor/1)
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
