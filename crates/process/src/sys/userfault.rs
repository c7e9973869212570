//! userfaultfd (include/uapi/linux/userfaultfd.h), as far as tracking writes needs it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{Errno, errno};

/// UFFD_USER_MODE_ONLY: what an unprivileged process needs to say.
pub(crate) const USER_MODE_ONLY: u64 = 1;

/// `UFFD_API`
const API: u64 = 0xaa;

/// `UFFD_FEATURE_WP_ASYNC` (kernel 6.7): a write to a protected page is let through and noted in the
/// page's entry, and nobody is told. It brings `UFFD_FEATURE_WP_UNPOPULATED` along.
const WP_ASYNC: u64 = 1 << 15;

/// `UFFDIO_REGISTER_MODE_WP`
const MODE_WP: u64 = 1 << 1;

/// struct uffdio_api
#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// struct uffdio_range
#[repr(C)]
struct Range {
    start: u64,
    len: u64,
}

/// struct uffdio_register
#[repr(C)]
struct Register {
    range: Range,
    mode: u64,
    ioctls: u64,
}

/// `_IOWR(UFFDIO, _UFFDIO_API, struct uffdio_api)`
const UFFDIO_API: u64 = 0xc018_aa3f;

/// `_IOWR(UFFDIO, _UFFDIO_REGISTER, struct uffdio_register)`
const UFFDIO_REGISTER: u64 = 0xc020_aa00;

/// `_IOR(UFFDIO, _UFFDIO_UNREGISTER, struct uffdio_range)`
const UFFDIO_UNREGISTER: u64 = 0x8010_aa01;

fn ioctl<T>(tracking: &OwnedFd, request: u64, argument: &mut T) -> Result<(), Errno> {
    // SAFETY: the requests above read and write one struct of the kind that their numbers name, which
    // is what each caller here hands over, live and borrowed mutably for the whole call.
    let got = unsafe {
        libc::ioctl(
            tracking.as_raw_fd(),
            request as _,
            std::ptr::from_mut(argument),
        )
    };
    if got == -1 { Err(errno()) } else { Ok(()) }
}

fn range(start: u64, end: u64) -> Range {
    Range {
        start,
        len: end.saturating_sub(start),
    }
}

/// A userfaultfd of this process.
pub(crate) fn userfaultfd() -> Result<OwnedFd, Errno> {
    let flags = (libc::O_CLOEXEC | libc::O_NONBLOCK) as u64 | USER_MODE_ONLY;
    // SAFETY: takes numbers alone.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just made it, and nobody else owns it.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(errno()),
    }
}

/// Says that writes are to be tracked in the asynchronous way. EINVAL: the kernel cannot.
pub(crate) fn track_writes(tracking: &OwnedFd) -> Result<(), Errno> {
    let mut api = Api {
        api: API,
        features: WP_ASYNC,
        ioctls: 0,
    };
    ioctl(tracking, UFFDIO_API, &mut api)
}

/// Registers a range for tracking. EBUSY: somebody else has registered it. It is tracked from when its
/// pages are protected on.
pub(crate) fn register(tracking: &OwnedFd, start: u64, end: u64) -> Result<(), Errno> {
    let mut register = Register {
        range: range(start, end),
        mode: MODE_WP,
        ioctls: 0,
    };
    ioctl(tracking, UFFDIO_REGISTER, &mut register)
}

/// Takes back the registration of a range; mmap_lock is held for writing meanwhile.
pub(crate) fn unregister(tracking: &OwnedFd, start: u64, end: u64) -> Result<(), Errno> {
    ioctl(tracking, UFFDIO_UNREGISTER, &mut range(start, end))
}
