//! Reading a dump that comes in bit by bit: from a pipe, or out of a decompressor.

use std::io::{self, Read};

use crate::reader::{State, read_header};
use crate::scan::{Progress, Scan};
use crate::{Defect, Header, ReadError, Record, RecordKind, RecordSource, parse};

/// The buffer's first size in bytes.
const BUFFER: usize = 256 << 10;
/// A buffer that had to grow beyond this is given back once its record is done with.
const KEEP: usize = 8 << 20;
/// The longest record in bytes, unless [`StreamReader::limit`] says otherwise: a stream out of a
/// decompressor can be a thousand times as long as what was sent.
const LIMIT: u64 = 16 << 30;

/// Reads a dump from any [`Read`], one record at a time, in one buffer that is used again.
///
/// The buffer holds the longest record. It grows with what has truly come, never by what a length
/// claims. For a dump that is a plain file, a [`Reader`](crate::Reader) over its memory map is
/// faster.
#[derive(Debug)]
pub struct StreamReader<R> {
    input: R,
    header: Header,
    buffer: Vec<u8>,
    /// What of the buffer is not done with: from the current record on, to the end of what came.
    start: usize,
    end: usize,
    /// Offset of `buffer[start]` in the dump.
    base: u64,
    /// How many bytes the input has given.
    received: u64,
    /// Length of the record that was given last and still stands at `start`.
    given: usize,
    record: u64,
    state: State,
    limit: u64,
    /// How many of the bytes behind the EOF record were read.
    trailed: u64,
}

impl<R: Read> StreamReader<R> {
    /// A reader of the dump that `input` gives, which is not compressed:
    /// [`open_stream`](crate::open_stream) undoes compression.
    ///
    /// # Errors
    /// [`ReadError::Header`] if it does not begin as a dump does, and errors of `input`.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let mut stream = StreamReader {
            input,
            header: Header::Go17,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            base: 0,
            received: 0,
            given: 0,
            record: Header::LEN as u64,
            state: State::Open,
            limit: LIMIT,
            trailed: 0,
        };
        while stream.end < Header::LEN && stream.fill()? {}
        stream.header = read_header(stream.unread())?;
        stream.given = Header::LEN;
        Ok(stream)
    }

    /// Refuses records that are longer than `bytes`; 16 GiB unless told. The buffer may be twice as
    /// long.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// What stands behind the EOF record, and the input that gives the rest of it, once that record
    /// was read.
    pub fn into_trailing(self) -> Option<impl Read> {
        if self.state != State::Ended {
            return None;
        }
        let trailed = usize::try_from(self.trailed).unwrap_or(usize::MAX);
        let from = (self.start + self.given).saturating_add(trailed);
        let mut rest = self.buffer;
        rest.truncate(self.end);
        rest.drain(..from.min(rest.len()));
        Some(io::Cursor::new(rest).chain(self.input))
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Drops the record that was given last.
    fn release(&mut self) {
        self.start += self.given;
        self.base += self.given as u64;
        self.given = 0;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        if self.buffer.len() > KEEP && self.end - self.start < BUFFER {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            self.buffer.truncate(BUFFER);
            self.buffer.shrink_to(BUFFER);
        }
    }

    /// Takes in at least one more byte; false at the end of the input.
    fn fill(&mut self) -> Result<bool, ReadError> {
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                // As much again as has come: a claimed length never decides how much is allocated.
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match self.input.read(room) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    let count = count.min(room.len());
                    self.end += count;
                    self.received += count as u64;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    self.state = State::Failed;
                    return Err(ReadError::Io {
                        offset: self.received,
                        source,
                    });
                }
            }
        }
    }

    /// Takes in all of the record at `start`, as far as the input has it.
    fn take_in_record(&mut self) -> Result<(), ReadError> {
        let mut scan = Scan::new(self.header);
        loop {
            match scan.advance(self.unread()) {
                Progress::Done(_) | Progress::Broken => return Ok(()),
                Progress::More(count) => {
                    let want = self.unread().len().saturating_add(count);
                    while self.unread().len() < want {
                        if self.unread().len() as u64 >= self.limit {
                            return Err(self.too_long());
                        }
                        if !self.fill()? {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    #[cold]
    fn too_long(&mut self) -> ReadError {
        self.state = State::Failed;
        let tag = self.unread().first().copied().unwrap_or_default();
        ReadError::Malformed {
            offset: self.base,
            record: self.base,
            kind: RecordKind::from_tag(tag.into()),
            field: "the whole",
            defect: Defect::TooLong { limit: self.limit },
        }
    }

    /// The next record, [`Record::Eof`] included; `None` behind that, and behind an error.
    ///
    /// # Errors
    /// What is wrong with the dump, and where; errors of the input.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        if self.state != State::Open {
            return Ok(None);
        }
        self.release();
        self.take_in_record()?;
        let data = self.buffer.get(self.start..self.end).unwrap_or_default();
        match parse::record(data, 0, self.base, self.header) {
            Ok((record, len)) => {
                self.given = len;
                self.record = self.base;
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

impl<R: Read> RecordSource for StreamReader<R> {
    fn header(&self) -> Header {
        self.header
    }

    fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        StreamReader::next_record(self)
    }

    fn offset(&self) -> u64 {
        self.record
    }

    fn position(&self) -> u64 {
        self.base + self.given as u64
    }

    fn trailing_len(&mut self) -> Result<u64, ReadError> {
        if self.state != State::Ended {
            return Ok(0);
        }
        // Read into a buffer of its own: the EOF record stays where it is.
        let mut room = vec![0; 64 << 10];
        loop {
            match Behind(self).read(&mut room) {
                Ok(0) => return Ok(self.trailed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.base + self.given as u64 + self.trailed;
                    return Err(ReadError::Io { offset, source });
                }
            }
        }
    }

    fn behind(&mut self) -> impl Read {
        Behind(self)
    }

    fn again(&self) -> Option<Self> {
        None
    }
}

/// What stands behind the EOF record of a stream.
struct Behind<'s, R>(&'s mut StreamReader<R>);

impl<R: Read> Read for Behind<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let stream = &mut *self.0;
        if stream.state != State::Ended {
            return Ok(0);
        }
        // First what came into the buffer together with the EOF record.
        let eof_end = stream.start + stream.given;
        let buffered = stream.buffer.get(eof_end..stream.end).unwrap_or_default();
        let rest = usize::try_from(stream.trailed)
            .ok()
            .and_then(|from| buffered.get(from..))
            .unwrap_or_default();
        let count = match rest.is_empty() {
            true => stream.input.read(out)?,
            false => (&rest[..]).read(out)?,
        };
        stream.trailed += count as u64;
        Ok(count)
    }
}
