//! Lists of pointers: the three forms that a [`Fields`] comes in, read as one.

use std::fmt;

use crate::varint;

/// Where the pointers of an object, a frame or a segment are: offsets in bytes from its start.
///
/// Two are equal if they list the same fields in the same order, whatever their form.
#[derive(Clone, Copy)]
pub enum Fields<'a> {
    /// As encoded on the wire, the closing end-of-list included: what a reader hands out.
    Wire(&'a [u8]),
    /// A bit per word: bit `i` of the little-endian bit string is the word at `base + i * word`.
    /// What the walk makes of heap bitmaps and of the masks of data and bss.
    Bits {
        /// The bits, least significant first.
        bits: &'a [u8],
        /// How many of them count.
        len: usize,
        /// Bytes of a word.
        word: u8,
    },
    /// A list of offsets of pointers. What the walk makes of stack maps.
    Offsets(&'a [u64]),
}

/// What stands at a field.
///
/// The runtime has written [`FieldKind::Pointer`] alone since Go 1.5; the other two are of older
/// dumps, and read so that nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FieldKind {
    /// A pointer.
    Pointer = 1,
    /// An interface with methods: itab and data word.
    Iface = 2,
    /// An empty interface: type and data word.
    Eface = 3,
}

/// Closes a list.
pub(crate) const END_OF_LIST: u8 = 0;

impl FieldKind {
    /// The kind with that number on the wire; the end of a list is none.
    pub fn from_wire(kind: u64) -> Option<Self> {
        match kind {
            1 => Some(FieldKind::Pointer),
            2 => Some(FieldKind::Iface),
            3 => Some(FieldKind::Eface),
            _ => None,
        }
    }
}

impl<'a> Fields<'a> {
    /// No pointers at all.
    pub const NONE: Fields<'static> = Fields::Offsets(&[]);

    /// Walks the fields in order: kind, and offset in bytes from the start of the object, frame or
    /// segment. A stack frame's may lie outside of its contents, as [`StackFrame::fields`] tells.
    ///
    /// [`StackFrame::fields`]: crate::StackFrame::fields
    #[inline]
    pub fn iter(&self) -> FieldsIter<'a> {
        FieldsIter(match *self {
            Fields::Wire(bytes) => Form::Wire(bytes),
            Fields::Bits { bits, len, word } => Form::Bits {
                bits,
                len,
                word: u64::from(word),
                next: 0,
            },
            Fields::Offsets(offsets) => Form::Offsets(offsets.iter()),
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'a> IntoIterator for &Fields<'a> {
    type Item = (FieldKind, u64);
    type IntoIter = FieldsIter<'a>;

    fn into_iter(self) -> FieldsIter<'a> {
        self.iter()
    }
}

impl PartialEq for Fields<'_> {
    fn eq(&self, other: &Fields<'_>) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields<'_> {}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterates over a [`Fields`]; made by [`Fields::iter`].
#[derive(Debug, Clone)]
pub struct FieldsIter<'a>(Form<'a>);

#[derive(Debug, Clone)]
enum Form<'a> {
    Wire(&'a [u8]),
    Bits {
        bits: &'a [u8],
        len: usize,
        word: u64,
        next: usize,
    },
    Offsets(std::slice::Iter<'a, u64>),
}

impl Iterator for FieldsIter<'_> {
    type Item = (FieldKind, u64);

    #[inline]
    fn next(&mut self) -> Option<(FieldKind, u64)> {
        match &mut self.0 {
            // A reader has checked these bytes already. Of a list that did not come from a reader,
            // what is well formed is walked; the writer refuses the rest.
            Form::Wire(bytes) => {
                if let [1, offset @ 0..0x80, rest @ ..] = *bytes {
                    *bytes = rest;
                    return Some((FieldKind::Pointer, u64::from(*offset)));
                }
                let (field, rest) = split_field(bytes)?;
                *bytes = rest;
                Some(field)
            }
            Form::Bits {
                bits,
                len,
                word,
                next,
            } => {
                let at = next_bit(bits, *len, *next)?;
                *next = at + 1;
                Some((FieldKind::Pointer, (at as u64).wrapping_mul(*word)))
            }
            Form::Offsets(offsets) => offsets.next().map(|&at| (FieldKind::Pointer, at)),
        }
    }
}

fn split_field(bytes: &[u8]) -> Option<((FieldKind, u64), &[u8])> {
    let (kind, len) = varint::decode(bytes).ok()?;
    let kind = FieldKind::from_wire(kind)?;
    let bytes = bytes.get(len..)?;
    let (offset, len) = varint::decode(bytes).ok()?;
    Some(((kind, offset), bytes.get(len..)?))
}

/// How many bytes the list at the start of `wire` takes, its end included; `None` if it has none.
pub(crate) fn wire_len(wire: &[u8]) -> Option<usize> {
    let mut rest = wire;
    while let Some((_, behind)) = split_field(rest) {
        rest = behind;
    }
    match rest.first() {
        Some(&END_OF_LIST) => Some(wire.len() - rest.len() + 1),
        _ => None,
    }
}

/// The first set bit at or behind `from`, among the first `len`.
fn next_bit(bits: &[u8], len: usize, from: usize) -> Option<usize> {
    let mut byte = from / 8;
    let mut left = *bits.get(byte)? & (0xff << (from % 8));
    while left == 0 {
        byte += 1;
        if byte * 8 >= len {
            return None;
        }
        left = *bits.get(byte)?;
    }
    let at = byte * 8 + left.trailing_zeros() as usize;
    (at < len).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(fields: Fields<'_>) -> Vec<u64> {
        fields.iter().map(|(_, at)| at).collect()
    }

    #[test]
    fn three_forms_of_one_list() {
        let wire = Fields::Wire(&[1, 0, 1, 8, 1, 0x80, 1, 0]);
        let bits = Fields::Bits {
            bits: &[0b11, 0, 0b1111_0001],
            len: 17,
            word: 8,
        };
        let list = Fields::Offsets(&[0, 8, 128]);
        for fields in [wire, bits, list] {
            assert_eq!(offsets(fields), [0, 8, 128]);
            assert!(!fields.is_empty());
            assert_eq!(fields, wire);
        }
        assert_eq!(
            format!("{list:?}"),
            "[(Pointer, 0), (Pointer, 8), (Pointer, 128)]"
        );
    }

    #[test]
    fn unequal_by_kind_length_and_offset() {
        let pointer = Fields::Wire(&[1, 8, 0]);
        assert_ne!(pointer, Fields::Wire(&[2, 8, 0]));
        assert_ne!(pointer, Fields::NONE);
        assert_ne!(pointer, Fields::Offsets(&[16]));
        assert_eq!(Fields::Wire(&[0]), Fields::NONE);
    }

    #[test]
    fn bits_that_do_not_count_and_bits_that_are_missing() {
        let all = [0xff; 2];
        for len in 0..=20 {
            let fields = Fields::Bits {
                bits: &all,
                len,
                word: 4,
            };
            assert_eq!(fields.iter().count(), len.min(16), "{len}");
        }
    }

    #[test]
    fn a_broken_list_ends() {
        assert_eq!(offsets(Fields::Wire(&[])), []);
        assert_eq!(offsets(Fields::Wire(&[1, 8, 1])), [8]);
        assert_eq!(offsets(Fields::Wire(&[1, 8, 9, 9])), [8]);
    }
}
