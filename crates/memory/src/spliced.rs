//! The executable's own bytes, laid under what a core leaves out.

use crate::sparse::read_runs;
use crate::target::target_through;
use crate::{Addr, Fault, FaultKind, Memory, Sparse, Target};

/// A piece of an executable, at the address where the program had it.
#[derive(Debug, Clone)]
pub struct Layer<B> {
    /// Where its first byte was.
    pub start: Addr,
    /// Its bytes.
    pub bytes: B,
}

/// A target with pieces of its executable laid under it: what the target itself holds is read from
/// it; what it does not hold is read from the pieces.
///
/// Give it only what the program cannot have changed: segments that are not writable. A writable
/// one that the core left out had other contents than the file has, and a read of it must stay a
/// fault.
#[derive(Debug)]
pub struct Spliced<T, B> {
    over: T,
    /// Ascending, not empty.
    layers: Vec<Layer<B>>,
}

impl<T: Target + Sparse, B: AsRef<[u8]>> Spliced<T, B> {
    /// Lays `layers` under `over`, in any order. Where two overlap, the one that starts higher wins.
    pub fn new(over: T, layers: impl IntoIterator<Item = Layer<B>>) -> Spliced<T, B> {
        let mut layers: Vec<Layer<B>> = layers.into_iter().collect();
        layers.retain(|layer| !layer.bytes.as_ref().is_empty());
        layers.sort_by_key(|layer| layer.start);
        Spliced { over, layers }
    }

    /// What lies on top.
    pub fn over(&self) -> &T {
        &self.over
    }

    /// The bytes that are laid under `at` and behind it.
    fn under(&self, at: Addr) -> Option<&[u8]> {
        let behind = self.layers.partition_point(|layer| layer.start <= at);
        // With overlaps, the layer that starts last below `at` need not be the one that holds it.
        let below = self.layers.get(..behind)?;
        below.iter().rev().find_map(|layer| {
            let inside = usize::try_from(at.since(layer.start)?).ok()?;
            layer
                .bytes
                .as_ref()
                .get(inside..)
                .filter(|rest| !rest.is_empty())
        })
    }

    /// Bytes from `at` on, from whoever has the first.
    fn run(&self, at: Addr) -> Result<&[u8], FaultKind> {
        let hole = match self.over.run(at) {
            Ok(run) => return Ok(run),
            Err(hole) => hole,
        };
        if !is_missing(hole.kind) {
            return Err(hole.kind);
        }
        let under = self.under(at).ok_or(hole.kind)?;
        let len = usize::try_from(hole.len).unwrap_or(usize::MAX);
        Ok(under.get(..len).unwrap_or(under))
    }
}

/// Whether the bytes are not in the target, as opposed to not to be had by it.
fn is_missing(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::LeftOut | FaultKind::Unmapped | FaultKind::CutOff
    )
}

impl<T: Target + Sparse, B: AsRef<[u8]>> Memory for Spliced<T, B> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        read_runs(at, buf, |at| self.run(at))
    }
}

target_through!([T: Target + Sparse, B: AsRef<[u8]>] Spliced<T, B>, |this| this.over);

#[cfg(test)]
mod tests;
