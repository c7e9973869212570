//! Edges: where they come from, and kept as they are (compressed sparse rows).

use super::error::GraphError;
use crate::{NoWatch, Watch};

/// How many nodes share one base of edge numbers.
const BLOCK_SHIFT: u32 = 16;

/// Nodes between two looks at whether somebody wants the work to end.
const STEP: u32 = 1 << 14;

/// A graph: nodes from 0, and where each leads.
///
/// An edge may be there more than once, or lead to its own node.
pub trait Edges {
    /// How many nodes there are; at most [`MAX_NODES`](super::MAX_NODES).
    fn node_count(&self) -> u32;

    /// Shows the nodes that a node leads to. Each call shows the same, in the same order; if it does
    /// not, results are of no use, but nothing panics.
    fn each(&self, node: u32, visit: impl FnMut(u32));
}

impl<E: Edges> Edges for &E {
    fn node_count(&self) -> u32 {
        (**self).node_count()
    }

    #[inline]
    fn each(&self, node: u32, visit: impl FnMut(u32)) {
        (**self).each(node, visit);
    }
}

/// A graph kept in memory: 4 bytes a node and 4 an edge.
#[derive(Debug, Clone)]
pub struct Csr {
    starts: Starts,
    targets: Vec<u32>,
}

impl Csr {
    /// Keeps the edges of a graph. Reads each node's once, in the order of nodes.
    ///
    /// # Errors
    /// Too many nodes or edges; an edge to a node that does not exist.
    pub fn of(edges: &impl Edges) -> Result<Csr, GraphError> {
        Csr::watched(edges, &NoWatch)
    }

    /// The same as [`Csr::of`], for graphs that take a while.
    ///
    /// # Errors
    /// As [`Csr::of`]; interrupted.
    pub fn watched(edges: &impl Edges, watch: &dyn Watch) -> Result<Csr, GraphError> {
        let nodes = GraphError::check_nodes(edges.node_count().into())?;
        let mut starts = Starts::with_capacity(nodes);
        let mut targets = Vec::new();
        for node in 0..nodes {
            if node.is_multiple_of(STEP) {
                watch.step("reading edges", node.into(), nodes.into())?;
            }
            starts.push(targets.len() as u64)?;
            let mut stray = None;
            edges.each(node, |to| {
                if to < nodes {
                    targets.push(to);
                } else {
                    stray = Some(to);
                }
            });
            if let Some(to) = stray {
                let from = node;
                return Err(GraphError::NoSuchNode { from, to, nodes });
            }
        }
        starts.push(targets.len() as u64)?;
        Ok(Csr { starts, targets })
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> u64 {
        self.targets.len() as u64
    }

    /// Where a node leads, in the order that [`Edges::each`] gave; nothing for a node that does not
    /// exist.
    #[inline]
    pub fn successors(&self, node: u32) -> &[u32] {
        if node >= self.node_count() {
            return &[];
        }
        let start = self.starts.get(node) as usize;
        let end = self.starts.get(node + 1) as usize;
        self.targets.get(start..end).unwrap_or_default()
    }

    /// The same edges the other way round: where each node is led to from, ascending.
    ///
    /// # Errors
    /// Too many edges to 65536 nodes in a row.
    pub fn reversed(&self) -> Result<Csr, GraphError> {
        let nodes = self.node_count();
        let mut counts = vec![0u32; nodes as usize];
        for to in &self.targets {
            let count = &mut counts[*to as usize];
            *count = count.checked_add(1).ok_or(GraphError::TooManyEdges {
                node: *to,
                edges: u32::MAX.into(),
            })?;
        }
        // Each node's row is filled from its end, so that its start is right when it is full.
        let mut starts = Starts::with_capacity(nodes);
        let mut end = 0u64;
        for count in &counts {
            starts.push(end)?;
            end += u64::from(*count);
        }
        starts.push(end)?;
        let mut targets = vec![0u32; self.targets.len()];
        for from in (0..nodes).rev() {
            for to in self.successors(from) {
                let left = &mut counts[*to as usize];
                *left -= 1;
                targets[(starts.get(*to) + u64::from(*left)) as usize] = from;
            }
        }
        Ok(Csr { starts, targets })
    }

    /// Where each node of a graph is led to from, ascending, without keeping where nodes lead: what
    /// [`Csr::reversed`] gives. Reads the edges of each node twice.
    ///
    /// # Errors
    /// As [`Csr::of`]; interrupted.
    pub fn reverse_of(edges: &impl Edges, watch: &dyn Watch) -> Result<Csr, GraphError> {
        let nodes = GraphError::check_nodes(edges.node_count().into())?;
        let mut left = vec![0u32; nodes as usize];
        for from in 0..nodes {
            if from.is_multiple_of(STEP) {
                watch.step("counting edges", from.into(), nodes.into())?;
            }
            let mut wrong = None;
            edges.each(from, |to| match left.get_mut(to as usize) {
                Some(count) => match count.checked_add(1) {
                    Some(more) => *count = more,
                    None => {
                        wrong = Some(GraphError::TooManyEdges {
                            node: to,
                            edges: u32::MAX.into(),
                        });
                    }
                },
                None => wrong = Some(GraphError::NoSuchNode { from, to, nodes }),
            });
            if let Some(wrong) = wrong {
                return Err(wrong);
            }
        }
        let mut starts = Starts::with_capacity(nodes);
        let mut end = 0u64;
        for count in &left {
            starts.push(end)?;
            end += u64::from(*count);
        }
        starts.push(end)?;
        let mut targets = vec![0u32; end as usize];
        // Each row is filled from its end, so that it is in order when it is full.
        for from in (0..nodes).rev() {
            if from.is_multiple_of(STEP) {
                watch.step("turning edges round", (nodes - from).into(), nodes.into())?;
            }
            edges.each(from, |to| {
                // What was not there the first time has no room.
                let Some(left) = left.get_mut(to as usize) else {
                    return;
                };
                if let Some(less) = left.checked_sub(1) {
                    *left = less;
                    targets[(starts.get(to) + u64::from(less)) as usize] = from;
                }
            });
        }
        Ok(Csr { starts, targets })
    }
}

impl Edges for Csr {
    fn node_count(&self) -> u32 {
        self.starts.len() - 1
    }

    #[inline]
    fn each(&self, node: u32, visit: impl FnMut(u32)) {
        self.successors(node).iter().copied().for_each(visit);
    }
}

/// Where rows start: 32 bits each, from a base that 65536 of them share. There may be 2^32 edges and
/// more, but not in so few rows.
#[derive(Debug, Clone)]
struct Starts {
    low: Vec<u32>,
    bases: Vec<u64>,
}

impl Starts {
    fn with_capacity(nodes: u32) -> Starts {
        Starts {
            low: Vec::with_capacity(nodes as usize + 1),
            bases: Vec::new(),
        }
    }

    fn len(&self) -> u32 {
        self.low.len() as u32
    }

    fn push(&mut self, start: u64) -> Result<(), GraphError> {
        let node = self.len();
        if node.is_multiple_of(1 << BLOCK_SHIFT) {
            self.bases.push(start);
        }
        let block = node >> BLOCK_SHIFT;
        let edges = start - self.bases[block as usize];
        let low = u32::try_from(edges).map_err(|_| GraphError::TooManyEdges {
            node: block << BLOCK_SHIFT,
            edges,
        })?;
        self.low.push(low);
        Ok(())
    }

    #[inline]
    fn get(&self, node: u32) -> u64 {
        self.bases[(node >> BLOCK_SHIFT) as usize] + u64::from(self.low[node as usize])
    }
}
