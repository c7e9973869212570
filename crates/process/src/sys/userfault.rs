//! userfaultfd and PAGEMAP_SCAN (include/uapi/linux/userfaultfd.h, include/uapi/linux/fs.h).

use std::os::fd::{AsRawFd, OwnedFd};

use super::{Errno, errno};

/// struct uffdio_range
#[repr(C)]
struct Range {
    start: u64,
    len: u64,
}

/// `_IOR(UFFDIO, _UFFDIO_UNREGISTER, struct uffdio_range)`
const UFFDIO_UNREGISTER: u64 = 0x8010_aa01;

/// Takes back the registration of a range.
pub(crate) fn unregister(tracking: &OwnedFd, start: u64, end: u64) -> Result<(), Errno> {
    let mut range = Range {
        start,
        len: end - start,
    };
    // SAFETY: the request reads one uffdio_range, which is live.
    let got = unsafe { libc::ioctl(tracking.as_raw_fd(), UFFDIO_UNREGISTER as _, &raw mut range) };
    if got == -1 { Err(errno()) } else { Ok(()) }
}
