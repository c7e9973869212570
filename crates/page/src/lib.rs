//! Answers about a heap as pages to look at. Its place: process → memory → runtime → records →
//! dump file → graph → **answers**, in front of people.
//!
//! # Invariants
//! - Whatever a dump says is text: it is escaped where it is put into a page, by the type that
//!   pages are made of.
//! - The same answers give the same bytes.
//! - A page asks no other host for anything.
//!
//! # Not here
//! Serving them, writing them to files: the command, `goheap`.
