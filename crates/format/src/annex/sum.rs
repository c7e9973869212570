//! The checksum that an annex has of its blocks, for whoever has bytes in pieces.

use flate2::Crc;

/// The CRC-32 of gzip and zlib.
#[derive(Debug, Default)]
pub struct Checksum(Crc);

impl Checksum {
    /// Of nothing yet.
    pub fn new() -> Checksum {
        Checksum::default()
    }

    /// Goes on with these bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all bytes so far.
    pub fn sum(&self) -> u32 {
        self.0.sum()
    }
}
