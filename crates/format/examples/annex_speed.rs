//! How long the notes of a dump take to be gathered and written, and how many bytes they are.
//!
//! `cargo run --release -p goheap-format --example annex_speed -- DUMP` takes those of a dump that
//! has an annex; `-- N` makes N spans. Gathering is what happens while a process stands still.

use std::time::Instant;

use goheap_format::Reader;
use goheap_format::annex::{AnnexReader, AnnexWriter, Note, Span};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arg = std::env::args().nth(1).ok_or("a dump, or a number")?;
    if let Ok(count) = arg.parse::<u64>() {
        let spans: Vec<Note<'_>> = (0..count).map(span).collect();
        return report(&[spans]);
    }
    let dump = std::fs::read(&arg)?;
    let mut reader = Reader::new(&dump)?;
    while reader.next_record()?.is_some() {}
    let mut annex = AnnexReader::behind(&mut reader)?.ok_or("it has no annex")?;
    let mut blocks = Vec::new();
    while let Some(block) = annex.next_block()? {
        blocks.push(block.rows()?);
    }
    let notes = blocks.iter().flat_map(|rows| rows.notes());
    report(&notes.map(Iterator::collect).collect::<Vec<_>>())
}

/// A span of a heap that is neither empty nor full.
fn span(i: u64) -> Note<'static> {
    let elem_size = [16, 48, 96, 208, 1024][(i / 7 % 5) as usize];
    let capacity = 8192 / elem_size;
    Note::Span(Span {
        base: 0xc0_0000_0000 + i * 8192,
        bytes: 8192,
        elem_size,
        capacity,
        // Any number, but the same each time.
        objects: i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (capacity + 1),
        span_class: (i / 7 % 5) as u8 * 2 + 4,
        unswept: false,
    })
}

fn report(blocks: &[Vec<Note<'_>>]) -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = blocks.iter().map(Vec::len).sum();
    for _ in 0..5 {
        let mut writer = AnnexWriter::new();
        let begin = Instant::now();
        for note in blocks.iter().flatten() {
            writer.add(note)?;
        }
        let gathered = begin.elapsed();
        let begin = Instant::now();
        let mut out = Vec::new();
        let bytes = writer.finish(&mut out)?;
        let written = begin.elapsed();
        println!(
            "{count} notes: gathered in {:.2} ms ({:.0} ns each), written in {:.2} ms, {bytes} bytes \
             ({:.2} each)",
            gathered.as_secs_f64() * 1e3,
            gathered.as_secs_f64() * 1e9 / count.max(1) as f64,
            written.as_secs_f64() * 1e3,
            bytes as f64 / count.max(1) as f64,
        );
    }
    Ok(())
}
