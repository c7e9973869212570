//! Which nodes head what is not reachable.

use super::bits::Bits;
use super::csr::Edges;
use super::error::GraphError;
use crate::Watch;

/// Nodes between two looks at whether somebody wants the work to end.
const STEP: u32 = 1 << 13;

/// Of the nodes that are not reachable, the fewest that lead to all the others of them, ascending.
/// Where such nodes lead to each other in a circle that nothing else leads into, it is the one with
/// the lowest number.
///
/// Two bits a node, 4 bytes for each of what may be heads (nodes that no lower one leads to), and 4
/// for each edge that is still to be followed.
///
/// # Errors
/// Too many nodes; an edge to a node that does not exist; interrupted.
pub fn heads(
    edges: &impl Edges,
    is_reachable: impl Fn(u32) -> bool,
    watch: &dyn Watch,
) -> Result<Vec<u32>, GraphError> {
    let nodes = GraphError::check_nodes(edges.node_count().into())?;
    // All that a walk from each node finds that no earlier walk found: only nodes that began a walk
    // may be heads.
    let mut walk = Walk::new(edges, nodes, &is_reachable, watch);
    let mut began = Vec::new();
    for node in 0..nodes {
        if !is_reachable(node) && walk.from(node)? {
            began.push(node);
        }
    }
    // The last to begin is a head: an earlier one that leads to it would have found it. The same
    // holds for the last of those that it does not lead to, and so on.
    let mut walk = Walk::new(edges, nodes, &is_reachable, watch);
    let mut heads = Vec::new();
    for node in began.into_iter().rev() {
        if walk.from(node)? {
            heads.push(node);
        }
    }
    heads.reverse();
    Ok(heads)
}

/// Walks that find each node once.
struct Walk<'w, E, R> {
    edges: &'w E,
    nodes: u32,
    is_reachable: &'w R,
    watch: &'w dyn Watch,
    found: Bits,
    seen: u32,
    stack: Vec<u32>,
}

impl<'w, E: Edges, R: Fn(u32) -> bool> Walk<'w, E, R> {
    fn new(edges: &'w E, nodes: u32, is_reachable: &'w R, watch: &'w dyn Watch) -> Self {
        Walk {
            edges,
            nodes,
            is_reachable,
            watch,
            found: Bits::new(nodes),
            seen: 0,
            stack: Vec::new(),
        }
    }

    /// Finds what a node leads to; whether it was not found yet.
    fn from(&mut self, start: u32) -> Result<bool, GraphError> {
        if !self.found.insert(start) {
            return Ok(false);
        }
        self.stack.push(start);
        while let Some(node) = self.stack.pop() {
            if self.seen.is_multiple_of(STEP) {
                let (done, total) = (self.seen.into(), self.nodes.into());
                self.watch.step("finding heads of garbage", done, total)?;
            }
            self.seen += 1;
            let mut stray = None;
            self.edges.each(node, |to| {
                if to >= self.nodes {
                    stray = Some(to);
                } else if !(self.is_reachable)(to) && self.found.insert(to) {
                    self.stack.push(to);
                }
            });
            if let Some(to) = stray {
                let (from, nodes) = (node, self.nodes);
                return Err(GraphError::NoSuchNode { from, to, nodes });
            }
        }
        Ok(true)
    }
}
