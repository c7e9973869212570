//! One table being written: rows are collected by column, and become a row group when there are enough.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};

use super::schema::{Column, Kind, Table};
use super::{ColumnsError, Written};

/// The most rows of a row group.
pub const ROWS: usize = 1 << 17;

/// The most bytes of text of a row group, about: names can be long.
const TEXT: usize = 32 << 20;

/// A value of a row.
#[derive(Clone)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Bool(bool),
    Text(ByteArray),
}

/// A size, a count, a number: what is beyond 2^63 - 1 stops there.
pub(super) fn number(value: u64) -> Cell {
    Cell::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// An address, with all of its bits.
pub(super) fn address(value: u64) -> Cell {
    Cell::Int(value.cast_signed())
}

/// A text.
pub(super) fn text(value: &str) -> Cell {
    Cell::Text(super::text::text(value))
}

/// What there may be, or null.
pub(super) fn maybe<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
    value.map_or(Cell::Null, cell)
}

/// The values of a column that wait for their row group.
enum Values {
    Int(Vec<i64>),
    Bool(Vec<bool>),
    Text(Vec<ByteArray>),
}

struct Waiting {
    values: Values,
    /// Of a column that can be null: 1 for each value, 0 for each null.
    levels: Option<Vec<i16>>,
}

/// A table being written.
pub(super) struct Sheet<W: Write + Send> {
    table: Table,
    writer: SerializedFileWriter<Counted<W>>,
    waiting: Vec<Waiting>,
    /// Rows that wait.
    rows: usize,
    /// Bytes of text that wait.
    text: usize,
    written: u64,
}

impl<W: Write + Send> Sheet<W> {
    /// Begins the file of a table.
    pub(super) fn new(
        table: Table,
        out: W,
        metadata: Vec<(&'static str, String)>,
    ) -> std::result::Result<Sheet<W>, ColumnsError> {
        let writer =
            begin(table, out, metadata).map_err(|source| ColumnsError::Write { table, source })?;
        let waiting = table.columns().iter().map(|column| Waiting {
            values: match column.kind {
                Kind::Number | Kind::Frequent => Values::Int(Vec::new()),
                Kind::Bool => Values::Bool(Vec::new()),
                Kind::Text => Values::Text(Vec::new()),
            },
            levels: column.nullable.then(Vec::new),
        });
        Ok(Sheet {
            table,
            writer,
            waiting: waiting.collect(),
            rows: 0,
            text: 0,
            written: 0,
        })
    }

    /// Adds a row: a cell for each column, in their order.
    pub(super) fn row<const N: usize>(
        &mut self,
        cells: [Cell; N],
    ) -> std::result::Result<(), ColumnsError> {
        let mut fits = N == self.waiting.len();
        for (cell, waiting) in cells.into_iter().zip(&mut self.waiting) {
            let is_null = matches!(cell, Cell::Null);
            match (&mut waiting.values, cell) {
                (_, Cell::Null) => {}
                (Values::Int(values), Cell::Int(value)) => values.push(value),
                (Values::Bool(values), Cell::Bool(value)) => values.push(value),
                (Values::Text(values), Cell::Text(value)) => {
                    self.text = self.text.saturating_add(value.len());
                    values.push(value);
                }
                _ => fits = false,
            }
            match &mut waiting.levels {
                Some(levels) => levels.push(i16::from(!is_null)),
                None => fits &= !is_null,
            }
        }
        if !fits {
            return Err(ColumnsError::Row {
                table: self.table,
                row: self.written + self.rows as u64,
            });
        }
        self.rows += 1;
        if self.rows >= ROWS || self.text >= TEXT {
            let table = self.table;
            self.flush()
                .map_err(|source| ColumnsError::Write { table, source })?;
        }
        Ok(())
    }

    /// Writes the rows that wait as a row group.
    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for waiting in &mut self.waiting {
            let levels = waiting.levels.as_deref();
            match &mut waiting.values {
                Values::Int(values) => put::<Int64Type, W>(&mut group, values, levels)?,
                Values::Bool(values) => put::<BoolType, W>(&mut group, values, levels)?,
                Values::Text(values) => put::<ByteArrayType, W>(&mut group, values, levels)?,
            }
            if let Some(levels) = &mut waiting.levels {
                levels.clear();
            }
        }
        group.close()?;
        self.written += self.rows as u64;
        (self.rows, self.text) = (0, 0);
        Ok(())
    }

    /// Writes what waits, and the end of the file.
    pub(super) fn finish(mut self) -> std::result::Result<Written<W>, ColumnsError> {
        let table = self.table;
        let flushed = self.flush();
        let ended = flushed.and_then(|()| self.writer.into_inner());
        let Counted { out, bytes } =
            ended.map_err(|source| ColumnsError::Write { table, source })?;
        Ok(Written {
            table,
            rows: self.written,
            bytes,
            out,
        })
    }
}

/// Counts what is written.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes the next column of a row group, and forgets its values.
fn put<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, Counted<W>>,
    values: &mut Vec<T::T>,
    levels: Option<&[i16]>,
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, levels, None)?;
        column.close()?;
    }
    values.clear();
    Ok(())
}

fn begin<W: Write + Send>(
    table: Table,
    out: W,
    metadata: Vec<(&'static str, String)>,
) -> Result<SerializedFileWriter<Counted<W>>> {
    let fields = table.columns().iter().map(|column| {
        let (physical, logical) = match column.kind {
            Kind::Number | Kind::Frequent => (Physical::INT64, None),
            Kind::Bool => (Physical::BOOLEAN, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_logical_type(logical)
            .with_repetition(match column.nullable {
                true => Repetition::OPTIONAL,
                false => Repetition::REQUIRED,
            })
            .build()?;
        Ok(Arc::new(field))
    });
    let schema = Type::group_type_builder(table.name())
        .with_fields(fields.collect::<Result<_>>()?)
        .build()?;
    let pairs = metadata
        .into_iter()
        .map(|(key, value)| KeyValue::new(key.to_owned(), value));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        // Of row groups of this size, what those say is enough to leave some out.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(pairs.collect()));
    for Column { name, kind, .. } in table.columns() {
        if *kind == Kind::Number {
            let path = ColumnPath::from(*name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    let out = Counted { out, bytes: 0 };
    SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build()))
}

/// How hard zstd tries.
const LEVEL: i32 = 3;
