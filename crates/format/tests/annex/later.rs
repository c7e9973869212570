//! Annexes of later minor versions: what is new is listed by its own names, or passed over.

use goheap_format::annex::*;

use crate::hand::{self, Block, bytes, number};
use crate::read_whole;

const LATER: &str = "goheap annex 1.7\n";

#[test]
fn a_section_that_is_not_known_is_listed_by_its_own_columns() {
    let columns = vec![
        ("cgroup", 3, [bytes(b"web"), bytes(b"db")].concat()),
        ("limit", 6, vec![0, 1, 5]),
        ("odd", 99, vec![1, 2, 3]),
        ("on", 5, vec![1, 0]),
        ("id", 4, [bytes(&[0xff]), bytes(&[])].concat()),
    ];
    let mut block = Block::new("limits", 2, columns);
    block.more = vec![1, 2, 3];
    for storage in [0, 1] {
        block.storage = storage;
        let annex = hand::annex(LATER, &[block.encode()], 2);
        let lines = read_whole(&annex);
        assert_eq!(
            lines,
            [
                format!(
                    "limits {:?}",
                    [
                        Value::Text(b"web"),
                        Value::MaybeUint(None),
                        Value::Unknown,
                        Value::Bool(true),
                        Value::Bytes(&[0xff])
                    ]
                ),
                format!(
                    "limits {:?}",
                    [
                        Value::Text(b"db"),
                        Value::MaybeUint(Some(5)),
                        Value::Unknown,
                        Value::Bool(false),
                        Value::Bytes(&[])
                    ]
                ),
            ]
        );
    }
}

#[test]
fn a_known_section_with_more_columns_or_fewer_in_another_order() {
    let columns = vec![
        ("new", 1, number(77)),
        ("handle", 2, number(0x20)),
        ("newer", 42, vec![]),
    ];
    let block = Block::new("weakhandle", 1, columns);
    let annex = hand::annex(LATER, &[block.encode()], 1);
    let note = Note::WeakHandle(WeakHandle {
        object: 0,
        handle: 0x10,
    });
    assert_eq!(read_whole(&annex), [format!("{note:?}")]);
}

#[test]
fn rows_that_nobody_wants_are_not_looked_at() {
    // The one section is damaged inside, but its bytes are those that were written.
    let broken = Block::new("weakhandle", 3, vec![("object", 2, vec![0xff; 5])]);
    let columns = vec![("what", 3, bytes(b"x")), ("address", 2, number(2))];
    let gap = Block::new("gap", 1, columns);
    let annex = hand::annex(LATER, &[broken.encode(), gap.encode()], 4);
    let mut reader = AnnexReader::open(&annex[..], 0).unwrap().unwrap();
    assert_eq!(reader.version(), Version { major: 1, minor: 7 });
    let first = reader.next_block().unwrap().unwrap();
    assert_eq!(
        (first.kind(), first.row_count()),
        (Some(NoteKind::WeakHandle), 3)
    );
    let second = reader.next_block().unwrap().unwrap().rows().unwrap();
    let notes: Vec<_> = second.notes().unwrap().collect();
    let expected = Gap {
        what: b"x",
        address: 1,
        why: b"",
    };
    assert_eq!(notes, [Note::Gap(expected)]);
    assert!(reader.next_block().unwrap().is_none());
    assert!(first.rows().is_err());
}
