//! Is there memory enough for a copy of the target? Each page that the target writes to while the copy is
//! kept is copied by the kernel, and charged to the target's memory cgroup.
//!
//! A group that cannot be seen from here (of another container, whose files are not to be had either) might
//! have any limit: then no copy is made unless it was asked for by name.
//!
//! The rule: to begin with, each limit above the target and the machine itself must have a quarter of the
//! target's anonymous memory free, and 64 MiB; all of it where the kernel, out of memory, would end the
//! whole group (memory.oom.group) or let it hang (oom_kill_disable), and not just the copy, which it is
//! told to take first. While it is kept, a sixteenth and 64 MiB must be left, or it is ended.

use std::fs;
use std::path::Path;

use crate::{cgroup, proc};

const MIB: u64 = 1 << 20;

/// What must be left in any case.
const LEAST: u64 = 64 * MIB;

/// What is free for a process, and how much it might need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Headroom {
    /// Bytes of its memory that are of no file.
    pub(crate) anonymous: u64,
    rooms: Vec<Room>,
    /// Its memory cgroup, if that cannot be seen from here.
    hidden: Option<String>,
}

/// What is free below one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Room {
    /// Whose limit it is.
    of: String,
    free: u64,
    /// Whether running out of it is the end of more than one process.
    takes_all: bool,
}

impl Headroom {
    /// That of process `pid`.
    pub(crate) fn of(pid: u32) -> Headroom {
        let groups = cgroup::memory_limits(pid);
        let room = |limited: cgroup::Limited| Room {
            of: format!("its memory cgroup ({})", limited.directory.display()),
            free: limited.limit.left(),
            takes_all: limited.takes_all,
        };
        let mut rooms: Vec<Room> = groups.limits.into_iter().map(room).collect();
        let available = first_size(Path::new("/proc/meminfo"), "MemAvailable:");
        rooms.extend(available.map(|kib| Room {
            of: "this machine".to_owned(),
            free: kib.saturating_mul(1024),
            takes_all: false,
        }));
        let anonymous = first_size(&proc::path(pid, "status"), "RssAnon:");
        Headroom {
            anonymous: anonymous.unwrap_or(0).saturating_mul(1024),
            rooms,
            hidden: groups.hidden,
        }
    }

    /// Where least is free, and how many bytes that are.
    pub(crate) fn least(&self) -> Option<(&str, u64)> {
        let least = self.rooms.iter().min_by_key(|room| room.free)?;
        Some((&least.of, least.free))
    }

    /// Whether a copy may be made; if not, why, in words. `asked` is whether this very method was asked
    /// for: then a group that cannot be seen is no obstacle, and its limits are not heeded.
    pub(crate) fn may_begin(&self, asked: bool) -> Result<(), String> {
        if let Some(path) = self.hidden.as_ref().filter(|_| !asked) {
            return Err(format!(
                "its memory cgroup ({path}) cannot be seen from here: what the copy costs counts there, and \
                 out of memory the kernel might end the process as well; run goheap where that can be seen \
                 (on the host), or, where there is room enough, ask for it by name (--method fork)"
            ));
        }
        // CONFIG: proc_sys_vm(5). What the process asks for while the copy is kept might be refused then.
        let overcommit = fs::read_to_string("/proc/sys/vm/overcommit_memory");
        if overcommit.is_ok_and(|mode| mode.trim() == "2") {
            return Err(
                "vm.overcommit_memory is 2: a copy of it counts as much as itself, and it might be \
                 refused memory meanwhile"
                    .to_owned(),
            );
        }
        for room in &self.rooms {
            let share = match room.takes_all {
                true => self.anonymous,
                false => self.anonymous / 4,
            };
            let needed = share.saturating_add(LEAST);
            if room.free < needed {
                return Err(format!(
                    "{} has {} MiB of memory left, and a copy of it may need {}",
                    room.of,
                    room.free / MIB,
                    needed / MIB
                ));
            }
        }
        Ok(())
    }

    /// Whether a copy may be kept; if not, how many bytes are free.
    pub(crate) fn may_keep(&self) -> Result<(), u64> {
        let needed = (self.anonymous / 16).saturating_add(LEAST);
        let least = self
            .rooms
            .iter()
            .map(|room| room.free)
            .min()
            .unwrap_or(u64::MAX);
        match least >= needed {
            true => Ok(()),
            false => Err(least),
        }
    }
}

/// The number behind a name at the beginning of a line.
fn first_size(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next())
    })?;
    rest?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headroom(anonymous: u64, free: u64, takes_all: bool) -> Headroom {
        let of = "a group".to_owned();
        let rooms = vec![Room {
            of,
            free,
            takes_all,
        }];
        Headroom {
            anonymous,
            rooms,
            hidden: None,
        }
    }

    #[test]
    fn a_quarter_must_be_free_to_begin_and_all_where_all_would_end() {
        let anonymous = 1024 * MIB;
        assert_eq!(
            headroom(anonymous, 320 * MIB, false).may_begin(false),
            Ok(())
        );
        let why = headroom(anonymous, 319 * MIB, false)
            .may_begin(false)
            .expect_err("too little");
        assert!(why.contains("319 MiB") && why.contains("320"), "{why}");
        assert!(
            headroom(anonymous, 1087 * MIB, true)
                .may_begin(false)
                .is_err()
        );
        assert!(
            headroom(anonymous, 1088 * MIB, true)
                .may_begin(false)
                .is_ok()
        );
    }

    #[test]
    fn a_group_that_cannot_be_seen_takes_somebody_who_asks() {
        let mut headroom = headroom(1024 * MIB, 4096 * MIB, false);
        headroom.hidden = Some("/../app".to_owned());
        let why = headroom.may_begin(false).expect_err("hidden");
        assert!(
            why.contains("/../app") && why.contains("--method fork"),
            "{why}"
        );
        assert_eq!(headroom.may_begin(true), Ok(()));
        // What can be seen limits in any case.
        headroom.anonymous = 1 << 40;
        assert!(headroom.may_begin(true).is_err());
    }

    #[test]
    fn a_sixteenth_must_be_left_to_keep_it() {
        let anonymous = 1024 * MIB;
        assert_eq!(headroom(anonymous, 128 * MIB, true).may_keep(), Ok(()));
        assert_eq!(
            headroom(anonymous, 127 * MIB, false).may_keep(),
            Err(127 * MIB)
        );
    }
}
