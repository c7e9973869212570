//! Contents that are read as they are written, a piece at a time.

use std::io;

use goheap_memory::{Addr, Fault, Target};

use crate::sink::{Contents, Large};
use crate::{Sink, WalkError};

/// Bytes of a piece.
const PIECE: u64 = 1 << 20;

/// The memory of a target from one address on.
pub(crate) struct Pieces<'t> {
    target: &'t dyn Target,
    at: Addr,
    left: u64,
    buffer: Vec<u8>,
    /// Why the contents have ended too early.
    fault: Option<Fault>,
}

impl<'t> Pieces<'t> {
    /// `len` bytes at `at`.
    pub(crate) fn new(target: &'t dyn Target, at: Addr, len: u64) -> Pieces<'t> {
        Pieces {
            target,
            at,
            left: len,
            buffer: vec![0; len.min(PIECE) as usize],
            fault: None,
        }
    }

    /// Whether the first byte and the last are there. A core that was cut off lacks the last, and
    /// that is better known before a record has begun than in the middle of it.
    pub(crate) fn probe(&self) -> Result<(), Fault> {
        let last = self.left.saturating_sub(1);
        self.target.read(self.at, &mut [0])?;
        self.target.read(self.at.offset(last), &mut [0])
    }

    /// Hands the record `large` with these contents to `sink`.
    ///
    /// # Errors
    /// The sink's, or a fault in the middle of `what` it is.
    pub(crate) fn write(
        mut self,
        large: &Large<'_>,
        what: &'static str,
        sink: &mut dyn Sink,
    ) -> Result<(), WalkError> {
        let written = sink.large(large, &mut self);
        match self.fault {
            Some(fault) => Err(WalkError::Fault { what, fault }),
            None => Ok(written?),
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
        if let Err(fault) = self.target.read(self.at, piece) {
            self.fault = Some(fault);
            return Err(io::Error::other("the contents cannot be read"));
        }
        self.at = self.at.offset(len as u64);
        self.left -= len as u64;
        Ok(Some(piece))
    }
}
