//! A copy of a process's pages, in a file without a name.
//!
//! It is on a disk, so that a heap of any size takes no memory that the machine has no use for
//! otherwise: what the page cache keeps of it the kernel gives up when somebody needs it. The file is
//! sparse. It is gone with its descriptor, whatever happens to goheap.
//!
//! The address space is cut into chunks of 2 MiB, each of which has a place in the file once a page of
//! it is wanted, and a bit for each page that is there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::pages::PAGE;

/// Bytes of a chunk.
const CHUNK: u64 = 2 << 20;

/// Pages of a chunk.
const PAGES: usize = (CHUNK / PAGE) as usize;

/// Words of bits of a chunk.
const WORDS: usize = PAGES / 64;

#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// Where it is in the file.
    offset: u64,
    /// A bit for each page that is there.
    pages: [u64; WORDS],
}

/// The copy.
#[derive(Debug)]
pub(crate) struct Image {
    file: File,
    /// By address / CHUNK.
    chunks: BTreeMap<u64, Chunk>,
    /// Where the next chunk goes.
    next: u64,
}

/// A piece of an address range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First address.
    pub(crate) start: u64,
    /// First address behind it.
    pub(crate) end: u64,
    /// Where it is in the file; `None` if its pages are not there.
    offset: Option<u64>,
}

impl Piece {
    /// Whether its pages are in the image.
    pub(crate) fn is_there(&self) -> bool {
        self.offset.is_some()
    }
}

impl Image {
    /// An empty one, in `file`.
    pub(crate) fn new(file: File) -> Image {
        Image {
            file,
            chunks: BTreeMap::new(),
            next: 0,
        }
    }

    /// Makes room for the pages from `start` to `end`.
    pub(crate) fn reserve(&mut self, start: u64, end: u64) {
        let mut number = start / CHUNK;
        while number * CHUNK < end {
            let next = &mut self.next;
            self.chunks.entry(number).or_insert_with(|| {
                let offset = *next;
                *next += CHUNK;
                Chunk {
                    offset,
                    pages: [0; WORDS],
                }
            });
            number += 1;
        }
    }

    /// Writes bytes at an address for which room was made. They are not there before
    /// [`mark`](Image::mark).
    ///
    /// # Errors
    /// Of the file: the disk is full.
    pub(crate) fn write(&self, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let chunk = self.chunks.get(&(at / CHUNK));
            let chunk = chunk.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            let inside = at % CHUNK;
            let len = (CHUNK - inside).min(bytes.len() as u64);
            let (now, rest) = bytes.split_at(len as usize);
            self.file.write_all_at(now, chunk.offset + inside)?;
            at += len;
            bytes = rest;
        }
        Ok(())
    }

    /// Says that the pages from `start` to `end` are there, or are not.
    pub(crate) fn mark(&mut self, start: u64, end: u64, there: bool) {
        // Of a range that has no room there is nothing to say, however large it is.
        for (number, chunk) in self.chunks.range_mut(start / CHUNK..end.div_ceil(CHUNK)) {
            let base = number * CHUNK;
            let from = (start.max(base) - base) / PAGE;
            let to = (end.min(base + CHUNK) - base).div_ceil(PAGE);
            for (word, bits) in chunk.pages.iter_mut().zip(masks(from, to)) {
                match there {
                    true => *word |= bits,
                    false => *word &= !bits,
                }
            }
        }
    }

    /// The longest piece from `start` on, up to `end`, whose pages are all there or all not.
    pub(crate) fn piece(&self, start: u64, end: u64) -> Piece {
        let mut piece = Piece {
            start,
            end: start,
            offset: None,
        };
        let mut expected = start / CHUNK;
        for (&number, chunk) in self.chunks.range(start / CHUNK..end.div_ceil(CHUNK)) {
            let base = number * CHUNK;
            if number != expected {
                // What lies between has no room: it is not there.
                if piece.is_there() {
                    return piece;
                }
                piece.end = base;
            }
            let at = piece.end;
            let page = ((at - base) / PAGE) as usize;
            let there = chunk.pages[page / 64] >> (page % 64) & 1 == 1;
            let offset = there.then_some(chunk.offset + (at - base));
            if at == start {
                piece.offset = offset;
            } else if piece.offset.map(|offset| offset + (at - start)) != offset {
                return piece;
            }
            let to = base + run_end(&chunk.pages, page, there) as u64 * PAGE;
            piece.end = to.min(end);
            if to < base + CHUNK || to >= end {
                return piece;
            }
            expected = number + 1;
        }
        if !piece.is_there() {
            piece.end = end;
        }
        piece
    }

    /// Reads from a piece that is there; `buf` is as long as the piece.
    ///
    /// # Errors
    /// Of the file.
    pub(crate) fn read(&self, piece: &Piece, buf: &mut [u8]) -> io::Result<()> {
        match piece.offset {
            Some(offset) => self.file.read_exact_at(buf, offset),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The first addresses of all for which there is room, in pieces of equal size, ascending.
    pub(crate) fn starts(&self) -> impl Iterator<Item = u64> {
        self.chunks.keys().map(|number| number * CHUNK)
    }

    /// Bytes of all pages that are there.
    pub(crate) fn bytes(&self) -> u64 {
        let pages = self.chunks.values().flat_map(|chunk| chunk.pages);
        pages.map(|word| u64::from(word.count_ones())).sum::<u64>() * PAGE
    }
}

/// Bits of the pages from number `from` to number `to` of a chunk.
fn masks(from: u64, to: u64) -> impl Iterator<Item = u64> {
    let below = |count: u64| match count {
        0..64 => (1 << count) - 1,
        _ => u64::MAX,
    };
    (0..WORDS as u64).map(move |word| {
        let first = word * 64;
        below(to.saturating_sub(first)) & !below(from.saturating_sub(first))
    })
}

/// The number of the first page behind `page` that is not as that one is.
fn run_end(pages: &[u64; WORDS], page: usize, there: bool) -> usize {
    let mut at = page;
    while let Some(word) = pages.get(at / 64) {
        // Ones where pages are as that one.
        let same = if there { *word } else { !*word };
        let run = (!(same >> (at % 64))).trailing_zeros() as usize;
        let left = 64 - at % 64;
        if run < left {
            return at + run;
        }
        at += left;
    }
    PAGES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image::new(tempfile::tempfile().expect("a file"))
    }

    fn put(image: &mut Image, at: u64, bytes: &[u8]) {
        let end = at + bytes.len() as u64;
        image.reserve(at, end);
        image.write(at, bytes).expect("write");
        image.mark(at, end, true);
    }

    #[test]
    fn what_was_written_is_read_across_chunks() {
        let mut image = image();
        // Reserved in an order in which the file has them the other way round.
        image.reserve(4 * CHUNK, 5 * CHUNK);
        let bytes: Vec<u8> = (0..3 * PAGE).map(|n| (n / 7) as u8).collect();
        let at = 4 * CHUNK - PAGE;
        put(&mut image, at, &bytes);
        let mut got = vec![0; bytes.len()];
        let (mut from, end) = (at, at + 3 * PAGE);
        let mut pieces = 0;
        while from < end {
            let piece = image.piece(from, end);
            assert!(piece.is_there());
            let buf = &mut got[(from - at) as usize..(piece.end - at) as usize];
            image.read(&piece, buf).expect("read");
            from = piece.end;
            pieces += 1;
        }
        assert_eq!(got, bytes);
        assert_eq!(pieces, 2);
        assert_eq!(image.bytes(), 3 * PAGE);
    }

    #[test]
    fn what_is_not_there_is_told_however_far_it_goes() {
        let mut image = image();
        put(&mut image, 10 * CHUNK, &[1; PAGE as usize]);
        let before = image.piece(0, u64::MAX / 2);
        assert!(!before.is_there());
        assert_eq!(before.end, 10 * CHUNK);
        let behind = image.piece(10 * CHUNK + PAGE, 1 << 46);
        assert_eq!((behind.end, behind.is_there()), (1 << 46, false));
        image.mark(10 * CHUNK, 10 * CHUNK + PAGE, false);
        assert!(!image.piece(10 * CHUNK, 11 * CHUNK).is_there());
        assert_eq!(image.bytes(), 0);
    }

    #[test]
    fn a_piece_may_begin_and_end_within_a_page() {
        let mut image = image();
        let bytes: Vec<u8> = (0..PAGE).map(|n| n as u8).collect();
        put(&mut image, CHUNK, &bytes);
        let piece = image.piece(CHUNK + 10, CHUNK + 20);
        assert_eq!(piece.end, CHUNK + 20);
        let mut buf = [0; 10];
        image.read(&piece, &mut buf).expect("read");
        assert_eq!(buf, bytes[10..20]);
    }
}
