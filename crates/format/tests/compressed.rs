//! Compressed dumps: read whatever compressed them, written as frames that anyone can decode and
//! that a reader can begin at.

mod common;

use std::io::{self, Read, Write};

use common::{encode, every_kind};
use goheap_format::{
    Compression, Defect, FRAME_CONTENT, Fields, Header, Object, ReadError, Record, SeekableWriter,
    StreamReader, open_stream,
};

/// A dump of a little over four frames.
fn big_dump() -> Vec<u8> {
    let contents: Vec<u8> = (0..FRAME_CONTENT as u32 * 4)
        .map(|i| (i.wrapping_mul(0x9e37_79b9) >> 13) as u8)
        .collect();
    let mut records = every_kind();
    let at = records.len() - 1;
    records.insert(
        at,
        Record::Object(Object {
            address: 0xc0_0000_4000,
            contents: &contents,
            fields: Fields::NONE,
        }),
    );
    encode(Header::Go17, &records)
}

fn compress(dump: &[u8], background: bool) -> Vec<u8> {
    let mut writer = if background {
        SeekableWriter::in_background(Vec::new(), 1).unwrap()
    } else {
        SeekableWriter::new(Vec::new(), 1).unwrap()
    };
    writer.write_all(dump).unwrap();
    writer.finish().unwrap()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn frames_stand_alone_and_the_table_finds_them() {
    let dump = big_dump();
    let file = compress(&dump, false);
    assert_eq!(compress(&dump, true), file);
    assert_eq!(zstd::decode_all(&file[..]).unwrap(), dump);

    // The table, from the end of the file, as the format's description has it.
    let end = file.len();
    assert_eq!(u32_at(&file, end - 4), 0x8f92_eab1);
    assert_eq!(file[end - 5], 0);
    let count = u32_at(&file, end - 9) as usize;
    assert_eq!(count, dump.len().div_ceil(FRAME_CONTENT));
    let table = end - 9 - 8 * count;
    assert_eq!(u32_at(&file, table - 8), 0x184d_2a5e);
    assert_eq!(u32_at(&file, table - 4) as usize, 8 * count + 9);

    let (mut from, mut at) = (0, 0);
    for i in 0..count {
        let compressed = u32_at(&file, table + 8 * i) as usize;
        let content = u32_at(&file, table + 8 * i + 4) as usize;
        let frame = zstd::bulk::decompress(&file[from..from + compressed], content).unwrap();
        assert_eq!(frame, dump[at..at + content], "frame {i}");
        from += compressed;
        at += content;
    }
    assert_eq!((from, at), (table - 8, dump.len()));
}

#[test]
fn all_compressions_are_undone() {
    let dump = big_dump();
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&dump).unwrap();
        encoder.finish().unwrap()
    };
    let mut skippable_first = vec![0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    skippable_first.extend(zstd::encode_all(&dump[..], 1).unwrap());
    for (file, compression) in [
        (dump.clone(), Compression::None),
        (gzip, Compression::Gzip),
        (compress(&dump, true), Compression::Zstd),
        (skippable_first, Compression::Zstd),
    ] {
        let stream = open_stream(&file[..]).unwrap();
        assert_eq!(stream.compression(), compression);
        let mut stream = StreamReader::new(stream).unwrap();
        let mut count = 0;
        while stream.next_record().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, every_kind().len() + 1);
        // To the very end, where the checksums are.
        let mut rest = Vec::new();
        stream
            .into_trailing()
            .unwrap()
            .read_to_end(&mut rest)
            .unwrap();
        assert!(rest.is_empty());

        // Cut off: an error, whatever it is that was cut.
        let stream = open_stream(&file[..file.len() / 2]).unwrap();
        let mut stream = StreamReader::new(stream).unwrap();
        let error = loop {
            match stream.next_record() {
                Ok(record) => assert!(record.is_some()),
                Err(error) => break error,
            }
        };
        assert!(error.offset() > 0, "{error}");
    }
}

#[test]
fn a_spoilt_frame_is_an_error() {
    let dump = big_dump();
    let mut file = compress(&dump, false);
    let middle = file.len() / 2;
    file[middle] ^= 0x55;
    let mut out = Vec::new();
    let error = open_stream(&file[..]).unwrap().read_to_end(&mut out);
    assert!(error.is_err());
}

#[test]
fn a_bomb_is_defused() {
    // An object of 2^40 bytes, all zero, in a gzip file of some megabytes: here, an endless one.
    struct Bomb<'a>(&'a [u8]);
    impl Read for Bomb<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                out.fill(0);
                return Ok(out.len());
            }
            self.0.read(out)
        }
    }
    let mut dump = Header::Go17.bytes().to_vec();
    dump.extend([1, 8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    let mut stream = StreamReader::new(Bomb(&dump)).unwrap().limit(4 << 20);
    let error = stream.next_record().unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Malformed {
                offset: 16,
                defect: Defect::TooLong { limit: 0x40_0000 },
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn errors_of_the_sink_come_through() {
    /// Takes so many bytes and then fails.
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let noise: Vec<u8> = (0..8 * FRAME_CONTENT as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) >> 11) as u8)
        .collect();
    for background in [false, true] {
        let mut writer = if background {
            SeekableWriter::in_background(Full(100), 1).unwrap()
        } else {
            SeekableWriter::new(Full(100), 1).unwrap()
        };
        let written = writer.write_all(&noise);
        let error = match written {
            Err(error) => {
                assert!(writer.write(&[1]).is_err(), "nothing follows an error");
                assert!(writer.finish().is_err());
                error
            }
            Ok(()) => writer.finish().err().expect("the sink was full"),
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
fn an_empty_file_and_flushes() {
    assert_eq!(zstd::decode_all(&compress(&[], true)[..]).unwrap(), []);
    let mut writer = SeekableWriter::new(Vec::new(), 0).unwrap();
    for _ in 0..3 {
        writer.write_all(b"abc").unwrap();
        writer.flush().unwrap();
        writer.flush().unwrap();
    }
    let file = writer.finish().unwrap();
    assert_eq!(u32_at(&file, file.len() - 9), 3);
    assert_eq!(zstd::decode_all(&file[..]).unwrap(), b"abcabcabc");
}
