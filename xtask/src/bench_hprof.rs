//! `bench-hprof`: one graph, analysed by goheap (of its own dump) and by hprof-analyzer (of what `goheap
//! export --to hprof` made of that dump), in turns. Both find types, dominators and retained sizes, and
//! tell what fills the heap.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use goheap_testkit::tools;

use crate::linked::{self, Links};
use crate::measure::{self, Cost};
use crate::repository::build_goheap;

/// The reader of HPROF, as its authors build it.
const READER: (&str, &str) = ("hprof-analyzer", "0.3.2");

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Version of Go
    #[arg(long, default_value = "1.24.3")]
    go: String,
    /// How many objects, 36 bytes each on average
    #[arg(long, default_value_t = 4_000_000)]
    objects: u64,
    /// Let each object lead to others anywhere in the heap
    #[arg(long)]
    scattered: bool,
    /// How many rounds; the medians are told
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// Another goheap to export with
    #[arg(long)]
    exporter: Option<PathBuf>,
    /// A dump that is there already, instead of that of the program `linked`
    #[arg(long)]
    dump: Option<PathBuf>,
    /// A folder for the files
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let reader = tools::cargo(READER.0, READER.1)?;
    let folder = tempfile::Builder::new()
        .prefix("bench-hprof-")
        .tempdir_in(&args.folder)?;
    let dump = match &args.dump {
        Some(dump) => dump.clone(),
        None => {
            let links = match args.scattered {
                true => Links::Scattered,
                false => Links::InOrder,
            };
            linked::dump(&args.go, (args.objects, links), &goheap, folder.path())?
        }
    };
    let hprof = folder.path().join("linked.hprof");
    eprintln!("exporting");
    let mut export = Command::new(args.exporter.as_ref().unwrap_or(&goheap));
    export.arg("export").arg(&dump).arg("-o").arg(&hprof);
    let exported = measure::of(&export)?;
    let size = |path: &PathBuf| -> Result<u64> { Ok(std::fs::metadata(path)?.len()) };

    let mut top = Command::new(&goheap);
    top.arg("top").arg(&dump);
    let mut report = Command::new(&reader);
    report.arg(&hprof).arg(folder.path().join("report.json"));
    let mut costs: [(&str, Command, Vec<Cost>); 2] = [
        ("goheap top", top, Vec::new()),
        ("hprof-analyzer", report, Vec::new()),
    ];
    for round in 0..args.rounds {
        for (name, command, costs) in &mut costs {
            let cost = measure::of(command)?;
            eprintln!(
                "round {} of {}: {name}: {:.2} s, {} MiB",
                round + 1,
                args.rounds,
                cost.wall,
                cost.peak_rss / 1024
            );
            costs.push(cost);
        }
    }
    println!(
        "{} objects: dump {} MB, HPROF {} MB (exported in {:.1} s, {} MiB)\n",
        args.objects,
        size(&dump)? / 1_000_000,
        size(&hprof)? / 1_000_000,
        exported.wall,
        exported.peak_rss / 1024
    );
    println!("| | time | CPU | peak RSS | of it anonymous |");
    println!("|---|---|---|---|---|");
    let mut medians = Vec::new();
    for (name, _, costs) in &costs {
        let (wall, rss) = (
            median(costs, |c| c.wall)?,
            median(costs, |c| c.peak_rss as f64)?,
        );
        println!(
            "| {name} | {wall:.2} s | {:.2} s | {:.0} MiB | {:.0} MiB |",
            median(costs, |c| c.cpu)?,
            rss / 1024.0,
            median(costs, |c| c.peak_anon as f64)? / 1024.0
        );
        medians.push((wall, rss));
    }
    let [ours, theirs] = medians[..] else {
        return Ok(false);
    };
    println!(
        "\ntime: {:.0} %, peak RSS: {:.0} % of hprof-analyzer's",
        100.0 * ours.0 / theirs.0,
        100.0 * ours.1 / theirs.1
    );
    Ok(ours.0 * 2.0 <= theirs.0 && ours.1 * 4.0 <= theirs.1 * 3.0)
}

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> Result<f64> {
    let mut all: Vec<f64> = costs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().context("no round")
}
