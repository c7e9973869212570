//! Whether two dumps are of one process.

use crate::dump::Dump;

/// What tells one process from others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    go_build_id: Vec<u8>,
    gnu_build_id: Vec<u8>,
    /// Number and start, of a process that was captured while it lived.
    process: Option<(u64, u64)>,
    go_version: String,
    /// Collections, and how long each of the last 256 has paused the program, in nanoseconds.
    collections: u64,
    pauses: Vec<u64>,
}

/// Whether two dumps are of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// They are.
    Same,
    /// They are of one process, but the second one was taken before the first.
    Reversed,
    /// They are of one build, and of different processes.
    OtherProcess,
    /// They are of different builds.
    OtherBuild,
    /// Nobody can tell.
    Unknown,
}

/// How many pauses the runtime keeps (runtime/mstats.go: `PauseNs`).
const RING: u64 = 256;

impl Identity {
    /// Of a dump.
    pub fn of(dump: &Dump) -> Identity {
        let digest = dump.notes().digest.as_ref();
        let program = digest.and_then(|digest| digest.program.as_ref());
        let capture = digest.and_then(|digest| digest.capture.as_ref());
        let stats = dump.mem_stats();
        Identity {
            go_build_id: program.map_or(Vec::new(), |p| p.go_build_id.clone()),
            gnu_build_id: program.map_or(Vec::new(), |p| p.gnu_build_id.clone()),
            process: capture.and_then(|capture| capture.pid.zip(capture.started)),
            go_version: dump.params().go_version.clone(),
            collections: stats.map_or(0, |stats| stats.num_gc),
            pauses: stats.map_or(Vec::new(), |stats| stats.pause_ns.to_vec()),
        }
    }

    /// Whether a later dump is of the same process.
    pub fn compare(&self, later: &Identity) -> Sameness {
        let differ = |a: &[u8], b: &[u8]| !a.is_empty() && !b.is_empty() && a != b;
        if self.go_version != later.go_version
            || differ(&self.go_build_id, &later.go_build_id)
            || differ(&self.gnu_build_id, &later.gnu_build_id)
        {
            return Sameness::OtherBuild;
        }
        match (self.process, later.process) {
            (Some(a), Some(b)) if a != b => return Sameness::OtherProcess,
            (Some(_), Some(_)) => {
                return match self.collections <= later.collections {
                    true => Sameness::Same,
                    false => Sameness::Reversed,
                };
            }
            _ => {}
        }
        // A core, or a dump of the runtime: the pauses of its collections are its fingerprint.
        let (first, last) = match self.collections <= later.collections {
            true => (self, later),
            false => (later, self),
        };
        let from = last.collections.saturating_sub(RING);
        if first.collections <= from {
            return Sameness::Unknown;
        }
        for collection in from..first.collections {
            let at = (collection % RING) as usize;
            if first.pauses.get(at) != last.pauses.get(at) {
                return Sameness::OtherProcess;
            }
        }
        match self.collections <= later.collections {
            true => Sameness::Same,
            false => Sameness::Reversed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Identity, Sameness};

    fn identity(process: Option<(u64, u64)>, pauses: &[u64]) -> Identity {
        let mut ring = vec![0; 256];
        for (at, pause) in pauses.iter().enumerate() {
            ring[at % 256] = *pause;
        }
        Identity {
            go_build_id: b"one".to_vec(),
            process,
            collections: pauses.len() as u64,
            pauses: ring,
            ..Identity::default()
        }
    }

    #[test]
    fn a_process_is_known_by_its_start_or_by_its_pauses() {
        let many: Vec<u64> = (1000..1400).collect();
        let a = identity(None, &many[..300]);
        assert_eq!(a.compare(&identity(None, &many)), Sameness::Same);
        assert_eq!(identity(None, &many).compare(&a), Sameness::Reversed);
        let mut other = many.clone();
        other[299] = 7;
        assert_eq!(a.compare(&identity(None, &other)), Sameness::OtherProcess);
        // All that both have of the ring is gone.
        let early = identity(None, &many[..100]);
        assert_eq!(early.compare(&identity(None, &many)), Sameness::Unknown);
        let none = identity(None, &[]);
        assert_eq!(none.compare(&identity(None, &many)), Sameness::Unknown);
        let (p, q) = (Some((4711, 5)), Some((4711, 6)));
        let at = |process| identity(process, &many[..1]);
        assert_eq!(at(p).compare(&at(p)), Sameness::Same);
        assert_eq!(at(p).compare(&at(q)), Sameness::OtherProcess);
        let mut build = at(p);
        build.go_build_id = b"two".to_vec();
        assert_eq!(at(p).compare(&build), Sameness::OtherBuild);
    }
}
