//! Reading a dump that lies in memory, or that is mapped into it.

use std::io::Read;

use crate::{Header, HeaderDefect, ReadError, Record, parse};

/// Where records come from, one at a time: a [`Reader`] or a [`StreamReader`](crate::StreamReader).
///
/// A record borrows from the source and is gone with the next call, so that a stream needs to keep
/// one record at a time.
pub trait RecordSource {
    /// The format that the dump is in.
    fn header(&self) -> Header;

    /// The next record, [`Record::Eof`] included; `None` behind that, and behind an error.
    ///
    /// # Errors
    /// What is wrong with the dump, and where.
    fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError>;

    /// Where the record that [`RecordSource::next_record`] gave last begins, in bytes from the
    /// start of the dump.
    fn offset(&self) -> u64;

    /// Where the record that comes next begins; behind the EOF record, where the dump's records end
    /// and what trails them begins.
    fn position(&self) -> u64;

    /// How many bytes stand behind the EOF record; a stream is read to its end for this.
    ///
    /// # Errors
    /// Of the stream.
    fn trailing_len(&mut self) -> Result<u64, ReadError>;

    /// What stands behind the EOF record, once that was read: the annex, where there is one
    /// ([`AnnexReader::behind`](crate::annex::AnnexReader::behind) opens it). It can be had once,
    /// for a stream is read for it; [`RecordSource::trailing_len`] counts it nevertheless.
    fn behind(&mut self) -> impl Read;

    /// The same dump from its first record on, for a second pass; a stream has none.
    fn again(&self) -> Option<Self>
    where
        Self: Sized;
}

/// Reads a dump in memory. What is in a record borrows from the dump; nothing is copied.
///
/// It iterates over the records, and ends behind [`Record::Eof`] or an error.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
    header: Header,
    /// Where the record given last begins.
    record: usize,
    /// Where the next one begins.
    at: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// More records are to come.
    Open,
    /// The EOF record was given.
    Ended,
    /// An error was given.
    Failed,
}

impl<'a> Reader<'a> {
    /// A reader of the dump `data`, which is not compressed.
    ///
    /// # Errors
    /// [`ReadError::Header`] if it does not begin as a dump does.
    pub fn new(data: &'a [u8]) -> Result<Self, ReadError> {
        Ok(Reader {
            data,
            header: read_header(data)?,
            record: Header::LEN,
            at: Header::LEN,
            state: State::Open,
        })
    }

    /// The format that the dump is in.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Where the record that was given last begins, in bytes from the start of the dump.
    pub fn offset(&self) -> u64 {
        self.record as u64
    }

    /// Where the next record begins.
    pub fn position(&self) -> u64 {
        self.at as u64
    }

    /// What stands behind the EOF record (goheap's annex, where there is one), once that was read.
    /// It begins at [`Reader::position`]. [`AnnexReader`](crate::annex::AnnexReader) reads it.
    pub fn trailing(&self) -> Option<&'a [u8]> {
        match self.state {
            State::Ended => self.data.get(self.at..),
            State::Open | State::Failed => None,
        }
    }

    /// The record that begins at `offset`, as [`Reader::offset`] told of it, wherever the reader
    /// is.
    ///
    /// # Errors
    /// What is wrong with the dump, and where. At an offset where no record begins that may be
    /// anything, or a record that is none.
    pub fn record_at(&self, offset: u64) -> Result<Record<'a>, ReadError> {
        // Beyond what can be addressed is beyond the end.
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        parse::record(self.data, at, 0, self.header).map(|(record, _)| record)
    }

    /// The next record, [`Record::Eof`] included; `None` behind that, and behind an error.
    ///
    /// # Errors
    /// What is wrong with the dump, and where.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record<'a>>, ReadError> {
        if self.state != State::Open {
            return Ok(None);
        }
        match parse::record(self.data, self.at, 0, self.header) {
            Ok((record, end)) => {
                self.record = self.at;
                self.at = end;
                if matches!(record, Record::Eof) {
                    self.state = State::Ended;
                }
                Ok(Some(record))
            }
            Err(error) => {
                self.state = State::Failed;
                Err(error)
            }
        }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Record<'a>, ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_record().transpose()
    }
}

impl std::iter::FusedIterator for Reader<'_> {}

impl RecordSource for Reader<'_> {
    fn header(&self) -> Header {
        self.header
    }

    #[inline]
    fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        Reader::next_record(self)
    }

    fn offset(&self) -> u64 {
        Reader::offset(self)
    }

    fn position(&self) -> u64 {
        Reader::position(self)
    }

    fn trailing_len(&mut self) -> Result<u64, ReadError> {
        Ok(self.trailing().map_or(0, |rest| rest.len() as u64))
    }

    fn behind(&mut self) -> impl Read {
        self.trailing().unwrap_or_default()
    }

    fn again(&self) -> Option<Self> {
        Reader::new(self.data).ok()
    }
}

/// The header that a dump begins with.
pub(crate) fn read_header(start: &[u8]) -> Result<Header, ReadError> {
    let line = start.get(..Header::LEN).unwrap_or(start);
    Header::from_bytes(line).ok_or_else(|| ReadError::Header(header_defect(line)))
}

fn header_defect(line: &[u8]) -> HeaderDefect {
    let like_a_header = |line: &[u8]| {
        let model = Header::Go17.bytes();
        // All but the digits of the version, which are not known beforehand.
        line.starts_with(b"go1.")
            && line
                .get(5..)
                .is_some_and(|rest| model[5..].starts_with(rest))
    };
    match line {
        [] => HeaderDefect::Empty,
        [0x1f, 0x8b, ..] => HeaderDefect::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => HeaderDefect::Zstd,
        [0x7f, b'E', b'L', b'F', ..] => HeaderDefect::Elf,
        b"go1.3 heap dump\n" => HeaderDefect::TooOld { minor: 3 },
        b"go1.4 heap dump\n" => HeaderDefect::TooOld { minor: 4 },
        _ if line.len() < Header::LEN && (b"go1.".starts_with(line) || like_a_header(line)) => {
            HeaderDefect::Truncated
        }
        _ if like_a_header(line) => HeaderDefect::TooNew,
        _ => HeaderDefect::Other,
    }
}
