use goheap_golang::Kind;

use super::super::by_hand::{Routine, World};
use super::super::top::{By, top};
use super::super::unknown::stored_apart;
use super::{CheckError, Limit, Subject, check};
use crate::NoWatch;
use crate::types::{MapPart, What};

const HEAP: u64 = 0xc0_0000_0000;

fn world() -> World {
    let mut w = World::default();
    w.runtime_layouts();
    let int = w.ty("int", Kind::Int, 8, None);
    let node = w.ty("main.Node", Kind::Struct, 16, None);
    let pointer = w.ty("*main.Node", Kind::Pointer, 8, Some(node));
    w.field(node, "next", 0, pointer);
    w.field(node, "a", 8, int);
    w.ty("main.Unused", Kind::Struct, 16, None);
    let second = w.object(HEAP + 0x100, &[0, 1], &[0]);
    let first = w.object(HEAP, &[second, 1], &[0]);
    w.object(HEAP + 0x300, &[0; 10], &[]);
    w.data = vec![first, 0];
    w.variable("main.list", 0, 1, Some(pointer));
    w.variable("main.empty", 1, 1, Some(pointer));
    w.routines.push(Routine {
        id: 7,
        status: 4,
        reason: "chan receive (nil chan)",
        function: "main.stuck",
        ..Routine::default()
    });
    w.routines.push(Routine {
        id: 8,
        status: 4,
        reason: "sleep",
        system: true,
        ..Routine::default()
    });
    w
}

fn found(subject: Subject) -> Result<u64, CheckError> {
    let limit = Limit { subject, most: 1 };
    let outcomes = check(&world().analysis(), &[limit], &NoWatch)?;
    assert_eq!(outcomes[0].holds(), outcomes[0].found <= 1);
    Ok(outcomes[0].found)
}

#[test]
fn what_there_is_is_found() {
    let name = |name: &str| name.to_owned();
    for (subject, expected) in [
        (Subject::Type(name("main.Node")), 2),
        (Subject::TypeBytes(name("main.Node")), 32),
        (Subject::Type(name("main.Unused")), 0),
        (Subject::Retained(name("main.list")), 32),
        (Subject::Retained(name("main.empty")), 0),
        (Subject::Retained(name("main")), 32),
        (Subject::Retained(format!("{:#x}", HEAP + 0x104)), 16),
        (Subject::Retained(name("0x10")), 0),
        (Subject::Goroutines, 1),
        (Subject::LeakedGoroutines, 1),
        (Subject::Heap, 32),
        (Subject::Objects, 2),
        (Subject::Garbage, 80),
    ] {
        assert_eq!(found(subject.clone()), Ok(expected), "{subject}");
    }
}

#[test]
fn what_the_program_does_not_have_holds_no_limit() {
    let text = |subject| found(subject).unwrap_err().to_string();
    assert_eq!(
        text(Subject::Type("node".to_owned())),
        "the program has no type node; there is main.Node"
    );
    assert_eq!(
        text(Subject::Type("main.Gone".to_owned())),
        "the program has no type main.Gone"
    );
    assert_eq!(
        text(Subject::Retained("List".to_owned())),
        "the program has no variable or package List; there is main.list"
    );
    let mut w = world();
    w.catalogue = Default::default();
    let analysis = w.analysis();
    for (subject, word) in [
        (Subject::Type("main.Node".to_owned()), "--exe"),
        (Subject::LeakedGoroutines, "layouts"),
    ] {
        let limit = Limit { subject, most: 1 };
        let error = check(&analysis, &[limit], &NoWatch).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn what_lies_in_blocks_is_not_counted_and_what_is_unknown_is_told() {
    let tiny = found(Subject::TypeBytes("int".to_owned())).unwrap_err();
    let name = "int".to_owned();
    assert_eq!(tiny, CheckError::Tiny { name, size: 8 });
    let mut w = world();
    let no_type = w.object(HEAP + 0x400, &[0; 10], &[]);
    w.data.push(no_type);
    let limits = [
        Subject::Type("main.Unused".to_owned()),
        Subject::Type("unknown, 80 B, no pointers".to_owned()),
        Subject::Heap,
    ]
    .map(|subject| Limit {
        subject,
        most: 9999,
    });
    let outcomes = check(&w.analysis(), &limits, &NoWatch).unwrap();
    let told: Vec<(u64, u64, u64)> = outcomes
        .iter()
        .map(|outcome| {
            let unknown = outcome.unknown;
            (outcome.found, unknown.objects, unknown.bytes)
        })
        .collect();
    assert_eq!(told, [(0, 1, 80), (1, 1, 80), (112, 0, 0)]);
    let what = |text: &str| super::super::what::what(&w.analysis(), text);
    assert!(what("unknown, 80 B, no pointers").is_ok());
    assert!(what("main.Node  (a guess)").is_ok());
    let error = what("main.Unused").unwrap_err().to_string();
    assert!(
        error.ends_with("1 object (80 B) is of unknown type"),
        "{error}"
    );
    assert!(
        what("int")
            .unwrap_err()
            .to_string()
            .contains("(8 B, no pointers)")
    );
}

#[test]
fn what_a_map_stores_apart_is_of_its_type_too() {
    let mut w = World::default();
    let large = w.ty("main.Large", Kind::Struct, 200, None);
    let map = w.ty("map[int]main.Large", Kind::Map, 8, Some(large));
    let class = |part| crate::types::Class {
        what: What::MapPart(map, part),
        name: "of a map".to_owned(),
        package: String::new(),
    };
    let of = |part| stored_apart(&w.catalogue, &class(part));
    assert_eq!(of(MapPart::Elem), Some("main.Large"));
    assert_eq!((of(MapPart::Key), of(MapPart::Groups)), (None, None));
}

#[test]
fn without_roots_nothing_can_be_checked() {
    let w = world();
    assert!(w.dump().is_whole());
    let dump = w.cut(8);
    assert!(!dump.is_whole() && dump.roots_are_missing());
    let analysis = crate::Analysis::of(dump, &NoWatch).unwrap();
    for subject in [Subject::Garbage, Subject::Heap, Subject::Goroutines] {
        let limit = Limit { subject, most: 1 };
        let outcomes = check(&analysis, &[limit], &NoWatch);
        assert_eq!(outcomes, Err(CheckError::NoRoots));
    }
    let by = [By::Type, By::Size, By::Root, By::Object];
    let top = top(&analysis, &by, 10, &NoWatch).unwrap();
    assert!(top.roots_missing);
    let counted = |n: usize| top.tables[n].rows.iter().map(|row| row.count).sum::<u64>();
    assert_eq!([0, 1, 2, 3].map(counted), [3, 3, 0, 0]);
}
