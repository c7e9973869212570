//! A dump against its annex: what `verify` tells.

use goheap_format::annex::*;
use goheap_format::verify::{Verdict, verify};
use goheap_format::{Header, Reader, Record, Segment, StreamReader};

use crate::common::{encode, every_kind};
use crate::{annex_of, start, with_annex};

/// Of the dump of every kind, whose two objects of 16 bytes are at 0xc000001000.
const SPAN: Span = Span {
    base: 0xc0_0000_0000,
    bytes: 8192,
    elem_size: 16,
    capacity: 512,
    objects: 2,
    span_class: 4,
    unswept: false,
};

fn verdict(dump: &[u8]) -> (Verdict, Vec<String>) {
    let verdict = verify(Reader::new(dump).unwrap());
    let streamed = verify(StreamReader::new(dump).unwrap());
    assert_eq!(verdict.problem_count, streamed.problem_count);
    assert_eq!(verdict.trailing, streamed.trailing);
    assert_eq!(
        verdict.annex_error.as_ref().map(ToString::to_string),
        streamed.annex_error.as_ref().map(ToString::to_string)
    );
    let problems = verdict.problems.iter().map(ToString::to_string).collect();
    (verdict, problems)
}

fn problems(spans: &[Span]) -> Vec<String> {
    let notes: Vec<Note<'_>> = spans.iter().map(|span| Note::Span(*span)).collect();
    let (verdict, problems) = verdict(&with_annex(&annex_of(&notes)));
    assert_eq!(verdict.is_sound(), problems.is_empty());
    problems
}

#[test]
fn objects_in_their_spans() {
    let other = Span {
        base: 0xc0_0000_2000,
        objects: 0,
        ..SPAN
    };
    assert_eq!(problems(&[other, SPAN]), [""; 0]);
    // Where the block is, and where the object's record is.
    let annex = start() + "goheap annex 1.0\n".len() as u64;
    let dump = with_annex(&[]);
    let mut reader = Reader::new(&dump).unwrap();
    let object = loop {
        if let Record::Object(_) = reader.next_record().unwrap().unwrap() {
            break reader.offset();
        }
    };
    assert_eq!(
        problems(&[Span { objects: 3, ..SPAN }]),
        [format!(
            "byte {annex}: the annex: the span at 0xc000000000 has 3 objects, but the dump has 2 of \
             them"
        )]
    );
    assert_eq!(
        problems(&[other]),
        [format!(
            "byte {object}: object record: the object at 0xc000001000 is in no span that the annex \
             tells of"
        )]
    );
    let none_of = |elem_size: u64, capacity: u64, base: u64| {
        format!(
            "byte {object}: object record: the object of 16 bytes at 0xc000001000 is none of the \
             {capacity} of {elem_size} bytes in the span at {base:#x}, as the annex tells of that"
        )
    };
    for span in [
        Span {
            elem_size: 32,
            capacity: 256,
            ..SPAN
        },
        Span {
            elem_size: 8,
            ..SPAN
        },
        Span {
            capacity: 257,
            ..SPAN
        },
        Span {
            base: SPAN.base + 8,
            ..SPAN
        },
    ] {
        let told = problems(&[span]);
        assert_eq!(told, [none_of(span.elem_size, span.capacity, span.base)]);
    }
    let twice = problems(&[
        SPAN,
        Span {
            base: SPAN.base + 4096,
            objects: 0,
            ..SPAN
        },
    ]);
    assert!(
        twice[0].ends_with("the span at 0xc000001000 overlaps another one"),
        "{twice:?}"
    );
    let long = problems(&[Span {
        capacity: 513,
        ..SPAN
    }]);
    assert!(
        long[0].contains("cannot have 513 objects of 16"),
        "{long:?}"
    );
}

#[test]
fn what_the_capture_told_is_told_and_no_problem() {
    let gap = Gap {
        what: b"a span",
        address: 0xc0_0000_2000,
        why: b"torn",
    };
    let capture = Capture {
        source: b"process 1",
        unix_ns: 1,
        method: b"stop",
        pause_ns: None,
        stopped_ns: None,
        tries: 3,
        safe_moment: false,
        gaps: 5,
        monotonic_ns: None,
        pid: None,
        started: None,
        rss: None,
        rss_anon: None,
        passed_over: b"",
        copied_in_pause: None,
        copied: None,
        extra: None,
        left: b"",
    };
    let notes = [Note::Gap(gap), Note::Capture(capture), Note::Span(SPAN)];
    let (verdict, problems) = verdict(&with_annex(&annex_of(&notes)));
    assert_eq!(problems, [""; 0]);
    assert!(verdict.is_sound());
    let digest = verdict.annex.unwrap();
    assert_eq!(digest.gap_count(), 5);
    assert_eq!(digest.gaps.len(), 1);
    assert_eq!(digest.gaps[0].why, b"torn");
    assert_eq!(digest.capture.unwrap().tries, 3);
    assert_eq!(digest.sections.len(), 3);
}

#[test]
fn an_annex_that_is_damaged_and_what_is_none() {
    let annex = annex_of(&[Note::Span(SPAN)]);
    let (damaged, _) = verdict(&with_annex(&annex[..annex.len() - 1]));
    assert!(!damaged.is_sound());
    assert!(damaged.annex_error.is_some());
    let (other, _) = verdict(&with_annex(b"something else"));
    assert!(other.is_sound() && other.annex.is_none());
    assert_eq!(other.trailing, 14);
    let (none, _) = verdict(&with_annex(b""));
    assert!(none.is_sound() && none.annex.is_none());
    let (behind, told) = verdict(&with_annex(&[&annex[..], b"!"].concat()));
    let end = start() + annex.len() as u64;
    assert_eq!(
        told,
        [format!(
            "byte {end}: the annex: ends here, and 1 bytes follow"
        )]
    );
    assert_eq!(behind.trailing, annex.len() as u64 + 1);
    let captures = [Note::Capture(Capture {
        source: b"",
        unix_ns: 0,
        method: b"",
        pause_ns: None,
        stopped_ns: None,
        tries: 0,
        safe_moment: true,
        gaps: 0,
        monotonic_ns: None,
        pid: None,
        started: None,
        rss: None,
        rss_anon: None,
        passed_over: b"",
        copied_in_pause: None,
        copied: None,
        extra: None,
        left: b"",
    }); 2];
    let (_, told) = verdict(&with_annex(&annex_of(&captures)));
    assert!(
        told[0].ends_with("more than one row in the section capture"),
        "{told:?}"
    );
}

#[test]
fn segments_of_several_modules_do_not_overlap() {
    let mut records = every_kind();
    let at = records
        .iter()
        .position(|record| matches!(record, Record::Data(_)))
        .unwrap();
    let segment = |address| {
        Record::Data(Segment {
            address,
            contents: &[5; 32],
            fields: goheap_format::Fields::NONE,
        })
    };
    records.insert(at, segment(0x7f00_0000_0000));
    let dump = encode(Header::Go17, &records);
    let (sound, problems) = verdict(&dump);
    assert!(sound.is_sound(), "{problems:?}");
    records.insert(at, segment(0x7f00_0000_0010));
    let (_, problems) = verdict(&encode(Header::Go17, &records));
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].ends_with("the segment at 0x7f0000000000 overlaps the one at 0x7f0000000010"),
        "{problems:?}"
    );
}
