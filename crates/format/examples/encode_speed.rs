//! How long the writer takes for an object: `cargo run --release -p goheap-format --example
//! encode_speed [OBJECTS]`. The bytes go nowhere, and the objects' contents are in the cache.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use goheap_format::{Fields, Object, Reader, Record, Writer};

/// A little over an arena: what a walk has in the cache at a time is less.
const CONTENTS: usize = 1 << 20;
const SIZE: usize = 48;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let objects: u64 = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 28_000_000,
    };
    let memory = vec![7u8; CONTENTS + SIZE];
    let contents = |i: u64| {
        let at = (i as usize * SIZE) % CONTENTS;
        &memory[at..at + SIZE]
    };
    // Words 1 and 5 are pointers.
    let fields = Fields::Bits {
        bits: &[0b10_0010],
        len: 6,
        word: 8,
    };
    let object = |i: u64| Object {
        address: 0xc0_0000_0000 + i * SIZE as u64,
        contents: contents(i),
        fields,
    };

    for _ in 0..3 {
        let mut writer = Writer::new(io::sink());
        let start = Instant::now();
        for i in 0..objects {
            writer.write(black_box(&Record::Object(object(i))))?;
        }
        let took = start.elapsed();
        println!(
            "write {:.2} ns/object, {:.2} GB/s",
            took.as_nanos() as f64 / objects as f64,
            writer.position() as f64 / took.as_nanos() as f64
        );
    }

    let few = objects.min(1_000_000);
    let mut writer = Writer::new(Vec::new());
    for i in 0..few {
        writer.object(&object(i))?;
    }
    writer.write(&Record::Eof)?;
    let dump = writer.finish()?;
    for _ in 0..3 {
        let start = Instant::now();
        let mut pointers = 0;
        for record in Reader::new(&dump)? {
            if let Record::Object(object) = record? {
                pointers += object.fields.iter().count();
            }
        }
        let took = start.elapsed();
        println!(
            "read  {:.2} ns/object ({pointers} pointers)",
            took.as_nanos() as f64 / few as f64
        );
    }
    Ok(())
}
