//! Every root: the words that may lead into the heap are the same; a variable that has a name has that
//! of its twin's, one that is called by a function is where its name says, and lies within one variable.

use std::collections::{BTreeMap, BTreeSet};

use goheap_analysis::{Dump, RootKind};
use goheap_golang::catalogue::Variable;

use crate::captured::{Captured, assert_none, by_use};

/// The variable or the kind of root that each word of a root belongs to.
fn owners(dump: &Dump) -> BTreeMap<(u64, u64), (RootKind, &str)> {
    let mut owners = BTreeMap::new();
    for root in dump.roots() {
        for pointer in &dump.root_pointers()[root.pointers.clone()] {
            let place = match pointer.at {
                0 => (0, pointer.target),
                at => (at, 0),
            };
            owners.insert(place, (root.kind, root.name.as_str()));
        }
    }
    owners
}

fn variable(dump: &Dump, kind: RootKind) -> Option<&Variable> {
    match kind {
        RootKind::Global(at) => dump.catalogue().variables.get(at as usize),
        _ => None,
    }
}

pub(crate) fn check(captured: &Captured, name: &str) {
    let (a, b) = (
        &captured.stripped.analysis.dump,
        &captured.twin.analysis.dump,
    );
    let functions = &b.catalogue().functions;
    let functions: BTreeSet<&str> = functions.iter().map(|f| f.name.as_str()).collect();
    let (said, full) = (owners(a), owners(b));
    assert!(said.keys().eq(full.keys()));
    let mut wrong = Vec::new();
    let (mut named, mut used, mut unnamed, mut packages) = (0, 0, 0, 0);
    // The twin's variables that each of the stripped one's shares words with.
    let mut shared: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for ((place, (kind, name)), (_, (full_kind, full_name))) in said.iter().zip(&full) {
        let Some(known) = variable(a, *kind) else {
            let unnamed_here = matches!(kind, RootKind::Segment(_));
            unnamed += u64::from(unnamed_here);
            if !unnamed_here && (kind, name) != (full_kind, full_name) {
                wrong.push(format!("{place:x?}: {name}, but {full_name}"));
            }
            continue;
        };
        let theirs = variable(b, *full_kind);
        match by_use(name) {
            None => {
                named += 1;
                if theirs.is_none_or(|their| {
                    (&their.name, their.address) != (&known.name, known.address)
                }) {
                    wrong.push(format!("{place:x?}: {name}, but {full_name}"));
                }
            }
            Some((function, address)) => {
                used += 1;
                shared.entry(*name).or_default().insert(*full_name);
                if address != known.address || !functions.contains(function) {
                    wrong.push(format!("{name} is at {:#x}", known.address));
                }
                packages += u64::from(
                    theirs.is_some_and(|their| package(&their.name) == package(function)),
                );
            }
        }
    }
    for (name, variables) in &shared {
        if variables.len() > 1 {
            wrong.push(format!("{name} is {variables:?}"));
        }
    }
    eprintln!(
        "{name}: of {} words of roots {named} are in variables that are known by name, {used} in such \
         as are called by a function, {packages} of them of the variable's own package, {unnamed} \
         without either",
        said.len()
    );
    assert_none(&format!("{name}: roots"), &wrong);
    assert!(named > 0 && used > 50);
    assert!(unnamed * 20 < used, "{unnamed} words belong to no variable");
    // Nine of ten are called by a function of their own package.
    assert!(packages * 10 >= used * 9, "{packages} of {used}");
}

/// The package that a function or a variable is of.
fn package(name: &str) -> &str {
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let dot = name[slash..].find('.').map_or(name.len(), |at| slash + at);
    &name[..dot]
}
