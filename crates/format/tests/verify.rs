//! What is called a problem, where it is said to be, and that what is sound has none.

mod common;

use std::io::{self, Read};

use common::{encode, every_kind};
use goheap_format::verify::{Verdict, Wrong, verify};
use goheap_format::{
    Fields, Header, Object, Reader, Record, RecordKind, StreamReader, TypeDescriptor,
};

/// The verdict on `records`; that from a stream is the same but for offsets that only a second pass
/// can tell.
fn verdict(records: &[Record<'_>]) -> Verdict {
    let dump = encode(Header::Go17, records);
    let verdict = verify(Reader::new(&dump).unwrap());
    let streamed = verify(StreamReader::new(&dump[..]).unwrap());
    assert_eq!(streamed.problem_count, verdict.problem_count);
    for (a, b) in verdict.problems.iter().zip(&streamed.problems) {
        assert_eq!((a.kind, a.what), (b.kind, b.what));
        assert!(a.offset.is_some());
        assert!(b.offset.is_none() || b.offset == a.offset);
    }
    // Each problem's offset is where a record of that kind begins, or where one is missing.
    let mut places = Vec::new();
    let mut reader = Reader::new(&dump).unwrap();
    while let Some(record) = reader.next_record().unwrap() {
        places.push((Some(reader.offset()), Some(record.kind())));
    }
    for problem in &verdict.problems {
        let found = places.contains(&(problem.offset, problem.kind));
        assert!(found || problem.what == Wrong::Missing, "{problem}");
    }
    assert_eq!(verdict.bytes, dump.len() as u64);
    verdict
}

/// What is wrong with the dump of every kind of record once `change` is done.
fn wrong(change: impl FnOnce(&mut Vec<Record<'static>>)) -> Vec<String> {
    let mut records = every_kind();
    change(&mut records);
    verdict(&records)
        .problems
        .iter()
        .map(|problem| {
            let kind = problem.kind.expect("a record");
            format!("{kind} record: {}", problem.what)
        })
        .collect()
}

fn place(records: &[Record<'_>], kind: RecordKind) -> usize {
    records.iter().position(|r| r.kind() == kind).unwrap()
}

fn object(address: u64, contents: &'static [u8], fields: Fields<'static>) -> Record<'static> {
    Record::Object(Object {
        address,
        contents,
        fields,
    })
}

/// Applies `$change` to the first record of a kind.
macro_rules! change {
    ($kind:ident, $record:ident => $change:expr) => {
        wrong(|records| {
            let at = place(records, RecordKind::$kind);
            let Record::$kind($record) = &mut records[at] else {
                panic!("it has that kind")
            };
            $change;
        })
    };
}

#[test]
fn a_sound_dump_has_no_problem() {
    let verdict = verdict(&every_kind());
    assert_eq!(verdict.problems, []);
    assert!(verdict.is_sound());
    assert_eq!(verdict.records(), every_kind().len() as u64);
    assert_eq!(verdict.count(RecordKind::Object), 2);
    assert_eq!(verdict.count(RecordKind::Eof), 1);
    assert_eq!(verdict.object_bytes, 32);
    assert_eq!(verdict.unchecked, [""; 0]);
}

#[test]
fn a_dump_that_is_cut_off_is_not_whole() {
    let dump = encode(Header::Go17, &every_kind());
    let verdict = verify(Reader::new(&dump[..dump.len() - 1]).unwrap());
    assert!(!verdict.is_sound());
    assert_eq!(verdict.problem_count, 0);
    let error = verdict.error.unwrap().to_string();
    assert!(
        error.ends_with("without an eof record; it was cut off"),
        "{error}"
    );
    assert_eq!(verdict.bytes, dump.len() as u64 - 1);
}

#[test]
fn what_there_is_once() {
    assert_eq!(
        wrong(|records| records.swap(0, 1)),
        ["type record: stands before the params record, which comes first"]
    );
    for kind in [
        RecordKind::Params,
        RecordKind::Data,
        RecordKind::Bss,
        RecordKind::MemStats,
    ] {
        let twice = wrong(|records| {
            let at = place(records, kind);
            records.insert(at, records[at].clone());
        });
        // Programs with plugins have several segments, but not in one place.
        let what = match kind {
            RecordKind::Data => "the segment at 0x520000 overlaps the one at 0x520000",
            RecordKind::Bss => "the segment at 0x530000 overlaps the one at 0x530000",
            _ => "there was one before",
        };
        assert_eq!(twice, [format!("{kind} record: {what}")]);
        let never = wrong(|records| {
            let at = place(records, kind);
            records.remove(at);
        });
        assert!(
            never.contains(&format!("{kind} record: is missing")),
            "{never:?}"
        );
    }
}

#[test]
fn objects() {
    let odd = |record: Record<'static>| wrong(|records| records.insert(5, record));
    assert_eq!(
        odd(object(0xbf_ffff_fff8, &[0; 16], Fields::NONE)),
        ["object record: 16 bytes at 0xbffffffff8 are not within the heap"]
    );
    assert_eq!(
        odd(object(0xc0_03ff_fff8, &[0; 16], Fields::NONE)),
        ["object record: 16 bytes at 0xc003fffff8 are not within the heap"]
    );
    assert_eq!(odd(object(0xc0_03ff_fff0, &[0; 16], Fields::NONE)), [""; 0]);
    assert_eq!(
        odd(object(u64::MAX - 7, &[0; 16], Fields::NONE)),
        ["object record: 16 bytes at 0xfffffffffffffff8 are not within the heap"]
    );
    assert_eq!(
        odd(object(0xc0_0000_8004, &[0; 16], Fields::NONE)),
        ["object record: 0xc000008004 is not the address of a word"]
    );
    assert_eq!(
        odd(object(0xc0_0000_8000, &[], Fields::NONE)),
        ["object record: the object at 0xc000008000 is empty"]
    );
    // With the one before it, and with one far off.
    assert_eq!(
        odd(object(0xc0_0000_1018, &[0; 16], Fields::NONE)),
        ["object record: the object at 0xc000001018 overlaps another one"]
    );
    let far = wrong(|records| {
        records.insert(5, object(0xc0_0000_8000, &[0; 8], Fields::NONE));
        records.insert(6, object(0xc0_0000_1018, &[0; 16], Fields::NONE));
    });
    assert_eq!(
        far,
        ["object record: the object at 0xc000001018 overlaps another one"]
    );
}

#[test]
fn pointers() {
    let fields = |offsets| {
        wrong(|records| {
            records.insert(
                5,
                object(0xc0_0000_8000, &[0; 32], Fields::Offsets(offsets)),
            )
        })
    };
    assert_eq!(fields(&[0, 24]), [""; 0]);
    assert_eq!(
        fields(&[32]),
        ["object record: a pointer at 32 in contents of 32 bytes"]
    );
    assert_eq!(
        fields(&[u64::MAX - 7]),
        ["object record: a pointer at 18446744073709551608 in contents of 32 bytes"]
    );
    assert_eq!(
        fields(&[12]),
        ["object record: a pointer at 12, which is not the offset of a word"]
    );
    assert_eq!(
        fields(&[8, 8]),
        ["object record: a pointer at 8 is listed behind the one at 8"]
    );
    assert_eq!(
        change!(Bss, bss => bss.fields = Fields::Offsets(&[16])),
        ["bss record: a pointer at 16 in contents of 16 bytes"]
    );
    // A frame's may be anywhere: see StackFrame::fields.
    assert_eq!(
        change!(StackFrame, frame => frame.fields = Fields::Offsets(&[u64::MAX - 7, 9, 64])),
        [""; 0]
    );
}

#[test]
fn params_that_cannot_be() {
    assert_eq!(
        change!(Params, params => params.pointer_size = 3),
        ["params record: pointers of 3 bytes"]
    );
    assert_eq!(
        change!(Params, params => params.heap_end = 8),
        ["params record: the heap begins at 0xc000000000 and ends at 0x8"]
    );
}

#[test]
fn types() {
    assert_eq!(
        change!(Itab, itab => itab.concrete_type = 0x4b_0000),
        ["itab record: the type 0x4b0000 has no record before this one"]
    );
    assert_eq!(change!(Itab, itab => itab.concrete_type = 0), [""; 0]);
    let again = |size| {
        wrong(|records| {
            let descriptor = TypeDescriptor {
                address: 0x4a_0000,
                size,
                name: b"main.node",
                indirect: true,
            };
            records.insert(3, Record::Type(descriptor));
        })
    };
    assert_eq!(again(16), [""; 0]);
    assert_eq!(
        again(24),
        ["type record: the type 0x4a0000 was described otherwise before"]
    );
}

#[test]
fn stacks() {
    assert_eq!(
        change!(StackFrame, frame => frame.depth = 1),
        [
            "stackframe record: the depth is 1, not 0",
            "stackframe record: the depth is 1, not 2",
        ]
    );
    assert_eq!(
        change!(StackFrame, frame => frame.sp = 0x10),
        [
            "stackframe record: the child's stack pointer is 0xc000100000, but the frame before is at 0x10"
        ]
    );
    assert_eq!(
        wrong(|records| {
            let at = place(records, RecordKind::StackFrame);
            let frame = records.remove(at);
            records.insert(1, frame);
        })[0],
        "stackframe record: follows no goroutine"
    );
    // Types and roots do not part a goroutine from its frames.
    assert_eq!(
        wrong(|records| {
            let at = place(records, RecordKind::StackFrame);
            records.insert(at, records[1].clone());
        }),
        [""; 0]
    );
}

#[test]
fn defers_and_panics() {
    assert_eq!(
        change!(Defer, defer => defer.g = 0x10),
        ["defer record: belongs to goroutine 0x10, but follows 0xc000002000"]
    );
    assert_eq!(
        change!(Panic, panic => panic.address = 0x10),
        ["panic record: 0x10 is not what comes next; that is 0xc000100040"]
    );
    assert_eq!(
        change!(Defer, defer => defer.link = 0x10),
        ["defer record: the list goes on at 0x10, which has no record"]
    );
    assert_eq!(
        wrong(|records| {
            let at = place(records, RecordKind::Panic);
            records.remove(at);
        }),
        ["goroutine record: the list goes on at 0xc000100040, which has no record"]
    );
}

#[test]
fn what_has_a_record_of_its_own() {
    for (kind, address) in [
        (RecordKind::OsThread, "0x550000"),
        (RecordKind::MemProf, "0x7f0000000000"),
    ] {
        let twice = wrong(|records| {
            let at = place(records, kind);
            records.insert(at, records[at].clone());
        });
        assert_eq!(
            twice,
            [format!("{kind} record: {address} has a record already")]
        );
    }
    assert_eq!(
        change!(AllocSample, sample => sample.bucket = 8),
        ["allocsample record: the bucket 0x8 has no record before this one"]
    );
    assert_eq!(
        change!(AllocSample, sample => sample.object = 8),
        ["allocsample record: the object 0x8 is not within the heap"]
    );
    assert_eq!(
        change!(Finalizer, finalizer => finalizer.object = 8),
        ["finalizer record: the object 0x8 is not within the heap"]
    );
    // A cleanup in the queue.
    assert_eq!(
        change!(QueuedFinalizer, finalizer => finalizer.object = 0),
        [""; 0]
    );
}

#[test]
fn problems_beyond_measure_are_counted() {
    let found = wrong(|records| {
        let goroutine = records[place(records, RecordKind::Goroutine)].clone();
        for _ in 0..10_000 {
            records.insert(1, goroutine.clone());
        }
    });
    assert_eq!(found.len(), 100);

    let mut records = every_kind();
    for i in 0..1_000 {
        // Backwards, so that only the sorted whole shows it; and each twice, an object apart.
        let address = 0xc0_0100_0000 - i * 64;
        records.insert(3, object(address, &[0; 64], Fields::NONE));
        records.insert(3, object(0xc0_0200_0000 - i * 64, &[0; 64], Fields::NONE));
        records.insert(3, object(address, &[0; 64], Fields::NONE));
    }
    let verdict = verdict(&records);
    assert_eq!(verdict.problem_count, 1_000);
    assert_eq!(verdict.problems.len(), 100);
}

#[test]
fn a_stream_that_fails_behind_the_dump() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::other("checksum")),
                len => Ok(len),
            }
        }
    }
    let dump = encode(Header::Go17, &every_kind());
    let verdict = verify(StreamReader::new(Failing(&dump)).unwrap());
    let error = verdict.error.unwrap();
    assert_eq!(error.to_string(), format!("byte {}: checksum", dump.len()));
}
