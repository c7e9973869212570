//! Stopping all threads of a process, and letting them go.
//!
//! All of it is done by the supervisor, a process of its own; this is goheap's side of it. A
//! [`Stopped`] can be moved and shared freely, and whatever becomes of it the process goes on.
//!
//! A stop at a moment that does not suit is given up, and another one made. In between the threads
//! are let go of altogether: one that stays seized would stand still at each signal that it gets,
//! until somebody handed that on (ptrace(2), signal-delivery-stop), and Go programs send themselves
//! signals all the time; and it would have to be told apart whether it was in a stop of its group. To
//! seize anew stops nobody.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use goheap_memory::{Addr, Fault, Machine, Mapping, Memory, Part, Registers, Target, Thread};

use crate::find::{GUARD_LOOKS, GUARD_PATIENCE};
use crate::proc::{self, Status};
use crate::supervisor::Supervisor;
use crate::supervisor::protocol::{NotStopped, RegisterWords, Reply, Request};
use crate::{LiveMemory, Process, ProcessError, interrupt, sys};

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
    /// How long the process may stand still, all tries together. When that is over it is let go,
    /// whatever was to be done, and [`Stopped::resume`] tells.
    pub max_pause: Duration,
}

impl Default for StopOptions {
    /// 20 tries of 50 ms, 20 ms apart: a call of the kernel that lasts two seconds is outlasted,
    /// and no try is felt as more than a hiccup. 50 moments, 0.2 ms apart, within a second: of Go
    /// programs that allocate flat out, 99 in 100 need no more than some 15. Two seconds at most in
    /// all.
    fn default() -> StopOptions {
        StopOptions {
            deadline: Duration::from_millis(50),
            tries: 20,
            pause_between: Duration::from_millis(20),
            moments: 50,
            between_moments: Duration::from_micros(200),
            moments_within: Duration::from_secs(1),
            max_pause: Duration::from_secs(2),
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
    machine: Machine,
    threads: Vec<Thread>,
    mappings: Vec<Mapping>,
    auxv: Vec<(u64, u64)>,
    executable: Option<PathBuf>,
    tries: u32,
    settled: bool,
    before: Duration,
    since: Instant,
    /// How long it might stand still in all.
    max_pause: Duration,
    pid: u32,
    name: String,
    /// `None` once it was let go.
    supervisor: Option<Supervisor>,
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
    ///
    /// # Errors
    /// [`ProcessError::TimeOver`] if it ran on before: what was read last may not be of one instant.
    pub fn resume(mut self) -> Result<Duration, ProcessError> {
        let supervisor = self.supervisor.take();
        self.let_go(supervisor).map(|(pause, _)| pause)
    }

    /// The same, and hands back who held it, for more.
    pub(crate) fn let_go(
        &mut self,
        supervisor: Option<Supervisor>,
    ) -> Result<(Duration, Supervisor), ProcessError> {
        let lost = |source| supervisor_lost(self.pid, source);
        let mut supervisor = supervisor.ok_or_else(|| lost(io::ErrorKind::NotFound.into()))?;
        match supervisor.ask(&Request::LetGo).map_err(lost)? {
            Reply::LetGone {
                since_ns,
                at_ns,
                early: false,
            } => {
                let pause = Duration::from_nanos(at_ns.saturating_sub(since_ns));
                Ok((pause, supervisor))
            }
            Reply::LetGone { .. } => Err(self.time_over()),
            _ => Err(lost(io::ErrorKind::InvalidData.into())),
        }
    }

    /// Says what its mappings are, for who has just read them.
    pub(crate) fn set_mappings(&mut self, mappings: Vec<Mapping>) {
        self.mappings = mappings;
    }

    /// Who holds it. It is not let go by dropping this any more, but by dropping that.
    pub(crate) fn take_supervisor(&mut self) -> Option<Supervisor> {
        self.supervisor.take()
    }

    /// The error for that it was let go before its time.
    pub(crate) fn time_over(&self) -> ProcessError {
        ProcessError::TimeOver {
            pid: self.pid,
            name: self.name.clone(),
            max_pause: self.max_pause,
        }
    }
}

/// The error for that the supervisor does not answer.
pub(crate) fn supervisor_lost(pid: u32, source: io::Error) -> ProcessError {
    ProcessError::Supervisor { pid, source }
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
        self.machine
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

/// Stops `process`; see [`Process::stop_when`]. `supervisor` is one that was started for it before.
pub(crate) fn stop_when(
    process: &Process,
    options: &StopOptions,
    supervisor: Option<Supervisor>,
    suits: &mut dyn FnMut(&Stopped) -> bool,
) -> Result<Stopped, ProcessError> {
    let stopped = hold_when(process, options, supervisor, suits, &mut thread::sleep)?;
    refresh(process, stopped)
}

/// The same, for who sees to it alone that it is still the process that was found, and that its
/// mappings are those of now. `rest` lets the process run for a time, between two stops.
pub(crate) fn hold_when(
    process: &Process,
    options: &StopOptions,
    supervisor: Option<Supervisor>,
    suits: &mut dyn FnMut(&Stopped) -> bool,
    rest: &mut dyn FnMut(Duration),
) -> Result<Stopped, ProcessError> {
    let pid = process.pid();
    if pid == std::process::id() {
        return Err(ProcessError::Itself { pid });
    }
    let begin = Instant::now();
    let (mut tries, mut slow_ones, mut moments) = (0_u32, 0, 0);
    let mut before = Duration::ZERO;
    let mut ready = supervisor;
    loop {
        if let Some(signal) = interrupt::requested() {
            return Err(ProcessError::Interrupted { pid, signal });
        }
        // All that need not be asked while it stands still.
        let known = Known::of(process);
        tries = tries.saturating_add(1);
        let mut supervisor = match ready.take() {
            Some(supervisor) => supervisor,
            None => start_supervisor(pid)?,
        };
        let left = options.max_pause.saturating_sub(before);
        let stop = Request::Stop {
            deadline: options.deadline.min(left),
            limit: left,
        };
        let reply = supervisor.ask(&stop);
        let run_on = match reply.map_err(|source| supervisor_lost(pid, source))? {
            Reply::Held { since_ns, threads } => {
                moments += 1;
                let mut stopped = hold(process, known, supervisor, since_ns, &threads);
                (stopped.tries, stopped.before) = (tries, before);
                stopped.max_pause = options.max_pause;
                stopped.settled = suits(&stopped);
                // Half of the time is kept for what is to be done in the end.
                let spent = before.saturating_add(stopped.stopped_for());
                let last = moments >= options.moments
                    || begin.elapsed() >= options.moments_within
                    || spent >= options.max_pause / 2;
                if stopped.settled || last {
                    return Ok(stopped);
                }
                let holder = stopped.take_supervisor();
                let (pause, supervisor) = stopped.let_go(holder)?;
                ready = Some(supervisor);
                before = before.saturating_add(pause);
                options.between_moments.max(pause)
            }
            Reply::NotStopped {
                why: NotStopped::Slow { tid },
                held_ns,
            } => {
                // The end of the supervisor frees the thread.
                drop(supervisor);
                slow_ones += 1;
                before = before.saturating_add(Duration::from_nanos(held_ns));
                if before >= options.max_pause {
                    return Err(ProcessError::TimeOver {
                        pid,
                        name: process.name().to_owned(),
                        max_pause: options.max_pause,
                    });
                }
                if slow_ones >= options.tries {
                    return Err(does_not_stop(process, tid, slow_ones, options.deadline));
                }
                options.pause_between
            }
            // Another goheap, or the supervisor of one that was killed; it will be done soon. The end of
            // ours frees what it could trace.
            Reply::NotStopped {
                why: NotStopped::Refused,
                ..
            } if begin.elapsed() < GUARD_PATIENCE && (tries == 1 || process.is_guarded()) => {
                drop(supervisor);
                GUARD_LOOKS
            }
            Reply::NotStopped { why, .. } => return Err(error(process, why)),
            _ => return Err(supervisor_lost(pid, io::ErrorKind::InvalidData.into())),
        };
        rest(run_on);
    }
}

/// Starts a supervisor for process `pid`.
pub(crate) fn start_supervisor(pid: u32) -> Result<Supervisor, ProcessError> {
    Supervisor::start(pid).map_err(|source| supervisor_lost(pid, source))
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
fn error(process: &Process, why: NotStopped) -> ProcessError {
    let pid = process.pid();
    match why {
        NotStopped::Slow { tid } => does_not_stop(process, tid, 1, Duration::ZERO),
        NotStopped::Gone => ProcessError::Gone { pid },
        NotStopped::Refused => process.refused(),
        NotStopped::List { errno } => ProcessError::Proc {
            path: proc::path(pid, "task"),
            source: io::Error::from_raw_os_error(errno),
        },
        NotStopped::Request { tid, doing, errno } => ProcessError::Ptrace {
            pid,
            tid,
            request: doing.verb(),
            source: io::Error::from_raw_os_error(errno),
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
fn hold(
    process: &Process,
    known: Known,
    supervisor: Supervisor,
    since_ns: u64,
    threads: &[(u32, RegisterWords)],
) -> Stopped {
    let thread = |&(tid, ref words): &(u32, RegisterWords)| Thread {
        tid,
        // There are as many as this machine's programs have; of others, nothing would be known.
        registers: Registers::new(process.machine(), words).unwrap_or(Registers {
            pc: Addr::NIL,
            sp: Addr::NIL,
            general: Vec::new(),
        }),
    };
    let mut threads: Vec<Thread> = threads.iter().map(thread).collect();
    let now_ns = sys::monotonic_ns().unwrap_or(since_ns);
    let held_for = Duration::from_nanos(now_ns.saturating_sub(since_ns));
    let now = Instant::now();
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
        since: now.checked_sub(held_for).unwrap_or(now),
        max_pause: Duration::ZERO,
        machine: process.machine(),
        pid: process.pid(),
        name: process.name().to_owned(),
        supervisor: Some(supervisor),
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
