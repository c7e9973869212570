//! Why an export came to nothing.

use std::io;

use goheap_analysis::{AnalysisError, Interrupted};

/// Why an export came to nothing. What was written until then is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// What it needs cannot be worked out.
    #[error(transparent)]
    Analysis(AnalysisError),
    /// An object lies where its id in the file has no room.
    #[error("an object lies at {address:#x}: addresses from 2^60 on cannot be told in this format")]
    Address {
        /// Where it lies.
        address: u64,
    },
    /// It cannot be written there.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl From<AnalysisError> for ExportError {
    fn from(error: AnalysisError) -> ExportError {
        match error {
            AnalysisError::Interrupted(interrupted) => ExportError::Interrupted(interrupted),
            error => ExportError::Analysis(error),
        }
    }
}
