//! Children of the target that are ours, have ended, and were waited for by nobody: what a supervisor
//! leaves that was killed.

use std::fs;
use std::path::Path;

use crate::proc::{self, Status};

/// Places in /proc/PID/stat, counted from 1 as proc(5) does.
mod field {
    pub(super) const UTIME: usize = 14;
    pub(super) const STARTED: usize = 22;
    pub(super) const EXIT_SIGNAL: usize = 38;
    pub(super) const EXIT_CODE: usize = 52;
}

/// The bit of an exit code that tells of a core file (wait(2)).
const CORE: i64 = 0x80;

/// What `stat` tells of one process.
struct Stat {
    name: String,
    /// From the third field on: state, parent, ...
    fields: Vec<String>,
}

impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        let text = fs::read(proc::path(pid, "stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The name may hold spaces and parentheses.
        let (front, fields) = text.rsplit_once(')')?;
        let (_, name) = front.split_once('(')?;
        Some(Stat {
            name: name.to_owned(),
            fields: fields.split_whitespace().map(str::to_owned).collect(),
        })
    }

    fn number(&self, field: usize) -> Option<i64> {
        self.fields.get(field.checked_sub(3)?)?.parse().ok()
    }

    fn is_zombie(&self) -> bool {
        self.fields.first().is_some_and(|state| state == "Z")
    }

    /// Whether this is a copy that we had a process make: no signal tells its parent of its end, which
    /// hardly any child is made with; it never ran; and it was killed, or faulted at its first
    /// instruction.
    fn is_copy(&self) -> bool {
        let ends = [libc::SIGKILL, libc::SIGSEGV].map(i64::from);
        self.number(field::EXIT_SIGNAL) == Some(0)
            && self.number(field::UTIME) == Some(0)
            && self
                .number(field::EXIT_CODE)
                .is_some_and(|code| ends.contains(&(code & !CORE)))
    }

    /// Whether this is a supervisor that came to the target when its goheap was killed, since the target
    /// is the first process of the namespace.
    fn is_supervisor(&self) -> bool {
        self.name.as_bytes() == super::NAME.to_bytes()
    }
}

/// When a process started, in clock ticks since boot; `None` if it is gone.
pub(super) fn started(pid: u32) -> Option<u64> {
    u64::try_from(Stat::read(pid)?.number(field::STARTED)?).ok()
}

/// Those of process `pid`, by their numbers in its own namespace.
pub(super) fn find(pid: u32) -> Vec<i64> {
    let status = |pid: u32| Status::read(Path::new(&format!("/proc/{pid}"))).ok();
    let Some(level) = status(pid).map(|status| status.nspid.len()) else {
        return Vec::new();
    };
    let theirs = |child: u32| {
        let stat = Stat::read(child)?;
        let ours = stat.is_zombie() && (stat.is_copy() || stat.is_supervisor());
        // Inside of its own namespace it may have further numbers.
        let number = *status(child)?.nspid.get(level.checked_sub(1)?)?;
        ours.then_some(i64::from(number))
    };
    children(pid).into_iter().filter_map(theirs).collect()
}

/// The children of all threads of a process, as far as the kernel tells (CONFIG_PROC_CHILDREN).
fn children(pid: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for tid in proc::tids(pid).unwrap_or_default() {
        let text = fs::read_to_string(proc::path(pid, &format!("task/{tid}/children")));
        let text = text.unwrap_or_default();
        children.extend(
            text.split_whitespace()
                .filter_map(|child| child.parse::<u32>().ok()),
        );
    }
    children
}
