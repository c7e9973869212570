//! Shortest paths from a root.

use super::csr::Edges;
use super::error::GraphError;
use super::preorder::NONE;
use crate::Watch;

/// Nodes between two looks at whether somebody wants the work to end.
const STEP: u64 = 1 << 13;

/// A shortest path from a root to each node that is reachable. Where there are several, each node's
/// predecessor is the one with the lowest number.
///
/// 8 bytes a node, and 4 more for each that is at the same distance while it is made.
#[derive(Debug, Clone)]
pub struct Paths {
    parent: Vec<u32>,
    distance: Vec<u32>,
}

impl Paths {
    /// From `root`. Reads the edges of each reachable node once.
    ///
    /// # Errors
    /// Too many nodes; no such root; an edge to a node that does not exist; interrupted.
    pub fn of(edges: &impl Edges, root: u32, watch: &dyn Watch) -> Result<Paths, GraphError> {
        let mut walk = Walk::new(edges, root)?;
        while walk.advance(edges, None, watch)? {}
        Ok(walk.paths)
    }

    /// How many edges lie between the root and a node; `None` if it is not reachable.
    pub fn distance(&self, node: u32) -> Option<u32> {
        let distance = *self.distance.get(node as usize)?;
        (distance != NONE).then_some(distance)
    }

    /// The node before this one on its path; `None` for the root, and for what is not reachable.
    pub fn parent(&self, node: u32) -> Option<u32> {
        let parent = *self.parent.get(node as usize)?;
        (parent != NONE).then_some(parent)
    }

    /// A shortest path: the root first, the node last. Empty if the node is not reachable.
    pub fn path_to(&self, node: u32) -> Vec<u32> {
        if self.distance(node).is_none() {
            return Vec::new();
        }
        let mut path: Vec<u32> =
            std::iter::successors(Some(node), |node| self.parent(*node)).collect();
        path.reverse();
        path
    }
}

/// A walk by distance, one distance at a time.
struct Walk {
    paths: Paths,
    /// The nodes at the present distance, which are not looked at yet.
    frontier: Vec<u32>,
    at: u32,
    seen: u64,
    /// Which nodes at the present distance lead to the node that was asked for.
    into: Vec<u32>,
}

impl Walk {
    fn new(edges: &impl Edges, root: u32) -> Result<Walk, GraphError> {
        let nodes = GraphError::check_nodes(edges.node_count().into())?;
        if root >= nodes {
            return Err(GraphError::NoRoot { root, nodes });
        }
        let mut paths = Paths {
            parent: vec![NONE; nodes as usize],
            distance: vec![NONE; nodes as usize],
        };
        paths.distance[root as usize] = 0;
        Ok(Walk {
            paths,
            frontier: vec![root],
            at: 0,
            seen: 0,
            into: Vec::new(),
        })
    }

    /// Looks where the nodes at the present distance lead; whether there are any at the next. The
    /// node `last` is where ways end: those that lead to it are put into `into`, and it leads nowhere.
    fn advance(
        &mut self,
        edges: &impl Edges,
        last: Option<u32>,
        watch: &dyn Watch,
    ) -> Result<bool, GraphError> {
        let Paths { parent, distance } = &mut self.paths;
        let nodes = distance.len() as u32;
        let mut next = Vec::new();
        self.into.clear();
        for node in &self.frontier {
            if self.seen.is_multiple_of(STEP) {
                watch.step("finding paths", self.seen, nodes.into())?;
            }
            self.seen += 1;
            let mut stray = None;
            let mut leads = false;
            edges.each(*node, |to| {
                if Some(to) == last {
                    leads = true;
                    return;
                }
                let Some(found) = distance.get_mut(to as usize) else {
                    stray = Some(to);
                    return;
                };
                if *found == NONE {
                    *found = self.at + 1;
                    parent[to as usize] = *node;
                    next.push(to);
                } else if *found == self.at + 1 {
                    let parent = &mut parent[to as usize];
                    *parent = (*parent).min(*node);
                }
            });
            if let Some(to) = stray {
                let from = *node;
                return Err(GraphError::NoSuchNode { from, to, nodes });
            }
            if leads {
                self.into.push(*node);
            }
        }
        self.frontier = next;
        self.at += 1;
        Ok(!self.frontier.is_empty())
    }
}

/// Shortest paths to one node by different ways: one for each node that leads to it, at most `most`
/// of them. The shortest first, then by the number of the node before the last. Each begins with the
/// root, ends with the node, and has no node twice. Empty if the node is not reachable; for the root
/// itself, the one path that it is.
///
/// Reads the edges of each node once that is no farther from the root than the last path is long. The
/// paths take 4 bytes for each node on each of them: a list of millions makes long ones.
///
/// # Errors
/// As [`Paths::of`].
pub fn shortest_paths(
    edges: &impl Edges,
    root: u32,
    node: u32,
    most: usize,
    watch: &dyn Watch,
) -> Result<Vec<Vec<u32>>, GraphError> {
    let mut walk = Walk::new(edges, root)?;
    if most == 0 {
        return Ok(Vec::new());
    }
    if node == root {
        return Ok(vec![vec![root]]);
    }
    let mut into = Vec::new();
    loop {
        let more = walk.advance(edges, Some(node), watch)?;
        walk.into.sort_unstable();
        into.append(&mut walk.into);
        if !more || into.len() >= most {
            break;
        }
    }
    into.truncate(most);
    Ok(into
        .into_iter()
        .map(|before| {
            let mut path = walk.paths.path_to(before);
            path.push(node);
            path
        })
        .collect())
}

/// The nodes that lead to a node, reachable or not, ascending. Reads all edges once.
///
/// # Errors
/// Too many nodes; interrupted.
pub fn predecessors(
    edges: &impl Edges,
    node: u32,
    watch: &dyn Watch,
) -> Result<Vec<u32>, GraphError> {
    let nodes = GraphError::check_nodes(edges.node_count().into())?;
    let mut found = Vec::new();
    for from in 0..nodes {
        if u64::from(from).is_multiple_of(STEP) {
            watch.step("looking for holders", from.into(), nodes.into())?;
        }
        let mut leads = false;
        edges.each(from, |to| leads |= to == node);
        if leads {
            found.push(from);
        }
    }
    Ok(found)
}
