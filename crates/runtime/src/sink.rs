//! Who takes the records.

use std::io;

use goheap_format::annex::Note;
use goheap_format::{Fields, Object, Record, Segment};

/// Takes the records of a walk, in their order.
pub trait Sink {
    /// Takes one record.
    ///
    /// # Errors
    /// Whatever ends the walk: a full disk, an interrupt.
    fn record(&mut self, record: &Record<'_>) -> io::Result<()>;

    /// Takes what a mended dump knows and no record has a place for. Whoever does not care for it
    /// gets nothing of it.
    ///
    /// # Errors
    /// As [`record`](Sink::record).
    fn note(&mut self, _note: &Note<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Takes a record whose contents are too large to be held in memory: they come in pieces, from
    /// the first byte to the last. Whoever does not care for this gets one record, and holds it.
    ///
    /// # Errors
    /// As [`record`](Sink::record), and what the contents say.
    fn large(&mut self, large: &Large<'_>, contents: &mut dyn Contents) -> io::Result<()> {
        let mut whole = Vec::new();
        while let Some(piece) = contents.next()? {
            whole.extend_from_slice(piece);
        }
        let Large {
            address, fields, ..
        } = *large;
        let contents = whole.as_slice();
        self.record(&match large.kind {
            LargeKind::Object => Record::Object(Object {
                address,
                contents,
                fields,
            }),
            LargeKind::Data => Record::Data(Segment {
                address,
                contents,
                fields,
            }),
            LargeKind::Bss => Record::Bss(Segment {
                address,
                contents,
                fields,
            }),
        })
    }
}

/// A record without its contents.
#[derive(Debug, Clone, Copy)]
pub struct Large<'a> {
    /// Which record it is.
    pub kind: LargeKind,
    /// Its address.
    pub address: u64,
    /// Its size in bytes: so many the pieces have in all.
    pub size: u64,
    /// Where its pointers are.
    pub fields: Fields<'a>,
}

/// The kinds of record that may be large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LargeKind {
    /// An object.
    Object,
    /// The data segment.
    Data,
    /// The bss segment.
    Bss,
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
