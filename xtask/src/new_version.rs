//! `new-version`: what a new Go toolchain does otherwise than the newest one that goheap knows.
//!
//! It asks the sources that NEW_GO_VERSION.md names (which of them changed, and by how much), the
//! layouts of the runtime's structs (which are written into the tables), the streams that are learnt
//! from it (likewise), and what goheap itself claims, and says what is to be done. When nothing is left,
//! it runs the matrix on the version.

mod claims;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use goheap_testkit::toolchains;

use crate::layouts::{self, RELEASES};
use crate::repository::root;
use crate::{matrix, streams};
use sources::{Row, compare, files, rows};

/// The guide, whose table names the sources.
const GUIDE: &str = "NEW_GO_VERSION.md";

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The new version, as `go version` has it, without `go`: 1.28.0
    version: String,
    /// The version to compare it with; the newest of another number that there are layouts for if not
    /// given
    #[arg(long, value_name = "VERSION")]
    against: Option<String>,
    /// Measure layouts for these machines only (GOARCH)
    #[arg(long, num_args = 1.., value_name = "GOARCH")]
    machines: Vec<String>,
    /// Keep the built programs here, and take those that are there already
    #[arg(long, value_name = "DIRECTORY")]
    built: Option<PathBuf>,
    /// Only tell; write no tables, and run no tests
    #[arg(long)]
    check: bool,
    /// Run no tests when nothing is left to be done
    #[arg(long)]
    no_matrix: bool,
}

/// Tells what changed; whether nothing is left to be done.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let new = args.version.as_str();
    let against = match &args.against {
        Some(version) => version.as_str(),
        None => {
            let mut known = RELEASES.iter().rev().map(|release| release.number);
            let known = known.find(|number| *number != new);
            known.context("there is no other release")?
        }
    };
    let (old_root, new_root) = (
        toolchains::any_goroot(against)?,
        toolchains::any_goroot(new)?,
    );
    println!("# go{new} against go{against}\n");
    let mut to_do = Vec::new();

    let missing = claims::missing(new, against, layouts::experiments_before(new)?)?;
    let is_unread = !claims::is_known(new)?;

    let changed = tell_sources(&old_root.join("src"), &new_root.join("src"))?;
    // Who raises KNOWN says that they have been read.
    if changed > 0 && is_unread {
        to_do.push("read what changed in the sources above, and say it in features.rs".to_owned());
    }

    println!("## Layouts\n");
    let measured = layouts::Args {
        versions: vec![new.to_owned()],
        machines: args.machines.clone(),
        check: args.check,
        built: args.built.clone(),
    };
    let whole = layouts::run_with(&measured, Some(new))?;
    if !whole {
        to_do.push(format!(
            "write the tables: cargo xtask new-version {new}, without --check"
        ));
    }

    tell_experiments(new, against)?;

    println!("\n## Streams\n");
    if streams::tell(new, against)? {
        println!("They are learnt from it already.");
    } else if args.check {
        to_do.push("learn the streams: cargo xtask streams".to_owned());
    } else if toolchains::version(new).is_ok() {
        println!("They are learnt anew:");
        streams::run(&streams::Args { check: false })?;
    }

    println!("\n## Features\n");
    match is_unread {
        true => println!("go{new} is not known yet; those of go{against} are what to begin with."),
        false => println!("What go{new} has otherwise than go{against}:"),
    }
    for line in claims::features(new, against)? {
        println!("- {line}");
    }

    println!("\n## What goheap claims\n");
    for missing in missing {
        println!("- {missing}");
        to_do.push(missing);
    }
    let before = claims::of_the_one_before(new, against)?;
    if !before.is_empty() {
        println!(
            "These name go{against} and not go{new}; those that mean the newest are to name the new one:\n\
             - {}",
            before.join("\n- ")
        );
    }
    println!("\n## To do\n");
    for (number, what) in to_do.iter().enumerate() {
        println!("{}. {what}", number + 1);
    }
    let is_done = to_do.is_empty();
    if is_done {
        println!("Nothing that this command knows of.");
    }
    println!(
        "\nThen prove it:\n\n\
         cargo test -p goheap-golang --test layout_tables --test globals\n\
         GOHEAP_VERSIONS={new} cargo test -p goheap-runtime --test by_table\n\
         cargo xtask globals --versions {new}\n\
         cargo xtask matrix --versions {new}\n\
         cargo xtask oracle-pairs --versions {new}\n\
         cargo xtask moments; cargo xtask real; cargo xtask types-share\n\
         cargo xtask layouts --check; cargo xtask streams --check"
    );
    if is_done && !args.check && !args.no_matrix {
        println!("\n## Matrix\n");
        return matrix::run(&[new.to_owned()], None);
    }
    Ok(is_done)
}

/// Tells of experiments that may change layouts, and that the release before has not.
fn tell_experiments(new: &str, against: &str) -> Result<()> {
    let before = layouts::experiments_of_the_runtime(against)?;
    let now = layouts::experiments_of_the_runtime(new)?;
    let list = |names: &BTreeSet<String>, others: &BTreeSet<String>| {
        let names: Vec<&str> = names.difference(others).map(String::as_str).collect();
        names.join(", ")
    };
    let (came, gone) = (list(&now, &before), list(&before, &now));
    if !came.is_empty() {
        println!(
            "Experiments that the runtime's source asks for, and did not: {came}. A program that was built \
             with one is served by its own DWARF alone; is it to be served without, add it to RELEASES."
        );
    }
    if !gone.is_empty() {
        println!("Experiments that the runtime's source asks for no more: {gone}.");
    }
    Ok(())
}

/// Tells which of the sources changed that the guide and goheap's own sources name; how many.
fn tell_sources(old_root: &Path, new_root: &Path) -> Result<usize> {
    println!("## Sources that {GUIDE} names\n");
    let guide = fs::read_to_string(root().join(GUIDE)).context(GUIDE)?;
    let rows = rows(&guide);
    if rows.is_empty() {
        bail!("{GUIDE} has no table of files");
    }
    let (mut same, mut changed) = (0, 0);
    let mut told_of = BTreeSet::new();
    for Row { patterns, look_for } in &rows {
        let mut told = Vec::new();
        for pattern in patterns {
            let (old, new) = (files(old_root, pattern)?, files(new_root, pattern)?);
            if old.is_empty() && new.is_empty() {
                told.push(format!("- {pattern}: in neither; look where it went"));
            }
            for (name, change) in compare(&old, &new) {
                match change {
                    None => same += 1,
                    Some(change) => {
                        changed += 1;
                        told.push(format!("- {name}: {change}"));
                    }
                }
                told_of.insert(name);
            }
        }
        if !told.is_empty() {
            println!("{}\n  look for: {look_for}", told.join("\n"));
        }
    }
    println!("\n{changed} files changed, {same} did not.\n");

    println!("## Other sources, and where goheap says what it has from them\n");
    let (mut same, mut others) = (0, BTreeMap::new());
    for (pattern, by) in sources::cited(&root().join("crates"))? {
        let (old, new) = (files(old_root, &pattern)?, files(new_root, &pattern)?);
        for (name, change) in compare(&old, &new) {
            match change {
                _ if told_of.contains(&name) => {}
                None => same += 1,
                Some(change) => {
                    let known = others.entry((name, change)).or_insert_with(BTreeSet::new);
                    known.extend(by.iter().cloned());
                }
            }
        }
    }
    for ((name, change), by) in &others {
        let by: Vec<&str> = by.iter().map(String::as_str).collect();
        println!("- {name}: {change}\n  look at: {}", by.join(", "));
    }
    println!("\n{} files changed, {same} did not.\n", others.len());
    Ok(changed + others.len())
}
