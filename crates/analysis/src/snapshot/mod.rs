//! An analysed snapshot: a dump, and behind it, as sections of its annex, what its analysis found out.
//!
//! What takes long is in it: the tree of dominators, and what each object is. What is made of the records
//! in one pass (the index, roots, nodes) is not, and retained sizes are one sweep over the tree. So whoever
//! reads dumps reads a snapshot, and [`Analysis::of`](crate::Analysis::of) of one gives what it gives of the
//! dump, in a part of the time. The bytes are described in `docs/annex.md`.
//!
//! A snapshot tells what it was made of: the [`VERSION`] of the analysis, and the length and the checksum of
//! all that stands before it. Where these do not fit, or a piece says what cannot be, it is not used.

mod read;
mod write;

use goheap_format::annex::{Analysis as Told, AnnexError, Checksum};

use crate::dump::Dump;
use crate::graph::Dominators;
use crate::nodes::Nodes;
use crate::types::Types;
use crate::{Interrupted, Watch};

pub use write::{SnapshotError, Written, write};

/// The version of the analysis. Another one may find out something else of the same dump: it is to be raised
/// whenever the numbering of objects and nodes, the edges, the tree or the inference of types change what
/// comes out. `tests/analysis_version.rs` fails where their sources have changed and nobody has thought of
/// it.
pub const VERSION: u64 = 1;

/// Bytes between two looks at whether somebody wants the work to end.
const STEP: usize = 8 << 20;

/// Why what a snapshot says of its analysis is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Another analysis.
    #[error("it is of version {0} of the analysis, and this goheap has version {VERSION}")]
    Version(u64),
    /// It is not where it was.
    #[error("it is of the first {until} bytes, and stands behind {at}")]
    Place {
        /// It is of so many bytes.
        until: u64,
        /// It stands behind so many.
        at: u64,
    },
    /// The bytes before it are not those that it was made of.
    #[error(
        "the checksum of what is before it is {found:#010x}, and it is of what had {expected:#010x}"
    )]
    Checksum {
        /// Of what is there.
        found: u64,
        /// Of what it was made of.
        expected: u64,
    },
    /// It is of another heap.
    #[error("it is of {expected} {what}, and there are {found}")]
    Count {
        /// Objects or nodes.
        what: &'static str,
        /// In the dump.
        found: u64,
        /// As it says.
        expected: u64,
    },
    /// The annex cannot be read.
    #[error(transparent)]
    Annex(#[from] AnnexError),
    /// Something in it cannot be.
    #[error("{0}")]
    Wrong(&'static str),
}

/// Whether what is said of an analysis holds for the bytes that it is of, as far as can be told without the
/// heap: `before` gives them in pieces. For commands that tell what a file is.
///
/// # Errors
/// Why it is not used; of the pieces.
pub fn fits<E>(
    told: &Told,
    before: impl IntoIterator<Item = Result<impl AsRef<[u8]>, E>>,
) -> Result<Result<(), Unfit>, E> {
    if told.version != VERSION {
        return Ok(Err(Unfit::Version(told.version)));
    }
    let mut checksum = Checksum::new();
    for piece in before {
        checksum.update(piece?.as_ref());
    }
    Ok(compared(told, &checksum))
}

fn compared(told: &Told, checksum: &Checksum) -> Result<(), Unfit> {
    let (found, expected) = (u64::from(checksum.sum()), told.checksum);
    match found == expected {
        true => Ok(()),
        false => Err(Unfit::Checksum { found, expected }),
    }
}

/// What a dump's analysis has found out already. If that does not fit, the dump is told.
///
/// # Errors
/// Interrupted.
pub(crate) fn found(
    dump: &mut Dump,
    nodes: &Nodes,
    watch: &dyn Watch,
) -> Result<Option<(Dominators, Types)>, Interrupted> {
    match read::read(dump, nodes, watch) {
        Ok(found) => Ok(found),
        Err(read::Failed::Interrupted(interrupted)) => Err(interrupted),
        Err(read::Failed::Unfit(why)) => {
            dump.forget_analysis(format!(
                "what its analysis found out is not used, and was found out anew: {why}"
            ));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
