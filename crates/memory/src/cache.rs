//! A page cache for many small reads.

use std::cell::RefCell;

use crate::target::target_through;
use crate::{Addr, Fault, Memory, Part, Target};

/// Bytes of a page of the cache; no mapping of any supported system ends inside of one.
const PAGE: usize = 4096;

/// Pages held. A page may sit in one slot only (its number modulo this), so that a hit costs one
/// comparison; neighbours never evict each other.
const SLOTS: usize = 4096;

/// Reads longer than this many bytes go straight to the source: they are bulk copies, which would
/// throw out what the small reads need and gain nothing.
const BYPASS: usize = 4 * PAGE;

/// Not the number of any page: page numbers are addresses divided by [`PAGE`].
const EMPTY: u64 = u64::MAX;

/// A [`Memory`] in front of another that keeps the pages last read, for walks that read millions
/// of words one at a time from a source where each read is a system call.
///
/// It holds at most 16 MiB, and is right only while the source stands still: after a resume, make
/// a new one or [`clear`](PageCache::clear) it. Faults are those of the source for the read that
/// was asked for, never of a page around it.
#[derive(Debug)]
pub struct PageCache<M> {
    inner: M,
    pages: RefCell<Pages>,
}

#[derive(Debug)]
struct Pages {
    /// Slot to the number of the page in it, or [`EMPTY`].
    numbers: Vec<u64>,
    /// The contents of all slots in a row. Zeroed allocation: untouched slots cost no memory.
    bytes: Vec<u8>,
}

impl<M: Memory> PageCache<M> {
    /// An empty cache in front of `inner`.
    pub fn new(inner: M) -> PageCache<M> {
        PageCache {
            inner,
            pages: RefCell::new(Pages {
                numbers: vec![EMPTY; SLOTS],
                bytes: vec![0; SLOTS * PAGE],
            }),
        }
    }

    /// The memory behind the cache.
    pub fn inner(&self) -> &M {
        &self.inner
    }

    /// The memory behind the cache, which is given up.
    pub fn into_inner(self) -> M {
        self.inner
    }

    /// The same cache, empty, in front of another memory: its room need not be made anew.
    pub fn over<N>(self, inner: N) -> PageCache<N> {
        self.pages.borrow_mut().numbers.fill(EMPTY);
        PageCache {
            inner,
            pages: self.pages,
        }
    }

    /// Forgets all pages.
    pub fn clear(&self) {
        self.pages.borrow_mut().numbers.fill(EMPTY);
    }

    /// Everything that is not a hit within one page.
    #[cold]
    fn read_slowly(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let wraps = at.get().checked_add(buf.len() as u64).is_none();
        if buf.len() > BYPASS || wraps {
            return self.inner.read(at, buf);
        }
        let mut done = 0;
        while done < buf.len() {
            let from = at.offset(done as u64);
            let inside = within_page(from);
            let len = (PAGE - inside).min(buf.len() - done);
            let mut pages = self.pages.borrow_mut();
            let Some(page) = pages.fetch(&self.inner, from) else {
                drop(pages);
                // The page has a hole, but the bytes asked for may not touch it; and if they do,
                // the source's fault names them rather than the page.
                return self.inner.read(at, buf);
            };
            buf[done..done + len].copy_from_slice(&page[inside..inside + len]);
            done += len;
        }
        Ok(())
    }
}

impl Pages {
    /// The page around `at` if it is held.
    #[inline]
    fn held(&self, at: Addr) -> Option<&[u8; PAGE]> {
        let number = at.get() / PAGE as u64;
        let slot = slot(number);
        if *self.numbers.get(slot)? != number {
            return None;
        }
        self.bytes.get(slot * PAGE..)?.first_chunk()
    }

    /// The page around `at`, read from `source` if it is not held; `None` if it cannot be read
    /// whole.
    fn fetch(&mut self, source: &impl Memory, at: Addr) -> Option<&[u8]> {
        let number = at.get() / PAGE as u64;
        let slot = slot(number);
        let page = self.bytes.get_mut(slot * PAGE..(slot + 1) * PAGE)?;
        let holds = self.numbers.get_mut(slot)?;
        if *holds != number {
            // A failed read leaves anything in the slot.
            *holds = EMPTY;
            source.read(Addr::new(number * PAGE as u64), page).ok()?;
            *holds = number;
        }
        Some(page)
    }
}

impl<M: Memory> Memory for PageCache<M> {
    #[inline]
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let inside = within_page(at);
        if let Some(page) = self.pages.borrow().held(at) {
            // Words are most of all reads; a copy of known length needs no call.
            if let Ok(word) = <&mut [u8; 8]>::try_from(&mut *buf)
                && let Some(from) = page[inside..].first_chunk()
            {
                *word = *from;
                return Ok(());
            }
            if let Some(from) = page.get(inside..inside.saturating_add(buf.len())) {
                buf.copy_from_slice(from);
                return Ok(());
            }
        }
        self.read_slowly(at, buf)
    }

    /// Goes to the source as it is: whoever has many parts at once has no need of the cache.
    fn read_parts(&self, parts: &mut [Part<'_>]) -> Result<(), Fault> {
        self.inner.read_parts(parts)
    }
}

target_through!([T: Target] PageCache<T>, |this| this.inner);

#[inline]
fn within_page(at: Addr) -> usize {
    (at.get() % PAGE as u64) as usize
}

#[inline]
fn slot(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests;
