//! The report as Markdown, as tickets of GitHub and GitLab take it.
//!
//! Whatever a dump says stands in a span or a block of code: there nothing of it is markup, and neither
//! a mention of somebody nor a link (GFM 0.29, 6.3 and 4.5). A pipe would end a cell of a table even
//! there, so it is written as an escape, as what cannot be seen is.

use std::fmt::Write as _;

use goheap_analysis::answers::suspects::{Part, Sentence, Suspect};
use goheap_analysis::answers::top::{By, Row, Table};
use goheap_analysis::answers::tree::Branch;

use super::goroutines::{FRAMES, state, summary, waited};
use super::{REDACTED, Report, STRINGS, TYPES};
use crate::suspects::{CAVEAT, command, in_words, shown};
use crate::text;
use crate::tops;
use crate::units;
use crate::waste;

/// The report.
pub fn markdown(report: &Report<'_>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = written(report, &mut out);
    out
}

fn written(report: &Report<'_>, out: &mut String) -> std::fmt::Result {
    let (top, heap) = (report.top, &report.top.heap);
    writeln!(out, "# Heap of {}\n", code(report.source))?;
    if report.redact {
        writeln!(out, "{REDACTED}\n")?;
    }
    if top.roots_missing {
        writeln!(out, "{}; all objects are counted.\n", tops::NO_ROOTS)?;
    }
    for (name, value) in &report.facts {
        writeln!(out, "- {name}: {}", code(value))?;
    }
    for (name, bytes, objects) in [
        (
            "heap in use",
            heap.bytes.saturating_add(heap.garbage_bytes),
            heap.objects + heap.garbage_objects,
        ),
        ("reachable", heap.bytes, heap.objects),
        ("garbage", heap.garbage_bytes, heap.garbage_objects),
    ] {
        let objects = units::counted(objects, "object");
        writeln!(out, "- {name}: {} in {objects}", units::bytes(bytes))?;
    }
    for note in &report.notes {
        writeln!(out, "- note: {}", code(note))?;
    }
    suspects(report, out)?;
    for table in &top.tables {
        table_of(table, report, out)?;
    }
    tree(report, out)?;
    goroutines(report, out)?;
    waste(report, out)?;
    writeln!(
        out,
        "\n## Where the memory is\n\n| bytes | of what |\n|---:|---|"
    )?;
    for line in crate::ledger::lines(report.ledger) {
        let indent = "· ".repeat(line.depth);
        writeln!(
            out,
            "| {} | {indent}{} |",
            units::bytes(line.bytes),
            line.what
        )?;
    }
    Ok(())
}

fn suspects(report: &Report<'_>, out: &mut String) -> std::fmt::Result {
    let all = report.suspects;
    writeln!(out, "\n## What most likely leaks, or fills the heap\n")?;
    if let Some(verdict) = all.verdict() {
        writeln!(out, "{}\n", sentence(&verdict, report.redact))?;
    }
    if all.largest.is_some() {
        writeln!(out, "What holds most, for all that:\n")?;
    }
    let one = |suspect: &Suspect, number: usize, out: &mut String| -> std::fmt::Result {
        let said = sentence(&all.sentence(suspect), report.redact);
        writeln!(out, "{number}. {said}")?;
        for note in all.notes(suspect) {
            writeln!(out, "   - {}", sentence(&note, report.redact))?;
        }
        if let Some(ask) = &suspect.ask {
            writeln!(out, "   - more: {}", code(&command(ask, report.asked)))?;
        }
        Ok(())
    };
    for (suspect, number) in all.found.iter().chain(&all.largest).zip(1..) {
        one(suspect, number, out)?;
    }
    if !all.found.is_empty() {
        writeln!(out, "\n{CAVEAT}")?;
    }
    Ok(())
}

fn sentence(said: &Sentence, redact: bool) -> String {
    let mut text = String::new();
    for part in said {
        match part {
            Part::Name { name, .. } => text.push_str(&code(shown(name, redact))),
            part => text.push_str(&in_words(part)),
        }
    }
    text.push('.');
    text
}

fn table_of(table: &Table, report: &Report<'_>, out: &mut String) -> std::fmt::Result {
    let top = report.top;
    let all = match top.roots_missing {
        true => top.heap.garbage_bytes,
        false => top.heap.bytes,
    };
    let columns = tops::columns(table.by);
    writeln!(out, "\n## {}\n", tops::title(table.by))?;
    if let Some(about) = tops::about(table.by) {
        writeln!(out, "{about}\n")?;
    }
    writeln!(out, "| {} |", columns.join(" | "))?;
    writeln!(
        out,
        "|{}---|",
        "---:|".repeat(columns.len().saturating_sub(1))
    )?;
    for row in &table.rows {
        let mut cells = numbers(table.by, row, all, top.roots_missing);
        let mut name = code(&row.name);
        let behind = tops::behind(table.by, row);
        if !behind.is_empty() {
            name.push(' ');
            name.push_str(&code(&behind));
        }
        cells.push(name);
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    if let Some(more) = tops::more(table) {
        writeln!(out, "\n{more}")?;
    }
    Ok(())
}

fn numbers(by: By, row: &Row, all: u64, no_roots: bool) -> Vec<String> {
    let (bytes, share) = (units::bytes, |n| units::share(n, all));
    let count = units::count(row.count);
    match by {
        By::Type | By::Size => vec![
            bytes(row.shallow),
            share(row.shallow),
            match no_roots {
                true => "?".to_owned(),
                false => bytes(row.retained),
            },
            count,
        ],
        By::Root => vec![bytes(row.retained), share(row.retained)],
        By::Goroutine => vec![bytes(row.retained), share(row.retained), count],
        By::Package => vec![
            bytes(row.retained),
            share(row.retained),
            bytes(row.shallow),
            count,
        ],
        By::Object => vec![
            bytes(row.retained),
            share(row.retained),
            bytes(row.shallow),
            format!("{:#x}", row.address),
        ],
    }
}

/// The tree as a list in lists. It is no deeper than who made it allowed.
fn tree(report: &Report<'_>, out: &mut String) -> std::fmt::Result {
    enum Next<'a> {
        Branch(&'a Branch),
        Rest(u64, u64),
    }
    writeln!(
        out,
        "\n## Who holds what alone\n\nWhat is below a line would be gone without it. Siblings of one \
         type are one line.\n"
    )?;
    let all = report.tree.heap.bytes;
    let mut open = vec![(Next::Branch(&report.tree.top), 0)];
    while let Some((next, depth)) = open.pop() {
        let indent = "  ".repeat(depth);
        let branch = match next {
            Next::Rest(count, retained) => {
                let retained = units::bytes(retained);
                writeln!(out, "{indent}- {retained}: {} more", units::count(count))?;
                continue;
            }
            Next::Branch(branch) => branch,
        };
        let times = match branch.count {
            0 | 1 => String::new(),
            n => format!("{} × ", units::count(n)),
        };
        write!(
            out,
            "{indent}- {}, {}: {times}{}",
            units::bytes(branch.retained),
            units::share(branch.retained, all),
            code(&branch.name)
        )?;
        if !branch.about.is_empty() {
            write!(out, " {}", code(&branch.about))?;
        }
        if branch.address != 0 {
            write!(out, " at {:#x}", branch.address)?;
        }
        writeln!(out)?;
        if branch.rest.branches > 0 {
            let rest = &branch.rest;
            open.push((Next::Rest(rest.branches, rest.retained), depth + 1));
        }
        for next in branch.branches.iter().rev() {
            open.push((Next::Branch(next), depth + 1));
        }
    }
    Ok(())
}

fn goroutines(report: &Report<'_>, out: &mut String) -> std::fmt::Result {
    let all = report.goroutines;
    writeln!(out, "\n## Goroutines\n\n{}.\n", summary(all))?;
    for group in all.groups.iter().take(report.most_groups) {
        let count = units::counted(group.goroutines.len() as u64, "goroutine");
        write!(
            out,
            "- {count} in {}, {}",
            code(group.place()),
            code(state(group))
        )?;
        let waited = waited(group, all.clock);
        if !waited.is_empty() {
            write!(out, ", for {waited}")?;
        }
        if group.leaked > 0 {
            write!(out, ", **{} for ever**", units::count(group.leaked))?;
        }
        writeln!(
            out,
            ": {} held by nobody else, {} of stacks",
            units::bytes(group.retained),
            units::bytes(group.stack_bytes)
        )?;
        let stack: Vec<String> = group.stack.iter().take(FRAMES).map(|f| code(f)).collect();
        if !stack.is_empty() {
            writeln!(out, "  - {}", stack.join(" ← "))?;
        }
        if let Some((name, _)) = group.created_by.first() {
            writeln!(out, "  - created by {}", code(name))?;
        }
    }
    match all.groups.len().saturating_sub(report.most_groups) {
        0 => Ok(()),
        more => writeln!(out, "\nand {}", units::counted(more as u64, "more group")),
    }
}

fn waste(report: &Report<'_>, out: &mut String) -> std::fmt::Result {
    let of = report.waste;
    writeln!(
        out,
        "\n## Of no use\n\n| bytes | share | objects | what |\n|---:|---:|---:|---|"
    )?;
    for (amount, what) in waste::lines(of) {
        writeln!(
            out,
            "| {} | {} | {} | {what} |",
            units::bytes(amount.bytes),
            units::share(amount.bytes, of.reachable.bytes),
            units::count(amount.objects)
        )?;
    }
    for (title, part) in waste::parts(of) {
        if part.by_class.is_empty() {
            continue;
        }
        writeln!(
            out,
            "\n### {title}\n\n| bytes | objects | type |\n|---:|---:|---|"
        )?;
        for (name, amount) in part.by_class.iter().take(TYPES) {
            writeln!(
                out,
                "| {} | {} | {} |",
                units::bytes(amount.bytes),
                units::count(amount.objects),
                code(name)
            )?;
        }
    }
    if report.redact || of.duplicates.largest.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n### {}\n\n| too much | times | length | contents |\n|---:|---:|---:|---|",
        waste::STRINGS
    )?;
    for one in of.duplicates.largest.iter().take(STRINGS) {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            units::bytes(one.bytes),
            units::count(one.count),
            units::bytes(one.len),
            code(&super::contents(&one.text, one.len))
        )?;
    }
    Ok(())
}

/// What a dump says, as a span of code: between more backticks than it has itself in a row, with a
/// blank inside where it begins or ends with one (CommonMark 0.31, 6.1). On one line, for what breaks
/// lines is escaped.
fn code(name: &str) -> String {
    let shown = text::name(name).replace('|', "\\u{7c}");
    if shown.trim().is_empty() {
        return String::new();
    }
    let longest = shown.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let is_edge = |c: Option<char>| matches!(c, Some('`' | ' '));
    let room = match is_edge(shown.chars().next()) || is_edge(shown.chars().next_back()) {
        true => " ",
        false => "",
    };
    format!("{fence}{room}{shown}{room}{fence}")
}
