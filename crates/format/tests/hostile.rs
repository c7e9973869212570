//! Dumps that are cut off, absurd or malformed: a located error each, from memory and from a
//! stream alike, with no panic and no allocation to speak of.

mod common;

use std::io::{self, Read};

use common::{encode, every_kind};
use goheap_format::{Defect, Header, ReadError, Reader, RecordKind, StreamReader};

/// The error that a dump ends in; reader and stream must agree on it.
fn error(dump: &[u8]) -> ReadError {
    let error = match Reader::new(dump) {
        Err(error) => error,
        Ok(mut reader) => {
            let error = reader.find_map(Result::err).expect("the dump is faulty");
            assert!(reader.next().is_none(), "it ends behind the error");
            error
        }
    };
    let streamed = match StreamReader::new(dump) {
        Err(error) => error,
        Ok(mut stream) => loop {
            match stream.next_record() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the dump is faulty"),
                Err(error) => break error,
            }
        },
    };
    assert_eq!(error.to_string(), streamed.to_string());
    error
}

fn dump(records: &[u8]) -> Vec<u8> {
    [Header::Go17.bytes(), records].concat()
}

#[track_caller]
fn check(records: &[u8], want: &str) {
    assert_eq!(error(&dump(records)).to_string(), want);
}

#[test]
fn cut_off_at_every_byte() {
    let whole = encode(Header::Go17, &every_kind());
    let starts: Vec<u64> = {
        let mut reader = Reader::new(&whole).unwrap();
        let mut starts = Vec::new();
        while reader.next_record().unwrap().is_some() {
            starts.push(reader.offset());
        }
        starts
    };
    for len in 0..whole.len() {
        let error = error(&whole[..len]);
        if len < Header::LEN {
            assert!(matches!(error, ReadError::Header(_)), "{len}: {error}");
            continue;
        }
        let ReadError::Malformed {
            offset,
            record,
            defect,
            kind,
            ..
        } = error
        else {
            panic!("{len}: {error}")
        };
        let start = starts.iter().rfind(|&&start| start <= len as u64).unwrap();
        assert_eq!(record, *start, "{len}");
        assert!(offset >= record && offset <= len as u64, "{len}: {offset}");
        if len as u64 == record {
            assert_eq!((defect, kind), (Defect::NoEof, None), "{len}");
        } else {
            assert!(kind.is_some(), "{len}");
            let cut = matches!(defect, Defect::Truncated | Defect::LengthPastEnd { .. });
            assert!(cut, "{len}: {defect}");
        }
    }
}

#[test]
fn what_is_no_dump() {
    let not_a_dump = |start: &[u8], want: &str| {
        let error = error(start).to_string();
        assert_eq!(error, format!("byte 0: not a Go heap dump: {want}"));
    };
    not_a_dump(b"", "it is empty");
    not_a_dump(b"g", "it ends within its first line");
    not_a_dump(b"go1.7 heap dump", "it ends within its first line");
    not_a_dump(
        b"go1.4 heap dump\n\x06",
        "its first line is that of Go 1.4, whose format is not supported",
    );
    not_a_dump(
        b"go1.9 heap dump\n\x06",
        "its first line is that of a format which is not known",
    );
    not_a_dump(
        b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "it is compressed with gzip",
    );
    not_a_dump(b"\x28\xb5\x2f\xfd", "it is compressed with zstd");
    not_a_dump(b"\x7fELF\x02\x01\x01", "it is an ELF file");
    not_a_dump(
        b"#!/bin/sh\necho hello world\n",
        "it does not begin with \"go1.7 heap dump\"",
    );
}

#[test]
fn absurd_lengths() {
    // 2^60 bytes of contents.
    let mut object = vec![1, 0x80, 0x80, 4];
    object.extend([0x80; 8]);
    object.extend([0x10, 1, 2, 3]);
    check(
        &object,
        "byte 20: the contents of the object record at byte 16: its length is \
         1152921504606846976, but only 3 bytes are left of the dump",
    );
    // 2^64-1 bytes of description.
    let mut root = vec![2];
    root.extend([0xff; 9]);
    root.push(1);
    check(
        &root,
        "byte 17: the description of the otherroot record at byte 16: its length is \
         18446744073709551615, but only 0 bytes are left of the dump",
    );
    // 2^62 frames of a profile's stack.
    let mut bucket = vec![16, 1, 16];
    bucket.extend([0x80; 8]);
    bucket.push(0x40);
    bucket.extend([1, b'f', 0, 7]);
    check(
        &bucket,
        "byte 32: a frame's function of the memprof record at byte 16: the dump ends inside of it; \
         it was cut off",
    );
}

#[test]
fn endless_numbers() {
    let mut object = vec![1];
    object.extend([0x80; 100]);
    check(
        &object,
        "byte 17: the address of the object record at byte 16: a number of more than 10 bytes",
    );
    check(
        &[0xff; 1000],
        "byte 16: the tag of a record: a number of more than 10 bytes",
    );
    let mut over = vec![8];
    over.extend([0xff; 9]);
    over.extend([2, 0]);
    check(
        &over,
        "byte 17: the address of the itab record at byte 16: a number of more than 64 bits",
    );
}

#[test]
fn what_could_not_be_written_back() {
    check(
        &[8, 0x81, 0, 1, 0],
        "byte 17: the address of the itab record at byte 16: a number that is not in its shortest \
         form",
    );
    check(
        &[0x80, 0],
        "byte 16: the tag of a record: a number that is not in its shortest form",
    );
}

#[test]
fn values_that_do_not_exist() {
    check(
        &[18],
        "byte 16: the tag of a record: no record has the tag 18",
    );
    check(
        &[3, 1, 1, 0, 2, 0],
        "byte 20: the indirection of the type record at byte 16: a truth value of 2",
    );
    check(
        &[1, 8, 0, 1, 0, 4, 0, 0],
        "byte 21: a pointer's kind of the object record at byte 16: no field has the kind 4",
    );
    check(
        &[],
        "byte 16: the tag of a record: the dump ends here without an eof record; it was cut off",
    );
}

#[test]
fn a_fault_is_told_before_the_rest_has_come() {
    /// Gives a faulty start and then never ends; who reads on is stopped.
    struct Endless<'a>(&'a [u8], u64);
    impl Read for Endless<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                assert!(self.1 < 4 << 20, "read on behind the fault");
                out.fill(0xff);
                self.1 += out.len() as u64;
                return Ok(out.len());
            }
            let len = self.0.read(out)?;
            Ok(len)
        }
    }
    // A truth value of 2, and then contents of 2^60 bytes.
    let mut params = dump(&[6, 2, 8, 0, 0]);
    params.extend([0x80; 8]);
    params.push(0x10);
    for faulty in [params, dump(&[1, 8, 0, 9]), dump(&[19]), dump(&[1])] {
        let mut stream = StreamReader::new(Endless(&faulty, 0)).unwrap();
        let error = stream.next_record().unwrap_err();
        assert!(matches!(error, ReadError::Malformed { .. }), "{error}");
        assert!(stream.next_record().unwrap().is_none());
    }
}

#[test]
fn an_error_of_the_input_is_told_with_its_place() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::other("the disk is gone")),
                len => Ok(len),
            }
        }
    }
    let whole = encode(Header::Go17, &every_kind());
    let mut stream = StreamReader::new(Failing(&whole[..100])).unwrap();
    let error = loop {
        match stream.next_record() {
            Ok(record) => assert!(record.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "byte 100: the disk is gone");
    assert_eq!(error.offset(), 100);
    assert_eq!(error.kind(), None);
}

#[test]
fn every_byte_changed_never_panics() {
    let whole = encode(Header::Go17, &every_kind());
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff, 0x7f] {
            let mut dump = whole.clone();
            dump[at] ^= change;
            let Ok(reader) = Reader::new(&dump) else {
                continue;
            };
            for record in reader {
                match record {
                    Ok(record) => assert!(record.kind() <= RecordKind::AllocSample),
                    Err(error) => {
                        assert!(error.offset() <= dump.len() as u64);
                        break;
                    }
                }
            }
        }
    }
}
