//! Copying pages of a process into an image.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use goheap_memory::{Addr, Memory, Part};

use super::image::Image;
use crate::LiveMemory;
use crate::pages::PAGE;
use crate::sys::MOST_PARTS;

/// How much is read at once. Small enough for the processor's cache: the buffer is used again and
/// again.
const BATCH: u64 = 1 << 20;

/// How many threads copy. Two read nearly twice as fast as one, more hardly faster (capture.md).
const READERS: usize = 2;

/// Pages from `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Run {
    pub(super) fn len(self) -> u64 {
        self.end - self.start
    }
}

/// Copies pages for which `image` has room, and tells which, in no order: some cannot be read.
///
/// # Errors
/// The image cannot be written.
pub(super) fn copy(memory: &LiveMemory, runs: &[Run], image: &Image) -> io::Result<Vec<Run>> {
    let batches = batches(runs);
    let next = AtomicUsize::new(0);
    let readers = READERS.min(batches.len());
    let copied = thread::scope(|scope| {
        let work = || reader(memory, &batches, &next, image);
        let others: Vec<_> = (1..readers).map(|_| scope.spawn(work)).collect();
        let mut copied = vec![work()];
        copied.extend(others.into_iter().map(|other| {
            other
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a reader ended early")))
        }));
        copied
    });
    let mut all = Vec::new();
    for runs in copied {
        all.extend(runs?);
    }
    Ok(all)
}

/// The runs in portions of one read each.
fn batches(runs: &[Run]) -> Vec<Vec<Run>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut left = BATCH;
    for run in runs {
        let mut start = run.start;
        while start < run.end {
            let end = run.end.min(start + left);
            batch.push(Run { start, end });
            left -= end - start;
            start = end;
            if left == 0 || batch.len() == MOST_PARTS {
                batches.push(std::mem::take(&mut batch));
                left = BATCH;
            }
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// Copies batches until there are no more, and tells what was copied.
fn reader(
    memory: &LiveMemory,
    batches: &[Vec<Run>],
    next: &AtomicUsize,
    image: &Image,
) -> io::Result<Vec<Run>> {
    let mut buffer = vec![0; BATCH as usize];
    let mut copied = Vec::new();
    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
        if read(memory, batch, &mut buffer) {
            let mut rest = &buffer[..];
            for run in batch {
                let (bytes, behind) = rest.split_at(run.len() as usize);
                image.write(run.start, bytes)?;
                rest = behind;
            }
            copied.extend(batch);
            continue;
        }
        // Some page is gone since it was seen, or cannot be read: page by page.
        for page in batch.iter().flat_map(|run| pages(*run)) {
            let bytes = &mut buffer[..PAGE as usize];
            if memory.read(Addr::new(page.start), bytes).is_ok() {
                image.write(page.start, bytes)?;
                copied.push(page);
            }
        }
    }
    Ok(copied)
}

/// Reads a whole batch, or says that it cannot.
fn read(memory: &LiveMemory, batch: &[Run], buffer: &mut [u8]) -> bool {
    let mut parts = Vec::with_capacity(batch.len());
    let mut rest = buffer;
    for run in batch {
        let (buf, behind) = rest.split_at_mut(run.len() as usize);
        parts.push(Part {
            at: Addr::new(run.start),
            buf,
        });
        rest = behind;
    }
    memory.read_parts(&mut parts).is_ok()
}

fn pages(run: Run) -> impl Iterator<Item = Run> {
    let starts = (run.start..run.end).step_by(PAGE as usize);
    starts.map(|start| Run {
        start,
        end: start + PAGE,
    })
}
