//! Answers whose names are no longer than a report has room for.

use goheap_analysis::answers::suspects::{Ask, Name, Suspect};
use goheap_analysis::answers::top::Row;
use goheap_analysis::answers::tree::Branch;
use goheap_analysis::answers::waste::Part;
use goheap_page::text::cut;

use super::Answers;

/// How many bytes a name has at most.
const NAME: usize = 1024;

/// How many frames of a stack, and names of a list, there are at most.
const NAMES: usize = 100;

/// The answers with names cut.
pub(super) fn bounded(answers: &mut Answers) {
    let suspects = &mut answers.suspects;
    suspects.found.iter_mut().for_each(suspect);
    suspects.largest.iter_mut().for_each(suspect);
    for table in &mut answers.top.tables {
        table.rows.iter_mut().for_each(row);
    }
    let mut open = vec![&mut answers.tree.top];
    while let Some(Branch {
        name,
        about,
        branches,
        ..
    }) = open.pop()
    {
        shorten(name);
        shorten(about);
        open.extend(branches);
    }
    for group in &mut answers.goroutines.groups {
        shorten(&mut group.wait_reason);
        group.stack.truncate(NAMES);
        group.stack.iter_mut().for_each(shorten);
        group.waits_for.truncate(NAMES);
        group.waits_for.iter_mut().for_each(shorten);
        group.created_by.truncate(NAMES);
        group
            .created_by
            .iter_mut()
            .for_each(|(name, _)| shorten(name));
    }
    let waste = &mut answers.waste;
    for Part { by_class, .. } in [
        &mut waste.slice_tails,
        &mut waste.pinned,
        &mut waste.map_slots,
        &mut waste.channels,
    ] {
        by_class.iter_mut().for_each(|(name, _)| shorten(name));
    }
    for pinned in &mut waste.largest_pinned {
        shorten(&mut pinned.class);
    }
}

fn shorten(name: &mut String) {
    if name.len() > NAME {
        *name = cut(name, NAME).into_owned();
    }
}

fn row(row: &mut Row) {
    shorten(&mut row.name);
    shorten(&mut row.about);
}

fn both(name: &mut Name) {
    shorten(&mut name.text);
    shorten(&mut name.signature);
}

fn suspect(suspect: &mut Suspect) {
    both(&mut suspect.name);
    shorten(&mut suspect.about);
    if let Some(content) = &mut suspect.content {
        shorten(&mut content.class);
        both(&mut content.through);
    }
    // A name that was cut is found by nobody.
    if let Some(Ask::Why(what) | Ask::Tree(what)) = &suspect.ask
        && what.len() > NAME
    {
        suspect.ask = None;
    }
}
