//! The wire format of Go heap dumps ("go1.7 heap dump", and 1.5/1.6): reader and writer.
//!
//! Its place: process → memory → runtime → **records → dump file** → graph → answers.

mod record;

pub use record::*;
