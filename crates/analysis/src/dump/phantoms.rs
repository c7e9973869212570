//! Records of runtime-written dumps that are no objects.
//!
//! `dumpobjs` (runtime/heapdump.go, go1.22 to go1.27) goes through span bytes / object bytes of each
//! span, and of these the last ones are not there where the span keeps its pointer bitmap or its mark
//! bits at its end; nothing says that they are free, so all of them are written. A mended dump has
//! none, and no object of it lies where one would be.

use goheap_golang::{Features, HeapBits};

use super::index::contents_at;
use super::runs::{PAGE, Run, Runs, SMALL};

/// What a span of small objects has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes of a word.
    word: u64,
    inline_marks: bool,
}

impl Room {
    /// `None` if all of a span is objects.
    pub(super) fn of(features: &Features, word: u8) -> Option<Room> {
        (features.heap_bits == HeapBits::Headers).then_some(Room {
            word: u64::from(word.max(1)),
            inline_marks: features.inline_marks,
        })
    }

    /// How many objects of a size a page has, with pointers in them or without; `None` if the whole
    /// page is theirs (runtime/mheap.go, go1.22: `initSpan`; go1.25: the same with
    /// `gcUsesSpanInlineMarkBits`; runtime/mbitmap.go: `heapBitsInSpan`, whose limit is as many words as
    /// a word has bits).
    fn objects(self, size: u64, pointers: bool) -> Option<u64> {
        let in_span = size <= self.word * self.word * 8;
        // runtime/mgcmark_greenteagc.go, go1.25: spanInlineMarkBits: 63 + 1 + 63 + 1 bytes.
        let marks = if self.inline_marks && in_span && size >= 16 {
            128
        } else {
            0
        };
        let bitmap = if in_span && pointers {
            PAGE / self.word / 8
        } else {
            0
        };
        (marks + bitmap > 0 && size > 0).then(|| (PAGE - marks - bitmap) / size)
    }
}

/// Runs of one span: those from here to there.
type Group = std::ops::Range<usize>;

/// Drops the phantoms of a runtime-written dump from its runs; how many there were. `data` is the
/// dump.
pub(super) fn drop(runs: &mut Runs, room: Room, data: &[u8]) -> u64 {
    let groups = groups(&runs.runs);
    // In each span that must have phantoms all of them are there, or nobody wrote any.
    let written = groups.iter().any(|group| match known(runs, group, room) {
        Known::Ends(at) => has_all_behind(runs, group, at),
        Known::Whole | Known::Unsure => false,
    });
    if !written {
        return 0;
    }
    let mut dropped = 0;
    for group in groups {
        let Some(first) = runs.runs.get(group.start).copied() else {
            continue;
        };
        let ends = match known(runs, &group, room) {
            Known::Ends(at) => Some(at),
            Known::Whole => None,
            Known::Unsure => room
                .objects(first.size, true)
                .filter(|with| is_empty(runs, &group, *with, room, data))
                .or(room.objects(first.size, false)),
        };
        let Some(ends) = ends else { continue };
        for at in group {
            dropped += cut(runs, at, first_slot(&first, ends));
        }
    }
    runs.runs.retain(|run| run.count > 0);
    dropped
}

/// What the records tell of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It has room for so many objects.
    Ends(u64),
    /// Objects fill all of it.
    Whole,
    /// Nothing shows whether its objects have pointers.
    Unsure,
}

/// Runs that belong to one page, in the order of the dump.
fn groups(runs: &[Run]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (run, at) in runs.iter().zip(0..) {
        // What does not lie as a span's objects do is none of our business.
        if run.size > SMALL || !(run.base % PAGE).is_multiple_of(run.size) {
            continue;
        }
        match groups.last_mut() {
            Some(group)
                if group.end == at
                    && runs.get(group.start).is_some_and(|first| {
                        first.size == run.size && first.base / PAGE == run.base / PAGE
                    }) =>
            {
                group.end = at + 1;
            }
            _ => groups.push(at..at + 1),
        }
    }
    groups
}

fn known(runs: &Runs, group: &Group, room: Room) -> Known {
    let Some((of, first)) = runs
        .runs
        .get(group.clone())
        .and_then(|of| Some((of, of.first()?)))
    else {
        return Known::Whole;
    };
    let ends = |pointers| room.objects(first.size, pointers);
    let known = |ends: Option<u64>| ends.map_or(Known::Whole, Known::Ends);
    if of.iter().any(|run| run.pointers) {
        return known(ends(true));
    }
    // An object without pointers in a span of objects with pointers is nowhere.
    match ends(true) {
        Some(with) if first.base % PAGE / first.size >= with => Known::Unsure,
        _ => known(ends(false)),
    }
}

/// The address of the object that is the first behind what there is room for.
fn first_slot(run: &Run, room: u64) -> u64 {
    run.base - run.base % PAGE + room * run.size
}

/// Whether all places of the page from `room` on have records.
fn has_all_behind(runs: &Runs, group: &Group, room: u64) -> bool {
    let Some(of) = runs.runs.get(group.clone()) else {
        return false;
    };
    let Some(first) = of.first() else {
        return false;
    };
    let there = |address: u64| {
        of.iter().any(|run| {
            address
                .checked_sub(run.base)
                .is_some_and(|behind| runs.is_present(run, (behind / run.size) as u32))
        })
    };
    let all = PAGE / first.size;
    let page = first.base - first.base % PAGE;
    room < all && (room..all).all(|slot| there(page + slot * first.size))
}

/// Whether this can only be the end of a span of objects with pointers that has no objects: all
/// places from its end on have records and no others do, and the bits for them are zero, which they
/// always are (runtime/mbitmap.go, go1.22: `initHeapBits`).
fn is_empty(runs: &Runs, group: &Group, with: u64, room: Room, data: &[u8]) -> bool {
    if !has_all_behind(runs, group, with) {
        return false;
    }
    let Some(last) = runs.runs.get(group.clone()).and_then(<[Run]>::last) else {
        return false;
    };
    let offset = (last.at as usize + last.count as usize)
        .checked_sub(1)
        .and_then(|at| runs.offsets.get(at))
        .copied()
        .unwrap_or_default();
    let start = contents_at(
        last.record + u64::from(offset),
        last.end() - last.size,
        last.size,
    );
    let contents = usize::try_from(start)
        .ok()
        .and_then(|start| data.get(start..)?.get(..last.size as usize));
    let Some(contents) = contents else {
        return false;
    };
    // A page ends with the bitmap of its words, or with the mark bits and, as their last byte, the
    // span's class. The last bits are for what is no object.
    let contents = match (room.inline_marks, contents.split_last()) {
        (true, Some((_, rest))) => rest,
        _ => contents,
    };
    let spare = ((PAGE - with * last.size) / room.word / 8) as usize;
    let from = contents.len().saturating_sub(spare);
    let tail = contents.get(from..).unwrap_or_default();
    tail.iter().all(|byte| *byte == 0)
}

/// Cuts what lies at `from` and behind off a run; how many records that were.
fn cut(runs: &mut Runs, at: usize, from: u64) -> u64 {
    let Some(run) = runs.runs.get(at).copied() else {
        return 0;
    };
    let slots = from.saturating_sub(run.base).div_ceil(run.size);
    let slots = u32::try_from(slots).unwrap_or(u32::MAX);
    if slots >= run.slots {
        return 0;
    }
    let count = runs.rank(&run, slots);
    if let Some(run) = runs.runs.get_mut(at) {
        run.slots = slots;
        run.count = count;
    }
    u64::from(run.count - count)
}

#[cfg(test)]
mod tests;
