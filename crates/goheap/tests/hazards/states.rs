//! Processes in states that are not everyday ones: in namespaces and control groups, stopped, traced,
//! without their executable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use goheap_testkit::Program;
use goheap_testkit::obedient::Obedient;

use crate::{
    METHODS, Outcome, binary, capture, child_of, counted, dump_command, eventually, field, is_open,
    is_root, obeys, path_of, program, start_through, which,
};

pub(crate) fn linked() -> Program {
    program("linked", false)
}

/// Number 1 of a pid namespace, which has a /proc of its own: seen from outside, and from inside.
#[test]
fn the_first_of_a_pid_namespace() {
    if !is_root("a pid namespace") {
        return;
    }
    let program = linked();
    let new = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let through = [&new[..], &[path_of(&program), "1000"]].concat();
    let Some(mut running) = start_through(&through, &program) else {
        return;
    };
    let pid = child_of(running.pid());
    let numbers = field(&format!("/proc/{pid}/status"), "NSpid");
    assert!(numbers.ends_with("\t1"), "{numbers}");
    for method in METHODS {
        if !is_open(method, pid) {
            continue;
        }
        capture(pid, method);
        obeys(&mut running);
        // From inside it is 1, and goheap's supervisor and the copy live in the same namespace.
        let mut inside = Command::new("nsenter");
        let of = pid.to_string();
        inside.args(["--target", &of, "--pid", "--mount", "--"]);
        inside.arg(binary());
        inside.args(["dump", "1", "-o", "-", "--json", "--method", method]);
        if which("nsenter").is_none() {
            eprintln!("SKIPPED: no nsenter here");
            continue;
        }
        Outcome::of(&mut inside).captured(method);
        obeys(&mut running);
    }
    // Nobody is left in there but it.
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    assert_eq!(children.expect("a process").trim(), "");
}

/// Another root directory, in which there is nothing but the program.
#[test]
fn in_another_root() {
    if !is_root("chroot") {
        return;
    }
    let program = linked();
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(&program.executable, folder.path().join("linked")).expect("a copy");
    let root = folder.path().to_str().expect("a path in UTF-8");
    let Some(running) = start_through(&["chroot", root, "/linked", "1000"], &program) else {
        return;
    };
    for method in METHODS {
        if is_open(method, running.pid()) {
            capture(running.pid(), method);
        }
    }
}

#[test]
fn without_its_executable() {
    let mut program = linked();
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("linked");
    fs::copy(&program.executable, &copy).expect("a copy");
    program.executable = copy;
    let mut running = Obedient::start(&program, &["1000"]).expect("a program");
    fs::remove_file(&program.executable).expect("removed");
    for method in METHODS {
        if is_open(method, running.pid()) {
            capture(running.pid(), method);
            obeys(&mut running);
        }
    }
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status();
    assert!(status.expect("sh").success());
}

/// Stopped by SIGSTOP: it is captured without a call made in it, and stays so until SIGCONT.
#[test]
fn stopped_by_a_signal() {
    let mut running = Obedient::start(&linked(), &["1000"]).expect("a program");
    let pid = running.pid();
    let state = || field(&format!("/proc/{pid}/status"), "State");
    for method in METHODS {
        signal("STOP", pid);
        eventually("to be stopped", || state().starts_with('T').then_some(()));
        for _ in 0..3 {
            match method {
                "stop" => drop(capture(pid, method)),
                _ => Outcome::of_dump(pid, method).refused(&[method, "stopped by a signal"]),
            }
            Outcome::of(&mut dump_command(binary(), pid, &[])).captured("stop");
            eventually("to be as it was", || {
                (state() == "T (stopped)").then_some(())
            });
            for entry in fs::read_dir(format!("/proc/{pid}/task")).expect("a process") {
                let path = entry.expect("a thread").path().join("status");
                let path = path.to_str().expect("UTF-8").to_owned();
                eventually("all threads to be stopped", || {
                    (field(&path, "State") == "T (stopped)").then_some(())
                });
            }
        }
        signal("CONT", pid);
        obeys(&mut running);
    }
}

/// A debugger that is gone when this is dropped.
struct Debugger(Child);

impl Drop for Debugger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn traced_by_somebody_else() {
    let mut running = Obedient::start(&linked(), &["1000"]).expect("a program");
    let pid = running.pid().to_string();
    let (name, mut command) = match (which("strace"), which("gdb")) {
        (Some(strace), _) => {
            let mut command = Command::new(strace);
            command.args(["-f", "-o", "/dev/null", "-p", &pid]);
            ("strace", command)
        }
        (None, Some(gdb)) => {
            let mut command = Command::new(gdb);
            command.args(["-nx", "-q", "-batch", "-p", &pid, "-ex", "shell sleep 600"]);
            ("gdb", command)
        }
        (None, None) => {
            eprintln!("SKIPPED: neither strace nor gdb here");
            return;
        }
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let debugger = Debugger(command.spawn().expect("a debugger"));
    let tracer = || field(&format!("/proc/{pid}/status"), "TracerPid");
    eventually("to be traced", || (tracer() != "0").then_some(()));
    for method in METHODS {
        let outcome = Outcome::of_dump(running.pid(), method);
        outcome.refused(&["already traced", name, "let it detach"]);
    }
    drop(debugger);
    eventually("to be free", || (tracer() == "0").then_some(()));
    signal("CONT", running.pid());
    capture(running.pid(), "stop");
    obeys(&mut running);
}

/// A control group of one controller, with a limit. It is gone when this is dropped.
pub(crate) struct Cgroup {
    folder: PathBuf,
    unified: bool,
}

impl Cgroup {
    /// `None`, and told, where none can be made.
    pub(crate) fn of(controller: &str, what: &str) -> Option<Cgroup> {
        let old = Path::new("/sys/fs/cgroup").join(controller);
        let unified = !old.is_dir();
        let top = if unified {
            PathBuf::from("/sys/fs/cgroup")
        } else {
            old
        };
        let folder = top.join(format!("goheap-hazards-{what}-{}", std::process::id()));
        let made = fs::create_dir(&folder);
        // In cgroup-v2 the controller must have been given to the groups here.
        let limit = ["pids.max", "memory.max", "memory.limit_in_bytes"];
        if made.is_err() || !limit.iter().any(|name| folder.join(name).exists()) {
            eprintln!("SKIPPED: no control group of {controller} can be made here: {made:?}");
            let _ = fs::remove_dir(&folder);
            return None;
        }
        Some(Cgroup { folder, unified })
    }

    /// Its name, which ends its path.
    pub(crate) fn name(&self) -> &str {
        let name = self.folder.file_name().and_then(|name| name.to_str());
        name.expect("a name in UTF-8")
    }

    /// The file that takes in the process whose number is written to it.
    pub(crate) fn procs(&self) -> String {
        let procs = self.folder.join("cgroup.procs");
        procs.to_str().expect("a path in UTF-8").to_owned()
    }

    /// The program, started inside.
    pub(crate) fn start(&self, program: &Program, arguments: &[&str]) -> Option<Obedient> {
        let enter = "echo $$ > \"$0\" && exec \"$@\"";
        let procs = self.procs();
        let through = [&["sh", "-c", enter, &procs, path_of(program)], arguments].concat();
        start_through(&through, program)
    }

    /// Lets it have so much more memory, in bytes.
    pub(crate) fn limit_to(&self, more: u64) {
        let (usage, limit) = match self.unified {
            true => ("memory.current", "memory.max"),
            false => ("memory.usage_in_bytes", "memory.limit_in_bytes"),
        };
        self.write(limit, self.read(usage) + more);
    }

    fn read(&self, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(name)).expect("a file of the group");
        text.trim().parse().expect("a number")
    }

    fn write(&self, name: &str, value: u64) {
        fs::write(self.folder.join(name), value.to_string()).expect("a limit");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// A group that may have no more processes: there is no fork, and the next method is taken.
#[test]
fn in_a_full_group_of_processes() {
    let Some(group) = Cgroup::of("pids", "pids") else {
        return;
    };
    let Some(mut running) = group.start(&linked(), &["1000", "32"]) else {
        return;
    };
    group.write("pids.max", group.read("pids.current"));
    let pid = running.pid();
    Outcome::of_dump(pid, "fork").refused(&["cannot fork", "no more processes"]);
    let outcome = Outcome::of(&mut dump_command(binary(), pid, &[]));
    assert_eq!(outcome.status, Some(0), "{}", outcome.said);
    obeys(&mut running);
    drop(running);
}

/// A group that is near its limit of memory. The copy of a process that writes a lot costs memory: the
/// kernel ends the copy before the process.
#[test]
fn in_a_group_that_is_near_its_limit_of_memory() {
    let Some(group) = Cgroup::of("memory", "memory") else {
        return;
    };
    let Some(mut running) = group.start(&program("moving", false), &["writes", "64"]) else {
        return;
    };
    eventually("all memory to be there", || {
        (counted(&mut running).0 > 2).then_some(())
    });
    group.limit_to(12 << 20);
    for method in METHODS {
        let outcome = Outcome::of_dump(running.pid(), method);
        eprintln!("--method {method}: {:?}: {}", outcome.status, outcome.said);
        match outcome.status {
            Some(0) => {}
            _ => outcome.refused(&[]),
        }
        let (before, _) = counted(&mut running);
        eventually("it to go on", || {
            (counted(&mut running).0 > before + 2).then_some(())
        });
        assert_eq!(counted(&mut running).1, 0, "after --method {method}");
    }
    drop(running);
}
