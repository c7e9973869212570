//! What a Go executable says of itself: ELF headers, build information, symbols, the layouts of the
//! runtime's types (DWARF) and the function table (pclntab).
//!
//! Its place: process → memory → runtime → records → dump file → graph → answers. It stands
//! beside that line: `golang` and `runtime` ask it where a global lies, how a struct is laid out and
//! which function a program counter belongs to.
//!
//! # Start here
//! [`Executable::parse`] takes the bytes of a file. From there: [`Executable::symbol`],
//! [`Executable::build_info`], [`Executable::dwarf`] and [`Dwarf::type_layout`]. The function table
//! is [`pclntab::FuncTable`], over bytes of the file or of a live process alike.
//!
//! # Invariants
//! - An address here is a [`FileAddr`], a program counter is a [`pclntab::TextOffset`]. Neither
//!   becomes a live address in this crate: it knows no load bias.
//! - Every file is hostile: each offset and length is checked, each loop is bounded by the file's
//!   size, and nothing is allocated for a length that the file only claims.
//! - Nothing is copied out of the file that can be looked at in place.
//! - [`layout`] knows no DWARF.
//!
//! # Not here
//! - Cores, mappings and the load bias: `goheap-memory`.
//! - What the runtime's structs mean, and how versions differ: `goheap-golang`.
//! - Type descriptors (`abi.Type`) in a program's memory: `goheap-golang`.
//! - Unwinding: `goheap-runtime`, with the tables that [`pclntab`] gives.
//!
//! # Example
//! ```
//! use goheap_image::{Executable, ImageError};
//!
//! /// Where the runtime keeps its list of goroutines, in the file's addresses.
//! fn allgs(file: Vec<u8>) -> Result<Option<goheap_image::FileAddr>, ImageError> {
//!     let exe = Executable::parse(file)?;
//!     Ok(exe.symbol("runtime.allgs").map(|symbol| symbol.addr))
//! }
//!
//! let error = allgs(b"#!/bin/sh\n".to_vec()).unwrap_err();
//! assert!(error.to_string().starts_with("not an ELF file"));
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
mod build_info;
mod bytes;
mod dwarf;
mod error;
mod executable;
mod go_file;
pub mod layout;
mod module_data;
pub mod pclntab;
mod symbols;

pub use addr::FileAddr;
pub use build_info::BuildInfo;
pub use dwarf::{
    DebugCapture, DebugForm, DebugInfo, DebugLocal, DebugMember, DebugType, DebugVariable, Dwarf,
};
pub use error::ImageError;
pub use executable::{Executable, Segment};
pub use go_file::GoFile;
pub use module_data::{FileWords, ModuleData, ModuleError};
pub use symbols::Symbol;
