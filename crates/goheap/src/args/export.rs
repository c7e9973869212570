//! What can be said of an export.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::ExamineArgs;

/// Write the heap for another tool: a profile, a graph, a heap dump of another language
///
/// The file is there whole (mode 0600) or not at all. docs/exports.md tells what each format says and
/// what it cannot say.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap export 4711 -o app.pb.gz             then: go tool pprof -http : app.pb.gz\n  \
    goheap export app.heapdump -o app.hprof     for tools that read Java's heap dumps\n  \
    goheap export app.heapdump -o app.heapsnapshot\n  \
    goheap export app.heapdump --to folded -o - | inferno-flamegraph > app.svg\n  \
    goheap export app.heapdump --to dot --of main.Session -o - | dot -Tsvg > app.svg\n  \
    goheap export 4711 --to parquet -o fleet/capture=monday\n  \
    goheap export app.heapdump --to snapshot -o app.analysed.heapdump")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// What to write; may be left out where the file's name tells: .pb.gz, .hprof, .heapsnapshot, .folded,
    /// .dot
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) to: Option<ToArg>,

    /// Where to write: a file, or - for standard output; a folder for parquet
    #[arg(short, long, value_name = "FILE|-")]
    pub(crate) output: PathBuf,

    /// Only this and what it alone holds: an address, a type, a variable, goroutine N, a package. Of dot
    /// and folded
    #[arg(long, value_name = "WHAT")]
    pub(crate) of: Option<String>,

    /// How much dot shows: branches of one branch, or paths to what was asked for
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) rows: usize,

    /// How many levels of the dominator tree dot shows
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) depth: usize,

    /// For parquet: write into a folder that has files, and replace those of the same names
    #[arg(long)]
    pub(crate) force: bool,

    /// How many nodes a heapsnapshot has at most; small branches of the dominator tree become one node
    /// each
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(16..))]
    pub(crate) limit: u32,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToArg {
    /// A profile for go tool pprof: bytes and objects by who holds them
    Pprof,
    /// A heap dump as the Java VM writes it, for MAT, VisualVM and their kin
    Hprof,
    /// A heap snapshot for Chrome's DevTools
    Heapsnapshot,
    /// Lines for flame graphs
    Folded,
    /// A picture of the dominator tree, or of who holds a thing, for Graphviz
    Dot,
    /// Tables for SQL (DuckDB, Spark): a folder of files, see docs/parquet.md
    Parquet,
    /// The dump with what its analysis found out: every command takes it, and answers soon (.zst: compressed)
    Snapshot,
}

/// Endings of file names that tell the format.
const ENDINGS: [(&str, ToArg); 7] = [
    (".pb.gz", ToArg::Pprof),
    (".pprof", ToArg::Pprof),
    (".hprof", ToArg::Hprof),
    (".heapsnapshot", ToArg::Heapsnapshot),
    (".folded", ToArg::Folded),
    (".dot", ToArg::Dot),
    (".gv", ToArg::Dot),
];

impl ToArg {
    /// What the name of a file promises.
    pub(crate) fn of_name(path: &Path) -> Option<ToArg> {
        let name = path.file_name()?.as_encoded_bytes();
        ENDINGS
            .iter()
            .find(|(ending, _)| name.ends_with(ending.as_bytes()))
            .map(|(_, to)| *to)
    }

    /// Whether it is text, fit for a terminal.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, ToArg::Folded | ToArg::Dot)
    }
}
