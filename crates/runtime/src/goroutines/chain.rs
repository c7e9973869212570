//! Following links that may be damaged.

use goheap_memory::Addr;

/// A walk along a linked list, which notices when it goes in circles (Brent's algorithm: a mark
/// that is set anew after 1, 2, 4, ... steps).
#[derive(Debug)]
pub(super) struct Chain {
    at: Addr,
    mark: Addr,
    since_mark: u64,
    until_mark: u64,
}

/// The list has no end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Circular;

impl Chain {
    /// Begins at the node at `first`.
    pub(super) fn new(first: Addr) -> Self {
        Chain {
            at: first,
            mark: first,
            since_mark: 0,
            until_mark: 1,
        }
    }

    /// The node that the walk is at; `None` behind the last.
    pub(super) fn at(&self) -> Option<Addr> {
        (!self.at.is_nil()).then_some(self.at)
    }

    /// Goes on to `next`. A list that goes in circles is noticed after a few rounds.
    pub(super) fn advance(&mut self, next: Addr) -> Result<(), Circular> {
        if self.since_mark == self.until_mark {
            self.mark = self.at;
            self.since_mark = 0;
            self.until_mark = self.until_mark.saturating_mul(2);
        }
        self.at = next;
        self.since_mark += 1;
        match next == self.mark {
            true => Err(Circular),
            false => Ok(()),
        }
    }
}
