//! The text of the tables, and which part of it is a program's.
//!
//! Lines, in this order:
//! - `arches NAME GOARCH...`: a name for machines that have the same layouts.
//! - `release VERSION patches FIRST-LAST on ARCHES by SOURCE`: a release that was looked at, the patch
//!   releases that are known to have its layouts, and the machines. Oldest first.
//! - `experiments VERSION same NAME...`: experiments that change no layout in this release;
//!   `experiments VERSION own NAME on GOARCH...`: one that does, and the machines that have rows for
//!   it.
//! - `type NAME in FILE`, then for it, as often as needed: `on ARCHES`, and rows `VERSION SIZE; FIELD
//!   OFFSET TYPE; ...`. A row holds from that release on, up to the next. `VERSION+EXPERIMENT` is one
//!   for programs with that experiment. `VERSION -`: from here on there is no such type.
//!
//! A TYPE is a number of bytes, or the name of a type of the table, with `N*` before it for each array.
//! A line that begins with a space goes on from the one before it; `#` begins a comment line.

use std::collections::HashMap;

use goheap_image::layout::{Member, Shape, TypeLayout};

use super::{LayoutTable, TableError, plain_name};
use crate::GoVersion;

/// All tables, parsed as far as is needed to choose among them.
#[derive(Debug)]
pub(super) struct Tables {
    /// Machines by the names of their groups.
    groups: HashMap<String, Vec<String>>,
    releases: Vec<Release>,
    types: Vec<Type>,
}

#[derive(Debug)]
struct Release {
    name: String,
    minor: u32,
    /// Patch releases that are known to have its layouts.
    patches: (u32, u32),
    /// Machines that it was looked at on (GOARCH).
    machines: Vec<String>,
    same: Vec<String>,
    /// Experiments with rows of their own, and the machines that have them.
    own: Vec<(String, Vec<String>)>,
}

#[derive(Debug)]
struct Type {
    name: String,
    rows: Vec<Row>,
}

/// From `release` on, on the machines of `arches`.
#[derive(Debug)]
struct Row {
    line: usize,
    arches: Vec<String>,
    release: usize,
    experiment: Option<String>,
    /// What the layout is, not parsed yet; `None` where the type is no more.
    layout: Option<String>,
}

impl Tables {
    pub(super) fn parse(text: &str) -> Result<Tables, TableError> {
        let mut tables = Tables {
            groups: HashMap::new(),
            releases: Vec::new(),
            types: Vec::new(),
        };
        let mut arches: Vec<String> = Vec::new();
        for (line, content) in joined(text) {
            let damaged = |what| TableError::Damaged { line, what };
            let (word, rest) = content.split_once(' ').unwrap_or((&content, ""));
            match word {
                "arches" => {
                    let mut words = rest.split(' ').map(str::to_owned);
                    let name = words.next().ok_or(damaged("no name"))?;
                    tables.groups.insert(name, words.collect());
                }
                "release" => {
                    let what = "not release VERSION patches FIRST-LAST on ARCHES by SOURCE";
                    let release = tables.release(rest).ok_or(damaged(what))?;
                    tables.releases.push(release);
                }
                "experiments" => {
                    let mut words = rest.split(' ');
                    let name = words.next().unwrap_or_default();
                    let known = tables.releases.iter_mut().find(|r| r.name == name);
                    let release = known.ok_or(damaged("a release that was not listed"))?;
                    match words.next() {
                        Some("same") => release.same.extend(words.map(str::to_owned)),
                        Some("own") => {
                            let name = words.next().ok_or(damaged("no name"))?.to_owned();
                            let machines = words.filter(|word| *word != "on").map(str::to_owned);
                            release.own.push((name, machines.collect()));
                        }
                        _ => return Err(damaged("neither same nor own")),
                    }
                }
                "type" => {
                    let name = rest.split_once(" in ").map_or(rest, |(name, _)| name);
                    tables.types.push(Type {
                        name: name.to_owned(),
                        rows: Vec::new(),
                    });
                    arches.clear();
                }
                "on" => arches = tables.machines(rest.split(' ')),
                since => {
                    let (name, experiment) = match since.split_once('+') {
                        Some((name, experiment)) => (name, Some(experiment.to_owned())),
                        None => (since, None),
                    };
                    let release = tables.releases.iter().position(|r| r.name == name);
                    let release =
                        release.ok_or(damaged("neither a word of the form nor a release"))?;
                    let ty = tables
                        .types
                        .last_mut()
                        .ok_or(damaged("a row without a type"))?;
                    ty.rows.push(Row {
                        line,
                        arches: arches.clone(),
                        release,
                        experiment,
                        layout: (rest != "-").then(|| rest.to_owned()),
                    });
                }
            }
        }
        Ok(tables)
    }

    /// `1.24.11 patches 6-11 on 64-bit by ...`
    fn release(&self, text: &str) -> Option<Release> {
        let mut words = text.split(' ');
        let name = words.next()?;
        let minor = name.split('.').nth(1)?.parse().ok()?;
        let patches = match (words.next()?, words.next()?.split_once('-')?) {
            ("patches", (first, last)) => (first.parse().ok()?, last.parse().ok()?),
            _ => return None,
        };
        (words.next()? == "on").then_some(())?;
        Some(Release {
            name: name.to_owned(),
            minor,
            patches,
            machines: self.machines(words.take_while(|word| *word != "by")),
            same: Vec::new(),
            own: Vec::new(),
        })
    }

    /// Machines by their names, or by that of a group.
    fn machines<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<String> {
        let each = names.map(|name| match self.groups.get(name) {
            Some(group) => group.clone(),
            None => vec![name.to_owned()],
        });
        each.flatten().collect()
    }

    /// See [`LayoutTable::candidates`].
    pub(super) fn candidates(
        &self,
        version: &GoVersion,
        goarch: &str,
    ) -> Result<Vec<LayoutTable>, TableError> {
        let text = version.to_string();
        if text.contains("devel") {
            return Err(TableError::Development { version: text });
        }
        let mut releases: Vec<(usize, &Release)> = self
            .releases
            .iter()
            .enumerate()
            .filter(|(_, release)| release.minor == version.minor)
            .collect();
        if releases.is_empty() {
            let newest = self.releases.iter().map(|release| release.minor).max();
            let is_newer = newest.is_some_and(|newest| version.minor > newest);
            let (version, known) = (text, self.known());
            return Err(match is_newer {
                true => TableError::Newer { version, known },
                false => TableError::Unknown { version, known },
            });
        }
        releases.retain(|(_, release)| release.machines.iter().any(|known| known == goarch));
        if releases.is_empty() {
            return Err(TableError::Machine {
                version: text,
                goarch: goarch.to_owned(),
            });
        }
        releases.sort_by_key(|(_, release)| release.distance(version.patch));
        let mut tables = Vec::new();
        let mut refused = None;
        for (index, release) in releases {
            match release.own_experiment(version, goarch) {
                Ok(experiment) => tables.push(LayoutTable {
                    release: release.name.clone(),
                    measured: release.distance(version.patch) == 0,
                    types: self.decode(index, goarch, experiment)?,
                }),
                Err(error) => refused = Some(error),
            }
        }
        match (tables.is_empty(), refused) {
            (true, Some(error)) => Err(error),
            _ => Ok(tables),
        }
    }
    /// The minor versions that there are tables for: `go1.19, go1.21`.
    fn known(&self) -> String {
        let mut minors: Vec<u32> = self.releases.iter().map(|release| release.minor).collect();
        minors.dedup();
        let names: Vec<String> = minors.iter().map(|minor| format!("go1.{minor}")).collect();
        names.join(", ")
    }

    /// The layouts of a release on a machine, with one experiment that has its own or none.
    fn decode(
        &self,
        release: usize,
        goarch: &str,
        experiment: Option<&str>,
    ) -> Result<HashMap<String, TypeLayout>, TableError> {
        let mut layouts = HashMap::new();
        for ty in &self.types {
            let rows = ty.rows.iter().filter(|row| {
                row.release <= release && row.arches.iter().any(|known| known == goarch)
            });
            let latest = |experiment: Option<&str>| {
                rows.clone()
                    .filter(|row| row.experiment.as_deref() == experiment)
                    .max_by_key(|row| row.release)
            };
            let own = experiment.and_then(|experiment| latest(Some(experiment)));
            let Some(row) = own.or_else(|| latest(None)) else {
                continue;
            };
            if let Some(text) = &row.layout {
                let what = "not SIZE; FIELD OFFSET TYPE; ...";
                let damaged = TableError::Damaged {
                    line: row.line,
                    what,
                };
                layouts.insert(ty.name.clone(), layout(text).ok_or(damaged)?);
            }
        }
        Ok(layouts)
    }
}

impl Release {
    /// How many patch releases `patch` is away from those that this is known for.
    fn distance(&self, patch: u32) -> u32 {
        let (first, last) = self.patches;
        first.saturating_sub(patch).max(patch.saturating_sub(last))
    }

    /// The experiment of `version` that has layouts of its own, if there is one.
    fn own_experiment(
        &self,
        version: &GoVersion,
        goarch: &str,
    ) -> Result<Option<&str>, TableError> {
        let mut own = None;
        for experiment in &version.experiments {
            if self.same.contains(experiment) {
                continue;
            }
            let known = self.own.iter().find(|(name, machines)| {
                name == experiment && machines.iter().any(|machine| machine == goarch)
            });
            let known = known.map(|(name, _)| name.as_str());
            if known.is_none() || own.is_some_and(|own| Some(own) != known) {
                return Err(TableError::Experiments {
                    version: version.to_string(),
                    experiments: version.experiments.join(","),
                });
            }
            own = known;
        }
        Ok(own)
    }
}

/// Lines with what goes on from them, each with its number, without comments and blank ones.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        match (line.strip_prefix(' '), joined.last_mut()) {
            (Some(more), Some((_, before))) => {
                before.push(' ');
                before.push_str(more.trim());
            }
            _ => joined.push((index + 1, line.trim_end().to_owned())),
        }
    }
    joined
}

/// `SIZE; FIELD OFFSET TYPE; ...`
fn layout(text: &str) -> Option<TypeLayout> {
    let mut parts = text.split("; ");
    let size: u64 = parts.next()?.parse().ok()?;
    let members: Option<Vec<Member>> = parts
        .map(|part| {
            let mut words = part.splitn(3, ' ');
            let (name, offset) = (words.next()?, words.next()?.parse().ok()?);
            (offset <= size).then_some(Member {
                name: name.to_owned(),
                offset,
                type_name: type_name(words.next()?)?,
            })
        })
        .collect();
    Some(TypeLayout {
        size,
        shape: Shape::Struct { members: members? },
    })
}

/// `136*runtime.mcentral` as Go writes it, `[136]runtime.mcentral`; `24`, which is a
/// plain 24 bytes, by a name for that.
fn type_name(text: &str) -> Option<String> {
    let mut rest = text;
    let mut name = String::new();
    while let Some((count, element)) = rest.split_once('*') {
        let count: u64 = count.parse().ok()?;
        name.push_str(&format!("[{count}]"));
        rest = element;
    }
    match rest.parse() {
        Ok(size) => name.push_str(&plain_name(size)),
        Err(_) if rest.is_empty() => return None,
        Err(_) => name.push_str(rest),
    }
    Some(name)
}
