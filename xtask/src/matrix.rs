//! `matrix`: every twin test, those of the runtime's crashes, and exports read back, on every version of Go
//! that goheap claims, in one table.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use goheap_testkit::toolchains;

use crate::repository::cargo;

const TEST_BINARIES: [&str; 9] = [
    "twins",
    "core_twins",
    "entry_twins",
    "crash",
    "holders",
    "oracle",
    "mends",
    "exports",
    "parquet",
];

/// Runs them; whether none failed.
pub(crate) fn run(versions: &[String], method: Option<&str>) -> Result<bool> {
    let versions: Vec<&'static str> = if versions.is_empty() {
        toolchains::CLAIMED.iter().map(|v| v.number).collect()
    } else {
        versions
            .iter()
            .map(|v| Ok(toolchains::version(v)?.number))
            .collect::<Result<_>>()?
    };
    let mut results: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut whole = true;
    for binary in TEST_BINARIES {
        let mut command = cargo();
        command.args([
            "test",
            "-p",
            "goheap",
            "--test",
            binary,
            "--",
            "--include-ignored",
        ]);
        command.args(versions.iter().map(|v| format!("{}::", module(v))));
        if let Some(method) = method {
            // crates/goheap/tests/support asks for it.
            command.env("TWINS_METHOD", method);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run cargo")?;
        let Some(stdout) = child.stdout.take() else {
            bail!("cargo has no stdout")
        };
        for line in BufReader::new(stdout).lines() {
            let line = line.context("reading what cargo says")?;
            println!("{line}");
            if let Some((version, test, result)) = parse(&line) {
                results.insert((format!("{binary} {test}"), version), result);
            }
        }
        whole &= child.wait()?.success();
    }
    println!("\n{}", table(&versions, &results));
    if results.is_empty() {
        bail!("no test ran");
    }
    Ok(whole)
}

/// The module of a version's tests.
fn module(version: &str) -> String {
    format!("go{}", version.replace('.', "_"))
}

/// `test go1_24_3::plain ... ok`, or `test releases::go1_24_3::is_read_back ... ok`: the module of the
/// version, the rest of the name, the result. `None` for what is of no version.
fn parse(line: &str) -> Option<(String, String, String)> {
    let (test, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let mut rest: Vec<&str> = test.split("::").collect();
    let place = rest.iter().position(|part| part.starts_with("go1_"))?;
    let version = rest.remove(place);
    Some((version.to_owned(), rest.join("::"), result.to_owned()))
}

fn table(versions: &[&str], results: &BTreeMap<(String, String), String>) -> String {
    let tests: BTreeSet<&String> = results.keys().map(|(test, _)| test).collect();
    let mut text = format!("| | {} |\n|---|", versions.join(" | "));
    text.push_str(&"---|".repeat(versions.len()));
    for test in tests {
        let cells: Vec<_> = versions
            .iter()
            .map(|v| {
                results
                    .get(&(test.clone(), module(v)))
                    .map_or("-", String::as_str)
            })
            .collect();
        text.push_str(&format!("\n| {test} | {} |", cells.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_wherever_it_stands_in_a_name() {
        let parsed = |line| parse(line).map(|(version, test, result)| [version, test, result]);
        let is = |parts: [&str; 3]| Some(parts.map(str::to_owned));
        assert_eq!(
            parsed("test go1_24_3::plain ... ok"),
            is(["go1_24_3", "plain", "ok"])
        );
        assert_eq!(
            parsed("test releases::go1_24_3::is_read_back ... FAILED"),
            is(["go1_24_3", "releases::is_read_back", "FAILED"])
        );
        assert_eq!(
            parsed("test releases::every_claimed_version_is_here ... ok"),
            None
        );
        assert_eq!(parsed("running 4 tests"), None);
    }
}
