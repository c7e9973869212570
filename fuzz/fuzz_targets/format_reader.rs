//! Any bytes at all as a heap dump: see `goheap_format`'s `tests/corpus.rs`, which checks the same.

#![no_main]

use std::io::Read;

use goheap_format::verify::verify;
use goheap_format::{Reader, StreamReader, Writer, open_stream};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    plain(data);
    if let Ok(stream) = open_stream(data) {
        let mut decoded = Vec::new();
        // What is cut off or spoilt gives what came before; enough to be read as a dump.
        let _ = stream.take(1 << 20).read_to_end(&mut decoded);
        if decoded != data {
            plain(&decoded);
        }
    }
});

fn plain(data: &[u8]) {
    let (reader, stream) = (Reader::new(data), StreamReader::new(data));
    let (mut reader, mut stream) = match (reader, stream) {
        (Ok(reader), Ok(stream)) => (reader, stream),
        (Err(a), Err(b)) => return assert_eq!(a.to_string(), b.to_string()),
        (a, b) => panic!("{a:?} but {b:?}"),
    };
    let mut writer = Writer::with_header(Vec::new(), reader.header());
    let whole = loop {
        match (reader.next_record(), stream.next_record()) {
            (Ok(None), Ok(None)) => break true,
            (Ok(Some(a)), Ok(Some(b))) => {
                assert_eq!(a, b);
                writer.write(&a).expect("what was read can be written");
            }
            (Err(a), Err(b)) => {
                assert_eq!(a.to_string(), b.to_string());
                assert!(a.offset() <= data.len() as u64);
                break false;
            }
            (a, b) => panic!("{a:?} but {b:?}"),
        }
    };
    if whole {
        let end = reader.position() as usize;
        assert_eq!(writer.finish().expect("a vector takes all"), data[..end]);
        assert_eq!(reader.trailing(), Some(&data[end..]));
    }
    let verdict = verify(reader_again(data));
    assert_eq!(verdict.error.is_none(), whole);
    assert_eq!(verdict.bytes, reader.position());
    let streamed = verify(StreamReader::new(data).expect("it was one before"));
    assert_eq!(streamed.problem_count, verdict.problem_count);
    assert_eq!(streamed.trailing, verdict.trailing);
}

fn reader_again(data: &[u8]) -> Reader<'_> {
    Reader::new(data).expect("it was one before")
}
