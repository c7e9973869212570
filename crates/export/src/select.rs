//! What is exported of a heap: all that is reachable, or what something alone holds.

use goheap_analysis::answers::what::Asked;
use goheap_analysis::{Analysis, NodeId, NodeKind, ObjectId};

/// A bit a node: what is exported.
pub struct Selection(Option<Vec<u64>>);

impl Selection {
    /// All that is reachable; or what was asked for, with all that it alone holds.
    pub fn of(analysis: &Analysis, asked: Option<&Asked>) -> Selection {
        let Some(asked) = asked else {
            return Selection(None);
        };
        let nodes = &analysis.nodes;
        let tree = &analysis.dominators;
        let mut bits = vec![0u64; nodes.len() as usize / 64 + 1];
        let mut add = |top: u32| {
            for node in tree.subtree(top) {
                if let Some(word) = bits.get_mut(*node as usize / 64) {
                    *word |= 1 << (node % 64);
                }
            }
        };
        match asked {
            Asked::Object { object, .. } => add(object.0),
            Asked::Variable(root) => add(nodes.id(NodeKind::Root(*root)).0),
            Asked::Goroutine(index) => add(nodes.id(NodeKind::Goroutine(*index)).0),
            Asked::Package(index) => add(nodes.id(NodeKind::Package(*index)).0),
            Asked::Class { classes, .. } => {
                let mut rest = tree.preorder();
                while let Some(node) = rest.first() {
                    let is_one = matches!(nodes.kind(NodeId(*node)), NodeKind::Object(object)
                        if classes.contains(&analysis.types.class_of(object)));
                    let passed = match is_one {
                        true => {
                            add(*node);
                            tree.subtree(*node).len().max(1)
                        }
                        false => 1,
                    };
                    rest = rest.get(passed..).unwrap_or_default();
                }
            }
        }
        Selection(Some(bits))
    }

    /// Whether an object is exported.
    pub fn has(&self, analysis: &Analysis, object: ObjectId) -> bool {
        match &self.0 {
            None => analysis.is_reachable(object),
            Some(bits) => bits
                .get(object.0 as usize / 64)
                .is_some_and(|word| word >> (object.0 % 64) & 1 != 0),
        }
    }
}
