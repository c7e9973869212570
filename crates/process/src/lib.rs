//! Finds, stops, reads and resumes a live Linux process: the first arrow of
//! **process → memory** → runtime → records → dump file → graph → answers.
//!
//! # Start here
//! [`Process::find`] looks at a process through /proc and refuses what cannot be captured.
//! [`Process::snapshot`] takes memory and registers of one instant: the [`Snapshot`] is a
//! [`Target`](goheap_memory::Target) that is read while the process runs on. How long that stops the
//! process depends on the [`Method`]. [`Process::stop`] holds all its threads instead, until the
//! [`Stopped`] is dropped; [`Process::memory`] reads without stopping. [`map_file`] is the one place in
//! the house where a file is mapped, and the one part of this crate that other systems than Linux have.
//!
//! # Invariants
//! - **The target is never harmed.** A small forked process, the supervisor, alone traces it, and lets
//!   go when the time is over or when this process is gone. However both end, the kernel lets the
//!   target's threads run on; no option ties their life to ours; a signal that a thread was about to get
//!   is left where the kernel delivers it even if we are killed. No byte of the target is ever written
//!   here; registers only to make a system call where that is harmless (`supervisor/inject.rs`).
//! - Reading needs no stop, and any thread may read.
//! - One try to stop holds nobody longer than its deadline, and all together no longer than
//!   [`StopOptions::max_pause`].
//! - `unsafe` is here and nowhere else in the house: in `sys` (system calls) and `map` (mmap).
//!
//! # Not here
//! Whether it is a Go program, where anything is in it, and whether a moment is a good one: the
//! callers', from the executable.
//! Core files and recordings: `goheap_memory`.
//!
//! # Example
//! ```
//! # #[cfg(target_os = "linux")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use goheap_memory::{Memory, Target};
//! use goheap_process::{Process, StopOptions};
//!
//! # let mut child = std::process::Command::new("sleep").arg("10").spawn()?;
//! # let pid = child.id();
//! let process = Process::find(pid)?;
//! let stopped = process.stop(&StopOptions::default())?;
//! let mut word = [0; 8];
//! stopped.read(stopped.threads()[0].registers.sp, &mut word)?;
//! let pause = stopped.resume()?;
//! println!("{} stood still for {pause:?}", process.name());
//! # child.kill()?;
//! # child.wait()?;
//! # Ok(())
//! # }
//! # #[cfg(not(target_os = "linux"))]
//! # fn main() {}
//! ```

// Only the command prints.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

mod map;

#[cfg(target_os = "linux")]
pub mod cgroup;
#[cfg(target_os = "linux")]
mod denied;
#[cfg(target_os = "linux")]
pub mod doctor;
#[cfg(target_os = "linux")]
mod error;
#[cfg(target_os = "linux")]
mod find;
#[cfg(target_os = "linux")]
pub mod interrupt;
#[cfg(target_os = "linux")]
mod live;
#[cfg(target_os = "linux")]
mod pages;
#[cfg(target_os = "linux")]
mod proc;
#[cfg(target_os = "linux")]
mod snapshot;
#[cfg(target_os = "linux")]
mod stop;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod userfault;

pub use map::{Mapped, map_file, map_opened, resident_of_files};

#[cfg(target_os = "linux")]
pub use error::{Denied, ProcessError};
#[cfg(target_os = "linux")]
pub use find::{Process, Seccomp};
#[cfg(target_os = "linux")]
pub use live::LiveMemory;
#[cfg(target_os = "linux")]
pub use snapshot::{Method, PassedOver, Prospect, Snapshot, SnapshotOptions, Taken, Watch};
#[cfg(target_os = "linux")]
pub use stop::{StopOptions, Stopped};

/// The machine's monotonic clock, in nanoseconds: what Go's `nanotime` is on Linux. `None` if it
/// cannot be read.
#[cfg(target_os = "linux")]
pub fn monotonic_ns() -> Option<u64> {
    sys::monotonic_ns()
}
