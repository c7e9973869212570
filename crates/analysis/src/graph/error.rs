//! Why something cannot be computed of a graph.

use crate::Interrupted;

/// The most nodes that a graph may have. Two numbers are kept free: one for "none", and so that the
/// count plus one is a number as well.
pub const MAX_NODES: u32 = u32::MAX - 2;

/// Why something cannot be computed of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// More nodes than can be numbered.
    #[error("a graph of {nodes} nodes is too large: {MAX_NODES} is the most")]
    TooManyNodes {
        /// How many there are.
        nodes: u64,
    },
    /// More edges than can be numbered: those of 65536 nodes in a row must be fewer than 2^32.
    #[error("the nodes from {node} have more than {edges} edges, which is too many")]
    TooManyEdges {
        /// The first of the nodes.
        node: u32,
        /// How many edges were seen.
        edges: u64,
    },
    /// An edge to a node that does not exist.
    #[error("node {from} leads to node {to}, but there are {nodes} nodes only")]
    NoSuchNode {
        /// Where it comes from.
        from: u32,
        /// Where it leads.
        to: u32,
        /// How many nodes there are.
        nodes: u32,
    },
    /// The root does not exist.
    #[error("there is no node {root} to begin at: there are {nodes} nodes only")]
    NoRoot {
        /// The root.
        root: u32,
        /// How many nodes there are.
        nodes: u32,
    },
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl GraphError {
    /// A number of nodes, if a graph may have so many.
    ///
    /// # Errors
    /// [`GraphError::TooManyNodes`].
    pub fn check_nodes(nodes: u64) -> Result<u32, GraphError> {
        match u32::try_from(nodes) {
            Ok(count) if count <= MAX_NODES => Ok(count),
            _ => Err(GraphError::TooManyNodes { nodes }),
        }
    }
}
