//! Which words of a value are pointers.

use goheap_memory::{Addr, Memory};

use super::{Kind, MaskForm, Type, TypeError, Types, limit};

/// How deep types may hold each other by value. The runtime's own recursion stops at 64
/// (runtime/type.go, go1.24: `buildGCMask`), not counting what it does in a loop.
const DEPTH: u32 = 512;

/// Which words of a value are pointers: a bit a word, least significant first, up to the last
/// pointer; words behind the mask are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GcMask {
    bits: Vec<u8>,
    len: u64,
}

impl GcMask {
    fn zeros(len: u64) -> GcMask {
        GcMask {
            bits: vec![0; len.div_ceil(8) as usize],
            len,
        }
    }

    /// The bits; those past [`len`](GcMask::len) are 0.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// How many words the mask covers.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it covers no word.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether word number `word` of a value is a pointer.
    pub fn is_pointer(&self, word: u64) -> bool {
        let byte = usize::try_from(word / 8)
            .ok()
            .and_then(|index| self.bits.get(index));
        byte.is_some_and(|byte| byte >> (word % 8) & 1 != 0)
    }

    /// Sets the bits of `other` from bit `at` on; what does not fit falls off the end.
    fn or(&mut self, at: u64, other: &[u8]) {
        for (byte, at) in other.iter().zip((at..).step_by(8)) {
            self.or_byte(at, *byte);
        }
    }

    fn or_byte(&mut self, at: u64, byte: u8) {
        if byte == 0 || at >= self.len {
            return;
        }
        // What lies behind the last bit stays 0.
        let room = (self.len - at).min(8);
        let wide = u16::from(byte & low_bits(room)) << (at % 8);
        for (index, part) in (at / 8..).zip(wide.to_le_bytes()) {
            if let Some(to) = self.bits.get_mut(index as usize) {
                *to |= part;
            }
        }
    }

    /// The eight bits from bit `at` on.
    fn byte(&self, at: u64) -> u8 {
        let get = |index: u64| self.bits.get(index as usize).copied().unwrap_or_default();
        let wide = u16::from_le_bytes([get(at / 8), get(at / 8 + 1)]);
        (wide >> (at % 8)) as u8
    }

    /// Continues the pattern of the `period` bits before bit `from` up to bit `end`.
    fn repeat(&mut self, from: u64, period: u64, end: u64) {
        let end = end.min(self.len);
        let (mut at, mut period) = (from, period);
        while at < end && period > 0 {
            let count = period.min(end - at);
            for done in (0..count).step_by(8) {
                let byte = self.byte(at - period + done) & low_bits(count - done);
                self.or_byte(at + done, byte);
            }
            at += count;
            // Two periods are a period as well, and make longer steps.
            period = period.saturating_mul(2);
        }
    }
}

/// The lowest `count` bits of a byte.
fn low_bits(count: u64) -> u8 {
    (0xff_u16 >> 8_u64.saturating_sub(count).min(8)) as u8
}

/// What building a mask may still cost: a damaged descriptor can name the same large type in each
/// of a million fields.
struct Budget {
    /// Bits written and fields looked at.
    steps: u64,
    depth: u32,
}

impl Budget {
    /// Each bit of a mask is written once, and once more by each array around it that repeats it,
    /// which at least doubles it.
    fn of(mask: &GcMask) -> Budget {
        Budget {
            steps: mask.len.saturating_mul(4).saturating_add(1 << 22),
            depth: DEPTH,
        }
    }

    fn spend(&mut self, ty: &Type, steps: u64) -> Result<(), TypeError> {
        let left = self.steps.checked_sub(steps);
        self.steps = left.ok_or_else(|| implausible(ty, "the size of its parts", steps))?;
        Ok(())
    }
}

impl<M: Memory + ?Sized> Types<'_, M> {
    /// Which words of a value of type `ty` are pointers, in whatever way the version says it.
    ///
    /// A mask that the runtime makes on demand is made here too, made yet or not.
    ///
    /// # Errors
    /// It cannot be read, or the type contradicts itself.
    pub fn read_gc_mask(&self, ty: &Type) -> Result<GcMask, TypeError> {
        let len = self.mask_len(ty)?;
        let mut mask = GcMask::zeros(len);
        if len > 0 {
            let mut budget = Budget::of(&mask);
            self.build(ty, &mut mask, 0, &mut budget)?;
        }
        Ok(mask)
    }

    /// Which words of a stack object are pointers: of its first `ptr_bytes` bytes, by the mask at
    /// `gc_data`, or by the pointer program there (runtime/stack.go, go1.19:
    /// `stackObjectRecord.useGCProg`; go1.24 has masks alone, however long).
    ///
    /// # Errors
    /// It cannot be read, or the program contradicts itself.
    pub fn read_stack_object_mask(
        &self,
        gc_data: Addr,
        ptr_bytes: u64,
        program: bool,
    ) -> Result<GcMask, TypeError> {
        self.read_gc_mask(&Type {
            address: gc_data,
            size: ptr_bytes,
            ptr_bytes,
            hash: 0,
            kind: Kind::Struct,
            direct_iface: false,
            gc_data,
            mask: match program {
                true => MaskForm::Program,
                false => MaskForm::Bits,
            },
            flags: 0,
            name: 0,
            ptr_to_this: 0,
        })
    }

    fn mask_len(&self, ty: &Type) -> Result<u64, TypeError> {
        let words = ty.ptr_bytes / self.model.word_size();
        if ty.ptr_bytes > ty.size || words.div_ceil(8) > limit::MASK {
            return Err(implausible(ty, "PtrBytes", ty.ptr_bytes));
        }
        Ok(words)
    }

    /// Sets the bits of a value of type `ty` that begins at bit `at` of `mask`.
    fn build(
        &self,
        ty: &Type,
        mask: &mut GcMask,
        at: u64,
        budget: &mut Budget,
    ) -> Result<(), TypeError> {
        let len = self.mask_len(ty)?;
        if at.checked_add(len).is_none_or(|end| end > mask.len) {
            return Err(implausible(ty, "PtrBytes", ty.ptr_bytes));
        }
        match ty.mask {
            MaskForm::Bits => {
                budget.spend(ty, len)?;
                let bytes = len.div_ceil(8);
                let mut part = self.vec(ty.gc_data, bytes, limit::MASK, "the pointer mask")?;
                // The last byte may go on with another type's bits: masks are shared.
                if let (Some(last), used @ 1..) = (part.last_mut(), len % 8) {
                    *last &= low_bits(used);
                }
                mask.or(at, &part);
                Ok(())
            }
            MaskForm::Program => {
                budget.spend(ty, len)?;
                let part = self.run_gc_prog(ty, len)?;
                mask.or(at, &part.bits);
                Ok(())
            }
            MaskForm::OnDemand => {
                budget.spend(ty, 1)?;
                budget.depth = budget
                    .depth
                    .checked_sub(1)
                    .ok_or_else(|| implausible(ty, "the depth of its parts", u64::from(DEPTH)))?;
                self.build_on_demand(ty, mask, at, budget)?;
                budget.depth += 1;
                Ok(())
            }
        }
    }

    /// The mask of an array or struct is that of its parts (runtime/type.go, go1.24:
    /// `buildGCMask`).
    fn build_on_demand(
        &self,
        ty: &Type,
        mask: &mut GcMask,
        at: u64,
        budget: &mut Budget,
    ) -> Result<(), TypeError> {
        let word = self.model.word_size();
        match ty.kind {
            Kind::Array => {
                let Some(elem) = self.elem(ty)? else {
                    return Ok(());
                };
                let elem = self.read(elem)?;
                let count = self.array_len(ty)?;
                let stride = elem.size / word;
                let bits = count
                    .checked_mul(stride)
                    .and_then(|bits| at.checked_add(bits));
                let (Some(end), 1..) = (bits, stride) else {
                    return Err(implausible(ty, "the length of the array", count));
                };
                if count > 0 {
                    self.build(&elem, mask, at, budget)?;
                    budget.spend(ty, end.min(mask.len).saturating_sub(at))?;
                    mask.repeat(at + stride, stride, end);
                }
                Ok(())
            }
            Kind::Struct => self.each_field(ty, &mut |_name, field, offset| {
                budget.spend(ty, 1)?;
                let field = self.read(field)?;
                match field.ptr_bytes {
                    0 => Ok(()),
                    _ => self.build(&field, mask, at.saturating_add(offset / word), budget),
                }
            }),
            _ => Err(implausible(
                ty,
                "the kind of a type with parts",
                ty.kind as u64,
            )),
        }
    }

    /// Runs a pointer program (runtime/mbitmap.go, go1.19: `runGCProg`): a little machine that
    /// writes bits, and repeats what it has written. What goes beyond `len` bits is cut off.
    fn run_gc_prog(&self, ty: &Type, len: u64) -> Result<GcMask, TypeError> {
        let mut mask = GcMask::zeros(len);
        let mut written = 0_u64;
        // The length of the program in bytes comes first (four bytes).
        let size = self.uint(ty.gc_data, 4, "the pointer program")?;
        let program = self.vec(
            ty.gc_data.offset(4),
            size,
            limit::PROGRAM,
            "the pointer program",
        )?;
        let mut code = program.iter().copied();
        let cut = || implausible(ty, "the pointer program's length", size);
        while written < len {
            let instruction = code.next().ok_or_else(cut)?;
            let n = u64::from(instruction & 0x7f);
            if instruction & 0x80 == 0 {
                if n == 0 {
                    break;
                }
                for done in (0..n).step_by(8) {
                    let byte = code.next().ok_or_else(cut)?;
                    mask.or_byte(written + done, byte & low_bits(n - done));
                }
                written += n;
                continue;
            }
            let back = match n {
                0 => varint(&mut code).ok_or_else(cut)?,
                n => n,
            };
            let total = varint(&mut code).ok_or_else(cut)?.saturating_mul(back);
            if back == 0 || back > written {
                return Err(implausible(ty, "a repeat of its pointer program", back));
            }
            let end = written.saturating_add(total);
            mask.repeat(written, back, end);
            written = end;
        }
        Ok(mask)
    }
}

fn varint(code: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = code.next()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn implausible(ty: &Type, what: &'static str, found: u64) -> TypeError {
    TypeError::Implausible {
        at: ty.address,
        what,
        found,
        expected: "what its size has room for",
    }
}
