//! Numbers one behind the other in the bytes of a value, for sections that have millions of them.

use super::cursor;
use super::cursor::{unzigzag, zigzag};
use crate::varint;

/// Walks over numbers. What is none ends it, and [`Numbers::is_at_end`] tells.
#[derive(Debug, Clone)]
pub struct Numbers<'a>(&'a [u8]);

impl<'a> Numbers<'a> {
    /// The numbers in these bytes.
    pub fn new(bytes: &'a [u8]) -> Numbers<'a> {
        Numbers(bytes)
    }

    /// Whether all bytes were numbers.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// A number that [`put_difference`] wrote: what lies so far from `from`.
    #[inline]
    pub fn difference(&mut self, from: u64) -> Option<u64> {
        Some(from.wrapping_add(unzigzag(self.next()?)))
    }
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let (value, len) = varint::decode(self.0).ok()?;
        self.0 = self.0.get(len..)?;
        Some(value)
    }
}

/// Appends a number.
#[inline]
pub fn put_number(out: &mut Vec<u8>, value: u64) {
    cursor::put_number(out, value);
}

/// Appends how far `to` is from `from`, up or down, as an address is told.
#[inline]
pub fn put_difference(out: &mut Vec<u8>, from: u64, to: u64) {
    cursor::put_number(out, zigzag(to.wrapping_sub(from)));
}
