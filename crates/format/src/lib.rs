//! The wire format of Go heap dumps ("go1.7 heap dump", and 1.5 and 1.6): reader, writer, files.
//!
//! Its place: process → memory → runtime → **records → dump file** → graph → answers.

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
