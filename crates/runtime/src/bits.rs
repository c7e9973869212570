//! Which words of an object are pointers: the heap's own answer, in each of its forms
//! (runtime/heapdump.go: `makeheapobjbv`).

use std::borrow::Cow;

use goheap_golang::HeapBits;
use goheap_memory::{Addr, DataModel};

use crate::gap::Gaps;
use crate::mask::Masks;
use crate::span::Span;
use crate::word_bits::{WordBits, by_ascending_bits, take_bits};
use crate::{World, span};

/// Bytes of `spanInlineMarkBits` at the end of a small span: 63 scan bits' bytes, owner, 63 mark
/// bits' bytes, class (runtime/mgcmark_greenteagc.go, go1.25).
pub(crate) const INLINE_MARKS: u64 = 128;

/// Whether the span has its mark bits inside (runtime/mgcmark_greenteagc.go, go1.25:
/// `gcUsesSpanInlineMarkBits`).
pub(crate) fn has_inline_marks(world: &World<'_>, span: &Span) -> bool {
    world.features.inline_marks
        && bits_in_span(world.model, span.elem_size)
        && span.elem_size >= 16
        && span.bytes == span::PAGE
}

/// Whether objects of this size have their pointer bits at the end of their span
/// (runtime/mbitmap.go, go1.22: `heapBitsInSpan`): as many words as a word has bits.
fn bits_in_span(model: DataModel, elem_size: u64) -> bool {
    elem_size <= model.word_size() * model.word_size() * 8
}

/// What is known of a span besides its objects, enough to tell the pointers of each of them.
pub(crate) struct SpanBits<'b> {
    /// The span.
    pub(crate) span: &'b Span,
    /// Words of one of its objects: sizes of objects are multiples of the word.
    pub(crate) words: usize,
    /// The last bytes of the span, where go1.22 has the bits of small objects, with ascending bits.
    /// Empty otherwise.
    pub(crate) tail: &'b [u8],
    /// The arena's bitmap of the span, up to go1.21. Empty otherwise.
    pub(crate) bitmap: &'b [u8],
    /// The arena's `noMorePtrs` of the span, go1.20 and go1.21. Empty otherwise.
    pub(crate) no_more: &'b [u8],
}

/// How many bytes at the end of `span` hold bits that its objects need.
pub(crate) fn tail_len(world: &World<'_>, span: &Span) -> u64 {
    match world.features.heap_bits {
        HeapBits::Headers if !span.noscan() && bits_in_span(world.model, span.elem_size) => {
            let bitmap = span.bytes / world.model.word_size() / 8;
            bitmap
                + if has_inline_marks(world, span) {
                    INLINE_MARKS
                } else {
                    0
                }
        }
        HeapBits::Headers | HeapBits::ArenaPairs | HeapBits::ArenaBitmap => 0,
    }
}

/// The last bytes of a span, with bits that ascend from byte to byte (they are words:
/// runtime/mbitmap.go, go1.22: `heapBitsSmallForAddr`).
pub(crate) fn ascending_tail(model: DataModel, tail: &[u8]) -> Cow<'_, [u8]> {
    let mut tail = Cow::Borrowed(tail);
    if !model.is_little() {
        by_ascending_bits(model, tail.to_mut());
    }
    tail
}

impl SpanBits<'_> {
    /// The pointers of object `index`, whose first bytes are `head`, into `out`.
    pub(crate) fn object(
        &self,
        world: &World<'_>,
        masks: &mut Masks<'_, '_>,
        gaps: &mut Gaps,
        index: u64,
        head: &[u8],
        out: &mut WordBits,
    ) {
        let span = self.span;
        let word = world.model.word_size();
        let words = self.words;
        let first = index as usize * words;
        match world.features.heap_bits {
            HeapBits::Headers if span.noscan() => out.reset(0),
            HeapBits::Headers if bits_in_span(world.model, span.elem_size) => {
                out.set_small(take_bits(self.tail, first, words), words);
            }
            HeapBits::Headers => {
                let (typ, offset) = if span.size_class() != 0 {
                    let header = head.get(..word as usize).map_or(0, |h| world.model.uint(h));
                    // mallocHeaderSize is 8 on all processors (runtime/mbitmap.go, go1.22).
                    (Addr::new(header), 8)
                } else {
                    (span.large_type, 0)
                };
                out.reset(words);
                // A nil type: an object that is being made (runtime/mbitmap.go, go1.24:
                // `typePointersOfUnchecked`).
                if typ.is_nil() {
                    return;
                }
                match masks.get(typ, span.elem_size) {
                    Ok(mask) => mask.repeat(offset / word, out, words),
                    Err(error) => gaps.add("pointers of an object", span.object(index), error),
                }
            }
            HeapBits::ArenaPairs => self.arena_pairs(first, words, out),
            HeapBits::ArenaBitmap => self.arena_bitmap(world.model, first, words, out),
        }
    }

    /// Four words a byte: pointer bits below, "more follows" above (runtime/mbitmap.go, go1.19).
    fn arena_pairs(&self, first: usize, words: usize, out: &mut WordBits) {
        out.reset(words);
        for i in 0..words {
            let at = first + i;
            let byte = self.bitmap.get(at / 4).copied().unwrap_or(0) >> (at % 4);
            if byte & 0x10 == 0 {
                break;
            }
            if byte & 1 != 0 {
                out.set(i);
            }
        }
    }

    /// One bit a word; a bit for each word of these says that no pointer follows in the object that
    /// goes on behind them (runtime/mbitmap.go, go1.21: `heapBitsForAddr`).
    fn arena_bitmap(&self, model: DataModel, first: usize, words: usize, out: &mut WordBits) {
        // A word of the bitmap is a uintptr.
        let chunk_bits = 8 * usize::from(model.word);
        if words <= chunk_bits && first % chunk_bits + words <= chunk_bits {
            out.set_small(take_bits(self.bitmap, first, words), words);
            return;
        }
        out.reset(words);
        let (mut at, mut end) = (first, first + words);
        while at < end {
            let chunk = at / chunk_bits;
            let valid = chunk_bits - at % chunk_bits;
            let take = valid.min(end - at);
            if end - at > valid
                && self
                    .no_more
                    .get(chunk / 8)
                    .is_some_and(|byte| byte >> (chunk % 8) & 1 != 0)
            {
                end = at + valid;
            }
            let mut bits = take_bits(self.bitmap, at, take);
            while bits != 0 {
                out.set(at - first + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
            at += take;
        }
    }
}

#[cfg(test)]
mod tests;
