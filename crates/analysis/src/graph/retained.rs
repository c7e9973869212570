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
