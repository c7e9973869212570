//! Verifies dumps, and writes each again to see that the same bytes come out:
//! `cargo run --release -p goheap-format --example check_dump FILE...`

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use goheap_format::verify::{Verdict, verify};
use goheap_format::{Reader, RecordKind, StreamReader, Writer, open_stream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let mut dump = Vec::new();
        open_stream(File::open(&path)?)?.read_to_end(&mut dump)?;

        let start = Instant::now();
        let verdict = verify(Reader::new(&dump)?);
        println!("{path}: verified in {:?}", start.elapsed());
        print(&verdict);

        let streamed = verify(StreamReader::new(open_stream(File::open(&path)?)?)?);
        let same = streamed.records() == verdict.records()
            && streamed.bytes == verdict.bytes
            && streamed.trailing == verdict.trailing
            && streamed.problem_count == verdict.problem_count;
        println!("  the same from a stream: {same}");

        let mut reader = Reader::new(&dump)?;
        let mut writer = Writer::with_header(Vec::new(), reader.header());
        for record in reader.by_ref() {
            writer.write(&record?)?;
        }
        let records = dump.get(..reader.position() as usize);
        println!(
            "  the same written again: {}",
            Some(&writer.finish()?[..]) == records
        );
    }
    Ok(())
}

fn print(verdict: &Verdict) {
    print!(" ");
    for kind in RecordKind::ALL {
        print!(" {kind}={}", verdict.count(kind));
    }
    println!(
        "\n  {} bytes, {} trailing, {} in objects",
        verdict.bytes, verdict.trailing, verdict.object_bytes
    );
    if let Some(error) = &verdict.error {
        println!("  not whole: {error}");
    }
    for problem in verdict.problems.iter().take(10) {
        println!("  {problem}");
    }
    println!(
        "  {} problems, {:?} unchecked",
        verdict.problem_count, verdict.unchecked
    );
}
