//! What people who work on goheap need beside cargo: `cargo xtask help`.

#[cfg(target_os = "linux")]
mod bench_dump;
#[cfg(target_os = "linux")]
mod bench_hprof;
#[cfg(target_os = "linux")]
mod bench_pause;
#[cfg(target_os = "linux")]
mod bench_reopen;
#[cfg(target_os = "linux")]
mod bench_serve;
#[cfg(target_os = "linux")]
mod bench_top;
#[cfg(target_os = "linux")]
mod cgroup;
mod globals;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod kills;
mod layouts;
#[cfg(target_os = "linux")]
mod linked;
mod matrix;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod moments;
mod new_version;
#[cfg(target_os = "linux")]
mod oracle_pairs;
#[cfg(target_os = "linux")]
mod real;
mod repository;
#[cfg(target_os = "linux")]
mod shipped;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod standing;
mod static_build;
mod streams;
#[cfg(target_os = "linux")]
mod twin;
#[cfg(target_os = "linux")]
mod types_share;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use goheap_testkit::{toolchains, tools};

/// What people who work on goheap need
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Fetch Go toolchains into the cache, once, and print where they are
    Toolchains {
        /// Which; all that goheap claims if none is given
        versions: Vec<String>,
    },
    /// Install the tools of others that tests read goheap's output with into the cache, once, and print
    /// where they are
    Tools,
    /// Run every twin test on every version, and print a table
    Matrix {
        /// Only these versions
        #[arg(long, num_args = 1.., value_name = "VERSION")]
        versions: Vec<String>,
        /// How processes are captured for the twins; if not given, the versions take turns
        #[arg(long, value_parser = ["pre-copy", "fork", "stop"])]
        method: Option<String>,
    },
    /// Make one twin, compare, and say what differs
    #[cfg(target_os = "linux")]
    Twin(twin::Args),
    /// Compare two dumps of one instant
    #[cfg(target_os = "linux")]
    Compare {
        /// The runtime's
        runtime: PathBuf,
        /// The other
        other: PathBuf,
    },
    /// Measure goheap's dump of a big heap against the program's own
    #[cfg(target_os = "linux")]
    BenchDump(bench_dump::Args),
    /// Measure for how long a program stands still for its capture, from outside and from inside
    #[cfg(target_os = "linux")]
    BenchPause(bench_pause::Args),
    /// Measure goheap against hprof-analyzer on one graph, which that reads as HPROF
    #[cfg(target_os = "linux")]
    BenchHprof(bench_hprof::Args),
    /// Measure questions of a big dump against the same of its analysed snapshot
    #[cfg(target_os = "linux")]
    BenchReopen(bench_reopen::Args),
    /// Measure how soon `goheap serve` shows a big heap, and how long clicks take
    #[cfg(target_os = "linux")]
    BenchServe(bench_serve::Args),
    /// Measure `goheap top` of a big heap against readers of others
    #[cfg(target_os = "linux")]
    BenchTop(bench_top::Args),
    /// Capture a loaded program many times, and see that nothing it holds is missing
    #[cfg(target_os = "linux")]
    Moments(moments::Args),
    /// Capture a loaded service a thousand times, and see that no request is lost and nothing is left
    #[cfg(target_os = "linux")]
    Soak(soak::Args),
    /// Capture programs that stand still, and judge what is reachable in them
    #[cfg(target_os = "linux")]
    Standing(standing::Args),
    /// Capture programs of others at work many times: etcd under a load, the Go compiler
    #[cfg(target_os = "linux")]
    Real(real::Args),
    /// Capture programs as others ship them, stripped: Debian's, npm's, PyPI's, each under a load
    #[cfg(target_os = "linux")]
    Shipped(shipped::Args),
    /// Kill and stop goheap and its supervisor at each system call of a capture, and see that nothing
    /// happens to the captured service
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    Kills(kills::Args),
    /// Compare dumps of the runtime with cores of the same programs, for other processors too
    #[cfg(target_os = "linux")]
    OraclePairs(oracle_pairs::Args),
    /// Tell what a new Go version does otherwise than the newest known one, and write its layouts into
    /// the tables
    NewVersion(new_version::Args),
    /// Make the tables of the runtime's layouts for programs without DWARF, or check them
    Layouts(layouts::Args),
    /// What share of the bytes of programs gets a type, and whether the collector contradicts
    #[cfg(target_os = "linux")]
    TypesShare(types_share::Args),
    /// Build programs in all ways, and see whether what goheap says of the stripped ones is true
    Globals(globals::Args),
    /// Learn from toolchains where the runtime's functions refer to its variables
    Streams(streams::Args),
    /// Build goheap as one static file, check that it needs nothing else, and print where it is
    Static,
    /// Run a command and print what it took as JSON (a helper of the benches)
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Measure {
        /// The command
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(task: Task) -> Result<bool> {
    match task {
        Task::Toolchains { versions } => {
            let all = || {
                toolchains::CLAIMED
                    .iter()
                    .map(|v| v.number.to_owned())
                    .collect()
            };
            for version in if versions.is_empty() { all() } else { versions } {
                println!("{version}\t{}", toolchains::goroot(&version)?.display());
            }
            Ok(true)
        }
        Task::Tools => {
            for tool in tools::FOR_TESTS {
                // What takes minutes when it is not there yet is named first.
                print!("{tool}\t");
                io::stdout().flush()?;
                println!("{}", tool.place()?.display());
            }
            Ok(true)
        }
        Task::Matrix { versions, method } => matrix::run(&versions, method.as_deref()),
        Task::Layouts(args) => layouts::run(&args),
        Task::NewVersion(args) => new_version::run(&args),
        Task::Static => static_build::run(),
        Task::Globals(args) => globals::run(&args),
        Task::Streams(args) => streams::run(&args),
        #[cfg(target_os = "linux")]
        Task::Twin(args) => twin::run(&args),
        #[cfg(target_os = "linux")]
        Task::Compare { runtime, other } => twin::compare(&runtime, &other),
        #[cfg(target_os = "linux")]
        Task::BenchDump(args) => bench_dump::run(&args),
        #[cfg(target_os = "linux")]
        Task::BenchPause(args) => bench_pause::run(&args),
        #[cfg(target_os = "linux")]
        Task::BenchReopen(args) => bench_reopen::run(&args),
        #[cfg(target_os = "linux")]
        Task::BenchServe(args) => bench_serve::run(&args),
        #[cfg(target_os = "linux")]
        Task::BenchTop(args) => bench_top::run(&args),
        #[cfg(target_os = "linux")]
        Task::BenchHprof(args) => bench_hprof::run(&args),
        #[cfg(target_os = "linux")]
        Task::Soak(args) => soak::run(&args),
        #[cfg(target_os = "linux")]
        Task::Standing(args) => standing::run(&args),
        #[cfg(target_os = "linux")]
        Task::Moments(args) => moments::run(&args),
        #[cfg(target_os = "linux")]
        Task::Real(args) => real::run(&args),
        #[cfg(target_os = "linux")]
        Task::OraclePairs(args) => oracle_pairs::run(&args),
        #[cfg(target_os = "linux")]
        Task::Shipped(args) => shipped::run(&args),
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        Task::Kills(args) => kills::run(&args),
        #[cfg(target_os = "linux")]
        Task::TypesShare(args) => types_share::run(&args),
        #[cfg(target_os = "linux")]
        Task::Measure { command } => measure::run(&command),
    }
}
