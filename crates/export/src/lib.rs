//! A heap for the tools of others: each format is a function that writes an analysed dump to a
//! stream. Its place: process → memory → runtime → records → dump file → graph → **answers**, and
//! from there to whoever else reads heaps.
//!
//! # Invariants
//! - The same dump gives the same bytes.
//! - Nothing is held whole that grows with the heap, beyond what the analysis holds.
//! - What a format cannot say is said in its module's documentation.
//!
//! # Not here
//! Opening sources and naming files: the command, `goheap`.
