//! `bench-reopen`: what a question takes of a dump, and of the analysed snapshot of that dump, in turns. Both
//! must say the same.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

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
    /// A dump to take, instead of one of a program with that many objects
    #[arg(long)]
    dump: Option<PathBuf>,
    /// The type that `why` is asked for
    #[arg(long, default_value = "main.large")]
    why: String,
    /// A folder for the dump and the snapshot
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
}

/// A command and what it took.
struct Row {
    name: String,
    command: Vec<String>,
    costs: Vec<Cost>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let folder = tempfile::Builder::new()
        .prefix("bench-reopen-")
        .tempdir_in(&args.folder)?;
    let dump = match &args.dump {
        Some(dump) => dump.clone(),
        None => linked::dump(
            &args.go,
            (args.objects, Links::InOrder),
            &goheap,
            folder.path(),
        )?,
    };
    let snapshot = folder.path().join("snapshot.heapdump");
    let text = |path: &Path| path.display().to_string();
    let mut export = Command::new(&goheap);
    export.args(["export", &text(&dump), "--to", "snapshot", "-o"]);
    export.arg(&snapshot);
    eprintln!("writing the snapshot");
    let written = measure::of(&export)?;
    let questions = [vec!["top"], vec!["why", &args.why]];
    let mut rows = Vec::new();
    for question in &questions {
        for (of, path) in [("the dump", &dump), ("its snapshot", &snapshot)] {
            let mut command = vec![question[0].to_owned(), text(path)];
            command.extend(question[1..].iter().map(|word| (*word).to_owned()));
            rows.push(Row {
                name: format!("{} of {of}", question.join(" ")),
                command,
                costs: Vec::new(),
            });
        }
    }
    for pair in rows.chunks(2) {
        let said = |row: &Row| -> Result<String> {
            let output = Command::new(&goheap).args(&row.command).output()?;
            ensure!(output.status.success(), "{}: {}", row.name, output.status);
            // The source's own name is the one thing that may differ.
            Ok(String::from_utf8(output.stdout)?.replace(&row.command[1], "SOURCE"))
        };
        ensure!(
            said(&pair[0])? == said(&pair[1])?,
            "{} and {} say different things",
            pair[0].name,
            pair[1].name
        );
    }
    for round in 0..args.rounds {
        for row in &mut rows {
            warm(Path::new(&row.command[1]))?;
            let cost = measure::of(Command::new(&goheap).args(&row.command))?;
            eprintln!("round {}: {}: {:.2} s", round + 1, row.name, cost.wall);
            row.costs.push(cost);
        }
    }
    let bytes = |path: &Path| fs::metadata(path).map(|data| data.len() / 1_000_000);
    println!(
        "{} rounds in turns, medians; files in memory. The dump {} MB, the snapshot {} MB, written in {:.2} s \
         ({:.2} s of CPU, peak RSS {} MiB).\n",
        args.rounds,
        bytes(&dump)?,
        bytes(&snapshot)?,
        written.wall,
        written.cpu,
        written.peak_rss / 1024
    );
    println!("| command | time, s | each round, s | CPU, s | peak RSS, MiB | peak RssAnon, MiB |");
    println!("|---|---|---|---|---|---|");
    for row in &rows {
        let each = row.costs.iter().map(|cost| format!("{:.2}", cost.wall));
        println!(
            "| {} | {:.2} | {} | {:.2} | {:.0} | {:.0} |",
            row.name,
            median(row, |cost| cost.wall),
            each.collect::<Vec<_>>().join(" "),
            median(row, |cost| cost.cpu),
            median(row, |cost| cost.peak_rss as f64) / 1024.0,
            median(row, |cost| cost.peak_anon as f64) / 1024.0,
        );
    }
    for pair in rows.chunks(2) {
        let part = median(&pair[1], |cost| cost.wall) / median(&pair[0], |cost| cost.wall);
        println!("\n{}: {part:.2} of the time", pair[1].name);
    }
    Ok(true)
}

/// Reads a file, so that its pages are in memory.
fn warm(path: &Path) -> Result<()> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

fn median(row: &Row, of: impl Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = row.costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
