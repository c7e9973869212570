//! `kills`: goheap and its supervisor, killed and stopped for a second at each system call that they
//! make in a capture of a loaded service, and what that does to the service (docs/harm.md).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use goheap_testkit::blow::{Blow, Counted, Victim};
use goheap_testkit::kills::{Loaded, Points, Sweep};

use crate::repository::build_goheap;

/// How long who is stopped stands still.
const STOPPED: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The version of Go that builds the service
    #[arg(long, default_value = "1.24.11")]
    version: String,
    /// Only these ways to capture: pre-copy, fork, stop
    #[arg(long, num_args = 1.., value_name = "METHOD")]
    methods: Vec<String>,
    /// Only these: kill, kill-supervisor, stop, stop-supervisor
    #[arg(long, num_args = 1.., value_name = "BLOW")]
    only: Vec<String>,
    /// Strike at every Nth system call
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    stride: u64,
    /// Begin at the Nth system call
    #[arg(long, value_name = "N", default_value_t = 1)]
    first: u64,
    /// Count a row of calls that change nothing outside goheap once
    #[arg(long)]
    rows: bool,
    /// Print each point
    #[arg(long)]
    verbose: bool,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let methods: Vec<&str> = match args.methods.is_empty() {
        true => vec!["pre-copy", "fork", "stop"],
        false => args.methods.iter().map(String::as_str).collect(),
    };
    let blows = [
        ("kill-supervisor", Victim::Supervisor, Blow::Kill),
        ("kill", Victim::Goheap, Blow::Kill),
        ("stop-supervisor", Victim::Supervisor, Blow::Stop(STOPPED)),
        ("stop", Victim::Goheap, Blow::Stop(STOPPED)),
    ];
    let folder = tempfile::tempdir()?;
    let mut right = true;
    for (name, victim, blow) in blows {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == name) {
            continue;
        }
        for &method in &methods {
            let mut loaded = Loaded::start(&args.version)?;
            let sweep = Sweep {
                goheap: &goheap,
                folder: folder.path(),
                method,
                methods: &methods,
                victim,
                blow,
                counted: match args.rows {
                    true => Counted::Rows,
                    false => Counted::Each,
                },
                points: Points::Each {
                    first: args.first,
                    stride: args.stride,
                },
            };
            let begin = Instant::now();
            let report = sweep.run(&mut loaded, &mut |at, struck| {
                if args.verbose {
                    println!(
                        "    {at}: {:?} {:?} {}",
                        struck.hit,
                        struck.ended,
                        struck.said.trim()
                    );
                }
            });
            match report {
                Ok(report) => {
                    right &= report.wrong.is_empty();
                    println!("{name} {method}: {report} ({:.0?})", begin.elapsed());
                    for wrong in &report.wrong {
                        println!("    {wrong}");
                    }
                }
                Err(error) => {
                    right = false;
                    println!("{name} {method}: FAILED, {error}");
                }
            }
        }
    }
    Ok(right)
}
