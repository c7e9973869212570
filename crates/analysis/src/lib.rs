//! What a heap dump answers: what fills the heap, and who holds it.
//!
//! Its place: process → memory → runtime → records → dump file → **graph → answers**. Whatever was
//! captured is a dump by the time it comes here; a live process is dumped to an unlinked file first.
//!
//! # Start here
//! [`Dump::open`] indexes a dump's bytes; [`Analysis::of`] gives its objects types
//! ([`types`]) and holders ([`graph`]). [`answers`] has a function for each question, which returns
//! plain structs; [`paths`] says by what chain of variables, fields, keys and indexes an object is
//! held. [`redact`] writes a dump again without its users' data, [`snapshot`] with what its analysis found
//! out.
//!
//! # Invariants
//! - The same dump gives the same answers, byte for byte: ties are broken by address.
//! - What is not known is told as not known: an object without a type has its size and where its
//!   pointers are, and a type tells how it is known.
//! - A dump is hostile: no recursion over what it says, every loop and allocation is bounded by the
//!   size of the file.
//!
//! # Not here
//! - Opening files, decompression, stopping processes: whoever calls gives bytes.
//! - Text, JSON, colours: the command, `goheap`.
//!
//! # Example
//! ```
//! use goheap_analysis::{Dump, NoWatch, OpenOptions};
//! use goheap_format::{Fields, Object, Record, Writer};
//!
//! let mut writer = Writer::new(Vec::new());
//! writer.write(&Record::Object(Object {
//!     address: 0xc000012340,
//!     contents: &[0; 16],
//!     fields: Fields::NONE,
//! }))?;
//! writer.write(&Record::Eof)?;
//! let dump = Dump::open(Box::new(writer.finish()?), &OpenOptions::default(), &NoWatch)?;
//! let (object, offset) = dump.find(0xc000012348).expect("it is in the middle of the object");
//! assert_eq!((dump.address(object), dump.size(object), offset), (0xc000012340, 16, 8));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(
    not(test),
    warn(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

mod analysis;
pub mod answers;
mod dump;
pub mod graph;
#[cfg(test)]
mod made;
mod nodes;
pub mod paths;
pub mod redact;
pub mod snapshot;
pub mod types;
mod values;
mod watch;

pub use analysis::{Analysis, AnalysisError};
pub use dump::{
    Bytes, Dump, Frame, FromAnnex, Goroutine, ModuleNote, Notes, ObjectId, OpenError, OpenOptions,
    Params, RegisterNote, Root, RootKind, RootPointer, Text, catalogue_of_annex, put_catalogue,
};
pub use nodes::{DumpEdges, Group, NodeId, NodeKind, Nodes, Package, package_of};
pub use watch::{Interrupted, NoWatch, Watch};
