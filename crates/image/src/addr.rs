//! Addresses of the executable file.

use std::fmt;

/// A virtual address as the headers of an executable give it, before the kernel or the dynamic
/// linker adds a load bias. For a position-independent executable it differs from the live address
/// (`goheap_memory::Addr`) of the same byte; the two types keep them from being mixed up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileAddr(u64);

impl FileAddr {
    /// An address from its number.
    pub const fn new(raw: u64) -> FileAddr {
        FileAddr(raw)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The address `bytes` further up, wrapping (a hostile header must not panic here; the look-up
    /// that follows fails instead).
    #[must_use]
    pub const fn offset(self, bytes: u64) -> FileAddr {
        FileAddr(self.0.wrapping_add(bytes))
    }

    /// How many bytes this lies above `base`; `None` if it lies below.
    pub const fn since(self, base: FileAddr) -> Option<u64> {
        self.0.checked_sub(base.0)
    }
}

impl fmt::Debug for FileAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{:#x}", self.0)
    }
}

impl fmt::Display for FileAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
