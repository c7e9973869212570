//! The tree of dominators.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::csr::Edges;
use super::error::GraphError;
use super::preorder::{NONE, Preorder};
use super::semi;
use crate::Watch;

/// The tree of dominators of what is reachable from a root: a node dominates another if every path
/// from the root to that leads through it; without it, the other would be gone.
///
/// 12 bytes for each reachable node and 4 for each node. Places are positions in a preorder of the
/// tree: a node's subtree lies right behind it.
#[derive(Debug, Clone)]
pub struct Dominators {
    root: u32,
    /// The node at each place.
    order: Vec<u32>,
    /// How many nodes the subtree at each place has, its own node included.
    size: Vec<u32>,
    /// The place of the immediate dominator of each place; 0 for the root.
    parent: Vec<u32>,
    /// The place of each node, or `NONE`.
    place: Vec<u32>,
}

impl Dominators {
    /// Of what is reachable from `root`. Reads the edges of each reachable node once, in the order
    /// of a depth-first walk.
    ///
    /// # Errors
    /// Too many nodes; no such root; an edge to a node that does not exist; interrupted.
    pub fn of(edges: &impl Edges, root: u32, watch: &dyn Watch) -> Result<Dominators, GraphError> {
        let walk = Preorder::of(edges, root, watch)?;
        let (above, order) = semi::dominators(walk, watch)?;
        Ok(Dominators::arranged(root, edges.node_count(), above, order))
    }

    /// Of the immediate dominators `above` in numbers that are higher than those of their dominators,
    /// with the node of each number.
    pub(super) fn arranged(root: u32, nodes: u32, above: Vec<u32>, order: Vec<u32>) -> Dominators {
        let reached = order.len();
        let mut size = vec![1u32; reached];
        for number in (1..reached).rev() {
            size[above[number] as usize] += size[number];
        }
        // The place for the next child of each: at first right behind it, in the end behind its
        // subtree, so that its own place is known from its size.
        let mut next = vec![0u32; reached];
        next[0] = 1;
        for number in 1..reached {
            let from = &mut next[above[number] as usize];
            let place = *from;
            *from += size[number];
            next[number] = place + 1;
        }
        let mut place_of = next;
        for (place, size) in place_of.iter_mut().zip(&size) {
            *place -= size;
        }
        let mut parent = vec![0u32; reached];
        for (place, above) in place_of.iter().zip(&above) {
            parent[*place as usize] = place_of[*above as usize];
        }
        drop(above);
        let scattered = |values: Vec<u32>| {
            let mut at_place = vec![0u32; reached];
            for (place, value) in place_of.iter().zip(&values) {
                at_place[*place as usize] = *value;
            }
            at_place
        };
        let size = scattered(size);
        let order = scattered(order);
        drop(place_of);
        let mut place = vec![NONE; nodes as usize];
        for (node, at) in order.iter().zip(0..) {
            // An `Edges` whose number of nodes went down meanwhile.
            if let Some(place) = place.get_mut(*node as usize) {
                *place = at;
            }
        }
        Dominators {
            root,
            order,
            size,
            parent,
            place,
        }
    }

    /// A tree that [`Dominators::places`] told of, of a graph of so many nodes: its nodes in preorder,
    /// and how many nodes the subtree of each has. `None` if no tree is like that.
    pub(crate) fn restored(
        root: u32,
        nodes: u32,
        order: Vec<u32>,
        size: Vec<u32>,
    ) -> Option<Dominators> {
        let reached = order.len();
        if order.first() != Some(&root) || size.len() != reached {
            return None;
        }
        if u32::try_from(reached).ok() != size.first().copied() || reached > nodes as usize {
            return None;
        }
        let mut place = vec![NONE; nodes as usize];
        for (node, at) in order.iter().zip(0..) {
            // Each node has one place.
            let place = place.get_mut(*node as usize).filter(|at| **at == NONE)?;
            *place = at;
        }
        // Of each subtree that the place before lies in, the way up; the outermost is all of it.
        let mut parent = vec![0u32; reached];
        let end = |place: u32| u64::from(place) + u64::from(size[place as usize]);
        let mut above = 0u32;
        for at in 1..reached as u32 {
            while end(above) <= u64::from(at) {
                above = parent[above as usize];
            }
            if size[at as usize] == 0 || end(at) > end(above) {
                return None;
            }
            parent[at as usize] = above;
            above = at;
        }
        Some(Dominators {
            root,
            order,
            size,
            parent,
            place,
        })
    }

    /// The root.
    pub fn root(&self) -> u32 {
        self.root
    }

    /// How many nodes there are, those included that are not reachable.
    pub fn node_count(&self) -> u32 {
        self.place.len() as u32
    }

    /// How many nodes are reachable from the root, which is one of them.
    pub fn reachable_count(&self) -> u32 {
        self.order.len() as u32
    }

    #[inline]
    fn place(&self, node: u32) -> Option<usize> {
        let place = *self.place.get(node as usize)?;
        (place != NONE).then_some(place as usize)
    }

    /// Whether a node is reachable from the root.
    #[inline]
    pub fn is_reachable(&self, node: u32) -> bool {
        self.place(node).is_some()
    }

    /// The nodes that are not reachable from the root, ascending.
    pub fn unreachable(&self) -> impl Iterator<Item = u32> {
        (0..self.node_count()).filter(|node| !self.is_reachable(*node))
    }

    /// The immediate dominator of a node: the nearest that dominates it. `None` for the root, and for
    /// what is not reachable.
    #[inline]
    pub fn idom(&self, node: u32) -> Option<u32> {
        let place = self.place(node)?;
        (place != 0).then(|| self.order[self.parent[place] as usize])
    }

    /// Whether all paths from the root to `node` lead through `by`. Each reachable node dominates
    /// itself.
    pub fn dominates(&self, by: u32, node: u32) -> bool {
        match (self.place(by), self.place(node)) {
            (Some(by), Some(node)) => (by..by + self.size[by] as usize).contains(&node),
            _ => false,
        }
    }

    /// All that a node dominates, in preorder of the tree, which begins with the node itself. Nothing
    /// for what is not reachable.
    pub fn subtree(&self, node: u32) -> &[u32] {
        match self.place(node) {
            Some(place) => &self.order[place..place + self.size[place] as usize],
            None => &[],
        }
    }

    /// The nodes whose immediate dominator a node is, in the order in which the walk found them.
    pub fn children(&self, node: u32) -> Children<'_> {
        let range = match self.place(node) {
            Some(place) => place + 1..place + self.size[place] as usize,
            None => 0..0,
        };
        Children {
            tree: self,
            next: range.start,
            end: range.end,
        }
    }

    /// The children with the largest keys, at most so many: by key, the largest first, then by
    /// number.
    pub fn largest_children(&self, node: u32, most: usize, key: impl Fn(u32) -> u64) -> Vec<u32> {
        let mut kept = BinaryHeap::new();
        for child in self.children(node) {
            let entry = Reverse((key(child), Reverse(child)));
            if kept.len() < most {
                kept.push(entry);
            } else if kept.peek().is_some_and(|least| entry < *least) {
                kept.pop();
                kept.push(entry);
            }
        }
        let sorted = kept.into_sorted_vec();
        sorted
            .into_iter()
            .map(|Reverse((_, Reverse(child)))| child)
            .collect()
    }

    /// All reachable nodes in preorder of the tree.
    pub fn preorder(&self) -> &[u32] {
        &self.order
    }

    /// The same with the place of each one's immediate dominator and the size of its subtree: for
    /// sums over the tree.
    pub(crate) fn places(&self) -> (&[u32], &[u32], &[u32]) {
        (&self.order, &self.parent, &self.size)
    }
}

/// The children of a node in the tree of dominators.
#[derive(Debug, Clone)]
pub struct Children<'t> {
    tree: &'t Dominators,
    next: usize,
    end: usize,
}

impl Iterator for Children<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.next >= self.end {
            return None;
        }
        let child = self.tree.order[self.next];
        self.next += self.tree.size[self.next] as usize;
        Some(child)
    }
}
