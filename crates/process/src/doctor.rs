//! What is around a process, and what this process may do: the facts that decide how it can be
//! captured. All of it is read from /proc and the cgroups, or asked of the kernel about this process;
//! the process itself is not touched.

use std::fs;
use std::io;
use std::path::Path;

use crate::cgroup::Cgroup;
use crate::proc::{self, Status};
use crate::{ProcessError, Seccomp, find, sys, userfault};

/// The bits of capabilities (include/uapi/linux/capability.h).
const CAP_SYS_PTRACE: u64 = 1 << 19;
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// What is around a process.
#[derive(Debug)]
pub struct Surroundings {
    /// Of this process: who it is and what it may do.
    pub own: Own,
    /// What the kernel calls its release.
    pub kernel: String,
    /// Whether this process may suspend the seccomp filter of the process for a system call; `None` if
    /// it has none. That it is not permitted is one thing; any other error means that the kernel cannot.
    pub may_suspend: Option<io::Result<()>>,
    /// Whether the kernel can tell what a process writes; what is in the way, if not.
    pub write_tracking: Result<(), String>,
    /// The setting of the Yama security module (`ptrace_scope`), if the kernel has it.
    pub yama: Option<u32>,
    /// `vm.overcommit_memory`: 2 is strict.
    pub overcommit: Option<u32>,
    /// Bytes of memory of the machine, and what of that is to be had.
    pub memory: Option<(u64, u64)>,
    /// What /proc tells everyone of the process.
    pub target: Seen,
    /// Its cgroup.
    pub cgroup: Cgroup,
}

/// This process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// Its effective user.
    pub uid: u32,
    /// Whether it has CAP_SYS_PTRACE.
    pub sys_ptrace: bool,
    /// Whether it has CAP_SYS_ADMIN.
    pub sys_admin: bool,
    /// Whether it has a seccomp filter.
    pub filtered: bool,
    /// Whether it may call ptrace at all.
    pub may_call_ptrace: bool,
    /// Whether it is in a container itself, as far as that shows.
    pub in_container: bool,
}

/// What everybody may see of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The name that the kernel has for it.
    pub name: String,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// How many threads it has.
    pub threads: u32,
    /// Bytes of it in RAM.
    pub rss: u64,
    /// Of these, of no file.
    pub rss_anon: u64,
    /// Its seccomp mode.
    pub seccomp: Seccomp,
    /// Who traces it.
    pub tracer: Option<u32>,
    /// Whether it lives in a pid namespace below this process's.
    pub other_pids: bool,
    /// Whether it sees other file systems than this process; `None` if that cannot be seen.
    pub other_mounts: Option<bool>,
    /// The container that it is in.
    pub container: Option<Container>,
}

/// A container, as a process's cgroup names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What runs it: `docker`, `podman`, `kubernetes`, `lxc`, or `container`.
    pub by: &'static str,
    /// Its id, if the path of the cgroup has one.
    pub id: Option<String>,
}

impl Surroundings {
    /// Looks around process `pid`.
    ///
    /// # Errors
    /// There is no such process, or it is none that could ever be captured.
    pub fn of(pid: u32) -> Result<Surroundings, ProcessError> {
        let status = find::status_of(pid)?;
        let cgroup = Cgroup::of(pid);
        let groups = fs::read_to_string(proc::path(pid, "cgroup")).unwrap_or_default();
        let other = |namespace: &str| {
            let theirs = fs::read_link(proc::path(pid, namespace)).ok()?;
            let ours = fs::read_link(Path::new("/proc/self").join(namespace)).ok()?;
            Some(theirs != ours)
        };
        let other_mounts = other("ns/mnt");
        let target = Seen {
            uid: status.uid,
            gid: status.gid,
            threads: status.threads,
            rss: status.rss,
            rss_anon: status.rss_anon,
            seccomp: Seccomp::of_mode(status.seccomp),
            tracer: (status.tracer != 0).then_some(status.tracer),
            other_pids: status.nspid.len() > 1,
            container: Container::of(&groups).filter(|_| other_mounts != Some(false)),
            other_mounts,
            name: status.name,
        };
        Ok(Surroundings {
            own: Own::look()?,
            kernel: text("/proc/sys/kernel/osrelease").unwrap_or_default(),
            may_suspend: (target.seccomp != Seccomp::Disabled)
                .then(|| sys::may_suspend_seccomp().map_err(io::Error::from_raw_os_error)),
            write_tracking: userfault::is_supported_here(),
            yama: find::yama(),
            overcommit: text("/proc/sys/vm/overcommit_memory").and_then(|text| text.parse().ok()),
            memory: machine_memory(),
            target,
            cgroup,
        })
    }
}

impl Own {
    fn look() -> Result<Own, ProcessError> {
        let path = Path::new("/proc/self");
        let own = Status::read(path).map_err(|source| ProcessError::Proc {
            path: path.join("status"),
            source,
        })?;
        let in_container = ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|path| Path::new(path).exists())
            || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        Ok(Own {
            uid: sys::geteuid(),
            sys_ptrace: own.capabilities & CAP_SYS_PTRACE != 0,
            sys_admin: own.capabilities & CAP_SYS_ADMIN != 0,
            filtered: own.seccomp != 0,
            may_call_ptrace: sys::may_call_ptrace(),
            in_container,
        })
    }
}

impl Container {
    /// The paths of a container's cgroups hold its id, 64 hexadecimal digits, and the name of who made
    /// it: `/docker/ID`, `/system.slice/docker-ID.scope`, `/machine.slice/libpod-ID.scope`,
    /// `/kubepods.slice/...-pod....slice/cri-containerd-ID.scope`, `/lxc.payload.NAME`.
    fn of(groups: &str) -> Option<Container> {
        const MAKERS: [(&str, &str); 7] = [
            ("kubepods", "kubernetes"),
            ("docker", "docker"),
            ("libpod", "podman"),
            ("cri-containerd", "kubernetes"),
            ("crio-", "kubernetes"),
            ("containerd", "container"),
            ("lxc", "lxc"),
        ];
        let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        for path in paths {
            // A service of the machine is none: /system.slice/docker.service.
            let id = path
                .split(|c: char| !c.is_ascii_hexdigit())
                .find(|part| part.len() == 64);
            let maker = MAKERS.iter().find(|(mark, _)| path.contains(mark));
            match (maker, id) {
                (Some((_, by)), Some(id)) => {
                    return Some(Container {
                        by,
                        id: Some(id.to_owned()),
                    });
                }
                (Some((_, by @ ("kubernetes" | "lxc"))), None) if !path.ends_with(".service") => {
                    return Some(Container { by, id: None });
                }
                (None, Some(id)) => {
                    return Some(Container {
                        by: "container",
                        id: Some(id.to_owned()),
                    });
                }
                _ => {}
            }
        }
        None
    }
}

/// Bytes that may still be written to the disk that a path is on.
///
/// # Errors
/// Of the system.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    sys::free_bytes(path).map_err(io::Error::from_raw_os_error)
}

/// Bytes of memory of this machine, and how many could be had without swapping (proc(5), meminfo).
pub fn machine_memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib.saturating_mul(1024))
    };
    Some((field("MemTotal:")?, field("MemAvailable:")?))
}

fn text(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_by_the_paths_of_their_groups() {
        let id = "0123456789abcdef".repeat(4);
        for (path, by, with_id) in [
            ("/docker/ID", "docker", true),
            ("/system.slice/docker-ID.scope", "docker", true),
            ("/machine.slice/libpod-ID.scope/container", "podman", true),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a_2b.slice/cri-containerd-ID.scope",
                "kubernetes",
                true,
            ),
            ("/kubepods/besteffort/pod1a-2b/ID", "kubernetes", true),
            ("/lxc.payload.web/system.slice", "lxc", false),
            ("/system.slice/nerdctl-ID.scope", "container", true),
        ] {
            let groups = format!("12:pids:/\n0::{}\n", path.replace("ID", &id));
            let expected = Container {
                by,
                id: with_id.then(|| id.clone()),
            };
            assert_eq!(Container::of(&groups), Some(expected), "{path}");
        }
        for path in [
            "/",
            "/user.slice/user-1000.slice/session-2.scope",
            "/system.slice/docker.service",
            "/system.slice/containerd.service",
        ] {
            assert_eq!(Container::of(&format!("0::{path}\n")), None, "{path}");
        }
    }

    #[test]
    fn around_this_process() {
        let around = Surroundings::of(std::process::id()).expect("this process");
        assert_eq!(around.target.uid, around.own.uid);
        assert_eq!(around.target.other_mounts, Some(false));
        assert!(around.target.rss > 1 << 20 && around.target.rss_anon > 0);
        assert!(around.own.may_call_ptrace || around.own.filtered);
        assert!(around.memory.is_some_and(|(all, left)| left < all));
        assert!(!around.kernel.is_empty());
        assert!(free_bytes(Path::new("/proc/self")).is_ok());
        assert!(free_bytes(Path::new("/no/such/path")).is_err());
    }
}
