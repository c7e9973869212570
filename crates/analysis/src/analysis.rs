//! A dump with its graph: types, dominators, retained sizes.

use crate::dump::{Dump, ObjectId};
use crate::graph::{Dominators, GraphError, Retained};
use crate::nodes::{DumpEdges, NodeId, NodeKind, Nodes};
use crate::snapshot;
use crate::types::Types;
use crate::{Interrupted, Watch};

/// A dump that was analysed.
pub struct Analysis {
    /// The dump.
    pub dump: Dump,
    /// The nodes of the graph.
    pub nodes: Nodes,
    /// What objects are.
    pub types: Types,
    /// Who holds what alone.
    pub dominators: Dominators,
    /// Of each node, the bytes of all objects that it dominates, its own included; 0 for garbage.
    pub retained: Retained,
}

/// Why a dump could not be analysed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// More nodes than can be told apart.
    #[error("the dump has {objects} objects, which is more than goheap can analyse")]
    TooLarge {
        /// How many objects it has.
        objects: u32,
    },
    /// The graph cannot be made.
    #[error(transparent)]
    Graph(GraphError),
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<GraphError> for AnalysisError {
    fn from(error: GraphError) -> AnalysisError {
        match error {
            GraphError::Interrupted(interrupted) => AnalysisError::Interrupted(interrupted),
            error => AnalysisError::Graph(error),
        }
    }
}

impl Analysis {
    /// Analyses a dump. What an analysed snapshot has found out already is taken from there; if that does
    /// not fit, [`Dump::missing`] says so, and it is found out anew.
    ///
    /// # Errors
    /// Too many objects; interrupted.
    pub fn of(mut dump: Dump, watch: &dyn Watch) -> Result<Analysis, AnalysisError> {
        let nodes = Nodes::of(&dump).ok_or(AnalysisError::TooLarge {
            objects: dump.object_count(),
        })?;
        let (dominators, types) = match snapshot::found(&mut dump, &nodes, watch)? {
            Some((dominators, types)) => (dominators, Some(types)),
            // Before there are types: this is where most memory is needed.
            None => {
                let edges = DumpEdges::new(&dump, &nodes);
                (Dominators::of(&edges, nodes.all().0, watch)?, None)
            }
        };
        let types = match types {
            Some(types) => types,
            None => Types::infer(&dump, watch)?,
        };
        watch.step("adding up", 0, 0)?;
        // After the types, which need more memory while they are found than they take.
        let retained = Retained::of(&dominators, |node| size_of(&dump, node));
        Ok(Analysis {
            dump,
            nodes,
            types,
            dominators,
            retained,
        })
    }

    /// The edges of its graph.
    pub fn edges(&self) -> DumpEdges<'_> {
        DumpEdges::new(&self.dump, &self.nodes)
    }

    /// Bytes of the node itself: those of an object, 0 of all others.
    pub fn size_of(&self, node: NodeId) -> u64 {
        size_of(&self.dump, node.0)
    }

    /// Whether a root leads to the object. If not, it is garbage that was not collected yet.
    pub fn is_reachable(&self, object: ObjectId) -> bool {
        self.dominators.is_reachable(object.0)
    }

    /// Bytes of all objects that would be gone without the node, its own included; 0 for garbage.
    pub fn retained_of(&self, node: NodeId) -> u64 {
        self.retained.get(node.0)
    }

    /// The same of what a node is called by.
    pub fn retained_by(&self, kind: NodeKind) -> u64 {
        self.retained_of(self.nodes.id(kind))
    }
}

/// The index gives 0 for what is no object.
fn size_of(dump: &Dump, node: u32) -> u64 {
    dump.size(ObjectId(node))
}
