//! What can be wrong with a dump that is read, and with one that is written.

use std::{fmt, io};

use crate::RecordKind;

/// Why a dump cannot be read on. Offsets are in bytes from the start of the (decompressed) dump.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The first line is not that of a heap dump.
    #[error("byte 0: not a Go heap dump: {0}")]
    Header(HeaderDefect),
    /// A record is not what the format says it is.
    #[error("byte {offset}: {}: {defect}", Place { record: *record, kind: *kind, field })]
    Malformed {
        /// Where the faulty value begins.
        offset: u64,
        /// Where its record begins.
        record: u64,
        /// What the record is, once its tag was read.
        kind: Option<RecordKind>,
        /// Which value of the record it is.
        field: &'static str,
        /// What is wrong with it.
        defect: Defect,
    },
    /// The source of a stream failed.
    #[error("byte {offset}: {source}")]
    Io {
        /// How many bytes had come before.
        offset: u64,
        /// The source's own error.
        source: io::Error,
    },
}

impl ReadError {
    /// Where the fault is, in bytes from the start of the dump.
    pub fn offset(&self) -> u64 {
        match self {
            ReadError::Header(_) => 0,
            ReadError::Malformed { offset, .. } | ReadError::Io { offset, .. } => *offset,
        }
    }

    /// What record it is in, where that is known.
    pub fn kind(&self) -> Option<RecordKind> {
        match self {
            ReadError::Malformed { kind, .. } => *kind,
            ReadError::Header(_) | ReadError::Io { .. } => None,
        }
    }
}

struct Place<'a> {
    record: u64,
    kind: Option<RecordKind>,
    field: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(
                f,
                "{} of the {kind} record at byte {}",
                self.field, self.record
            ),
            None => write!(f, "{} of a record", self.field),
        }
    }
}

/// What is wrong with a value of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// The dump ends between two records, without an EOF record.
    #[error("the dump ends here without an eof record; it was cut off")]
    NoEof,
    /// The dump ends inside of a number.
    #[error("the dump ends inside of it; it was cut off")]
    Truncated,
    /// A length is longer than what is left of the dump.
    #[error("its length is {length}, but only {left} bytes are left of the dump")]
    LengthPastEnd {
        /// The length, in bytes.
        length: u64,
        /// What is left, in bytes.
        left: u64,
    },
    /// A stream's record takes more memory than it may.
    #[error(
        "is longer than {limit} bytes, which is all that is gathered of a stream; a plain file \
             has no such limit"
    )]
    TooLong {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A number has no end.
    #[error("a number of more than 10 bytes")]
    EndlessVarint,
    /// A number does not fit 64 bits.
    #[error("a number of more than 64 bits")]
    VarintOverflow,
    /// A number is longer than it needs to be; no writer of dumps does that.
    #[error("a number that is not in its shortest form")]
    PaddedVarint,
    /// There is no record with this tag.
    #[error("no record has the tag {0}")]
    UnknownTag(u64),
    /// There is no field of this kind.
    #[error("no field has the kind {0}")]
    UnknownFieldKind(u64),
    /// Neither 0 nor 1.
    #[error("a truth value of {0}")]
    NotABool(u64),
}

/// What the first bytes are, if not the first line of a heap dump that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderDefect {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// The start of a header, and then nothing.
    #[error("it ends within its first line")]
    Truncated,
    /// A dump of Go 1.3 or 1.4, whose formats were others.
    #[error("its first line is that of Go 1.{minor}, whose format is not supported")]
    TooOld {
        /// 3 or 4.
        minor: u8,
    },
    /// A heap dump of a format that is not known.
    #[error("its first line is that of a format which is not known")]
    TooNew,
    /// A gzip stream, which [`open_stream`](crate::open_stream) reads.
    #[error("it is compressed with gzip")]
    Gzip,
    /// A zstd stream, which [`open_stream`](crate::open_stream) reads.
    #[error("it is compressed with zstd")]
    Zstd,
    /// An ELF file, such as a core.
    #[error("it is an ELF file")]
    Elf,
    /// Anything else.
    #[error("it does not begin with \"go1.7 heap dump\"")]
    Other,
}

/// Why a dump cannot be written on. After any of these the dump is not whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The sink failed, or took nothing.
    #[error("cannot write behind byte {offset}: {source}")]
    Sink {
        /// How many bytes of the dump the sink had taken before the failed write.
        offset: u64,
        /// The sink's own error.
        source: io::Error,
    },
    /// Something failed before; nothing can be added to this dump.
    #[error("an earlier write failed")]
    Failed,
    /// A record behind the EOF record.
    #[error("{0} record behind the eof record")]
    BehindEof(RecordKind),
    /// The dump has no EOF record yet.
    #[error("the dump is not closed by an eof record")]
    NoEof,
    /// Fields that no reader would accept, or bits that are fewer than their number says.
    #[error("the list of pointers of the {0} record is malformed")]
    Fields(RecordKind),
    /// The header wants a number for the architecture and the record has a name, or the reverse.
    #[error("the architecture does not have the form that the header asks for")]
    Arch,
    /// Contents were announced, and more or fewer have come.
    #[error("contents of {announced} bytes were announced, and {missing} bytes are missing")]
    ContentsShort {
        /// Length in bytes, as announced.
        announced: u64,
        /// How many have not come.
        missing: u64,
    },
    /// More contents than announced.
    #[error("contents of {announced} bytes were announced, and more have come")]
    ContentsLong {
        /// Length in bytes, as announced.
        announced: u64,
    },
    /// A record within another one's contents, or contents outside of a record.
    #[error("contents and records are out of turn")]
    OutOfTurn,
}
