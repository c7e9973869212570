//! A capture leaves no trace: whatever the process is doing or is in the state of, it goes on as if
//! nothing had been, and goheap says clearly what it cannot do. Each method is tried.
#![cfg(target_os = "linux")]

mod calls;
mod moving;
mod registers;
mod states;
mod traces;
mod users;
mod views;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program, build};

/// The Go release of these tests; what depends on the release is proved elsewhere.
const GO: &str = "1.24.3";

/// The methods, as they are named on the command line.
const METHODS: [&str; 3] = ["stop", "fork", "pre-copy"];

/// A program of the test kit, built; with C if `cgo`.
fn program(name: &str, cgo: bool) -> Program {
    let options = BuildOptions {
        cgo,
        ..BuildOptions::default()
    };
    build(GO, name, &options).expect("a program")
}

/// The binary under test.
fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_goheap"))
}

/// How `goheap dump` ended.
#[derive(Debug)]
struct Outcome {
    status: Option<i32>,
    said: String,
    told: serde_json::Value,
}

impl Outcome {
    /// Runs `goheap dump PID --method METHOD --json` with standard output closed to the dump.
    fn of_dump(pid: u32, method: &str) -> Outcome {
        Outcome::of(&mut dump_command(binary(), pid, &["--method", method]))
    }

    /// Runs a command of goheap's that writes a dump to standard output, and tells in JSON.
    fn of(command: &mut Command) -> Outcome {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().expect("goheap to run");
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let mut lines = said.lines().rev();
        let told = lines.find_map(|line| serde_json::from_str(line).ok());
        assert!(!said.contains("panicked"), "{said}");
        Outcome {
            status: output.status.code(),
            told: told.unwrap_or_default(),
            said,
        }
    }

    /// Makes sure that it is a capture, by this method; how often the process was stopped for it.
    #[track_caller]
    fn captured(&self, method: &str) -> u64 {
        assert_eq!(self.status, Some(0), "--method {method}: {}", self.said);
        assert_eq!(self.told["method"], method, "{}", self.said);
        self.told["tries"].as_u64().expect("tries")
    }

    /// Makes sure that it was refused, in one line that has all of `words`.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        assert_eq!(self.status, Some(2), "{}", self.said);
        assert_eq!(self.said.lines().count(), 1, "one line: {:?}", self.said);
        for word in words {
            assert!(self.said.contains(word), "{word:?} in {:?}", self.said);
        }
    }
}

/// `goheap dump PID -o - --json` and more.
fn dump_command(goheap: &Path, pid: u32, more: &[&str]) -> Command {
    let mut command = Command::new(goheap);
    command.args(["dump", &pid.to_string(), "-o", "-", "--json"]);
    command.args(more);
    command
}

/// Captures a process; how often it was stopped for that.
#[track_caller]
fn capture(pid: u32, method: &str) -> u64 {
    Outcome::of_dump(pid, method).captured(method)
}

/// Whether a method can be had here at all. What is not is told, and left out.
fn is_open(method: &str, pid: u32) -> bool {
    if method != "pre-copy" {
        return true;
    }
    let outcome = Outcome::of_dump(pid, method);
    let open = outcome.status == Some(0);
    if !open {
        eprintln!("SKIPPED --method {method}: {}", outcome.said);
    }
    open
}

/// A program started through another command (`unshare`, `setpriv`, ...): `through` is that, its
/// arguments, and what the program and its arguments are for it. `None`, and told, if there is no such
/// command here, or if it does not work.
fn start_through(through: &[&str], program: &Program) -> Option<Obedient> {
    let Some(wrapper) = which(through[0]) else {
        eprintln!("SKIPPED: no {} here", through[0]);
        return None;
    };
    let wrapped = Program {
        executable: wrapper,
        ..program.clone()
    };
    match Obedient::start(&wrapped, &through[1..]) {
        Ok(running) => Some(running),
        Err(error) => {
            eprintln!("SKIPPED: {} does not work here: {error}", through[0]);
            None
        }
    }
}

/// The path of a program, as an argument.
fn path_of(program: &Program) -> &str {
    program.executable.to_str().expect("a path in UTF-8")
}

/// What the program `moving` (or another that counts) has done, and what went wrong.
#[track_caller]
fn counted(running: &mut Obedient) -> (u64, u64) {
    let said = running.ask("count", "done ").expect("a program that lives");
    let (done, wrong) = said.split_once(" wrong ").expect("two numbers");
    (
        done.parse().expect("a number"),
        wrong.parse().expect("a number"),
    )
}

/// Where a command is.
fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path);
    folders
        .map(|folder| folder.join(name))
        .find(|p| p.is_file())
}

/// The first child of a process, once it has one.
fn child_of(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    eventually("a child", || {
        let text = std::fs::read_to_string(&path).ok()?;
        text.split_whitespace().next()?.parse().ok()
    })
}

/// Waits until there is what is looked for.
#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A field of /proc/PID/status, or of another file with lines of `name: value`.
fn field(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(path).expect("a process");
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found
        .expect("the field")
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

/// Whether this is root: some tests cannot do without.
fn is_root(what: &str) -> bool {
    let root = field("/proc/self/status", "Uid").split_whitespace().nth(1) == Some("0");
    if !root {
        eprintln!("SKIPPED: {what} can be tried by root alone");
    }
    root
}

/// Makes sure that a program still does as it is told.
#[track_caller]
fn obeys(running: &mut Obedient) {
    let folder = tempfile::tempdir().expect("a folder");
    // Whoever it runs as.
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).expect("a folder for all");
    let dump = folder.path().join("its.heapdump");
    running.dump(&dump).expect("a program that lives");
}
