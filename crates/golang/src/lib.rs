//! What Go values look like in bytes, per version: struct layouts, features, type descriptors and
//! decoders, over any [`Memory`](goheap_memory::Memory), in any byte order and word size.
//!
//! Its place: process → memory → **runtime** (what the walk needs to know) → records → dump file →
//! graph → answers.
//!
//! # Start here
//! [`GoVersion`] parses what a program says about its toolchain and turns it into [`Features`];
//! [`Layouts`] answers where a field is; [`Structs`] is the convenient form of it. With these,
//! [`Types`] reads type descriptors and [`MapLayouts`] walks maps.
//!
//! # Invariants
//! - A version is compared in `features.rs` alone. Everything else matches on a feature.
//! - A layout is data. An absent field is `None`, never offset 0.
//!
//! # Not here
//! Reading a process (`goheap-process`), cores (`goheap-memory`), DWARF (`goheap-image`), and the
//! walk itself (`goheap-runtime`).
//!
//! # Example
//! ```
//! use goheap_golang::{Features, GoVersion, HeapBits};
//!
//! let version: GoVersion = "go1.21.13".parse()?;
//! assert_eq!(Features::of(&version)?.heap_bits, HeapBits::ArenaBitmap);
//! # Ok::<(), goheap_golang::VersionError>(())
//! ```

mod arch;
mod features;
mod layout;
mod map;
mod program;
mod types;
mod version;

pub use arch::arena_base_offset;
pub use features::{
    DirectIface, Features, HeapBits, IsFree, LargeMasks, LimitHeadroom, Maps, SpecialKinds,
};
pub use layout::{Elements, LayoutError, Layouts, Place, Structs};
pub use map::{MapEntry, MapError, MapGeometry, MapLayouts, SlotPlaces};
pub use program::{ElfProgram, Program, ProgramError, load_bias};
pub use types::{
    Field, GcMask, Kind, Signature, Type, TypeError, TypeInfo, TypeLayouts, TypeModule, Types,
};
pub use version::{GoVersion, VersionError};
