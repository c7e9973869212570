//! Bytes at addresses of a stopped program: the traits that everything reads through, and the
//! sources that need no kernel. Its place: process → **memory** → runtime → records → dump file →
//! graph → answers.
//!
//! # Start here
//! [`Memory`] is one method, [`read`](Memory::read). A [`Target`] is a `Memory` with threads,
//! mappings, auxiliary vector and executable. Sources are [`Core`] (an ELF core file),
//! [`Recorded`] (a small file for tests, made by a [`Recorder`]), and, in `goheap_process`, a live
//! process. [`Spliced`] lays the executable under what a core leaves out, [`PageCache`] makes many
//! small reads cheap, [`loaded_notes`] finds out which build of a program a target runs, and
//! [`mapped_objects`] which ELF files it has loaded.
//!
//! # Invariants
//! - A read gives all bytes or a [`Fault`] with the address; never zeros for what is not there.
//! - An address is an [`Addr`], its arithmetic wraps, and no read panics or hangs on any address,
//!   length or file. What is allocated is bounded by the size of the file.
//! - Numbers are decoded by the source's own byte order: the file's, or the target's [`DataModel`].
//!
//! # Not here
//! Live processes and memory maps of files (`goheap_process`), executables beyond their loaded
//! notes (`goheap_image`), anything about Go.
//!
//! # Example
//! ```
//! use goheap_memory::{Addr, FaultKind, Machine, Memory, PageCache, Recorded, Target};
//!
//! let mut target = Recorded::new(Machine::Amd64);
//! target.put(Addr::new(0x1000), &[0x2a, 0, 0, 0, 0, 0, 0, 0]);
//!
//! let memory = PageCache::new(&target);
//! let word = target.machine().data_model().read_word(&memory, Addr::new(0x1000))?;
//! assert_eq!(word, 42);
//!
//! let fault = memory.read(Addr::new(0x2000), &mut [0; 8]).unwrap_err();
//! assert_eq!(fault.kind, FaultKind::Unmapped);
//! # Ok::<(), goheap_memory::Fault>(())
//! ```

// Purity by lint: no files, no processes, no environment (clippy.toml), and nothing is printed.
#![cfg_attr(
    not(test),
    warn(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

mod addr;
mod cache;
mod core;
mod fault;
mod loaded;
mod machine;
mod memory;
mod objects;
mod recorded;
mod sparse;
mod spliced;
mod target;
mod word;

pub use self::core::{Core, CoreError, CutOff, ProcessInfo};
pub use addr::Addr;
pub use cache::PageCache;
pub use fault::{Fault, FaultKind};
pub use loaded::{BuildIds, ElfNote, NotesError, loaded_notes, notes_of_object};
pub use machine::{Machine, Registers, UnknownMachine};
pub use memory::{Memory, Part};
pub use objects::{MappedObject, is_mapped_at, mapped_objects};
pub use recorded::{Recorded, RecordedError, Recorder};
pub use sparse::{Hole, Sparse};
pub use spliced::{Layer, Spliced};
pub use target::{Mapping, Target, Thread};
pub use word::{ByteOrder, DataModel};
