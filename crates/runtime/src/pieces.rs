//! Contents that are read as they are written, a piece at a time.

use std::io;

use goheap_memory::{Addr, Target};

use crate::sink::Contents;

/// Bytes of a piece.
const PIECE: u64 = 1 << 20;

/// The memory of a target from one address on.
pub(crate) struct Pieces<'t> {
    target: &'t dyn Target,
    at: Addr,
    left: u64,
    buffer: Vec<u8>,
}

impl<'t> Pieces<'t> {
    /// `len` bytes at `at`.
    pub(crate) fn new(target: &'t dyn Target, at: Addr, len: u64) -> Pieces<'t> {
        Pieces {
            target,
            at,
            left: len,
            buffer: vec![0; len.min(PIECE) as usize],
        }
    }
}

impl Contents for Pieces<'_> {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let len = self.left.min(self.buffer.len() as u64) as usize;
        if len == 0 {
            return Ok(None);
        }
        let piece = &mut self.buffer[..len];
        // Half of the record may be written by now, so this ends the dump: whole or not at all.
        self.target.read(self.at, piece).map_err(io::Error::other)?;
        self.at = self.at.offset(len as u64);
        self.left -= len as u64;
        Ok(Some(piece))
    }
}
