//! Memory that is kept in pieces, with holes between them.

use crate::{Addr, Fault, FaultKind};

/// Memory that lends its bytes: pieces of a file or a buffer, with holes between them.
pub trait Sparse {
    /// The longest run of bytes from `at` on that is held in one piece; it is not empty.
    ///
    /// # Errors
    /// The [`Hole`] that `at` lies in.
    fn run(&self, at: Addr) -> Result<&[u8], Hole>;
}

/// Bytes that are not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Why the first of them is not.
    pub kind: FaultKind,
    /// How many bytes from the address asked for are not held for sure; at least one.
    pub len: u64,
}

impl<S: Sparse + ?Sized> Sparse for &S {
    fn run(&self, at: Addr) -> Result<&[u8], Hole> {
        (**self).run(at)
    }
}

/// Fills `buf` run by run; `run` gives bytes from an address on, at least one.
pub(crate) fn read_runs<'r>(
    at: Addr,
    buf: &mut [u8],
    run: impl Fn(Addr) -> Result<&'r [u8], FaultKind>,
) -> Result<(), Fault> {
    let len = buf.len();
    let fault = |kind| Fault::new(at, len, kind);
    let mut rest = buf;
    let mut from = at;
    while !rest.is_empty() {
        let held = run(from).map_err(fault)?;
        // A run that claims to go on behind the end of the address space ends there.
        let room = (u64::MAX - from.get()).saturating_add(1);
        let count = held.len().min(rest.len());
        let count = usize::try_from(room).map_or(count, |room| count.min(room));
        let (now, later) = rest.split_at_mut(count);
        now.copy_from_slice(&held[..count]);
        // An empty run would be an error of the source; it must not hang here.
        if count == 0 {
            return Err(fault(FaultKind::Unmapped));
        }
        rest = later;
        from = match from.get().checked_add(count as u64) {
            Some(next) => Addr::new(next),
            None if rest.is_empty() => break,
            // Nothing is behind the end of the address space.
            None => return Err(fault(FaultKind::Unmapped)),
        };
    }
    Ok(())
}
