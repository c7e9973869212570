//! The quiescent twin: a Go program that stands still inside its own `debug.WriteHeapDump`, so that
//! what the runtime writes and what another sees from outside are of one instant.
//!
//! The program writes its dump into a pipe of one page. The harness takes page after page until the
//! interface tables are behind and an object has begun, and then takes no more: the next `write(2)`
//! blocks. Why then: while it writes tables, the runtime fills `runtime.typecache`, which lies in
//! bss and so comes later in the same dump (runtime/heapdump.go, go1.19 to go1.27); behind them only
//! `runtime.tmpbuf` changes.
//!
//! The blocked write is of at most a page, and the page is full: the kernel moves a write of up to
//! PIPE_BUF (4096) bytes as a whole or not at all. So a ptrace stop, which interrupts it, finds that
//! nothing was transferred, and the write begins anew; a half-done write would return short, and
//! the runtime would not look.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::program::Program;
use crate::symbols::Symbols;
use crate::target::{PATIENCE, Running};
use crate::{Error, Result, procfs, second_reader};

/// A page, and PIPE_BUF: what the pipe holds, and what is written as a whole or not at all.
const PAGE: usize = 4096;

/// For how long no thread may have run before the program counts as standing still. Well over the
/// 10 ms at which the runtime's monitor settles, and short enough for a test that does it often.
const STILL: Duration = Duration::from_millis(150);

/// How long a program may take to come to rest, once it has begun its dump.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// How often a program is started that does not come to rest.
const ATTEMPTS: u32 = 3;

/// A program that stands still in the middle of its own heap dump.
#[derive(Debug)]
pub struct Quiescent {
    running: Running,
    program: Program,
    pipe: File,
    dump: Vec<u8>,
}

impl Quiescent {
    /// Starts the program, lets it set itself up and begin its dump, and waits until no thread of it
    /// has run for a while. A program that does not come to rest in half a minute is started anew:
    /// that was seen twice in hundreds of starts, on a loaded machine, and its cause is not known.
    ///
    /// # Errors
    /// A program that ends, or does not come to stand still in several attempts.
    pub fn start(program: &Program, environment: &[(&str, &str)]) -> Result<Quiescent> {
        let mut attempt = 1;
        loop {
            match Self::attempt(program, environment) {
                Err(stuck @ Error::Stuck { .. }) if attempt < ATTEMPTS => {
                    eprintln!("attempt {attempt} of {ATTEMPTS}: {stuck}");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn attempt(program: &Program, environment: &[(&str, &str)]) -> Result<Quiescent> {
        let (pipe, writer) = one_page_pipe()?;
        let none: [&str; 0] = [];
        let mut running = Running::start(program, none, environment, Stdio::from(writer))?;
        running.hear("ready", "be ready")?;
        running.tell("dump")?;
        let mut twin = Quiescent {
            running,
            program: program.clone(),
            pipe,
            dump: Vec::new(),
        };
        twin.settle()?;
        Ok(twin)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What it runs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// All that it has said so far, up to 64 KiB.
    pub fn said(&self) -> String {
        self.running.said()
    }

    /// What must be added to an address of the executable to get the one in the process.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn load_bias(&self, symbols: &Symbols) -> Result<u64> {
        procfs::load_bias(self.pid(), &self.program.executable, symbols)
    }

    /// Whether it stands as it did: blocked in the same kind of write, no byte more in the pipe. A
    /// write that a tracer has interrupted begins anew, which may take the kernel a moment.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn stands_still(&self) -> Result<bool> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let threads = procfs::threads(self.pid())?;
            if blocked_write(&threads).is_some() && threads.iter().all(|t| t.state == 'S') {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets it go on to the end of its dump, and gives that.
    ///
    /// # Errors
    /// A program that dies on the way, or a dump that is not whole.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.take_page()? {
                Page::Taken => {}
                Page::End => break,
                Page::Nothing => {
                    if Instant::now() > deadline {
                        return Err(self.running.stuck("finish its dump", PATIENCE));
                    }
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        }
        self.running.hear("dumped", "finish its dump")?;
        second_reader::read(&self.dump).map_err(|source| Error::Dump {
            program: self.program.name.clone(),
            source,
        })?;
        Ok(self.dump)
    }

    fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        let mut still_since = Instant::now();
        let mut before = Vec::new();
        loop {
            if self.running.has_ended() {
                return Err(self.running.ended("stand still"));
            }
            if Instant::now() > deadline {
                return Err(self.running.stuck("stand still", SETTLES_WITHIN));
            }
            let threads = procfs::threads(self.pid())?;
            match blocked_write(&threads) {
                Some(length) if length <= PAGE && second_reader::has_object(&self.dump) => {}
                Some(_) => {
                    self.take_page()?;
                    before.clear();
                    continue;
                }
                None => {
                    before.clear();
                    std::thread::sleep(Duration::from_micros(200));
                    continue;
                }
            }
            let quiet = threads.iter().all(|t| t.state == 'S');
            if !quiet || threads != before {
                still_since = Instant::now();
                before = threads;
            } else if still_since.elapsed() >= STILL {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn take_page(&mut self) -> Result<Page> {
        let mut page = [0; PAGE];
        match self.pipe.read(&mut page) {
            Ok(0) => Ok(Page::End),
            Ok(n) => {
                self.dump.extend_from_slice(&page[..n]);
                Ok(Page::Taken)
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(Page::Nothing),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => Ok(Page::Nothing),
            Err(source) => Err(Error::Io {
                action: "read",
                path: PathBuf::from("the dump's pipe"),
                source,
            }),
        }
    }
}

enum Page {
    Taken,
    Nothing,
    End,
}

/// The length of the write that a thread is blocked in: `write(1, ...)` on a pipe that is full.
fn blocked_write(threads: &[procfs::ThreadState]) -> Option<usize> {
    const WRITE: u64 = 1;
    threads.iter().filter(|t| t.state == 'S').find_map(|t| {
        let call = t.syscall?;
        (call.number == WRITE && call.arguments[0] == 1)
            .then(|| usize::try_from(call.arguments[2]).ok())?
    })
}

/// A pipe that holds one page, read without blocking.
fn one_page_pipe() -> Result<(File, OwnedFd)> {
    let failed = |source: nix::errno::Errno| Error::Io {
        action: "make",
        path: PathBuf::from("a pipe"),
        source: source.into(),
    };
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PAGE as i32)).map_err(failed)?;
    // The reader's end alone: file status flags belong to the open end, not to the pipe.
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
    Ok((File::from(reader), writer))
}
