//! Numbers and values, one behind the other, in bytes and out of them.

use super::section::{ColumnKind, Value};
use crate::varint;

/// Walks over values. What is no value of its kind ends in `None`; the place stays where it was.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The address before: an address is stored as what it differs from that.
    address: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor {
            bytes,
            at: 0,
            address: 0,
        }
    }

    /// How many bytes were walked over.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let rest = self.bytes.get(self.at..)?;
        let (value, len) = varint::decode(rest).ok()?;
        self.at += len;
        Some(value)
    }

    /// So many bytes.
    pub(super) fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(len).ok()?)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    /// A length, and as many bytes.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let bytes = self.number().and_then(|len| self.take(len));
        if bytes.is_none() {
            self.at = start;
        }
        bytes
    }

    fn bool(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at)?;
        if byte > 1 {
            return None;
        }
        self.at += 1;
        Some(byte == 1)
    }

    /// A value; `None` too for a kind that is not known.
    #[inline]
    pub(super) fn value(&mut self, kind: ColumnKind) -> Option<Value<'a>> {
        Some(match kind {
            ColumnKind::Uint => Value::Uint(self.number()?),
            ColumnKind::Address => {
                let step = self.number()?;
                self.address = self.address.wrapping_add(unzigzag(step));
                Value::Address(self.address)
            }
            ColumnKind::Text => Value::Text(self.bytes()?),
            ColumnKind::Bytes => Value::Bytes(self.bytes()?),
            ColumnKind::Bool => Value::Bool(self.bool()?),
            ColumnKind::MaybeUint => {
                let start = self.at;
                if !self.bool()? {
                    return Some(Value::MaybeUint(None));
                }
                let number = self.number();
                if number.is_none() {
                    self.at = start;
                }
                Value::MaybeUint(Some(number?))
            }
        })
    }
}

/// Appends a number.
#[inline]
pub(super) fn put_number(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
        return;
    }
    let mut room = [0; varint::MAX_LEN];
    let len = varint::encode(&mut room, value);
    out.extend_from_slice(&room[..len]);
}

/// Appends a length and as many bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a value. `address` is the address before in the same column, and then this one.
#[inline]
pub(super) fn put_value(out: &mut Vec<u8>, address: &mut u64, value: Value<'_>) {
    match value {
        Value::Uint(number) => put_number(out, number),
        Value::Address(here) => {
            put_number(out, zigzag(here.wrapping_sub(*address)));
            *address = here;
        }
        Value::Text(bytes) | Value::Bytes(bytes) => put_bytes(out, bytes),
        Value::Bool(truth) => out.push(truth.into()),
        Value::MaybeUint(None) => out.push(0),
        Value::MaybeUint(Some(number)) => {
            out.push(1);
            put_number(out, number);
        }
        Value::Unknown => {}
    }
}

/// A difference, up or down, as a number that is small if the difference is.
pub(super) fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (difference.cast_signed() >> 63).cast_unsigned()
}

pub(super) fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}
