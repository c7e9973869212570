//! Bytes at addresses of a stopped program: the [`Memory`] and [`Target`] traits, and the sources
//! that need no kernel: ELF cores, spliced and recorded targets.
//!
//! Its place: **process → memory** → runtime → records → dump file → graph → answers.

mod addr;
mod cache;
mod core;
mod fault;
mod loaded;
mod memory;
mod recorded;
mod spliced;
mod target;
mod word;

pub use self::core::{Core, CoreError, CutOff, ProcessInfo};
pub use addr::Addr;
pub use cache::PageCache;
pub use fault::{Fault, FaultKind};
pub use loaded::{BuildIds, ElfNote, NotesError, loaded_notes};
pub use memory::{Memory, Part};
pub use recorded::{Recorded, RecordedError, Recorder};
pub use spliced::{Layer, Spliced};
pub use target::{Machine, Mapping, Registers, Target, Thread, UnknownMachine};
pub use word::{ByteOrder, DataModel};
