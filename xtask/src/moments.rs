//! `moments`: many captures of the program `holders` under load, on each version of Go: is every list
//! whole and reachable in each, and what did goheap tell of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use goheap_testkit::capture::capture;
use goheap_testkit::holders::{self, Build};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::toolchains;

use crate::repository::build_goheap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Versions of Go; all that goheap claims if none is given
    #[arg(long, num_args = 1.., value_name = "VERSION")]
    versions: Vec<String>,
    /// How many captures of each
    #[arg(long, default_value_t = 200)]
    captures: usize,
    /// How the program is loaded
    #[arg(long, default_value = "flat-out", value_parser = ["flat-out", "light"])]
    load: String,
    /// Build it without cgo, and so without what is held by it
    #[arg(long)]
    no_cgo: bool,
    /// Load a plugin, and look for what its globals hold
    #[arg(long, conflicts_with = "no_cgo")]
    plugin: bool,
    /// More options of `goheap dump`
    #[arg(long = "option", value_name = "OPTION", allow_hyphen_values = true)]
    options: Vec<String>,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// A folder in which dumps with something wrong are kept
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// What came of one version.
#[derive(Default)]
struct Row {
    captures: usize,
    whole: usize,
    lists: usize,
    failed: Vec<String>,
    wrong: BTreeMap<String, (usize, String)>,
    with_gaps: usize,
    gaps: BTreeMap<String, (usize, String)>,
    unsafe_moments: usize,
    tries: Vec<u64>,
    pauses: Vec<u64>,
    took: Duration,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let versions: Vec<&str> = if args.versions.is_empty() {
        toolchains::CLAIMED.iter().map(|v| v.number).collect()
    } else {
        args.versions.iter().map(String::as_str).collect()
    };
    if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut rows = Vec::new();
    for version in versions {
        let row = proof(version, args, &goheap)?;
        eprint!("{}", details(version, &row));
        rows.push((version, row));
    }
    print!("{}", table(args, &rows));
    // Under load that no real program has, a moment may be unsafe time after time.
    let allowed = |row: &Row| match args.load.as_str() {
        "light" => row.captures / 100,
        _ => usize::MAX,
    };
    Ok(rows.iter().all(|(_, row)| {
        row.whole == row.captures && row.failed.is_empty() && row.with_gaps <= allowed(row)
    }))
}

fn proof(version: &str, args: &Args, goheap: &Path) -> Result<Row> {
    let how = match (args.no_cgo, args.plugin) {
        (true, _) => Build::Plain,
        (_, true) => Build::Plugin,
        _ => Build::Cgo,
    };
    let (program, environment) = holders::program(version, how)?;
    let mut environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    environment.push(("HOLDERS_LOAD", &args.load));
    let running = Obedient::start_in(&program, &[], &environment)?;
    let lists = holders::lists(&running.said())?;
    let options: Vec<&str> = args.options.iter().map(String::as_str).collect();
    let mut row = Row {
        lists: lists.len(),
        ..Row::default()
    };
    let start = Instant::now();
    for n in 0..args.captures {
        // Captures follow each other at no fixed distance, so as not to fall in with anything.
        std::thread::sleep(Duration::from_micros((n as u64 * 7919) % 20_000));
        row.captures += 1;
        let capture = match capture(goheap, &running.pid().to_string(), &options) {
            Ok(capture) => capture,
            Err(error) => {
                row.failed.push(error.to_string());
                running.cpu().context("the program is gone")?;
                continue;
            }
        };
        let gaps = capture.gaps();
        row.with_gaps += usize::from(capture.gap_count() > 0);
        for gap in gaps {
            let key = gap.split(" at 0x").next().unwrap_or_default().to_owned();
            row.gaps.entry(key).or_insert((0, gap)).0 += 1;
        }
        row.unsafe_moments += usize::from(capture.told["safe_moment"].as_bool() == Some(false));
        row.tries.extend(capture.told["tries"].as_u64());
        row.pauses.extend(capture.told["pause_ns"].as_u64());
        let verdict = match holders::judge(&lists, &capture.dump) {
            Ok(verdict) => verdict,
            Err(error) => {
                row.failed.push(error.to_string());
                continue;
            }
        };
        if verdict.wrong.is_empty() {
            row.whole += 1;
        } else if let Some(folder) = &args.keep {
            let path = folder.join(format!("{version}-{n}.heapdump"));
            std::fs::write(&path, &capture.dump)?;
        }
        for (kind, what) in verdict.wrong {
            row.wrong
                .entry(kind)
                .or_insert((0, format!("capture {n}: {what}")))
                .0 += 1;
        }
    }
    row.took = start.elapsed();
    Ok(row)
}

fn details(version: &str, row: &Row) -> String {
    let mut text = format!(
        "Go {version}: {} of {} captures whole, {} s\n",
        row.whole,
        row.captures,
        row.took.as_secs()
    );
    for (kind, (count, first)) in &row.wrong {
        text.push_str(&format!("  wrong {count} x {kind}: {first}\n"));
    }
    for (count, first) in row.gaps.values() {
        text.push_str(&format!("  gap {count} x {first}\n"));
    }
    for error in row.failed.iter().take(5) {
        text.push_str(&format!("  failed: {error}\n"));
    }
    text
}

fn table(args: &Args, rows: &[(&str, Row)]) -> String {
    let mut text = format!(
        "Load {}, {} captures each. Tries and pauses: median / p99.\n\n\
         | Go | captures | lists | all whole and reachable | failed | with gaps | unsafe moments | tries | pause, ms |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        args.load, args.captures
    );
    for (version, row) in rows {
        let pauses: Vec<f64> = row.pauses.iter().map(|p| *p as f64 / 1e6).collect();
        let tries: Vec<f64> = row.tries.iter().map(|t| *t as f64).collect();
        text.push_str(&format!(
            "| {version} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            row.captures,
            row.lists,
            row.whole,
            row.failed.len(),
            row.with_gaps,
            row.unsafe_moments,
            quantiles(tries, 0),
            quantiles(pauses, 1),
        ));
    }
    text
}

/// Median and 99th percentile.
fn quantiles(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (values.len() as f64 * share) as usize;
        values.get(index.min(values.len().saturating_sub(1)))
    };
    match (at(0.5), at(0.99)) {
        (Some(median), Some(high)) => format!("{median:.digits$} / {high:.digits$}"),
        _ => "-".to_owned(),
    }
}
