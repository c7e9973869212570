//! What is written is read again, from memory and from streams that come in pieces, and what is
//! read is written again byte for byte.

mod common;

use std::io::{self, Read};

use common::{encode, every_kind, memstats};
use goheap_format::{
    AllocSample, Arch, Defer, Fields, Finalizer, Goroutine, Header, Itab, MemProf, Object,
    OsThread, OtherRoot, Panic, Params, ProfFrame, Reader, Record, Segment, StackFrame, Start,
    StreamReader, TypeDescriptor, WriteError, Writer,
};
use proptest::prelude::*;

/// Gives `step` bytes at a time at most, and is interrupted before each.
struct Pieces<'a>(&'a [u8], usize, bool);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.2 = !self.2;
        if self.2 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.1.min(out.len()).min(self.0.len());
        out[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

fn check(header: Header, records: &[Record<'_>]) {
    let dump = encode(header, records);
    let mut reader = Reader::new(&dump).unwrap();
    assert_eq!(reader.header(), header);
    let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(read, records);
    assert_eq!(reader.position(), dump.len() as u64);
    assert_eq!(reader.trailing(), Some(&[][..]));
    assert_eq!(encode(header, &read), dump);

    for step in [1, 7, 4096, usize::MAX] {
        let mut stream = StreamReader::new(Pieces(&dump, step, false)).unwrap();
        let mut again = Reader::new(&dump).unwrap();
        while let Some(record) = stream.next_record().unwrap() {
            assert_eq!(Some(record), again.next_record().unwrap());
            use goheap_format::RecordSource as _;
            assert_eq!(stream.offset(), again.offset());
            assert_eq!(stream.position(), again.position());
        }
        assert_eq!(again.next_record().unwrap(), None);
    }
}

#[test]
fn one_of_every_kind() {
    check(Header::Go17, &every_kind());
}

#[test]
fn the_old_formats_have_a_number_for_the_architecture() {
    let mut records = every_kind();
    let Record::Params(params) = &mut records[0] else {
        panic!("params come first")
    };
    params.arch = Arch::Code(u64::from(b'6'));
    check(Header::Go15, &records);
    check(Header::Go16, &records);

    let mut writer = Writer::new(Vec::new());
    assert!(matches!(writer.write(&records[0]), Err(WriteError::Arch)));
    assert!(matches!(
        writer.write(&Record::Eof),
        Err(WriteError::Failed)
    ));
    assert!(matches!(writer.finish(), Err(WriteError::Failed)));
}

#[test]
fn the_very_bytes() {
    let records = [
        Record::Object(Object {
            address: 0xc0_0000_0080,
            contents: &[9, 8, 7, 6, 5, 4, 3, 2],
            fields: Fields::Bits {
                bits: &[1],
                len: 1,
                word: 8,
            },
        }),
        Record::Eof,
    ];
    let dump = encode(Header::Go17, &records);
    assert_eq!(
        dump[Header::LEN..],
        [
            1, 0x80, 0x81, 0x80, 0x80, 0x80, 0x18, 8, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0
        ]
    );
    assert_eq!(&dump[..Header::LEN], b"go1.7 heap dump\n");
}

#[test]
fn what_trails_the_eof_record_is_at_hand() {
    let mut dump = encode(Header::Go17, &every_kind());
    let end = dump.len() as u64;
    dump.extend((0..600_000u32).map(|i| i as u8));
    let trailing = &dump[end as usize..];

    let mut reader = Reader::new(&dump).unwrap();
    assert_eq!(reader.trailing(), None);
    assert!(reader.by_ref().all(|record| record.is_ok()));
    assert_eq!(reader.position(), end);
    assert_eq!(reader.trailing(), Some(trailing));

    use goheap_format::RecordSource as _;
    let mut stream = StreamReader::new(Pieces(&dump, 100_000, false)).unwrap();
    while stream.next_record().unwrap().is_some() {}
    assert_eq!(stream.position(), end);
    assert_eq!(stream.trailing_len().unwrap(), 600_000);
    assert_eq!(stream.position(), end);

    let mut stream = StreamReader::new(Pieces(&dump, 100_000, false)).unwrap();
    while stream.next_record().unwrap().is_some() {}
    let mut rest = Vec::new();
    let mut input = stream.into_trailing().unwrap();
    input.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, trailing);
}

#[test]
fn a_record_is_found_again_by_its_offset() {
    let dump = encode(Header::Go17, &every_kind());
    let mut reader = Reader::new(&dump).unwrap();
    let fresh = reader.clone();
    while let Some(record) = reader.next_record().unwrap() {
        assert_eq!(fresh.record_at(reader.offset()).unwrap(), record);
    }
    for nowhere in [dump.len() as u64, 1 << 40, u64::MAX] {
        assert!(fresh.record_at(nowhere).is_err());
    }
}

#[test]
fn contents_of_any_length_whole_or_in_pieces() {
    for len in [0, 1, 65_535, 65_536, 524_287, 524_288, 524_289, 3_000_000] {
        let contents: Vec<u8> = (0..len).map(|i: u32| (i >> 3) as u8).collect();
        let bits = vec![0x81; contents.len() / 64 + 1];
        let fields = Fields::Bits {
            bits: &bits,
            len: contents.len() / 8,
            word: 8,
        };
        let segment = Segment {
            address: 0xc0_0000_0000,
            contents: &contents,
            fields,
        };
        let records = [
            Record::Object(Object {
                address: segment.address,
                contents: &contents,
                fields,
            }),
            Record::Data(segment.clone()),
            Record::Bss(segment),
            Record::Eof,
        ];
        check(Header::Go17, &records);

        let mut writer = Writer::new(Vec::new());
        for what in [Start::Object, Start::Data, Start::Bss] {
            writer.start(what, 0xc0_0000_0000, u64::from(len)).unwrap();
            for piece in contents.chunks(70_000) {
                writer.contents(piece).unwrap();
            }
            writer.end(&fields).unwrap();
        }
        writer.write(&Record::Eof).unwrap();
        assert_eq!(writer.finish().unwrap(), encode(Header::Go17, &records));
    }
}

/// Owns what a record borrows, so that records can be generated.
#[derive(Debug, Clone)]
struct Seed {
    kind: u8,
    numbers: Vec<u64>,
    bytes: [Vec<u8>; 2],
    flags: [bool; 2],
    bits: Vec<u8>,
    offsets: Vec<u64>,
    form: u8,
    frames: Vec<(Vec<u8>, Vec<u8>, u64)>,
}

/// Numbers of every length, not only long ones.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift)
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn seed() -> impl Strategy<Value = Seed> {
    (
        1..18u8,
        prop::collection::vec(number(), 9),
        (prop::collection::vec(any::<u8>(), 0..300), text()),
        any::<[bool; 2]>(),
        prop::collection::vec(any::<u8>(), 0..20),
        prop::collection::vec(number(), 0..12),
        0..3u8,
        prop::collection::vec((text(), text(), number()), 0..4),
    )
        .prop_map(
            |(kind, numbers, bytes, flags, bits, offsets, form, frames)| Seed {
                kind,
                numbers,
                bytes: bytes.into(),
                flags,
                bits,
                offsets,
                form,
                frames,
            },
        )
}

impl Seed {
    fn fields(&self) -> Fields<'_> {
        match self.form {
            0 => Fields::Offsets(&self.offsets),
            1 => Fields::Bits {
                bits: &self.bits,
                len: (self.bits.len() * 8).saturating_sub(usize::from(self.flags[0]) * 5),
                word: if self.flags[1] { 8 } else { 4 },
            },
            _ => Fields::Wire(&[1, 0, 2, 8, 3, 0x90, 1, 0]),
        }
    }

    fn record(&self) -> Record<'_> {
        let [a, b, c, d, e, f, g, h, i] = self.numbers[..] else {
            panic!("nine numbers are generated")
        };
        let contents = &self.bytes[0][..];
        let text = &self.bytes[1][..];
        let [flag, flag2] = self.flags;
        let fields = self.fields();
        let segment = Segment {
            address: a,
            contents,
            fields,
        };
        let finalizer = Finalizer {
            object: a,
            closure: b,
            code: c,
            argument_type: d,
            object_type: e,
        };
        match self.kind {
            1 => Record::Object(Object {
                address: a,
                contents,
                fields,
            }),
            2 => Record::OtherRoot(OtherRoot {
                description: text,
                target: a,
            }),
            3 => Record::Type(TypeDescriptor {
                address: a,
                size: b,
                name: text,
                indirect: flag,
            }),
            4 => Record::Goroutine(Goroutine {
                address: a,
                sp: b,
                id: c,
                created_at: d,
                status: e,
                system: flag,
                background: flag2,
                waiting_since: f,
                wait_reason: text,
                context: g,
                m: h,
                defers: i,
                panics: a,
            }),
            5 => Record::StackFrame(StackFrame {
                sp: a,
                depth: b,
                child_sp: c,
                contents,
                entry: d,
                pc: e,
                continue_pc: f,
                function: text,
                fields,
            }),
            6 => Record::Params(Params {
                big_endian: flag,
                pointer_size: a,
                heap_start: b,
                heap_end: c,
                arch: Arch::Name(text),
                go_version: contents,
                ncpu: d,
            }),
            7 => Record::Finalizer(finalizer),
            8 => Record::Itab(Itab {
                address: a,
                concrete_type: b,
            }),
            9 => Record::OsThread(OsThread {
                address: a,
                id: b,
                os_id: c,
            }),
            10 => Record::MemStats(Box::new(memstats(|n| a.rotate_left(n as u32) >> (b % 64)))),
            11 => Record::QueuedFinalizer(finalizer),
            12 => Record::Data(segment),
            13 => Record::Bss(segment),
            14 => Record::Defer(Defer {
                address: a,
                g: b,
                sp: c,
                pc: d,
                closure: e,
                code: f,
                link: g,
            }),
            15 => Record::Panic(Panic {
                address: a,
                g: b,
                value_type: c,
                value_data: d,
                defer: e,
                link: f,
            }),
            16 => Record::MemProf(MemProf {
                bucket: a,
                size: b,
                stack: self
                    .frames
                    .iter()
                    .map(|(function, file, line)| ProfFrame {
                        function,
                        file,
                        line: *line,
                    })
                    .collect(),
                allocs: c,
                frees: d,
            }),
            _ => Record::AllocSample(AllocSample {
                object: a,
                bucket: b,
            }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_records_at_all(seeds in prop::collection::vec(seed(), 0..40)) {
        let mut records: Vec<_> = seeds.iter().map(Seed::record).collect();
        records.push(Record::Eof);
        check(Header::Go17, &records);
    }
}
