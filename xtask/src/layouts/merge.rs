//! The tables read back, and what is new against them.

use std::collections::BTreeSet;

use anyhow::Result;
use goheap_golang::{GoVersion, LayoutTable, Layouts as _};
use goheap_image::layout::{Shape, TypeLayout};

use super::measure::{Layout, Layouts};
use super::{All, Key, Release, keys};

/// All that the tables have, by goheap's own reader of them.
pub(super) fn from_text(text: &str, releases: &[Release]) -> Result<All> {
    let mut all = All::new();
    for key in keys(releases) {
        let release = releases[key.release].number;
        let mut version = format!("go{release}");
        if let Some(experiment) = key.experiment {
            version.push_str(&format!(" X:{experiment}"));
        }
        let version: GoVersion = version.parse()?;
        let found = LayoutTable::candidates_of(text, &version, key.machine);
        let found = found.unwrap_or_default();
        let table = found.iter().find(|table| table.release() == release);
        if let Some(table) = table {
            let layouts = table.structs().filter_map(|name| {
                let layout = as_written(&table.type_layout(name)?)?;
                Some((name.to_owned(), layout))
            });
            let layouts: Layouts = layouts.collect();
            if !layouts.is_empty() {
                all.insert(key, layouts);
            }
        }
    }
    Ok(all)
}

fn as_written(layout: &TypeLayout) -> Option<Layout> {
    let Shape::Struct { members } = &layout.shape else {
        return None;
    };
    Some(Layout {
        size: layout.size,
        members: members
            .iter()
            .map(|member| {
                let ty = written_type(&member.type_name);
                (member.name.clone(), member.offset, ty)
            })
            .collect(),
    })
}

/// A type's name in layouts as the tables write it.
fn written_type(name: &str) -> String {
    if let Some((count, element)) = name.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return format!("{count}*{}", written_type(element));
    }
    match name {
        "uint8" => "1".to_owned(),
        "uint16" => "2".to_owned(),
        "uint32" => "4".to_owned(),
        "uint64" => "8".to_owned(),
        other => other.strip_suffix(" bytes").unwrap_or(other).to_owned(),
    }
}

/// What is other than in the tables of before, a line for each struct and release. A release that
/// they do not have is compared with the one before it.
pub(super) fn differences(before: &All, all: &All, releases: &[Release]) -> Vec<String> {
    // What is said, and of which machines.
    let mut said: Vec<(String, BTreeSet<&str>)> = Vec::new();
    for (key, layouts) in all {
        let name = key.name_without_machine(releases);
        let is_like = |known: &Key| {
            known.machine == key.machine
                && known.experiment == key.experiment
                && known.release < key.release
        };
        let earlier = || all.iter().rfind(|(known, _)| is_like(known));
        let (against, how) = match (before.get(key), earlier()) {
            (Some(known), _) => (known, "than it was".to_owned()),
            (None, Some((known, layouts))) => (
                layouts,
                format!("than go{}", releases[known.release].number),
            ),
            (None, None) => {
                note(&mut said, format!("{name} is new"), key.machine);
                continue;
            }
        };
        if !before.contains_key(key) {
            let line = format!("{name} is new, and other {how} as follows");
            note(&mut said, line, key.machine);
        }
        for change in changes(against, layouts) {
            note(
                &mut said,
                format!("{name}, other {how}: {change}"),
                key.machine,
            );
        }
    }
    for key in before.keys().filter(|key| !all.contains_key(key)) {
        let name = key.name_without_machine(releases);
        note(&mut said, format!("{name} is gone"), key.machine);
    }
    let line = |(line, machines): (String, BTreeSet<&str>)| {
        let machines: Vec<&str> = machines.into_iter().collect();
        format!("- {line} [{}]", machines.join(" "))
    };
    said.into_iter().map(line).collect()
}

fn note<'m>(said: &mut Vec<(String, BTreeSet<&'m str>)>, line: String, machine: &'m str) {
    match said.iter_mut().find(|(known, _)| *known == line) {
        Some((_, machines)) => _ = machines.insert(machine),
        None => said.push((line, BTreeSet::from([machine]))),
    }
}

/// What became of structs and their members.
pub(crate) fn changes(old: &Layouts, new: &Layouts) -> Vec<String> {
    let mut changes = Vec::new();
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(_), None) => changes.push(format!("{name} is gone")),
            (None, Some(_)) => changes.push(format!("{name} is new")),
            (Some(old), Some(new)) if old != new => {
                changes.push(format!("{name}: {}", members_changed(old, new).join(", ")));
            }
            _ => {}
        }
    }
    changes
}

fn members_changed(old: &Layout, new: &Layout) -> Vec<String> {
    let mut parts = Vec::new();
    if old.size != new.size {
        parts.push(format!("size {} -> {}", old.size, new.size));
    }
    let find = |layout: &Layout, name: &str| {
        let found = layout.members.iter().find(|(known, ..)| known == name);
        found.map(|(_, at, ty)| (*at, ty.clone()))
    };
    let names: BTreeSet<&String> = [old, new]
        .iter()
        .flat_map(|layout| layout.members.iter().map(|(name, ..)| name))
        .collect();
    for name in names {
        match (find(old, name), find(new, name)) {
            (Some(_), None) => parts.push(format!("{name} is gone")),
            (None, Some((at, _))) => parts.push(format!("{name} is new at {at}")),
            (Some((was, _)), Some((at, _))) if was != at => {
                parts.push(format!("{name} {was} -> {at}"));
            }
            (Some((_, was)), Some((_, ty))) if was != ty => {
                parts.push(format!("{name} is {ty}, not {was}"));
            }
            _ => {}
        }
    }
    parts
}
