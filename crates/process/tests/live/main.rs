//! Real processes, stopped for real. The targets are this very binary, started again with a role
//! (see `target`), so that nothing needs to be installed.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod cores;
mod refusals;
mod stops;
mod target;
mod tracers;
