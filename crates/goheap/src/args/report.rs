//! What can be said of a report.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ExamineArgs;

/// Write what a heap is full of into one file: leak suspects, tables, tree, goroutines, waste, ledger
///
/// The file is for a ticket or a colleague: it needs nothing but a browser, asks no other host, and is
/// the same, byte for byte, whenever it is made of the same dump. It is there whole (mode 0600) or not
/// at all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap report app.heapdump -o heap.html\n  \
    goheap report 4711 -o heap.md                   for a ticket of GitHub or GitLab\n  \
    goheap report app.heapdump -o heap.html --redact\n  \
    goheap report app.heapdump -o - --format json | jq .suspects")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// Where to write: a file that ends in .html, .md or .json, or - for standard output
    #[arg(short, long, value_name = "FILE|-")]
    pub(crate) output: PathBuf,

    /// What is written, if the name of the file does not tell
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<FormatArg>,

    /// Leave out what tells of contents: keys of maps and indexes in paths, texts of strings
    #[arg(long)]
    pub(crate) redact: bool,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// One page that needs nothing else
    Html,
    /// Markdown, as tickets take it
    #[value(alias = "md")]
    Markdown,
    /// JSON (goheap.report/1)
    Json,
}
