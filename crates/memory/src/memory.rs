//! The one trait that everything above reads through.

use crate::{Addr, Fault};

/// Bytes at addresses of one program at one instant.
///
/// One method is required. An implementation reads all of `buf` or fails; after a failure the
/// contents of `buf` are unspecified.
pub trait Memory {
    /// Fills `buf` with the bytes at `at`.
    ///
    /// # Errors
    /// A [`Fault`] when any of the bytes cannot be had; an empty `buf` never fails.
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault>;

    /// Fills many buffers. The same as a [`read`](Memory::read) of each in turn, which is what
    /// happens unless the source can do better (one system call for many spans).
    ///
    /// # Errors
    /// The first fault met; which buffers are filled then is unspecified.
    fn read_parts(&self, parts: &mut [Part<'_>]) -> Result<(), Fault> {
        for part in parts {
            self.read(part.at, part.buf)?;
        }
        Ok(())
    }
}

/// One piece of a [`Memory::read_parts`].
#[derive(Debug)]
pub struct Part<'b> {
    /// Where to read.
    pub at: Addr,
    /// Where to put it; its length is the length of the read.
    pub buf: &'b mut [u8],
}

impl<M: Memory + ?Sized> Memory for &M {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        (**self).read(at, buf)
    }

    fn read_parts(&self, parts: &mut [Part<'_>]) -> Result<(), Fault> {
        (**self).read_parts(parts)
    }
}

impl<M: Memory + ?Sized> Memory for Box<M> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        (**self).read(at, buf)
    }

    fn read_parts(&self, parts: &mut [Part<'_>]) -> Result<(), Fault> {
        (**self).read_parts(parts)
    }
}
