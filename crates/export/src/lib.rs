//! A heap for the tools of others: each format is a function that writes an analysed dump to a
//! stream. Its place: process → memory → runtime → records → dump file → graph → **answers**, and
//! from there to whoever else reads heaps.
//!
//! # Start here
//! Each format is a module, which says what it is made of and what it cannot say. `text` tames what a
//! dump says.
//!
//! # Invariants
//! - The same dump gives the same bytes.
//! - Nothing is held whole that grows with the heap, beyond what the analysis holds.
//! - What a format cannot say is said in its module's documentation.
//!
//! # Not here
//! Opening sources and naming files: the command, `goheap`.

#![cfg_attr(
    not(test),
    warn(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

pub mod columns;
pub mod dot;
mod error;
pub mod folded;
pub mod heapsnapshot;
pub mod hprof;
mod label;
pub mod pprof;
pub mod select;
pub mod stacks;
pub mod text;

pub use error::ExportError;
