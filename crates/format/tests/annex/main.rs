//! The annex: what is written is read again, from memory and from streams; what is cut off, damaged
//! or absurd is a located error; what is of a later version is listed or passed over; and its bytes
//! are what `docs/annex.md` says they are.

#[path = "../common/mod.rs"]
mod common;
mod corpus;
mod described;
mod hand;
mod hostile;
mod later;
mod roundtrip;
mod verified;

use goheap_format::annex::{AnnexError, AnnexReader, AnnexWriter, Note};
use goheap_format::{Header, Reader, StreamReader};

/// An annex of these notes.
fn annex_of(notes: &[Note<'_>]) -> Vec<u8> {
    let mut writer = AnnexWriter::new();
    for note in notes {
        writer.add(note).expect("memory");
    }
    let mut annex = Vec::new();
    let written = writer.finish(&mut annex).expect("a vector takes all");
    assert_eq!(written, annex.len() as u64);
    annex
}

/// Where the annex of [`with_annex`] begins.
fn start() -> u64 {
    common::encode(Header::Go17, &common::every_kind()).len() as u64
}

/// A dump of one record of every kind, and `annex` behind it.
fn with_annex(annex: &[u8]) -> Vec<u8> {
    let dump = common::encode(Header::Go17, &common::every_kind());
    [&dump[..], annex].concat()
}

/// What the annex says, each thing as text, and the error that it ends in; from memory and from a
/// stream, which must agree.
fn read(annex: &[u8]) -> (Vec<String>, Option<AnnexError>) {
    let dump = with_annex(annex);
    let mut reader = Reader::new(&dump).unwrap();
    while reader.next_record().unwrap().is_some() {}
    let read = read_all(AnnexReader::behind(&mut reader));

    let mut stream = StreamReader::new(&dump[..]).unwrap();
    while stream.next_record().unwrap().is_some() {}
    let (lines, error) = read_all(AnnexReader::behind(&mut stream));
    assert_eq!(read.0, lines);
    assert_eq!(
        read.1.as_ref().map(ToString::to_string),
        error.map(|error| error.to_string())
    );
    if let Some(error) = &read.1 {
        assert!(error.offset() >= start() && error.offset() <= dump.len() as u64);
    }
    read
}

fn read_all<R: std::io::Read>(
    opened: Result<Option<AnnexReader<R>>, AnnexError>,
) -> (Vec<String>, Option<AnnexError>) {
    let mut lines = Vec::new();
    let mut reader = match opened {
        Ok(Some(reader)) => reader,
        Ok(None) => return (lines, None),
        Err(error) => return (lines, Some(error)),
    };
    loop {
        let rows = match reader.next_block() {
            Ok(Some(block)) => {
                let section = String::from_utf8_lossy(block.section()).into_owned();
                block.rows().map(|rows| (section, rows))
            }
            Ok(None) => return (lines, None),
            Err(error) => {
                assert!(
                    reader.next_block().unwrap().is_none(),
                    "it ends behind that"
                );
                return (lines, Some(error));
            }
        };
        match rows {
            Ok((section, rows)) => match rows.notes() {
                Some(notes) => lines.extend(notes.map(|note| format!("{note:?}"))),
                None => lines.extend(rows.iter().map(|row| format!("{section} {row:?}"))),
            },
            Err(error) => return (lines, Some(error)),
        }
    }
}

/// As [`read`], of an annex that is whole.
fn read_whole(annex: &[u8]) -> Vec<String> {
    match read(annex) {
        (lines, None) => lines,
        (_, Some(error)) => panic!("{error}"),
    }
}
