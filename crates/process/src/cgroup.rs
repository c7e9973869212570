//! Limits that the kernel has set for a process together with others: its memory and pids cgroups,
//! of version 1 and 2 (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst).
//!
//! All of it is read from /proc/PID/cgroup and the mounted hierarchies. What cannot be seen from here
//! (a group outside of this cgroup namespace, a hierarchy that is not mounted) is not told.

use std::fs;
use std::path::{Path, PathBuf};

/// The tightest limit of a process's groups and what is used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The most.
    pub most: u64,
    /// Of that in use. Of memory: without what the kernel keeps of files and would give up at once
    /// (`inactive_file`).
    pub used: u64,
}

impl Limit {
    /// What is left.
    pub fn left(&self) -> u64 {
        self.most.saturating_sub(self.used)
    }
}

/// What limits a process together with others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Where the process is in the hierarchy that has the memory controller; empty if not known.
    pub path: String,
    /// Bytes of memory; `None` if there is no limit.
    pub memory: Option<Limit>,
    /// Whether all of a group is ended where one process of it would be, when its memory is over.
    pub oom_group: bool,
    /// Processes and threads; `None` if there is no limit.
    pub pids: Option<Limit>,
}

/// A memory cgroup that has a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limited {
    /// Its directory.
    pub(crate) directory: PathBuf,
    /// Its limit, in bytes.
    pub(crate) limit: Limit,
    /// Whether running out of it is the end of more than one process: `memory.oom.group`, or
    /// version 1's `oom_kill_disable`, which lets the group hang.
    pub(crate) takes_all: bool,
}

/// The memory cgroups of process `pid` that have a limit, its own first.
pub(crate) fn memory_limits(pid: u32) -> Vec<Limited> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let group = Group::find(&groups, &mounts, "memory");
    group.map_or_else(Vec::new, |group| group.memory_limits())
}

/// Files of a controller's group, by version.
struct Files {
    most: &'static str,
    used: &'static str,
}

const MEMORY: [Files; 2] = [
    Files {
        most: "memory.limit_in_bytes",
        used: "memory.usage_in_bytes",
    },
    Files {
        most: "memory.max",
        used: "memory.current",
    },
];

const PIDS: Files = Files {
    most: "pids.max",
    used: "pids.current",
};

/// A limit of version 1 that is none: the most pages that a counter holds, in bytes
/// (`PAGE_COUNTER_MAX`), which is 2^63 rounded down to a page.
const NO_LIMIT: u64 = 1 << 62;

impl Cgroup {
    /// That of process `pid`.
    pub fn of(pid: u32) -> Cgroup {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Cgroup::from(&groups, &mounts)
    }

    fn from(groups: &str, mounts: &str) -> Cgroup {
        let memory = Group::find(groups, mounts, "memory");
        let pids = Group::find(groups, mounts, "pids");
        let memory_limit = memory.as_ref().and_then(|group| {
            let limits = group.memory_limits().into_iter();
            limits.map(|limited| limited.limit).min_by_key(Limit::left)
        });
        let oom_group = memory.as_ref().is_some_and(|group| {
            group
                .directories()
                .any(|directory| number(&directory.join("memory.oom.group")) == Some(1))
        });
        let pids = pids.and_then(|group| {
            let limits = group.directories();
            limits
                .filter_map(|directory| limit(&directory, &PIDS))
                .min_by_key(Limit::left)
        });
        Cgroup {
            path: memory.map(|group| group.path).unwrap_or_default(),
            memory: memory_limit,
            oom_group,
            pids,
        }
    }
}

/// The group of a process in the hierarchy of a controller.
struct Group {
    version_2: bool,
    /// As /proc/PID/cgroup has it.
    path: String,
    /// Where the hierarchy is mounted, and the group below that.
    mount: PathBuf,
    below: PathBuf,
}

impl Group {
    /// cgroups(7): lines of `NUMBER:CONTROLLERS:PATH`; that of version 2 has no controllers.
    fn find(groups: &str, mounts: &str, controller: &str) -> Option<Group> {
        let mut lines = groups.lines().map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            (
                fields.next().unwrap_or_default(),
                fields.next().unwrap_or_default(),
            )
        });
        let has = |list: &str| list.split(',').any(|one| one == controller);
        let (version_2, path) = match lines.clone().find(|(controllers, _)| has(controllers)) {
            Some((_, path)) => (false, path),
            None => (
                true,
                lines.find(|(controllers, _)| controllers.is_empty())?.1,
            ),
        };
        // proc(5): ID PARENT MAJOR:MINOR ROOT MOUNT OPTIONS [FIELDS] - TYPE SOURCE SUPER-OPTIONS
        let (root, mount) = mounts.lines().find_map(|line| {
            let (before, behind) = line.split_once(" - ")?;
            let mut behind = behind.split(' ');
            let fits = match (behind.next()?, version_2) {
                ("cgroup2", true) => true,
                ("cgroup", false) => behind.nth(1).is_some_and(has),
                _ => false,
            };
            let mut before = before.split(' ').skip(3);
            fits.then_some((before.next()?, before.next()?))
        })?;
        // In a container the mount shows a part of the hierarchy: that of the container alone, where another
        // container's groups cannot be seen, and its own limits are not theirs.
        let below = Path::new(path).strip_prefix(root).ok()?.to_owned();
        (!below.starts_with("..")).then(|| Group {
            version_2,
            path: path.to_owned(),
            mount: PathBuf::from(mount),
            below,
        })
    }

    /// Of its directories, those that limit memory.
    fn memory_limits(&self) -> Vec<Limited> {
        let files = &MEMORY[usize::from(self.version_2)];
        let limited = |directory: PathBuf| {
            let mut limit = limit(&directory, files)?;
            limit.used = limit.used.saturating_sub(idle_files(&directory));
            let takes_all = match self.version_2 {
                true => number(&directory.join("memory.oom.group")) == Some(1),
                false => hangs(&directory),
            };
            Some(Limited {
                directory,
                limit,
                takes_all,
            })
        };
        self.directories().filter_map(limited).collect()
    }

    /// Its directory, and those above it, whose limits hold for it as well.
    fn directories(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.below.ancestors().map(|below| self.mount.join(below))
    }
}

fn limit(directory: &Path, files: &Files) -> Option<Limit> {
    let most = number(&directory.join(files.most)).filter(|&most| most < NO_LIMIT)?;
    let used = number(&directory.join(files.used))?;
    Some(Limit { most, used })
}

/// `None` where there is no such file, or it says `max`.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether a group of version 1 stands still, rather than losing a process, when its memory is over.
fn hangs(directory: &Path) -> bool {
    let control = fs::read_to_string(directory.join("memory.oom_control")).unwrap_or_default();
    control
        .lines()
        .any(|line| line.trim() == "oom_kill_disable 1")
}

/// What the kernel keeps of files and nobody has used lately.
fn idle_files(directory: &Path) -> u64 {
    let stat = fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
    // Version 1 counts a group's own apart from what is below it.
    let field = |name: &str| {
        let value = stat.lines().find_map(|line| line.strip_prefix(name))?;
        value.strip_prefix(' ')?.parse().ok()
    };
    field("total_inactive_file")
        .or_else(|| field("inactive_file"))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of a hierarchy.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        folder
    }

    #[test]
    fn the_tightest_of_version_2_counts() {
        let folder = tree(&[
            ("a/memory.max", "1000000\n"),
            ("a/memory.current", "900000\n"),
            ("a/memory.stat", "anon 1\ninactive_file 100000\n"),
            ("a/memory.oom.group", "1\n"),
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.current", "800000\n"),
            ("a/b/pids.max", "20\n"),
            ("a/b/pids.current", "7\n"),
        ]);
        let mount = folder.path().display();
        let mounts = format!("1 2 0:1 / {mount} rw - cgroup2 cgroup2 rw\n");
        let got = Cgroup::from("0::/a/b\n", &mounts);
        let expected = Cgroup {
            path: "/a/b".to_owned(),
            memory: Some(Limit {
                most: 1_000_000,
                used: 800_000,
            }),
            oom_group: true,
            pids: Some(Limit { most: 20, used: 7 }),
        };
        assert_eq!(got, expected);
        assert_eq!(got.pids.map(|pids| pids.left()), Some(13));
        // Outside of this namespace's part, and of what is mounted; and not mounted at all.
        assert_eq!(Cgroup::from("0::/../x\n", &mounts), Cgroup::default());
        let own = format!("1 2 0:1 /docker/own {mount} rw - cgroup2 cgroup2 rw\n");
        for elsewhere in ["0::/docker/a/b\n", "0::/docker/own-not/a/b\n", "0::/a/b\n"] {
            assert_eq!(Cgroup::from(elsewhere, &own), Cgroup::default());
        }
        let below = Cgroup::from("0::/docker/own/a/b\n", &own);
        assert_eq!((below.memory, below.pids), (got.memory, got.pids));
        assert_eq!(Cgroup::from("0::/a/b\n", ""), Cgroup::default());
    }

    #[test]
    fn version_1_with_a_mount_of_a_part() {
        let folder = tree(&[
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.usage_in_bytes", "5\n"),
            ("x/memory.limit_in_bytes", "4096000\n"),
            ("x/memory.usage_in_bytes", "4000000\n"),
            (
                "x/memory.stat",
                "inactive_file 1\ntotal_inactive_file 1000000\n",
            ),
        ]);
        let mount = folder.path().display();
        let mounts = format!("1 2 0:1 /docker {mount} rw shared:1 - cgroup cgroup rw,memory\n");
        let groups = "8:pids:/\n4:cpu,memory:/docker/x\n0::/\n";
        let got = Cgroup::from(groups, &mounts);
        let memory = Limit {
            most: 4_096_000,
            used: 3_000_000,
        };
        assert_eq!(got.memory, Some(memory));
        let group = Group::find(groups, &mounts, "memory").expect("a group");
        let directory = folder.path().join("x");
        let limited = |takes_all| {
            vec![Limited {
                directory: directory.clone(),
                limit: memory,
                takes_all,
            }]
        };
        assert_eq!(group.memory_limits(), limited(false));
        let control = "oom_kill_disable 1\nunder_oom 0\n";
        fs::write(directory.join("memory.oom_control"), control).expect("a file");
        assert_eq!(group.memory_limits(), limited(true));
        assert_eq!((got.pids, got.oom_group), (None, false));
        assert_eq!(got.path, "/docker/x");
    }

    /// Whatever this machine has, this process is in it.
    #[test]
    fn of_this_process() {
        let own = Cgroup::of(std::process::id());
        assert!(own.memory.is_none_or(|memory| memory.most > 0));
        assert!(own.pids.is_none_or(|pids| pids.used > 0));
    }
}
