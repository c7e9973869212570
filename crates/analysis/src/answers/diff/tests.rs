use goheap_golang::Kind;

use super::super::by_hand::World;
use super::{Before, Diff, Sameness, Size};
use crate::NoWatch;

const HEAP: u64 = 0xc0_0000_0000;

/// A list of nodes, and strings of no type beside it.
fn world(nodes: u64, others: u64) -> World {
    let mut w = World::default();
    let int = w.ty("int", Kind::Int, 8, None);
    let node = w.ty("main.Node", Kind::Struct, 16, None);
    let pointer = w.ty("*main.Node", Kind::Pointer, 8, Some(node));
    w.field(node, "next", 0, pointer);
    w.field(node, "a", 8, int);
    // New ones are put in front.
    let mut next = 0;
    for n in 0..nodes {
        next = w.object(HEAP + n * 16, &[next, n], &[0]);
    }
    w.data.push(next);
    for n in 0..others {
        let other = w.object(HEAP + 0x10_0000 + n * 64, &[0; 8], &[]);
        w.data.push(other);
    }
    w.variable("main.list", 0, 1, Some(pointer));
    w
}

fn diff(a: &World, b: &World) -> Diff {
    let before = Before::of(&a.analysis(), &NoWatch).unwrap();
    before.diff(&b.analysis(), &NoWatch).unwrap()
}

fn with_collections(mut world: World, count: u64) -> World {
    let mut stats = goheap_format::MemStats {
        num_gc: count,
        ..super::super::ledger::tests::stats()
    };
    for n in 0..count {
        stats.pause_ns[n as usize] = 1000 + n;
    }
    world.mem_stats = Some(stats);
    world
}

#[test]
fn what_has_grown_is_told_by_type_holder_and_path() {
    let diff = diff(&world(10, 3), &world(25, 1));
    let [first, last] = &diff.types[..] else {
        panic!("{:?}", diff.types)
    };
    let size = |objects, bytes| Size { objects, bytes };
    assert_eq!(first.name, "main.Node");
    assert_eq!((first.before, first.after), (size(10, 160), size(25, 400)));
    assert_eq!((first.growth(), last.growth()), (240, -128));
    let list = diff
        .holders
        .iter()
        .find(|change| change.name == "main.list");
    assert_eq!(list.map(|list| list.growth()), Some(240));
    let paths: u64 = diff.paths.iter().map(|path| path.after.objects).sum();
    assert_eq!(paths, 25, "{:?}", diff.paths);
    assert!(diff.paths.iter().all(|path| path.class == "main.Node"
        && path.path.starts_with("main.list")
        && path.before.is_some()));
    assert_eq!(
        (diff.sameness, &diff.by_address),
        (Sameness::Unknown, &None)
    );
    assert!(!diff.is_empty());
}

#[test]
fn the_same_is_no_difference() {
    let a = world(10, 3);
    assert!(diff(&a, &a).is_empty());
    let a = with_collections(a, 3);
    let same = diff(&a, &a);
    assert!(same.is_empty(), "{same:?}");
    assert_eq!(same.by_address.unwrap().survived.objects, 13);
}

#[test]
fn of_one_process_new_objects_are_told_by_address() {
    let a = with_collections(world(10, 3), 3);
    let mut b = with_collections(world(25, 1), 4);
    // Where a node was is something else now.
    b.objects[2].2.clear();
    b.objects[2].1 = vec![b.objects[1].0, 2];
    b.objects[3].1[0] = b.objects[1].0;
    b.data.push(b.objects[2].0);
    let diff = diff(&a, &b);
    assert_eq!(diff.sameness, Sameness::Same);
    let by = diff.by_address.unwrap();
    // Nothing is known of what it is now, so it counts as the same.
    assert_eq!((by.survived.objects, by.gone.objects), (11, 2));
    assert_eq!((by.new.objects, by.new.bytes), (15, 240));
    assert_eq!(by.new_by_class[0].0, "main.Node");
    assert_eq!(by.new_by_class[0].1.objects, 15);
    assert_eq!(by.new_by_holder[0].0, "main.list");
    assert_eq!(by.new_by_holder[0].1.objects, 15);
    assert_eq!(self::diff(&b, &a).sameness, Sameness::Reversed);
}
