//! Semidominators and dominators of a graph that was walked. All in the walk's numbers.

use super::back::{BackEdges, WIDTH};
use super::preorder::Preorder;
use crate::{Interrupted, Watch};

/// Nodes between two looks at whether somebody wants the work to end.
const STEP: u32 = 1 << 13;

/// The fewest edges that are sorted by target at once.
const SORTED: u64 = 1 << 20;

/// How a node hangs in the forest of those that are done: its ancestor there, and the lowest
/// semidominator from the node to below that ancestor.
#[derive(Clone, Copy, Default)]
struct Link {
    ancestor: u32,
    lowest: u32,
}

/// What is known of the nodes that are done; they are done from the last to the first.
struct Forest<'w> {
    links: Vec<Link>,
    parent: &'w [u32],
    /// First the lowest number that leads to a node of those below its own; once it is done, its
    /// semidominator.
    semi: &'w mut [u32],
}

impl Forest<'_> {
    /// The lowest semidominator on the way from `node` up to its last ancestor that is done, which
    /// are those above `current`. Halves the way, so that no later search walks it all.
    #[inline]
    fn lowest(&mut self, mut node: u32, current: u32) -> u32 {
        let mut lowest = u32::MAX;
        while node > current {
            let Link {
                ancestor,
                lowest: own,
            } = self.links[node as usize];
            if ancestor <= current {
                return lowest.min(own);
            }
            let above = self.links[ancestor as usize];
            let both = own.min(above.lowest);
            self.links[node as usize] = Link {
                ancestor: above.ancestor,
                lowest: both,
            };
            lowest = lowest.min(both);
            node = above.ancestor;
        }
        lowest
    }

    /// The node is done: its semidominator is what is known of it by now.
    #[inline]
    fn done(&mut self, node: u32) {
        self.links[node as usize] = Link {
            ancestor: self.parent[node as usize],
            lowest: self.semi[node as usize],
        };
    }

    #[inline]
    fn improve(&mut self, node: u32, source: u32) {
        let lowest = self.lowest(source, node);
        let semi = &mut self.semi[node as usize];
        *semi = lowest.min(*semi);
    }
}

/// Makes of [`Preorder::first`] the semidominator of each node: the lowest number from which a path
/// leads to the node with nothing but higher numbers than the node's between.
///
/// At once are sorted as many edges as an eighth of all, or `sorted` if that is more.
fn semidominators(
    parent: &[u32],
    semi: &mut [u32],
    back: BackEdges,
    sorted: u64,
    watch: &dyn Watch,
) -> Result<(), Interrupted> {
    if back.len() == 0 {
        return Ok(());
    }
    let nodes = parent.len() as u32;
    let most = sorted.max(back.len() / 8);
    let mut forest = Forest {
        links: vec![Link::default(); nodes as usize],
        parent,
        semi,
    };
    let mut counts = vec![0u64; WIDTH as usize];
    let mut ends = vec![0usize; WIDTH as usize];
    let mut sources = Vec::new();
    for bucket in (0..nodes.div_ceil(WIDTH)).rev() {
        let base = bucket * WIDTH;
        counts.fill(0);
        for (targets, _) in back.of(bucket as usize) {
            for target in targets {
                counts[usize::from(*target)] += 1;
            }
        }
        // Targets from `low` to below `high` are done at once, the highest first.
        let mut high = (nodes - base).min(WIDTH) as usize;
        while high > 0 {
            watch.step("finding dominators", (nodes - base).into(), nodes.into())?;
            let mut low = high - 1;
            let mut total = counts[low];
            while low > 0 && total + counts[low - 1] <= most {
                low -= 1;
                total += counts[low];
            }
            if total > most {
                // One target has them all, so there is nothing to sort.
                let node = base + low as u32;
                for (targets, from) in back.of(bucket as usize) {
                    for (_, source) in targets
                        .iter()
                        .zip(from)
                        .filter(|(target, _)| usize::from(**target) == low)
                    {
                        forest.improve(node, *source);
                    }
                }
                forest.done(node);
                high = low;
                continue;
            }
            let mut end = 0;
            for (at, count) in ends[low..high].iter_mut().zip(&counts[low..high]) {
                *at = end;
                end += *count as usize;
            }
            sources.clear();
            sources.resize(end, 0u32);
            if end > 0 {
                for (targets, from) in back.of(bucket as usize) {
                    for (target, source) in targets.iter().zip(from) {
                        let target = usize::from(*target);
                        if (low..high).contains(&target) {
                            sources[ends[target]] = *source;
                            ends[target] += 1;
                        }
                    }
                }
            }
            for target in (low..high).rev() {
                let node = base + target as u32;
                if node == 0 {
                    break;
                }
                let end = ends[target];
                for source in &sources[end - counts[target] as usize..end] {
                    forest.improve(node, *source);
                }
                forest.done(node);
            }
            high = low;
        }
    }
    Ok(())
}

/// Ways up a tree that skip: from each node to its parent, or far beyond, so that any ancestor is
/// reached in a logarithm of its distance (Myers: *An applicative random-access stack*, 1983).
struct Jumps(Vec<Jump>);

#[derive(Clone, Copy, Default)]
struct Jump {
    to: u32,
    depth: u32,
}

impl Jumps {
    /// Of the first `done` nodes of a tree of so many.
    fn of(parent: &[u32], done: u32) -> Jumps {
        let mut jumps = Jumps(vec![Jump::default(); parent.len()]);
        for node in 1..done {
            jumps.add(node, parent[node as usize]);
        }
        jumps
    }

    #[inline]
    fn add(&mut self, node: u32, parent: u32) {
        let above = self.0[parent as usize];
        let far = self.0[above.to as usize];
        let farther = self.0[far.to as usize];
        let same = above.depth - far.depth == far.depth - farther.depth;
        self.0[node as usize] = Jump {
            to: if same { far.to } else { parent },
            depth: above.depth + 1,
        };
    }

    /// The nearest of `node` and its ancestors that is not above `limit`.
    #[inline]
    fn climb(&self, parent: &[u32], mut node: u32, limit: u32) -> u32 {
        while node > limit {
            let to = self.0[node as usize].to;
            node = if to >= limit {
                to
            } else {
                parent[node as usize]
            };
        }
        node
    }
}

/// Makes of the parents of a walk the dominators, given the semidominators: the nearest ancestor in
/// the tree of dominators that is not above the semidominator.
///
/// After so many steps `patience`, ways that skip are made.
fn climb(
    parent: &mut [u32],
    semi: &[u32],
    patience: u64,
    watch: &dyn Watch,
) -> Result<(), Interrupted> {
    let nodes = parent.len() as u32;
    let mut jumps: Option<Jumps> = None;
    let mut steps = 0u64;
    for node in 1..nodes {
        if node.is_multiple_of(STEP) {
            watch.step("building the tree", node.into(), nodes.into())?;
        }
        let limit = semi[node as usize];
        let mut above = parent[node as usize];
        if let Some(jumps) = &mut jumps {
            above = jumps.climb(parent, above, limit);
            jumps.add(node, above);
        } else {
            while above > limit {
                above = parent[above as usize];
                steps += 1;
            }
            if steps > patience {
                parent[node as usize] = above;
                jumps = Some(Jumps::of(parent, node + 1));
            }
        }
        parent[node as usize] = above;
    }
    Ok(())
}

/// The immediate dominator of each node, in the walk's numbers (0 for the root), and the walk's
/// order.
pub(super) fn dominators(
    walk: Preorder,
    watch: &dyn Watch,
) -> Result<(Vec<u32>, Vec<u32>), Interrupted> {
    let patience = walk.order.len() as u64 * 4;
    with_limits(walk, SORTED, patience, watch)
}

/// [`dominators`], with the limits beyond which it takes other ways.
pub(super) fn with_limits(
    walk: Preorder,
    sorted: u64,
    patience: u64,
    watch: &dyn Watch,
) -> Result<(Vec<u32>, Vec<u32>), Interrupted> {
    let Preorder {
        order,
        mut parent,
        first: mut semi,
        back,
    } = walk;
    semidominators(&parent, &mut semi, back, sorted, watch)?;
    climb(&mut parent, &semi, patience, watch)?;
    Ok((parent, order))
}
