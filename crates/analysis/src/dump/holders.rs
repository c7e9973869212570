//! From records to roots: each variable, frame and the rest with its pointers.
//!
//! Pointers that lead to no object are left out, those of a finalizer or cleanup of an object not:
//! what is left is about as many as there are edges into the heap. They are written once, in the
//! order of the roots.

use std::collections::HashMap;

use goheap_format::Record;
use goheap_golang::catalogue::Variable;

use super::described::Described;
use super::gather::{From, Other};
use super::{Dump, Root, RootKind, RootPointer, Text, word_at};
use crate::paths::Statics;
use crate::{Interrupted, Watch};

const PHASE: &str = "reading roots";

/// Roots as they are found: the pointers of each stand together.
#[derive(Default)]
struct Found {
    pointers: Vec<RootPointer>,
    /// Where the pointers of each begin.
    roots: Vec<(RootKind, usize)>,
}

impl Found {
    fn push(&mut self, kind: RootKind, pointer: RootPointer) {
        if self.roots.last().is_none_or(|(last, _)| *last != kind) {
            self.roots.push((kind, self.pointers.len()));
        }
        self.pointers.push(pointer);
    }

    /// Each kind once, ascending.
    fn sort(&mut self) {
        if self.roots.is_sorted_by(|a, b| a.0 < b.0) {
            return;
        }
        let ends = self.roots.iter().skip(1).map(|(_, start)| *start);
        let mut pieces: Vec<(RootKind, usize, usize)> = self
            .roots
            .iter()
            .zip(ends.chain([self.pointers.len()]))
            .map(|((kind, start), end)| (*kind, *start, end))
            .collect();
        pieces.sort_unstable();
        let mut sorted = Found {
            pointers: Vec::with_capacity(self.pointers.len()),
            roots: Vec::new(),
        };
        for (kind, start, end) in pieces {
            for pointer in self.pointers.get(start..end).unwrap_or_default() {
                sorted.push(kind, *pointer);
            }
        }
        *self = sorted;
    }
}

impl Dump {
    /// Finds the roots.
    pub(super) fn find_roots(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        let mut found = Found::default();
        let mut nameless = Found::default();
        self.segment_roots(&mut found, &mut nameless, watch)?;
        self.owned(&mut found, &mut nameless);
        found.sort();
        nameless.sort();
        for (kind, start) in &nameless.roots {
            found.roots.push((*kind, start + found.pointers.len()));
        }
        found.pointers.append(&mut nameless.pointers);
        self.frame_roots(&mut found, watch)?;
        self.other_roots(&mut found, &self.others);
        // Frames and what follows are sorted as they come.
        debug_assert!(found.roots.is_sorted_by(|a, b| a.0 < b.0));
        let ends: Vec<usize> = found
            .roots
            .iter()
            .skip(1)
            .map(|(_, start)| *start)
            .chain([found.pointers.len()])
            .collect();
        let names = Names::default();
        self.roots = found
            .roots
            .iter()
            .zip(ends)
            .map(|(&(kind, start), end)| Root {
                name: names.of(self, kind),
                kind,
                pointers: start..end,
            })
            .collect();
        found.pointers.shrink_to_fit();
        self.pointers = found.pointers;
        Ok(())
    }

    /// Words of data without a name count for the variable that leads to the value that they are of:
    /// for `main.cache`, of `var cache = &Cache{...}`.
    fn owned(&self, found: &mut Found, nameless: &mut Found) {
        if nameless.pointers.is_empty() {
            return;
        }
        let statics = Statics::of(self);
        let mut left = Found::default();
        let ends = nameless.roots.iter().skip(1).map(|(_, start)| *start);
        let ends = ends.chain([nameless.pointers.len()]);
        for ((kind, start), end) in nameless.roots.iter().zip(ends) {
            for pointer in nameless.pointers.get(*start..end).unwrap_or_default() {
                match statics.owner(self, pointer.at) {
                    Some(variable) => found.push(RootKind::Global(variable), *pointer),
                    None => left.push(*kind, *pointer),
                }
            }
        }
        *nameless = left;
    }

    fn leads_somewhere(&self, target: u64) -> bool {
        self.index.find(target).is_some()
    }

    fn segment_roots(
        &self,
        found: &mut Found,
        nameless: &mut Found,
        watch: &dyn Watch,
    ) -> Result<(), Interrupted> {
        let mut order: Vec<u32> = (0..self.segments.len() as u32).collect();
        order.sort_by_key(|number| self.segments.get(*number as usize).map(|s| s.address));
        let total = self.segments.iter().map(|segment| segment.len).sum();
        let mut before = 0;
        for number in order {
            let Some(segment) = self.segments.get(number as usize) else {
                continue;
            };
            let (contents, fields) = match self.record_at(segment.record) {
                Some(Record::Data(s) | Record::Bss(s)) => (s.contents, s.fields),
                _ => continue,
            };
            let mut cursor = Cursor::new(&self.catalogue.variables);
            for ((_, offset), count) in fields.iter().zip(1u32..) {
                if count.is_multiple_of(1 << 16) {
                    watch.step(PHASE, before + offset.min(segment.len), total)?;
                }
                let Some(target) = word_at(self.params.model, contents, offset) else {
                    continue;
                };
                if target == 0 || !self.leads_somewhere(target) {
                    continue;
                }
                let at = segment.address.wrapping_add(offset);
                let pointer = RootPointer { at, target, of: 0 };
                match cursor.variable(at) {
                    Some(variable) => found.push(RootKind::Global(variable), pointer),
                    None => nameless.push(RootKind::Segment(number), pointer),
                }
            }
            before += segment.len;
        }
        Ok(())
    }

    fn frame_roots(&self, found: &mut Found, watch: &dyn Watch) -> Result<(), Interrupted> {
        for (frame, number) in self.frames.iter().zip(0u32..) {
            if number.is_multiple_of(1 << 12) {
                watch.step(PHASE, number.into(), self.frames.len() as u64)?;
            }
            let Some(record) = self.frame_record(frame) else {
                continue;
            };
            for (_, offset) in record.fields.iter() {
                let target = word_at(self.params.model, record.contents, offset);
                let Some(target) = target.filter(|target| self.leads_somewhere(*target)) else {
                    continue;
                };
                let at = frame.sp.wrapping_add(offset);
                found.push(RootKind::Frame(number), RootPointer { at, target, of: 0 });
            }
        }
        Ok(())
    }

    fn other_roots(&self, found: &mut Found, others: &[Other]) {
        let by_id: HashMap<u64, u32> = match others
            .iter()
            .any(|other| matches!(other.from, From::Described(Described::Thread(Some(_)))))
        {
            true => self
                .goroutines
                .iter()
                .map(|goroutine| goroutine.id)
                .zip(0..)
                .collect(),
            false => HashMap::new(),
        };
        let mut list: Vec<(RootKind, RootPointer)> = others
            .iter()
            .filter(|other| {
                self.leads_somewhere(other.target)
                    || other.of != 0 && self.leads_somewhere(other.of)
            })
            .map(|other| {
                let kind = match other.from {
                    From::Goroutine(number) => RootKind::Goroutine(number),
                    From::Finalizer => RootKind::Finalizers,
                    From::QueuedFinalizer => RootKind::QueuedFinalizers,
                    From::Described(Described::Cleanup) => RootKind::Cleanups,
                    From::Described(Described::WeakHandle) => RootKind::WeakHandles,
                    From::Described(Described::TinyBlock) => RootKind::TinyBlocks,
                    From::Described(Described::Thread(id)) => RootKind::Thread(
                        id.and_then(|id| by_id.get(&id))
                            .copied()
                            .unwrap_or(u32::MAX),
                    ),
                    From::Described(Described::Other) => RootKind::Other,
                };
                let pointer = RootPointer {
                    at: 0,
                    target: other.target,
                    of: other.of,
                };
                (kind, pointer)
            })
            .collect();
        // Stable: those of one root stay in the order of the dump.
        list.sort_by_key(|(kind, _)| *kind);
        for (kind, pointer) in list {
            found.push(kind, pointer);
        }
    }
}

/// Walks over variables, which are by address, as the words of a segment do.
struct Cursor<'a> {
    variables: &'a [Variable],
    /// The first variable that begins behind the last address that was asked for.
    next: usize,
    /// The answer to the last question.
    last: Option<u32>,
}

/// How many variables that begin before an address are looked at. Symbols lie in others where the
/// linker marks the ends of sections, and those have no size.
const MOST_NESTED: usize = 8;

impl<'a> Cursor<'a> {
    fn new(variables: &'a [Variable]) -> Self {
        Cursor {
            variables,
            next: 0,
            last: None,
        }
    }

    /// The innermost variable that has the address.
    fn variable(&mut self, at: u64) -> Option<u32> {
        let begins_behind = |index: usize| self.variables.get(index).is_none_or(|v| v.address > at);
        let same = begins_behind(self.next)
            && self
                .next
                .checked_sub(1)
                .is_none_or(|last| !begins_behind(last));
        if !same {
            self.next = self.variables.partition_point(|v| v.address <= at);
        } else if let Some(last) = self.last
            && has(self.variables.get(last as usize), at)
        {
            return Some(last);
        }
        let from = self.next.saturating_sub(MOST_NESTED);
        let nested = self.variables.get(from..self.next).unwrap_or_default();
        let found = nested
            .iter()
            .rposition(|variable| has(Some(variable), at))
            .map(|index| (from + index) as u32);
        self.last = found;
        found
    }
}

fn has(variable: Option<&Variable>, at: u64) -> bool {
    variable.is_some_and(|variable| at.wrapping_sub(variable.address) < variable.size)
}

/// Names of the roots that have one for all.
struct Names {
    finalizers: Text,
    queued: Text,
    cleanups: Text,
    weak: Text,
    tiny: Text,
    thread: Text,
    other: Text,
}

impl Default for Names {
    fn default() -> Self {
        Names {
            finalizers: "finalizers".into(),
            queued: "queued finalizers".into(),
            cleanups: "cleanups".into(),
            weak: "weak handles".into(),
            tiny: "tiny blocks".into(),
            thread: "registers".into(),
            other: "other roots".into(),
        }
    }
}

impl Names {
    fn of(&self, dump: &Dump, kind: RootKind) -> Text {
        let index = |index: u32| index as usize;
        match kind {
            RootKind::Global(variable) => dump
                .catalogue
                .variables
                .get(index(variable))
                .map(|variable| Text::from(variable.name.as_str()))
                .unwrap_or_default(),
            RootKind::Segment(segment) => Text::from(format!("data segment {segment}").as_str()),
            RootKind::Frame(frame) => dump
                .frames
                .get(index(frame))
                .map(|frame| frame.function.clone())
                .unwrap_or_default(),
            RootKind::Goroutine(goroutine) => dump
                .goroutines
                .get(index(goroutine))
                .map(|goroutine| Text::from(format!("goroutine {}", goroutine.id).as_str()))
                .unwrap_or_default(),
            RootKind::Finalizers => self.finalizers.clone(),
            RootKind::QueuedFinalizers => self.queued.clone(),
            RootKind::Cleanups => self.cleanups.clone(),
            RootKind::WeakHandles => self.weak.clone(),
            RootKind::TinyBlocks => self.tiny.clone(),
            RootKind::Thread(_) => self.thread.clone(),
            RootKind::Other => self.other.clone(),
        }
    }
}
