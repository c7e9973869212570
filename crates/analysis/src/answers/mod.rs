//! The answers: a function for each question, plain structs as results.

mod names;
pub mod top;
pub mod tree;
pub mod what;
pub mod why;
