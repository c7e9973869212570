//! What to change, with the command line.

use goheap_process::doctor::Surroundings;
use goheap_process::{Denied, ProcessError};

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
    ways.push(format!(
        "Kubernetes: kubectl debug -it POD --image=IMAGE --target=CONTAINER --profile=general -- \
         /usr/bin/goheap dump {pid} -o FILE (as root, or as the process's user and group)"
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
    if around.may_suspend == Some(false) {
        ways.push(match around.own.in_container {
            true => "or, as it is: goheap with --cap-add=SYS_PTRACE --cap-add=SYS_ADMIN --security-opt \
                     seccomp=unconfined, and --method pre-copy (docs/harm.md tells what could go wrong)"
                .to_owned(),
            false => format!(
                "or, as it is: sudo goheap dump {pid} -o FILE --method pre-copy (docs/harm.md tells what \
                 could go wrong)"
            ),
        });
    }
    ways
}
