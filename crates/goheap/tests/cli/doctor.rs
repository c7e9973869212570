//! `goheap doctor`: what it says would work is what works then.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use goheap_process::{Process, StopOptions};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build, toolchains};
use serde_json::{Value, json};

use crate::live::GO;
use crate::{Said, command, file, folder, goheap};

/// Nobody, who may do nothing.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Makes sure that a capture does what the doctor has said, and tells that.
#[track_caller]
fn agree(doctor: Said, capture: Said) -> Value {
    let doctor = doctor.done().json();
    let capture = capture.done().json();
    assert_eq!(doctor["schema"], "goheap.doctor/1");
    assert_eq!(doctor["error"], Value::Null);
    assert_eq!(
        doctor["dump_takes"], capture["method"],
        "{doctor}\n{capture}"
    );
    let methods = doctor["methods"].as_array().unwrap();
    let names: Vec<_> = methods
        .iter()
        .map(|one| one["method"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["pre-copy", "fork", "stop"]);
    let before = methods.iter().take_while(|one| one["open"] == false);
    let before: Vec<_> = before
        .map(|one| json!({"method": one["method"], "why": one["why"]}))
        .collect();
    assert_eq!(Value::from(before), capture["passed_over"]);
    for one in methods {
        assert_eq!(one["open"] == true, one["why"].is_null());
        assert_eq!(one["open"] == true, one["pause_ns"].is_u64());
    }
    doctor
}

fn linked() -> Obedient {
    let program = build(GO, "linked", &BuildOptions::default()).unwrap();
    Obedient::start(&program, &["1000"]).unwrap()
}

/// A check by its name.
fn check<'v>(doctor: &'v Value, what: &str) -> &'v Value {
    let checks = doctor["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["what"] == what);
    found.unwrap_or_else(|| panic!("{what} in {doctor}"))
}

#[test]
fn a_capture_does_as_the_doctor_says() {
    let program = linked();
    let pid = program.pid().to_string();
    let doctor = agree(
        goheap(["doctor", &pid, "--json"]),
        goheap(["info", &pid, "--json"]),
    );
    assert_eq!(doctor["go_version"], format!("go{GO}"));
    assert_eq!(doctor["pid"], program.pid());
    assert!(doctor["rss_bytes"].as_u64().unwrap() > 1 << 20);
    for what in ["Go", "access", "user", "seccomp", "disk"] {
        assert_eq!(check(&doctor, what)["good"], true, "{doctor}");
    }
    let page = goheap(["doctor", &pid]).done().text();
    let takes = doctor["dump_takes"].as_str().unwrap();
    let line = page
        .lines()
        .find(|line| line.trim().starts_with(takes))
        .unwrap();
    assert!(line.contains("open: it stands still for some "), "{page}");
    assert!(line.ends_with("; goheap dump takes this"), "{page}");
    assert_eq!(page.matches("goheap dump takes this").count(), 1);
}

#[test]
fn a_program_with_a_filter_gets_no_system_call() {
    let folder = folder();
    let program = go_program(&folder, "filtered", FILTERED);
    let running = Started::of(&mut Command::new(&program));
    let pid = running.pid();
    // Whoever has CAP_SYS_ADMIN may suspend it.
    let doctor = agree(
        goheap(["doctor", &pid, "--json"]),
        goheap(["info", &pid, "--json"]),
    );
    let seccomp = check(&doctor, "seccomp");
    assert_eq!(
        seccomp["good"] == true,
        doctor["dump_takes"] != "stop",
        "{doctor}"
    );
    if is_root() {
        return;
    }
    unprivileged_and_filtered(&pid, &|args| goheap(args));
}

/// As in a container of Docker's without CAP_SYS_PTRACE.
#[test]
fn a_filter_of_its_own_that_forbids_pidfd_getfd() {
    let folder = folder();
    let wrapper = go_program(&folder, "narrowed", NARROWED);
    let program = linked();
    let pid = program.pid().to_string();
    let free = goheap(["doctor", &pid, "--json"]).done().json();
    if free["dump_takes"] != "pre-copy" {
        eprintln!("SKIPPED: there is no pre-copy here without a filter either: {free}");
        return;
    }
    let narrowed = |args: &[&str]| {
        let mut command = Command::new(&wrapper);
        let command = command.arg(env!("CARGO_BIN_EXE_goheap")).args(args);
        Said::of(command.current_dir("/").output().unwrap())
    };
    let doctor = agree(
        narrowed(&["doctor", &pid, "--json"]),
        narrowed(&["info", &pid, "--json"]),
    );
    // The next one that is open: `fork`, unless the process's memory cgroup is hidden here.
    let mut others = free["methods"].as_array().unwrap().iter().skip(1);
    let next = others.find(|one| one["open"] == true).unwrap();
    assert_eq!(doctor["dump_takes"], next["method"], "{doctor}");
    let methods = doctor["methods"].as_array().unwrap();
    let why = methods[0]["why"].as_str().unwrap();
    assert!(why.contains("pidfd_getfd"), "{why}");
}

/// What whoever has no privileges is told of a process with a filter.
fn unprivileged_and_filtered(pid: &str, goheap: &dyn Fn(&[&str]) -> Said) {
    let (doctor, info) = (["doctor", pid, "--json"], ["info", pid, "--json"]);
    let doctor = agree(goheap(&doctor), goheap(&info));
    assert_eq!(doctor["dump_takes"], "stop");
    let seccomp = check(&doctor, "seccomp");
    assert_eq!(seccomp["good"], false);
    assert!(
        seccomp["change"].to_string().contains("seccomp=unconfined"),
        "{seccomp}"
    );
    let page = goheap(&["doctor", pid]).done().text();
    assert!(
        page.contains("fork      not open: it has a seccomp filter"),
        "{page}"
    );
    for method in ["pre-copy", "fork"] {
        let refused = goheap(&["info", pid, "--method", method]);
        refused.refused(&[
            pid,
            "(filtered)",
            method,
            "seccomp filter",
            "CAP_SYS_ADMIN",
            "goheap doctor",
        ]);
    }
}

#[test]
fn somebody_without_privileges() {
    if !is_root() {
        // Then the first test was of one.
        return;
    }
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let for_all = |from: &Path, name: &str| {
        let copy = folder.path().join(name);
        fs::copy(from, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        copy
    };
    let goheap = for_all(Path::new(env!("CARGO_BIN_EXE_goheap")), "goheap");
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new(&goheap);
        let command = command.args(args).current_dir("/").uid(NOBODY).gid(NOBODY);
        Said::of(command.output().unwrap())
    };

    // Its own process.
    let copy = for_all(&go_program(&folder, "plain", PLAIN), "own");
    let own = Started::of(Command::new(&copy).uid(NOBODY).gid(NOBODY));
    let pid = own.pid();
    let is_open = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
        .map_or(true, |scope| scope.trim() == "0");
    let (doctor, info) = (["doctor", &pid, "--json"], ["info", &pid, "--json"]);
    if is_open {
        agree(as_nobody(&doctor), as_nobody(&info));
        let filtered = for_all(&go_program(&folder, "filter", FILTERED), "filtered");
        let filtered = Started::of(Command::new(&filtered).uid(NOBODY).gid(NOBODY));
        unprivileged_and_filtered(&filtered.pid(), &|args| as_nobody(args));
        // Of the same user, and not of the same group.
        let in_another_group = |args: &[&str]| {
            let mut command = Command::new(&goheap);
            let command = command.args(args).current_dir("/").uid(NOBODY).gid(1);
            Said::of(command.output().unwrap())
        };
        let words = ["group 65534", "group 1", "CAP_SYS_PTRACE"];
        refused_alike(&in_another_group(&doctor), &in_another_group(&info), &words);
    } else {
        refused_alike(&as_nobody(&doctor), &as_nobody(&info), &["ptrace_scope"]);
    }

    // Root's.
    let other = linked();
    let pid = other.pid().to_string();
    let (doctor, info) = (["doctor", &pid, "--json"], ["info", &pid, "--json"]);
    let words = ["user 0", "user 65534", "CAP_SYS_PTRACE"];
    let said = refused_alike(&as_nobody(&doctor), &as_nobody(&info), &words);
    let change = check(&said, "access")["change"].to_string();
    assert!(change.contains("sudo goheap dump"), "{change}");
    assert_eq!(check(&said, "user")["good"], false);
}

/// Its files below /proc are root's: its own user is as good as any other, and CAP_SYS_PTRACE alone does not
/// open them.
#[test]
fn what_is_not_dumpable() {
    if !is_root() {
        eprintln!("SKIPPED: only root may become another user");
        return;
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no setpriv here");
        return;
    }
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let goheap = folder.path().join("goheap");
    fs::copy(env!("CARGO_BIN_EXE_goheap"), &goheap).unwrap();
    let program = go_program(&folder, "kept", KEPT);
    let running = Started::of(Command::new(&program).uid(NOBODY).gid(NOBODY));
    let pid = running.pid();
    let (doctor, info) = (["doctor", &pid, "--json"], ["info", &pid, "--json"]);
    // With capabilities, as setpriv has them.
    let with = |capabilities: &str, args: &[&str]| {
        let mut command = Command::new("setpriv");
        let of_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let sets = ["--inh-caps", "--ambient-caps"].map(|set| format!("{set}={capabilities}"));
        let command = command.args(of_nobody).args(sets).arg(&goheap).args(args);
        Said::of(command.current_dir("/").output().unwrap())
    };
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    if scope.is_ok_and(|scope| scope.trim() == "3") {
        eprintln!("SKIPPED: nobody may trace here");
        return;
    }
    let words = [
        "user 0",
        "user 65534",
        "PR_SET_DUMPABLE",
        "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
    ];
    let none = "-all";
    for capabilities in [none, "-all,+sys_ptrace", "-all,+dac_read_search"] {
        let (doctor, info) = (with(capabilities, &doctor), with(capabilities, &info));
        let said = refused_alike(&doctor, &info, &words);
        let change = check(&said, "access")["change"].to_string();
        assert!(
            change.contains("setcap cap_sys_ptrace,cap_dac_read_search"),
            "{change}"
        );
        for useless in ["sysctl", "sudo -u", "--user=65534"] {
            assert!(!change.contains(useless), "{change}");
        }
    }
    let both = "-all,+sys_ptrace,+dac_read_search";
    agree(with(both, &doctor), with(both, &info));
}

#[test]
fn a_process_that_is_traced() {
    let program = linked();
    let long = StopOptions {
        max_pause: Duration::from_secs(60),
        ..StopOptions::default()
    };
    let stopped = Process::find(program.pid()).unwrap().stop(&long).unwrap();
    let pid = program.pid().to_string();
    let (doctor, info) = (
        goheap(["doctor", &pid, "--json"]),
        goheap(["info", &pid, "--json"]),
    );
    refused_alike(&doctor, &info, &["already traced", "goheap-guard"]);
    stopped.resume().unwrap();
    goheap(["doctor", &pid]).done();
}

/// Makes sure that both say the same, the doctor as an answer.
#[track_caller]
fn refused_alike(doctor: &Said, capture: &Said, words: &[&str]) -> Value {
    assert_eq!((doctor.status, doctor.err.as_str()), (Some(1), ""));
    capture.ended(2, words);
    let value = doctor.json();
    let error = value["error"].as_str().unwrap();
    assert_eq!(format!("goheap: {error}\n"), capture.err);
    assert_eq!(value["dump_takes"], Value::Null);
    assert_eq!(value["methods"], json!([]));
    value
}

#[test]
fn what_is_no_go_and_what_is_no_process() {
    let mut sleep = Command::new("sleep").arg("100").spawn().unwrap();
    let pid = sleep.id().to_string();
    let said = goheap(["doctor", &pid, "--json"]);
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    assert_eq!((said.status, said.err.as_str()), (Some(1), ""));
    let json = said.json();
    assert!(
        json["error"].as_str().unwrap().contains("not a Go program"),
        "{json}"
    );
    assert_eq!(check(&json, "Go")["good"], false);
    goheap(["doctor", "4194305"]).refused(&["no process 4194305"]);
    goheap(["doctor", env!("CARGO_BIN_EXE_goheap")]).refused(&["executable"]);
    goheap(["doctor", "-"]).refused(&["no process id"]);
}

/// A program that has said a line and waits.
pub(crate) struct Started(Child);

impl Started {
    pub(crate) fn of(command: &mut Command) -> Started {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut started = Started(command.spawn().unwrap());
        let mut line = String::new();
        let out = started.0.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the program has ended");
        started
    }

    pub(crate) fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn go_program(folder: &tempfile::TempDir, name: &str, source: &str) -> PathBuf {
    go_program_for("amd64", folder, name, source)
}

/// The same for another processor.
pub(crate) fn go_program_for(
    goarch: &str,
    folder: &tempfile::TempDir,
    name: &str,
    source: &str,
) -> PathBuf {
    let source = file(folder, &format!("{name}.go"), source.as_bytes());
    let program = folder.path().join(name);
    let go = toolchains::goroot(GO).unwrap().join("bin/go");
    let built = Command::new(go)
        .args(["build", "-o"])
        .args([&program, &source])
        .env("GOARCH", goarch)
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", "local")
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOCACHE", toolchains::cache().unwrap().join("gocache"))
        .env_remove("GOROOT")
        .status()
        .unwrap();
    assert!(built.success());
    program
}

/// Waits.
const PLAIN: &str = r#"
package main

import (
	"fmt"
	"time"
)

func main() {
	fmt.Println("ready")
	time.Sleep(time.Hour)
}
"#;

/// Has its files below /proc given to root, as those of a program with capabilities of its file are.
const KEPT: &str = r#"
package main

import (
	"fmt"
	"syscall"
	"time"
)

func main() {
	const prctl, setDumpable = 157, 4
	if _, _, e := syscall.RawSyscall(prctl, setDumpable, 0, 0); e != 0 {
		panic(e)
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
}
"#;

/// Sets a filter for all of its threads that lets everything through.
const FILTERED: &str = r#"
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

type program struct {
	len  uint16
	text *instruction
}

func main() {
	const prctl, noNewPrivs, seccomp, setFilter, allThreads = 157, 38, 317, 1, 1
	allow := instruction{code: 6, k: 0x7fff0000}
	if _, _, e := syscall.AllThreadsSyscall6(prctl, noNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		panic(e)
	}
	p := program{1, &allow}
	if _, _, e := syscall.RawSyscall(seccomp, setFilter, allThreads, uintptr(unsafe.Pointer(&p))); e != 0 {
		panic(e)
	}
	fmt.Println("ready")
	os.Stdout.Sync()
	time.Sleep(time.Hour)
}
"#;

/// Becomes the program that it is told of, with a filter that answers pidfd_getfd with EPERM.
const NARROWED: &str = r#"
package main

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

type program struct {
	len  uint16
	text *instruction
}

func main() {
	const prctl, noNewPrivs, seccomp, setFilter, pidfdGetfd = 157, 38, 317, 1, 438
	text := []instruction{
		{code: 0x20},
		{code: 0x15, jf: 1, k: pidfdGetfd},
		{code: 6, k: 0x00050001},
		{code: 6, k: 0x7fff0000},
	}
	runtime.LockOSThread()
	if _, _, e := syscall.RawSyscall6(prctl, noNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		panic(e)
	}
	p := program{uint16(len(text)), &text[0]}
	if _, _, e := syscall.RawSyscall(seccomp, setFilter, 0, uintptr(unsafe.Pointer(&p))); e != 0 {
		panic(e)
	}
	panic(syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
}
"#;

#[test]
fn the_page_has_no_control_characters() {
    // A process may call itself what it likes.
    let folder = folder();
    let name = "red\x1b[31m";
    fs::copy("/bin/sleep", folder.path().join(name)).unwrap();
    let mut sleep = Command::new(folder.path().join(name))
        .arg("100")
        .spawn()
        .unwrap();
    crate::live::wait_until("exec", || {
        let comm = fs::read_to_string(format!("/proc/{}/comm", sleep.id()));
        comm.is_ok_and(|comm| comm.starts_with("red"))
    });
    let said = Said::of(
        command(["doctor", &sleep.id().to_string()])
            .output()
            .unwrap(),
    );
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    assert!(!said.text().contains('\x1b'), "{:?}", said.text());
    assert!(said.text().contains("red\\u{1b}"), "{:?}", said.text());
}
