//! The objects of the heap (runtime/heapdump.go: `dumpobjs`).

use goheap_format::annex::{self, Note};
use goheap_format::{Object, Record};
use goheap_memory::{Addr, Part};

use crate::arena::Arenas;
use crate::bits::{self, SpanBits};
use crate::checks::{SpanPages, check_state};
use crate::gap::Gaps;
use crate::mask::Masks;
use crate::pieces::Pieces;
use crate::sink::{Large, LargeKind};
use crate::span::{Span, SpanTable};
use crate::special::Specials;
use crate::sweep::{SpanState, SweepEffects, clear_inline_marks};
use crate::word_bits::WordBits;
use crate::{Fidelity, Sink, WalkError, World};

/// Spans are read in batches of about so many bytes: one system call for many of them, into a
/// buffer that stays in the processor's cache.
const BATCH_BYTES: usize = 1 << 20;
/// At most so many spans a batch: what one `process_vm_readv` takes (`IOV_MAX` is 1024).
const BATCH_SPANS: usize = 512;

/// What was written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ObjectSummary {
    /// Objects, phantoms included.
    pub objects: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Of these, objects that do not exist: the runtime's dumper takes the bits at the end of a
    /// span for some.
    pub phantoms: u64,
    /// Spans in use.
    pub spans: u64,
    /// Of these, spans that wait for the sweeper.
    pub unswept_spans: u64,
}

/// What the walk over the objects leaves for what comes behind.
pub(crate) struct Walked {
    /// What was written.
    pub(crate) summary: ObjectSummary,
    /// The `mspan`s of spans that have specials left, in their order.
    pub(crate) with_specials: Vec<Addr>,
    /// Which pages they lie in.
    pub(crate) pages: SpanPages,
}

/// Walks all objects.
pub(crate) struct Objects<'a, 'w> {
    pub(crate) world: &'a World<'w>,
    pub(crate) spans: &'a SpanTable<'a>,
    pub(crate) arenas: &'a Arenas,
    pub(crate) specials: &'a Specials,
    pub(crate) effects: &'a SweepEffects,
    pub(crate) heap_sweepgen: u32,
    pub(crate) fidelity: Fidelity,
}

/// A span of a batch.
struct Batched {
    span: Span,
    state: SpanState,
    /// Where its contents begin in the buffer.
    start: usize,
}

/// What the walk over the spans carries along.
struct Pass<'p, 'w, 't> {
    sink: &'p mut dyn Sink,
    gaps: &'p mut Gaps,
    summary: ObjectSummary,
    masks: Masks<'w, 't>,
    word_bits: WordBits,
    bitmap: Vec<u8>,
    no_more: Vec<u8>,
    /// Bytes that further spans may have.
    room: u64,
}

impl Objects<'_, '_> {
    /// Writes them to `sink`, with a note for each span in a mended dump.
    pub(crate) fn write(&self, sink: &mut dyn Sink, gaps: &mut Gaps) -> Result<Walked, WalkError> {
        let mut pass = Pass {
            sink,
            gaps,
            summary: ObjectSummary::default(),
            masks: Masks::new(self.world)?,
            word_bits: WordBits::default(),
            bitmap: Vec::new(),
            no_more: Vec::new(),
            room: self.arenas.total(),
        };
        let mut with_specials = Vec::new();
        let mut pages = SpanPages::default();
        let mut batch: Vec<Batched> = Vec::new();
        let mut buffer = Vec::new();
        let mut len = 0;
        for i in 0..self.spans.len() {
            let at = match self.spans.address(self.world, i) {
                Ok(at) => at,
                Err(error) => {
                    let lost = self.spans.len() - i;
                    pass.gaps.add(
                        "spans",
                        Addr::NIL,
                        format_args!("{lost} of {} are lost: {error}", self.spans.len()),
                    );
                    break;
                }
            };
            let span = match self.spans.read(self.world, at) {
                Ok(Some(span)) => span,
                Ok(None) => continue,
                Err(error) => {
                    pass.gaps.add("a span", at, error);
                    continue;
                }
            };
            pages.add(&span);
            let state = SpanState::of(self.world, self.specials, &span, self.heap_sweepgen);
            let state = match state {
                Ok(state) => state,
                Err(error) => {
                    pass.gaps.add("objects of a span", span.base, error);
                    continue;
                }
            };
            pass.summary.unswept_spans += u64::from(state.swept_here);
            if state.released {
                continue;
            }
            // Spans do not overlap, so that they fit into the arenas all together. A damaged list may
            // name the same ones again and again.
            match pass.room.checked_sub(span.bytes) {
                Some(room) => pass.room = room,
                None => {
                    let why = "all spans together have more bytes than the heap's arenas";
                    pass.gaps.add("objects of a span", span.base, why);
                    continue;
                }
            }
            pass.summary.spans += 1;
            check_state(pass.gaps, &span, &state);
            if !state.specials.is_empty() {
                with_specials.push(span.at);
            }
            let large = span.bytes > BATCH_BYTES as u64;
            if large || batch.len() == BATCH_SPANS || len + span.bytes as usize > BATCH_BYTES {
                self.write_batch(&mut pass, &batch, len, &mut buffer)?;
                batch.clear();
                len = 0;
            }
            if large {
                self.write_large(&mut pass, &span, &state)?;
                continue;
            }
            let start = len;
            len += span.bytes as usize;
            batch.push(Batched { span, state, start });
        }
        self.write_batch(&mut pass, &batch, len, &mut buffer)?;
        Ok(Walked {
            summary: pass.summary,
            with_specials,
            pages,
        })
    }

    /// Reads the spans of a batch, `len` bytes in all, at once, and writes their objects.
    fn write_batch(
        &self,
        pass: &mut Pass<'_, '_, '_>,
        batch: &[Batched],
        len: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), WalkError> {
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let mut parts = Vec::with_capacity(batch.len());
        let mut rest = &mut buffer[..len];
        for batched in batch {
            let (buf, behind) = rest.split_at_mut(batched.span.bytes as usize);
            parts.push(Part {
                at: batched.span.base,
                buf,
            });
            rest = behind;
        }
        let whole = self.world.target.read_parts(&mut parts).is_ok();
        for batched in batch {
            let span = &batched.span;
            let contents = &mut buffer[batched.start..][..span.bytes as usize];
            // If the batch cannot be read as a whole, find out which span it was.
            if !whole && let Err(fault) = self.world.target.read(span.base, contents) {
                pass.gaps.add("objects of a span", span.base, fault);
                continue;
            }
            self.write_span(pass, span, &batched.state, contents)?;
        }
        Ok(())
    }

    fn words(&self, span: &Span) -> usize {
        (span.elem_size / self.world.model.word_size()) as usize
    }

    /// Reads the arena's bitmap of `span`, in the versions that have one.
    fn read_bitmap(&self, pass: &mut Pass<'_, '_, '_>, span: &Span) {
        let read = self.arenas.read_bitmap(
            self.world,
            span.base,
            span.bytes,
            &mut pass.bitmap,
            &mut pass.no_more,
        );
        if let Err(error) = read {
            pass.gaps
                .add("pointers of the objects of a span", span.base, error);
        }
    }

    fn write_span(
        &self,
        pass: &mut Pass<'_, '_, '_>,
        span: &Span,
        state: &SpanState,
        contents: &mut [u8],
    ) -> Result<(), WalkError> {
        let word = self.world.model.word;
        if state.swept_here && bits::has_inline_marks(self.world, span) {
            clear_inline_marks(contents);
        }
        if !self.effects.cleared.is_empty() {
            self.effects.apply(u64::from(word), span.base, contents);
        }
        self.read_bitmap(pass, span);
        let tail = contents
            .len()
            .saturating_sub(bits::tail_len(self.world, span) as usize);
        let tail = bits::ascending_tail(self.world.model, contents.get(tail..).unwrap_or_default());
        let span_bits = SpanBits {
            span,
            words: self.words(span),
            tail: &tail,
            bitmap: &pass.bitmap,
            no_more: &pass.no_more,
        };
        let size = span.elem_size as usize;
        let mut objects = 0;
        for (index, object) in contents.chunks_exact(size).enumerate() {
            let index = index as u64;
            if !state.is_dumped(span, index, self.fidelity) {
                continue;
            }
            if self.fidelity == Fidelity::Mended && state.in_flight.contains(&index) {
                pass.word_bits.reset(0);
            } else {
                span_bits.object(
                    self.world,
                    &mut pass.masks,
                    pass.gaps,
                    index,
                    object,
                    &mut pass.word_bits,
                );
            }
            pass.sink.record(&Record::Object(Object {
                address: span.object(index).get(),
                contents: object,
                fields: pass.word_bits.fields(word),
            }))?;
            objects += 1;
            pass.summary.phantoms += u64::from(index >= span.nelems);
        }
        self.finish_span(pass, span, state, objects)
    }

    /// Counts the objects of a span that have been written, and notes it.
    fn finish_span(
        &self,
        pass: &mut Pass<'_, '_, '_>,
        span: &Span,
        state: &SpanState,
        objects: u64,
    ) -> Result<(), WalkError> {
        pass.summary.objects += objects;
        pass.summary.bytes += objects * span.elem_size;
        if self.fidelity == Fidelity::Mended {
            pass.sink.note(&Note::Span(annex::Span {
                base: span.base.get(),
                bytes: span.bytes,
                elem_size: span.elem_size,
                capacity: span.nelems,
                objects,
                span_class: span.spanclass,
                unswept: state.swept_here,
            }))?;
        }
        Ok(())
    }

    /// Writes the one object of a span that is too large to be held as a whole.
    fn write_large(
        &self,
        pass: &mut Pass<'_, '_, '_>,
        span: &Span,
        state: &SpanState,
    ) -> Result<(), WalkError> {
        if span.dumped_elems() != 1 {
            pass.gaps.add(
                "objects of a span",
                span.base,
                "many objects in a span this large",
            );
            return Ok(());
        }
        if !state.is_dumped(span, 0, self.fidelity) {
            return self.finish_span(pass, span, state, 0);
        }
        let pieces = Pieces::new(self.world.target, span.base, span.elem_size);
        if let Err(fault) = pieces.probe() {
            pass.gaps.add("objects of a span", span.base, fault);
            return Ok(());
        }
        self.read_bitmap(pass, span);
        let span_bits = SpanBits {
            span,
            words: self.words(span),
            tail: &[],
            bitmap: &pass.bitmap,
            no_more: &pass.no_more,
        };
        if self.fidelity == Fidelity::Mended && !state.in_flight.is_empty() {
            pass.word_bits.reset(0);
        } else {
            span_bits.object(
                self.world,
                &mut pass.masks,
                pass.gaps,
                0,
                &[],
                &mut pass.word_bits,
            );
        }
        let large = Large {
            kind: LargeKind::Object,
            address: span.base.get(),
            size: span.elem_size,
            fields: pass.word_bits.fields(self.world.model.word),
        };
        pieces.write(&large, "a large object", pass.sink)?;
        self.finish_span(pass, span, state, 1)
    }
}
