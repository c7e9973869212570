//! A memory cgroup in which one command runs, so that all that it takes (anonymous memory and the
//! pages of its files) is limited and told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// A cgroup of our own; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    /// Whether it is of the unified hierarchy (cgroup-v2), or of the memory controller's own.
    unified: bool,
}

impl Cgroup {
    /// Makes one with a limit in bytes. Needs to be root, or to have been given a part of the tree.
    pub(crate) fn with_limit(bytes: u64) -> Result<Cgroup> {
        let name = format!("goheap-bench-{}", std::process::id());
        let old = Path::new("/sys/fs/cgroup/memory");
        let unified = !old.is_dir();
        let folder = match unified {
            true => Path::new("/sys/fs/cgroup").join(name),
            false => old.join(name),
        };
        fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        let group = Cgroup { folder, unified };
        let limit = bytes.to_string();
        if unified {
            group.write("memory.max", &limit)?;
            // Not on every kernel: without swap there is nothing to limit.
            let _ = group.write("memory.swap.max", "0");
        } else {
            group.write("memory.limit_in_bytes", &limit)?;
            let _ = group.write("memory.memsw.limit_in_bytes", &limit);
        }
        Ok(group)
    }

    /// The command, to be run inside.
    pub(crate) fn wrap(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.folder.join("cgroup.procs"))
            .arg(command.get_program())
            .args(command.get_args());
        inside
    }

    /// The most memory that it has had so far, in bytes; `None` where the kernel does not tell.
    pub(crate) fn peak(&self) -> Option<u64> {
        let name = match self.unified {
            true => "memory.peak",
            false => "memory.max_usage_in_bytes",
        };
        let text = fs::read_to_string(self.folder.join(name)).ok()?;
        text.trim().parse().ok()
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("write {text} to {}", path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Its processes have ended; the kernel may take a moment to notice.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
