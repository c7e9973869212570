//! A dump is whole or there is an error: what the writer says of a sink that fails, and of records
//! out of turn.

mod common;

use std::io::{self, Write};

use common::every_kind;
use goheap_format::{Fields, Object, Record, RecordKind, Start, WriteError, Writer};

/// A disk with so much room, that takes `step` bytes at a time.
struct Disk {
    room: usize,
    step: usize,
    flush_fails: bool,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let len = bytes.len().min(self.step).min(self.room);
        self.room -= len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.flush_fails {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

fn write_all(disk: Disk, contents: &[u8]) -> Result<Disk, WriteError> {
    let mut writer = Writer::new(disk);
    writer.object(&Object {
        address: 0xc0_0000_0000,
        contents,
        fields: Fields::NONE,
    })?;
    for record in every_kind() {
        writer.write(&record)?;
    }
    writer.finish()
}

#[test]
fn a_full_disk_is_an_error_wherever_it_fills() {
    for contents in [vec![0; 100], vec![0; 1 << 20]] {
        let fits = (0..2 << 20)
            .step_by(64 << 10)
            .map(|room| {
                let disk = Disk {
                    room,
                    step: 100_000,
                    flush_fails: false,
                };
                match write_all(disk, &contents) {
                    Ok(_) => true,
                    Err(WriteError::Sink { offset, source }) => {
                        assert_eq!(offset, room as u64);
                        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
                        false
                    }
                    Err(other) => panic!("{other}"),
                }
            })
            .collect::<Vec<_>>();
        assert!(fits.is_sorted(), "once it fits it fits");
        assert!(!fits[0] && fits[fits.len() - 1]);
    }
}

#[test]
fn a_flush_that_fails_is_an_error() {
    let disk = Disk {
        room: usize::MAX,
        step: usize::MAX,
        flush_fails: true,
    };
    let error = write_all(disk, &[]).err().expect("the flush failed");
    assert!(matches!(error, WriteError::Sink { .. }), "{error}");
}

#[test]
fn a_sink_that_takes_nothing_is_an_error() {
    let disk = Disk {
        room: 1 << 20,
        step: 0,
        flush_fails: false,
    };
    let error = write_all(disk, &[]).err().expect("nothing was taken");
    assert_eq!(error.to_string(), "cannot write behind byte 0: write zero");
}

#[test]
fn nothing_follows_an_error() {
    let disk = Disk {
        room: 0,
        step: 1,
        flush_fails: false,
    };
    let mut writer = Writer::new(disk);
    let big = Object {
        address: 8,
        contents: &[0; 1 << 20],
        fields: Fields::NONE,
    };
    assert!(matches!(writer.object(&big), Err(WriteError::Sink { .. })));
    assert!(matches!(writer.object(&big), Err(WriteError::Failed)));
    assert!(matches!(writer.contents(&[1]), Err(WriteError::Failed)));
    assert!(matches!(writer.finish(), Err(WriteError::Failed)));
}

#[test]
fn records_out_of_turn() {
    let object = Record::Object(Object {
        address: 8,
        contents: &[],
        fields: Fields::NONE,
    });

    let mut writer = Writer::new(Vec::new());
    writer.write(&object).unwrap();
    assert!(matches!(writer.finish(), Err(WriteError::NoEof)));

    let mut writer = Writer::new(Vec::new());
    writer.write(&Record::Eof).unwrap();
    let error = writer.write(&object).unwrap_err();
    assert!(matches!(error, WriteError::BehindEof(RecordKind::Object)));

    let mut writer = Writer::new(Vec::new());
    writer.start(Start::Object, 8, 4).unwrap();
    assert!(matches!(writer.write(&object), Err(WriteError::OutOfTurn)));

    let mut writer = Writer::new(Vec::new());
    writer.start(Start::Object, 8, 4).unwrap();
    writer.contents(&[1, 2]).unwrap();
    assert!(matches!(
        writer.end(&Fields::NONE),
        Err(WriteError::ContentsShort {
            announced: 4,
            missing: 2
        })
    ));

    let mut writer = Writer::new(Vec::new());
    writer.start(Start::Bss, 8, 4).unwrap();
    assert!(matches!(
        writer.contents(&[0; 5]),
        Err(WriteError::ContentsLong { announced: 4 })
    ));

    let mut writer = Writer::new(Vec::new());
    assert!(matches!(writer.contents(&[1]), Err(WriteError::OutOfTurn)));
    let mut writer = Writer::new(Vec::new());
    assert!(matches!(
        writer.end(&Fields::NONE),
        Err(WriteError::OutOfTurn)
    ));
}

#[test]
fn fields_that_no_reader_would_take() {
    for fields in [
        Fields::Wire(&[]),
        Fields::Wire(&[1, 8]),
        Fields::Wire(&[1, 8, 0, 0]),
        Fields::Wire(&[4, 8, 0]),
        Fields::Wire(&[1, 0x80, 0, 0]),
        Fields::Bits {
            bits: &[0xff],
            len: 9,
            word: 8,
        },
    ] {
        let mut writer = Writer::new(Vec::new());
        let error = writer
            .object(&Object {
                address: 8,
                contents: &[0; 8],
                fields,
            })
            .unwrap_err();
        assert!(matches!(error, WriteError::Fields(RecordKind::Object)));
    }
}
