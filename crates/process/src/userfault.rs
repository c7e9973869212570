//! Write tracking of another process's memory: userfaultfd in its asynchronous write-protect mode
//! (`UFFD_FEATURE_WP_ASYNC`, kernel 6.7), and PAGEMAP_SCAN.

use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use crate::proc;
use crate::sys;

/// UFFD_USER_MODE_ONLY (include/uapi/linux/userfaultfd.h): what an unprivileged process needs to say.
pub(crate) const USER_MODE_ONLY: u64 = 1;

/// How much to take back at once: mmap_lock of the target is held for writing meanwhile, and who
/// waits for that stands still (capture.md measured 143 ms for 4 GB in one go).
const SLICE: u64 = 8 << 20;

/// How long to leave the lock to the target between two slices.
const BETWEEN: Duration = Duration::from_micros(200);

/// Takes back everything that was registered with `tracking` in process `pid`, and tells how long the
/// longest slice took.
pub(crate) fn unregister_all(pid: u32, tracking: &OwnedFd) -> Duration {
    let mut longest = Duration::ZERO;
    let Ok(text) = std::fs::read(proc::path(pid, "maps")) else {
        return longest;
    };
    for mapping in proc::parse_maps(&text) {
        let (mut at, end) = (mapping.start.get(), mapping.end.get());
        while at < end {
            let to = at.saturating_add(SLICE).min(end);
            let begin = Instant::now();
            let done = sys::unregister(tracking, at, to);
            longest = longest.max(begin.elapsed());
            match done {
                Ok(()) => thread::sleep(BETWEEN),
                // Never registered, or of a kind that cannot be.
                Err(libc::EINVAL) => break,
                // It is gone.
                Err(_) => return longest,
            }
            at = to;
        }
    }
    longest
}
