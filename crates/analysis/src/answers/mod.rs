//! The answers: a function for each question, plain structs as results.

#[cfg(test)]
mod by_hand;
pub mod check;
pub mod diff;
pub mod goroutines;
pub mod leaked;
pub mod ledger;
mod names;
pub mod top;
pub mod tree;
pub mod unknown;
pub mod waste;
pub mod what;
pub mod why;
