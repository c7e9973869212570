//! Sizes of what nodes hold alone: sums over the tree of dominators.

use super::dominators::Dominators;

/// The retained size of each node: its own and that of all it dominates, which is what would be gone
/// without it. 0 for what is not reachable. In the unit of `size_of`; sums stop at `u64::MAX`.
pub fn retained(dominators: &Dominators, size_of: impl Fn(u32) -> u64) -> Vec<u64> {
    let (order, parent, _) = dominators.places();
    let mut sums = vec![0u64; dominators.node_count() as usize];
    for (node, parent) in order.iter().zip(parent).rev() {
        let sum = &mut sums[*node as usize];
        *sum = sum.saturating_add(size_of(*node));
        let sum = *sum;
        let above = order[*parent as usize];
        if above != *node {
            let above = &mut sums[above as usize];
            *above = above.saturating_add(sum);
        }
    }
    sums
}

/// The retained size of each node, as [`retained`] has it, in half the memory where sizes allow.
///
/// 4 bytes a node if all sizes are multiples of 8 and none is 32 GiB or more in sum, as in a heap of
/// Go's, whose size classes are multiples of 8 (runtime/sizeclasses.go, go1.24) and whose larger
/// objects are whole pages; 8 bytes otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained(Sums);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sums {
    /// In units of [`UNIT`].
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

/// What sizes are multiples of, bytes.
const UNIT: u64 = 8;

impl Retained {
    /// Of the tree, given the size of each node in bytes.
    pub fn of(dominators: &Dominators, size_of: impl Fn(u32) -> u64) -> Retained {
        Retained(match narrow(dominators, &size_of) {
            Some(sums) => Sums::Narrow(sums),
            None => Sums::Wide(retained(dominators, size_of)),
        })
    }

    /// That of a node in bytes; 0 for what is not reachable, and for what is no node.
    #[inline]
    pub fn get(&self, node: u32) -> u64 {
        let node = node as usize;
        match &self.0 {
            Sums::Narrow(sums) => sums.get(node).map_or(0, |sum| u64::from(*sum) * UNIT),
            Sums::Wide(sums) => sums.get(node).copied().unwrap_or(0),
        }
    }
}

/// The sums in units; `None` if a size is no multiple, or a sum is too large.
fn narrow(dominators: &Dominators, size_of: impl Fn(u32) -> u64) -> Option<Vec<u32>> {
    let (order, parent, _) = dominators.places();
    let mut sums = vec![0u32; dominators.node_count() as usize];
    for (node, parent) in order.iter().zip(parent).rev() {
        let size = size_of(*node);
        if !size.is_multiple_of(UNIT) {
            return None;
        }
        let sum = &mut sums[*node as usize];
        *sum = sum.checked_add(u32::try_from(size / UNIT).ok()?)?;
        let sum = *sum;
        let above = order[*parent as usize];
        if above != *node {
            let above = &mut sums[above as usize];
            *above = above.checked_add(sum)?;
        }
    }
    Some(sums)
}

/// The retained size of each class: what would be gone without the instances of the class that no
/// other instance of it dominates. So what nested instances hold is counted once.
///
/// A node without a class, or with one that is not below `classes`, counts for none. In the unit of
/// `size_of`; sums stop at `u64::MAX`.
pub fn retained_by_class(
    dominators: &Dominators,
    class_of: impl Fn(u32) -> Option<u32>,
    classes: usize,
    size_of: impl Fn(u32) -> u64,
) -> Vec<u64> {
    /// An instance whose subtree the walk is in.
    struct Open {
        class: usize,
        /// The place behind its subtree.
        end: usize,
        /// The sum of all sizes before it.
        before: u64,
    }

    let (order, _, sizes) = dominators.places();
    let mut sums = vec![0u64; classes];
    let mut is_open = vec![false; classes];
    // One of each class at most, the innermost last.
    let mut open: Vec<Open> = Vec::new();
    let mut all = 0u64;
    let mut close = |done: &Open, all: u64| {
        sums[done.class] = sums[done.class].saturating_add(all - done.before);
    };
    for (place, (node, size)) in order.iter().zip(sizes).enumerate() {
        while let Some(done) = open.pop_if(|inner| inner.end <= place) {
            close(&done, all);
            is_open[done.class] = false;
        }
        if let Some(class) = class_of(*node).map(|class| class as usize)
            && let Some(is_open) = is_open.get_mut(class)
            && !*is_open
        {
            *is_open = true;
            open.push(Open {
                class,
                end: place + *size as usize,
                before: all,
            });
        }
        all = all.saturating_add(size_of(*node));
    }
    open.iter().for_each(|rest| close(rest, all));
    sums
}
