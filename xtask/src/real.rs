//! `real`: many captures of programs of others at work, live and from cores: is each dump sound, does
//! every goroutine unwind to its root, and what did goheap tell of them.

pub(crate) mod judge;
pub(crate) mod programs;
mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use goheap_testkit::capture::capture;
use goheap_testkit::core;

use self::judge::Judged;
use self::programs::Subject;
use self::table::Row;
use crate::repository::build_goheap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this program
    #[arg(long, value_parser = ["etcd", "compile"])]
    only: Option<String>,
    /// Versions of Go to build them with
    #[arg(long, num_args = 1.., value_name = "VERSION", default_values = ["1.19.8", "1.24.11", "1.27.3"])]
    go: Vec<String>,
    /// How many captures of each program, live
    #[arg(long, default_value_t = 50)]
    captures: usize,
    /// How many from cores that gdb writes; each takes a gigabyte or two for a while
    #[arg(long, default_value_t = 0)]
    cores: usize,
    /// How many keys etcd gets
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Also work out what share of each dump's bytes no root leads to: garbage, in a live program
    #[arg(long)]
    reach: bool,
    /// More options of `goheap dump`
    #[arg(long = "option", value_name = "OPTION", allow_hyphen_values = true)]
    options: Vec<String>,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// A folder for cores and etcd's data
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
    /// A folder in which dumps with something wrong are kept
    #[arg(long)]
    keep: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut rows = Vec::new();
    for name in ["etcd", "compile"] {
        if args.only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        for version in &args.go {
            let folder = tempfile::Builder::new()
                .prefix("real-")
                .tempdir_in(&args.folder)?;
            eprintln!("{name} by Go {version}: building and loading it");
            let mut subject = Subject::start(name, version, false, args.keys, folder.path())?;
            for (from, count) in [(From::Process, args.captures), (From::Core, args.cores)] {
                if count == 0 {
                    continue;
                }
                let mut row = Row::new(name, version, from.name());
                for i in 0..count {
                    let what = format!("{name}-{version}-{}-{i}", from.name());
                    let place = folder.path();
                    let done = one(&what, from, &mut subject, place, args, &goheap, &mut row);
                    if let Err(error) = done {
                        // What there is already is worth its table.
                        row.failed.push(format!("{what}: {error:#}"));
                        break;
                    }
                }
                eprint!("{}", row.details());
                rows.push(row);
            }
        }
    }
    print!("{}", table::of(&rows));
    Ok(rows.iter().all(Row::holds))
}

/// Where a capture is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Process,
    Core,
}

impl From {
    fn name(self) -> &'static str {
        match self {
            From::Process => "live",
            From::Core => "core",
        }
    }
}

/// One capture at a random moment.
fn one(
    what: &str,
    from: From,
    subject: &mut Subject,
    folder: &Path,
    args: &Args,
    goheap: &Path,
    row: &mut Row,
) -> Result<()> {
    let pid = subject.at_work()?;
    let options: Vec<&str> = args.options.iter().map(String::as_str).collect();
    let (source, core) = match from {
        From::Process => (pid.to_string(), None),
        From::Core => {
            let core = core::of(pid, folder).context("a core of it")?;
            (core.display().to_string(), Some(core))
        }
    };
    let begin = Instant::now();
    let captured = capture(goheap, &source, &options);
    let took = begin.elapsed();
    if let Some(core) = core {
        std::fs::remove_file(&core).with_context(|| core.display().to_string())?;
    }
    match captured {
        // A compiler may end while it is looked at: that is no capture.
        Err(_) if from == From::Process && subject.has_ended() => {
            row.ended += 1;
            return Ok(());
        }
        Err(error) => row.failed.push(format!("{what}: {error}")),
        Ok(capture) => {
            let judged = Judged::of(&capture, goheap, args.reach)?;
            let wrong = row.add(what, &capture, &judged, took);
            if let (true, Some(keep)) = (wrong, &args.keep) {
                let path = keep.join(format!("{what}.heapdump"));
                std::fs::write(&path, &capture.dump).with_context(|| path.display().to_string())?;
            }
            subject.still_answers()?;
        }
    }
    eprintln!("{what}: {}", row.last());
    Ok(())
}

/// A duration that nobody chose, up to `limit`.
fn random_up_to(limit: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::hash::RandomState::new().build_hasher().finish();
    limit.mul_f64((bits >> 11) as f64 / (1u64 << 53) as f64)
}
