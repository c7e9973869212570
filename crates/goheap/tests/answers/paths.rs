//! Paths and owners, judged by the program `truth` object by object: the path that goheap gives for
//! an object is one that the program says it has; what a variable alone holds has exactly the bytes
//! of what the program says; garbage is garbage.
use std::collections::{BTreeMap, BTreeSet};

use crate::opened::{Answered, answered, assert_none};
use goheap_analysis::{NoWatch, NodeKind, ObjectId, RootKind, paths::Holders};
use goheap_testkit::truth::{Shape, Told, plain};

pub(crate) fn check(version: &str, test: &str) {
    let without_dwarf = test.starts_with("without_dwarf");
    let answered = answered(version, without_dwarf);
    garbage_is_garbage(&answered);
    retained_is_exact(&answered);
    paths_are_right(&answered, without_dwarf);
}

fn garbage_is_garbage(answered: &Answered) {
    let mut wrong = Vec::new();
    for told in &answered.honest.truth.objects {
        let reachable = answered.analysis.is_reachable(answered.object(told));
        if reachable != told.held {
            wrong.push(format!(
                "{:#x} {} {:?} {}: reachable {reachable}",
                told.address, told.ty, told.paths, told.only
            ));
        }
    }
    assert_none("garbage", &wrong);
}

fn retained_is_exact(answered: &Answered) {
    let (truth, analysis) = (&answered.honest.truth, &answered.analysis);
    let mut wrong = Vec::new();
    for (name, whole) in &truth.retained {
        let told: BTreeSet<ObjectId> = truth.only(name).map(|told| answered.object(told)).collect();
        let told: u64 = told.iter().map(|object| analysis.dump.size(*object)).sum();
        let roots = analysis.dump.roots().iter().zip(0u32..);
        let root = roots
            .into_iter()
            .find(|(root, _)| matches!(root.kind, RootKind::Global(_)) && *root.name == **name);
        let Some((_, root)) = root else {
            wrong.push(format!("no root {name}"));
            continue;
        };
        let retained = analysis.retained_by(NodeKind::Root(root));
        // Of maps and the like not every part is told.
        let right = match whole {
            true => retained == told,
            false => retained >= told && retained <= told * 8,
        };
        if !right {
            wrong.push(format!(
                "{name} retains {retained}, told {told}, whole: {whole}"
            ));
        }
    }
    assert!(truth.retained.len() > 40);
    assert_none("retained", &wrong);
}

fn paths_are_right(answered: &Answered, without_dwarf: bool) {
    let holders = Holders::of(&answered.analysis, &NoWatch).expect("holders");
    let mut wrong = Vec::new();
    let (mut judged, mut right) = (0, 0);
    // Who holds one of a block of tiny objects holds all of it.
    let mut tiny: BTreeMap<ObjectId, Vec<&Told>> = BTreeMap::new();
    for told in answered
        .honest
        .truth
        .objects
        .iter()
        .filter(|told| told.shape == Shape::Tiny)
    {
        tiny.entry(answered.object(told)).or_default().push(told);
    }
    for told in answered
        .honest
        .truth
        .objects
        .iter()
        .filter(|told| told.held)
    {
        let object = answered.object(told);
        let path = holders.path(object, None).map(|path| path.text());
        let Some(path) = path else {
            wrong.push(format!("{:#x} {}: no path", told.address, told.ty));
            continue;
        };
        judged += 1;
        let goroutine = told.only.strip_prefix("goroutine ");
        let owner = match (told.only.as_str(), goroutine) {
            // The call that has started it may be what holds it first.
            (_, Some(function)) => path.contains(function) || path.contains("(main.start"),
            ("finalizer", _) => path.contains("finalizer"),
            ("cleanup", _) => path.contains("cleanup"),
            (root, _) => plain(&path).starts_with(root),
        };
        // Without DWARF the types of variables are not known, nor what lies where in them.
        let at = without_dwarf
            || told.is_at(&plain(&path))
            || tiny
                .get(&object)
                .is_some_and(|others| others.iter().any(|o| o.is_at(&path)));
        if owner && at {
            right += 1;
        } else {
            wrong.push(format!(
                "{:#x} {} is told at {:?} {:?} {:?}, found at {path}",
                told.address, told.ty, told.paths, told.begins, told.only
            ));
        }
    }
    eprintln!("{right} of {judged} paths right");
    assert_none("paths", &wrong);
}

crate::for_every_version!(crate::paths::check, every: [with_dwarf, without_dwarf], whole: []);
