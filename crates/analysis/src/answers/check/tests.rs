use goheap_golang::Kind;

use super::super::by_hand::{Routine, World};
use super::{CheckError, Limit, Subject, check};
use crate::NoWatch;

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
