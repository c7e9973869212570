//! What is written is read again.

use std::io::Write;

use goheap_format::annex::*;
use goheap_format::{SeekableWriter, StreamReader, open_stream};
use proptest::prelude::*;

use crate::{annex_of, hand, read_all, read_whole, with_annex};

#[derive(Debug, Clone)]
struct Seed {
    kind: usize,
    numbers: [u64; 10],
    texts: [Vec<u8>; 5],
    flag: bool,
}

fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift)
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn seed() -> impl Strategy<Value = Seed> {
    (
        0..NoteKind::ALL.len(),
        prop::array::uniform10(number()),
        [text(), text(), text(), text(), text()],
        any::<bool>(),
    )
        .prop_map(|(kind, numbers, texts, flag)| Seed {
            kind,
            numbers,
            texts,
            flag,
        })
}

impl Seed {
    fn note(&self) -> Note<'_> {
        let [a, b, c, d, e, f, g, h, i, _] = self.numbers;
        let [v, w, x, y, z] = &self.texts;
        match NoteKind::ALL[self.kind] {
            NoteKind::Program => Note::Program(Program {
                goheap_version: v,
                executable: w,
                go_build_id: x,
                gnu_build_id: y,
                main_package: z,
                main_version: v,
            }),
            NoteKind::Capture => Note::Capture(Capture {
                source: v,
                unix_ns: a,
                method: w,
                pause_ns: self.flag.then_some(b),
                stopped_ns: self.flag.then_some(e),
                tries: c,
                safe_moment: !self.flag,
                gaps: d,
                monotonic_ns: self.flag.then_some(f),
                pid: self.flag.then_some(a),
                started: self.flag.then_some(b),
                rss: self.flag.then_some(g),
                rss_anon: self.flag.then_some(a),
                passed_over: x,
                copied_in_pause: self.flag.then_some(c),
                copied: self.flag.then_some(d),
                extra: self.flag.then_some(e),
                left: y,
            }),
            NoteKind::Gap => Note::Gap(Gap {
                what: v,
                address: a,
                why: w,
            }),
            NoteKind::Module => Note::Module(Module {
                address: a,
                name: v,
                text: (b, c),
                data: (d, e),
                bss: (f, g),
                types: (h, i),
            }),
            NoteKind::Global => Note::Global(Global {
                address: a,
                size: b,
                name: v,
                ty: self.flag.then_some(c),
            }),
            NoteKind::Span => Note::Span(Span {
                base: a,
                bytes: b,
                elem_size: c,
                capacity: d,
                objects: e,
                span_class: f as u8,
                unswept: self.flag,
            }),
            NoteKind::Register => Note::Register(Register {
                thread: a,
                g: b,
                name: v,
                value: c,
            }),
            NoteKind::Cleanup => Note::Cleanup(Cleanup {
                object: a,
                closure: b,
                code: c,
            }),
            NoteKind::WeakHandle => Note::WeakHandle(WeakHandle {
                object: a,
                handle: b,
            }),
            NoteKind::Catalogue => Note::Catalogue(Catalogue {
                dwarf: self.flag,
                damaged: a,
                damage: v,
            }),
            NoteKind::GoType => Note::GoType(GoType {
                address: a,
                dwarf: self.flag,
                kind: b as u8,
                size: c,
                name: v,
                package: w,
                elem: self.flag.then_some(d),
                key: (!self.flag).then_some(e),
                slots: self.flag.then_some(f),
                len: g,
            }),
            NoteKind::TypeField => Note::TypeField(TypeField {
                of: a,
                name: v,
                offset: b,
                ty: c,
                embedded: self.flag,
            }),
            NoteKind::Function => Note::Function(Function {
                entry: a,
                name: v,
                closure: self.flag.then_some(b),
            }),
            NoteKind::FrameVariable => Note::FrameVariable(FrameVariable {
                function: a,
                from: b,
                to: c,
                name: v,
                ty: d,
                cfa_offset: match self.flag {
                    true => e.cast_signed(),
                    false => e.cast_signed().wrapping_neg(),
                },
            }),
            NoteKind::ItabType => Note::ItabType(ItabType { address: a, ty: b }),
            NoteKind::Constant => Note::Constant(Constant {
                address: a,
                bytes: v,
            }),
            NoteKind::Layout => Note::Layout(Layout {
                name: v,
                size: a,
                shape: b as u8,
                target: w,
                count: c,
            }),
            NoteKind::LayoutMember => Note::LayoutMember(LayoutMember {
                of: a,
                name: v,
                offset: b,
                type_name: w,
            }),
            NoteKind::Analysis => Note::Analysis(Analysis {
                version: a,
                until: b,
                checksum: c,
                no_annex: self.flag,
                objects: d,
                nodes: e,
                reachable: f,
                refused: g,
            }),
            NoteKind::Class => Note::Class(Class {
                what: a,
                number: b,
                pointers: c,
            }),
            NoteKind::CapturedLength => Note::CapturedLength(CapturedLength {
                function: a,
                offset: b,
                size: c,
            }),
            NoteKind::Dominated => Note::Dominated(Dominated {
                order: v,
                subtree: w,
            }),
            NoteKind::ObjectClass => Note::ObjectClass(ObjectClass { codes: v }),
        }
    }
}

/// One note of every kind.
pub(crate) fn one_of_each() -> Vec<Note<'static>> {
    const SEED: Seed = Seed {
        kind: 0,
        numbers: [1 << 40, 300, 3, 4, 5, 6, 7, 8, 9, 10],
        texts: [const { Vec::new() }; 5],
        flag: true,
    };
    let seed = |kind| Seed { kind, ..SEED };
    let seeds: Vec<Seed> = (0..NoteKind::ALL.len()).map(seed).collect();
    let seeds: &'static [Seed] = seeds.leak();
    seeds.iter().map(Seed::note).collect()
}

/// What is read is in the order of the sections, and within one in that of the notes.
fn check(notes: &[Note<'_>]) {
    let annex = annex_of(notes);
    let mut sorted = notes.to_vec();
    sorted.sort_by_key(Note::kind);
    let expected: Vec<String> = sorted.iter().map(|note| format!("{note:?}")).collect();
    assert_eq!(read_whole(&annex), expected);
    assert_eq!(hand::read(&annex).len(), notes.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_notes_at_all(seeds in prop::collection::vec(seed(), 0..60)) {
        let notes: Vec<Note<'_>> = seeds.iter().map(Seed::note).collect();
        check(&notes);
    }
}

#[test]
fn none() {
    check(&[]);
}

/// A heap of `count` spans.
fn spans(count: u64) -> Vec<Note<'static>> {
    let span = |i: u64| {
        let elem_size = [16, 48, 96, 1024][(i / 5 % 4) as usize];
        Note::Span(Span {
            base: 0xc0_0000_0000 + (i ^ 3) * 8192,
            bytes: 8192,
            elem_size,
            capacity: 8192 / elem_size,
            objects: (i * 7) % (8192 / elem_size),
            span_class: (i % 136) as u8,
            unswept: i.is_multiple_of(3),
        })
    };
    (0..count).map(span).collect()
}

#[test]
fn many_spans_are_many_blocks_and_few_bytes() {
    let spans = spans(200_000);
    check(&spans);
    let annex = annex_of(&spans);
    let blocks = annex
        .windows(5)
        .filter(|bytes| bytes == b"\x04span")
        .count();
    assert!(blocks >= 5, "{blocks}");
    assert!(annex.len() < 200_000 * 4, "{}", annex.len());
}

#[test]
fn more_than_may_wait_for_its_compression() {
    // Names of 200 KB, 80 MB of them, between other notes.
    let names: Vec<Vec<u8>> = (0..400u32)
        .map(|i| {
            (0..50_000)
                .flat_map(|j: u32| (i ^ j).to_le_bytes())
                .collect()
        })
        .collect();
    let mut notes = spans(1000);
    for (i, name) in (0..).zip(&names) {
        notes.insert(
            i,
            Note::Global(Global {
                address: i as u64,
                size: 8,
                name,
                ty: None,
            }),
        );
    }
    let annex = annex_of(&notes);
    let (_, error) = crate::read(&annex);
    assert!(error.is_none());
    let read = hand::read(&annex);
    assert_eq!(read.len(), 1400);
    for (i, line) in read.iter().take(400).enumerate() {
        assert!(line.starts_with(&format!("global address={i:#x} size=8 name=")));
    }
}

#[test]
fn a_text_that_is_too_long_is_cut_and_says_so() {
    let name = vec![b'x'; 1 << 20];
    let annex = annex_of(&[Note::Global(Global {
        address: 1,
        size: 2,
        name: &name,
        ty: None,
    })]);
    let read = hand::read(&annex);
    assert_eq!(read.len(), 1);
    assert!(
        read[0].ends_with("xxx... (cut) type=none"),
        "{}",
        read[0].len()
    );
    assert!(read[0].len() < 300 << 10);
}

#[test]
fn from_a_compressed_dump() {
    let notes = spans(1000);
    let dump = with_annex(&annex_of(&notes));
    let mut zst = SeekableWriter::new(Vec::new(), 1).unwrap();
    zst.write_all(&dump).unwrap();
    let zst = zst.finish().unwrap();
    let mut stream = StreamReader::new(open_stream(&zst[..]).unwrap()).unwrap();
    while stream.next_record().unwrap().is_some() {}
    let (lines, error) = read_all(AnnexReader::behind(&mut stream));
    assert!(error.is_none());
    assert_eq!(lines.len(), 1000);
}
