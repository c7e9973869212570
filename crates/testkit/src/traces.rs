//! Traces that a capture might leave in its target, looked for by the test kit's own code in /proc.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Result, procfs};

/// How long a supervisor may take to undo what a killed goheap has begun, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a descriptor of a userfaultfd leads to.
const USERFAULTFD: &str = "anon_inode:[userfaultfd]";

/// What a killed supervisor may leave (docs/harm.md), both without effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Nothing.
    Nothing,
    /// Children that have ended, and a userfaultfd that was never armed.
    OfSupervisor,
}

/// How a process was before anything was done to it.
#[derive(Debug, Clone)]
pub struct Untouched {
    pid: u32,
    /// Blocked signals of each thread.
    masks: BTreeMap<i32, String>,
    /// What its descriptors lead to, but for sockets, and how many do.
    files: BTreeMap<String, usize>,
    nice: BTreeMap<i32, String>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Children that have ended and were not waited for.
    pub zombies: Vec<u32>,
    /// Descriptors of userfaultfds with which nothing was ever registered.
    pub unarmed: usize,
    /// All else, in words.
    pub others: Vec<String>,
}

impl Traces {
    /// Whether there are none.
    pub fn is_clean(&self) -> bool {
        *self == Traces::default()
    }
}

impl Untouched {
    /// Looks at a process that nothing was done to yet.
    ///
    /// # Errors
    /// If it is gone.
    pub fn look(pid: u32) -> Result<Untouched> {
        let mut untouched = Untouched {
            pid,
            masks: BTreeMap::new(),
            files: files(pid),
            nice: BTreeMap::new(),
        };
        for tid in procfs::thread_ids(pid)? {
            untouched.masks.insert(tid, status(pid, tid, "SigBlk:"));
            untouched.nice.insert(tid, nice(pid, tid));
        }
        Ok(untouched)
    }

    /// What is left once whoever undoes it has had time to: comes back as soon as there is nothing but
    /// what is allowed.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn traces_in_time(&self, allowed: Allowed) -> Result<Traces> {
        let patience = Instant::now() + PATIENCE;
        loop {
            let traces = self.traces()?;
            let suits = match allowed {
                Allowed::Nothing => traces.is_clean(),
                Allowed::OfSupervisor => traces.others.is_empty(),
            };
            if suits || Instant::now() >= patience {
                return Ok(traces);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes so many userfaultfds that were never armed for part of the process: they stay to its end.
    pub fn has_unarmed(&mut self, descriptors: usize) {
        *self.files.entry(USERFAULTFD.to_owned()).or_default() += descriptors;
    }

    /// What is there now.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn traces(&self) -> Result<Traces> {
        let pid = self.pid;
        let mut traces = Traces::default();
        let mut others = Vec::new();
        for tid in procfs::thread_ids(pid)? {
            let tracer = status(pid, tid, "TracerPid:");
            if !matches!(tracer.as_str(), "0" | "") {
                others.push(format!("thread {tid} is traced by {tracer}"));
            }
            let state = status(pid, tid, "State:");
            if state.starts_with(['T', 't']) {
                others.push(format!("thread {tid} stands still: {state}"));
            }
            // A thread that was born since has what some other has; a runtime blocks all for a moment
            // while it makes one.
            let mask = status(pid, tid, "SigBlk:");
            let as_before = match self.masks.get(&tid) {
                Some(before) => *before == mask,
                None => self.masks.values().any(|before| *before == mask),
            };
            if !as_before && !mask.is_empty() {
                others.push(format!("thread {tid} blocks {mask}"));
            }
            if let Some(before) = self.nice.get(&tid)
                && *before != nice(pid, tid)
            {
                others.push(format!("thread {tid} has another priority"));
            }
            let path = format!("/proc/{pid}/task/{tid}/children");
            for child in fs::read_to_string(path)
                .unwrap_or_default()
                .split_whitespace()
            {
                let Ok(child) = child.parse::<u32>() else {
                    continue;
                };
                match status(child, child.cast_signed(), "State:").as_str() {
                    zombie if zombie.starts_with('Z') => traces.zombies.push(child),
                    state => others.push(format!("child {child}, {state}")),
                }
            }
        }
        for (file, count) in files(pid) {
            let more = count.saturating_sub(self.files.get(&file).copied().unwrap_or(0));
            match more {
                0 => {}
                more if file == USERFAULTFD && unarmed(pid) == count => traces.unarmed = more,
                more => others.push(format!("{more} descriptors of {file} more than before")),
            }
        }
        let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
        let flags = smaps
            .lines()
            .filter_map(|line| line.strip_prefix("VmFlags:"));
        // proc(5): userfaultfd missing, and write-protect, tracking.
        let registered = flags.filter(|flags| {
            flags
                .split_whitespace()
                .any(|flag| matches!(flag, "um" | "uw" | "ui"))
        });
        match registered.count() {
            0 => {}
            count => others.push(format!(
                "{count} mappings are registered with a userfaultfd"
            )),
        }
        traces.others = others;
        Ok(traces)
    }
}

/// How many userfaultfds of a process were never armed: they have no features, not even the one that
/// stands for that (fs/userfaultfd.c: `userfaultfd_show_fdinfo`, `UFFD_FEATURE_INITIALIZED`).
fn unarmed(pid: u32) -> usize {
    let has_none = |entry: &fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let api = text.lines().find_map(|line| line.strip_prefix("API:"));
        api.and_then(|api| api.split(':').nth(1)) == Some("0")
    };
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo"));
    let entries = entries.into_iter().flatten().flatten();
    entries.filter(has_none).count()
}

fn files(pid: u32) -> BTreeMap<String, usize> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let Ok(to) = fs::read_link(entry.path()) else {
            continue;
        };
        let to = to.to_string_lossy().into_owned();
        // Those come and go with its clients.
        if !to.starts_with("socket:") {
            *files.entry(to).or_default() += 1;
        }
    }
    files
}

/// A field of a thread's status; empty if it is gone.
fn status(pid: u32, tid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(field));
    value.unwrap_or_default().trim().to_owned()
}

/// Field 19 of a thread's stat.
fn nice(pid: u32, tid: i32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields
        .split_whitespace()
        .nth(16)
        .unwrap_or_default()
        .to_owned()
}
