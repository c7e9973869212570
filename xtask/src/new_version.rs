//! `new-version`: what a new Go toolchain does otherwise than the newest one that goheap knows.
//!
//! It asks the sources that NEW_GO_VERSION.md names (which of them changed, and by how much), the
//! layouts of the runtime's structs (which are written into the tables), and what goheap itself claims,
//! and says what is to be done.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use goheap_golang::{Features, GoVersion};
use goheap_testkit::toolchains;

use crate::layouts::{self, RELEASES};
use crate::repository::root;

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
    /// Only tell; write no tables
    #[arg(long)]
    check: bool,
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

    println!("## Sources that {GUIDE} names\n");
    let guide = fs::read_to_string(root().join(GUIDE)).context(GUIDE)?;
    let rows = rows(&guide);
    if rows.is_empty() {
        bail!("{GUIDE} has no table of files");
    }
    let (mut same, mut changed) = (0, 0);
    for Row { patterns, look_for } in &rows {
        let mut told = Vec::new();
        for pattern in patterns {
            let (old, new) = (
                files(&old_root.join("src"), pattern)?,
                files(&new_root.join("src"), pattern)?,
            );
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
            }
        }
        if !told.is_empty() {
            println!("{}\n  look for: {look_for}", told.join("\n"));
        }
    }
    println!("\n{changed} files changed, {same} did not.\n");
    if changed > 0 {
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

    println!("\n## What goheap claims\n");
    for missing in claims(new)? {
        println!("- {missing}");
        to_do.push(missing);
    }
    println!("\n## To do\n");
    for (number, what) in to_do.iter().enumerate() {
        println!("{}. {what}", number + 1);
    }
    if to_do.is_empty() {
        println!("Nothing that this command knows of.");
    }
    println!(
        "\nThen prove it:\n\n\
         cargo test -p goheap-golang --test layout_tables\n\
         GOHEAP_VERSIONS={new} cargo test -p goheap-runtime --test by_table\n\
         cargo xtask matrix --versions {new}\n\
         cargo xtask moments; cargo xtask real; cargo xtask types-share\n\
         cargo xtask layouts --check"
    );
    Ok(to_do.is_empty())
}

/// What of goheap does not know the version yet.
fn claims(new: &str) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    let version: GoVersion = format!("go{new}").parse()?;
    if let Err(error) = Features::of(&version) {
        missing.push(format!(
            "raise KNOWN in crates/golang/src/features.rs, once what changed is in it ({error})"
        ));
    }
    if toolchains::version(new).is_err() {
        missing.push(format!(
            "add {new} to CLAIMED in crates/testkit/src/toolchains.rs, and make the newest two whole"
        ));
    }
    let is_listed = RELEASES
        .iter()
        .any(|r| r.number == new || r.other_end == new);
    if !is_listed {
        missing.push(format!(
            "add {new} to RELEASES in xtask/src/layouts.rs (as the other end of a release of the same \
             minor version, if its layouts are the same)"
        ));
    }
    Ok(missing)
}

/// A row of the guide's table.
struct Row {
    /// Paths below `src`, with `*` for anything and a folder for all in it.
    patterns: Vec<String>,
    look_for: String,
}

/// The rows of the table whose first column names files.
fn rows(guide: &str) -> Vec<Row> {
    let cells = guide.lines().filter_map(|line| {
        let line = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        let (files, look_for) = line.split_once('|')?;
        Some((files.to_owned(), look_for.trim().to_owned()))
    });
    cells
        .filter_map(|(files, look_for)| {
            let quoted = files.split('`').skip(1).step_by(2);
            let patterns: Vec<String> = quoted
                .filter(|name| name.contains(".go") || name.contains(".s") || name.contains('/'))
                .flat_map(alternatives)
                .map(|name| match name.contains('/') {
                    true => name,
                    false => format!("runtime/{name}"),
                })
                .collect();
            (!patterns.is_empty()).then_some(Row { patterns, look_for })
        })
        .collect()
}

/// `{a,b}.go` as `a.go` and `b.go`.
fn alternatives(name: &str) -> Vec<String> {
    let parts = name
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match parts {
        Some((before, (inside, after))) => inside
            .split(',')
            .map(|part| format!("{before}{part}{after}"))
            .collect(),
        None => vec![name.to_owned()],
    }
}

/// Files by their path below `src`, and their text.
type Files = BTreeMap<String, String>;

fn files(source: &Path, pattern: &str) -> Result<Files> {
    let mut found = Files::new();
    let whole = source.join(pattern);
    if whole.is_file() {
        found.insert(pattern.to_owned(), fs::read_to_string(&whole)?);
        return Ok(found);
    }
    let (folder, name) = match whole.is_dir() {
        true => (pattern, "*"),
        false => pattern.rsplit_once('/').unwrap_or(("", pattern)),
    };
    let Ok(entries) = fs::read_dir(source.join(folder)) else {
        return Ok(found);
    };
    let (before, after) = name.split_once('*').unwrap_or((name, ""));
    for entry in entries {
        let path = entry?.path();
        let file = path.file_name().and_then(|name| name.to_str());
        let file = file.unwrap_or_default();
        let is_source =
            (file.ends_with(".go") || file.ends_with(".s")) && !file.ends_with("_test.go");
        let fits = name.contains('*') && file.starts_with(before) && file.ends_with(after);
        if path.is_file() && is_source && fits {
            found.insert(format!("{folder}/{file}"), fs::read_to_string(&path)?);
        }
    }
    Ok(found)
}

/// What became of each file; `None` if nothing but comments.
fn compare(old: &Files, new: &Files) -> Vec<(String, Option<String>)> {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .map(|name| {
            let change = match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) => {
                    let (old, new) = (code(old), code(new));
                    let gone = less(&old, &new);
                    let came = less(&new, &old);
                    (old != new).then(|| format!("{came} lines more, {gone} less"))
                }
                (Some(_), None) => Some("is gone".to_owned()),
                _ => Some("is new".to_owned()),
            };
            (name.clone(), change)
        })
        .collect()
}

/// Lines without comments and blank ones.
fn code(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| {
            line.split_once("//")
                .map_or(line, |(code, _)| code)
                .trim_end()
        })
        .filter(|line| !line.trim().is_empty())
        .collect()
}

/// How many lines of `these` are not in `those`.
fn less(these: &[&str], those: &[&str]) -> u64 {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    these
        .iter()
        .for_each(|line| *counts.entry(line).or_default() += 1);
    those
        .iter()
        .for_each(|line| *counts.entry(line).or_default() -= 1);
    counts
        .values()
        .map(|count| count.max(&0).unsigned_abs())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_names_files() {
        let guide = fs::read_to_string(root().join(GUIDE)).unwrap();
        let rows = rows(&guide);
        let all: Vec<&String> = rows.iter().flat_map(|row| &row.patterns).collect();
        for name in [
            "runtime/heapdump.go",
            "runtime/preempt*.go",
            "internal/abi/type.go",
            "cmd/link/internal/ld/data.go",
        ] {
            assert!(all.iter().any(|known| *known == name), "{name}: {all:?}");
        }
    }

    #[test]
    fn comments_are_no_change() {
        let file = |text: &str| Files::from([("a.go".to_owned(), text.to_owned())]);
        let old = file("x := 1 // one\n\n// two\ny := 2\n");
        let is = |new: &str| compare(&old, &file(new)).remove(0).1;
        assert_eq!(is("x := 1\ny := 2 // other\n"), None);
        assert_eq!(
            is("x := 1\ny := 3\nz := 4\n").unwrap(),
            "2 lines more, 1 less"
        );
        assert_eq!(compare(&old, &Files::new()).remove(0).1.unwrap(), "is gone");
    }
}
