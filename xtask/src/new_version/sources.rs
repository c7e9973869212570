//! Sources of Go: which of them the guide and goheap's own sources name, and what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A row of the guide's table.
pub(super) struct Row {
    /// Paths below `src`, with `*` for anything and a folder for all in it.
    pub(super) patterns: Vec<String>,
    /// What the guide says of them.
    pub(super) look_for: String,
}

/// The rows of the table whose first column names files.
pub(super) fn rows(guide: &str) -> Vec<Row> {
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
pub(super) type Files = BTreeMap<String, String>;

pub(super) fn files(source: &Path, pattern: &str) -> Result<Files> {
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
pub(super) fn compare(old: &Files, new: &Files) -> Vec<(String, Option<String>)> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
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

/// Folders of Go's `src` whose files goheap's own sources name.
const CITED: [&str; 8] = [
    "cmd", "debug", "internal", "os", "reflect", "runtime", "sync", "syscall",
];

/// The files of Go that goheap's own sources name as where they have a fact from, and which name them.
pub(super) fn cited(folder: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut cited: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in rust_files(folder)? {
        let text = fs::read_to_string(&path)?;
        let name = path.strip_prefix(folder).unwrap_or(&path);
        for file in cited_by(&text) {
            let by = cited.entry(file.to_owned()).or_default();
            by.insert(name.display().to_string());
        }
    }
    Ok(cited)
}

fn cited_by(text: &str) -> impl Iterator<Item = &str> {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "_-./*".contains(c);
    text.split(move |c| !is_inside(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.ends_with(".go") || word.ends_with(".s"))
        .filter(|word| {
            let folder = word.split_once('/').map(|(folder, _)| folder);
            folder.is_some_and(|folder| CITED.contains(&folder))
        })
}

/// All files of Rust in folders called `src` below, in order.
pub(super) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::GUIDE;
    use super::*;
    use crate::repository::root;

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

    #[test]
    fn files_of_go_are_found_where_they_are_named() {
        let text = "// (runtime/mheap.go, go1.22: `mspan`; cmd/link/internal/ld/data.go), as in a/b.go\n\
                    // runtime/signal_*.go. See runtime/src/goroutines.rs, mheap.go.\n";
        let found: Vec<&str> = cited_by(text).collect();
        assert_eq!(
            found,
            [
                "runtime/mheap.go",
                "cmd/link/internal/ld/data.go",
                "runtime/signal_*.go"
            ]
        );
        let cited = cited(&root().join("crates")).unwrap();
        let by = &cited["runtime/heapdump.go"];
        assert!(
            by.iter().any(|file| file.starts_with("runtime/src/")),
            "{by:?}"
        );
    }
}
