//! The ways to all objects, as a tree: for profiles and flame graphs.

use super::Holders;
use super::merge::NONE;
use super::piece::{Piece, signature};
use crate::dump::ObjectId;
use crate::nodes::{NodeId, NodeKind};
use crate::types::ClassId;
use crate::{Interrupted, Watch};

/// A step on the way to objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayStep {
    /// The step before, by its number; `None` where a way begins.
    pub before: Option<u32>,
    /// What it adds to a path: `main.cache.shards`, `.m[*]`; with what may be repeated there,
    /// `.head(.next…)`. Indexes and keys are not told apart.
    pub text: String,
    /// The class of the objects it leads to; `None` for what is one way too many to be told apart.
    pub class: Option<ClassId>,
}

/// The ways to all reachable objects: of each object a shortest path, those that differ in indexes,
/// keys and numbers of goroutines alone being one; what leads back to a class that was there shortly
/// before (a list, a tree) being none. At most 2^18 are told apart.
///
/// 8 bytes a node.
pub struct WayTree {
    steps: Vec<WayStep>,
    way_to: Vec<u32>,
    root_of: Vec<u32>,
}

impl WayTree {
    /// All steps: each behind the one before it.
    pub fn steps(&self) -> &[WayStep] {
        &self.steps
    }

    /// The last step on the way to an object; `None` for garbage.
    pub fn way_to(&self, object: ObjectId) -> Option<u32> {
        let way = self.way_to.get(object.0 as usize).copied();
        way.filter(|way| *way != NONE)
    }

    /// The root that its path begins with: its place in [`crate::Dump::roots`].
    pub fn root_of(&self, object: ObjectId) -> Option<u32> {
        let root = self.root_of.get(object.0 as usize).copied();
        root.filter(|root| *root != NONE)
    }
}

impl Holders<'_> {
    /// The ways to all objects.
    ///
    /// # Errors
    /// Interrupted.
    pub fn ways(&self, watch: &dyn Watch) -> Result<WayTree, Interrupted> {
        let walked = self.walk(&|_| true, watch)?;
        let nodes = &self.analysis.nodes;
        let mut root_of = vec![NONE; nodes.len() as usize];
        for node in self.search.order() {
            let root = match nodes.kind(NodeId(*node)) {
                NodeKind::Root(root) => root,
                _ => {
                    let before = self.search.parent(*node).unwrap_or(*node);
                    root_of.get(before as usize).copied().unwrap_or(NONE)
                }
            };
            if let Some(of) = root_of.get_mut(*node as usize) {
                *of = root;
            }
        }
        // Only objects are asked for.
        let objects = self.analysis.dump.object_count() as usize;
        root_of.truncate(objects);
        let mut way_to = walked.way_to;
        way_to.truncate(objects);
        let steps = walked.ways.ways.into_iter().map(|way| {
            let mut pieces = way.pieces;
            if !way.circles.is_empty() {
                pieces.push(Piece::Again(way.circles));
            }
            WayStep {
                before: (way.before != NONE).then_some(way.before),
                text: signature(&pieces),
                class: way.class,
            }
        });
        Ok(WayTree {
            steps: steps.collect(),
            way_to,
            root_of,
        })
    }
}
