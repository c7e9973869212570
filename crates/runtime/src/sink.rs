//! Who takes the records.

use std::io;

use goheap_format::{Fields, Object, Record};

/// Takes the records of a walk, in their order.
pub trait Sink {
    /// Takes one record.
    ///
    /// # Errors
    /// Whatever ends the walk: a full disk, an interrupt.
    fn record(&mut self, record: &Record<'_>) -> io::Result<()>;

    /// Takes an object that is too large to be held in memory: its contents come in pieces, from
    /// its first byte to its last. Whoever does not care for this gets one record, and holds it.
    ///
    /// # Errors
    /// As [`record`](Sink::record), and what the contents say.
    fn large_object(
        &mut self,
        object: &LargeObject<'_>,
        contents: &mut dyn Contents,
    ) -> io::Result<()> {
        let mut whole = Vec::new();
        while let Some(piece) = contents.next()? {
            whole.extend_from_slice(piece);
        }
        self.record(&Record::Object(Object {
            address: object.address,
            contents: &whole,
            fields: object.fields.clone(),
        }))
    }
}

/// An object without its contents.
#[derive(Debug)]
pub struct LargeObject<'a> {
    /// Its address.
    pub address: u64,
    /// Its size in bytes: so many the pieces have in all.
    pub size: u64,
    /// Where its pointers are.
    pub fields: Fields<'a>,
}

/// Contents in pieces.
pub trait Contents {
    /// The next piece, `None` behind the last.
    ///
    /// # Errors
    /// The target's memory cannot be read.
    fn next(&mut self) -> io::Result<Option<&[u8]>>;
}

impl<F: FnMut(&Record<'_>) -> io::Result<()>> Sink for F {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self(record)
    }
}
