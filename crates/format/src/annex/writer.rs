//! Writing an annex.

use std::io::{self, Write};

use flate2::Crc;
use zstd::bulk::Compressor;

use super::cursor::{put_bytes, put_number, put_value};
use super::section::{MOST_COLUMNS, NoteKind, Value};
use super::{
    END_MAGIC, MAGIC, Note, STORED_PLAIN, STORED_ZSTD, TAG_BLOCK, TAG_END, VERSION, Version,
};

/// A block is closed once its rows have so many bytes.
const BLOCK: usize = 256 << 10;
/// Rows that may wait for their compression, in bytes. Whoever gathers notes holds a process still
/// meanwhile, so what memory has room for is compressed when that is over.
const WAITING: usize = 64 << 20;
/// The longest text, in bytes; what is longer is cut, and ends with this mark.
const MAX_TEXT: usize = 256 << 10;
const CUT: &[u8] = b"... (cut)";
/// zstd's level.
const LEVEL: i32 = 3;

/// Gathers notes, in any order, and writes them as an annex.
///
/// Notes are held as the columns of their section; from 64 MiB of them on they are compressed as
/// they come, 256 KiB at a time.
#[derive(Default)]
pub struct AnnexWriter {
    sections: [Section; NoteKind::ALL.len()],
    /// Bytes of closed blocks that are not compressed yet.
    waiting: usize,
    compressor: Option<Compressor<'static>>,
}

#[derive(Default)]
struct Section {
    open: Open,
    closed: Vec<Piece>,
    rows: u64,
}

/// The block that is being filled.
#[derive(Default)]
pub(super) struct Open {
    pub(super) rows: u64,
    bytes: usize,
    columns: [Vec<u8>; MOST_COLUMNS],
    /// The address before, of each column.
    addresses: [u64; MOST_COLUMNS],
}

/// A block that is full.
enum Piece {
    /// Its rows.
    Waiting { rows: u64, bytes: Vec<u8> },
    /// All of it, as it goes into the file.
    Done(Vec<u8>),
}

impl std::fmt::Debug for AnnexWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows: Vec<u64> = self.sections.iter().map(|section| section.rows).collect();
        f.debug_struct("AnnexWriter")
            .field("rows", &rows)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

impl AnnexWriter {
    /// Without any notes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a note.
    ///
    /// # Errors
    /// Of zstd: no memory.
    #[inline]
    pub fn add(&mut self, note: &Note<'_>) -> io::Result<()> {
        let kind = note.kind();
        let Some(section) = self.sections.get_mut(kind as usize) else {
            return Ok(());
        };
        section.open.add(note);
        section.rows += 1;
        if section.open.bytes >= BLOCK {
            self.close(kind)?;
        }
        Ok(())
    }

    fn close(&mut self, kind: NoteKind) -> io::Result<()> {
        let Some(section) = self.sections.get_mut(kind as usize) else {
            return Ok(());
        };
        let open = std::mem::take(&mut section.open);
        if open.rows == 0 {
            return Ok(());
        }
        let bytes = open.rows_of(kind);
        let piece = match self.waiting + bytes.len() > WAITING {
            true => Piece::Done(block(&mut self.compressor, kind, open.rows, &bytes)?),
            false => {
                self.waiting += bytes.len();
                Piece::Waiting {
                    rows: open.rows,
                    bytes,
                }
            }
        };
        section.closed.push(piece);
        Ok(())
    }

    /// Compresses what is not yet, writes all of it, and tells how many bytes that was.
    ///
    /// # Errors
    /// Of the sink, and of zstd.
    pub fn finish(mut self, sink: &mut impl Write) -> io::Result<u64> {
        let mut out = Counted { sink, written: 0 };
        out.put(&first_line(VERSION))?;
        let (mut blocks, mut rows) = (0, 0);
        for kind in NoteKind::ALL {
            self.close(kind)?;
            let Some(section) = self.sections.get_mut(kind as usize) else {
                continue;
            };
            rows += section.rows;
            for piece in std::mem::take(&mut section.closed) {
                let done = match piece {
                    Piece::Done(done) => done,
                    Piece::Waiting { rows, bytes } => {
                        block(&mut self.compressor, kind, rows, &bytes)?
                    }
                };
                out.put(&done)?;
                blocks += 1;
            }
        }
        out.put(&end(blocks, rows, out.written))?;
        Ok(out.written)
    }
}

impl Open {
    /// Adds a row.
    #[inline]
    pub(super) fn add(&mut self, note: &Note<'_>) {
        let places = self.columns.iter_mut().zip(&mut self.addresses);
        for ((column, address), value) in places.zip(note.values()) {
            let before = column.len();
            match value {
                Value::Text(text) | Value::Bytes(text) if text.len() > MAX_TEXT => {
                    let kept = text.get(..MAX_TEXT - CUT.len()).unwrap_or_default();
                    let cut = [kept, CUT].concat();
                    put_bytes(column, &cut);
                }
                value => put_value(column, address, value),
            }
            self.bytes += column.len() - before;
        }
        self.rows += 1;
    }

    /// The bytes of the rows.
    pub(super) fn rows_of(&self, kind: NoteKind) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes + 3 * MOST_COLUMNS);
        for (column, _) in self.columns.iter().zip(kind.columns()) {
            put_bytes(&mut bytes, column);
        }
        bytes
    }
}

/// The first line of an annex.
pub(super) fn first_line(version: Version) -> Vec<u8> {
    [MAGIC, format!("{version}\n").as_bytes()].concat()
}

/// The end of an annex that has `written` bytes before it.
pub(super) fn end(blocks: u64, rows: u64, written: u64) -> Vec<u8> {
    let mut end = Vec::new();
    put_number(&mut end, TAG_END);
    put_number(&mut end, blocks);
    put_number(&mut end, rows);
    let length = written + (end.len() + 8 + 4 + END_MAGIC.len()) as u64;
    end.extend_from_slice(&length.to_le_bytes());
    put_checksum(&mut end);
    end.extend_from_slice(END_MAGIC);
    end
}

struct Counted<'w, W> {
    sink: &'w mut W,
    written: u64,
}

impl<W: Write> Counted<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// A block as it goes into the file.
pub(super) fn block(
    compressor: &mut Option<Compressor<'static>>,
    kind: NoteKind,
    rows: u64,
    bytes: &[u8],
) -> io::Result<Vec<u8>> {
    let compressor = match compressor {
        Some(compressor) => compressor,
        None => compressor.insert(Compressor::new(LEVEL)?),
    };
    let compressed = compressor.compress(bytes)?;
    let (storage, stored) = match compressed.len() < bytes.len() {
        true => (STORED_ZSTD, compressed.as_slice()),
        false => (STORED_PLAIN, bytes),
    };
    let mut head = Vec::new();
    put_bytes(&mut head, kind.name().as_bytes());
    put_number(&mut head, kind.columns().len() as u64);
    for (name, column) in kind.columns() {
        put_bytes(&mut head, name.as_bytes());
        put_number(&mut head, *column as u64);
    }
    put_number(&mut head, rows);
    put_number(&mut head, bytes.len() as u64);
    put_number(&mut head, stored.len() as u64);
    put_number(&mut head, storage);

    let mut block = Vec::with_capacity(head.len() + stored.len() + 8);
    put_number(&mut block, TAG_BLOCK);
    put_bytes(&mut block, &head);
    block.extend_from_slice(stored);
    put_checksum(&mut block);
    Ok(block)
}

/// Appends the checksum of all that is there.
fn put_checksum(bytes: &mut Vec<u8>) {
    let mut crc = Crc::new();
    crc.update(bytes);
    bytes.extend_from_slice(&crc.sum().to_le_bytes());
}
