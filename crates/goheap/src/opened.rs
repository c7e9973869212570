//! A dump that is opened to be read: a mapped file, or a stream out of a pipe or a decompressor.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use goheap_format::{
    Compression, HeaderDefect, ReadError, Reader, Record, RecordSource, StreamReader, open_stream,
};
use goheap_process::{Mapped, map_opened};

use crate::error::CommandError;
use crate::progress::Progress;

/// The bytes of a dump, before they are read as one.
pub(crate) struct Input {
    path: PathBuf,
    bytes: Bytes,
    /// Length of the file as it lies on the disk, if it is a file.
    len: Option<u64>,
    compression: Compression,
}

enum Bytes {
    Mapped(Mapped),
    Stream(Box<dyn Read>),
}

impl Input {
    /// Opens the dump at `path`; `-` is standard input.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(path: &OsStr) -> Result<Input, CommandError> {
        let path = PathBuf::from(path);
        let failed = |source| CommandError::Open {
            path: path.clone(),
            source,
        };
        if path == Path::new("-") {
            return Input::of_stream(path, None, io::stdin().lock());
        }
        let mut file = File::open(&path).map_err(failed)?;
        let data = file.metadata().map_err(failed)?;
        if data.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        if !data.is_file() {
            return Input::of_stream(path, None, file);
        }
        let mut start = Vec::new();
        file.by_ref()
            .take(4)
            .read_to_end(&mut start)
            .map_err(failed)?;
        file.rewind().map_err(failed)?;
        let len = Some(data.len());
        let compression = Compression::of(&start);
        if compression != Compression::None {
            return Input::of_stream(path, len, file);
        }
        Ok(Input {
            bytes: Bytes::Mapped(map_opened(&file).map_err(failed)?),
            path,
            len,
            compression,
        })
    }

    /// Opens a dump in a file that has no name of its own; messages call it `name`.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub(crate) fn of_unnamed(file: &File, name: &str) -> Result<Input, CommandError> {
        let path = PathBuf::from(name);
        match map_opened(file) {
            Ok(mapped) => Ok(Input {
                bytes: Bytes::Mapped(mapped),
                path,
                len: None,
                compression: Compression::None,
            }),
            Err(source) => Err(CommandError::Open { path, source }),
        }
    }

    fn of_stream(
        path: PathBuf,
        len: Option<u64>,
        stream: impl Read + 'static,
    ) -> Result<Input, CommandError> {
        match open_stream(stream) {
            Ok(stream) => Ok(Input {
                path,
                len,
                compression: stream.compression(),
                bytes: Bytes::Stream(Box::new(stream)),
            }),
            Err(source) => Err(CommandError::Open { path, source }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file as it lies on the disk, if it is a file.
    pub(crate) fn file_len(&self) -> Option<u64> {
        self.len
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    /// Its first bytes, not compressed, as many as there are of `most`: in pieces.
    pub(crate) fn first(self, most: u64) -> Pieces {
        Pieces {
            bytes: self.bytes,
            at: 0,
            left: most,
        }
    }

    /// Gives `read` the records. It is called once, with one of the two readers there are.
    ///
    /// # Errors
    /// It is no dump, and whatever `read` says.
    pub(crate) fn read<V: Visit>(self, visit: V) -> Result<V::Answer, CommandError> {
        let path = self.path;
        match self.bytes {
            Bytes::Mapped(mapped) => match Reader::new(&mapped) {
                Ok(reader) => visit.visit(reader, &path),
                Err(error) => visit.refused(error, &path),
            },
            Bytes::Stream(stream) => match StreamReader::new(stream) {
                Ok(reader) => visit.visit(reader.limit(longest_record(available())), &path),
                Err(error) => visit.refused(error, &path),
            },
        }
    }
}

/// The first bytes of a dump.
pub(crate) struct Pieces {
    bytes: Bytes,
    at: usize,
    left: u64,
}

impl Iterator for Pieces {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        const PIECE: u64 = 1 << 20;
        let len = self.left.min(PIECE);
        let mut piece = Vec::new();
        let read = match &mut self.bytes {
            Bytes::Mapped(mapped) => {
                let rest = mapped.get(self.at..).unwrap_or(&[]);
                piece.extend_from_slice(rest.get(..len as usize).unwrap_or(rest));
                Ok(piece.len())
            }
            Bytes::Stream(stream) => stream.by_ref().take(len).read_to_end(&mut piece),
        };
        self.at += piece.len();
        self.left -= piece.len() as u64;
        match read {
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
            Ok(_) => (!piece.is_empty()).then_some(Ok(piece)),
        }
    }
}

/// Bytes of the longest record that is gathered of a stream: its buffer may be twice as long, and is
/// then half of the memory that is `available`. A hundred kilobytes, compressed, can claim any length.
fn longest_record(available: Option<u64>) -> u64 {
    /// What is gathered in any case, and where nobody tells how much memory there is.
    const LEAST: u64 = 256 << 20;
    const UNKNOWN: u64 = 4 << 30;
    available.map_or(UNKNOWN, |bytes| (bytes / 4).max(LEAST))
}

/// Memory that can be had without swapping, in bytes, where the system tells (proc(5): meminfo).
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// What is done with the records of a dump, whichever reader they come from.
pub(crate) trait Visit: Sized {
    /// What comes of it.
    type Answer;

    /// Reads the records.
    fn visit<S: RecordSource>(self, source: S, path: &Path) -> Result<Self::Answer, CommandError>;

    /// Is told that it is no dump.
    fn refused(self, error: ReadError, path: &Path) -> Result<Self::Answer, CommandError> {
        Err(read_error(error, path))
    }
}

/// How often progress is shown, in records.
const EVERY: u32 = 1 << 14;

/// Gives each record with its offset to `take`, until that says no.
///
/// # Errors
/// The dump's, and those of `take`.
pub(crate) fn each_record<S: RecordSource>(
    source: &mut S,
    path: &Path,
    progress: &Progress,
    mut take: impl FnMut(u64, &Record<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let mut until_shown = EVERY;
    loop {
        // Where the next record begins is where it is, once it was read.
        let offset = source.position();
        match source.next_record() {
            Ok(Some(record)) => take(offset, &record)?,
            Ok(None) => return Ok(()),
            Err(error) => return Err(read_error(error, path)),
        }
        until_shown -= 1;
        if until_shown == 0 {
            until_shown = EVERY;
            progress.at(offset);
        }
    }
}

/// The error of a dump with its name, and with what to do where that can be told.
pub(crate) fn read_error(source: ReadError, path: &Path) -> CommandError {
    let path = path.to_owned();
    match source {
        ReadError::Header(HeaderDefect::Elf) => CommandError::NotADump {
            path,
            found: "an ELF file",
            todo: "goheap info and goheap dump take a core",
        },
        source => CommandError::Read { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::longest_record;

    #[test]
    fn a_record_takes_no_more_than_half_of_the_memory() {
        assert_eq!(longest_record(Some(64 << 30)), 16 << 30);
        assert_eq!(longest_record(Some(8 << 30)), 2 << 30);
        assert_eq!(longest_record(Some(0)), 256 << 20);
        assert_eq!(longest_record(None), 4 << 30);
    }
}
