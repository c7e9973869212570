//! Counting what is in a dump or in a walk: what `dump` says at its end and what `info` shows.

use std::collections::BTreeMap;

use goheap_format::{Arch, MemStats, Params, Record, RecordKind};
use goheap_runtime::{GoroutineState, Large, LargeKind};

/// Counts of the records that have passed.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// Records, by kind (indexed by tag).
    by_kind: [u64; RecordKind::ALL.len()],
    /// Bytes of the contents of objects.
    pub(crate) object_bytes: u64,
    /// Objects by their size in bytes.
    sizes: Sizes,
    /// Goroutines by status, as the runtime numbers it.
    pub(crate) by_status: BTreeMap<u64, u64>,
    /// Waiting goroutines by the reason that the runtime gives.
    pub(crate) by_wait_reason: BTreeMap<Vec<u8>, u64>,
    /// Goroutines that the runtime started for itself.
    pub(crate) system_goroutines: u64,
    /// Bytes of the contents of stack frames.
    pub(crate) frame_bytes: u64,
    /// Bytes of data and bss.
    pub(crate) segment_bytes: u64,
    /// The head of the dump.
    pub(crate) head: Option<Head>,
    /// The runtime's statistics.
    pub(crate) memstats: Option<Box<MemStats>>,
}

/// What the params record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) big_endian: bool,
    pub(crate) pointer_size: u64,
    pub(crate) heap_start: u64,
    pub(crate) heap_end: u64,
    pub(crate) arch: String,
    pub(crate) go_version: String,
    pub(crate) ncpu: u64,
}

impl Head {
    fn of(params: &Params<'_>) -> Head {
        Head {
            big_endian: params.big_endian,
            pointer_size: params.pointer_size,
            heap_start: params.heap_start,
            heap_end: params.heap_end,
            arch: arch(&params.arch),
            go_version: String::from_utf8_lossy(params.go_version).into_owned(),
            ncpu: params.ncpu,
        }
    }
}

/// The architecture by name, or by the code of the old tool chains.
pub(crate) fn arch(arch: &Arch<'_>) -> String {
    match arch {
        Arch::Name(name) => String::from_utf8_lossy(name).into_owned(),
        Arch::Code(code) => match u8::try_from(*code) {
            // go/build, go1.6: ArchChar
            Ok(b'5') => "arm".to_owned(),
            Ok(b'6') => "amd64".to_owned(),
            Ok(b'7') => "arm64".to_owned(),
            Ok(b'8') => "386".to_owned(),
            Ok(b'9') => "ppc64".to_owned(),
            _ => format!("architecture code {code}"),
        },
    }
}

/// A goroutine's state in words, from the runtime's number.
pub(crate) fn status_name(status: u64) -> String {
    GoroutineState::from_status(status).to_string()
}

impl Census {
    /// Counts one record.
    #[inline]
    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.add_kind(record.kind());
        match record {
            Record::Object(object) => self.add_object(object.contents.len() as u64),
            Record::Goroutine(g) => {
                *self.by_status.entry(g.status).or_default() += 1;
                self.system_goroutines += u64::from(g.system);
                // A goroutine in a system call or on a processor has a stale reason or none.
                if status_waits(g.status) {
                    count_bounded(&mut self.by_wait_reason, g.wait_reason);
                }
            }
            Record::StackFrame(frame) => self.frame_bytes += frame.contents.len() as u64,
            Record::Data(segment) | Record::Bss(segment) => {
                self.segment_bytes += segment.contents.len() as u64;
            }
            Record::Params(params) => self.head = Some(Head::of(params)),
            Record::MemStats(stats) => self.memstats = Some(stats.clone()),
            _ => {}
        }
    }

    /// Counts a record whose contents nobody has read.
    pub(crate) fn add_large(&mut self, large: &Large<'_>) {
        let kind = match large.kind {
            LargeKind::Object => RecordKind::Object,
            LargeKind::Data => RecordKind::Data,
            LargeKind::Bss => RecordKind::Bss,
        };
        self.add_kind(kind);
        match large.kind {
            LargeKind::Object => self.add_object(large.size),
            LargeKind::Data | LargeKind::Bss => self.segment_bytes += large.size,
        }
    }

    #[inline]
    fn add_kind(&mut self, kind: RecordKind) {
        if let Some(count) = self.by_kind.get_mut(usize::from(kind.tag())) {
            *count += 1;
        }
    }

    #[inline]
    fn add_object(&mut self, size: u64) {
        self.object_bytes += size;
        self.sizes.add(size);
    }

    /// How many records of `kind` have passed.
    pub(crate) fn count(&self, kind: RecordKind) -> u64 {
        self.by_kind
            .get(usize::from(kind.tag()))
            .copied()
            .unwrap_or_default()
    }

    /// The sizes that objects have, as (size, objects, bytes), the one with most bytes first.
    pub(crate) fn biggest_sizes(&self) -> Vec<(u64, u64, u64)> {
        let mut sizes: Vec<(u64, u64, u64)> = self
            .sizes
            .iter()
            .map(|(size, count)| (size, count, size.saturating_mul(count)))
            .collect();
        sizes.sort_by_key(|&(size, _, bytes)| (std::cmp::Reverse(bytes), size));
        sizes
    }
}

fn status_waits(status: u64) -> bool {
    matches!(
        GoroutineState::from_status(status),
        GoroutineState::Waiting | GoroutineState::Preempted | GoroutineState::Leaked
    )
}

/// The runtime has some 40 wait reasons; a hostile dump can have a new one in every goroutine.
const MOST_REASONS: usize = 1000;

fn count_bounded(counts: &mut BTreeMap<Vec<u8>, u64>, name: &[u8]) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
    } else if counts.len() < MOST_REASONS {
        counts.insert(name.to_vec(), 1);
    } else {
        *counts.entry(b"(others)".to_vec()).or_default() += 1;
    }
}

/// Largest object of a small size class (runtime/sizeclasses.go: `_MaxSmallSize`).
const MOST_SMALL: u64 = 32 << 10;

/// Counts by size. Small sizes are multiples of 8, all but all objects have one, and a table is
/// ten times faster than a map.
#[derive(Debug, Default)]
struct Sizes {
    small: Vec<u64>,
    other: BTreeMap<u64, u64>,
}

impl Sizes {
    #[inline]
    fn add(&mut self, size: u64) {
        if size <= MOST_SMALL && size.is_multiple_of(8) {
            if self.small.is_empty() {
                self.small.resize(MOST_SMALL as usize / 8 + 1, 0);
            }
            if let Some(count) = self.small.get_mut(size as usize / 8) {
                *count += 1;
            }
        } else {
            *self.other.entry(size).or_default() += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let small = self
            .small
            .iter()
            .enumerate()
            .map(|(at, &count)| (at as u64 * 8, count));
        small
            .filter(|&(_, count)| count > 0)
            .chain(self.other.iter().map(|(&s, &c)| (s, c)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use goheap_format::{Fields, Object};

    #[test]
    fn sizes_by_bytes_then_by_size() {
        let contents = vec![0; 40 << 10];
        let mut census = Census::default();
        for len in [16, 16, 32, 40 << 10, 5, 5] {
            let contents = &contents[..len];
            census.add(&Record::Object(Object {
                address: 0,
                contents,
                fields: Fields::NONE,
            }));
        }
        let sizes = [
            (40 << 10, 1, 40 << 10),
            (16, 2, 32),
            (32, 1, 32),
            (5, 2, 10),
        ];
        assert_eq!(census.biggest_sizes(), sizes);
        assert_eq!(census.object_bytes, (40 << 10) + 74);
        assert_eq!(census.count(RecordKind::Object), 6);
    }

    #[test]
    fn wait_reasons_are_bounded() {
        let mut counts = BTreeMap::new();
        for n in 0..2000 {
            count_bounded(&mut counts, format!("reason {n:05}").as_bytes());
            count_bounded(&mut counts, b"reason 00000");
        }
        assert_eq!(counts.len(), MOST_REASONS + 1);
        assert_eq!(counts.values().sum::<u64>(), 4000);
        assert_eq!(counts[&b"(others)"[..]], 1000);
    }
}
