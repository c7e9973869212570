//! The depth-first walk: which nodes are reachable, in which order they were found, and which edges
//! lead back.

use super::back::BackEdges;
use super::bits::Bits;
use super::csr::Edges;
use super::error::GraphError;
use crate::Watch;

/// No number.
pub(super) const NONE: u32 = u32::MAX;

/// Nodes between two looks at whether somebody wants the work to end.
const STEP: usize = 1 << 13;

/// What a depth-first walk found. But for `order`, everything is in its numbers: 0 is the root, and
/// each node has a higher number than its parent.
pub(super) struct Preorder {
    /// The node of each number.
    pub(super) order: Vec<u32>,
    /// The number of each one's parent; 0 for the root.
    pub(super) parent: Vec<u32>,
    /// The lowest number that leads to each one, of those that are lower than its own; 0 for the
    /// root.
    pub(super) first: Vec<u32>,
    /// The edges to lower numbers, without those to the root.
    pub(super) back: BackEdges,
}

impl Preorder {
    /// Walks from the root. Reads the edges of each reachable node once.
    pub(super) fn of(
        edges: &impl Edges,
        root: u32,
        watch: &dyn Watch,
    ) -> Result<Preorder, GraphError> {
        let nodes = GraphError::check_nodes(edges.node_count().into())?;
        if root >= nodes {
            return Err(GraphError::NoRoot { root, nodes });
        }
        let mut order = Vec::with_capacity(nodes as usize);
        let mut parent = Vec::with_capacity(nodes as usize);
        let mut first = Vec::with_capacity(nodes as usize);
        let mut back = BackEdges::new(nodes);
        // Once visited, a node's number; before, the number of the first node that leads to it.
        let mut number = vec![NONE; nodes as usize];
        let mut visited = Bits::new(nodes);
        number[root as usize] = 0;
        // The nodes of the current path stand where they were pushed; above each are those that it
        // leads to and that are still to be looked at. A node may have been visited from further up
        // by the time it is popped.
        let mut stack = vec![root];
        let mut current = 0u32;
        while let Some(&node) = stack.last() {
            if !visited.insert(node) {
                stack.pop();
                if order[current as usize] == node {
                    current = parent[current as usize];
                }
                continue;
            }
            if order.len().is_multiple_of(STEP) {
                watch.step("walking the graph", order.len() as u64, nodes.into())?;
            }
            let own = order.len() as u32;
            order.push(node);
            parent.push(current);
            first.push(number[node as usize]);
            number[node as usize] = own;
            current = own;
            let bottom = stack.len();
            let mut stray = None;
            edges.each(node, |to| {
                let Some(at) = number.get_mut(to as usize) else {
                    stray = Some(to);
                    return;
                };
                if !visited.has(to) {
                    if *at == NONE {
                        *at = own;
                    } else if *at == own && stack.last() == Some(&to) {
                        return;
                    }
                    stack.push(to);
                } else if *at != own && *at != 0 {
                    back.push(own, *at);
                }
            });
            if let Some(to) = stray {
                let from = node;
                return Err(GraphError::NoSuchNode { from, to, nodes });
            }
            // The first is visited first: memory is then read more in the order it was handed out.
            stack[bottom..].reverse();
        }
        Ok(Preorder {
            order,
            parent,
            first,
            back,
        })
    }
}
