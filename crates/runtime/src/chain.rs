//! Following links that may be damaged.

use goheap_memory::Addr;

use crate::WalkError;

/// A walk along a linked list, which notices when it goes in circles (Brent's algorithm: a mark
/// that is set anew after 1, 2, 4, ... steps).
#[derive(Debug)]
pub(crate) struct Chain {
    at: Addr,
    mark: Addr,
    since_mark: u64,
    until_mark: u64,
}

/// The list has no end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circular;

impl Chain {
    /// Begins at the node at `first`.
    pub(crate) fn new(first: Addr) -> Self {
        Chain {
            at: first,
            mark: first,
            since_mark: 0,
            until_mark: 1,
        }
    }

    /// The node that the walk is at; `None` behind the last.
    pub(crate) fn at(&self) -> Option<Addr> {
        (!self.at.is_nil()).then_some(self.at)
    }

    /// Goes on to `next`. A list that goes in circles is noticed after a few rounds.
    pub(crate) fn advance(&mut self, next: Addr) -> Result<(), Circular> {
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

    /// As [`advance`](Chain::advance), where a circle makes the chain (`what`) worthless.
    pub(crate) fn follow(&mut self, next: Addr, what: &'static str) -> Result<(), WalkError> {
        let from = self.at;
        self.advance(next)
            .map_err(|Circular| WalkError::Implausible {
                what,
                at: from,
                found: next.get(),
                expected: "an end of the chain, which leads back to an earlier link",
            })
    }
}

#[cfg(test)]
mod tests;
