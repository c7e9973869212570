//! Types, judged by the program `truth` object by object: what goheap says an object is, is what the
//! program says; of each type there are as many as it made; and what is known at all.
use std::collections::{BTreeMap, BTreeSet};

use crate::opened::{Answered, answered, assert_none};
use goheap_analysis::types::What;
use goheap_testkit::truth::{Shape, Told};

pub(crate) fn check(version: &str, test: &str) {
    let without_dwarf = test.starts_with("without_dwarf");
    let answered = answered(version, without_dwarf);
    types_are_right(&answered, version);
    counts_are_exact(&answered);
    most_is_known(&answered);
}

/// Whether anything tells the type of an object.
fn can_be_known(told: &Told, version: &str) -> bool {
    let headers = !version.starts_with("1.19") && !version.starts_with("1.21");
    match told.shape {
        Shape::Raw => false,
        // A pointer to the middle says nothing of the whole; a malloc header does.
        Shape::Interior => headers && told.ty == "main.item",
        _ => told.held,
    }
}

#[derive(Default)]
struct Tally {
    right: u64,
    unknown: u64,
    wrong: u64,
}

/// At least 999 of 1000 objects of the types that the program tells are right.
fn types_are_right(answered: &Answered, version: &str) {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut all = Tally::default();
    let mut wrong = Vec::new();
    for told in &answered.honest.truth.objects {
        if !can_be_known(told, version) {
            continue;
        }
        let object = answered.object(told);
        let types = &answered.analysis.types;
        let class = types.class(types.class_of(object)).expect("a class");
        let key = format!("{:?} {}", told.shape, told.ty);
        let tally = tallies.entry(key.clone()).or_default();
        if told.is_of(&class.name) {
            tally.right += 1;
            all.right += 1;
            continue;
        }
        match class.what {
            What::Unknown { .. } => {
                tally.unknown += 1;
                all.unknown += 1;
            }
            _ => {
                tally.wrong += 1;
                all.wrong += 1;
            }
        }
        wrong.push(format!(
            "{:#x} {key} {:?} is {} by {:?}",
            told.address,
            told.paths,
            class.name,
            types.how(object)
        ));
    }
    for (key, tally) in tallies.iter().filter(|(_, t)| t.unknown + t.wrong > 0) {
        eprintln!(
            "{key}: {} right, {} unknown, {} wrong",
            tally.right, tally.unknown, tally.wrong
        );
    }
    let total = all.right + all.unknown + all.wrong;
    eprintln!(
        "Go {version}: {} of {total} right, {} unknown, {} wrong",
        all.right, all.unknown, all.wrong
    );
    if all.right * 1000 < total * 999 {
        assert_none(&format!("Go {version}"), &wrong);
    }
}

/// Of each of the program's own types there are exactly the objects that it made.
fn counts_are_exact(answered: &Answered) {
    let mut found: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let analysis = &answered.analysis;
    for object in analysis
        .dump
        .objects()
        .filter(|o| analysis.is_reachable(*o))
    {
        let class = answered.class(object);
        found
            .entry(class)
            .or_default()
            .insert(analysis.dump.address(object));
    }
    let mut wrong = Vec::new();
    for (ty, told) in answered.honest.truth.values() {
        if !ty.starts_with("main.") {
            continue;
        }
        let held: BTreeSet<u64> = told
            .iter()
            .filter_map(|address| analysis.dump.find(*address))
            .filter(|(object, _)| analysis.is_reachable(*object))
            .map(|(object, _)| analysis.dump.address(object))
            .collect();
        let none = BTreeSet::new();
        let found = found.get(ty).unwrap_or(&none);
        let (missing, more) = (
            held.difference(found).count(),
            found.difference(&held).count(),
        );
        if missing + more > 0 {
            wrong.push(format!(
                "{ty}: {} told, {missing} missing, {more} more",
                held.len()
            ));
        }
    }
    // What only an unsafe pointer leads to is of a type that nothing tells.
    assert_none("counts", &wrong);
}

/// At least 90 % of the bytes that are reachable have a type.
fn most_is_known(answered: &Answered) {
    let (mut all, mut known) = (0, 0);
    let analysis = &answered.analysis;
    for object in analysis
        .dump
        .objects()
        .filter(|o| analysis.is_reachable(*o))
    {
        let size = analysis.dump.size(object);
        all += size;
        let class = analysis.types.class(analysis.types.class_of(object));
        if !class.is_none_or(|class| matches!(class.what, What::Unknown { .. })) {
            known += size;
        }
    }
    eprintln!("{known} of {all} bytes have a type");
    assert!(known * 10 >= all * 9, "{known} of {all} bytes have a type");
}

crate::for_every_version!(crate::types::check, every: [with_dwarf, without_dwarf], whole: []);
