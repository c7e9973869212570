//! Which pages of a process are there.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::proc;
use crate::sys::{self, Errno, Query, Region, page};

/// Bytes of a page on amd64.
pub(crate) const PAGE: u64 = 4096;

/// How many regions one call may tell.
const REGIONS: usize = 4096;

/// The end of what a process can have mapped on amd64 with 47 bits.
const TOP: u64 = 1 << 47;

/// /proc/PID/pagemap.
#[derive(Debug)]
pub(crate) struct Pagemap {
    file: File,
    regions: Vec<Region>,
}

impl Pagemap {
    /// Opens that of process `pid`.
    pub(crate) fn open(pid: u32) -> std::io::Result<Pagemap> {
        Ok(Pagemap {
            file: File::open(proc::path(pid, "pagemap"))?,
            regions: vec![Region::default(); REGIONS],
        })
    }

    /// Adds the pages from `start` to `end` that fit to `found`, ascending.
    ///
    /// # Errors
    /// ENOTTY before kernel 6.7; ESRCH if the process is gone.
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

    /// Adds the pages from `start` to `end` that are in memory or swapped out, with whether they are of
    /// a file; on kernels without PAGEMAP_SCAN as well.
    pub(crate) fn there(
        &mut self,
        start: u64,
        end: u64,
        found: &mut Vec<Region>,
    ) -> Result<(), Errno> {
        let query = Query {
            any_of: page::PRESENT | page::SWAPPED,
            tell: page::FILE,
            ..Query::default()
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
