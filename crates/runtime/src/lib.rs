//! The walk over a stopped Go program: finds the runtime's own structures in its memory and emits
//! records in the order of Go's own dumper.
//!
//! Its place: process → memory → **runtime → records** → dump file → graph → answers.
//!
//! # Start here
//! [`World::open`] finds the runtime in a target; [`dump`] walks all of it and hands the records to a
//! [`Sink`] (a closure is one). The [`Summary`] that comes back has counts, and the [`Gaps`]: what
//! could not be seen. Of a process that is about to be stopped, the world is opened while it runs, and
//! [`World::stopped`] makes it that of the stop; whether that came at a good moment, [`MomentCheck`]
//! tells from few words.
//!
//! # Invariants
//! - Nothing here compares versions: what differs is a feature or a layout.
//! - Whatever the memory says is checked before it is believed: lengths have limits, links are
//!   counted, and what cannot be is an error or a gap with its address.
//! - Contents are handed on as they are read: no more than a batch of spans is held at once.
//!
//! # Not here
//! - Stopping and reading a process: `goheap-process`; cores: `goheap-memory`.
//! - Layouts, versions, type descriptors: `goheap-golang`. The function table: `goheap-image`.
//! - The bytes of the file: `goheap-format`.
//!
//! # Example
//! ```
//! use goheap_format::Record;
//! use goheap_golang::Program;
//! use goheap_memory::Target;
//! use goheap_runtime::{Fidelity, WalkError, World, dump};
//!
//! /// Counts the objects of a stopped program, and their bytes.
//! fn objects(target: &dyn Target, program: &impl Program) -> Result<(u64, u64), WalkError> {
//!     let world = World::open(target, program)?;
//!     let (mut count, mut bytes) = (0, 0);
//!     dump(&world, Fidelity::Mended, &mut |record: &Record<'_>| {
//!         if let Record::Object(object) = record {
//!             count += 1;
//!             bytes += object.contents.len() as u64;
//!         }
//!         Ok(())
//!     })?;
//!     Ok((count, bytes))
//! }
//!
//! // A program by hand: `goheap_golang::ElfProgram` is one by its executable.
//! # use goheap_golang::Layouts;
//! # use goheap_image::layout::TypeLayout;
//! # use goheap_memory::{Addr, Machine, Recorded};
//! struct ByHand;
//!
//! impl Program for ByHand {
//!     fn address(&self, name: &str) -> Option<Addr> {
//!         (name == "runtime.buildVersion").then_some(Addr::new(0x1000))
//!     }
//! }
//! # impl Layouts for ByHand {
//! #     fn type_layout(&self, _name: &str) -> Option<TypeLayout> {
//! #         None
//! #     }
//! # }
//!
//! let mut target = Recorded::new(Machine::Amd64);
//! // The string "go1.99": a pointer and a length, and the bytes at 0x1010.
//! target.put(Addr::new(0x1000), &[0x10, 0x10, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
//! target.put(Addr::new(0x1010), b"go1.99");
//! let error = objects(&target, &ByHand).unwrap_err();
//! assert!(error.to_string().starts_with("go1.99 is not a Go version that goheap knows"));
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

mod arena;
mod bits;
mod borne_out;
mod chain;
mod checks;
mod cleanup;
mod dump;
mod error;
mod frame_walk;
mod gap;
mod globals;
mod goroutines;
mod layout_check;
mod mask;
mod memstats;
mod module;
mod moment;
mod objects;
mod pieces;
mod profile;
mod quiet;
mod reflect_call;
mod roots;
mod sink;
mod sites;
mod span;
mod special;
mod stack;
mod stack_frame;
mod stack_liveness;
mod stack_map;
mod stack_objects;
mod stack_scan;
mod sweep;
mod typecache;
mod types;
mod unwind;
mod vitals;
mod wait_reason;
mod word_bits;
mod world;

pub use dump::{Fidelity, Summary, dump};
pub use error::WalkError;
pub use gap::{Gap, Gaps};
pub use goroutines::{GoroutineState, GoroutineSummary, Rule};
pub use memstats::read_mem_stats;
pub use module::{FoundFunc, Module};
pub use moment::{Hazard, Moment, MomentCheck, Reason};
pub use objects::ObjectSummary;
pub use profile::write_mem_profile;
pub use quiet::QuietCheck;
pub use sink::{Contents, Large, LargeKind, Sink};
pub use sites::patient_sites;
pub use vitals::{VitalSigns, Vitals};
pub use world::{World, limit};
