//! The fuzz target's corpus, as plain tests: each file is read, from memory and as a stream,
//! written again and verified, whatever is in it.

mod common;

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use goheap_format::verify::verify;
use goheap_format::{Reader, StreamReader, Writer, open_stream};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/format_reader")
}

#[test]
fn every_file_of_the_corpus() {
    let mut files = 0;
    let mut whole = 0;
    for entry in fs::read_dir(corpus()).expect("the corpus is in the repository") {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        println!("{}", path.display());
        let mut decoded = Vec::new();
        // A file that is spoilt gives what came before that.
        let _ = open_stream(&data[..])
            .unwrap()
            .take(1 << 20)
            .read_to_end(&mut decoded);
        whole += u32::from(check(&decoded));
        files += 1;
    }
    assert!(files >= 10, "only {files} files");
    assert!(whole >= 5, "only {whole} whole dumps");
}

/// Whether it is a whole dump; that it is dealt with alike in every way.
fn check(data: &[u8]) -> bool {
    let Ok(mut reader) = Reader::new(data) else {
        assert!(StreamReader::new(data).is_err());
        return false;
    };
    let mut stream = StreamReader::new(data).unwrap();
    let mut writer = Writer::with_header(Vec::new(), reader.header());
    let whole = loop {
        match (reader.next_record(), stream.next_record()) {
            (Ok(Some(a)), Ok(Some(b))) => {
                assert_eq!(a, b);
                writer.write(&a).unwrap();
            }
            (Ok(None), Ok(None)) => break true,
            (Err(a), Err(b)) => {
                assert_eq!(a.to_string(), b.to_string());
                break false;
            }
            (a, b) => panic!("{a:?} but {b:?}"),
        }
    };
    if whole {
        assert_eq!(writer.finish().unwrap(), data[..reader.position() as usize]);
    }
    let verdict = verify(Reader::new(data).unwrap());
    assert_eq!(verdict.error.is_none(), whole);
    let streamed = verify(StreamReader::new(data).unwrap());
    assert_eq!(streamed.problem_count, verdict.problem_count);
    whole
}

/// Writes the hand-made part of the corpus; run it when the format's tests gain a record:
/// `cargo test -p goheap-format --test corpus -- --ignored`
#[test]
#[ignore = "writes into the repository"]
fn write_the_seeds() {
    use common::{encode, every_kind};
    use goheap_format::{Arch, Header, Record, SeekableWriter};
    use std::io::Write;

    let dir = corpus();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).unwrap();
    let records = every_kind();
    let all = encode(Header::Go17, &records);
    write("every_kind", &all);
    for record in &records {
        let name = format!("kind_{}", record.kind());
        let mut one = vec![record.clone()];
        if *record != Record::Eof {
            one.push(Record::Eof);
        }
        write(&name, &encode(Header::Go17, &one));
    }
    let mut old = every_kind();
    if let Record::Params(params) = &mut old[0] {
        params.arch = Arch::Code(u64::from(b'6'));
    }
    old.truncate(9);
    old.push(Record::Eof);
    write("go15", &encode(Header::Go15, &old));
    write("go16", &encode(Header::Go16, &old));
    write("cut_off", &all[..all.len() / 3]);
    write("trailing", &[&all[..], b"annex"].concat());
    write(
        "length_of_2_60",
        b"go1.7 heap dump\n\x01\x08\x80\x80\x80\x80\x80\x80\x80\x80\x10",
    );
    write(
        "endless_number",
        &[&b"go1.7 heap dump\n\x08"[..], &[0xff; 20]].concat(),
    );
    write("padded_number", b"go1.7 heap dump\n\x08\x81\x00\x01\x00");
    let mut zst = SeekableWriter::new(Vec::new(), 3).unwrap();
    zst.write_all(&all).unwrap();
    write("every_kind_zst", &zst.finish().unwrap());
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gz.write_all(&all).unwrap();
    write("every_kind_gz", &gz.finish().unwrap());
}
