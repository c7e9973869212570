//! `layouts`: the tables of the runtime's layouts, taken out of the DWARF of real toolchains.
//!
//! A small program (`programs/layouts` of the test kit) is built for every release and machine, and
//! what goheap asks for (`goheap_golang::needed`) is read out of its DWARF by goheap's own reader. What
//! is not built anew is taken from the tables as they are.

mod measure;
mod merge;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;

use crate::repository::root;
use measure::Layouts;

/// Where the tables are, from the root of the checkout.
pub(crate) const FILE: &str = "crates/golang/src/tables/layouts.txt";

/// The machines that there are tables for (GOARCH).
pub(crate) const MACHINES: &[&str] = &[
    "amd64", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x", "386", "arm",
];

/// A release whose layouts are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Release {
    /// As `go version` has it, without `go`.
    pub(crate) number: &'static str,
    /// Another patch release of it whose layouts were found to be the same, on one machine: all
    /// between are taken to have them too. The number itself if there is none.
    pub(crate) other_end: &'static str,
    /// Experiments that change layouts, and the machines on which those were looked at.
    pub(crate) experiments: &'static [Experiment],
}

/// The releases, oldest first: of each minor version those between which a layout changed.
///
/// Within 1.23 `timer` gained a field (runtime/time.go: `isSending`) between .1 and .9, and within 1.24
/// `m` (runtime/runtime2.go: `allpSnapshot`) between .3 and .11.
pub(crate) const RELEASES: &[Release] = &[
    release("1.19.8", "1.19.8", &[("staticlockranking", &["amd64"])]),
    release("1.21.13", "1.21.13", &[("staticlockranking", &["amd64"])]),
    release("1.22.10", "1.22.10", &[("staticlockranking", &["amd64"])]),
    release("1.23.1", "1.23.1", &[]),
    release("1.23.9", "1.23.9", &[("staticlockranking", &["amd64"])]),
    release("1.24.3", "1.24.3", &[("staticlockranking", &["amd64"])]),
    release("1.24.11", "1.24.11", &[("staticlockranking", &["amd64"])]),
    release(
        "1.25.5",
        "1.25.0",
        &[
            ("greenteagc", &["amd64", "386"]),
            ("staticlockranking", &["amd64"]),
        ],
    ),
    release(
        "1.26.6",
        "1.26.0",
        &[
            ("nogreenteagc", &["amd64", "386"]),
            ("staticlockranking", &["amd64"]),
        ],
    ),
    release(
        "1.27.3",
        "1.27.0",
        &[
            ("nogreenteagc", &["amd64", "386"]),
            ("staticlockranking", &["amd64"]),
        ],
    ),
];

const fn release(
    number: &'static str,
    other_end: &'static str,
    experiments: &'static [Experiment],
) -> Release {
    Release {
        number,
        other_end,
        experiments,
    }
}

/// Whose layouts they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Index in the list of releases.
    pub(crate) release: usize,
    /// GOARCH.
    pub(crate) machine: &'static str,
    /// An experiment with layouts of its own.
    pub(crate) experiment: Option<&'static str>,
}

/// What was measured, or taken from the tables as they are.
pub(crate) type All = BTreeMap<Key, Layouts>;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Build by these releases only, and take those of the others from the tables as they are
    #[arg(long, num_args = 1.., value_name = "VERSION")]
    pub(crate) versions: Vec<String>,
    /// Build for these machines only (GOARCH), likewise
    #[arg(long, num_args = 1.., value_name = "GOARCH")]
    pub(crate) machines: Vec<String>,
    /// Write nothing; fail if the tables are not what they ought to be
    #[arg(long)]
    pub(crate) check: bool,
    /// Keep the built programs here, and take those that are there already
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) built: Option<PathBuf>,
}

/// Makes the tables, or checks them; whether they are (now) as they ought to be.
pub(crate) fn run(args: &Args) -> Result<bool> {
    run_with(args, None)
}

/// The same, with a release that is not listed yet.
pub(crate) fn run_with(args: &Args, unlisted: Option<&str>) -> Result<bool> {
    let releases = releases(unlisted)?;
    let is_wanted = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
    let is_known = |version: &String| releases.iter().any(|r| r.number == *version);
    if let Some(version) = args.versions.iter().find(|version| !is_known(version)) {
        bail!("{version} is not in RELEASES (xtask/src/layouts.rs)");
    }
    let keys: Vec<Key> = keys(&releases)
        .into_iter()
        .filter(|key| {
            is_wanted(&args.versions, releases[key.release].number)
                && is_wanted(&args.machines, key.machine)
        })
        .collect();
    let path = root().join(FILE);
    let before = fs::read_to_string(&path).context(FILE)?;
    let known = merge::from_text(&before, &releases)?;
    // What is there no more is not carried on.
    let mut all = match args.versions.is_empty() && args.machines.is_empty() {
        true => All::new(),
        false => known.clone(),
    };
    let builds = measure::Builds::new(args.built.as_deref())?;
    for (done, key) in keys.iter().enumerate() {
        eprintln!("{}/{}: {}", done + 1, keys.len(), key.name(&releases));
        let number = releases[key.release].number;
        let measured = builds.measure(number, key.machine, key.experiment)?;
        all.insert(*key, measured);
    }
    for (index, release) in releases.iter().enumerate() {
        let wanted = is_wanted(&args.versions, release.number);
        if wanted && is_wanted(&args.machines, "amd64") && release.other_end != release.number {
            builds.check_other_end(index, release, &all)?;
        }
    }
    for line in merge::differences(&known, &all, &releases) {
        println!("{line}");
    }
    let after = text::write(&all, &releases)?;
    if after == before {
        println!("{FILE} is as it ought to be");
        return Ok(true);
    }
    if args.check {
        println!("{FILE} is not what `cargo xtask layouts` makes");
        return Ok(false);
    }
    fs::write(&path, after).context(FILE)?;
    println!("{FILE} is written");
    Ok(true)
}

/// The releases that are listed, and one that is not, at its place.
fn releases(unlisted: Option<&str>) -> Result<Vec<Release>> {
    let mut releases = RELEASES.to_vec();
    if let Some(number) = unlisted
        && !releases.iter().any(|known| known.number == number)
    {
        // As long as the command runs, as the listed ones.
        let number: &'static str = String::leak(number.to_owned());
        let place = releases.partition_point(|known| numbers(known.number) < numbers(number));
        releases.insert(place, release(number, number, experiments_before(number)?));
    }
    Ok(releases)
}

/// An experiment that changes layouts, and the machines on which those were looked at.
pub(crate) type Experiment = (&'static str, &'static [&'static str]);

/// The experiments of the release before this one, as far as this one's toolchain still has them.
pub(crate) fn experiments_before(number: &str) -> Result<&'static [Experiment]> {
    let before = RELEASES
        .iter()
        .rfind(|known| numbers(known.number) < numbers(number));
    let Some(before) = before else {
        return Ok(&[]);
    };
    let flags = text::experiments(number)?;
    let is_there = |name: &str| {
        let turned_off = name.strip_prefix("no");
        flags.contains(name) || turned_off.is_some_and(|name| flags.contains(name))
    };
    let all = before.experiments.iter().copied();
    let kept: Vec<Experiment> = all.filter(|(name, _)| is_there(name)).collect();
    // As long as the command runs, as the listed ones.
    Ok(Vec::leak(kept))
}

/// The experiments of a release that the source of the structs' packages asks for.
pub(crate) use text::experiments_of_the_runtime;

/// A version to compare by.
pub(crate) fn numbers(number: &str) -> Vec<u32> {
    let parts = number.split('.').map(|part| part.parse().unwrap_or(0));
    parts.collect()
}

/// All that there are to be tables for.
fn keys(releases: &[Release]) -> Vec<Key> {
    let mut keys = Vec::new();
    for (index, release) in releases.iter().enumerate() {
        let mut add = |machine, experiment| {
            keys.push(Key {
                release: index,
                machine,
                experiment,
            });
        };
        MACHINES.iter().for_each(|machine| add(machine, None));
        for (name, machines) in release.experiments {
            machines
                .iter()
                .for_each(|machine| add(machine, Some(*name)));
        }
    }
    keys
}

impl Key {
    /// As messages have it.
    fn name(&self, releases: &[Release]) -> String {
        format!("{} {}", self.name_without_machine(releases), self.machine)
    }

    fn name_without_machine(&self, releases: &[Release]) -> String {
        let release = releases[self.release].number;
        match self.experiment {
            Some(experiment) => format!("go{release} X:{experiment}"),
            None => format!("go{release}"),
        }
    }
}
