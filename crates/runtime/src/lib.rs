//! The walk over a stopped Go program: emits records in the order of Go's own dumper.
//!
//! Its place: process → memory → **runtime → records** → dump file → graph → answers.
