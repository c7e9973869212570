//! `bench-pause`: for how long a program stands still while its heap is captured, by each method of
//! goheap, by its own `WriteHeapDump`, by gdb's gcore and by a tool of others, in turns, on one
//! process. That process, the program `pauses`, measures from inside; a control in which nothing is
//! captured tells what it sees anyway.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::repository::build_goheap;

mod report;
mod sample;
mod target;

use sample::{Bench, Sample};
use target::PausedTarget;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Version of Go
    #[arg(long, default_value = "1.24.3")]
    go: String,
    /// Sizes of the heap of small objects, in MB
    #[arg(long, num_args = 1.., value_name = "MB", default_values_t = [1000, 4000])]
    sizes: Vec<u64>,
    /// How many captures by each method
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// How many threads the program has beside the runtime's
    #[arg(long, default_value_t = 32)]
    threads: u64,
    /// How many MB it allocates a second
    #[arg(long, default_value_t = 100)]
    allocation: u64,
    /// To how many old objects it writes a second
    #[arg(long, default_value_t = 5000)]
    writes: u64,
    /// Only these: control, pre-copy, fork, stop, runtime-null, runtime-file, gcore, other
    #[arg(long, num_args = 1.., value_name = "METHOD")]
    only: Vec<String>,
    /// Captures by gcore and by the other tool, which are slow
    #[arg(long, default_value_t = 3)]
    slow_rounds: usize,
    /// Another tool's command line, its words separated by spaces; {pid} and {out} stand in it
    #[arg(long, value_name = "COMMAND")]
    other: Option<String>,
    /// Let goheap write its dumps to /dev/null: what the disk is slow at is left out
    #[arg(long)]
    null: bool,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// A folder on a disk, for dumps and cores
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
    /// Write every sample to this file, as lines of JSON
    #[arg(long, value_name = "FILE")]
    samples: Option<PathBuf>,
}

/// A way to capture, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing is captured, for as long as the last capture by goheap took.
    Control,
    /// goheap, by this method.
    Goheap(&'static str),
    /// `debug.WriteHeapDump` in the program, to /dev/null or to a file.
    Runtime { null: bool },
    /// gdb's gcore.
    Gcore,
    /// `--other`.
    Other,
}

impl Way {
    const ALL: [Way; 8] = [
        Way::Control,
        Way::Goheap("pre-copy"),
        Way::Goheap("fork"),
        Way::Goheap("stop"),
        Way::Runtime { null: true },
        Way::Runtime { null: false },
        Way::Gcore,
        Way::Other,
    ];

    fn name(self) -> &'static str {
        match self {
            Way::Control => "control",
            Way::Goheap(method) => method,
            Way::Runtime { null: true } => "runtime-null",
            Way::Runtime { null: false } => "runtime-file",
            Way::Gcore => "gcore",
            Way::Other => "other",
        }
    }

    /// What it is called in the table.
    fn title(self) -> String {
        match self {
            Way::Control => "nothing (control)".to_owned(),
            Way::Goheap(method) => format!("goheap, {method}"),
            Way::Runtime { null: true } => "`WriteHeapDump` to /dev/null".to_owned(),
            Way::Runtime { null: false } => "`WriteHeapDump` to a file".to_owned(),
            Way::Gcore => "`gcore`".to_owned(),
            Way::Other => "the other tool".to_owned(),
        }
    }

    fn is_slow(self) -> bool {
        matches!(self, Way::Gcore | Way::Other)
    }
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let ways: Vec<Way> = Way::ALL
        .into_iter()
        .filter(|way| args.only.is_empty() || args.only.iter().any(|name| name == way.name()))
        .filter(|way| *way != Way::Other || args.other.is_some())
        .collect();
    ensure!(!ways.is_empty(), "no method is left");
    let mut good = true;
    let mut text = report::head(args, &goheap);
    for size in &args.sizes {
        let (rows, about) = of_size(args, *size, &goheap, &ways)?;
        good &= rows
            .iter()
            .all(|(_, samples)| samples.iter().all(|s| s.failed.is_none()));
        text.push_str(&report::table(*size, &about, &rows));
    }
    print!("{text}");
    Ok(good)
}

/// What came of each way.
type Rows = Vec<(Way, Vec<Sample>)>;

/// The captures by each method of one program, in turns.
fn of_size(
    args: &Args,
    size: u64,
    goheap: &std::path::Path,
    ways: &[Way],
) -> Result<(Rows, String)> {
    eprintln!("making a heap of {size} MB");
    let mut target = PausedTarget::start(args, size)?;
    // Until its collector has come to a rhythm.
    std::thread::sleep(Duration::from_secs(5));
    let before = target.about()?;
    let folder = tempfile::Builder::new()
        .prefix("bench-pause-")
        .tempdir_in(&args.folder)?;
    let mut bench = Bench::new(args, goheap, folder.path());
    let mut rows: Rows = ways.iter().map(|way| (*way, Vec::new())).collect();
    let count = rows.len();
    for round in 0..args.rounds {
        for turn in 0..count {
            // Nobody is always behind the same one.
            let Some((way, samples)) = rows.get_mut((turn + round) % count) else {
                continue;
            };
            if way.is_slow() && samples.len() * args.rounds >= (round + 1) * args.slow_rounds {
                continue;
            }
            let sample = bench.sample(&mut target, *way)?;
            eprintln!(
                "{size} MB, round {} of {}, {}: {}",
                round + 1,
                args.rounds,
                way.name(),
                sample.line()
            );
            samples.push(sample);
        }
    }
    let after = target.about()?;
    Ok((rows, format!("before {before}; after {after}")))
}
