//! The objects of a dump against the spans of its annex.
//!
//! Objects come before the annex does, and a stream is read once: what is needed of them is kept.

use super::Wrong;
use crate::RecordKind;
use crate::annex::Span;

/// Spans begin at multiples of this (runtime/malloc.go: `pageShift`).
const PAGE: u64 = 8 << 10;
/// How many runs are kept at most: a gibibyte of them.
const MAX_RUNS: usize = 1 << 26;
/// How many spans are kept at most: 1.3 GB of them, of a heap of 128 GiB at the least.
const MAX_SPANS: usize = 1 << 24;

/// Objects of one size that begin in one page, each behind the one before, and at a multiple of
/// their size from it. Some of them may be missing in between.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Of the first.
    address: u64,
    /// Bytes of an object, times 2^16, and how many there are: no object is of 2^48 bytes.
    packed: u64,
}

const COUNT_BITS: u32 = 16;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

impl Run {
    fn len(self) -> u64 {
        self.packed >> COUNT_BITS
    }

    fn count(self) -> u64 {
        self.packed & COUNT
    }
}

/// All objects so far.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    full: bool,
}

impl Runs {
    #[inline]
    pub(super) fn add(&mut self, address: u64, len: u64) {
        if let Some(last) = self.runs.last_mut()
            && last.len() == len
            && last.count() < COUNT
            && len > 0
            && last.address / PAGE == address / PAGE
            && address > last.address
            && (address - last.address).is_multiple_of(len)
        {
            last.packed += 1;
            return;
        }
        if self.runs.len() >= MAX_RUNS || len >> (64 - COUNT_BITS) != 0 {
            self.full = true;
            return;
        }
        self.runs.push(Run {
            address,
            packed: len << COUNT_BITS | 1,
        });
    }

    /// Whether there were more objects than could be remembered.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }
}

/// A span, and how many of its objects were seen.
#[derive(Debug, Clone, Copy)]
struct Entry {
    span: Span,
    found: u64,
    /// Where its block of the annex begins.
    offset: u64,
}

/// The spans that an annex tells of.
#[derive(Debug, Default)]
pub(super) struct Spans {
    spans: Vec<Entry>,
    full: bool,
}

impl Spans {
    pub(super) fn add(&mut self, offset: u64, span: &Span) {
        if self.spans.len() >= MAX_SPANS {
            self.full = true;
            return;
        }
        self.spans.push(Entry {
            span: *span,
            found: 0,
            offset,
        });
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Tells what is not as the annex tells. Of a run, the first object stands for all.
    pub(super) fn compare(
        mut self,
        runs: Runs,
        mut tell: impl FnMut(Option<u64>, Option<RecordKind>, Wrong),
    ) {
        self.spans.sort_by_key(|entry| entry.span.base);
        let mut end = 0;
        for Entry { span, offset, .. } in &self.spans {
            let objects = span.elem_size.checked_mul(span.capacity);
            let fits = objects.is_some_and(|objects| objects <= span.bytes);
            if !fits || span.elem_size == 0 || span.base.checked_add(span.bytes).is_none() {
                tell(
                    Some(*offset),
                    None,
                    Wrong::SpanShape {
                        base: span.base,
                        bytes: span.bytes,
                        elem_size: span.elem_size,
                        capacity: span.capacity,
                    },
                );
            }
            if span.base < end {
                tell(Some(*offset), None, Wrong::SpanOverlap(span.base));
            }
            end = end.max(span.base.saturating_add(span.bytes));
        }
        let object = Some(RecordKind::Object);
        for run in runs.runs {
            let after = self
                .spans
                .partition_point(|entry| entry.span.base <= run.address);
            let entry = after
                .checked_sub(1)
                .and_then(|at| self.spans.get_mut(at))
                .filter(|entry| run.address - entry.span.base < entry.span.bytes);
            let Some(entry) = entry else {
                tell(None, object, Wrong::NoSpan(run.address));
                continue;
            };
            let span = &entry.span;
            let offset = run.address - span.base;
            let is_object = run.len() == span.elem_size
                && offset.is_multiple_of(span.elem_size.max(1))
                && offset / span.elem_size.max(1) + run.count() <= span.capacity;
            if !is_object {
                tell(
                    None,
                    object,
                    Wrong::NotOfSpan {
                        address: run.address,
                        len: run.len(),
                        base: span.base,
                        elem_size: span.elem_size,
                        capacity: span.capacity,
                    },
                );
            }
            entry.found += run.count();
        }
        for Entry {
            span,
            found,
            offset,
        } in &self.spans
        {
            if *found != span.objects {
                tell(
                    Some(*offset),
                    None,
                    Wrong::SpanObjects {
                        base: span.base,
                        told: span.objects,
                        found: *found,
                    },
                );
            }
        }
    }
}
