//! Is there memory enough for a copy of the target? Each page that the target writes to while the copy is
//! kept is copied by the kernel, and charged to the target's memory cgroup.
//!
//! The rule: to begin with, each limit above the target and the machine itself must have a quarter of the
//! target's anonymous memory free, and 64 MiB; all of it where the kernel, out of memory, would end the
//! whole group (memory.oom.group) or let it hang (oom_kill_disable), and not just the copy, which it is
//! told to take first. While it is kept, a sixteenth and 64 MiB must be left, or it is ended.

use std::fs;
use std::path::{Path, PathBuf};

use crate::proc;

const MIB: u64 = 1 << 20;

/// What must be left in any case.
const LEAST: u64 = 64 * MIB;

/// What is free for a process, and how much it might need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Headroom {
    /// Bytes of its memory that are of no file.
    pub(crate) anonymous: u64,
    rooms: Vec<Room>,
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
    /// That of process `pid`. What cannot be read does not limit.
    pub(crate) fn of(pid: u32) -> Headroom {
        let mut rooms = groups(pid);
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
        }
    }

    /// Where least is free, and how many bytes that are.
    pub(crate) fn least(&self) -> Option<(&str, u64)> {
        let least = self.rooms.iter().min_by_key(|room| room.free)?;
        Some((&least.of, least.free))
    }

    /// Whether a copy may be made; if not, why, in words.
    pub(crate) fn may_begin(&self) -> Result<(), String> {
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

/// The limits of the memory cgroups above a process.
fn groups(pid: u32) -> Vec<Room> {
    let lines = fs::read_to_string(proc::path(pid, "cgroup")).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut rooms = Vec::new();
    for line in lines.lines() {
        // cgroups(7): "hierarchy:controllers:path"
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let unified = controllers.is_empty();
        if !unified && controllers.split(',').all(|one| one != "memory") {
            continue;
        }
        for (mount, root) in mounts.lines().filter_map(|line| mount_of(line, unified)) {
            let below = path
                .strip_prefix(&root)
                .unwrap_or(path)
                .trim_start_matches('/');
            let folder = mount.join(below);
            // In a container the path may be one of the host.
            let mut folder = if folder.is_dir() {
                folder
            } else {
                mount.clone()
            };
            while folder.starts_with(&mount) {
                rooms.extend(room(&folder, unified));
                if !folder.pop() {
                    break;
                }
            }
        }
    }
    rooms
}

/// Where a line of mountinfo mounts the hierarchy that accounts memory, and which part of that.
fn mount_of(line: &str, unified: bool) -> Option<(PathBuf, String)> {
    // proc_pid_mountinfo(5): "id parent dev root mount options.. - type source super-options"
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ').skip(3);
    let (root, mount) = (front.next()?, front.next()?);
    let mut back = back.split(' ');
    let (kind, options) = (back.next()?, back.nth(1).unwrap_or_default());
    let fits = match unified {
        true => kind == "cgroup2",
        false => kind == "cgroup" && options.split(',').any(|option| option == "memory"),
    };
    let root = if root == "/" { "" } else { root };
    fits.then(|| (PathBuf::from(mount), root.to_owned()))
}

/// What is free in one cgroup; `None` if it has no limit.
fn room(folder: &Path, unified: bool) -> Option<Room> {
    let number = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let stat = folder.join("memory.stat");
    let (limit, usage, cache) = match unified {
        // "max" is no number: no limit.
        true => (
            number("memory.max")?,
            number("memory.current")?,
            first_size(&stat, "inactive_file"),
        ),
        false => (
            number("memory.limit_in_bytes")?,
            number("memory.usage_in_bytes")?,
            first_size(&stat, "total_inactive_file"),
        ),
    };
    let takes_all = match unified {
        true => number("memory.oom.group") == Some(1),
        false => first_size(&folder.join("memory.oom_control"), "oom_kill_disable") == Some(1),
    };
    // A v1 group without a limit has one beyond all memory.
    (limit < 1 << 60).then(|| Room {
        of: format!("its memory cgroup ({})", folder.display()),
        free: limit.saturating_sub(usage.saturating_sub(cache.unwrap_or(0))),
        takes_all,
    })
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
        Headroom { anonymous, rooms }
    }

    #[test]
    fn a_quarter_must_be_free_to_begin_and_all_where_all_would_end() {
        let anonymous = 1024 * MIB;
        assert!(headroom(anonymous, 320 * MIB, false).may_begin().is_ok());
        let why = headroom(anonymous, 319 * MIB, false)
            .may_begin()
            .expect_err("too little");
        assert!(why.contains("319 MiB") && why.contains("320"), "{why}");
        assert!(headroom(anonymous, 1087 * MIB, true).may_begin().is_err());
        assert!(headroom(anonymous, 1088 * MIB, true).may_begin().is_ok());
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

    #[test]
    fn mounts_of_both_kinds_are_told_apart() {
        let unified = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let old = "33 25 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        let mount = PathBuf::from("/sys/fs/cgroup");
        assert_eq!(
            mount_of(unified, true),
            Some((mount.clone(), String::new()))
        );
        assert_eq!(mount_of(unified, false), None);
        let memory = (mount.join("memory"), "/docker/abc".to_owned());
        assert_eq!(mount_of(old, false), Some(memory));
        assert_eq!(mount_of(old, true), None);
    }
}
