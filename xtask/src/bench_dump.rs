//! `bench-dump`: a heap of many small objects, dumped by the program itself and by goheap in turns,
//! into memory and onto a disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use goheap_testkit::obedient::Obedient;

use crate::linked::{self, Links};
use crate::measure::{self, Cost};
use crate::repository::build_goheap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Version of Go
    #[arg(long, default_value = "1.24.3")]
    go: String,
    /// How many objects, 36 bytes each on average
    #[arg(long, default_value_t = 28_000_000)]
    objects: u64,
    /// How many rounds; the medians are told
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// A folder in memory
    #[arg(long, default_value = "/dev/shm")]
    tmpfs: PathBuf,
    /// A folder on a disk
    #[arg(long, default_value = "/var/tmp")]
    disk: PathBuf,
}

struct Row {
    target: &'static str,
    runtime: Vec<Cost>,
    goheap: Vec<Cost>,
    bytes: u64,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let (_, mut target) = linked::start(&args.go, args.objects, Links::InOrder)?;
    let mut rows = Vec::new();
    for (name, folder) in [("tmpfs", &args.tmpfs), ("disk", &args.disk)] {
        let folder = tempfile::Builder::new()
            .prefix("bench-dump-")
            .tempdir_in(folder)?;
        let mut row = Row {
            target: name,
            runtime: Vec::new(),
            goheap: Vec::new(),
            bytes: 0,
        };
        for round in 0..args.rounds {
            eprintln!("{name}: round {} of {}", round + 1, args.rounds);
            let own = folder.path().join("runtime");
            row.runtime.push(by_runtime(&mut target, &own)?);
            row.bytes = fs::metadata(&own)?.len();
            let ours = folder.path().join("goheap");
            let mut dump = Command::new(&goheap);
            dump.arg("dump")
                .arg(target.pid().to_string())
                .args(["--exact", "-o"])
                .arg(&ours);
            row.goheap.push(measure::of(&dump)?);
            let written = fs::metadata(&ours)?.len();
            // The two differ by what the runtime adds to itself between them, which is little.
            let near = written.abs_diff(row.bytes) < row.bytes / 1000;
            ensure!(
                near,
                "goheap wrote {written} bytes, the runtime {}",
                row.bytes
            );
            clear(&own)?;
            clear(&ours)?;
        }
        rows.push(row);
    }
    print!("{}", report(args, &rows));
    Ok(true)
}

fn by_runtime(target: &mut Obedient, to: &Path) -> Result<Cost> {
    let before = target.cpu()?;
    let wall = target.dump(to)?;
    let cpu = target.cpu()?.saturating_sub(before);
    Ok(Cost {
        wall: wall.as_secs_f64(),
        cpu: cpu.as_secs_f64(),
        ..Cost::default()
    })
}

/// Removes a dump, and waits until its pages are written or dropped, so that the next run does not
/// pay for them.
fn clear(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
    nix::unistd::sync();
    std::thread::sleep(Duration::from_millis(200));
    Ok(())
}

fn report(args: &Args, rows: &[Row]) -> String {
    let mut text = format!(
        "Go {}, {} objects, {} rounds in turns, medians.\n\n\
         | to | dump, MB | WriteHeapDump, s | goheap, s | ratio | CPU of WriteHeapDump, s | CPU of goheap, s | peak RSS of goheap, MB |\n\
         |---|---|---|---|---|---|---|---|\n",
        args.go, args.objects, args.rounds
    );
    for row in rows {
        let own = median(row.runtime.iter().map(|c| c.wall));
        let ours = median(row.goheap.iter().map(|c| c.wall));
        text.push_str(&format!(
            "| {} | {} | {own:.2} | {ours:.2} | {:.2} | {:.2} | {:.2} | {} |\n",
            row.target,
            row.bytes / 1_000_000,
            ours / own,
            median(row.runtime.iter().map(|c| c.cpu)),
            median(row.goheap.iter().map(|c| c.cpu)),
            row.goheap.iter().map(|c| c.peak_rss).max().unwrap_or(0) / 1024,
        ));
    }
    for row in rows {
        let list = |costs: &[Cost]| {
            let each: Vec<_> = costs.iter().map(|c| format!("{:.2}", c.wall)).collect();
            each.join(" ")
        };
        text.push_str(&format!(
            "\n{}, each round: WriteHeapDump {}; goheap {}\n",
            row.target,
            list(&row.runtime),
            list(&row.goheap)
        ));
    }
    text
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
