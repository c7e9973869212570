//! `types-share`: what share of the reachable bytes of programs gets a type, with DWARF, without the
//! types of DWARF and of stripped builds, and whether the types contradict the collector's own bitmaps.

pub(crate) mod judge;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goheap_analysis::{Analysis, Dump, NoWatch, OpenOptions};
use goheap_testkit::capture::capture;
use goheap_testkit::obedient::Obedient;
use goheap_testkit::truth::Honest;
use goheap_testkit::{BuildOptions, build};

use self::judge::Shares;
use crate::real::programs::Subject;
use crate::repository::build_goheap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these programs
    #[arg(long, num_args = 1.., default_values = ["truth", "everything", "etcd", "compile"])]
    only: Vec<String>,
    /// Versions of Go to build them with
    #[arg(long, num_args = 1.., value_name = "VERSION", default_values = ["1.24.11", "1.27.3"])]
    go: Vec<String>,
    /// How many keys etcd gets
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Leave out the stripped builds
    #[arg(long)]
    no_stripped: bool,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// A folder for dumps and etcd's data
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
    /// A folder in which the dumps are kept
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// A program that runs.
enum Running {
    Honest(Box<Honest>),
    Obedient(Obedient),
    Subject(Box<Subject>),
}

/// What the dump has to tell types by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// All that the executable keeps.
    Dwarf,
    /// The same executable, without what DWARF tells.
    NoDwarf,
    /// A stripped build of the program (`-ldflags=-s -w`).
    Stripped,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            By::Dwarf => "yes",
            By::NoDwarf => "no",
            By::Stripped => "stripped",
        }
    }

    /// What share of the reachable bytes must have a type, in per cent.
    fn least(self, program: &str) -> u64 {
        match (program, self) {
            ("etcd" | "compile", _) => 95,
            ("truth", By::Dwarf) => 99,
            // Two do not reach it, and why is known: a quarter of `everything` is of types that it makes by
            // reflection, which lie in the heap and in no table of the program's; a third of `truth`
            // is led to by package variables and frames alone, of which nothing but DWARF tells.
            _ => 90,
        }
    }
}

impl Running {
    fn start(
        name: &str,
        version: &str,
        stripped: bool,
        keys: u64,
        folder: &Path,
    ) -> Result<Running> {
        let options = BuildOptions {
            ldflags: stripped.then_some("-s -w"),
            ..BuildOptions::default()
        };
        Ok(match name {
            "truth" => Running::Honest(Box::new(Honest::start(version, &options)?)),
            "etcd" | "compile" => {
                let subject = Subject::start(name, version, stripped, keys, folder)?;
                Running::Subject(Box::new(subject))
            }
            name => {
                let program = build(version, name, &options)?;
                Running::Obedient(Obedient::start(&program, &[])?)
            }
        })
    }

    fn pid(&mut self) -> Result<u32> {
        match self {
            Running::Honest(honest) => Ok(honest.running.pid()),
            Running::Obedient(running) => Ok(running.pid()),
            Running::Subject(subject) => subject.at_work(),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let mut text = String::from(
        "| program | Go | DWARF | reachable, MB | typed, % | with pointers, MB | typed, % | without, MB | typed, % | how known, % of bytes | pointers agree, objects | contradict |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut right = true;
    for name in &args.only {
        for version in &args.go {
            for builds in [&[By::Dwarf, By::NoDwarf][..], &[By::Stripped]] {
                let folder = tempfile::Builder::new()
                    .prefix("types-share-")
                    .tempdir_in(&args.folder)?;
                let stripped = builds == [By::Stripped];
                if stripped && args.no_stripped {
                    continue;
                }
                let mut running =
                    Running::start(name, version, stripped, args.keys, folder.path())?;
                for &by in builds {
                    eprintln!("{name} by Go {version}, DWARF: {}", by.name());
                    let dump = dumped(&mut running, by != By::NoDwarf, &goheap)?;
                    if let Some(keep) = &args.keep {
                        let path = keep.join(format!("{name}-{version}-{by:?}.heapdump"));
                        std::fs::write(&path, &dump).with_context(|| path.display().to_string())?;
                    }
                    let dump = Dump::open(Box::new(dump), &OpenOptions::default(), &NoWatch)?;
                    let shares = judge::judge(&Analysis::of(dump, &NoWatch)?);
                    for (count, example) in shares.examples.values() {
                        eprintln!("    contradicts: {count} as {example}");
                    }
                    let (all, typed) = (
                        shares.all[0] + shares.all[1],
                        shares.typed[0] + shares.typed[1],
                    );
                    right &= typed * 100 >= all * by.least(name) && shares.contradict == 0;
                    let row = row(name, version, by, &shares);
                    eprint!("{row}");
                    text.push_str(&row);
                }
            }
        }
    }
    print!("{text}");
    Ok(right)
}

/// A dump of the program; a compiler that has ended meanwhile is started again.
fn dumped(running: &mut Running, dwarf: bool, goheap: &Path) -> Result<Vec<u8>> {
    for _ in 0..10 {
        let pid = running.pid()?;
        let options: &[&str] = if dwarf { &[] } else { &["--no-dwarf"] };
        match capture(goheap, &pid.to_string(), options) {
            Ok(capture) => return Ok(capture.dump),
            Err(error) => {
                let ended = match running {
                    Running::Subject(subject) => subject.has_ended(),
                    _ => false,
                };
                if !ended {
                    return Err(error.into());
                }
            }
        }
    }
    anyhow::bail!("it ends before it is captured")
}

fn row(name: &str, version: &str, by: By, shares: &Shares) -> String {
    let percent = |part: u64, all: u64| match all {
        0 => "-".to_owned(),
        all => format!("{:.2}", part as f64 / all as f64 * 100.0),
    };
    let mb = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    let ([pointers, none], [typed_pointers, typed_none]) = (shares.all, shares.typed);
    let all = pointers + none;
    let how: Vec<String> = shares
        .by_how
        .iter()
        .map(|(how, bytes)| {
            format!(
                "{} {}",
                format!("{how:?}").to_lowercase(),
                percent(*bytes, all)
            )
        })
        .collect();
    format!(
        "| {name} | {version} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        by.name(),
        mb(all),
        percent(typed_pointers + typed_none, all),
        mb(pointers),
        percent(typed_pointers, pointers),
        mb(none),
        percent(typed_none, none),
        how.join(", "),
        shares.agree,
        shares.contradict
    )
}
