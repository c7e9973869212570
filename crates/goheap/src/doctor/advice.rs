//! What to change, with the command line.

use std::io;

use goheap_process::doctor::Surroundings;
use goheap_process::{Denied, Method, ProcessError};

use crate::error::CommandError;

/// For whoever looks into a container from outside of it.
pub(super) const OUTPUT: &str = "the dump is written where goheap runs, not in the container";

/// Whether an error is about what the program is, not about what may be done to it.
pub(super) fn is_about_the_program(error: &CommandError) -> bool {
    match error {
        CommandError::Process(error) => matches!(error, ProcessError::OtherMachine { .. }),
        CommandError::NotGo { .. }
        | CommandError::Image { .. }
        | CommandError::Program { .. }
        | CommandError::OtherBuild { .. }
        | CommandError::OtherProcessor { .. }
        | CommandError::Open { .. }
        | CommandError::Walk { .. } => true,
        _ => false,
    }
}

/// How to be let in.
pub(super) fn access(pid: u32, error: &CommandError, around: &Surroundings) -> Vec<String> {
    let CommandError::Process(ProcessError::NotPermitted { why, .. }) = error else {
        return Vec::new();
    };
    // No more of a capability that it has would do; its message says what would.
    if matches!(why, Denied::Module) {
        return Vec::new();
    }
    let yama = around.yama.unwrap_or(0);
    if yama >= 3 {
        return vec![
            "only a boot with a lower kernel.yama.ptrace_scope (/etc/sysctl.d) changes that"
                .to_owned(),
        ];
    }
    let alike = equals_will_do(why);
    let mut ways = Vec::new();
    if around.own.in_container {
        ways.extend(from_a_container(pid, why, around));
    }
    let (theirs, ours) = (around.target.uid, around.own.uid);
    if alike && theirs == ours && yama > 0 && !around.own.sys_ptrace {
        ways.push(
            "sudo sysctl kernel.yama.ptrace_scope=0 (for all, until the next boot)".to_owned(),
        );
    }
    if ours != 0 {
        ways.push(format!("sudo goheap dump {pid} -o FILE"));
        ways.push(
            "sudo setcap cap_sys_ptrace,cap_dac_read_search+ep \"$(command -v goheap)\" (for whoever may run it)"
                .to_owned(),
        );
        if alike && theirs != ours && theirs != 0 && yama == 0 {
            ways.push(format!("sudo -u '#{theirs}' goheap dump {pid} -o FILE"));
        }
    } else if !around.own.sys_ptrace {
        ways.push("give this root CAP_SYS_PTRACE back (it has been taken away)".to_owned());
    }
    ways
}

/// Whether to be of its user and its group might do.
fn equals_will_do(why: &Denied) -> bool {
    !matches!(why, Denied::NotDumpable { .. } | Denied::MoreCapabilities)
}

/// How to be let in from a container. Who is not root in one has no capability in force, whatever
/// `--cap-add` says; who is has CAP_DAC_OVERRIDE, unless it was dropped.
fn from_a_container(pid: u32, why: &Denied, around: &Surroundings) -> Vec<String> {
    let files = matches!(why, Denied::Files { .. });
    let more = match (around.own.uid, files) {
        (0, true) => " --cap-add=DAC_READ_SEARCH",
        (0, false) => "",
        _ => " --user=0",
    };
    let (uid, gid) = (around.target.uid, around.target.gid);
    let mut ways = vec![format!(
        "Docker: docker run --rm --pid=container:NAME --cap-add=SYS_PTRACE{more} -v \"$PWD:/dumps\" IMAGE \
         dump {pid} -o FILE"
    )];
    let alike = equals_will_do(why) && around.yama.unwrap_or(0) == 0;
    if uid != 0 && alike && !around.own.sys_ptrace {
        ways.push(format!("Docker, without a capability: --user={uid}:{gid}"));
    }
    let who = match alike {
        true => "as root, or as the process's user and group",
        false => "as root",
    };
    ways.push(format!(
        "Kubernetes: kubectl debug -it POD --image=IMAGE --target=CONTAINER --profile=general -- \
         /usr/bin/goheap dump {pid} -o FILE ({who})"
    ));
    ways
}

/// How a program is run without a filter, or its filter got round.
pub(super) fn unfiltered(pid: u32, around: &Surroundings) -> Vec<String> {
    let container = around.target.container.as_ref();
    let without = match container.map(|container| container.by) {
        Some("docker") => "docker run --security-opt seccomp=unconfined ...",
        Some("podman") => "podman run --security-opt seccomp=unconfined ...",
        Some("kubernetes") => "securityContext: { seccompProfile: { type: Unconfined } }",
        _ => {
            "systemd: without SystemCallFilter= and what sets a filter as well (docs/recipes.md); Docker: \
              --security-opt seccomp=unconfined"
        }
    };
    let mut ways = vec![without.to_owned()];
    // Where the kernel cannot suspend one, no capability helps.
    if let Some(Err(error)) = &around.may_suspend
        && is_forbidden(error)
    {
        let method = match around.write_tracking {
            Ok(()) => Method::PreCopy,
            Err(_) => Method::Fork,
        };
        ways.push(match around.own.in_container {
            true => format!(
                "or, as it is: goheap with --cap-add=SYS_PTRACE --cap-add=SYS_ADMIN --security-opt \
                 seccomp=unconfined, and --method {method} (docs/harm.md tells what could go wrong)"
            ),
            false => format!(
                "or, as it is: sudo goheap dump {pid} -o FILE --method {method} (docs/harm.md tells what \
                 could go wrong)"
            ),
        });
    }
    ways
}

/// Whether somebody with more privileges might be let do it.
pub(super) fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests {
    use goheap_process::Seccomp;
    use goheap_process::cgroup::Cgroup;
    use goheap_process::doctor::{Own, Seen};

    use super::*;

    /// A process with a filter of user 1000, and goheap of the same user.
    fn around() -> Surroundings {
        Surroundings {
            own: Own {
                uid: 1000,
                sys_ptrace: false,
                sys_admin: false,
                filtered: false,
                may_call_ptrace: true,
                in_container: false,
            },
            kernel: "6.12.0".to_owned(),
            may_suspend: Some(Err(io::Error::from_raw_os_error(EPERM))),
            write_tracking: Ok(()),
            yama: None,
            overcommit: None,
            memory: None,
            target: Seen {
                name: "app".to_owned(),
                uid: 1000,
                gid: 1000,
                threads: 1,
                rss: 0,
                rss_anon: 0,
                seccomp: Seccomp::Filter,
                tracer: None,
                other_pids: false,
                other_mounts: None,
                container: None,
            },
            cgroup: Cgroup::default(),
        }
    }

    /// Of errno(3).
    const EPERM: i32 = 1;
    const EINVAL: i32 = 22;

    #[test]
    fn the_method_that_is_named_is_one_that_this_kernel_has() {
        for in_container in [false, true] {
            let mut around = around();
            around.own.in_container = in_container;
            let named = unfiltered(7, &around).join("\n");
            assert!(named.contains("--method pre-copy"), "{named}");
            around.write_tracking = Err("it takes 6.7 or later".to_owned());
            let named = unfiltered(7, &around).join("\n");
            assert!(named.contains("--method fork"), "{named}");
            assert!(!named.contains("pre-copy"), "{named}");
            for unable in [
                Some(Err(io::Error::from_raw_os_error(EINVAL))),
                Some(Ok(())),
                None,
            ] {
                around.may_suspend = unable;
                let named = unfiltered(7, &around);
                assert!(
                    named.len() == 1 && !named[0].contains("--method"),
                    "{named:?}"
                );
            }
        }
    }

    /// What is advised in a container to a user that was refused.
    fn refused(why: Denied, yama: Option<u32>) -> String {
        let mut around = around();
        around.own.in_container = true;
        around.yama = yama;
        let error = CommandError::Process(ProcessError::NotPermitted {
            pid: 7,
            name: "app".to_owned(),
            why,
        });
        access(7, &error, &around).join("\n")
    }

    #[test]
    fn to_be_its_user_is_advised_only_where_that_might_do() {
        let (alike, docker) = ("the process's user and group", "--user=1000:1000");
        let other = Denied::OtherUser {
            theirs: 1000,
            ours: 7,
        };
        for yama in [None, Some(0)] {
            let said = refused(other, yama);
            assert!(said.contains(alike) && said.contains(docker), "{said}");
        }
        let not_dumpable = Denied::NotDumpable {
            owner: 0,
            ours: 1000,
        };
        for (why, yama) in [
            (other, Some(1)),
            (Denied::Yama { scope: 2 }, Some(2)),
            (not_dumpable, Some(0)),
            (Denied::MoreCapabilities, Some(0)),
        ] {
            let said = refused(why, yama);
            assert!(
                said.contains("(as root)") && said.contains("--user=0"),
                "{said}"
            );
            assert!(!said.contains(alike) && !said.contains(docker), "{said}");
        }
        let said = refused(not_dumpable, Some(1));
        assert!(!said.contains("sysctl"), "{said}");
    }
}
