//! What is exported, read by those whom it is for: `go tool pprof`, hprof-slurp, hprof-analyzer, memlab,
//! Graphviz, inferno. They are asked for counts, sums, edges and retained sizes, and these must be ours.
//!
//! The heap is that of a real Go program, the dump that README.md asks; and the same with names of types,
//! variables and functions that try to break out of every format.

mod drawn;
mod heapsnapshot;
mod hprof;
mod pprof;
mod support;
