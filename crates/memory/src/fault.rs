//! Why a read failed, and where.

use crate::Addr;

/// A read that failed. A failed read is never zeros: whoever reads gets all bytes, or this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {len} bytes at {at}: {kind}")]
pub struct Fault {
    /// The first address of the read that failed.
    pub at: Addr,
    /// Its length in bytes.
    pub len: u64,
    /// What was in the way.
    pub kind: FaultKind,
}

/// What was in the way of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Nothing is mapped there.
    #[error("nothing is mapped there")]
    Unmapped,
    /// The memory existed, but the core (or recording) was made without it.
    #[error("the core was written without these pages")]
    LeftOut,
    /// The core file ends before the bytes that its program header promises.
    #[error("the core file is cut off before these bytes")]
    CutOff,
    /// The process ended.
    #[error("the process is gone")]
    Gone,
    /// The operating system said no.
    #[error("{}", std::io::Error::from_raw_os_error(*.0))]
    Os(i32),
}

impl Fault {
    /// A fault at `at`, for a read of `len` bytes.
    pub fn new(at: Addr, len: usize, kind: FaultKind) -> Fault {
        Fault {
            at,
            len: len as u64,
            kind,
        }
    }
}
