//! Where a variable is: location expressions, lists of them by program counter, and the addresses that
//! those lists refer to.

use std::borrow::Cow;

use crate::bytes::{Order, uvarint};

/// The longest lists that are believed, in entries: a function has some thousand instructions.
const MAX_ENTRIES: usize = 1 << 16;

/// Entries of lists that are looked at in all: in a hostile file each variable could have the same
/// long list.
const BUDGET: usize = 1 << 26;

/// How entries of a list of DWARF 5 begin (section 7.7.3).
mod lle {
    pub(super) const END: u8 = 0;
    pub(super) const BASE_ADDRESSX: u8 = 1;
    pub(super) const STARTX_ENDX: u8 = 2;
    pub(super) const STARTX_LENGTH: u8 = 3;
    pub(super) const OFFSET_PAIR: u8 = 4;
    pub(super) const DEFAULT: u8 = 5;
    pub(super) const BASE_ADDRESS: u8 = 6;
    pub(super) const START_END: u8 = 7;
    pub(super) const START_LENGTH: u8 = 8;
}

/// A place in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes from the canonical frame address.
    pub(super) cfa_offset: i64,
    /// There is a pointer to the variable.
    pub(super) pointed_to: bool,
}

/// The sections that lists are in; those that are not there are empty.
pub(super) struct Locations<'e> {
    pub(super) order: Order,
    /// `.debug_loc`: DWARF 4.
    pub(super) loc: Cow<'e, [u8]>,
    /// `.debug_loclists`: DWARF 5.
    pub(super) loclists: Cow<'e, [u8]>,
    /// `.debug_addr`: DWARF 5.
    pub(super) addr: Cow<'e, [u8]>,
    pub(super) budget: std::cell::Cell<usize>,
}

impl<'e> Locations<'e> {
    pub(super) fn new(
        order: Order,
        loc: Cow<'e, [u8]>,
        loclists: Cow<'e, [u8]>,
        addr: Cow<'e, [u8]>,
    ) -> Locations<'e> {
        Locations {
            order,
            loc,
            loclists,
            addr,
            budget: std::cell::Cell::new(BUDGET),
        }
    }

    /// The address that `bytes` are.
    pub(super) fn word(&self, bytes: &[u8]) -> Option<u64> {
        let address = self.order.address(bytes, 0);
        address.filter(|_| bytes.len() == self.order.word_size())
    }

    /// An entry of `.debug_addr`, in the part of a unit that begins at `base`.
    pub(super) fn address(&self, base: u64, index: u64) -> Option<u64> {
        let at = index.checked_mul(u64::from(self.order.word))?;
        let at = usize::try_from(at.checked_add(base)?).ok()?;
        self.order.address(&self.addr, at)
    }

    /// Shows each entry of the list at `at`: its program counters and its expression.
    pub(super) fn each(
        &self,
        at: u64,
        low: u64,
        addresses: Option<u64>,
        version: u16,
        show: &mut dyn FnMut(u64, u64, &[u8]),
    ) {
        let section = match version {
            ..=4 => &self.loc,
            5.. => &self.loclists,
        };
        let Some(mut rest) = usize::try_from(at).ok().and_then(|at| section.get(at..)) else {
            return;
        };
        let mut base = low;
        for _ in 0..MAX_ENTRIES {
            let Some(budget) = self.budget.get().checked_sub(1) else {
                return;
            };
            self.budget.set(budget);
            let entry = match version {
                ..=4 => self.entry4(rest, &mut base),
                5.. => self.entry5(rest, &mut base, addresses),
            };
            let Some((shown, after)) = entry else { return };
            if let Some((from, to, expression)) = shown {
                show(from, to, expression);
            }
            rest = after;
        }
    }

    /// An entry of `.debug_loc`: two addresses, counted from the base; a length of two bytes, and as
    /// many. Two zeros are the end; an address of all ones sets the base.
    fn entry4<'b>(&self, bytes: &'b [u8], base: &mut u64) -> Option<Shown<'b>> {
        let (from, to, rest) = self.pair(bytes)?;
        if from == self.order.last_address() {
            *base = to;
            return Some((None, rest));
        }
        if from == 0 && to == 0 {
            return None;
        }
        let len: [u8; 2] = rest.get(..2)?.try_into().ok()?;
        let len = match self.order.little {
            true => u16::from_le_bytes(len),
            false => u16::from_be_bytes(len),
        };
        let (expression, after) = rest.get(2..)?.split_at_checked(usize::from(len))?;
        let (from, to) = (base.wrapping_add(from), base.wrapping_add(to));
        Some((Some((from, to, expression)), after))
    }

    /// Two addresses, and what follows.
    fn pair<'b>(&self, bytes: &'b [u8]) -> Option<(u64, u64, &'b [u8])> {
        let word = self.order.word_size();
        let (from, to) = (
            self.order.address(bytes, 0)?,
            self.order.address(bytes, word)?,
        );
        Some((from, to, bytes.get(2 * word..)?))
    }

    /// An entry of `.debug_loclists`.
    fn entry5<'b>(
        &self,
        bytes: &'b [u8],
        base: &mut u64,
        addresses: Option<u64>,
    ) -> Option<Shown<'b>> {
        let (&kind, rest) = bytes.split_first()?;
        let indexed = |index| addresses.and_then(|base| self.address(base, index));
        let (range, rest) = match kind {
            lle::END => return None,
            lle::BASE_ADDRESSX => {
                let (index, rest) = uvarint(rest)?;
                *base = indexed(index)?;
                return Some((None, rest));
            }
            lle::BASE_ADDRESS => {
                *base = self.order.address(rest, 0)?;
                return Some((None, rest.get(self.order.word_size()..)?));
            }
            lle::STARTX_ENDX => {
                let (from, rest) = uvarint(rest)?;
                let (to, rest) = uvarint(rest)?;
                (Some((indexed(from)?, indexed(to)?)), rest)
            }
            lle::STARTX_LENGTH => {
                let (from, rest) = uvarint(rest)?;
                let (len, rest) = uvarint(rest)?;
                let from = indexed(from)?;
                (Some((from, from.wrapping_add(len))), rest)
            }
            lle::OFFSET_PAIR => {
                let (from, rest) = uvarint(rest)?;
                let (to, rest) = uvarint(rest)?;
                let range = (base.wrapping_add(from), base.wrapping_add(to));
                (Some(range), rest)
            }
            lle::DEFAULT => (None, rest),
            lle::START_END => {
                let (from, to, rest) = self.pair(rest)?;
                (Some((from, to)), rest)
            }
            lle::START_LENGTH => {
                let from = self.order.address(rest, 0)?;
                let (len, rest) = uvarint(rest.get(self.order.word_size()..)?)?;
                (Some((from, from.wrapping_add(len))), rest)
            }
            _ => return None,
        };
        let (len, rest) = uvarint(rest)?;
        let (expression, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        Some((range.map(|(from, to)| (from, to, expression)), after))
    }
}

/// Program counters and an expression, if the entry has them, and what follows.
type Shown<'b> = (Option<(u64, u64, &'b [u8])>, &'b [u8]);

/// The place in a frame that an expression tells, if all of the variable is there, in a row. The frame
/// base of Go's functions is the canonical frame address (cmd/internal/dwarf/dwarf.go:
/// `PutDefaultFunc`).
pub(super) fn place_of(expression: &[u8]) -> Option<Place> {
    const FBREG: u8 = gimli::DW_OP_fbreg.0;
    const CFA: u8 = gimli::DW_OP_call_frame_cfa.0;
    const PIECE: u8 = gimli::DW_OP_piece.0;
    const DEREF: u8 = gimli::DW_OP_deref.0;
    let mut rest = expression;
    let mut first: Option<i64> = None;
    let mut next = 0i64;
    loop {
        let (offset, after) = match rest {
            [FBREG, after @ ..] => svarint(after)?,
            [CFA, after @ ..] => (0, after),
            _ => return None,
        };
        match after {
            [] if first.is_none() => {
                return Some(Place {
                    cfa_offset: offset,
                    pointed_to: false,
                });
            }
            [DEREF] if first.is_none() => {
                return Some(Place {
                    cfa_offset: offset,
                    pointed_to: true,
                });
            }
            [PIECE, after @ ..] => {
                let (len, after) = uvarint(after)?;
                if first.is_some() && offset != next {
                    return None;
                }
                first = first.or(Some(offset));
                next = offset.checked_add(i64::try_from(len).ok()?)?;
                if after.is_empty() {
                    return first.map(|cfa_offset| Place {
                        cfa_offset,
                        pointed_to: false,
                    });
                }
                rest = after;
            }
            _ => return None,
        }
    }
}

/// The signed LEB128 number at the start of `bytes`, and what follows it.
fn svarint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0i64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let shift = 7 * index as u32;
        value |= i64::from(byte & 0x7f).wrapping_shl(shift);
        if byte & 0x80 == 0 {
            if byte & 0x40 != 0 && shift + 7 < 64 {
                value |= -1i64 << (shift + 7);
            }
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests;
