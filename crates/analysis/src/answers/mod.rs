//! The answers: a function for each question, plain structs as results.

#[cfg(test)]
mod by_hand;
pub mod check;
pub mod diff;
pub mod goroutines;
pub mod held;
pub mod labels;
pub mod leaked;
pub mod ledger;
pub mod listing;
mod names;
pub mod object;
pub mod search;
mod siblings;
pub mod suspects;
pub mod top;
pub mod tree;
pub mod unknown;
pub mod waste;
pub mod what;
pub mod why;

use crate::nodes::NodeId;
use crate::types::ClassId;

/// What a line of an answer is about, to ask further for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// All objects of a class.
    Class(ClassId),
    /// A node of the graph: an object, a variable, a goroutine, a group of them, a package.
    Node(NodeId),
}
