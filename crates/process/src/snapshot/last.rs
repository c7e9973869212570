//! The pause of [`Method::PreCopy`](super::Method::PreCopy): one pass over the page tables, and what it
//! tells is copied. Two threads do it, a part of the address space each at a time, and into memory
//! that was made before.
//!
//! Of what is tracked the kernel is asked for the pages that were written to *or* are not there. All
//! others are in the image as they are. That is exact without any knowledge of what was mapped,
//! unmapped or dropped meanwhile, and takes 0.75 ms a GB; to ask for what was written to alone takes
//! 0.2 (fs/proc/task_mmu.c, `pagemap_scan_pmd_entry`, has a short way for it), but a page that was
//! dropped with its page table (`MADV_DONTNEED` frees empty ones since 6.14) would keep its old
//! contents. To be told of each page that is there takes 1.6.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use goheap_memory::{Addr, Memory, Part};

use super::copy::Run;
use super::image::Image;
use super::tracked::{is_whole, push};
use crate::LiveMemory;
use crate::pages::{PAGE, Pagemap, TOP};
use crate::proc::Area;
use crate::sys::{Errno, MOST_PARTS, Query, Region, page};
use crate::userfault::is_tracked;

/// Into how many parts the address space is cut.
const PARTS: usize = 16;

/// What to ask of memory that is tracked.
const CHANGED: Query = Query {
    protect: false,
    not: page::PRESENT,
    all_of: page::TRACKED,
    any_of: page::WRITTEN | page::PRESENT,
    tell: page::WRITTEN | page::PRESENT | page::SWAPPED | page::ZEROS,
    most: 0,
};

/// What to ask of memory that is not: everything.
const ALL: Query = Query {
    protect: false,
    not: page::TRACKED,
    all_of: page::TRACKED,
    any_of: 0,
    tell: page::PRESENT | page::SWAPPED | page::ZEROS,
    most: 0,
};

/// What to ask of a file's memory that is tracked: pages that are the file's, and those that are not
/// there. One that was changed, copied, and dropped is the file's again, and keeps its mark of not having
/// been written to (mm/memory.c, `zap_install_uffd_wp_if_needed`).
const OF_FILE: Query = Query {
    protect: false,
    not: page::PRESENT,
    all_of: page::TRACKED,
    any_of: page::FILE | page::PRESENT,
    tell: page::FILE | page::PRESENT | page::SWAPPED | page::WRITTEN,
    most: 0,
};

/// The address space in parts that take about equally long, by what is in the image.
pub(super) fn parts(image: &Image) -> Vec<Run> {
    let starts: Vec<u64> = image.starts().collect();
    let each = starts.len().div_ceil(PARTS).max(1);
    let cuts = starts
        .chunks(each)
        .skip(1)
        .filter_map(|chunk| chunk.first().copied());
    let mut parts = Vec::new();
    let mut at = 0;
    for cut in cuts.chain([TOP]) {
        parts.push(Run {
            start: at,
            end: cut,
        });
        at = cut;
    }
    parts
}

/// One of the threads, with what it needs and what it found.
#[derive(Debug)]
pub(super) struct Worker {
    pagemap: Pagemap,
    regions: Vec<Region>,
    wanted: Vec<Run>,
    buffer: Vec<u8>,
    filled: usize,
    /// What is in the buffer, one behind the other.
    copied: Vec<Run>,
    /// What had no room there.
    left: Vec<Run>,
    /// Pages that are not there.
    absent: Vec<Run>,
    failed: Option<Errno>,
}

impl Worker {
    /// One with room for so many bytes.
    pub(super) fn new(pid: u32, room: usize) -> io::Result<Worker> {
        let mut buffer = vec![0_u8; room];
        // Memory is had when it is touched.
        for byte in buffer.iter_mut().step_by(PAGE as usize) {
            *byte = 1;
        }
        Ok(Worker {
            pagemap: Pagemap::open(pid)?,
            regions: Vec::with_capacity(1 << 13),
            wanted: Vec::with_capacity(1 << 12),
            buffer,
            filled: 0,
            copied: Vec::with_capacity(1 << 12),
            left: Vec::new(),
            absent: Vec::with_capacity(1 << 12),
            failed: None,
        })
    }

    /// Works on parts, until there are no more.
    pub(super) fn work(&mut self, parts: &[Run], next: &AtomicUsize, memory: &LiveMemory) {
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            self.scan(*part, CHANGED);
            self.copy(memory);
        }
    }

    /// Works on what is not tracked, of areas that should be.
    pub(super) fn work_on_untracked(&mut self, areas: &[Area], memory: &LiveMemory) {
        for areas in areas.chunk_by(|one, other| is_tracked(one) == is_tracked(other)) {
            if let [first, ..] = areas
                && let [.., last] = areas
                && is_tracked(first)
            {
                let (start, end) = (first.mapping.start.get(), last.mapping.end.get());
                self.scan(Run { start, end }, ALL);
                self.copy(memory);
            }
        }
    }

    /// Works on files that are mapped writable.
    pub(super) fn work_on_files(&mut self, areas: &[Area], memory: &LiveMemory) {
        for area in areas
            .iter()
            .filter(|area| is_tracked(area) && area.is_of_file())
        {
            if !area.mapping.write {
                continue;
            }
            let (start, end) = (area.mapping.start.get(), area.mapping.end.get());
            self.scan(Run { start, end }, OF_FILE);
            if !is_whole(area) {
                // They are read where they are.
                self.absent.append(&mut self.wanted);
            }
            self.copy(memory);
        }
    }

    fn scan(&mut self, part: Run, query: Query) {
        self.regions.clear();
        let scanned = self
            .pagemap
            .scan(part.start, part.end, query, &mut self.regions);
        if let Err(errno) = scanned {
            self.failed = Some(errno);
            return;
        }
        let all = query.tell & page::WRITTEN == 0;
        for region in &self.regions {
            let is = |kind: u64| region.kinds & kind != 0;
            if is(page::ZEROS) || !is(page::PRESENT | page::SWAPPED) {
                push(&mut self.absent, region.start, region.end);
            } else if query.tell & page::FILE != 0 {
                // What was written to is found by the pass over all. Of what is not in memory nobody
                // knows whether the file has it.
                if !is(page::WRITTEN) {
                    push(&mut self.wanted, region.start, region.end);
                }
            } else if all || is(page::WRITTEN) {
                push(&mut self.wanted, region.start, region.end);
            }
        }
    }

    /// Copies what is wanted into the buffer.
    fn copy(&mut self, memory: &LiveMemory) {
        let wanted = std::mem::take(&mut self.wanted);
        let mut batch = Vec::with_capacity(wanted.len().min(MOST_PARTS));
        let mut len = 0;
        for &run in &wanted {
            if run.len() as usize > self.buffer.len() - self.filled - len {
                self.left.push(run);
                continue;
            }
            len += run.len() as usize;
            batch.push(run);
            if batch.len() == MOST_PARTS {
                self.read(memory, &batch);
                batch.clear();
                len = 0;
            }
        }
        self.read(memory, &batch);
        self.wanted = wanted;
        self.wanted.clear();
    }

    fn read(&mut self, memory: &LiveMemory, batch: &[Run]) {
        let mut rest = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let mut parts = Vec::with_capacity(batch.len());
        for run in batch {
            let Some((buf, behind)) = rest.split_at_mut_checked(run.len() as usize) else {
                break;
            };
            parts.push(Part {
                at: Addr::new(run.start),
                buf,
            });
            rest = behind;
        }
        if memory.read_parts(&mut parts).is_ok() {
            self.copied.extend(batch);
            self.filled += batch.iter().map(|run| run.len() as usize).sum::<usize>();
        } else {
            // One cannot be read: which is found out page by page.
            self.left.extend(batch);
        }
    }
}

/// What the threads found, together.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Pages that are in buffers, and these.
    pub(super) copied: Vec<(Vec<Run>, Vec<u8>)>,
    /// Pages that are still to be copied.
    pub(super) left: Vec<Run>,
    /// Pages that are not there, each thread's ascending.
    pub(super) absent: Vec<Vec<Run>>,
}

impl Found {
    /// Puts it together.
    ///
    /// # Errors
    /// The page tables could not be looked at.
    pub(super) fn of(workers: Vec<Worker>) -> Result<Found, Errno> {
        let mut found = Found::default();
        for worker in workers {
            if let Some(errno) = worker.failed {
                return Err(errno);
            }
            found.copied.push((worker.copied, worker.buffer));
            found.left.extend(worker.left);
            found.absent.push(worker.absent);
        }
        Ok(found)
    }

    /// What is not there of `areas`, and is a file's all the same.
    pub(super) fn absent_in<'a>(&self, areas: impl Iterator<Item = &'a Area>) -> Vec<Run> {
        let mut runs = Vec::new();
        for area in areas {
            let (start, end) = (area.mapping.start.get(), area.mapping.end.get());
            for absent in self.absent.iter().flatten() {
                let (from, to) = (absent.start.max(start), absent.end.min(end));
                if from < to {
                    runs.push(Run {
                        start: from,
                        end: to,
                    });
                }
            }
        }
        runs
    }
}
