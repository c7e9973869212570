use goheap_golang::Kind;

use super::*;
use crate::NoWatch;
use crate::answers::by_hand::{DATA, World};
use crate::answers::goroutines::GoroutineOptions;

const HEAP: u64 = 0xc0_0000_0000;

/// Words of a large object: 32 KiB.
const LARGE: usize = 4096;

fn suspects(world: &World) -> Suspects {
    let analysis = world.analysis();
    let goroutines = Goroutines::of(&analysis, GoroutineOptions::default(), &NoWatch).unwrap();
    Suspects::of(&analysis, &goroutines, None, &NoWatch).unwrap()
}

/// As a page says it.
fn said(sentence: &Sentence) -> String {
    sentence
        .iter()
        .map(|part| match part {
            Part::Text(text) => (*text).to_owned(),
            Part::Name { name, .. } => name.text.clone(),
            Part::Bytes(n) => format!("{n} B"),
            Part::Count(n) => n.to_string(),
            Part::Share { part, all } => format!("{} %", 100 * part / all),
        })
        .collect()
}

/// A world with a type `main.Large` and the pointer to it.
fn world() -> (
    World,
    goheap_golang::catalogue::TypeId,
    goheap_golang::catalogue::TypeId,
) {
    let mut world = World::default();
    let large = world.ty("main.Large", Kind::Struct, LARGE as u64 * 8, None);
    let pointer = world.ty("*main.Large", Kind::Pointer, 8, Some(large));
    world.field(large, "next", 0, pointer);
    (world, large, pointer)
}

fn at(number: u64) -> u64 {
    HEAP + number * LARGE as u64 * 8
}

#[test]
fn a_list_is_one_holder_of_many() {
    let (mut world, _, pointer) = world();
    for number in 0..20 {
        let mut words = vec![0; LARGE];
        words[0] = if number < 19 { at(number + 1) } else { 0 };
        world.object(at(number), &words, &[0]);
    }
    world.data = vec![at(0)];
    world.variable("main.head", 0, 1, Some(pointer));
    let suspects = suspects(&world);
    assert_eq!(suspects.verdict(), None);
    let [found] = &suspects.found[..] else {
        panic!("{suspects:?}");
    };
    assert_eq!(
        said(&suspects.sentence(found)),
        "main.head holds 100 % of the heap (655360 B): 20 main.Large, mostly through (.next…)"
    );
    assert_eq!(found.ask, Some(Ask::Why("0xc000000000".to_owned())));
}

#[test]
fn what_is_spread_over_the_program_is_told_by_its_type() {
    let (mut world, _, pointer) = world();
    for number in 0..20 {
        world.object(at(number), &[0; LARGE], &[0]);
        world.data.push(at(number));
        let name = format!("example.com/p{}.last", number / 2);
        let name = match number % 2 {
            0 => name,
            _ => format!("{name}But1"),
        };
        world.variable(&name, number, 1, Some(pointer));
    }
    let suspects = suspects(&world);
    let [found] = &suspects.found[..] else {
        panic!("{suspects:?}");
    };
    assert_eq!(found.kind, SuspectKind::Type);
    let said = said(&suspects.sentence(found));
    assert!(
        said.starts_with(
            "20 main.Large hold 100 % of the heap (655360 B), and no single thing holds them all; the \
             largest part is held by example.com/p0.last"
        ),
        "{said}"
    );
}

#[test]
fn nothing_stands_out_of_a_small_heap() {
    let (mut world, _, pointer) = world();
    for number in 0..3 {
        world.object(at(number), &[0; LARGE], &[0]);
        world.data.push(at(number));
        world.variable(&format!("main.v{number}"), number, 1, Some(pointer));
    }
    let suspects = suspects(&world);
    assert!(suspects.found.is_empty());
    let verdict = said(&suspects.verdict().unwrap());
    assert!(verdict.starts_with("Nothing stands out"), "{verdict}");
    // The largest for all that: of equals the first.
    let largest = suspects.largest.as_ref().unwrap();
    assert_eq!(largest.name.text, "main.v0");
    assert_eq!(largest.bytes, 32768);
}

#[test]
fn without_roots_nothing_is_told() {
    let (mut world, _, pointer) = world();
    world.object(at(0), &[0; LARGE], &[0]);
    world.data = vec![at(0)];
    world.variable("main.v", 0, 1, Some(pointer));
    let analysis = Analysis::of(world.cut(12), &NoWatch).unwrap();
    let goroutines = Goroutines::of(&analysis, GoroutineOptions::default(), &NoWatch).unwrap();
    let suspects = Suspects::of(&analysis, &goroutines, None, &NoWatch).unwrap();
    assert!(suspects.roots_missing && suspects.found.is_empty() && suspects.largest.is_none());
    let verdict = said(&suspects.verdict().unwrap());
    assert!(verdict.starts_with("Where roots are"), "{verdict}");
}

/// A chain as long as the dump likes, of two classes in turn, each of which holds all the rest.
#[test]
fn how_deep_things_lie_is_no_matter() {
    let mut world = World::default();
    let [a, b] = ["main.A", "main.B"].map(|name| world.ty(name, Kind::Struct, 64, None));
    let [to_a, to_b] = [("*main.A", a), ("*main.B", b)]
        .map(|(name, ty)| world.ty(name, Kind::Pointer, 8, Some(ty)));
    world.field(a, "b", 0, to_b);
    world.field(b, "a", 0, to_a);
    const COUNT: u64 = 30_000;
    for number in 0..COUNT {
        let next = match number + 1 {
            COUNT => 0,
            next => HEAP + next * 64,
        };
        world.object(HEAP + number * 64, &[next, 0, 0, 0, 0, 0, 0, 0], &[0]);
    }
    world.data = vec![HEAP];
    world.variable("main.a", 0, 1, Some(to_a));
    assert_eq!(world.catalogue.variables[0].address, DATA);
    let suspects = suspects(&world);
    let said = said(&suspects.sentence(&suspects.found[0]));
    assert_eq!(
        said,
        "main.a holds 100 % of the heap (1920000 B): 15000 main.A, mostly through (.b.a…)"
    );
}
