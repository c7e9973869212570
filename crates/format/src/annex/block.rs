//! A block: some rows of a section, and what they are.

use zstd::bulk::Decompressor;

use super::cursor::Cursor;
use super::section::{Column, MOST_COLUMNS, NoteKind, Value};
use super::{AnnexDefect, AnnexError, MAX_COLUMNS, MAX_ROWS, Note, STORED_PLAIN, STORED_ZSTD};

/// Rows of a section as they are stored: their checksum was right, and nothing of them was looked
/// at. A section may have any number of blocks.
#[derive(Debug, Clone)]
pub struct Block {
    pub(super) offset: u64,
    /// Where the stored rows begin, from the start of the dump.
    pub(super) stored_at: u64,
    pub(super) head: Head,
    pub(super) stored: Vec<u8>,
}

/// What a block tells of itself.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) section: Vec<u8>,
    pub(super) columns: Vec<Column>,
    pub(super) rows: u64,
    /// Bytes of the rows before they were compressed.
    pub(super) length: u64,
    /// Bytes of the rows as they are stored.
    pub(super) stored: u64,
    pub(super) storage: u64,
}

impl Head {
    /// Takes the head apart; the error is told with the section's name, once that is known.
    pub(super) fn parse(bytes: &[u8]) -> Result<Head, (usize, Option<Vec<u8>>, AnnexDefect)> {
        let mut cursor = Cursor::new(bytes);
        let Some(section) = cursor.bytes() else {
            let defect = AnnexDefect::HeadShort("the section's name");
            return Err((cursor.position(), None, defect));
        };
        let section = section.to_vec();
        let mut head = Head {
            section,
            columns: Vec::new(),
            rows: 0,
            length: 0,
            stored: 0,
            storage: 0,
        };
        match head.fill(&mut cursor) {
            Ok(()) => Ok(head),
            Err(defect) => Err((cursor.position(), Some(head.section), defect)),
        }
    }

    fn fill(&mut self, cursor: &mut Cursor<'_>) -> Result<(), AnnexDefect> {
        let short = AnnexDefect::HeadShort;
        let count = cursor.number().ok_or(short("the number of columns"))?;
        if count == 0 || count > MAX_COLUMNS {
            return Err(AnnexDefect::ColumnCount(count));
        }
        let known = NoteKind::from_name(&self.section);
        for _ in 0..count {
            let name = cursor.bytes().ok_or(short("a column's name"))?;
            let number = cursor.number().ok_or(short("a column's kind"))?;
            let expected = known.and_then(|kind| {
                let mut columns = kind.columns().iter();
                columns.find(|(known, _)| known.as_bytes() == name)
            });
            if let Some(&(name, kind)) = expected
                && number != kind as u64
            {
                return Err(AnnexDefect::ColumnKind {
                    name,
                    found: number,
                    expected: kind as u64,
                });
            }
            self.columns.push(Column {
                name: name.to_vec(),
                number,
            });
        }
        self.rows = cursor.number().ok_or(short("the number of rows"))?;
        self.length = cursor.number().ok_or(short("the length of the rows"))?;
        self.stored = cursor.number().ok_or(short("the stored length"))?;
        self.storage = cursor.number().ok_or(short("how the rows are stored"))?;
        // What follows is of a later version.
        for (what, length) in [("rows", self.length), ("stored rows", self.stored)] {
            if length > MAX_ROWS {
                let limit = MAX_ROWS;
                return Err(AnnexDefect::TooLong {
                    what,
                    length,
                    limit,
                });
            }
        }
        if self.rows > self.length {
            return Err(AnnexDefect::RowCount {
                rows: self.rows,
                bytes: self.length,
            });
        }
        Ok(())
    }
}

impl Block {
    /// Where it begins, in bytes from the start of the dump.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Name of its section.
    pub fn section(&self) -> &[u8] {
        &self.head.section
    }

    /// Which notes its rows are; `None` if the section is not known.
    pub fn kind(&self) -> Option<NoteKind> {
        NoteKind::from_name(&self.head.section)
    }

    /// The columns that it tells of.
    pub fn columns(&self) -> &[Column] {
        &self.head.columns
    }

    /// How many rows it has.
    pub fn row_count(&self) -> u64 {
        self.head.rows
    }

    /// Decompresses the rows and checks them to their end; walking over them cannot fail.
    ///
    /// # Errors
    /// What is wrong with them. No more than 16 MiB are decompressed.
    pub fn rows(self) -> Result<Rows, AnnexError> {
        let Block {
            head,
            stored,
            stored_at,
            ..
        } = self;
        match Rows::of(&head, stored) {
            Ok((bytes, places)) => Ok(Rows {
                bytes,
                places,
                kind: NoteKind::from_name(&head.section),
                columns: head.columns,
                count: head.rows,
            }),
            Err(defect) => Err(AnnexError::Malformed {
                offset: stored_at,
                section: Some(head.section),
                defect,
            }),
        }
    }
}

/// Where something begins and ends.
type Place = (usize, usize);

/// The rows of a block.
#[derive(Debug, Clone)]
pub struct Rows {
    bytes: Vec<u8>,
    /// Where the values of each column begin and end in `bytes`.
    places: Vec<Place>,
    kind: Option<NoteKind>,
    columns: Vec<Column>,
    count: u64,
}

impl Rows {
    /// The bytes of the rows, and where each column is in them.
    fn of(head: &Head, stored: Vec<u8>) -> Result<(Vec<u8>, Vec<Place>), AnnexDefect> {
        let bytes = match head.storage {
            STORED_PLAIN => stored,
            STORED_ZSTD => decompress(&stored, head.length)?,
            other => return Err(AnnexDefect::Storage(other)),
        };
        if bytes.len() as u64 != head.length {
            return Err(AnnexDefect::RowsLength {
                found: bytes.len() as u64,
                expected: head.length,
            });
        }
        let mut cursor = Cursor::new(&bytes);
        let mut places = Vec::with_capacity(head.columns.len());
        for (number, column) in (0..).zip(&head.columns) {
            let values = cursor.bytes().ok_or(AnnexDefect::ColumnLength(number))?;
            let end = cursor.position();
            places.push((end - values.len(), end));
            let Some(kind) = column.kind() else { continue };
            let mut values = Cursor::new(values);
            for row in 0..head.rows {
                if values.value(kind).is_none() {
                    let column = number;
                    return Err(AnnexDefect::Value { column, row });
                }
            }
            if !values.is_at_end() {
                return Err(AnnexDefect::MoreValues(number));
            }
        }
        if !cursor.is_at_end() {
            return Err(AnnexDefect::ColumnLength(head.columns.len() as u64));
        }
        Ok((bytes, places))
    }

    /// The columns, as the file tells of them.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Each row as the values of its columns, known or not.
    pub fn iter(&self) -> RowIter<'_> {
        RowIter {
            rows: self,
            cursors: self.cursors(),
            left: self.count,
        }
    }

    /// Each row as a note; `None` if the section is not known.
    pub fn notes(&self) -> Option<Notes<'_>> {
        let kind = self.kind?;
        let mut places = [None; MOST_COLUMNS];
        for (place, (name, _)) in places.iter_mut().zip(kind.columns()) {
            *place = self
                .columns
                .iter()
                .position(|column| column.name == name.as_bytes());
        }
        Some(Notes {
            rows: self,
            cursors: self.cursors(),
            kind,
            places,
            left: self.count,
        })
    }

    fn cursors(&self) -> Vec<Cursor<'_>> {
        let values = |&(start, end)| self.bytes.get(start..end).unwrap_or_default();
        self.places.iter().map(values).map(Cursor::new).collect()
    }

    fn value<'a>(&self, cursors: &mut [Cursor<'a>], column: usize) -> Value<'a> {
        let kind = self.columns.get(column).and_then(Column::kind);
        kind.zip(cursors.get_mut(column))
            .and_then(|(kind, cursor)| cursor.value(kind))
            .unwrap_or(Value::Unknown)
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = Vec<Value<'a>>;
    type IntoIter = RowIter<'a>;

    fn into_iter(self) -> RowIter<'a> {
        self.iter()
    }
}

/// See [`Rows::iter`].
#[derive(Debug)]
pub struct RowIter<'a> {
    rows: &'a Rows,
    cursors: Vec<Cursor<'a>>,
    left: u64,
}

impl<'a> Iterator for RowIter<'a> {
    type Item = Vec<Value<'a>>;

    fn next(&mut self) -> Option<Vec<Value<'a>>> {
        self.left = self.left.checked_sub(1)?;
        let columns = 0..self.rows.columns.len();
        Some(
            columns
                .map(|column| self.rows.value(&mut self.cursors, column))
                .collect(),
        )
    }
}

/// See [`Rows::notes`].
#[derive(Debug)]
pub struct Notes<'a> {
    rows: &'a Rows,
    cursors: Vec<Cursor<'a>>,
    kind: NoteKind,
    /// Which of the section's columns is which of the kind's.
    places: [Option<usize>; MOST_COLUMNS],
    left: u64,
}

impl<'a> Iterator for Notes<'a> {
    type Item = Note<'a>;

    fn next(&mut self) -> Option<Note<'a>> {
        self.left = self.left.checked_sub(1)?;
        let mut values = [Value::Unknown; MOST_COLUMNS];
        for (value, place) in values.iter_mut().zip(self.places) {
            if let Some(column) = place {
                *value = self.rows.value(&mut self.cursors, column);
            }
        }
        Some(
            self.kind
                .note(|at| values.get(at).copied().unwrap_or(Value::Unknown)),
        )
    }
}

/// Decompresses what gives `length` bytes, which is no more than [`MAX_ROWS`].
fn decompress(stored: &[u8], length: u64) -> Result<Vec<u8>, AnnexDefect> {
    let capacity = usize::try_from(length).map_err(|_| AnnexDefect::Compression)?;
    Decompressor::new()
        .and_then(|mut zstd| zstd.decompress(stored, capacity))
        .map_err(|_| AnnexDefect::Compression)
}
