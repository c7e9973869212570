//! Goroutines, and the frames, defers and panics that follow each.

use super::Wrong;
use crate::{Defer, Goroutine, Panic, RecordKind, StackFrame};

/// Where in a goroutine's records a dump is.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    address: u64,
    depth: u64,
    /// Stack pointer of the frame before; 0 if there is none.
    child_sp: u64,
    /// The next of its defers, and where the record that told it begins.
    defers: Link,
    panics: Link,
}

#[derive(Debug)]
struct Link {
    next: u64,
    told_at: u64,
    told_by: RecordKind,
}

/// A list that goes on where no record does: offset and kind of the record that says so.
pub(super) type Cut = (u64, RecordKind, Wrong);

impl Stacks {
    pub(super) fn begin(&mut self, offset: u64, g: &Goroutine<'_>) {
        let link = |next| Link {
            next,
            told_at: offset,
            told_by: RecordKind::Goroutine,
        };
        self.current = Some(Current {
            address: g.address,
            depth: 0,
            child_sp: 0,
            defers: link(g.defers),
            panics: link(g.panics),
        });
    }

    /// The goroutine's records have come to an end.
    pub(super) fn end(&mut self) -> [Option<Cut>; 2] {
        let Some(current) = self.current.take() else {
            return [None, None];
        };
        [current.defers, current.panics].map(|link| {
            (link.next != 0).then_some((link.told_at, link.told_by, Wrong::ChainCut(link.next)))
        })
    }

    pub(super) fn frame(&mut self, frame: &StackFrame<'_>) -> [Option<Wrong>; 2] {
        let Some(current) = &mut self.current else {
            return [Some(Wrong::NoGoroutine), None];
        };
        let depth = (frame.depth != current.depth).then_some(Wrong::Depth {
            found: frame.depth,
            expected: current.depth,
        });
        let child = (frame.child_sp != current.child_sp).then_some(Wrong::Child {
            found: frame.child_sp,
            expected: current.child_sp,
        });
        // Go on from what is there: one missing frame is one problem.
        current.depth = frame.depth.wrapping_add(1);
        current.child_sp = frame.sp;
        [depth, child]
    }

    pub(super) fn defer(&mut self, offset: u64, d: &Defer) -> [Option<Wrong>; 2] {
        self.link(offset, RecordKind::Defer, d.g, d.address, d.link)
    }

    pub(super) fn panic(&mut self, offset: u64, p: &Panic) -> [Option<Wrong>; 2] {
        self.link(offset, RecordKind::Panic, p.g, p.address, p.link)
    }

    fn link(
        &mut self,
        offset: u64,
        kind: RecordKind,
        g: u64,
        address: u64,
        next: u64,
    ) -> [Option<Wrong>; 2] {
        let Some(current) = &mut self.current else {
            return [Some(Wrong::NoGoroutine), None];
        };
        let other = (g != current.address).then_some(Wrong::OtherGoroutine {
            found: g,
            expected: current.address,
        });
        let link = match kind {
            RecordKind::Defer => &mut current.defers,
            _ => &mut current.panics,
        };
        let chain = (address != link.next).then_some(Wrong::Chain {
            found: address,
            expected: link.next,
        });
        *link = Link {
            next,
            told_at: offset,
            told_by: kind,
        };
        [other, chain]
    }
}
