//! Compares a snapshot with the memory that it is of, byte for byte: within the stop that it is taken in,
//! all pages that are there are read, and told by a hash.
//!
//! What it knows it has from /proc/PID/maps and the entries of /proc/PID/pagemap, and it touches no page
//! that is not there, since to read one makes it.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::FileExt;

use goheap_memory::{Addr, Memory, Target};
use goheap_process::{Snapshot, Stopped, Watch};

const PAGE: u64 = 4096;

/// A page, and what it held.
#[derive(Debug, Clone, Copy)]
struct Page {
    at: u64,
    /// `None`: zeros, for it was not there.
    hash: Option<u64>,
}

/// Looks at each stop; what it saw in the last is what the snapshot must hold.
pub(crate) struct Judge {
    pid: u32,
    pages: Vec<Page>,
    /// Stops to refuse, to be stopped again, before one is good enough.
    pub(crate) refuse: u32,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Pages that were compared.
    pub(crate) pages: usize,
    /// Those of them that were not there.
    pub(crate) absent: usize,
    /// Those that differ, and how.
    pub(crate) wrong: Vec<String>,
}

impl Judge {
    /// Of a process.
    pub(crate) fn new(pid: u32) -> Judge {
        Judge {
            pid,
            pages: Vec::new(),
            refuse: 0,
        }
    }

    /// Reads everything.
    fn look(&mut self, stopped: &Stopped) {
        self.pages.clear();
        let pagemap = File::open(format!("/proc/{}/pagemap", self.pid)).expect("pagemap");
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid)).expect("maps");
        for line in maps.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [range, permissions, ..] = fields[..] else {
                continue;
            };
            let name = fields.get(5).copied().unwrap_or("");
            if !permissions.starts_with('r') || name.starts_with("[v") {
                continue;
            }
            let (start, end) = range.split_once('-').expect("a range");
            let hex = |text| u64::from_str_radix(text, 16).expect("an address");
            let anonymous = permissions.ends_with('p') && !name.starts_with('/');
            self.look_at(stopped, &pagemap, hex(start), hex(end), anonymous);
        }
    }

    fn look_at(
        &mut self,
        stopped: &Stopped,
        pagemap: &File,
        start: u64,
        end: u64,
        anonymous: bool,
    ) {
        let mut page = [0; PAGE as usize];
        let mut entries = vec![0; 8 << 10];
        let mut at = start;
        while at < end {
            let count = ((end - at) / PAGE).min(1 << 10);
            let entries = &mut entries[..count as usize * 8];
            pagemap
                .read_exact_at(entries, at / PAGE * 8)
                .expect("entries");
            for entry in entries.as_chunks::<8>().0 {
                // Documentation/admin-guide/mm/pagemap.rst: present, swapped.
                let there = u64::from_ne_bytes(*entry) >> 62 != 0;
                if there && stopped.read(Addr::new(at), &mut page).is_ok() {
                    let hash = Some(hash(&page));
                    self.pages.push(Page { at, hash });
                } else if anonymous && !there {
                    self.pages.push(Page { at, hash: None });
                }
                at += PAGE;
            }
        }
    }

    /// Compares.
    pub(crate) fn judge(&self, snapshot: &Snapshot) -> Verdict {
        let zeros = hash(&[0; PAGE as usize]);
        let mut verdict = Verdict {
            pages: self.pages.len(),
            ..Verdict::default()
        };
        let mut page = [0; PAGE as usize];
        for &Page { at, hash: expected } in &self.pages {
            verdict.absent += usize::from(expected.is_none());
            let is_right = match snapshot.read(Addr::new(at), &mut page) {
                Ok(()) => hash(&page) == expected.unwrap_or(zeros),
                Err(_) => false,
            };
            if !is_right {
                let there = if expected.is_some() {
                    "there"
                } else {
                    "not there"
                };
                let read = snapshot.read(Addr::new(at), &mut page);
                let of = snapshot
                    .mappings()
                    .iter()
                    .find(|m| m.start.get() <= at && at < m.end.get());
                let zero = page.iter().all(|&byte| byte == 0);
                verdict.wrong.push(format!(
                    "{at:#x} ({there}; zeros: {zero}): {read:?}, {of:x?}"
                ));
            }
        }
        verdict
    }
}

impl Watch for Judge {
    fn suits(&mut self, stopped: &Stopped) -> bool {
        if self.refuse > 0 {
            self.refuse -= 1;
            return false;
        }
        self.look(stopped);
        true
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
