//! Keeps little of a mapped dump in memory.
//!
//! The kernel counts each page of a mapped file that was touched as this process's, and takes it back only
//! when memory is short. Until then goheap would seem to need as much as the dump is large, to whoever looks
//! at its RSS, and other programs' pages might have to go first. So what was read is given back now and then.
//! That costs little where the analysis reads in the order of addresses; where it does not, more is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use goheap_process::{Mapped, resident_of_files};

/// How much is kept at first, bytes.
const BUDGET: u64 = 8 << 20;

/// How often the whole dump may be given back before more of it is kept.
const PASSES: u64 = 6;

/// A mapped dump of which little stays in memory.
pub(crate) struct Lean {
    map: Arc<Mapped>,
    /// What other files had in memory when it began.
    others: u64,
    /// How much is kept.
    budget: AtomicU64,
    /// How much was given back since the budget was set.
    given: AtomicU64,
}

impl Lean {
    /// `None` where nothing tells how much is in memory.
    pub(crate) fn of(map: Arc<Mapped>) -> Option<Lean> {
        Some(Lean {
            others: resident_of_files()?,
            map,
            budget: AtomicU64::new(BUDGET),
            given: AtomicU64::new(0),
        })
    }

    /// Gives back what is there.
    pub(crate) fn give_back(&self) {
        self.map.give_back();
    }

    /// Gives back what is there, if it is more than what is to be kept.
    pub(crate) fn look(&self) {
        let Some(resident) = resident_of_files() else {
            return;
        };
        let kept = resident.saturating_sub(self.others);
        if kept <= self.budget.load(Relaxed) {
            return;
        }
        self.give_back();
        let given = self.given.fetch_add(kept, Relaxed).saturating_add(kept);
        if given > (self.map.len() as u64).saturating_mul(PASSES) {
            // It is read here and there: what is given back is soon needed again.
            self.budget
                .store(self.budget.load(Relaxed).saturating_mul(2), Relaxed);
            self.given.store(0, Relaxed);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write as _;

    use goheap_process::map_opened;

    use super::*;

    const LEN: usize = 64 << 20;
    const PAGE: usize = 4096;

    /// A file whose pages differ.
    fn mapped() -> Arc<Mapped> {
        let mut file = tempfile::tempfile().unwrap();
        for page in 0..(LEN / PAGE) as u64 {
            file.write_all(&[page.to_le_bytes(); PAGE / 8].concat())
                .unwrap();
        }
        Arc::new(map_opened(&file).unwrap())
    }

    /// How many bytes of it lie in memory, as the kernel tells of this map alone (proc(5): smaps).
    fn in_memory(map: &Mapped) -> u64 {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", map.as_ptr() as usize);
        let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&start));
        let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        let kilobytes: u64 = rss.trim_end_matches("kB").trim().parse().unwrap();
        kilobytes << 10
    }

    fn read(map: &Mapped, page: usize) {
        let at = &map[page * PAGE..][..8];
        assert_eq!(at, (page as u64).to_le_bytes());
    }

    /// One test, for what is in memory is told of the whole process.
    #[test]
    fn little_is_kept_of_what_is_read_in_order_and_more_of_what_is_read_here_and_there() {
        in_order();
        here_and_there();
    }

    fn in_order() {
        let map = mapped();
        let lean = Lean::of(Arc::clone(&map)).unwrap();
        for _ in 0..3 {
            for page in 0..LEN / PAGE {
                read(&map, page);
                if page % 64 == 0 {
                    lean.look();
                    let kept = in_memory(&map);
                    assert!(kept < LEN as u64 / 2, "{kept} at {page}");
                }
            }
        }
        assert_eq!(lean.budget.load(Relaxed), BUDGET);
        // Else it could not be told from a map that gives back by itself.
        (0..LEN / PAGE).for_each(|page| read(&map, page));
        assert_eq!(in_memory(&map), LEN as u64);
        lean.give_back();
        assert_eq!(in_memory(&map), 0);
        (0..LEN / PAGE).for_each(|page| read(&map, page));
    }

    fn here_and_there() {
        let map = mapped();
        let lean = Lean::of(Arc::clone(&map)).unwrap();
        let mut looks = 0;
        // A generator of Lehmer's, modulo the number of pages.
        let mut page = 1;
        while lean.budget.load(Relaxed) < LEN as u64 {
            page = (page * 1_664_525 + 1_013_904_223) % (LEN / PAGE);
            read(&map, page);
            lean.look();
            looks += 1;
            assert!(looks < 1_000_000, "still at {}", lean.budget.load(Relaxed));
        }
    }
}
