//! `shipped`: programs as others ship them, stripped, each under a load of its kind on loopback:
//! captured live and from a core, verified, asked, and held against what they say of themselves.

mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use goheap_analysis::{Analysis, Dump, NoWatch, OpenOptions};
use goheap_testkit::capture::{Capture, capture};
use goheap_testkit::core;
use goheap_testkit::shipped::fetch;
use goheap_testkit::shipped::programs::{self, PROGRAMS, Shipped};

use self::table::{Row, Told};
use crate::real::judge::Judged;
use crate::repository::build_goheap;
use crate::types_share::judge::judge;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these programs
    #[arg(long, num_args = 1..)]
    only: Vec<String>,
    /// How much of each load, in per cent of what makes a heap of some hundred megabytes
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    load: u64,
    /// Live captures alone: a core takes as much room as the process
    #[arg(long)]
    live: bool,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// A folder for cores and the programs' data
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
    /// A folder in which the dumps are kept
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Only say which there are
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    if args.list {
        for program in PROGRAMS {
            println!("{}\t{}", program.name, program.package);
        }
        return Ok(true);
    }
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let mut rows = Vec::new();
    for program in PROGRAMS {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == program.name) {
            continue;
        }
        let before = rows.len();
        if let Err(error) = one(program, args, &goheap, &mut rows) {
            // What there is already is worth its table.
            rows.push(Row::failed(program.name, format!("{error:#}")));
        }
        for row in rows.get(before..).unwrap_or_default() {
            eprint!("{}", row.details());
        }
    }
    print!("{}", table::of(&rows));
    Ok(rows.iter().all(Row::holds))
}

/// Fetches, starts and loads a program, and captures it live and from a core.
fn one(program: &Shipped, args: &Args, goheap: &Path, rows: &mut Vec<Row>) -> Result<()> {
    eprintln!("{}: fetching {}", program.name, program.package);
    let files = fetch::fetch(program.name, &program.package)?;
    let folder = tempfile::Builder::new()
        .prefix("shipped-")
        .tempdir_in(&args.folder)?;
    eprintln!("{}: loading it", program.name);
    let mut running = (program.start)(&files, folder.path(), args.load)?;
    let form = programs::form(&running.executable)?;
    for live in [true, false] {
        if args.live && !live {
            continue;
        }
        let from = if live { "live" } else { "core" };
        let own = running.metrics()?;
        let begin = Instant::now();
        let (captured, core) = if live {
            (capture(goheap, &running.pid().to_string(), &[]), None)
        } else {
            let core = core::of(running.pid(), folder.path()).context("a core of it")?;
            let source = core.display().to_string();
            (capture(goheap, &source, &[]), Some(core))
        };
        let took = begin.elapsed();
        let after = running.metrics()?;
        if let Some(core) = core {
            std::fs::remove_file(&core).with_context(|| core.display().to_string())?;
        }
        running.still_runs()?;
        let captured = match captured {
            Ok(captured) => captured,
            Err(error) => {
                rows.push(Row::failed(
                    program.name,
                    format!("captured {from}: {error}"),
                ));
                continue;
            }
        };
        let path = match &args.keep {
            Some(keep) => keep.join(format!("{}-{from}.heapdump", program.name)),
            None => folder.path().join("it.heapdump"),
        };
        std::fs::write(&path, &captured.dump).with_context(|| path.display().to_string())?;
        let told = looked_at(&captured, &path, goheap)?;
        rows.push(Row {
            program: program.name,
            from,
            form: form.clone(),
            own: own.zip(after),
            took,
            ..told
        });
    }
    Ok(())
}

/// What is thought of a capture, whose dump is at `path`, and what goheap's commands make of it.
fn looked_at(captured: &Capture, path: &Path, goheap: &Path) -> Result<Row> {
    let judged = Judged::of(captured, goheap, false)?;
    let dump = Dump::open(
        Box::new(captured.dump.clone()),
        &OpenOptions::default(),
        &NoWatch,
    )?;
    let shares = judge(&Analysis::of(dump, &NoWatch)?);
    let ask = |arguments: &[&str]| programs::json_of(goheap, path, arguments);
    let info = ask(&["info"])?;
    let top = ask(&["top", "--by", "type", "-n", "1"])?;
    let ty = top["tables"][0]["rows"][0]["name"].as_str();
    let ty = ty.unwrap_or_default().to_owned();
    // What fills the most may have no type; then there is nothing to ask for by its name.
    let why = ask(&["why", &format!("type:{ty}"), "-n", "1"]);
    let mut gaps = captured.gaps();
    gaps.truncate(8);
    Ok(Row {
        told: Some(Told {
            go: info["go"]["version"].as_str().unwrap_or("?").to_owned(),
            objects: captured.told["objects"].as_u64().unwrap_or(0),
            bytes: captured.told["object_bytes"].as_u64().unwrap_or(0),
            heap_objects: info["memstats"]["heap_objects"].as_u64().unwrap_or(0),
            heap_alloc: info["memstats"]["heap_alloc"].as_u64().unwrap_or(0),
            pause: captured.told["pause_ns"].as_u64().map(Duration::from_nanos),
            gap_count: captured.gap_count(),
            safe: captured.told["safe_moment"].as_bool() != Some(false),
            shares,
            judged,
            top: ty,
            why: why.err().map(|error| format!("{error:#}")),
        }),
        gaps,
        ..Row::default()
    })
}
