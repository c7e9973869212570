//! Byte order and word size: how the target's bytes become numbers.

use crate::{Addr, Fault, Memory};

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first (amd64, arm64, 386, ...).
    Little,
    /// Most significant byte first (s390x, mips, ...).
    Big,
}

/// Byte order and word size of a target: all that is needed to decode its integers and pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataModel {
    /// The order of bytes.
    pub byte_order: ByteOrder,
    /// Bytes of a pointer: 4 or 8.
    pub word: u8,
}

impl DataModel {
    /// Little-endian, 64 bits.
    pub const LITTLE64: DataModel = DataModel {
        byte_order: ByteOrder::Little,
        word: 8,
    };

    /// Little-endian, 32 bits.
    pub const LITTLE32: DataModel = DataModel {
        byte_order: ByteOrder::Little,
        word: 4,
    };

    /// Big-endian, 64 bits.
    pub const BIG64: DataModel = DataModel {
        byte_order: ByteOrder::Big,
        word: 8,
    };

    /// Big-endian, 32 bits.
    pub const BIG32: DataModel = DataModel {
        byte_order: ByteOrder::Big,
        word: 4,
    };

    /// Whether the least significant byte comes first.
    pub const fn is_little(self) -> bool {
        matches!(self.byte_order, ByteOrder::Little)
    }

    /// Bytes of a pointer, as a `u64` for arithmetic on addresses.
    pub const fn word_size(self) -> u64 {
        self.word as u64
    }

    /// Decodes an unsigned integer of at most 8 bytes, zero-extended. Bytes past the eighth are
    /// ignored in little-endian order and shift out in big-endian order; callers pass 1, 2, 4 or 8.
    pub fn uint(self, bytes: &[u8]) -> u64 {
        match (self.byte_order, bytes) {
            (ByteOrder::Little, &[a, b, c, d, e, f, g, h]) => {
                u64::from_le_bytes([a, b, c, d, e, f, g, h])
            }
            (ByteOrder::Little, _) => bytes
                .iter()
                .take(8)
                .rev()
                .fold(0, |acc, &b| acc << 8 | u64::from(b)),
            (ByteOrder::Big, _) => bytes.iter().fold(0, |acc, &b| acc << 8 | u64::from(b)),
        }
    }

    /// Reads one unsigned integer of `size` bytes (at most 8).
    ///
    /// # Errors
    /// The fault of the read.
    pub fn read_uint(
        self,
        memory: &(impl Memory + ?Sized),
        at: Addr,
        size: usize,
    ) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..size.min(8)];
        memory.read(at, bytes)?;
        Ok(self.uint(bytes))
    }

    /// Reads one word.
    ///
    /// # Errors
    /// The fault of the read.
    pub fn read_word(self, memory: &(impl Memory + ?Sized), at: Addr) -> Result<u64, Fault> {
        self.read_uint(memory, at, usize::from(self.word))
    }

    /// Reads one pointer.
    ///
    /// # Errors
    /// The fault of the read.
    pub fn read_ptr(self, memory: &(impl Memory + ?Sized), at: Addr) -> Result<Addr, Fault> {
        self.read_word(memory, at).map(Addr::new)
    }
}
