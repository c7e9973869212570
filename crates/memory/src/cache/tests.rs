use std::cell::Cell;

use super::*;
use crate::FaultKind;

/// One readable range whose bytes are told by their address, and a count of the reads made of it.
struct Range {
    start: u64,
    end: u64,
    reads: Cell<usize>,
}

impl Range {
    fn new(start: u64, end: u64) -> Range {
        Range {
            start,
            end,
            reads: Cell::new(0),
        }
    }
}

fn byte(at: u64) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

fn expected(at: u64, len: usize) -> Vec<u8> {
    (at..at + len as u64).map(byte).collect()
}

impl Memory for Range {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.reads.set(self.reads.get() + 1);
        let fault = Fault::new(at, buf.len(), FaultKind::Unmapped);
        let end = at
            .get()
            .checked_add(buf.len() as u64)
            .ok_or(fault.clone())?;
        if at.get() < self.start || end > self.end {
            return Err(fault);
        }
        for (i, b) in buf.iter_mut().enumerate() {
            *b = byte(at.get() + i as u64);
        }
        Ok(())
    }
}

fn read(memory: &impl Memory, at: u64, len: usize) -> Result<Vec<u8>, Fault> {
    let mut buf = vec![0; len];
    memory.read(Addr::new(at), &mut buf)?;
    Ok(buf)
}

#[test]
fn many_words_of_a_page_cost_one_read() {
    let cache = PageCache::new(Range::new(0x10000, 0x20000));
    for at in (0x11000..0x12000).step_by(8) {
        assert_eq!(read(&cache, at, 8).unwrap(), expected(at, 8));
    }
    assert_eq!(cache.inner().reads.get(), 1);
}

#[test]
fn reads_of_every_length_and_alignment_are_right() {
    let cache = PageCache::new(Range::new(0x10000, 0x40000));
    for at in [0x10000, 0x10ff9, 0x10ffc, 0x10fff, 0x11000, 0x12345] {
        for len in [
            0, 1, 2, 4, 7, 8, 9, 100, 4095, 4096, 4097, 16384, 16385, 60000,
        ] {
            assert_eq!(
                read(&cache, at, len).unwrap(),
                expected(at, len),
                "{at:#x}+{len}"
            );
        }
    }
}

#[test]
fn pages_that_share_a_slot_replace_each_other() {
    let apart = (SLOTS * PAGE) as u64;
    let cache = PageCache::new(Range::new(0, 3 * apart));
    for at in [0x1000, 0x1000 + apart, 0x1000, 0x1000 + 2 * apart] {
        assert_eq!(read(&cache, at, 8).unwrap(), expected(at, 8));
    }
    assert_eq!(cache.inner().reads.get(), 4);
}

#[test]
fn a_hole_in_the_page_faults_only_reads_that_touch_it() {
    let cache = PageCache::new(Range::new(0x10800, 0x20000));
    assert_eq!(read(&cache, 0x10800, 8).unwrap(), expected(0x10800, 8));
    let fault = read(&cache, 0x107fc, 8).unwrap_err();
    assert_eq!(
        fault,
        Fault::new(Addr::new(0x107fc), 8, FaultKind::Unmapped)
    );
    // The failed read of the page must not have left it as held.
    assert_eq!(read(&cache, 0x10900, 8).unwrap(), expected(0x10900, 8));
}

#[test]
fn reads_past_the_end_of_the_address_space_fault() {
    let cache = PageCache::new(Range::new(0, u64::MAX));
    let fault = read(&cache, u64::MAX - 3, 8).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unmapped);
    assert!(read(&cache, u64::MAX, 0).is_ok());
}

#[test]
fn a_cleared_cache_reads_again() {
    let cache = PageCache::new(Range::new(0x10000, 0x20000));
    read(&cache, 0x10000, 8).unwrap();
    cache.clear();
    read(&cache, 0x10000, 8).unwrap();
    assert_eq!(cache.inner().reads.get(), 2);
}

#[test]
fn a_cache_over_another_memory_holds_nothing_of_the_first() {
    let cache = PageCache::new(Range::new(0x10000, 0x20000));
    assert_eq!(read(&cache, 0x11000, 8).unwrap(), expected(0x11000, 8));
    let cache = cache.over(Range::new(0x14000, 0x20000));
    assert!(read(&cache, 0x11000, 8).is_err());
    assert_eq!(read(&cache, 0x14000, 8).unwrap(), expected(0x14000, 8));
    assert_eq!(cache.inner().start, 0x14000);
}
