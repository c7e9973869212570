//! Types, judged by the program `truth` object by object: what goheap says an object is, is what the
//! program says; of each type there are as many as it made; and what is known at all.
use std::collections::{BTreeMap, BTreeSet};

use crate::opened::{Answered, answered, assert_none};
use goheap_analysis::types::What;
use goheap_testkit::truth::{Shape, Told};

pub(crate) fn check(version: &str, test: &str) {
    let answered = answered(version, test.ends_with("without_dwarf"));
    let tally = tally(&answered, version);
    let (missing, more) = counts(&answered, version);
    assert_none("objects of types that they are not of", &more);
    let typed = tally.right + tally.wrong.len() as u64;
    if tally.right * 1000 < typed * 999 {
        assert_none("types", &tally.wrong);
    }
    if test == "all_is_known" {
        let all = typed + tally.unknown.len() as u64;
        if tally.right * 1000 < all * 999 {
            assert_none("unknown", &tally.unknown);
        }
        assert_none("objects of types that they are not known of", &missing);
        most_is_known(&answered);
    }
}

/// Whether anything tells the type of an object.
fn can_be_known(told: &Told, version: &str) -> bool {
    let headers = !version.starts_with("1.19") && !version.starts_with("1.21");
    match told.shape {
        // Nor those types that only reflection has made: their descriptors are on the heap.
        _ if told.ty.starts_with("struct {") => false,
        Shape::Raw => false,
        // A pointer to the middle says nothing of the whole; a malloc header does.
        Shape::Interior => headers && told.ty == "main.item",
        _ => told.held,
    }
}

/// Items of which nothing tells that they are some, by what they hang on. They may be of no class, but of
/// no wrong one either.
const UNTOLD: [&str; 7] = [
    // Captured by a closure that only compares the pointer: DWARF leaves that variable out.
    "main.selectors",
    // Behind a struct that only reflection has made.
    "main.reflected",
    // Held by the closure of `AddCleanup`, whose type is that of the shape of the argument: `*uint8`.
    "cleanup",
    // Arguments that lie on the stack where DWARF tells of no variable of these functions.
    "goroutine main.leakSend",
    "goroutine main.offerGlobal",
    "goroutine main.leakForever",
    "goroutine main.waitMutex",
];

/// Whether an object is one of [`UNTOLD`].
fn is_untold(told: &Told) -> bool {
    let begins = told.begins.split('[').next().unwrap_or_default();
    let label = if told.only.is_empty() {
        begins
    } else {
        told.only.as_str()
    };
    told.ty == "main.item" && told.paths.is_empty() && UNTOLD.contains(&label)
}

#[derive(Default)]
struct Tally {
    right: u64,
    /// Unknown, as must be.
    untold: u64,
    unknown: Vec<String>,
    wrong: Vec<String>,
}

/// What is said of each object that the program tells of.
fn tally(answered: &Answered, version: &str) -> Tally {
    let mut tally = Tally::default();
    let types = &answered.analysis.types;
    for told in &answered.honest.truth.objects {
        if !can_be_known(told, version) {
            continue;
        }
        let object = answered.object(told);
        let class = types.class(types.class_of(object)).expect("a class");
        if told.is_of(&class.name) {
            tally.right += 1;
            continue;
        }
        let said = format!(
            "{:#x} {:?} {} {:?} {} is {} by {:?}",
            told.address,
            told.shape,
            told.ty,
            told.paths,
            told.only,
            class.name,
            types.how(object)
        );
        match class.what {
            What::Unknown { .. } if is_untold(told) => tally.untold += 1,
            What::Unknown { .. } => tally.unknown.push(said),
            _ => tally.wrong.push(said),
        }
    }
    eprintln!(
        "Go {version}: {} right, {} untold, {} unknown, {} wrong",
        tally.right,
        tally.untold,
        tally.unknown.len(),
        tally.wrong.len()
    );
    tally
}

/// Of each of the program's own types there are exactly the objects that it made: types of which some
/// are missing, and types of which there are more.
fn counts(answered: &Answered, version: &str) -> (Vec<String>, Vec<String>) {
    let mut found: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let analysis = &answered.analysis;
    let reachable = analysis
        .dump
        .objects()
        .filter(|object| analysis.is_reachable(*object));
    for object in reachable {
        let address = analysis.dump.address(object);
        found
            .entry(answered.class(object))
            .or_default()
            .insert(address);
    }
    // What there must be of each type, and what there may be.
    let mut told: BTreeMap<&str, [BTreeSet<u64>; 2]> = BTreeMap::new();
    for one in &answered.honest.truth.objects {
        let single = !matches!(
            one.shape,
            Shape::Backing | Shape::Interior | Shape::String | Shape::Tiny | Shape::Closure
        );
        if !single || !one.held || !one.ty.starts_with("main.") {
            continue;
        }
        let address = analysis.dump.address(answered.object(one));
        let [must, may] = told.entry(&one.ty).or_default();
        may.insert(address);
        if can_be_known(one, version) && !is_untold(one) {
            must.insert(address);
        }
    }
    let (mut missing, mut more) = (Vec::new(), Vec::new());
    let none = BTreeSet::new();
    for (ty, [must, may]) in told {
        let found = found.get(ty).unwrap_or(&none);
        let lacks = must.difference(found).count();
        if lacks > 0 {
            missing.push(format!("{ty}: {lacks} of {}", may.len()));
        }
        let extra = found.difference(&may).count();
        if extra > 0 {
            more.push(format!("{ty}: {extra} more than {}", may.len()));
        }
    }
    (missing, more)
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

crate::for_every_version!(crate::types::check, every: [are_right, are_right_without_dwarf, all_is_known], whole: []);
