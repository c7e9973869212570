//! Shortest paths from roots to objects.

use crate::dump::{Dump, ObjectId, RootKind};
use crate::nodes::{NodeId, NodeKind, Nodes};
use crate::{Interrupted, Watch};

/// No node.
const NONE: u32 = u32::MAX;

/// Nodes between two looks at whether somebody wants the work to end.
const STEP: usize = 1 << 13;

/// How a root holds what it leads to: whoever looks for a leak wants to see variables first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// A variable, or a goroutine.
    Variable,
    /// Finalizers, cleanups and what else the runtime keeps.
    Runtime,
    /// A word that may be a pointer, or something old.
    Maybe,
}

impl Strength {
    /// Of a root.
    pub fn of(kind: RootKind) -> Strength {
        match kind {
            RootKind::Global(_)
            | RootKind::Segment(_)
            | RootKind::Frame(_)
            | RootKind::Goroutine(_) => Strength::Variable,
            RootKind::Finalizers
            | RootKind::QueuedFinalizers
            | RootKind::Cleanups
            | RootKind::WeakHandles
            | RootKind::TinyBlocks
            | RootKind::Other => Strength::Runtime,
            RootKind::Thread(_) => Strength::Maybe,
        }
    }
}

/// A path to each reachable object: from the strongest root that leads to it, the shortest; of those,
/// the first in the order of roots and of pointers.
///
/// 8 bytes a node. The default has found nothing.
#[derive(Default)]
pub(super) struct Search {
    parent: Vec<u32>,
    /// The nodes in the order in which they were found.
    order: Vec<u32>,
    /// Which nodes lead to the one that was to be avoided, in the order in which they were found.
    pub(super) holders: Vec<u32>,
}

impl Search {
    /// Looks from all roots. A path does not go through `avoided`.
    pub(super) fn of(
        dump: &Dump,
        nodes: &Nodes,
        avoided: Option<ObjectId>,
        watch: &dyn Watch,
    ) -> Result<Search, Interrupted> {
        let total = dump.object_count() as usize + dump.roots().len();
        let mut search = Search {
            parent: vec![NONE; total],
            order: Vec::new(),
            holders: Vec::new(),
        };
        let avoided = avoided.map_or(NONE, |object| object.0);
        let mut seen = 0;
        for strength in [Strength::Variable, Strength::Runtime, Strength::Maybe] {
            for (root, index) in dump.roots().iter().zip(0u32..) {
                if Strength::of(root.kind) == strength {
                    let node = nodes.id(NodeKind::Root(index)).0;
                    if let Some(parent) = search.parent.get_mut(node as usize) {
                        // A root is where a path begins: its own parent.
                        *parent = node;
                        search.order.push(node);
                    }
                }
            }
            while let Some(node) = search.order.get(seen).copied() {
                if seen.is_multiple_of(STEP) {
                    watch.step("finding paths", seen as u64, total as u64)?;
                }
                seen += 1;
                let mut leads = false;
                let Search { parent, order, .. } = &mut search;
                nodes.each(dump, node, |to| {
                    if to == avoided {
                        leads = true;
                    } else if let Some(of) = parent.get_mut(to as usize)
                        && *of == NONE
                    {
                        *of = node;
                        order.push(to);
                    }
                });
                if leads {
                    search.holders.push(node);
                }
            }
        }
        Ok(search)
    }

    /// Looks from some objects.
    pub(super) fn from(
        dump: &Dump,
        nodes: &Nodes,
        heads: &[u32],
        watch: &dyn Watch,
    ) -> Result<Search, Interrupted> {
        let total = dump.object_count() as usize;
        let mut parent = vec![NONE; total];
        let mut order = Vec::new();
        for head in heads {
            if let Some(of) = parent.get_mut(*head as usize) {
                *of = *head;
                order.push(*head);
            }
        }
        let mut seen = 0;
        while let Some(node) = order.get(seen).copied() {
            if seen.is_multiple_of(STEP) {
                watch.step("finding paths", seen as u64, total as u64)?;
            }
            seen += 1;
            nodes.each(dump, node, |to| {
                if let Some(of) = parent.get_mut(to as usize)
                    && *of == NONE
                {
                    *of = node;
                    order.push(to);
                }
            });
        }
        Ok(Search {
            parent,
            order,
            holders: Vec::new(),
        })
    }

    /// The nodes in the order in which they were found: each behind the one that leads to it.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The node before this one on its path: a root's is itself. `None` if it was not found.
    pub(super) fn parent(&self, node: u32) -> Option<u32> {
        self.parent
            .get(node as usize)
            .copied()
            .filter(|parent| *parent != NONE)
    }

    /// The nodes of the path to a node, a root first; empty if it was not found.
    pub(super) fn path(&self, node: u32) -> Vec<u32> {
        let mut path = Vec::new();
        let mut at = node;
        while let Some(parent) = self.parent(at) {
            path.push(at);
            if parent == at {
                break;
            }
            at = parent;
        }
        path.reverse();
        path
    }
}

/// For each of a few objects, who else leads to it: looks through all edges once. Only nodes that were
/// found; in the order of nodes.
pub(super) fn others(
    dump: &Dump,
    nodes: &Nodes,
    search: &Search,
    of: &[u32],
    watch: &dyn Watch,
) -> Result<Vec<Vec<u32>>, Interrupted> {
    let mut sorted: Vec<(u32, usize)> = of.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    let mut found = vec![Vec::new(); of.len()];
    let total = search.order.len();
    for (done, node) in search.order.iter().enumerate() {
        if done.is_multiple_of(STEP) {
            watch.step("looking for other holders", done as u64, total as u64)?;
        }
        nodes.each(dump, *node, |to| {
            if let Ok(place) = sorted.binary_search_by_key(&to, |(node, _)| *node)
                && let Some((_, index)) = sorted.get(place)
                && let Some(holders) = found.get_mut(*index)
                && holders.last() != Some(node)
            {
                holders.push(*node);
            }
        });
    }
    Ok(found)
}

/// The object that a node is, if it is one.
pub(super) fn object_of(nodes: &Nodes, node: u32) -> Option<ObjectId> {
    match nodes.kind(NodeId(node)) {
        NodeKind::Object(object) => Some(object),
        _ => None,
    }
}
