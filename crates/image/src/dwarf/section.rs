//! Debug sections, compressed or not, read from front to back.

use std::borrow::Cow;
use std::io::{self, Read};

use object::elf;

use crate::bytes::Order;
use crate::error::ImageError;
use crate::executable::Section;

/// The longest stretch of a compressed section that is held in memory at once. The largest unit of
/// kubelet's DWARF has some 20 MiB.
const MAX_PIECE: u64 = 512 << 20;

/// zlib makes at most 1032 bytes of one, zstd can be made to make more but does not on debug
/// information. A section that claims more is not believed.
const MAX_RATIO: u64 = 2048;

/// A debug section, read in pieces from front to back: what is passed over is never held.
pub(super) struct SectionReader<'e> {
    name: &'static str,
    source: Source<'e>,
    /// Bytes read or passed over.
    pub(super) position: u64,
    /// Length of the uncompressed section.
    pub(super) len: u64,
}

enum Source<'e> {
    Plain(&'e [u8]),
    Compressed(Box<dyn Read + 'e>),
}

impl<'e> SectionReader<'e> {
    /// Opens the section `.debug_<suffix>`, or, in older files, `.zdebug_<suffix>`.
    pub(super) fn open(
        order: Order,
        data: &'e [u8],
        sections: &[Section],
        name: &'static str,
    ) -> Result<Option<SectionReader<'e>>, ImageError> {
        let suffix = name.strip_prefix(".debug_").unwrap_or(name);
        let old = format!(".zdebug_{suffix}");
        let Some(section) = sections
            .iter()
            .find(|section| section.name == name.as_bytes() || section.name == old.as_bytes())
        else {
            return Ok(None);
        };
        let bytes = section.file_range.clone().and_then(|range| data.get(range));
        let Some(bytes) = bytes else {
            return Err(ImageError::Compression {
                section: name.into(),
                what: "the file is cut off before its end",
            });
        };
        if section.kind == elf::SHT_NOBITS {
            // objcopy --only-keep-debug, seen from the other side: the contents are elsewhere.
            return Ok(None);
        }
        if section.flags & u64::from(elf::SHF_COMPRESSED) != 0 {
            return compressed(order, name, bytes).map(Some);
        }
        if section.name == old.as_bytes() {
            return old_compressed(name, bytes).map(Some);
        }
        let len = bytes.len() as u64;
        Ok(Some(SectionReader {
            name,
            source: Source::Plain(bytes),
            position: 0,
            len,
        }))
    }

    /// The next `size` bytes; an error if there are fewer.
    pub(super) fn take(&mut self, size: u64) -> Result<Cow<'e, [u8]>, ImageError> {
        let cut_off = ImageError::Compression {
            section: self.name.into(),
            what: "it ends before a part that its own lengths say is there",
        };
        if size > self.len.saturating_sub(self.position) {
            return Err(cut_off);
        }
        let piece = match &mut self.source {
            Source::Plain(rest) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                let Some((piece, after)) = rest.split_at_checked(size) else {
                    return Err(cut_off);
                };
                *rest = after;
                Cow::Borrowed(piece)
            }
            Source::Compressed(reader) => {
                if size > MAX_PIECE {
                    return Err(ImageError::Compression {
                        section: self.name.into(),
                        what: "one unit of it has more than 512 MiB",
                    });
                }
                // The vector grows with what really comes, not with what is claimed.
                let mut piece = Vec::new();
                let read = reader.by_ref().take(size).read_to_end(&mut piece);
                read.map_err(|source| decompress(self.name, self.position, source))?;
                if piece.len() as u64 != size {
                    return Err(cut_off);
                }
                Cow::Owned(piece)
            }
        };
        self.position += size;
        Ok(piece)
    }

    /// The next unit of `.debug_info`, with its length word. `None` for one in 64-bit DWARF, which is
    /// passed over: Go's linker writes none, a C compiler may.
    pub(super) fn take_unit(&mut self, order: Order) -> Result<Option<Cow<'e, [u8]>>, ImageError> {
        // A unit can be borrowed from a plain section only in one piece.
        let plain = match &self.source {
            Source::Plain(rest) => Some(*rest),
            Source::Compressed(_) => None,
        };
        let head = self.take(4)?;
        let length = order.u32(&head, 0).unwrap_or(0);
        if length == u32::MAX {
            let long = self.take(8)?;
            self.skip(order.u64(&long, 0).unwrap_or(0))?;
            return Ok(None);
        }
        let body = self.take(u64::from(length))?;
        Ok(Some(
            match plain.and_then(|rest| rest.get(..head.len() + body.len())) {
                Some(unit) => Cow::Borrowed(unit),
                None => {
                    let mut unit = head.into_owned();
                    unit.extend_from_slice(&body);
                    Cow::Owned(unit)
                }
            },
        ))
    }

    /// Passes over the next `size` bytes.
    pub(super) fn skip(&mut self, size: u64) -> Result<(), ImageError> {
        if size > self.len.saturating_sub(self.position) {
            return self.take(size).map(|_| ());
        }
        if let Source::Compressed(reader) = &mut self.source {
            let skipped = io::copy(&mut reader.by_ref().take(size), &mut io::sink());
            skipped.map_err(|source| decompress(self.name, self.position, source))?;
            self.position += size;
            return Ok(());
        }
        self.take(size).map(|_| ())
    }

    /// All of the section, if it has no more than `limit` bytes.
    pub(super) fn whole(mut self, limit: u64) -> Result<Cow<'e, [u8]>, ImageError> {
        if self.len > limit {
            return Err(ImageError::Compression {
                section: self.name.into(),
                what: "it is larger than any that Go's linker writes",
            });
        }
        self.take(self.len)
    }
}

/// elf.h: Elf64_Chdr: type u32, reserved u32, size u64, alignment u64; Elf32_Chdr: three words.
fn compressed<'e>(
    order: Order,
    name: &'static str,
    bytes: &'e [u8],
) -> Result<SectionReader<'e>, ImageError> {
    let fail = |what| ImageError::Compression {
        section: name.into(),
        what,
    };
    let kind = order
        .u32(bytes, 0)
        .ok_or(fail("its compression header is cut off"))?;
    let len = order
        .address(bytes, order.word_size())
        .ok_or(fail("its compression header is cut off"))?;
    let body = bytes
        .get(3 * order.word_size()..)
        .ok_or(fail("its compression header is cut off"))?;
    let reader: Box<dyn Read + 'e> = match kind {
        elf::ELFCOMPRESS_ZLIB => Box::new(flate2::read::ZlibDecoder::new(body)),
        elf::ELFCOMPRESS_ZSTD => {
            let decoder = zstd::Decoder::with_buffer(body);
            Box::new(decoder.map_err(|source| decompress(name, 0, source))?)
        }
        _ => return Err(fail("its compression is neither zlib nor zstd")),
    };
    checked(name, reader, len, body.len())
}

/// `.zdebug_*`: "ZLIB", the length as a big-endian u64, zlib data.
fn old_compressed<'e>(
    name: &'static str,
    bytes: &'e [u8],
) -> Result<SectionReader<'e>, ImageError> {
    let fail = |what| ImageError::Compression {
        section: name.into(),
        what,
    };
    if !bytes.starts_with(b"ZLIB") {
        return Err(fail("a .zdebug section that does not begin with ZLIB"));
    }
    let big = Order::fixed(false);
    let len = big
        .u64(bytes, 4)
        .ok_or(fail("its compression header is cut off"))?;
    let body = bytes
        .get(12..)
        .ok_or(fail("its compression header is cut off"))?;
    checked(
        name,
        Box::new(flate2::read::ZlibDecoder::new(body)),
        len,
        body.len(),
    )
}

fn checked<'e>(
    name: &'static str,
    reader: Box<dyn Read + 'e>,
    len: u64,
    compressed_len: usize,
) -> Result<SectionReader<'e>, ImageError> {
    if len / MAX_RATIO > compressed_len as u64 {
        return Err(ImageError::Compression {
            section: name.into(),
            what: "its uncompressed size is out of all proportion",
        });
    }
    Ok(SectionReader {
        name,
        source: Source::Compressed(reader),
        position: 0,
        len,
    })
}

fn decompress(name: &'static str, after: u64, source: io::Error) -> ImageError {
    ImageError::Decompress {
        section: name.into(),
        after,
        source,
    }
}
