//! Checked reads of words out of a byte slice, in a byte order that is known at run time only.

/// Byte order and word size of the bytes that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Little-endian, or else big-endian.
    pub(crate) little: bool,
    /// Bytes of a word: 4 or 8.
    pub(crate) word: u8,
}

impl Order {
    /// For numbers that have always the same size.
    pub(crate) fn fixed(little: bool) -> Order {
        Order { little, word: 8 }
    }

    /// Bytes of a word, for arithmetic on offsets.
    pub(crate) fn word_size(self) -> usize {
        usize::from(self.word)
    }

    /// The address that is all ones.
    pub(crate) fn last_address(self) -> u64 {
        u64::MAX >> (64 - 8 * u32::from(self.word.clamp(1, 8)))
    }

    /// The word at `at`.
    pub(crate) fn address(self, bytes: &[u8], at: usize) -> Option<u64> {
        self.word(bytes, at, self.word)
    }

    /// The `u32` at `at`.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little {
            u32::from_le_bytes(raw)
        } else {
            u32::from_be_bytes(raw)
        })
    }

    /// The `u64` at `at`.
    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw: [u8; 8] = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(if self.little {
            u64::from_le_bytes(raw)
        } else {
            u64::from_be_bytes(raw)
        })
    }

    /// The word of `size` (4 or 8) bytes at `at`.
    pub(crate) fn word(self, bytes: &[u8], at: usize, size: u8) -> Option<u64> {
        match size {
            4 => self.u32(bytes, at).map(u64::from),
            8 => self.u64(bytes, at),
            _ => None,
        }
    }
}

/// The unsigned LEB128 number at the start of `bytes`, and what follows it.
pub(crate) fn uvarint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        // The tenth byte may carry one bit only.
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}
