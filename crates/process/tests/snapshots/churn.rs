//! A program that changes its memory in every way that there is.

use std::arch::global_asm;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use goheap_memory::Addr;

/// Tells a second start of this binary what to be.
const ROLE: &str = "GOHEAP_SNAPSHOT_TEST_ROLE";

/// The running program.
pub(crate) struct Churner {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Where it waits, and does not mind being woken for nothing.
    pub(crate) site: Range<Addr>,
}

impl Churner {
    pub(crate) fn start() -> Churner {
        let mut child = Command::new(env::current_exe().expect("this binary"))
            .args(["--exact", "churn::play", "--nocapture", "--test-threads=1"])
            .env(ROLE, "churner")
            // Else the kernel itself writes into a thread's page when that comes to another processor
            // (rseq(2): `cpu_id`), as the one does that hosts the call of a fork.
            .env("GLIBC_TUNABLES", "glibc.pthread.rseq=0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the target");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut churner = Churner {
            child,
            stdin,
            stdout,
            site: Addr::NIL..Addr::NIL,
        };
        let site = churner.line().parse().expect("an address");
        churner.site = Addr::new(site)..Addr::new(site + 32);
        churner
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.stdout.read_line(&mut line).expect("read"),
                0,
                "the target ended"
            );
            // The harness may leave its own words at the front of the line.
            if let Some((_, said)) = line.split_once('@') {
                return said.trim_end().to_owned();
            }
        }
    }

    fn count(&mut self, which: usize) -> u64 {
        writeln!(self.stdin, "{which}").expect("write to the target");
        self.line().parse().expect("a number")
    }

    /// Makes sure that each of its threads goes on, and that what each finds in its own memory is what
    /// it left there.
    pub(crate) fn assert_goes_on(&mut self) {
        for which in 0..COUNTS {
            let before = self.count(which);
            let patience = Instant::now() + Duration::from_secs(20);
            while self.count(which) == before {
                assert!(Instant::now() < patience, "thread {which} stands still");
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(self.count(COUNTS), 0, "it found its memory changed");
    }

    /// Makes sure that nothing of a snapshot is left in it.
    pub(crate) fn assert_untouched(&self) {
        let smaps = std::fs::read_to_string(format!("/proc/{}/smaps", self.pid())).expect("smaps");
        let tracked = |line: &&str| line.starts_with("VmFlags:") && line.contains(" uw");
        assert_eq!(
            smaps.lines().find(tracked),
            None,
            "its writes are tracked still"
        );
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        assert!(status.expect("status").contains("TracerPid:\t0\n"));
        for fd in std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("fd")
            .flatten()
        {
            let Ok(link) = std::fs::read_link(fd.path()) else {
                continue;
            };
            assert!(
                !link.to_string_lossy().contains("userfaultfd"),
                "{link:?} is left"
            );
        }
    }
}

impl Drop for Churner {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// futex(2) with its own instruction; whoever calls it does not look at the result.
global_asm!(
    ".globl goheap_test_wait",
    "goheap_test_wait:",
    "mov eax, 202",
    "xor r10d, r10d",
    "syscall",
    "ret",
    ".balign 32, 0xcc",
);

unsafe extern "C" {
    fn goheap_test_wait(word: *const AtomicU32, operation: usize, value: usize);
}

/// Threads that churn.
const COUNTS: usize = 8;

static COUNTED: [AtomicU64; COUNTS] = [const { AtomicU64::new(0) }; COUNTS];
static WRONG: AtomicU64 = AtomicU64::new(0);

/// Plays the role that the environment gives; without one it is a test that has nothing to do.
#[test]
fn play() {
    if env::var(ROLE).is_err() {
        return;
    }
    for _ in 0..2 {
        thread::spawn(|| {
            let word = AtomicU32::new(0);
            loop {
                // SAFETY: a futex wait (128: private) on a word that lives as long as the thread.
                unsafe { goheap_test_wait(&raw const word, 128, 0) };
            }
        });
    }
    let churners: [fn(&mut Random); COUNTS] = [
        write,
        write_far_apart,
        drop_pages,
        map_anew,
        move_about,
        fork,
        change_file,
        protect,
    ];
    for (churn, count) in churners.into_iter().zip(&COUNTED) {
        thread::spawn(move || {
            let mut random = Random(std::ptr::from_ref(count) as u64 | 1);
            loop {
                churn(&mut random);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // Everything has been written to once.
    thread::sleep(Duration::from_millis(300));
    say(goheap_test_wait as *const () as usize as u64);
    for line in std::io::stdin().lines() {
        let which: usize = line.expect("a question").parse().expect("a number");
        let count = COUNTED.get(which).unwrap_or(&WRONG);
        say(count.load(Ordering::Relaxed));
    }
}

fn say(number: u64) {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(format!("@{number}\n").as_bytes())
        .expect("say");
    stdout.flush().expect("flush");
}

/// Numbers without a pattern (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

const PAGE: usize = 4096;

const PRIVATE: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

/// Anonymous memory, at `at` if that is not 0.
fn map(at: usize, len: usize, protection: libc::c_int) -> usize {
    let fixed = if at == 0 { 0 } else { libc::MAP_FIXED };
    // SAFETY: memory that nobody else uses: fresh, or in the place of some that the caller owns.
    let got = unsafe {
        libc::mmap(
            at as *mut libc::c_void,
            len,
            protection,
            PRIVATE | fixed,
            -1,
            0,
        )
    };
    assert_ne!(got, libc::MAP_FAILED);
    got as usize
}

const READ_WRITE: libc::c_int = libc::PROT_READ | libc::PROT_WRITE;

/// Memory of one thread.
fn own(place: &'static std::thread::LocalKey<std::cell::Cell<usize>>, len: usize) -> usize {
    if place.get() == 0 {
        place.set(map(0, len, READ_WRITE));
    }
    place.get()
}

fn put(at: usize, value: u64) {
    // SAFETY: each caller owns the mapped, writable memory there.
    unsafe { std::ptr::write_volatile(at as *mut u64, value) };
}

fn get(at: usize) -> u64 {
    // SAFETY: each caller owns the mapped, readable memory there.
    unsafe { std::ptr::read_volatile(at as *const u64) }
}

fn expect(at: usize, value: u64) {
    if get(at) != value {
        WRONG.fetch_add(1, Ordering::Relaxed);
    }
}

fn discard(at: usize, len: usize) {
    // SAFETY: whole pages that the caller owns.
    let got = unsafe { libc::madvise(at as *mut libc::c_void, len, libc::MADV_DONTNEED) };
    assert_eq!(got, 0);
}

thread_local! {
    static DENSE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static SPARSE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static DROPPED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static ANEW: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static MOVED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static FORKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static OF_FILE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static PROTECTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Words all over 32 MB.
fn write(random: &mut Random) {
    let base = own(&DENSE, 32 << 20);
    for _ in 0..100 {
        put(base + random.below(4 << 20) * 8, random.0);
    }
}

/// A page here and there in 128 MB; some of them only read.
fn write_far_apart(random: &mut Random) {
    let base = own(&SPARSE, 128 << 20);
    let at = base + random.below(64) * (2 << 20) + random.below(4) * PAGE;
    match random.below(3) {
        0 => {
            get(at);
        }
        1 => put(at, random.0),
        _ => discard(at, PAGE),
    }
    thread::sleep(Duration::from_micros(50));
}

/// Pages that are given back, some with their page tables, and come back as zeros.
fn drop_pages(random: &mut Random) {
    const LEN: usize = 16 << 20;
    let base = own(&DROPPED, LEN);
    let (at, len) = match random.below(4) {
        0 => (base + random.below(6) * (2 << 20), 4 << 20),
        _ => (
            base + random.below(LEN / PAGE - 16) * PAGE,
            (1 + random.below(16)) * PAGE,
        ),
    };
    discard(at, len);
    expect(at, 0);
    for _ in 0..200 {
        put(base + random.below(LEN / 8) * 8, random.0);
    }
}

/// Memory that is unmapped, and mapped anew at the same place.
fn map_anew(random: &mut Random) {
    const LEN: usize = 8 << 20;
    let base = own(&ANEW, LEN);
    let at = base + random.below(LEN / PAGE / 64) * 64 * PAGE;
    // SAFETY: it is this thread's.
    let unmapped = unsafe { libc::munmap(at as *mut libc::c_void, 64 * PAGE) };
    assert_eq!(unmapped, 0);
    if random.below(2) == 0 {
        thread::sleep(Duration::from_micros(300));
    }
    map(at, 64 * PAGE, READ_WRITE);
    expect(at, 0);
    for _ in 0..20 {
        put(at + random.below(64) * PAGE, random.0);
    }
}

/// Memory that is moved, to a place where other memory was.
fn move_about(random: &mut Random) {
    const LEN: usize = 4 << 20;
    const PART: usize = 16 * PAGE;
    let base = own(&MOVED, LEN);
    let mut part = || base + random.below(LEN / PART) * PART;
    let (from, to) = (part(), part());
    if from == to {
        return;
    }
    put(from + 8, random.0);
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    let (old, new) = (from as *mut libc::c_void, to as *mut libc::c_void);
    // SAFETY: both places are this thread's.
    assert_eq!(unsafe { libc::mremap(old, PART, PART, flags, new) }, new);
    expect(to + 8, random.0);
    map(from, PART, READ_WRITE);
    put(from + random.below(16) * PAGE, random.0);
}

/// A child that finds the memory as it was, and writes to it; and so does its parent.
fn fork(random: &mut Random) {
    const LEN: usize = 2 << 20;
    let base = own(&FORKED, LEN);
    let value = random.0;
    for at in (base..base + LEN).step_by(PAGE) {
        put(at, value);
    }
    // SAFETY: the child does nothing but read and write its memory, and end.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut wrong = 0;
        for at in (base..base + LEN).step_by(PAGE) {
            wrong |= i32::from(get(at) != value);
            put(at, 1);
            wrong |= i32::from(get(at) != 1);
        }
        // SAFETY: ends this process.
        unsafe { libc::_exit(wrong) };
    }
    for at in (base..base + LEN).step_by(2 * PAGE) {
        put(at, value ^ 1);
    }
    let mut status = 0;
    // SAFETY: `status` is a live place for an int.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    if status != 0 {
        WRONG.fetch_add(1, Ordering::Relaxed);
    }
    expect(base, value ^ 1);
    expect(base + PAGE, value);
    thread::sleep(Duration::from_millis(1));
}

/// A file that is mapped privately: pages of it that are changed, and are the file's again.
fn change_file(random: &mut Random) {
    const LEN: usize = 1 << 20;
    if OF_FILE.get() == 0 {
        let path = env::temp_dir().join(format!("goheap-churn-{}", std::process::id()));
        let bytes: Vec<u8> = (0..LEN / 8)
            .flat_map(|word| (word as u64 + 1).to_ne_bytes())
            .collect();
        std::fs::write(&path, bytes).expect("a file");
        let file = std::fs::File::open(&path).expect("the file");
        std::fs::remove_file(&path).expect("remove it");
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        let anywhere = std::ptr::null_mut();
        // SAFETY: a fresh mapping.
        let got = unsafe { libc::mmap(anywhere, LEN, READ_WRITE, libc::MAP_PRIVATE, fd, 0) };
        assert_ne!(got, libc::MAP_FAILED);
        OF_FILE.set(got as usize);
    }
    let base = OF_FILE.get();
    let page = random.below(LEN / PAGE);
    put(base + page * PAGE, random.0);
    let page = random.below(LEN / PAGE);
    discard(base + page * PAGE, PAGE);
    if random.below(2) == 0 {
        expect(base + page * PAGE, (page * PAGE / 8) as u64 + 1);
    }
    thread::sleep(Duration::from_micros(20));
}

/// Memory that is written to in between times at which it cannot be.
fn protect(random: &mut Random) {
    const LEN: usize = 2 << 20;
    const PART: usize = 32 * PAGE;
    let base = own(&PROTECTED, LEN);
    let at = base + random.below(LEN / PART) * PART;
    let protect = |protection| {
        // SAFETY: it is this thread's.
        let protected = unsafe { libc::mprotect(at as *mut libc::c_void, PART, protection) };
        assert_eq!(protected, 0);
    };
    protect(READ_WRITE);
    for _ in 0..10 {
        put(at + random.below(32) * PAGE, random.0);
    }
    protect([libc::PROT_NONE, libc::PROT_READ, READ_WRITE][random.below(3)]);
    thread::sleep(Duration::from_micros(100));
}
