//! The annex: what goheap knows of a captured program and the runtime's format has no place for.
//!
//! It stands behind the EOF record, where the runtime's readers stop. The walk hands out [`Note`]s
//! beside the records; [`AnnexWriter`] gathers them and writes them at the end, and [`AnnexReader`]
//! reads them again. Each kind of note is a section: a table that tells the names and kinds of its
//! own columns, so that a reader lists and skips sections that it does not know. The bytes are
//! described in `docs/annex.md`.

mod append;
mod block;
mod cursor;
mod digest;
mod error;
mod note;
mod numbers;
mod reader;
mod section;
mod sum;
mod values;
mod writer;

pub use append::AnnexAppender;
pub use block::{Block, Notes, RowIter, Rows};
pub use digest::{CaptureDigest, Digest, GapDigest, ProgramDigest};
pub use error::{AnnexDefect, AnnexError};
pub use note::{
    Analysis, Capture, CapturedLength, Catalogue, Class, Cleanup, Constant, Dominated,
    FrameVariable, Function, Gap, Global, GoType, ItabType, Layout, LayoutMember, Module, Note,
    ObjectClass, Program, Register, Span, TypeField, WeakHandle,
};
pub use numbers::{Numbers, put_difference, put_number};
pub use reader::{AnnexReader, Version};
pub use section::{Column, ColumnKind, NoteKind, Value};
pub use sum::Checksum;
pub use writer::AnnexWriter;

/// What an annex begins with, before the numbers of its version and a line feed.
pub const MAGIC: &[u8] = b"goheap annex ";
/// What an annex ends with.
pub const END_MAGIC: &[u8; 8] = b"goannex\n";
/// The version that is written, and whose sections and columns are all known.
pub const VERSION: Version = Version { major: 1, minor: 3 };

/// Tag of a block, and of the end.
const TAG_BLOCK: u64 = 1;
const TAG_END: u64 = 0;
/// How the rows of a block are stored.
const STORED_PLAIN: u64 = 0;
const STORED_ZSTD: u64 = 1;
/// The most that a block may say of its length, in bytes: of its head, of its rows before
/// compression, and of its rows as they are stored.
const MAX_HEAD: u64 = 64 << 10;
const MAX_ROWS: u64 = 16 << 20;
/// The most columns that a section may have.
const MAX_COLUMNS: u64 = 256;
