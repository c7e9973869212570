//! `standing`: programs that stand still, captured and judged on each version of Go: are all lists of
//! `holders` whole and reachable, how much is unreachable (the roots oracle), and does a mended dump
//! differ from an exact one where it should and nowhere else.

use std::path::{Path, PathBuf};

use anyhow::Result;
use goheap_testkit::holders::Build;
use goheap_testkit::standstill::{self, Standstill};
use goheap_testkit::toolchains;

use crate::repository::build_goheap;

/// What the oracle is asked of.
const SUBJECTS: &[&str] = &[
    "plain",
    "unoptimised",
    "cgo",
    "race",
    "linked",
    "holders",
    "holders_cgo",
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Versions of Go; all that goheap claims if none is given
    #[arg(long, num_args = 1.., value_name = "VERSION")]
    versions: Vec<String>,
    /// Only these: lists, lists_cgo, lists_plugin, mends, mends_plugin, phantoms, oracle, or one of
    /// the oracle's subjects
    #[arg(long, num_args = 1.., value_name = "CHECK")]
    only: Vec<String>,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
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
    let checks = [
        "lists",
        "lists_cgo",
        "lists_plugin",
        "mends",
        "mends_plugin",
        "phantoms",
    ];
    let mut right = true;
    for version in versions {
        for check in checks.iter().chain(SUBJECTS) {
            let asked = |name: &&String| {
                name == check || (name.as_str() == "oracle" && SUBJECTS.contains(check))
            };
            if !args.only.is_empty() && !args.only.iter().any(|name| asked(&name)) {
                continue;
            }
            match one(version, check, &goheap) {
                Ok((said, wrong)) if wrong.is_empty() => println!("{version} {check}: {said}"),
                Ok((said, wrong)) => {
                    right = false;
                    println!("{version} {check}: WRONG, {said}");
                    for what in wrong {
                        println!("    {what}");
                    }
                }
                Err(error) => {
                    right = false;
                    println!("{version} {check}: FAILED, {error:#}");
                }
            }
        }
    }
    Ok(right)
}

/// What is said of a check, and what is wrong.
fn one(version: &str, check: &str, goheap: &Path) -> Result<(String, Vec<String>)> {
    let lists = |how| -> Result<(String, Vec<String>)> {
        Ok(match Standstill::holders(version, how)?.judge(goheap)? {
            Ok(lists) => (format!("{lists} lists whole and reachable"), Vec::new()),
            Err(wrong) => (format!("{} lists or gaps", wrong.len()), wrong),
        })
    };
    let mends = |wrong: Vec<String>| (format!("{} differences", wrong.len()), wrong);
    match check {
        "lists" => lists(Build::Plain),
        "lists_cgo" => lists(Build::Cgo),
        "lists_plugin" => lists(Build::Plugin),
        "mends" => Ok(mends(standstill::mends(goheap, version, Build::Cgo)?)),
        "mends_plugin" => Ok(mends(standstill::mends(goheap, version, Build::Plugin)?)),
        "phantoms" => Ok(mends(standstill::phantoms(goheap, version)?)),
        subject => {
            let found = standstill::subject(version, subject)?.oracle(goheap)?;
            let said = format!(
                "{} of {} bytes unreachable, {:.3} %",
                found.lost,
                found.all,
                found.lost as f64 / found.all as f64 * 100.0
            );
            let mut wrong = Vec::new();
            if !found.is_little() {
                wrong.extend(found.gaps);
                wrong.extend(found.largest);
            }
            Ok((said, wrong))
        }
    }
}
