use super::super::by_hand::{Routine, World};
use super::{Clock, GoroutineOptions, Goroutines, Waited};
use crate::{Analysis, NoWatch, NodeKind, RootKind};
use goheap_golang::catalogue::Function;

const HEAP: u64 = 0xc0_0000_0000;

/// The first of [`world`] has deferred two calls, and the `g`s of the first and of a dead one lead to
/// such calls: [`DEFERS`], closures, and what those hold.
fn with_defers() -> World {
    let mut w = world();
    for n in 0..3 {
        let at = DEFERS + n * 0x100;
        let link = if n == 1 { at - 0x100 } else { 0 };
        w.object(at, &[at + 0x40, link], &[0, 1]);
        w.object(at + 0x40, &[0, at + 0x80], &[1]);
        w.object(at + 0x80, &[0; 8], &[]);
    }
    let mut lead = |g: usize, defer: u64| {
        let (_, words, pointers) = &mut w.objects[g];
        words[4] = defer;
        pointers.push(4 * 8);
    };
    lead(0, DEFERS + 0x100);
    // No record tells of it.
    lead(3, DEFERS + 0x200);
    w.routines[0].defers = [DEFERS + 0x100, DEFERS]
        .map(|defer| (defer, defer + 0x40))
        .into();
    w
}

/// Where with each 0x100 bytes a deferred call begins: of 16 bytes, with a closure of 16 bytes, and 64
/// that this holds.
const DEFERS: u64 = HEAP + 0x4000;

fn world() -> World {
    let mut w = World::default();
    w.runtime_layouts();
    for n in 0..4 {
        let g = w.object(
            HEAP + n * 64,
            &[0, 0, 0x10_0000, 0x10_2000, 0, 0, 0, 0],
            &[],
        );
        w.data.push(g);
    }
    // What the first alone holds, what the first two hold together, and what a variable holds.
    for (at, size) in [(0x1000, 16), (0x2000, 2), (0x3000, 4)] {
        w.object(HEAP + at, &vec![0; size], &[]);
    }
    w.data.push(HEAP + 0x3000);
    let routine = |n: u64, frame: Vec<u64>| Routine {
        g: HEAP + n * 64,
        id: n + 10,
        status: 4,
        reason: "chan receive (nil chan)",
        function: "main.worker",
        created_at: 0x40_0105,
        since: 1000 - n * 100,
        frame,
        ..Routine::default()
    };
    w.routines
        .push(routine(0, vec![HEAP + 0x1000, HEAP + 0x2000]));
    w.routines
        .push(routine(1, vec![HEAP + 0x2000, HEAP + 0x3000]));
    w.routines.push(Routine {
        reason: "sleep",
        function: "main.other",
        since: 0,
        system: true,
        ..routine(2, vec![])
    });
    for (entry, name) in [(0x40_0000, "main.main"), (0x40_0100, "main.serve")] {
        w.catalogue.functions.push(Function {
            entry,
            name: name.to_owned(),
            closure: None,
        });
    }
    w
}

#[test]
fn groups_have_what_they_alone_hold() {
    let analysis = world().analysis();
    let all = Goroutines::of(&analysis, GoroutineOptions::default(), &NoWatch).unwrap();
    assert_eq!((all.count, all.system), (3, 1));
    assert_eq!(all.stack_bytes, 3 * 0x2000);
    assert_eq!(all.clock, Clock::Youngest(1000));
    let [first, second] = &all.groups[..] else {
        panic!("{:?}", all.groups)
    };
    assert_eq!(first.goroutines, [0, 1]);
    assert_eq!(first.retained, (16 + 2) * 8);
    assert_eq!(first.stack_bytes, 0x4000);
    assert_eq!(first.created_by, [("main.serve".to_owned(), 2)]);
    assert_eq!(first.stack, ["main.worker"]);
    assert_eq!(first.leaked, 2);
    let waited = Waited {
        known: 2,
        longest: 100,
        median: 100,
    };
    assert_eq!(first.waited, Some(waited));
    assert_eq!(
        (second.retained, second.waited, second.system),
        (0, None, 1)
    );

    let options = GoroutineOptions { leaked: true };
    let leaked = Goroutines::of(&analysis, options, &NoWatch).unwrap();
    assert_eq!(leaked.groups.len(), 1);
    assert_eq!(leaked.groups[0].retained, (16 + 2) * 8);
}

#[test]
fn a_stack_that_cannot_be_is_as_large_as_its_frames() {
    let mut w = world();
    for (_, words, _) in &mut w.objects {
        if words.len() == 8 {
            words[2] = words[3] + 1;
        }
    }
    let all = Goroutines::of(&w.analysis(), GoroutineOptions::default(), &NoWatch).unwrap();
    assert_eq!(all.stack_bytes, 4 * 8);
}

/// How many objects can be reached.
fn reached(analysis: &Analysis) -> usize {
    (0..analysis.dump.object_count())
        .filter(|object| analysis.is_reachable(crate::ObjectId(*object)))
        .count()
}

#[test]
fn what_a_goroutine_deferred_is_held_by_it_alone() {
    let w = with_defers();
    let analysis = w.analysis();
    let before = world().analysis();
    let retained = |analysis: &Analysis| analysis.retained_by(NodeKind::Goroutine(0));
    // Its calls, closures and what these hold, twice.
    assert_eq!(retained(&analysis), retained(&before) + 2 * (16 + 16 + 64));
    assert_eq!(reached(&analysis), w.objects.len());
    // The `g` itself is held by what leads to all of them, and alone.
    let (g, _) = analysis.dump.find(HEAP).unwrap();
    assert_eq!(analysis.retained_by(NodeKind::Object(g)), 64);
    // A dead one has nobody else who leads to what it deferred.
    let (dead, _) = analysis.dump.find(HEAP + 3 * 64).unwrap();
    assert_eq!(
        analysis.retained_by(NodeKind::Object(dead)),
        64 + 16 + 16 + 64
    );
}

#[test]
fn without_a_record_the_pointer_of_a_g_counts() {
    let mut w = with_defers();
    w.routines[0].defers.clear();
    let analysis = w.analysis();
    assert_eq!(reached(&analysis), w.objects.len());
    let (g, _) = analysis.dump.find(HEAP).unwrap();
    assert_eq!(
        analysis.retained_by(NodeKind::Object(g)),
        64 + 2 * (16 + 16 + 64)
    );
    // Nor does one that is not the first of those that the `g` leads to.
    w.routines[0].defers.push((DEFERS, DEFERS + 0x40));
    let analysis = w.analysis();
    assert_eq!(reached(&analysis), w.objects.len());
    let (second, _) = analysis.dump.find(DEFERS + 0x100).unwrap();
    let own = analysis
        .dump
        .roots()
        .iter()
        .any(|root| root.kind == RootKind::Goroutine(0));
    assert!(own && analysis.is_reachable(second));
}
