//! Who alone holds each object, from outside of the heap: the nearest node that dominates it and is no
//! object. A variable, a frame, goroutines, a package, or nothing less than all of them.

use super::names::group_name;
use crate::dump::{ObjectId, RootKind};
use crate::nodes::{NodeId, NodeKind};
use crate::{Analysis, Interrupted, Watch};

/// No node.
const NONE: u32 = u32::MAX;

/// How many nodes between two looks at whether somebody wants the work to end.
const STEP: usize = 1 << 16;

/// The holder of each object: 4 bytes an object.
#[derive(Debug)]
pub struct Held {
    above: Vec<u32>,
    /// Of each goroutine its group.
    group_of: Vec<u32>,
}

impl Held {
    /// Finds the holders.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(analysis: &Analysis, watch: &dyn Watch) -> Result<Held, Interrupted> {
        let (nodes, dominators) = (&analysis.nodes, &analysis.dominators);
        let mut above = vec![NONE; analysis.dump.object_count() as usize];
        let order = dominators.preorder();
        // What dominates a node comes before it.
        for (done, node) in order.iter().enumerate() {
            if done.is_multiple_of(STEP) {
                watch.step("finding holders", done as u64, order.len() as u64)?;
            }
            let NodeKind::Object(object) = nodes.kind(NodeId(*node)) else {
                continue;
            };
            let Some(by) = dominators.idom(*node) else {
                continue;
            };
            let by = above.get(by as usize).copied().unwrap_or(by);
            if let Some(above) = above.get_mut(object.0 as usize) {
                *above = by;
            }
        }
        let mut group_of = vec![NONE; analysis.dump.goroutines().len()];
        for (group, index) in nodes.groups().iter().zip(0u32..) {
            for goroutine in &group.goroutines {
                if let Some(of) = group_of.get_mut(*goroutine as usize) {
                    *of = index;
                }
            }
        }
        Ok(Held { above, group_of })
    }

    /// The holder of an object; `None` if it is not reachable.
    pub fn by(&self, object: ObjectId) -> Option<NodeId> {
        let by = *self.above.get(object.0 as usize)?;
        (by != NONE).then_some(NodeId(by))
    }

    /// The group of a goroutine: its place in [`Nodes::groups`](crate::Nodes::groups).
    pub fn group_of(&self, goroutine: u32) -> Option<u32> {
        let group = *self.group_of.get(goroutine as usize)?;
        (group != NONE).then_some(group)
    }

    /// What a holder is called, by a name without numbers and addresses, so that it is the same in
    /// the next dump of the same program: a variable's, a package's, the function of a frame, the
    /// function that goroutines stand in.
    pub fn name(&self, analysis: &Analysis, holder: NodeId) -> String {
        let (nodes, dump) = (&analysis.nodes, &analysis.dump);
        let of_goroutine = |goroutine| {
            let group = self.group_of(goroutine);
            group.map_or(String::new(), |group| group_name(analysis, group).0)
        };
        match nodes.kind(holder) {
            NodeKind::Object(_) => String::new(),
            NodeKind::Root(root) => match dump.roots().get(root as usize) {
                Some(root) => match root.kind {
                    RootKind::Goroutine(goroutine) => of_goroutine(goroutine),
                    _ => root.name.to_string(),
                },
                None => String::new(),
            },
            NodeKind::Goroutine(goroutine) => of_goroutine(goroutine),
            NodeKind::Group(group) => group_name(analysis, group).0,
            NodeKind::Package(package) => {
                let package = nodes.packages().get(package as usize);
                package.map_or(String::new(), |package| package.name.clone())
            }
            NodeKind::All => "several together".to_owned(),
        }
    }
}
