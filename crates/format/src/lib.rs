//! The wire format of Go heap dumps ("go1.7 heap dump", and 1.5 and 1.6): reader, writer, files.
//!
//! Its place: process → memory → runtime → **records → dump file** → graph → answers. Whatever the
//! source of the records, they are [`Record`]s, and a dump file is one encoding of them.
//!
//! # Start here
//! - [`Record`] and its 18 kinds: what a dump says.
//! - [`Writer`] turns records into a dump, [`Reader`] turns a dump in memory (a memory map) into
//!   records that borrow from it, [`StreamReader`] does so with any [`Read`](std::io::Read), and
//!   [`open_stream`] undoes gzip and zstd first. [`RecordSource`] is what the two readers share.
//! - [`output::OutputFile`] is a file that is whole or not there, [`SeekableWriter`] a compressed
//!   one that a reader can begin in the middle of.
//! - [`annex`]: what goheap appends behind the records, as [`annex::Note`]s.
//! - [`verify::verify`] says whether a dump is whole and makes sense.
//!
//! # Invariants
//! - `write(read(x)) == x`: what a reader accepts, a writer writes again byte for byte. So numbers
//!   that are not in their shortest form are refused; no writer of dumps makes them.
//! - Any input ends in records or in an error that tells the byte offset, the record and what is
//!   wrong: never in a panic, an endless loop or an allocation that a claimed length decides.
//! - A [`Fields`] that comes from a reader has been checked to its end; walking it cannot fail.
//! - A writer that has failed once writes nothing more and cannot be finished.
//! - What a reader hands out and a writer takes are the same types: nothing is lost on the way.
//!
//! # Not here
//! - What the numbers mean: Go's structs, types and versions are in `goheap-golang`.
//! - Where the records of a live process come from: `goheap-runtime`.
//! - Opening files for reading, memory maps, standard output, progress: the command, `goheap`.
//! - The formats of Go 1.3 and 1.4, which are refused by name.
//!
//! # Example
//! ```
//! use goheap_format::{Fields, Object, Reader, Record, Writer};
//!
//! // A dump of one object of two words, the second of which is a pointer.
//! let mut writer = Writer::new(Vec::new());
//! writer.write(&Record::Object(Object {
//!     address: 0xc000012340,
//!     contents: &[0; 16],
//!     fields: Fields::Bits { bits: &[0b10], len: 2, word: 8 },
//! }))?;
//! writer.write(&Record::Eof)?;
//! let dump = writer.finish()?;
//!
//! let mut reader = Reader::new(&dump)?;
//! let Some(Record::Object(object)) = reader.next_record()? else { panic!("an object comes first") };
//! assert_eq!((reader.offset(), object.address), (16, 0xc000012340));
//! assert_eq!(object.fields, Fields::Offsets(&[8]));
//! assert_eq!(reader.next_record()?, Some(Record::Eof));
//! assert_eq!(reader.next_record()?, None);
//!
//! // Half a dump is an error with its place.
//! let error = Reader::new(&dump[..30])?.next_record().unwrap_err();
//! assert_eq!(error.offset(), 23);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

// Only the command prints.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod annex;
mod error;
mod fields;
mod header;
mod kind;
mod open;
pub mod output;
mod parse;
mod reader;
mod record;
mod scan;
mod seekable;
mod stream;
mod varint;
pub mod verify;
mod writer;

pub use error::{Defect, HeaderDefect, ReadError, WriteError};
pub use fields::{FieldKind, Fields, FieldsIter};
pub use header::Header;
pub use kind::RecordKind;
pub use open::{Compression, Decoded, open_stream};
pub use reader::{Reader, RecordSource};
pub use record::*;
pub use seekable::{FRAME_CONTENT, SeekableWriter};
pub use stream::StreamReader;
pub use writer::{Start, Writer};
