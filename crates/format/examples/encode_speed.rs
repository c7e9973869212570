//! How long the writer takes for an object, and the reader: `cargo run --release -p goheap-format
//! --example encode_speed`. The best of many short rounds, so that a busy machine does not count;
//! the bytes go nowhere, and the objects' contents are in the cache.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use goheap_format::{Fields, Object, Reader, Record, WriteError, Writer};

const ROUNDS: usize = 300;
const OBJECTS: usize = 100_000;
/// Of an object; words 1 and 5 are pointers.
const SIZE: usize = 48;
const CONTENTS: [u8; SIZE] = [7; SIZE];
const FIELDS: Fields<'static> = Fields::Bits {
    bits: &[0b10_0010],
    len: SIZE / 8,
    word: 8,
};

fn object(i: usize) -> Object<'static> {
    Object {
        address: 0xc0_0000_0000 + (i * SIZE) as u64,
        contents: black_box(&CONTENTS),
        fields: black_box(FIELDS),
    }
}

fn write<W: io::Write>(sink: W) -> Result<W, WriteError> {
    let mut writer = Writer::new(sink);
    for i in 0..OBJECTS {
        writer.write(&Record::Object(object(i)))?;
    }
    writer.write(&Record::Eof)?;
    writer.finish()
}

fn best<E>(mut round: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round()?;
        best = best.min(start.elapsed());
    }
    Ok(best.as_nanos() as f64 / OBJECTS as f64)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ns = best(|| write(io::sink()).map(drop))?;
    println!("write {ns:.2} ns/object");

    let dump = write(Vec::new())?;
    let ns = best(|| {
        for record in Reader::new(&dump)? {
            black_box(record?);
        }
        Ok::<_, goheap_format::ReadError>(())
    })?;
    println!("read  {ns:.2} ns/object");

    let ns = best(|| {
        for record in Reader::new(&dump)? {
            if let Record::Object(object) = record? {
                black_box(object.fields.iter().map(|(_, at)| at).sum::<u64>());
            }
        }
        Ok::<_, goheap_format::ReadError>(())
    })?;
    println!("read  {ns:.2} ns/object, pointers too");
    Ok(())
}
