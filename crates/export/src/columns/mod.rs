//! A heap as Parquet: a file for each table, for SQL over one capture or over those of a fleet.
//!
//! The columns, with units and meanings, are in docs/parquet.md. [`write()`] writes all tables of an
//! analysed dump, one after the other, in groups of at most [`ROWS`] rows, so that what is held in
//! memory does not grow with the heap, but for 4 bytes an object (who holds it).
//!
//! # What is not said
//! Contents of objects: no key of a map, no text, no number that the program's data has. Lines of
//! source: a dump has none.
//!
//! # How values are written
//! - All numbers are signed, of 64 bits: Spark reads unsigned ones of 64 bits as decimals
//!   (`ParquetSchemaConverter`, SPARK-34817), and what is subtracted may be less than nothing. Sizes
//!   and counts beyond 2^63 - 1 stop there; addresses beyond it are negative, and still tell apart.
//! - Text is UTF-8 as Parquet asks for it. Bytes that are none are written as `\xNN`, as in the JSON
//!   of the command; control characters stand for themselves. What is longer than [`LONGEST`] bytes is
//!   cut, and says so.
//! - Ascending addresses are delta encoded, what repeats goes by dictionary, all pages are compressed
//!   by zstd.

use std::io;

use goheap_analysis::answers::held::Held;
use goheap_analysis::{Analysis, Interrupted, Watch};
use parquet::errors::ParquetError;

mod capture;
mod edges;
mod goroutines;
mod objects;
mod roots;
mod schema;
mod sheet;
mod spans;
mod text;
mod types;

pub use schema::{Column, Kind, Table};
pub use sheet::ROWS;
pub use text::LONGEST;

use sheet::Sheet;

/// The name of the schema, and its version: in each file as `goheap.schema`. Within a version, columns
/// may be added; none changes its meaning or goes away.
pub const SCHEMA: &str = "goheap.parquet/1";

/// What only the caller knows.
pub struct About<'a> {
    /// The version of goheap.
    pub goheap_version: &'a str,
    /// A goroutine's state in a word, from the runtime's number of it.
    pub state: &'a dyn Fn(u64) -> String,
}

/// A table that was written.
#[derive(Debug)]
pub struct Written<W> {
    /// Which.
    pub table: Table,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes its file has.
    pub bytes: u64,
    /// What it was written to.
    pub out: W,
}

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnsError {
    /// There is nothing to write to.
    #[error("{}: {source}", table.file())]
    Open {
        /// Which table.
        table: Table,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("{}: {source}", table.file())]
    Write {
        /// Which table.
        table: Table,
        /// Why; a failure of what is written to is [`ParquetError::External`].
        source: ParquetError,
    },
    /// A row that is not as its table's columns: a mistake in this crate.
    #[error("{}: row {row} does not fit its columns; this is a fault of goheap", table.file())]
    Row {
        /// Which table.
        table: Table,
        /// The number of the row, from 0.
        row: u64,
    },
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Writes all tables of a dump, in the order of [`Table::ALL`], each to what `open` gives for it.
///
/// # Errors
/// See [`ColumnsError`]. What was written so far is of no use then.
pub fn write<W: io::Write + Send>(
    analysis: &Analysis,
    about: &About<'_>,
    open: &mut dyn FnMut(Table) -> io::Result<W>,
    watch: &dyn Watch,
) -> Result<Vec<Written<W>>, ColumnsError> {
    let held = Held::of(analysis, watch)?;
    let mut all = Vec::new();
    for table in Table::ALL {
        let out = open(table).map_err(|source| ColumnsError::Open { table, source })?;
        let mut sheet = Sheet::new(table, out, capture::metadata(analysis, about))?;
        match table {
            Table::Capture => capture::rows(analysis, about, &mut sheet),
            Table::Objects => objects::rows(analysis, &held, &mut sheet, watch),
            Table::Edges => edges::rows(analysis, &mut sheet, watch),
            Table::Types => types::rows(analysis, &mut sheet, watch),
            Table::Roots => roots::rows(analysis, &mut sheet, watch),
            Table::Goroutines => goroutines::rows(analysis, about, &held, &mut sheet, watch),
            Table::Frames => goroutines::frames(analysis, &mut sheet, watch),
            Table::Spans => spans::rows(analysis, &mut sheet, watch),
        }?;
        all.push(sheet.finish()?);
    }
    Ok(all)
}

/// How many rows are written between two looks at whether somebody wants the work to end.
const STEP: u64 = 1 << 14;
