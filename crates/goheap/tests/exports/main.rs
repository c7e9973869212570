//! What is exported, read by those whom it is for: `go tool pprof`, hprof-slurp, hprof-analyzer, memlab,
//! Graphviz, inferno. They are asked for counts, sums, edges and retained sizes, and these must be ours.
//! Parquet has tests of its own, `tests/parquet`.
//!
//! The heaps are those of real Go programs: the dump that README.md asks; the same with names of types,
//! variables and functions that try to break out of every format; and, exported by the command, the program
//! `truth` of each Go release, and `everything` as its own runtime dumped it.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod drawn;
mod heaps;
mod heapsnapshot;
mod hprof;
mod labels;
mod pprof;
mod releases;
