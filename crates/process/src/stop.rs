//! Stopping all threads of a process, and letting them go.
//!
//! ptrace binds a tracee to the *thread* that seized it. Each stop therefore gets a thread of its
//! own, the tracer, which does nothing else: it stops the threads, waits, and lets go. So a
//! [`Stopped`] can be moved and shared freely, and if the tracer ends for whatever reason the
//! kernel itself frees what it still held.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use goheap_memory::{Addr, Fault, Machine, Mapping, Memory, Part, Target, Thread};

use crate::proc::{self, Status};
use crate::tracer::{self, Tracer};
use crate::{LiveMemory, Process, ProcessError, interrupt};

/// How to stop a process.
#[derive(Debug, Clone)]
pub struct StopOptions {
    /// How long one try may hold threads while others do not stop yet (they sit in a long call of
    /// the kernel); then all are let go.
    pub deadline: Duration,
    /// How often to try.
    pub tries: u32,
    /// How long to let the process run between two tries.
    pub pause_between: Duration,
}

impl Default for StopOptions {
    /// 20 tries of 50 ms, 20 ms apart: a call of the kernel that lasts two seconds is outlasted,
    /// and no try is felt as more than a hiccup.
    fn default() -> StopOptions {
        StopOptions {
            deadline: Duration::from_millis(50),
            tries: 20,
            pause_between: Duration::from_millis(20),
        }
    }
}

/// A process whose threads all stand still. Dropping it lets them run on.
///
/// It is a [`Target`]; its memory can also be read by any number of threads at once through
/// [`memory`](Stopped::memory).
#[derive(Debug)]
pub struct Stopped {
    memory: LiveMemory,
    threads: Vec<Thread>,
    mappings: Vec<Mapping>,
    auxv: Vec<(u64, u64)>,
    executable: Option<PathBuf>,
    tries: u32,
    since: Instant,
    tracer: Option<TracerThread>,
}

impl Stopped {
    /// When the first of its threads was told to stop.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// How long it has been standing still, counted from when the first thread was told to stop.
    pub fn stopped_for(&self) -> Duration {
        self.since.elapsed()
    }

    /// In which try it stopped; 1 is the first.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Its memory. Reads through a copy that outlives this stop see a running process.
    pub fn memory(&self) -> &LiveMemory {
        &self.memory
    }

    /// Lets it run on, and tells how long it stood still: from when the first thread was told to
    /// stop to when the last was let go.
    pub fn resume(mut self) -> Duration {
        match self.tracer.take() {
            Some(tracer) => tracer.let_go().saturating_duration_since(self.since),
            None => self.since.elapsed(),
        }
    }
}

impl Memory for Stopped {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.memory.read(at, buf)
    }

    fn read_parts(&self, parts: &mut [Part<'_>]) -> Result<(), Fault> {
        self.memory.read_parts(parts)
    }
}

impl Target for Stopped {
    fn machine(&self) -> Machine {
        // `find` refuses others, and so does reading the registers.
        Machine::Amd64
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn auxv(&self) -> &[(u64, u64)] {
        &self.auxv
    }

    fn executable(&self) -> Option<PathBuf> {
        self.executable.clone()
    }
}

/// Stops `process`; see [`Process::stop`].
pub(crate) fn stop(process: &Process, options: &StopOptions) -> Result<Stopped, ProcessError> {
    let pid = process.pid();
    if pid == std::process::id() {
        return Err(ProcessError::Itself { pid });
    }
    let tries = options.tries.max(1);
    let mut slow = 0;
    for attempt in 1..=tries {
        if let Some(signal) = interrupt::requested() {
            return Err(ProcessError::Interrupted { pid, signal });
        }
        match TracerThread::start(pid, options.deadline) {
            Ok((tracer, held)) => return hold(process, tracer, held, attempt),
            Err(tracer::Error::Slow { tid }) => slow = tid,
            Err(tracer::Error::Gone) => return Err(ProcessError::Gone { pid }),
            Err(tracer::Error::Refused) => return Err(process.refused()),
            Err(tracer::Error::List(error)) => return Err(error),
            Err(tracer::Error::Request {
                request,
                tid,
                source,
            }) => {
                return Err(ProcessError::Ptrace {
                    pid,
                    tid,
                    request,
                    source,
                });
            }
        }
        if attempt < tries {
            thread::sleep(options.pause_between);
        }
    }
    let state = Status::read(Path::new(&format!("/proc/{pid}/task/{slow}")));
    Err(ProcessError::DoesNotStop {
        pid,
        name: process.name().to_owned(),
        tid: slow,
        state: state.map_or('?', |status| status.state),
        tries,
        deadline: options.deadline,
    })
}

/// Collects what a [`Target`] tells, now that nothing moves. An error drops the tracer, which lets
/// go.
fn hold(
    process: &Process,
    tracer: TracerThread,
    held: Held,
    tries: u32,
) -> Result<Stopped, ProcessError> {
    process.check_same()?;
    let mappings = process.read_mappings()?;
    let mut threads = held.threads;
    if process.has_other_tids() {
        for thread in &mut threads {
            let directory = proc::path(process.pid(), &format!("task/{}", thread.tid));
            if let Ok(status) = Status::read(&directory)
                && let Some(&tid) = status.nspid.last()
            {
                thread.tid = tid;
            }
        }
    }
    Ok(Stopped {
        memory: LiveMemory::new(process.pid(), &mappings),
        threads,
        mappings,
        auxv: process.auxv().to_vec(),
        executable: process.executable().map(Path::to_path_buf),
        tries,
        since: held.since,
        tracer: Some(tracer),
    })
}

/// What the tracer reports once all threads stand still.
struct Held {
    threads: Vec<Thread>,
    since: Instant,
}

/// The thread that holds the process.
#[derive(Debug)]
struct TracerThread {
    /// Closed to make it let go.
    hold: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<LetGo>>,
}

/// What the tracer says at its end.
struct LetGo {
    at: Instant,
    /// Its own thread id, if some threads were left for the kernel to free.
    unfinished: Option<u32>,
}

impl TracerThread {
    /// Starts a tracer and waits until it has stopped the process, or has failed and let go.
    fn start(pid: u32, deadline: Duration) -> Result<(TracerThread, Held), tracer::Error> {
        let (report, reported) = mpsc::channel();
        let (hold, held) = mpsc::channel::<()>();
        let work = move || {
            let mut tracer = Tracer::new(pid);
            let outcome = tracer.stop(deadline).and_then(|()| {
                Ok(Held {
                    threads: tracer.registers()?,
                    since: tracer.since(),
                })
            });
            let failed = outcome.is_err();
            let heard = report.send(outcome);
            if !failed && heard.is_ok() {
                // Returns when the other end is closed: nothing is ever sent.
                let _closed = held.recv();
            }
            let unfinished = tracer.let_go();
            LetGo {
                at: Instant::now(),
                unfinished,
            }
        };
        let thread = thread::Builder::new()
            .name("tracer".to_owned())
            .spawn(work)
            .map_err(|source| tracer::Error::Request {
                request: "start a tracer for",
                tid: pid,
                source,
            })?;
        let tracer = TracerThread {
            hold: Some(hold),
            thread: Some(thread),
        };
        match reported.recv() {
            Ok(Ok(held)) => Ok((tracer, held)),
            // Dropping the tracer waits until nothing is held.
            Ok(Err(error)) => Err(error),
            // It ended without a word: it panicked, and the kernel freed what it held.
            Err(mpsc::RecvError) => Err(tracer::Error::Gone),
        }
    }

    /// Lets go, and tells when that was done.
    fn let_go(mut self) -> Instant {
        self.finish()
    }

    fn finish(&mut self) -> Instant {
        drop(self.hold.take());
        let Some(thread) = self.thread.take() else {
            return Instant::now();
        };
        match thread.join() {
            Ok(LetGo {
                at,
                unfinished: None,
            }) => at,
            // The kernel frees the rest while the thread ends, which is a little later than
            // `join` can see: the thread has left /proc only after that.
            Ok(LetGo {
                unfinished: Some(tid),
                ..
            }) => {
                let own = PathBuf::from(format!("/proc/self/task/{tid}"));
                let patience = Instant::now() + Duration::from_secs(1);
                while own.exists() && Instant::now() < patience {
                    thread::sleep(Duration::from_micros(50));
                }
                Instant::now()
            }
            Err(_panic) => Instant::now(),
        }
    }
}

impl Drop for TracerThread {
    fn drop(&mut self) {
        self.finish();
    }
}
