//! A dump with its graph: types, dominators, retained sizes.

use crate::dump::{Dump, ObjectId};
use crate::nodes::{NodeId, Nodes};
use crate::types::Types;
use crate::{Interrupted, Watch};

/// A dump that was analysed.
pub struct Analysis {
    /// The dump.
    pub dump: Dump,
    /// What objects are.
    pub types: Types,
    /// The nodes of the graph.
    pub nodes: Nodes,
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
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Analysis {
    /// Analyses a dump.
    ///
    /// # Errors
    /// Too many objects; interrupted.
    pub fn of(dump: Dump, watch: &dyn Watch) -> Result<Analysis, AnalysisError> {
        let types = Types::infer(&dump, watch)?;
        let nodes = Nodes::of(&dump).ok_or(AnalysisError::TooLarge {
            objects: dump.object_count(),
        })?;
        Ok(Analysis { dump, types, nodes })
    }

    /// The node of an object.
    pub fn node(&self, object: ObjectId) -> NodeId {
        NodeId(object.0)
    }
}
