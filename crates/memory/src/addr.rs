//! Addresses as a type.

use std::fmt;

/// An address in the memory of the program that is looked at (a *live* address, as opposed to one
/// in its executable file, see `goheap_image::FileAddr`).
///
/// Arithmetic wraps, as the target's own would: a hostile length must not panic here, and the read
/// that follows says what is wrong with the address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr(u64);

impl Addr {
    /// The nil pointer.
    pub const NIL: Addr = Addr(0);

    /// An address from its number.
    pub const fn new(raw: u64) -> Addr {
        Addr(raw)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is the nil pointer.
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further up, wrapping.
    #[must_use]
    pub const fn offset(self, bytes: u64) -> Addr {
        Addr(self.0.wrapping_add(bytes))
    }

    /// The address `bytes` further down, wrapping.
    #[must_use]
    pub const fn before(self, bytes: u64) -> Addr {
        Addr(self.0.wrapping_sub(bytes))
    }

    /// How many bytes this lies above `base`; `None` if it lies below.
    pub const fn since(self, base: Addr) -> Option<u64> {
        self.0.checked_sub(base.0)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
