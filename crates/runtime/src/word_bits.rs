//! Strings of bits, one for each word of an object.

use goheap_memory::DataModel;

/// A string of bits, one a word, as [`goheap_format::Fields::Bits`] takes it.
#[derive(Debug, Default)]
pub(crate) struct WordBits {
    bytes: Vec<u8>,
    len: usize,
}

impl WordBits {
    /// `len` bits, all clear.
    pub(crate) fn reset(&mut self, len: usize) {
        self.bytes.clear();
        self.bytes.resize(len.div_ceil(8), 0);
        self.len = len;
    }

    /// At most 64 bits, from a number.
    pub(crate) fn set_small(&mut self, bits: u64, len: usize) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&bits.to_le_bytes());
        self.len = len.min(64);
    }

    pub(crate) fn set(&mut self, index: usize) {
        if let Some(byte) = self.bytes.get_mut(index / 8) {
            *byte |= 1 << (index % 8);
        }
    }

    pub(crate) fn fields(&self, word: u8) -> goheap_format::Fields<'_> {
        goheap_format::Fields::Bits {
            bits: &self.bytes,
            len: self.len,
            word,
        }
    }
}

/// Makes of words whose bits ascend from the least significant one bytes that do so. Where the least
/// significant byte comes first they do so already.
pub(crate) fn by_ascending_bits(model: DataModel, bytes: &mut [u8]) {
    if !model.is_little() {
        for word in bytes.chunks_exact_mut(usize::from(model.word)) {
            word.reverse();
        }
    }
}

/// `count` bits (at most 64) of `bytes` from bit `start`, least significant first; bits past the
/// end are clear.
#[inline]
pub(crate) fn take_bits(bytes: &[u8], start: usize, count: usize) -> u64 {
    let (first, shift) = (start / 8, start % 8);
    let mask = if count >= 64 {
        u64::MAX
    } else {
        (1 << count) - 1
    };
    // Nearly always the bits lie within one word that can be loaded as such.
    if shift + count <= 64
        && let Some(word) = bytes.get(first..).and_then(|rest| rest.first_chunk())
    {
        return u64::from_le_bytes(*word) >> shift & mask;
    }
    let mut window = [0_u8; 16];
    for (to, from) in window.iter_mut().zip(bytes.iter().skip(first).take(9)) {
        *to = *from;
    }
    (u128::from_le_bytes(window) >> shift) as u64 & mask
}

#[cfg(test)]
mod tests;
