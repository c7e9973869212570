//! Writing an annex block by block, for what is more than one would gather.

use std::io::{self, Write};

use zstd::bulk::Compressor;

use super::writer::{Open, block, end, first_line};
use super::{Note, Version};

/// Writes an annex as it comes: blocks of another one as they are, and notes. Nothing of it is held.
pub struct AnnexAppender<W> {
    sink: W,
    written: u64,
    blocks: u64,
    rows: u64,
    compressor: Option<Compressor<'static>>,
}

impl<W: Write> AnnexAppender<W> {
    /// Begins an annex. Rows that are taken over from another one mean what its version says, so that
    /// is the version to be told.
    ///
    /// # Errors
    /// Of the sink.
    pub fn new(sink: W, version: Version) -> io::Result<AnnexAppender<W>> {
        let mut appender = AnnexAppender {
            sink,
            written: 0,
            blocks: 0,
            rows: 0,
            compressor: None,
        };
        appender.put(&first_line(version))?;
        Ok(appender)
    }

    /// Writes a block as it stands in another annex, from its tag to its checksum; `rows` is how many
    /// rows it has.
    ///
    /// # Errors
    /// Of the sink.
    pub fn copy(&mut self, block: &[u8], rows: u64) -> io::Result<()> {
        self.blocks += 1;
        self.rows += rows;
        self.put(block)
    }

    /// Writes notes of one kind as a block. Together they are to have no more than 256 KiB.
    ///
    /// # Errors
    /// Of the sink, and of zstd; notes of two kinds.
    pub fn add(&mut self, notes: &[Note<'_>]) -> io::Result<()> {
        let Some(kind) = notes.first().map(Note::kind) else {
            return Ok(());
        };
        if notes.iter().any(|note| note.kind() != kind) {
            let why = "a block has notes of one kind";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut open = Open::default();
        notes.iter().for_each(|note| open.add(note));
        let bytes = open.rows_of(kind);
        let block = block(&mut self.compressor, kind, open.rows, &bytes)?;
        self.copy(&block, open.rows)
    }

    /// How many bytes were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Where it goes to.
    pub fn sink(&self) -> &W {
        &self.sink
    }

    /// Ends the annex; how many bytes it has.
    ///
    /// # Errors
    /// Of the sink.
    pub fn finish(mut self) -> io::Result<(u64, W)> {
        let end = end(self.blocks, self.rows, self.written);
        self.put(&end)?;
        Ok((self.written, self.sink))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
