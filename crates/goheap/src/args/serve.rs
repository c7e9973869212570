//! What can be said to `serve`.

use std::ffi::OsString;

use clap::Args;

use super::ExamineArgs;

/// Serve a page on which a leak is found by looking
///
/// A local page: who holds what as a map, tables to sort and filter, each type, object and goroutine
/// with its own page, a search. Its address has a secret in it; nobody else on this machine or in
/// another page can read it. A process is captured first and runs on: the page is of the capture. Ends
/// with Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goheap serve 4711\n  \
    goheap serve app.heapdump.zst --open\n  \
    goheap serve after.heapdump --against before.heapdump\n  \
    goheap serve app.heapdump --port 8080     on another machine; ssh -L 8080:127.0.0.1:8080 it")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) examine: ExamineArgs,

    /// Compare with this, which was before: a process id, a core file, a dump
    #[arg(long, value_name = "OTHER")]
    pub(crate) against: Option<OsString>,

    /// The port on 127.0.0.1; a free one if not given
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,

    /// Open it in the browser
    #[arg(long)]
    pub(crate) open: bool,
}
