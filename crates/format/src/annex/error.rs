//! What can be wrong with an annex that is read.

use std::{fmt, io};

use super::Version;

/// Why an annex cannot be read on. Offsets are in bytes from the start of the (decompressed) dump.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnexError {
    /// Something else stands behind the EOF record.
    #[error("byte {offset}: what stands behind the eof record is no annex of goheap's")]
    NotAnnex {
        /// Where it begins.
        offset: u64,
    },
    /// An annex of a major version that is not known.
    #[error(
        "byte {offset}: the annex is of version {version}, and this goheap knows version {} only",
        super::VERSION.major
    )]
    Version {
        /// Where it begins.
        offset: u64,
        /// Its version.
        version: Version,
    },
    /// The annex is not what its format says it is.
    #[error("byte {offset}: {}: {defect}", Place(section))]
    Malformed {
        /// Where the faulty value begins; of what is compressed, where that begins.
        offset: u64,
        /// The section that it belongs to, once that is known.
        section: Option<Vec<u8>>,
        /// What is wrong with it.
        defect: AnnexDefect,
    },
    /// The source of a stream failed.
    #[error("byte {offset}: {source}")]
    Io {
        /// How far the annex was read.
        offset: u64,
        /// The source's own error.
        source: io::Error,
    },
}

impl AnnexError {
    /// Where the fault is, in bytes from the start of the dump.
    pub fn offset(&self) -> u64 {
        match self {
            AnnexError::NotAnnex { offset }
            | AnnexError::Version { offset, .. }
            | AnnexError::Malformed { offset, .. }
            | AnnexError::Io { offset, .. } => *offset,
        }
    }
}

struct Place<'a>(&'a Option<Vec<u8>>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(section) => {
                write!(
                    f,
                    "section {} of the annex",
                    String::from_utf8_lossy(section)
                )
            }
            None => f.write_str("the annex"),
        }
    }
}

/// What is wrong with an annex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnexDefect {
    /// It ends too early.
    #[error("it ends here; it was cut off")]
    Truncated,
    /// Its first line has no version.
    #[error("its first line does not tell a version")]
    FirstLine,
    /// Not a number as the format has them.
    #[error("{0} is not a number in its shortest form, or has more than 64 bits")]
    Number(&'static str),
    /// A length beyond what the format allows.
    #[error("{what} of {length} bytes, where {limit} are the most")]
    TooLong {
        /// What has the length.
        what: &'static str,
        /// The length.
        length: u64,
        /// The most that it may be.
        limit: u64,
    },
    /// What the head of a block tells goes on behind the head's end.
    #[error("the head of a block ends before {0}")]
    HeadShort(&'static str),
    /// A tag that is neither that of a block nor that of the end.
    #[error("neither a block nor the end has the tag {0}")]
    Tag(u64),
    /// No column, or too many.
    #[error("a table of {0} columns")]
    ColumnCount(u64),
    /// A known column with a kind that it does not have.
    #[error("column {name} has the kind {found}, not {expected}")]
    ColumnKind {
        /// The column.
        name: &'static str,
        /// Its kind here.
        found: u64,
        /// Its kind.
        expected: u64,
    },
    /// Rows that are stored in a way that is not known.
    #[error("its rows are stored in the way {0}, which is not known")]
    Storage(u64),
    /// The bytes are not those that were written.
    #[error("its checksum is {found:#010x}, but {expected:#010x} was written with it")]
    Checksum {
        /// Of what is there.
        found: u32,
        /// As stored.
        expected: u32,
    },
    /// The compressed bytes are damaged, or give more than they may.
    #[error("its rows cannot be decompressed")]
    Compression,
    /// The rows are more or fewer bytes than told.
    #[error("its rows have {found} bytes, not {expected}")]
    RowsLength {
        /// Of what is there.
        found: u64,
        /// As told.
        expected: u64,
    },
    /// A column is longer than what is left of the rows, or there is more behind the last.
    #[error("column {0} does not end where the rows do")]
    ColumnLength(u64),
    /// A value that is none, or more or fewer of them than rows.
    #[error("column {column} has no value of its kind for row {row}")]
    Value {
        /// Number of the column.
        column: u64,
        /// Number of the row in its block.
        row: u64,
    },
    /// A column goes on behind the last row.
    #[error("column {0} has more values than there are rows")]
    MoreValues(u64),
    /// More rows than bytes.
    #[error("{rows} rows in {bytes} bytes")]
    RowCount {
        /// Rows.
        rows: u64,
        /// Bytes.
        bytes: u64,
    },
    /// The end tells another number of blocks or rows.
    #[error("its end tells of {expected} {what}, but there are {found}")]
    Count {
        /// Blocks or rows.
        what: &'static str,
        /// As counted.
        found: u64,
        /// As told.
        expected: u64,
    },
    /// The last bytes are not those of an annex.
    #[error("its last eight bytes are not those of an annex")]
    EndMagic,
}
