//! What a capture of an idle service must leave as it was, beside what [`crate::traces`] looks at.

use std::collections::BTreeMap;
use std::fs;

/// What /proc tells of a process that nobody talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lasting {
    /// How many of its descriptors are sockets.
    sockets: usize,
    /// Signals that it ignores and catches, and that wait for it.
    signals: [String; 3],
    /// /proc/PID/oom_score_adj.
    oom_score_adj: String,
}

impl Lasting {
    pub(super) fn of(pid: u32) -> Lasting {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let status = read("status");
        let signals = ["SigIgn:", "SigCgt:", "ShdPnd:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        });
        let entries = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten();
        let links = entries
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok());
        let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:"));
        Lasting {
            sockets: sockets.count(),
            signals,
            oom_score_adj: read("oom_score_adj"),
        }
    }
}

/// Processes that have this in their environment, `NAME=VALUE`, with their command lines.
pub(super) fn processes_with(variable: &str) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|one| one == variable.as_bytes())
        {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.insert(pid, String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    found
}
