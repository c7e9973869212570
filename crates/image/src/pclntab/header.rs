//! The header of a function table (`pcHeader`).

use super::PclntabError;
use crate::bytes::Order;

// internal/abi/symtab.go, go1.27: PCLnTabMagic.
const GO_1_2: u32 = 0xffff_fffb;
const GO_1_16: u32 = 0xffff_fffa;
const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;

/// What the header of a function table says.
// `names` to `funcs` are offsets from the header.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub(super) order: Order,
    /// Size of the smallest instruction; program counters in pc-value tables count in it.
    pub(super) quantum: u8,
    /// go1.16 and go1.17: program counters in the table are addresses, not text offsets.
    pub(super) absolute_pcs: bool,
    /// go1.20 and later: `_func` has `startLine`.
    pub(super) start_line: bool,
    pub(super) pointer_size: u8,
    /// Size of each of the two words of a `functab` entry.
    pub(super) ftab_field: u8,
    pub(super) func_count: u64,
    /// Address of the text's start; 0 where the header does not tell.
    pub(super) base: u64,
    pub(super) names: u64,
    pub(super) cutab: u64,
    pub(super) files: u64,
    pub(super) pctab: u64,
    pub(super) funcs: u64,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Header, PclntabError> {
        let (little, big) = (Order::fixed(true), Order::fixed(false));
        let magic = little.u32(bytes, 0).ok_or_else(|| cut_off(bytes, 8))?;
        let swapped = magic.swap_bytes();
        let (order, magic) = match (magic, swapped) {
            (GO_1_2 | GO_1_16 | GO_1_18 | GO_1_20, _) => (little, magic),
            (_, GO_1_2 | GO_1_16 | GO_1_18 | GO_1_20) => (big, swapped),
            _ => return Err(PclntabError::Magic { found: magic }),
        };
        if magic == GO_1_2 {
            return Err(PclntabError::TooOld {
                magic,
                version: "go1.2 to go1.15",
            });
        }
        Header::of_form(bytes, order, magic)
    }

    /// What the header says if its magic number is one that obfuscators have put there: they do so since
    /// go1.20, and what they make is served on little-endian machines alone.
    pub(crate) fn with_any_magic(bytes: &[u8]) -> Result<Header, PclntabError> {
        match Header::parse(bytes) {
            Err(PclntabError::Magic { .. }) => Header::of_form(bytes, Order::fixed(true), GO_1_20),
            header => header,
        }
    }

    /// Reads what stands behind the magic number, in the form that `magic` stands for.
    fn of_form(bytes: &[u8], order: Order, magic: u32) -> Result<Header, PclntabError> {
        let truncated = |size| cut_off(bytes, size);
        let field = |what, at: usize, allowed: &[u8]| match bytes.get(at) {
            Some(found) if allowed.contains(found) => Ok(*found),
            Some(&found) => Err(PclntabError::Header {
                what,
                found: found.into(),
                offset: at as u64,
            }),
            None => Err(truncated(8)),
        };
        field("padding", 4, &[0])?;
        field("padding", 5, &[0])?;
        let quantum = field("the instruction size", 6, &[1, 2, 4])?;
        let pointer_size = field("the pointer size", 7, &[4, 8])?;

        // Behind the first 8 bytes, words: functions, files, (since go1.18) start of the text, and
        // the offsets of the five parts.
        let absolute_pcs = magic == GO_1_16;
        let words = if absolute_pcs { 7 } else { 8 };
        let word = |index: usize| {
            let at = 8 + index * usize::from(pointer_size);
            order
                .word(bytes, at, pointer_size)
                .ok_or_else(|| truncated(8 + words * u64::from(pointer_size)))
        };
        let parts = if absolute_pcs { 2 } else { 3 };
        let header = Header {
            order,
            quantum,
            absolute_pcs,
            start_line: magic == GO_1_20,
            pointer_size,
            ftab_field: if absolute_pcs { pointer_size } else { 4 },
            func_count: word(0)?,
            base: if absolute_pcs { 0 } else { word(2)? },
            names: word(parts)?,
            cutab: word(parts + 1)?,
            files: word(parts + 2)?,
            pctab: word(parts + 3)?,
            funcs: word(parts + 4)?,
        };
        if header.func_count > bytes.len() as u64 {
            return Err(PclntabError::Header {
                what: "the number of functions",
                found: header.func_count,
                offset: 8,
            });
        }
        Ok(header)
    }

    /// Where the parts of the table begin: names of functions, compilation units, files, pc-value
    /// tables, functions.
    pub(crate) fn part_offsets(&self) -> [u64; 5] {
        [self.names, self.cutab, self.files, self.pctab, self.funcs]
    }

    /// How many functions there are.
    pub(crate) fn func_count(&self) -> u64 {
        self.func_count
    }

    /// Bytes of the `functab` array: two fields for each function, and the end of the text.
    pub(super) fn ftab_size(&self) -> u64 {
        self.func_count
            .saturating_mul(2)
            .saturating_add(1)
            .saturating_mul(u64::from(self.ftab_field))
    }

    /// The part that begins at `start`: it reaches to where the next one begins.
    pub(super) fn part<'d>(
        &self,
        bytes: &'d [u8],
        start: u64,
        what: &'static str,
    ) -> Result<&'d [u8], PclntabError> {
        let len = bytes.len() as u64;
        let end = self
            .part_offsets()
            .into_iter()
            .filter(|&other| other > start)
            .min()
            .unwrap_or(len)
            .min(len);
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        range
            .and_then(|(start, end)| bytes.get(start..end))
            .ok_or(PclntabError::Truncated {
                what,
                offset: start,
                size: 1,
                len,
            })
    }
}

/// The header needs `size` bytes, and `bytes` end before that.
fn cut_off(bytes: &[u8], size: u64) -> PclntabError {
    PclntabError::Truncated {
        what: "the header",
        offset: 0,
        size,
        len: bytes.len() as u64,
    }
}
