//! Whether a word of a thread's state leads to an object of the heap.

use std::cell::RefCell;
use std::collections::HashMap;

use goheap_memory::Addr;

use crate::arena::Arenas;
use crate::span::{Span, SpanTable};
use crate::special::Specials;
use crate::sweep::SpanState;
use crate::{Fidelity, World};

/// The most spans that are kept.
const KEPT: usize = 1 << 12;

/// The heap, asked about single words.
pub(crate) struct HeapWords<'a, 'w> {
    world: &'a World<'w>,
    arenas: &'a Arenas,
    spans: &'a SpanTable<'a>,
    specials: &'a Specials,
    heap_sweepgen: u32,
    known: RefCell<HashMap<Addr, Option<(Span, SpanState)>>>,
}

impl<'a, 'w> HeapWords<'a, 'w> {
    pub(crate) fn new(
        world: &'a World<'w>,
        arenas: &'a Arenas,
        spans: &'a SpanTable<'a>,
        specials: &'a Specials,
        heap_sweepgen: u32,
    ) -> HeapWords<'a, 'w> {
        HeapWords {
            world,
            arenas,
            spans,
            specials,
            heap_sweepgen,
            known: RefCell::default(),
        }
    }

    /// The object that `word` points into, if a mended dump has one there. A span that cannot be
    /// believed has none here: the walk over the objects tells of it.
    pub(super) fn object(&self, word: u64) -> Option<Addr> {
        let at = Addr::new(word);
        let mspan = self.arenas.span_of(self.world, at).ok()??;
        if mspan.is_nil() {
            return None;
        }
        let mut known = self.known.borrow_mut();
        if known.len() >= KEPT {
            known.clear();
        }
        let (span, state) = known
            .entry(mspan)
            .or_insert_with(|| self.read(mspan))
            .as_ref()?;
        let index = at.since(span.base)? / span.elem_size;
        let is_there = state.is_dumped(span, index, Fidelity::Mended);
        is_there.then(|| span.object(index))
    }

    fn read(&self, mspan: Addr) -> Option<(Span, SpanState)> {
        let span = self.spans.read(self.world, mspan).ok()??;
        let state = SpanState::of(self.world, self.specials, &span, self.heap_sweepgen).ok()?;
        (!state.released).then_some((span, state))
    }
}
