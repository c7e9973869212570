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
    goheap export 4711 -o app.dot\n  \
    goheap export app.heapdump --to dot --of main.Session -o - | dot -Tsvg > app.svg\n  \
    goheap export 4711 --to parquet -o fleet/capture=monday")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// What to write; may be left out where the file's name tells: .dot, .gv
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) to: Option<ToArg>,

    /// Where to write: a file, or - for standard output; a folder for parquet
    #[arg(short, long, value_name = "FILE|-")]
    pub(crate) output: PathBuf,

    /// Only this and what it alone holds: an address, a type, a variable, goroutine N, a package
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
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToArg {
    /// A picture of the dominator tree, or of who holds a thing, for Graphviz
    Dot,
    /// Tables for SQL (DuckDB, Spark): a folder of files, see docs/parquet.md
    Parquet,
}

/// Endings of file names that tell the format.
const ENDINGS: &[(&str, ToArg)] = &[(".dot", ToArg::Dot), (".gv", ToArg::Dot)];

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
        matches!(self, ToArg::Dot)
    }
}
