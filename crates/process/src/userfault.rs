//! Write tracking of another process's memory: userfaultfd in its asynchronous write-protect mode
//! (`UFFD_FEATURE_WP_ASYNC`, kernel 6.7), and PAGEMAP_SCAN.
//!
//! What it does to the process: the first write to each page after that was protected takes a fault of
//! the kernel's (about a microsecond); huge pages that are written to are split. A child that it forks
//! has nothing of it (mm/userfaultfd.c, `dup_userfaultfd`; mm/memory.c, `copy_present_ptes`: without
//! `UFFD_FEATURE_EVENT_FORK` neither the registration nor the protection is inherited), nor has what it
//! moves (`mremap_userfaultfd_prep`), and the program that it execs.

use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use crate::pages::Pagemap;
use crate::proc::{self, Area};
use crate::sys::{self, Errno, Query, page};

pub(crate) use sys::USER_MODE_ONLY;

/// How much is protected, or taken back, at once: mmap_lock of the target is held meanwhile, and who
/// waits for that stands still (capture.md measured 143 ms for 4 GB in one go). A multiple of the size
/// of huge pages, which would be split at the ends of slices otherwise.
pub(crate) const SLICE: u64 = 4 << 20;

/// How long to leave the lock to the target between two slices.
const BETWEEN: Duration = Duration::from_micros(200);

/// Whether an area's pages are tracked: what the process alone can change. A file's code is not: whoever
/// changes that is a debugger.
pub(crate) fn is_tracked(area: &Area) -> bool {
    let mapping = &area.mapping;
    let code = area.is_of_file() && mapping.execute && !mapping.write;
    mapping.read && !area.shared && !area.is_of_kernel() && !code
}

/// Takes back everything that was registered with `tracking` in process `pid`, and tells how long the
/// longest slice took.
pub(crate) fn unregister_all(pid: u32, tracking: &OwnedFd) -> Duration {
    let mut longest = Duration::ZERO;
    let maps = std::fs::read(proc::path(pid, "maps"));
    let (Ok(text), Ok(mut pagemap)) = (maps, Pagemap::open(pid)) else {
        return longest;
    };
    for area in proc::parse_areas(&text) {
        let (start, end) = (area.mapping.start.get(), area.mapping.end.get());
        // Its permissions may be others than when it was registered.
        if area.shared || !is_registered(&mut pagemap, start, end) {
            continue;
        }
        let mut take_back = |from: u64, to: u64| {
            let begin = Instant::now();
            let done = sys::unregister(tracking, from, to);
            let took = begin.elapsed();
            longest = longest.max(took);
            if took > BETWEEN / 10 {
                thread::sleep(BETWEEN);
            }
            done
        };
        let mut at = start;
        let sliced = pagemap.slices(start, end, SLICE, &mut |_, _, to| {
            // With what is empty in front of it.
            take_back(at, to)?;
            at = to;
            Ok(())
        });
        let rest = match sliced {
            Ok(()) if at == end => Ok(()),
            Ok(()) => take_back(at, end),
            // Of pages larger than a slice.
            Err(libc::EINVAL) => take_back(start, end),
            Err(errno) => Err(errno),
        };
        if rest == Err(libc::ESRCH) {
            // It is gone.
            break;
        }
    }
    longest
}

/// Whether something from `start` to `end` is registered, by whomever.
fn is_registered(pagemap: &mut Pagemap, start: u64, end: u64) -> bool {
    let query = Query {
        all_of: page::TRACKED,
        ..Query::default()
    };
    matches!(pagemap.first(start, end, query), Ok(Some(_)))
}

/// As [`is_supported`], asked about this process.
pub(crate) fn is_supported_here() -> Result<(), String> {
    match Pagemap::open(std::process::id()) {
        Ok(mut pagemap) => is_supported(&mut pagemap),
        Err(error) => Err(format!("pages cannot be asked about: {error}")),
    }
}

/// Whether this kernel can do it at all; what is in the way, in words, if not.
pub(crate) fn is_supported(pagemap: &mut Pagemap) -> Result<(), String> {
    match pagemap.first(0, 1 << 20, Query::default()) {
        Ok(_) => {}
        Err(libc::ENOTTY | libc::EINVAL) => {
            return Err(
                "the kernel cannot tell what was written to (PAGEMAP_SCAN): it takes 6.7 or later"
                    .to_owned(),
            );
        }
        Err(errno) => return Err(format!("pages cannot be asked about: {}", text(errno))),
    }
    match sys::userfaultfd() {
        Ok(own) => match sys::track_writes(&own) {
            Ok(()) => Ok(()),
            Err(_) => Err(
                "the kernel cannot track writes (userfaultfd's WP_ASYNC): it takes 6.7 or later"
                    .to_owned(),
            ),
        },
        Err(libc::ENOSYS) => Err("the kernel has no userfaultfd (CONFIG_USERFAULTFD)".to_owned()),
        // A filter of this process's: the target may have none.
        Err(_) => Ok(()),
    }
}

pub(crate) fn text(errno: Errno) -> std::io::Error {
    std::io::Error::from_raw_os_error(errno)
}
