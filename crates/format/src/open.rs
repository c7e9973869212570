//! Dumps that may be compressed.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// zstd may ask for a window of that many bytes (as a power of two), and no more: 128 MiB, which is
/// also what `zstd -d` allows.
const WINDOW_LOG_MAX: u32 = 27;
/// Compressed bytes that are read at once.
const BUFFER: usize = 128 << 10;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// As gzip does.
    Gzip,
    /// As zstd does.
    Zstd,
}

impl Compression {
    /// Tells from the first four bytes of a file (of fewer, if it has no more).
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // A skippable frame: pzstd and others begin their files with one.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// Undoes the compression of `input`, if there is one; the first bytes tell.
///
/// The decoder itself takes 128 MiB at most. How much comes out has no limit: whoever gathers it,
/// as [`StreamReader`](crate::StreamReader) does with a record, has one.
///
/// # Errors
/// Of `input`.
pub fn open_stream<R: Read>(mut input: R) -> io::Result<Decoded<R>> {
    let mut start = [0; 4];
    let mut len = 0;
    while let Some(room) = start.get_mut(len..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let start = start.get(..len).unwrap_or_default();
    let compression = Compression::of(start);
    let whole = Cursor::new(start.to_vec()).chain(input);
    let form = match compression {
        Compression::None => Form::Plain(whole),
        Compression::Gzip => {
            Form::Gzip(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, whole)))
        }
        Compression::Zstd => {
            let buffered = BufReader::with_capacity(BUFFER, whole);
            let mut decoder = zstd::Decoder::with_buffer(buffered)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Form::Zstd(decoder)
        }
    };
    Ok(Decoded { compression, form })
}

/// What [`open_stream`] gives: the bytes, no longer compressed.
pub struct Decoded<R: Read> {
    compression: Compression,
    form: Form<R>,
}

type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

enum Form<R: Read> {
    Plain(Whole<R>),
    Gzip(MultiGzDecoder<BufReader<Whole<R>>>),
    Zstd(zstd::Decoder<'static, BufReader<Whole<R>>>),
}

impl<R: Read> Decoded<R> {
    /// How the input is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }
}

impl<R: Read> std::fmt::Debug for Decoded<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoded")
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.form {
            Form::Plain(input) => input.read(out),
            Form::Gzip(decoder) => decoder.read(out),
            Form::Zstd(decoder) => decoder.read(out),
        }
    }
}
