//! The walk over a stopped Go program: finds the runtime's own structures in its memory and emits
//! records in the order of Go's own dumper.
//!
//! Its place: process → memory → **runtime → records** → dump file → graph → answers.
//!
//! # Start here
//! [`World::open`] finds the runtime in a target; [`dump`] walks all of it.
//!
//! # Invariants
//! - Nothing here compares versions: what differs is a feature or a layout.
//! - Whatever the memory says is checked before it is believed: lengths have limits, links are
//!   counted, and what cannot be is an error with its address.
//!
//! # Not here
//! Stopping (`goheap-process`), layouts and type descriptors (`goheap-golang`), bytes of the file
//! (`goheap-format`).

mod arena;
mod bits;
mod dump;
mod error;
mod gap;
mod globals;
mod goroutines;
mod mask;
mod memstats;
mod module;
mod objects;
mod pieces;
mod profile;
mod sink;
mod span;
mod special;
mod stack;
mod stack_frame;
mod stack_map;
mod sweep;
mod typecache;
mod types;
mod unwind;
mod wait_reason;
mod word_bits;
mod world;

pub use dump::{Summary, dump};
pub use error::WalkError;
pub use gap::{Gap, Gaps};
pub use goroutines::{GoroutineState, GoroutineSummary};
pub use memstats::read_mem_stats;
pub use module::{FoundFunc, Module};
pub use objects::ObjectSummary;
pub use profile::write_mem_profile;
pub use sink::{Contents, Large, LargeKind, Sink};
pub use world::{World, limit};
