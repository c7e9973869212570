//! Stopping all threads of a process, and letting them go.
//!
//! ptrace binds a tracee to the *thread* that seized it. Each stop therefore gets a thread of its
//! own, the tracer, which does nothing else: it stops the threads, waits, and lets go. So a
//! [`Stopped`] can be moved and shared freely, and if the tracer ends for whatever reason the
//! kernel itself frees what it still held.
//!
//! A stop at a moment that does not suit is given up, and another one made. In between the threads
//! are let go of altogether: one that stays seized would stand still at each signal that it gets,
//! until somebody handed that on (ptrace(2), signal-delivery-stop), and Go programs send themselves
//! signals all the time; and it would have to be told apart whether it was in a stop of its group. To
//! seize anew stops nobody.

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
    /// How many stops [`Process::stop_when`] makes at most to find a moment that suits; 0 is as 1.
    pub moments: u32,
    /// How long to let the process run before another moment is tried: at least this, and as long as
    /// it has just stood still, so that it runs half of the time at least.
    pub between_moments: Duration,
    /// After this time no further moment is tried.
    pub moments_within: Duration,
}

impl Default for StopOptions {
    /// 20 tries of 50 ms, 20 ms apart: a call of the kernel that lasts two seconds is outlasted,
    /// and no try is felt as more than a hiccup. 50 moments, 0.2 ms apart, within a second: of Go
    /// programs that allocate flat out, 99 in 100 need no more than some 15.
    fn default() -> StopOptions {
        StopOptions {
            deadline: Duration::from_millis(50),
            tries: 20,
            pause_between: Duration::from_millis(20),
            moments: 50,
            between_moments: Duration::from_micros(200),
            moments_within: Duration::from_secs(1),
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
    settled: bool,
    before: Duration,
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

    /// How often its threads were told to stop until now, this time included: 1 if the first stop
    /// came in time and at a moment that suited.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Whether the moment suits: what [`Process::stop_when`] asked was answered with yes. If not, this
    /// is the last stop that it would make.
    pub fn settled(&self) -> bool {
        self.settled
    }

    /// How long it stood still in all earlier tries together.
    pub fn stopped_before(&self) -> Duration {
        self.before
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

/// Stops `process`; see [`Process::stop_when`].
pub(crate) fn stop_when(
    process: &Process,
    options: &StopOptions,
    suits: &mut dyn FnMut(&Stopped) -> bool,
) -> Result<Stopped, ProcessError> {
    let pid = process.pid();
    if pid == std::process::id() {
        return Err(ProcessError::Itself { pid });
    }
    let begin = Instant::now();
    let (mut tries, mut slow_ones, mut moments) = (0_u32, 0, 0);
    let mut before = Duration::ZERO;
    loop {
        if let Some(signal) = interrupt::requested() {
            return Err(ProcessError::Interrupted { pid, signal });
        }
        // All that need not be asked while it stands still.
        let known = Known::of(process);
        tries = tries.saturating_add(1);
        let run_on = match TracerThread::start(pid, options.deadline) {
            Ok((tracer, held)) => {
                moments += 1;
                let mut stopped = hold(process, known, tracer, held);
                (stopped.tries, stopped.before) = (tries, before);
                stopped.settled = suits(&stopped);
                let last = moments >= options.moments || begin.elapsed() >= options.moments_within;
                if stopped.settled || last {
                    return refresh(process, stopped);
                }
                let pause = stopped.resume();
                before = before.saturating_add(pause);
                options.between_moments.max(pause)
            }
            Err(NotStopped {
                why: tracer::Error::Slow { tid },
                held_for,
            }) => {
                slow_ones += 1;
                if slow_ones >= options.tries {
                    return Err(does_not_stop(process, tid, slow_ones, options.deadline));
                }
                before = before.saturating_add(held_for);
                options.pause_between
            }
            Err(NotStopped { why, .. }) => return Err(error(process, why)),
        };
        thread::sleep(run_on);
    }
}

fn does_not_stop(process: &Process, tid: u32, tries: u32, deadline: Duration) -> ProcessError {
    let pid = process.pid();
    let state = Status::read(Path::new(&format!("/proc/{pid}/task/{tid}")));
    ProcessError::DoesNotStop {
        pid,
        name: process.name().to_owned(),
        tid,
        state: state.map_or('?', |status| status.state),
        tries,
        deadline,
    }
}

/// The error for what ended a try, when no other try is made.
fn error(process: &Process, why: tracer::Error) -> ProcessError {
    let pid = process.pid();
    match why {
        tracer::Error::Slow { tid } => does_not_stop(process, tid, 1, Duration::ZERO),
        tracer::Error::Gone => ProcessError::Gone { pid },
        tracer::Error::Refused => process.refused(),
        tracer::Error::List(error) => error,
        tracer::Error::Request {
            request,
            tid,
            source,
        } => ProcessError::Ptrace {
            pid,
            tid,
            request,
            source,
        },
    }
}

/// What is known of a process before it is stopped.
struct Known {
    memory: LiveMemory,
    mappings: Vec<Mapping>,
    auxv: Vec<(u64, u64)>,
    executable: Option<PathBuf>,
}

impl Known {
    fn of(process: &Process) -> Known {
        Known {
            memory: process.memory(),
            mappings: process.mappings().to_vec(),
            auxv: process.auxv().to_vec(),
            executable: process.executable().map(Path::to_path_buf),
        }
    }
}

/// What a [`Target`] tells, as far as it is known without asking further.
fn hold(process: &Process, known: Known, tracer: TracerThread, held: Held) -> Stopped {
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
    let Known {
        memory,
        mappings,
        auxv,
        executable,
    } = known;
    Stopped {
        memory,
        threads,
        mappings,
        auxv,
        executable,
        tries: 1,
        settled: false,
        before: Duration::ZERO,
        since: held.since,
        tracer: Some(tracer),
    }
}

/// Makes sure that it is still the process that was found, and reads its mappings, now that nothing
/// moves. An error drops what is stopped, which lets go.
fn refresh(process: &Process, mut stopped: Stopped) -> Result<Stopped, ProcessError> {
    process.check_same()?;
    stopped.mappings = process.read_mappings()?;
    stopped.memory = LiveMemory::new(process.pid(), &stopped.mappings);
    Ok(stopped)
}

/// What the tracer reports once all threads stand still.
struct Held {
    threads: Vec<Thread>,
    since: Instant,
}

/// A try that came to nothing, and let go.
struct NotStopped {
    why: tracer::Error,
    /// How long threads were held in it.
    held_for: Duration,
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
    /// When it told the first thread to stop.
    since: Instant,
    at: Instant,
    /// Its own thread id, if some threads were left for the kernel to free.
    unfinished: Option<u32>,
}

impl TracerThread {
    /// Starts a tracer and waits until it has stopped the process, or has failed and let go.
    fn start(pid: u32, deadline: Duration) -> Result<(TracerThread, Held), NotStopped> {
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
                since: tracer.since(),
                at: Instant::now(),
                unfinished,
            }
        };
        let thread = thread::Builder::new()
            .name("tracer".to_owned())
            .spawn(work)
            .map_err(|source| NotStopped {
                why: tracer::Error::Request {
                    request: "start a tracer for",
                    tid: pid,
                    source,
                },
                held_for: Duration::ZERO,
            })?;
        let mut tracer = TracerThread {
            hold: Some(hold),
            thread: Some(thread),
        };
        match reported.recv() {
            Ok(Ok(held)) => Ok((tracer, held)),
            Ok(Err(why)) => Err(NotStopped {
                why,
                held_for: tracer.finish().1,
            }),
            // It ended without a word: it panicked, and the kernel freed what it held.
            Err(mpsc::RecvError) => Err(NotStopped {
                why: tracer::Error::Gone,
                held_for: Duration::ZERO,
            }),
        }
    }

    /// Lets go, and tells when that was done.
    fn let_go(mut self) -> Instant {
        self.finish().0
    }

    /// Waits until nothing is held any more. Tells when that was, and how long threads were held.
    fn finish(&mut self) -> (Instant, Duration) {
        drop(self.hold.take());
        let Some(thread) = self.thread.take() else {
            return (Instant::now(), Duration::ZERO);
        };
        let Ok(ended) = thread.join() else {
            return (Instant::now(), Duration::ZERO);
        };
        let at = match ended.unfinished {
            None => ended.at,
            // The kernel frees the rest while the thread ends, which is a little later than
            // `join` can see: the thread has left /proc only after that.
            Some(tid) => {
                let own = PathBuf::from(format!("/proc/self/task/{tid}"));
                let patience = Instant::now() + Duration::from_secs(1);
                while own.exists() && Instant::now() < patience {
                    thread::sleep(Duration::from_micros(50));
                }
                Instant::now()
            }
        };
        (at, at.saturating_duration_since(ended.since))
    }
}

impl Drop for TracerThread {
    fn drop(&mut self) {
        self.finish();
    }
}
