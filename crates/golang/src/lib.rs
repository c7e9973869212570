//! What Go values look like in bytes, per version: struct layouts, features, type descriptors and
//! decoders, over any [`Memory`](goheap_memory::Memory), in any byte order and word size.
//!
//! Its place: process → memory → **runtime** (what the walk needs to know) → records → dump file →
//! graph → answers.
//!
//! # Start here
//! [`GoVersion`] parses what a program says about its toolchain, and [`Features::of`] it is how that
//! version behaves. [`Layouts`] answers how a type is laid out ([`ElfProgram`] from an executable's
//! DWARF); [`Structs`] is the convenient form of it. With these, [`Types`] reads type descriptors and
//! [`MapLayouts`] walks maps.
//!
//! # Invariants
//! - A version is compared in `features.rs` alone. Everything else matches on a feature.
//! - A layout is data. An absent field is `None`, never offset 0.
//! - Descriptors and maps are hostile: lengths and chains have limits, and what cannot be is an error
//!   with its address.
//!
//! # Not here
//! - Reading a process (`goheap-process`), cores (`goheap-memory`), DWARF (`goheap-image`).
//! - The walk over heap, stacks and globals: `goheap-runtime`.
//! - Decoders of channels, closures, interfaces and strings: nothing asks for them yet.
//!
//! # Example
//! ```
//! use goheap_golang::{Features, GoVersion, HeapBits, Layouts, Structs};
//! use goheap_image::layout::{Member, Shape, TypeLayout};
//! use goheap_memory::{Addr, Machine, Recorded, Target};
//!
//! /// Layouts of one struct, by hand; `ElfProgram` has all of an executable's.
//! struct Table;
//!
//! impl Layouts for Table {
//!     fn type_layout(&self, name: &str) -> Option<TypeLayout> {
//!         let member = |name: &str, offset, type_name: &str| Member {
//!             name: name.to_owned(),
//!             offset,
//!             type_name: type_name.to_owned(),
//!         };
//!         let (size, shape) = match name {
//!             "uint64" => (8, Shape::Scalar),
//!             "uint32" => (4, Shape::Scalar),
//!             "runtime.g" => {
//!                 let members = vec![member("goid", 0, "uint64"), member("gopc", 8, "uint32")];
//!                 (16, Shape::Struct { members })
//!             }
//!             _ => return None,
//!         };
//!         Some(TypeLayout { size, shape })
//!     }
//! }
//!
//! // What a program says of itself becomes behaviour to match on,
//! let version: GoVersion = "go1.21.13".parse()?;
//! assert_eq!(Features::of(&version)?.heap_bits, HeapBits::ArenaBitmap);
//!
//! // and the layouts of its structs tell which of its bytes are what.
//! let mut target = Recorded::new(Machine::Amd64);
//! let g = Addr::new(0xc000_0061c0);
//! target.put(g, &[17, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x11, 0x45, 0]);
//! let gopc = Structs::new(&Table).place("runtime.g", "gopc")?;
//! let model = target.machine().data_model();
//! let pc = model.read_uint(&target, g.offset(gopc.offset), gopc.size as usize)?;
//! assert_eq!(pc, 0x45_1140);
//! # Ok::<(), Box<dyn std::error::Error>>(())
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

mod arch;
mod build_version;
pub mod catalogue;
mod features;
pub mod globals;
mod layout;
mod map;
mod needed;
mod program;
mod program_image;
mod tables;
mod types;
mod version;

pub use arch::Arch;
pub use build_version::build_version;
pub use features::{
    DirectIface, Features, HeapBits, IsFree, LargeMasks, LimitHeadroom, Maps, MutexKey,
    SpecialKinds, TaggedPointers,
};
pub use layout::{Elements, LayoutError, Layouts, Place, Structs};
pub use map::{MapEntry, MapError, MapGeometry, MapLayouts, SlotPlaces};
pub use needed::needed;
pub use program::{ElfProgram, Program, ProgramError, load_bias};
pub use program_image::ProgramImage;
pub use tables::{LayoutTable, TableError};
pub use types::{
    ChanDir, Field, GcMask, Kind, Method, Signature, Type, TypeError, TypeInfo, TypeLayouts,
    TypeModule, Types,
};
pub use version::{GoVersion, VersionError};
