//! What the kernel would let this process do, asked in ways that do nothing.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Errno, errno, ptrace};

/// Whether this process may call ptrace at all: a seccomp filter (a container's) may forbid that.
/// Nothing is traced: there is no thread 0, which the kernel says after it has let the call through.
pub(crate) fn may_call_ptrace() -> bool {
    ptrace(libc::PTRACE_SEIZE, 0, 0, 0) == Err(libc::ESRCH)
}

/// Whether this process may call pidfd_getfd at all: Docker's filter lets only containers with
/// CAP_SYS_PTRACE do so. Nothing is taken: descriptor -1 is none, which the kernel says after it has let the
/// call through.
pub(crate) fn may_take_descriptors() -> bool {
    // SAFETY: takes numbers alone.
    let got = unsafe { libc::syscall(libc::SYS_pidfd_getfd, -1, 0, 0) };
    got == -1 && errno() == libc::EBADF
}

/// Bytes that this process may still write to the disk that `path` is on.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| libc::EINVAL)?;
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and the kernel's answer goes to a live place for one.
    if unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) } == -1 {
        return Err(errno());
    }
    // SAFETY: the call that fills it has succeeded.
    let stat = unsafe { stat.assume_init() };
    // Their types differ between C libraries.
    #[allow(clippy::unnecessary_cast)]
    let (blocks, size) = (stat.f_bavail as u64, stat.f_frsize as u64);
    Ok(blocks.saturating_mul(size))
}
