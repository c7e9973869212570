//! What to change, with the command line.

use goheap_process::ProcessError;
use goheap_process::doctor::{Seen, Surroundings};

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
    let CommandError::Process(ProcessError::NotPermitted { .. }) = error else {
        return Vec::new();
    };
    let mut ways = Vec::new();
    if around.own.in_container {
        ways.push(
            "Docker: docker run --rm -it --pid=container:NAME --cap-add=SYS_PTRACE IMAGE goheap ..."
                .to_owned(),
        );
        ways.push(
            "Kubernetes: kubectl debug -it POD --image=IMAGE --target=CONTAINER --profile=general \
             (sysadmin, if the process is another user's)"
                .to_owned(),
        );
    }
    let (theirs, ours) = (around.target.uid, around.own.uid);
    if theirs == ours && around.yama == Some(1) {
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
        if theirs != ours && theirs != 0 {
            ways.push(format!("sudo -u '#{theirs}' goheap dump {pid} -o FILE"));
        }
    } else if !around.own.sys_ptrace {
        ways.push("give this root CAP_SYS_PTRACE back (it has been taken away)".to_owned());
    }
    ways
}

/// How a program is run without a filter.
pub(super) fn unfiltered(target: &Seen) -> Vec<String> {
    let by = target.container.as_ref().map(|container| container.by);
    match by {
        Some("docker") => vec!["docker run --security-opt seccomp=unconfined ...".to_owned()],
        Some("podman") => vec!["podman run --security-opt seccomp=unconfined ...".to_owned()],
        Some("kubernetes") => {
            vec!["securityContext: { seccompProfile: { type: Unconfined } }".to_owned()]
        }
        _ => vec![
            "systemd: without SystemCallFilter=; Docker: --security-opt seccomp=unconfined"
                .to_owned(),
        ],
    }
}
