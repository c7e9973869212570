//! PAGEMAP_SCAN (kernel 6.7; Documentation/admin-guide/mm/pagemap.rst): which pages of another process
//! are there, and which of them were written to.

use std::fs::File;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use super::{Errno, errno};

/// What is said of pages (include/uapi/linux/fs.h: `PAGE_IS_*`).
pub(crate) mod page {
    /// Writes to it can be tracked: its mapping is registered for that.
    pub(crate) const TRACKED: u64 = 1;
    /// Written to since it was last write-protected.
    pub(crate) const WRITTEN: u64 = 1 << 1;
    /// Of a file.
    pub(crate) const FILE: u64 = 1 << 2;
    /// In memory.
    pub(crate) const PRESENT: u64 = 1 << 3;
    /// Swapped out.
    pub(crate) const SWAPPED: u64 = 1 << 4;
    /// The page of zeros that all share.
    pub(crate) const ZEROS: u64 = 1 << 5;
}

/// `PM_SCAN_WP_MATCHING`: write-protect what is found, where writes are tracked.
const PROTECT: u64 = 1;

/// struct page_region
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Region {
    /// First address.
    pub(crate) start: u64,
    /// First address behind it.
    pub(crate) end: u64,
    /// What its pages are, as far as that was asked for ([`page`]).
    pub(crate) kinds: u64,
}

/// struct pm_scan_arg
#[repr(C)]
struct Arguments {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `_IOWR('f', 16, struct pm_scan_arg)`
const PAGEMAP_SCAN: u64 = 0xc060_6610;

/// What to look for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Query {
    /// Write-protect what is found, where writes are tracked.
    pub(crate) protect: bool,
    /// What is turned round before it is compared: here, what a page is *not*.
    pub(crate) not: u64,
    /// Pages that are all of this.
    pub(crate) all_of: u64,
    /// Pages that are some of this.
    pub(crate) any_of: u64,
    /// What to tell of them, as it is.
    pub(crate) tell: u64,
    /// How many pages to find at most; 0: any number.
    pub(crate) most: u64,
}

/// Fills `regions` with the pages from `start` to `end` that fit, and tells how many regions there
/// are and how far it came.
pub(crate) fn pagemap_scan(
    pagemap: &File,
    start: u64,
    end: u64,
    query: Query,
    regions: &mut [Region],
) -> Result<(usize, u64), Errno> {
    let mut arguments = Arguments {
        size: size_of::<Arguments>() as u64,
        flags: if query.protect { PROTECT } else { 0 },
        start,
        end,
        walk_end: start,
        vec: regions.as_mut_ptr() as u64,
        vec_len: regions.len() as u64,
        max_pages: query.most,
        category_inverted: query.not,
        category_mask: query.all_of,
        category_anyof_mask: query.any_of,
        return_mask: query.tell,
    };
    loop {
        // SAFETY: the request reads and writes one pm_scan_arg, which is live, and writes at most
        // `vec_len` regions, plain words, to the slice that is borrowed mutably for the whole call.
        let got =
            unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut arguments) };
        match usize::try_from(got) {
            Ok(count) => return Ok((count.min(regions.len()), arguments.walk_end)),
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return Err(errno()),
        }
    }
}
