//! Limits that the kernel has set for a process together with others: its memory and pids cgroups,
//! of version 1 and 2 (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst).
//!
//! All of it is read from /proc/PID/cgroup and the mounted hierarchies: as they are mounted here, or, where
//! these do not show the group (that of another container), as they are mounted for the process itself.
//! That a group can be seen in neither is told. Limits above what a container shows of its own hierarchy
//! (a pod's) are not.

use std::path::PathBuf;

mod view;

use view::{Directory, Found, Group, View};

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
    /// Whether that group cannot be seen from here: its memory may have a limit that is not known.
    pub hidden: bool,
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

/// What limits a process's memory together with others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MemoryLimits {
    /// Its groups that have a limit, its own first.
    pub(crate) limits: Vec<Limited>,
    /// Its group, if that cannot be seen from here: then it may have limits that nobody knows.
    pub(crate) hidden: Option<String>,
}

/// The limits of the memory cgroups of process `pid`.
pub(crate) fn memory_limits(pid: u32) -> MemoryLimits {
    match View::of(pid).find("memory") {
        Found::Nowhere => MemoryLimits::default(),
        Found::Hidden(path) => MemoryLimits {
            limits: Vec::new(),
            hidden: Some(path),
        },
        Found::Here(group) => MemoryLimits {
            limits: group.memory_limits(),
            hidden: None,
        },
    }
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
        Cgroup::from(&View::of(pid))
    }

    fn from(view: &View) -> Cgroup {
        let mut cgroup = Cgroup::default();
        match view.find("memory") {
            Found::Nowhere => {}
            Found::Hidden(path) => {
                cgroup.path = path;
                cgroup.hidden = true;
            }
            Found::Here(group) => {
                let limits = group.memory_limits().into_iter();
                cgroup.memory = limits.map(|limited| limited.limit).min_by_key(Limit::left);
                let mut directories = group.directories.iter();
                cgroup.oom_group =
                    directories.any(|directory| number(directory, "memory.oom.group") == Some(1));
                cgroup.path = group.path;
            }
        }
        if let Found::Here(group) = view.find("pids") {
            let directories = group.directories.iter();
            cgroup.pids = directories
                .filter_map(|directory| limit(directory, &PIDS))
                .min_by_key(Limit::left);
        }
        cgroup
    }
}

impl Group {
    /// Of its directories, those that limit memory.
    fn memory_limits(&self) -> Vec<Limited> {
        let files = &MEMORY[usize::from(self.version_2)];
        let limited = |directory: &Directory| {
            let mut limit = limit(directory, files)?;
            limit.used = limit.used.saturating_sub(idle_files(directory));
            let takes_all = match self.version_2 {
                true => number(directory, "memory.oom.group") == Some(1),
                false => hangs(directory),
            };
            Some(Limited {
                directory: directory.shown.clone(),
                limit,
                takes_all,
            })
        };
        self.directories.iter().filter_map(limited).collect()
    }
}

fn limit(directory: &Directory, files: &Files) -> Option<Limit> {
    let most = number(directory, files.most).filter(|&most| most < NO_LIMIT)?;
    let used = number(directory, files.used)?;
    Some(Limit { most, used })
}

/// `None` where there is no such file, or it says `max`.
fn number(directory: &Directory, name: &str) -> Option<u64> {
    directory.read(name)?.trim().parse().ok()
}

/// Whether a group of version 1 stands still, rather than losing a process, when its memory is over.
fn hangs(directory: &Directory) -> bool {
    let control = directory.read("memory.oom_control").unwrap_or_default();
    control
        .lines()
        .any(|line| line.trim() == "oom_kill_disable 1")
}

/// What the kernel keeps of files and nobody has used lately.
fn idle_files(directory: &Directory) -> u64 {
    let stat = directory.read("memory.stat").unwrap_or_default();
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
mod tests;
