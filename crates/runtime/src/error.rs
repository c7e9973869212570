//! Why a walk ends early.

use goheap_golang::{LayoutError, VersionError};
use goheap_memory::{Addr, Fault};

/// Why a walk ends early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// Memory that the walk needs cannot be read.
    #[error("{what}: {fault}")]
    Fault {
        /// What was being read.
        what: &'static str,
        /// The read that failed.
        #[source]
        fault: Fault,
    },
    /// The runtime's version has a struct that goheap does not know.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A global of the runtime is not in the symbol table.
    #[error("the executable has no symbol {0}")]
    NoSymbol(&'static str),
    /// A variable of a program without symbols is not what it was taken for.
    #[error(
        "{name} should be at {at}, by the executable's code, but {why}; give the file from before \
         strip with --exe PATH"
    )]
    NotBorneOut {
        /// The variable.
        name: &'static str,
        /// Where it should be.
        at: Addr,
        /// What is there.
        why: String,
    },
    /// The program's Go version is not one that is known.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A type descriptor cannot be true.
    #[error(transparent)]
    Type(#[from] goheap_golang::TypeError),
    /// A module's function table is not one that is known.
    #[error("function table of the module at {module}: {source}")]
    Pclntab {
        /// The module's `moduledata`.
        module: Addr,
        /// What was wrong with its table.
        #[source]
        source: goheap_image::pclntab::PclntabError,
    },
    /// A value in memory cannot be what it ought to be: torn, damaged, or not what goheap thinks.
    #[error("{what} at {at} is {found:#x}, expected {expected}")]
    Implausible {
        /// What was looked at.
        what: &'static str,
        /// Where it is.
        at: Addr,
        /// What is there.
        found: u64,
        /// What should be there.
        expected: &'static str,
    },
    /// The layouts are out of a table, and the program's memory contradicts them.
    #[error(
        "the program says that it is of {version} and has no DWARF, but the layouts that goheap \
         knows of go{release} do not fit its memory ({what} at {at}): give the file from before strip \
         with --exe PATH"
    )]
    OtherLayout {
        /// What the program says.
        version: String,
        /// The release whose layouts were tried last.
        release: String,
        /// What does not fit.
        what: String,
        /// Where.
        at: Addr,
    },
    /// Whoever takes the records could not go on.
    #[error("cannot write the dump: {0}")]
    Sink(#[from] std::io::Error),
}

impl WalkError {
    /// Whether the target's memory is to blame, and not the version, the executable or the sink:
    /// then the rest of the walk can do without the part that failed.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            WalkError::Fault { .. }
            | WalkError::Implausible { .. }
            | WalkError::Type(_)
            | WalkError::Pclntab { .. } => true,
            WalkError::Layout(_)
            | WalkError::NoSymbol(_)
            | WalkError::NotBorneOut { .. }
            | WalkError::OtherLayout { .. }
            | WalkError::Version(_)
            | WalkError::Sink(_) => false,
        }
    }
}

/// Names what was being read when memory failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, WalkError>;
}

impl<T> Doing<T> for Result<T, Fault> {
    fn doing(self, what: &'static str) -> Result<T, WalkError> {
        self.map_err(|fault| WalkError::Fault { what, fault })
    }
}
