//! Who may capture what: users, filters of system calls, limits.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use goheap_testkit::Program;
use goheap_testkit::obedient::Obedient;

use crate::{
    METHODS, Outcome, binary, capture, counted, dump_command, field, is_open, is_root, obeys,
    path_of, program, start_through,
};

/// `nobody`.
const NOBODY: u32 = 65_534;

/// Copies of goheap and of a program, where everybody can reach them.
struct Reachable {
    _folder: tempfile::TempDir,
    goheap: PathBuf,
    program: Program,
}

impl Reachable {
    fn new(name: &str) -> Reachable {
        let folder = tempfile::tempdir().expect("a folder");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("a folder for all");
        let copy = |from: &Path, name: &str| {
            let to = folder.path().join(name);
            fs::copy(from, &to).expect("a copy");
            to
        };
        let mut program = program(name, false);
        program.executable = copy(&program.executable, name);
        Reachable {
            goheap: copy(binary(), "goheap"),
            program,
            _folder: folder,
        }
    }

    /// The program, run by nobody.
    fn by_nobody(&self, arguments: &[&str]) -> Option<Obedient> {
        let as_nobody = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        let through = [&as_nobody[..], &[path_of(&self.program)], arguments].concat();
        start_through(&through, &self.program)
    }

    /// `goheap dump`, run by nobody.
    fn dump_by_nobody(&self, pid: u32, more: &[&str]) -> Outcome {
        let mut command = dump_command(&self.goheap, pid, more);
        Outcome::of(command.uid(NOBODY).gid(NOBODY))
    }
}

#[test]
fn of_another_user() {
    if !is_root("a process of another user") {
        return;
    }
    let reachable = Reachable::new("linked");
    let mut running = Obedient::start(&reachable.program, &["1000"]).expect("a program");
    for method in METHODS {
        let outcome = reachable.dump_by_nobody(running.pid(), &["--method", method]);
        outcome.refused(&["not permitted", "user 0", "user 65534", "sudo"]);
    }
    obeys(&mut running);
}

/// Without any privilege, of the same user: each method that the kernel allows to everybody.
#[test]
fn of_its_own_user_without_privileges() {
    if !is_root("to become another user") {
        return;
    }
    let reachable = Reachable::new("linked");
    let Some(mut running) = reachable.by_nobody(&["1000"]) else {
        return;
    };
    for method in METHODS {
        let outcome = reachable.dump_by_nobody(running.pid(), &["--method", method]);
        if method == "pre-copy" && outcome.status != Some(0) {
            eprintln!("SKIPPED --method {method}, unprivileged: {}", outcome.said);
            continue;
        }
        outcome.captured(method);
        obeys(&mut running);
    }
    // And whichever is gentlest.
    let outcome = reachable.dump_by_nobody(running.pid(), &[]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.said);
    obeys(&mut running);
}

/// A filter that answers calls that the program does not make itself with EPERM, or with its end: it
/// is suspended for the calls of goheap's (as root), or none is made; the program lives in any case.
fn filtered(how: &str) {
    let program = program("moving", false);
    let mut running = Obedient::start(&program, &["seccomp", how]).expect("a program");
    let pid = running.pid();
    assert_eq!(field(&format!("/proc/{pid}/status"), "Seccomp"), "2");
    for method in ["fork", "pre-copy"] {
        for _ in 0..3 {
            let outcome = Outcome::of_dump(pid, method);
            match outcome.status {
                Some(0) => drop(outcome.captured(method)),
                _ => outcome.refused(&[method, "seccomp"]),
            }
        }
    }
    for _ in 0..3 {
        capture(pid, "stop");
    }
    let outcome = Outcome::of(&mut dump_command(binary(), pid, &[]));
    assert_eq!(outcome.status, Some(0), "{}", outcome.said);
    assert_eq!(field(&format!("/proc/{pid}/status"), "Seccomp"), "2");
    let (before, _) = counted(&mut running);
    crate::eventually("more to be done", || {
        (counted(&mut running).0 > before).then_some(())
    });
    assert_eq!(counted(&mut running).1, 0);
}

#[test]
fn with_a_filter_that_refuses() {
    filtered("errno");
}

#[test]
fn with_a_filter_that_kills() {
    filtered("kill");
}

/// No more processes for its user: a fork is refused, and the next method taken.
#[test]
fn at_its_limit_of_processes() {
    if !is_root("a limit of processes") {
        return;
    }
    let reachable = Reachable::new("linked");
    let Some(mut running) = reachable.by_nobody(&["1000", "32"]) else {
        return;
    };
    let pid = running.pid();
    let limit = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), "--nproc=1:1"])
        .status();
    if !limit.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: prlimit does not work here");
        return;
    }
    Outcome::of_dump(pid, "fork").refused(&["cannot fork", "no more processes"]);
    let outcome = Outcome::of(&mut dump_command(binary(), pid, &[]));
    assert_eq!(outcome.status, Some(0), "{}", outcome.said);
    capture(pid, "stop");
    // A userfaultfd is no process.
    if is_open("pre-copy", pid) {
        capture(pid, "pre-copy");
    }
    obeys(&mut running);
}
