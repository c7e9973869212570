//! `docs/annex.md` holds: its example is what is written, and is read by hand as it says.

use goheap_format::annex::{Gap, Note, NoteKind, WeakHandle};

use crate::{annex_of, hand, read_whole};

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/annex.md");
    std::fs::read_to_string(path).expect("the description")
}

/// The bytes of the page's example: lines of an offset, `|`, bytes in hexadecimal, `|`, words.
fn example(page: &str) -> Vec<u8> {
    let lines = page.lines().filter_map(|line| {
        let mut parts = line.split('|').map(str::trim);
        let (offset, bytes) = (parts.next()?, parts.next()?);
        Some((offset.parse::<usize>().ok()?, bytes))
    });
    let mut all = Vec::new();
    for (offset, bytes) in lines {
        assert_eq!(offset, all.len(), "offsets of the example");
        let bytes = bytes.split_whitespace();
        all.extend(bytes.map(|byte| u8::from_str_radix(byte, 16).expect("a byte")));
    }
    all
}

#[test]
fn the_example_is_what_is_written_and_read() {
    let example = example(&page());
    assert!(example.len() > 100, "{}", example.len());
    let rows = [
        "gap what=a span address=0xc000102000 why=torn",
        "weakhandle object=0xc000010020 handle=0xc000014008",
        "weakhandle object=0xc000010010 handle=0xc000014010",
    ];
    assert_eq!(hand::read(&example), rows);
    let notes = [
        Note::WeakHandle(WeakHandle {
            object: 0xc0_0001_0020,
            handle: 0xc0_0001_4008,
        }),
        Note::Gap(Gap {
            what: b"a span",
            address: 0xc0_0010_2000,
            why: b"torn",
        }),
        Note::WeakHandle(WeakHandle {
            object: 0xc0_0001_0010,
            handle: 0xc0_0001_4010,
        }),
    ];
    let written = annex_of(&notes);
    assert_eq!(written, example, "{written:02x?}");
    let mut said: Vec<String> = notes.iter().map(|note| format!("{note:?}")).collect();
    said.swap(0, 1);
    assert_eq!(read_whole(&example), said);
}

#[test]
fn every_section_is_described_with_its_columns() {
    let page = page();
    for kind in NoteKind::ALL {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", kind.name())))
            .unwrap_or_else(|| panic!("{} is not described", kind.name()));
        let columns: Vec<&str> = kind.columns().iter().map(|(name, _)| *name).collect();
        let described: Vec<&str> = row.split('`').skip(3).step_by(2).collect();
        assert_eq!(described, columns, "{}", kind.name());
    }
}
