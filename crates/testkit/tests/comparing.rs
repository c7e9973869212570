//! The comparison judged by itself: a change of any one thing is found, located and named, and only
//! what is allowed is forgiven.

use goheap_testkit::second_reader::{HEADER, ReadError, Why, read};
use goheap_testkit::twin::{Allowed, Difference, What, compare};

/// A dump, record by record.
#[derive(Clone, Default)]
struct Dump(Vec<u8>);

impl Dump {
    fn new() -> Dump {
        Dump(HEADER.to_vec())
    }

    fn int(mut self, mut value: u64) -> Dump {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn ints(self, values: &[u64]) -> Dump {
        values.iter().fold(self, |dump, v| dump.int(*v))
    }

    fn bytes(self, bytes: &[u8]) -> Dump {
        let mut dump = self.int(bytes.len() as u64);
        dump.0.extend_from_slice(bytes);
        dump
    }

    fn object(self, at: u64, contents: &[u8], pointers: &[u64]) -> Dump {
        let dump = self.int(1).int(at).bytes(contents);
        pointers.iter().fold(dump, |d, p| d.ints(&[1, *p])).int(0)
    }

    fn bss(self, at: u64, contents: &[u8]) -> Dump {
        self.int(13).int(at).bytes(contents).int(0)
    }

    fn goroutine(self, g: u64, status: u64, reason: &[u8]) -> Dump {
        self.ints(&[4, g, 0x70, 1, 0x40, status, 0, 0, 0])
            .bytes(reason)
            .ints(&[0, 0, 0, 0])
    }

    fn memstats(self, sys: u64, gc_sys: u64, other_sys: u64) -> Dump {
        let mut values = [0; 281];
        values[2] = sys;
        values[19] = gc_sys;
        values[20] = other_sys;
        self.int(10).ints(&values)
    }

    fn end(self) -> Vec<u8> {
        self.int(0).0
    }
}

const TMPBUF: u64 = 0x5000 + 16;

/// bss with `tmpbuf` of this length at offset 16, and a word behind it.
fn bss(tmpbuf: u64, behind: u64) -> Vec<u8> {
    let words = [7, 8, 0xdead0000, tmpbuf, tmpbuf, behind];
    words.iter().flat_map(|w: &u64| w.to_le_bytes()).collect()
}

fn sample() -> Dump {
    Dump::new()
        .object(0x1000, &[1; 16], &[0, 8])
        .object(0x1010, &[2; 16], &[])
        .goroutine(0x2000, 4, b"select")
}

fn found(runtime: Dump, other: Dump, allowed: &Allowed) -> Vec<Difference> {
    compare(&runtime.end(), &other.end(), allowed, None).expect("two dumps")
}

#[track_caller]
fn only(differences: Vec<Difference>, kind: &str, address: u64) -> What {
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(
        (differences[0].kind, differences[0].address),
        (kind, address)
    );
    differences[0].what.clone()
}

#[test]
fn equal_dumps_do_not_differ() {
    assert!(found(sample(), sample(), &Allowed::default()).is_empty());
}

#[test]
fn a_byte_of_an_object_is_located() {
    let other = Dump::new()
        .object(0x1000, &[1; 16], &[0, 8])
        .object(
            0x1010,
            &[2, 2, 2, 2, 2, 2, 2, 2, 2, 9, 2, 2, 2, 2, 2, 2],
            &[],
        )
        .goroutine(0x2000, 4, b"select");
    let what = only(
        found(sample(), other, &Allowed::default()),
        "object",
        0x1010,
    );
    assert!(
        matches!(
            what,
            What::Contents {
                at: 0x1018,
                offset: 8,
                ..
            }
        ),
        "{what:?}"
    );
}

#[test]
fn a_pointer_that_one_lacks_is_located() {
    let other = Dump::new()
        .object(0x1000, &[1; 16], &[0])
        .object(0x1010, &[2; 16], &[])
        .goroutine(0x2000, 4, b"select");
    let what = only(
        found(sample(), other, &Allowed::default()),
        "object",
        0x1000,
    );
    assert_eq!(
        what,
        What::Pointer {
            offset: 8,
            symbol: None,
            by_runtime: true
        }
    );
}

#[test]
fn pointers_in_another_order_are_another_encoding() {
    let one = Dump::new().object(0x1000, &[1; 16], &[0, 8]);
    let two = Dump::new().object(0x1000, &[1; 16], &[8, 0]);
    // The same set of pointers; a different list is told, even though each list has the other's.
    assert_eq!(
        only(found(one, two, &Allowed::default()), "object", 0x1000),
        What::Encoding
    );
}

#[test]
fn records_that_are_missing_extra_or_elsewhere_are_told_apart() {
    let object = |at| Dump::new().object(at, &[], &[]).0[HEADER.len()..].to_vec();
    let dump = |order: &[u64]| {
        let mut dump = Dump::new();
        order.iter().for_each(|at| dump.0.extend(object(*at)));
        dump
    };
    let differences = |a: &[u64], b: &[u64]| found(dump(a), dump(b), &Allowed::default());
    assert_eq!(
        only(differences(&[1, 2, 3], &[1, 3]), "object", 2),
        What::Missing
    );
    assert_eq!(
        only(differences(&[1, 3], &[1, 2, 3]), "object", 2),
        What::Extra
    );
    let swapped = only(differences(&[1, 2, 3], &[2, 1, 3]), "object", 1);
    assert_eq!(swapped, What::Order { other_index: 1 });
    // The same record twice is one too many, though every record of one is in the other.
    assert_eq!(
        only(differences(&[1, 2], &[1, 2, 2]), "object", 2),
        What::Extra
    );
}

#[test]
fn a_number_that_is_longer_than_it_need_be_is_told() {
    let mut long = Dump::new();
    long.0.extend([1, 0x85, 0x00, 0, 0]);
    let short = Dump::new().object(5, &[], &[]);
    assert_eq!(
        only(found(short, long, &Allowed::default()), "object", 5),
        What::Encoding
    );
}

#[test]
fn what_follows_the_records_is_told() {
    let mut other = sample().end();
    other.push(0);
    let differences = compare(&sample().end(), &other, &Allowed::default(), None).expect("dumps");
    assert_eq!(differences.len(), 1);
}

#[test]
fn the_writers_buffer_is_forgiven_and_no_more() {
    let allowed = Allowed {
        tmpbuf: Some(TMPBUF),
        ..Allowed::default()
    };
    let runtime = |behind| {
        Dump::new()
            .bss(0x5000, &bss(81, behind))
            .memstats(1000, 5, 100)
    };
    let other = |length, sys, other_sys| {
        Dump::new()
            .bss(0x5000, &bss(length, 3))
            .memstats(sys, 5, other_sys)
    };
    assert!(found(runtime(3), other(33, 1033, 133), &allowed).is_empty());
    assert!(found(runtime(3), other(33, 1000, 100), &allowed).is_empty());
    // By another number than the buffer's length.
    assert_eq!(found(runtime(3), other(33, 1034, 133), &allowed).len(), 1);
    assert_eq!(found(runtime(3), other(0, 1033, 133), &allowed).len(), 2);
    // The word behind it.
    let what = only(
        found(runtime(4), other(33, 1033, 133), &allowed),
        "bss",
        0x5000,
    );
    assert!(
        matches!(what, What::Contents { at: 0x5028, .. }),
        "{what:?}"
    );
}

#[test]
fn only_the_dumping_goroutine_may_be_running() {
    let dump = |g, status, reason: &[u8]| Dump::new().goroutine(g, status, reason);
    let allowed = Allowed {
        dumping: Some(0x2000),
        ..Allowed::default()
    };
    let differences = |g| found(dump(g, 4, b"dumping heap"), dump(g, 2, b""), &allowed).len();
    assert_eq!(differences(0x2000), 0);
    assert_eq!(differences(0x3000), 2);
    assert_eq!(
        found(
            dump(0x2000, 4, b"select"),
            dump(0x2000, 4, b"sleep"),
            &allowed
        )
        .len(),
        1
    );
}

#[test]
fn what_is_no_dump_is_refused_where_sense_ends() {
    let wrong = |at, within, why| Err(ReadError { at, within, why });
    assert_eq!(
        read(b"go1.4 heap dump\n").map(|_| ()),
        wrong(0, "header", Why::Header)
    );
    assert_eq!(
        read(&Dump::new().0).map(|_| ()),
        wrong(16, "tag", Why::Short)
    );
    assert_eq!(
        read(&Dump::new().int(18).0).map(|_| ()),
        wrong(16, "tag", Why::Tag(18))
    );
    let endless = [HEADER, &[0x81; 20]].concat();
    assert_eq!(
        read(&endless).map(|_| ()),
        wrong(26, "tag", Why::LongNumber)
    );
    let absurd = Dump::new().int(1).int(5).int(1 << 60).0;
    assert_eq!(
        read(&absurd).map(|_| ()),
        wrong(absurd.len(), "object", Why::Short)
    );
    let interface = Dump::new().int(1).int(5).bytes(&[]).int(2).0;
    let at = interface.len();
    assert_eq!(
        read(&interface).map(|_| ()),
        wrong(at, "object", Why::FieldKind(2))
    );
}
