//! Programs to be stopped, and the tests' end of the line to them.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use goheap_process::{Process, ProcessError, StopOptions, Stopped};

/// Tells a second start of this binary what to be.
const ROLE: &str = "GOHEAP_PROCESS_TEST_ROLE";

/// What the target fills its buffer with.
pub(crate) const PATTERN: &[u8; 16] = b"goheap was here!";

/// Bytes of the buffer.
pub(crate) const BUFFER: usize = 5 << 20;

/// Threads that count.
pub(crate) const SPINNERS: usize = 3;

/// A real-time signal: each one that is sent is queued, so each one must arrive.
pub(crate) fn counted_signal() -> i32 {
    libc::SIGRTMIN() + 5
}

/// A child process of a given role, killed at the end.
pub(crate) struct Target {
    pub(crate) child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// What it said when it was ready.
    pub(crate) ready: Vec<u64>,
}

impl Target {
    pub(crate) fn start(role: &str) -> Target {
        Target::spawn(&mut command(role))
    }

    pub(crate) fn spawn(command: &mut Command) -> Target {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the target");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut target = Target {
            child,
            stdin,
            stdout,
            ready: Vec::new(),
        };
        let ready = target.line();
        target.ready = ready
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        target
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn find(&self) -> Process {
        Process::find(self.pid()).expect("find the target")
    }

    pub(crate) fn stop(&self) -> Stopped {
        self.find()
            .stop(&StopOptions::default())
            .expect("stop the target")
    }

    /// The next line that the target says (behind what the test harness says).
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self
                .stdout
                .read_line(&mut line)
                .expect("read from the target");
            assert_ne!(read, 0, "the target ended");
            // The harness may leave its own words at the front of the line.
            if let Some((_, said)) = line.split_once('@') {
                return said.trim_end().to_owned();
            }
        }
    }

    pub(crate) fn ask(&mut self, question: &str) -> u64 {
        writeln!(self.stdin, "{question}").expect("write to the target");
        self.line().parse().expect("a number")
    }

    /// Makes sure that each of its threads goes on counting.
    pub(crate) fn assert_runs(&mut self) {
        for spinner in 0..SPINNERS {
            let before = self.ask(&format!("spins {spinner}"));
            let patience = Instant::now() + Duration::from_secs(10);
            while self.ask(&format!("spins {spinner}")) == before {
                assert!(Instant::now() < patience, "thread {spinner} stands still");
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    pub(crate) fn status(&self, field: &str) -> String {
        status(&format!("/proc/{}/status", self.pid()), field)
    }

    /// Makes sure that no thread of it is traced, or will not be in a moment: a supervisor whose
    /// goheap was killed needs that to notice.
    pub(crate) fn assert_free(&self) {
        eventually("no thread is traced", || self.is_free());
    }

    fn is_free(&self) -> bool {
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("list threads") {
            let path = task.expect("a thread").path().join("status");
            // A thread that is gone is free.
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            if !text.contains("TracerPid:\t0\n") {
                return false;
            }
        }
        true
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn status(path: &str, field: &str) -> String {
    let text = std::fs::read_to_string(path).expect("read the status");
    let line = text
        .lines()
        .find(|line| line.starts_with(field))
        .expect("the field");
    line[field.len() + 1..].trim().to_owned()
}

/// Waits until a condition holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < patience, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn command(role: &str) -> Command {
    command_of(&env::current_exe().expect("this binary"), role)
}

pub(crate) fn command_of(binary: &std::path::Path, role: &str) -> Command {
    let mut command = Command::new(binary);
    command.args(["--exact", "target::play", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role);
    command
}

/// Plays the role that the environment gives; without one it is a test that has nothing to do.
#[test]
fn play() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    let mut words = role.split(' ');
    match (words.next(), words.next().and_then(|pid| pid.parse().ok())) {
        (Some("counter"), _) => counter(false),
        (Some("births"), _) => counter(true),
        (Some("vfork"), Some(millis)) => vfork(millis),
        (Some("holder"), Some(pid)) => holder(pid),
        (Some("juggler"), Some(pid)) => juggler(pid),
        (Some("picky"), Some(pid)) => picky(pid),
        (Some("catcher"), _) => catcher(),
        (Some("interruptible"), Some(pid)) => interruptible(pid),
        other => panic!("no such role: {other:?}"),
    }
}

pub(crate) fn say(line: &str) {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(format!("@{line}\n").as_bytes())
        .expect("say");
    stdout.flush().expect("flush");
}

static SPINS: [AtomicU64; SPINNERS] = [const { AtomicU64::new(0) }; SPINNERS];
static SIGNALS: AtomicUsize = AtomicUsize::new(0);
static BORN: AtomicU64 = AtomicU64::new(0);

/// Threads that count, a buffer with a pattern, a hole, a page that cannot be read, and a count of
/// signals. With `births`, threads that start and end all the time.
fn counter(births: bool) {
    count_signals();
    for spins in &SPINS {
        thread::spawn(move || {
            loop {
                spins.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    if births {
        for _ in 0..2 {
            thread::spawn(|| {
                loop {
                    let grandchild = thread::spawn(|| {
                        BORN.fetch_add(1, Ordering::Relaxed);
                    });
                    grandchild.join().expect("join");
                }
            });
        }
    }
    let buffer: Vec<u8> = PATTERN.iter().copied().cycle().take(BUFFER).collect();
    let pages = four_pages();
    say(&format!("{} {pages}", buffer.as_ptr() as usize));
    answer();
}

/// Four pages: readable, unmapped, without any permission, readable.
fn four_pages() -> usize {
    let anywhere = std::ptr::null_mut();
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh mapping that nobody else knows; the pages that are taken away are not used.
    unsafe {
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        let pages = libc::mmap(anywhere, 4 * 4096, rw, flags, -1, 0);
        assert_ne!(pages, libc::MAP_FAILED);
        libc::memset(pages, b'x'.into(), 4 * 4096);
        assert_eq!(libc::munmap(pages.byte_add(4096), 4096), 0);
        assert_eq!(
            libc::mprotect(pages.byte_add(2 * 4096), 4096, libc::PROT_NONE),
            0
        );
        pages as usize
    }
}

/// Waits in system calls that restart, and counts signals.
fn catcher() {
    count_signals();
    say("0");
    answer();
}

fn count_signals() {
    let count = || {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    };
    // SAFETY: the handler only adds to an atomic, which is allowed in a signal handler.
    unsafe { signal_hook::low_level::register(counted_signal(), count) }.expect("a handler");
}

fn answer() {
    for line in std::io::stdin().lines() {
        let line = line.expect("read a question");
        let answer = match line.split_once(' ') {
            Some(("spins", which)) => {
                SPINS[which.parse::<usize>().expect("a number")].load(Ordering::Relaxed)
            }
            _ if line == "signals" => SIGNALS.load(Ordering::Relaxed) as u64,
            _ if line == "born" => BORN.load(Ordering::Relaxed),
            _ => panic!("what is {line}?"),
        };
        say(&answer.to_string());
    }
}

/// Has a thread that cannot stop for a while: it waits for a child that shares its memory.
fn vfork(millis: u32) {
    extern "C" fn sleep(millis: *mut libc::c_void) -> libc::c_int {
        // SAFETY: usleep has no preconditions.
        unsafe { libc::usleep(millis as libc::c_uint * 1000) };
        0
    }
    for spins in &SPINS {
        thread::spawn(move || {
            loop {
                spins.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    thread::spawn(move || {
        let mut stack = vec![0u8; 64 << 10];
        let top = stack.as_mut_ptr_range().end;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        say("0");
        // SAFETY: the child runs on a stack of its own, which outlives it (CLONE_VFORK waits for
        // its end), and does nothing but sleep.
        unsafe {
            libc::clone(
                sleep,
                top.cast(),
                flags,
                millis as usize as *mut libc::c_void,
            )
        };
    });
    answer();
}

/// Stops a process and holds it until it is killed.
fn holder(pid: u32) {
    let options = StopOptions {
        max_pause: Duration::from_secs(30),
        ..StopOptions::default()
    };
    let stopped = Process::find(pid).and_then(|process| process.stop(&options));
    match &stopped {
        Ok(_) => say("1"),
        Err(error) => return say(&format!("0 {error}")),
    }
    loop {
        thread::park();
    }
}

/// Stops a process and lets it go again, as fast as it can.
fn juggler(pid: u32) {
    say("1");
    loop {
        stop(pid)
            .expect("stop")
            .resume()
            .expect("it was held until now");
    }
}

/// Stops a process again and again, and is never content with the moment.
fn picky(pid: u32) {
    say("1");
    let options = StopOptions {
        moments: 1000,
        ..StopOptions::default()
    };
    loop {
        let process = Process::find(pid).expect("find");
        let stopped = process.stop_when(&options, &mut |_| false);
        stopped
            .expect("stop")
            .resume()
            .expect("it was held until now");
    }
}

/// Holds a process until a signal asks it to end.
fn interruptible(pid: u32) {
    goheap_process::interrupt::install().expect("handlers");
    let stopped = stop(pid).expect("stop");
    say("1");
    while goheap_process::interrupt::requested().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    stopped.resume().expect("it was held until now");
    say(&goheap_process::interrupt::requested()
        .unwrap_or(0)
        .to_string());
    loop {
        thread::park();
    }
}

fn stop(pid: u32) -> Result<Stopped, ProcessError> {
    Process::find(pid)?.stop(&StopOptions::default())
}
