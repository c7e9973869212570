//! Graphs: dominators, retained sizes, paths, and what is not reachable. No Go in here.
//!
//! Nodes are dense `u32` numbers from 0. Whoever has a graph implements [`Edges`] for it; nothing
//! here keeps a copy of the edges unless [`Csr`] is asked for.
//!
//! # Start here
//! - [`Dominators::of`]: the dominator tree of what is reachable from a root. Its nodes lie in
//!   preorder of that tree, so a subtree is a range, and children are found without an index.
//! - [`Retained`], [`retained`] and [`retained_by_class`]: sizes of subtrees.
//! - [`Paths::of`]: shortest paths from the root to all nodes; [`shortest_paths`] to one, by several
//!   ways.
//! - [`heads`]: of the nodes that are not reachable, those that lead to all others of them; [`Part`]
//!   makes these a graph of their own.
//!
//! # How
//! Semi-NCA (Georgiadis, Tarjan, Werneck: *Finding Dominators in Practice*, 2006) on flat arrays:
//! 1. `preorder.rs`: a depth-first walk over [`Edges`], which reads the edges of each reachable node
//!    once and never again. Its stack holds nodes alone, no iterators. An edge to a node with a
//!    higher number contributes its source to the semidominator of its target as it is, so only the
//!    first source is kept. Edges to lower numbers are kept in `back.rs`, six bytes each.
//! 2. `semi.rs`: semidominators, from the last node to the first, with path halving instead of
//!    recursive compression; then dominators, from the first to the last, by climbing. Long climbs
//!    would be quadratic (a list of millions that ends in millions of shared objects), so after a
//!    while jump pointers are made, and each further climb takes a logarithm of its length.
//! 3. `dominators.rs`: the tree's nodes in preorder.
//!
//! # Memory
//! Of `n` reachable nodes, `N` nodes in all, `m` edges and `b` of them to lower numbers (at most
//! `m - n + 1`, for each node but the root was first found by another edge). Bytes:
//!
//! | phase | at once |
//! |---|---|
//! | walk | 4.125 N + 12 n + 6 b + 4 for each node on the stack (with `b` at most `m` of them) |
//! | semidominators | 20 n + 6 b, and half a byte for each of `b` |
//! | dominators | 12 n; 20 n with jump pointers |
//! | preorder | 20 n, or 12 n + 4 N |
//! | the result | 12 n + 4 N |
//!
//! So never more than 20 N + 6.5 m. [`Csr`] takes 4 N + 4 m beside that while it lives, [`retained`]
//! 8 N, [`Retained`] 4 N, [`Paths`] 12 N. `examples/graph_bench.rs` measures it, `tests/graph_memory.rs` holds it.
//!
//! # Determinism
//! Dominators do not depend on the order of edges. All else is ordered by number.

mod back;
mod bits;
mod csr;
mod dominators;
mod error;
mod heads;
mod part;
mod paths;
mod preorder;
mod retained;
mod semi;
#[cfg(test)]
mod tests;

pub use csr::{Csr, Edges};
pub use dominators::{Children, Dominators};
pub use error::{GraphError, MAX_NODES};
pub use heads::heads;
pub use part::Part;
pub use paths::{Paths, predecessors, shortest_paths};
pub use retained::{Retained, retained, retained_by_class};
