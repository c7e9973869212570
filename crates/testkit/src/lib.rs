//! What the tests of goheap prove it against: real Go programs, built by every Go version that is
//! claimed, held still so that the runtime's own writer and goheap see one instant; and a second
//! reader of the dump format that shares no code with the first.
//!
//! It stands beside `process -> memory -> runtime -> records -> dump file -> graph -> answers`, and
//! uses none of it: what judges the house must not be built from its bricks.
//!
//! # Start here
//! - [`toolchains`]: which Go versions there are, and where they are; fetches them when first needed.
//! - [`program`]: builds the Go programs under `programs/`.
//! - [`altered`]: executables as others alter them after the linker.
//! - [`variant`]: the ways in which the twins' program is built and run.
//! - [`stripped`]: a program without symbols and its twin that has them.
//! - [`quiescent`]: a program that stands still inside its own `WriteHeapDump`.
//! - [`entry`]: a program stopped at the entry of `runtime.readmemstats_m`, its collector on.
//! - [`obedient`]: a program that runs on, for measuring.
//! - [`service`]: an HTTP service under a load that checks its answers.
//! - [`pairs`]: dumps and cores of nearly one moment, for other processors too.
//! - [`kills`]: captures of it in which goheap is killed at one system call after the other ([`blow`]),
//!   and the [`traces`] that this leaves.
//! - [`soak`]: many captures of it in a row.
//! - [`others`]: programs of others, to be captured at work: etcd, the Go compiler.
//! - [`shipped`]: programs as others ship them, under a load.
//! - [`second_reader`]: a dump as a list of records, read by a grammar.
//! - [`mod@registers`]: the registers of all threads of a process.
//! - [`reach`]: what is reachable in a dump; [`holders`]: are the lists of the program `holders`
//!   whole and reachable; [`mod@capture`]: goheap's capture, by its binary.
//! - [`standstill`]: goheap's captures of programs that stand still, judged.
//! - [`tools`]: programs of others that read what goheap writes.
//! - [`truth`]: a program that tells what it has built, and who holds it.
//! - [`twin`]: what differs between two dumps, and where.
//!
//! # Invariants
//! - Nothing of ours is used: no other crate of the workspace is a dependency.
//! - A twin's capture sees a program in which no thread has run for a while, and the runtime's dump
//!   that is drained afterwards is whole; where that cannot be had, it is an error, not a difference.
//! - A program that a test started is gone when its handle is dropped.
//!
//! # Not here
//! - goheap itself: the tests run its binary. They are in `crates/goheap/tests`.
//! - Synthetic dumps for the format's reader: `goheap-format` has them.
//! - The commands that people type: `xtask`.
//!
//! # Example
//! ```
//! use goheap_testkit::second_reader;
//!
//! let dump = b"go1.7 heap dump\n\x06\x00\x08\x00\x00\x05amd64\x06go1.24\x02\x00";
//! let read = second_reader::read(dump)?;
//! assert_eq!(read.records.len(), 2);
//! assert_eq!(read.records[0].int("ncpu"), Some(2));
//! # Ok::<(), second_reader::ReadError>(())
//! ```

pub mod altered;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod blow;
pub mod capture;
#[cfg(target_os = "linux")]
pub mod core;
#[cfg(target_os = "linux")]
pub mod entry;
mod error;
mod garbled;
pub mod holders;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod kills;
#[cfg(target_os = "linux")]
pub mod obedient;
pub mod others;
pub mod pairs;
#[cfg(target_os = "linux")]
pub mod procfs;
pub mod program;
#[cfg(target_os = "linux")]
pub mod python;
pub mod quiescent;
pub mod reach;
#[cfg(target_os = "linux")]
pub mod registers;
pub mod second_reader;
#[cfg(target_os = "linux")]
pub mod service;
#[cfg(target_os = "linux")]
pub mod shipped;
#[cfg(target_os = "linux")]
pub mod soak;
#[cfg(target_os = "linux")]
pub mod standstill;
pub mod stripped;
pub mod symbols;
#[cfg(target_os = "linux")]
mod target;
pub mod toolchains;
pub mod tools;
#[cfg(target_os = "linux")]
pub mod traces;
#[cfg(target_os = "linux")]
pub mod truth;
pub mod twin;
pub mod variant;

pub use error::{Error, Result};
pub use program::{BuildOptions, Program, build};
