//! Which pages of a process are there.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::proc;
use crate::sys::{self, Errno, Query, Region, page};

/// Bytes of a page on amd64.
pub(crate) const PAGE: u64 = 4096;

/// How many regions one call may tell.
const REGIONS: usize = 4096;

/// The end of what a process can have mapped on amd64 with 47 bits (arch/x86/include/asm/page_64.h,
/// `TASK_SIZE_MAX`). The kernel refuses to look beyond.
pub(crate) const TOP: u64 = (1 << 47) - PAGE;

/// Pages that are in memory or swapped out, but for the page of zeros that all share.
pub(crate) const THERE: Query = Query {
    protect: false,
    not: page::ZEROS,
    all_of: page::ZEROS,
    any_of: page::PRESENT | page::SWAPPED,
    tell: 0,
    most: 0,
};

/// /proc/PID/pagemap.
#[derive(Debug)]
pub(crate) struct Pagemap {
    file: File,
    regions: Vec<Region>,
}

impl Pagemap {
    /// Opens that of process `pid`. It stays with the memory that the process has now, whatever it
    /// runs later.
    pub(crate) fn open(pid: u32) -> std::io::Result<Pagemap> {
        Ok(Pagemap {
            file: File::open(proc::path(pid, "pagemap"))?,
            regions: vec![Region::default(); REGIONS],
        })
    }

    /// Adds the pages from `start` to `end` that fit to `found`, ascending.
    ///
    /// # Errors
    /// ENOTTY before kernel 6.7.
    pub(crate) fn scan(
        &mut self,
        start: u64,
        end: u64,
        query: Query,
        found: &mut Vec<Region>,
    ) -> Result<(), Errno> {
        let (mut at, end) = (start, end.min(TOP));
        while at < end {
            let (count, to) = sys::pagemap_scan(&self.file, at, end, query, &mut self.regions)?;
            for &region in self.regions.iter().take(count) {
                match found.last_mut() {
                    Some(last) if last.end == region.start && last.kinds == region.kinds => {
                        last.end = region.end;
                    }
                    _ => found.push(region),
                }
            }
            if to <= at {
                break;
            }
            at = to;
        }
        Ok(())
    }

    /// The first page from `start` to `end` that fits.
    pub(crate) fn first(
        &mut self,
        start: u64,
        end: u64,
        query: Query,
    ) -> Result<Option<u64>, Errno> {
        let query = Query { most: 1, ..query };
        let regions = &mut self.regions[..1];
        let (count, _) = sys::pagemap_scan(&self.file, start, end.min(TOP), query, regions)?;
        Ok((count > 0).then_some(regions[0].start))
    }

    /// Cuts the range from `start` to `end` into slices that begin and end at multiples of `size`, as
    /// far as the range lets them, and calls `each` with those in which any page is there. However
    /// large the range is, this takes time for these alone.
    pub(crate) fn slices(
        &mut self,
        start: u64,
        end: u64,
        size: u64,
        each: &mut dyn FnMut(&mut Pagemap, u64, u64) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut at = start;
        while at < end {
            let Some(there) = self.first(at, end, THERE)? else {
                break;
            };
            let slice = there / size * size;
            let to = (slice + size).min(end);
            each(self, slice.max(at), to)?;
            at = to;
        }
        Ok(())
    }

    /// Adds the pages from `start` to `end` that are in memory or swapped out to `found`; with
    /// `files`, it is told which of them are a file's. On kernels without PAGEMAP_SCAN as well.
    pub(crate) fn there(
        &mut self,
        start: u64,
        end: u64,
        files: bool,
        found: &mut Vec<Region>,
    ) -> Result<(), Errno> {
        // To tell it the kernel must look into each page's own record.
        let query = match files {
            true => Query {
                tell: page::FILE,
                ..THERE
            },
            false => THERE,
        };
        match self.scan(start, end, query, found) {
            Err(libc::ENOTTY | libc::EINVAL) => self.there_by_entries(start, end, found),
            other => other,
        }
    }

    /// The same from the entries of pagemap (Documentation/admin-guide/mm/pagemap.rst): bit 63 present,
    /// 62 swapped, 61 of a file or shared.
    fn there_by_entries(&self, start: u64, end: u64, found: &mut Vec<Region>) -> Result<(), Errno> {
        let mut bytes = vec![0; 1 << 16];
        let mut at = start;
        while at < end {
            let pages = ((end - at) / PAGE).min(bytes.len() as u64 / 8);
            let Some(buf) = bytes
                .get_mut(..pages as usize * 8)
                .filter(|buf| !buf.is_empty())
            else {
                break;
            };
            let read = self.file.read_exact_at(buf, at / PAGE * 8);
            read.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
            let (entries, _) = buf.as_chunks::<8>();
            for entry in entries {
                let entry = u64::from_ne_bytes(*entry);
                let to = at + PAGE;
                if entry >> 62 != 0 {
                    let kinds = match entry & 1 << 61 {
                        0 => 0,
                        _ => page::FILE,
                    };
                    match found.last_mut() {
                        Some(last) if last.end == at && last.kinds == kinds => last.end = to,
                        _ => found.push(Region {
                            start: at,
                            end: to,
                            kinds,
                        }),
                    }
                }
                at = to;
            }
        }
        Ok(())
    }
}
