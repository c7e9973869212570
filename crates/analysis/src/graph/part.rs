//! A part of a graph, as a graph.

use super::csr::Edges;

/// Those nodes of a graph that are asked for, with the edges between them, and one node more that
/// leads to some of them: a root. Nodes keep their numbers; the root's is the graph's number of nodes.
///
/// So garbage has a tree of its own: the part that is not reachable, below its [`heads`](super::heads).
pub struct Part<'g, E, W> {
    edges: &'g E,
    within: W,
    tops: &'g [u32],
}

impl<'g, E: Edges, W: Fn(u32) -> bool> Part<'g, E, W> {
    /// The nodes for which `within` holds, below a root that leads to those of `tops`.
    pub fn new(edges: &'g E, within: W, tops: &'g [u32]) -> Part<'g, E, W> {
        Part {
            edges,
            within,
            tops,
        }
    }

    /// The root.
    pub fn root(&self) -> u32 {
        self.edges.node_count()
    }
}

impl<E: Edges, W: Fn(u32) -> bool> Edges for Part<'_, E, W> {
    fn node_count(&self) -> u32 {
        self.edges.node_count().saturating_add(1)
    }

    #[inline]
    fn each(&self, node: u32, mut visit: impl FnMut(u32)) {
        let inside = |to: &u32| *to < self.root() && (self.within)(*to);
        if node == self.root() {
            self.tops.iter().copied().filter(inside).for_each(visit);
        } else if (self.within)(node) {
            self.edges.each(node, |to| {
                if inside(&to) {
                    visit(to);
                }
            });
        }
    }
}
