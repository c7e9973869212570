//! Reading an annex.

use std::fmt;
use std::io::{self, BufReader, Read};

use flate2::Crc;

use super::block::{Block, Head};
use super::{AnnexDefect, AnnexError, END_MAGIC, MAGIC, MAX_HEAD, TAG_BLOCK, TAG_END, VERSION};
use crate::{RecordSource, varint};

/// Version of an annex: another minor one has sections, columns and kinds of values more, another
/// major one cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The major one.
    pub major: u32,
    /// The minor one.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The longest first line, in bytes.
const MAX_LINE: usize = MAGIC.len() + 22;

/// Reads an annex block by block. One block is held at a time, and no allocation is larger than
/// what has truly come, or than 16 MiB.
#[derive(Debug)]
pub struct AnnexReader<R> {
    input: BufReader<R>,
    version: Version,
    start: u64,
    /// Offset of what is read next, from the start of the dump.
    at: u64,
    crc: Crc,
    blocks: u64,
    rows: u64,
    done: bool,
}

impl AnnexReader<()> {
    /// Opens the annex of a dump whose EOF record was read; `None` if it has none.
    ///
    /// # Errors
    /// Something else stands there, or an annex of a version that is not known.
    pub fn behind<S: RecordSource>(
        source: &mut S,
    ) -> Result<Option<AnnexReader<impl Read>>, AnnexError> {
        let offset = source.position();
        AnnexReader::open(source.behind(), offset)
    }
}

impl<R: Read> AnnexReader<R> {
    /// Opens the annex that `input` gives, which begins at `offset` of the dump; `None` if nothing
    /// comes.
    ///
    /// # Errors
    /// Something else comes, or an annex of a version that is not known.
    pub fn open(input: R, offset: u64) -> Result<Option<Self>, AnnexError> {
        let mut reader = AnnexReader {
            input: BufReader::with_capacity(64 << 10, input),
            version: VERSION,
            start: offset,
            at: offset,
            crc: Crc::new(),
            blocks: 0,
            rows: 0,
            done: false,
        };
        match reader.first_line()? {
            Some(version) => {
                reader.version = version;
                Ok(Some(reader))
            }
            None => Ok(None),
        }
    }

    fn first_line(&mut self) -> Result<Option<Version>, AnnexError> {
        let offset = self.start;
        let mut line = Vec::with_capacity(MAX_LINE);
        while line.len() < MAX_LINE && line.last() != Some(&b'\n') {
            let Some(byte) = self.byte()? else { break };
            line.push(byte);
            let known = MAGIC.get(..line.len()).unwrap_or(MAGIC);
            if !line.starts_with(known) {
                return Err(AnnexError::NotAnnex { offset });
            }
        }
        let version = match line.strip_prefix(MAGIC) {
            Some(numbers) => numbers,
            None if line.is_empty() => return Ok(None),
            None => return Err(self.malformed(None, AnnexDefect::Truncated)),
        };
        let Some(version) = version.strip_suffix(b"\n") else {
            let defect = match line.len() < MAX_LINE {
                true => AnnexDefect::Truncated,
                false => AnnexDefect::FirstLine,
            };
            return Err(self.malformed(None, defect));
        };
        let numbers = std::str::from_utf8(version)
            .ok()
            .and_then(|text| text.split_once('.'));
        let version = numbers.and_then(|(major, minor)| {
            Some(Version {
                major: decimal(major)?,
                minor: decimal(minor)?,
            })
        });
        match version {
            Some(version) if version.major == VERSION.major => Ok(Some(version)),
            Some(version) => Err(AnnexError::Version { offset, version }),
            None => Err(AnnexError::Malformed {
                offset,
                section: None,
                defect: AnnexDefect::FirstLine,
            }),
        }
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where the next block begins, in bytes from the start of the dump; once all are read, where
    /// the annex ends.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next block, its checksum checked; `None` behind the last one, once the annex's end was
    /// checked, and behind an error.
    ///
    /// # Errors
    /// What is wrong with the annex, and where.
    pub fn next_block(&mut self) -> Result<Option<Block>, AnnexError> {
        if self.done {
            return Ok(None);
        }
        // Behind an error there is nothing to be read.
        self.done = true;
        let block = self.block()?;
        self.done = block.is_none();
        Ok(block)
    }

    fn block(&mut self) -> Result<Option<Block>, AnnexError> {
        let offset = self.at;
        self.crc.reset();
        match self.number("a tag")? {
            TAG_BLOCK => {}
            TAG_END => return self.end(offset).map(|()| None),
            tag => return Err(malformed(offset, None, AnnexDefect::Tag(tag))),
        }
        let length_at = self.at;
        let length = self.number("the length of a block's head")?;
        if length > MAX_HEAD {
            let defect = AnnexDefect::TooLong {
                what: "a block's head",
                length,
                limit: MAX_HEAD,
            };
            return Err(malformed(length_at, None, defect));
        }
        let head_at = self.at;
        let head = self.take(length, None)?;
        let head = Head::parse(&head).map_err(|(within, section, defect)| {
            malformed(head_at + within as u64, section, defect)
        })?;
        let stored_at = self.at;
        let stored = self.take(head.stored, Some(&head.section))?;
        self.checksum(offset, Some(&head.section))?;
        self.blocks += 1;
        self.rows = self.rows.saturating_add(head.rows);
        Ok(Some(Block {
            offset,
            stored_at,
            head,
            stored,
        }))
    }

    /// What stands behind the tag of the end.
    fn end(&mut self, offset: u64) -> Result<(), AnnexError> {
        let blocks = self.number("the number of blocks")?;
        let rows = self.number("the number of rows")?;
        let length = self.take(8, None)?;
        let length = length
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes))
            .unwrap_or_default();
        self.checksum(offset, None)?;
        let magic_at = self.at;
        let magic = self.take(END_MAGIC.len() as u64, None)?;
        if magic != END_MAGIC {
            return Err(malformed(magic_at, None, AnnexDefect::EndMagic));
        }
        let found = [
            ("blocks", self.blocks, blocks),
            ("rows", self.rows, rows),
            ("bytes", self.at - self.start, length),
        ];
        for (what, found, expected) in found {
            if found != expected {
                let defect = AnnexDefect::Count {
                    what,
                    found,
                    expected,
                };
                return Err(malformed(offset, None, defect));
            }
        }
        Ok(())
    }

    /// Compares the checksum of what was read since `offset` with the one that is stored here.
    fn checksum(&mut self, offset: u64, section: Option<&[u8]>) -> Result<(), AnnexError> {
        let found = self.crc.sum();
        let stored = self.take(4, section)?;
        let expected = stored
            .first_chunk()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .unwrap_or_default();
        if found != expected {
            let defect = AnnexDefect::Checksum { found, expected };
            return Err(malformed(offset, section.map(<[u8]>::to_vec), defect));
        }
        Ok(())
    }

    fn number(&mut self, what: &'static str) -> Result<u64, AnnexError> {
        let offset = self.at;
        let mut bytes = [0; varint::MAX_LEN];
        for len in 0..bytes.len() {
            let Some(byte) = self.byte()? else {
                return Err(self.malformed(None, AnnexDefect::Truncated));
            };
            if let Some(place) = bytes.get_mut(len) {
                *place = byte;
            }
            if byte < 0x80 {
                break;
            }
        }
        match varint::decode(&bytes) {
            Ok((number, _)) => Ok(number),
            Err(_) => Err(malformed(offset, None, AnnexDefect::Number(what))),
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, AnnexError> {
        let mut byte = [0];
        loop {
            match self.input.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(AnnexError::Io {
                        offset: self.at,
                        source,
                    });
                }
            }
        }
        self.at += 1;
        self.crc.update(&byte);
        let [byte] = byte;
        Ok(Some(byte))
    }

    /// So many bytes; the memory for them grows as they come.
    fn take(&mut self, length: u64, section: Option<&[u8]>) -> Result<Vec<u8>, AnnexError> {
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(length).read_to_end(&mut bytes);
        self.at += bytes.len() as u64;
        self.crc.update(&bytes);
        match read {
            Ok(_) if bytes.len() as u64 == length => Ok(bytes),
            Ok(_) => Err(self.malformed(section, AnnexDefect::Truncated)),
            Err(source) => Err(AnnexError::Io {
                offset: self.at,
                source,
            }),
        }
    }

    /// An error at what is read next.
    fn malformed(&self, section: Option<&[u8]>, defect: AnnexDefect) -> AnnexError {
        malformed(self.at, section.map(<[u8]>::to_vec), defect)
    }

    /// How many bytes stand behind the annex, once its end was read; the input is read to its end
    /// for this.
    ///
    /// # Errors
    /// Of the input.
    pub fn behind_end(&mut self) -> Result<u64, AnnexError> {
        io::copy(&mut self.input, &mut io::sink()).map_err(|source| AnnexError::Io {
            offset: self.at,
            source,
        })
    }
}

fn malformed(offset: u64, section: Option<Vec<u8>>, defect: AnnexDefect) -> AnnexError {
    AnnexError::Malformed {
        offset,
        section,
        defect,
    }
}

/// A decimal number without sign and leading zeros.
fn decimal(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = text == "0" || !text.starts_with('0');
    (plain && shortest).then(|| text.parse().ok()).flatten()
}
