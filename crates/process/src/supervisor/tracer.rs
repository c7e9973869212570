//! Stopping threads and letting them go: seize, interrupt, wait, detach.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::protocol::{Doing, NotStopped, RegisterWords};
use crate::ProcessError;
use crate::proc::{self, Status};
use crate::sys::{self, Errno, Seen};

/// How long to sleep between two looks whether threads have stopped. Most stop within microseconds
/// of running, but on a busy machine they must first get to run: neither a spinning nor a yielding
/// tracer may take the processor from them, nor queue up behind everybody else itself.
const SLEEP: Duration = Duration::from_micros(20);

/// How many rounds of seizing to make before stopping starts: a process that starts threads all
/// the time would never be stable.
const SEIZE_ROUNDS: u32 = 4;

/// How many readings of the list of threads in a row must tell nothing new. One reading may miss a
/// thread while others end.
const QUIET_LISTS: u32 = 2;

/// One traced thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tracee {
    /// Seized; it runs.
    Running,
    /// Told to stop.
    Interrupted,
    /// It stands still, about to get this signal (or 0).
    Stopped { signal: i32 },
}

/// The threads of a process that this process traces.
#[derive(Debug)]
pub(crate) struct Tracer {
    pid: u32,
    tracees: BTreeMap<u32, Tracee>,
    since: Instant,
}

impl Tracer {
    pub(crate) fn new(pid: u32) -> Tracer {
        Tracer {
            pid,
            tracees: BTreeMap::new(),
            since: Instant::now(),
        }
    }

    /// When the first thread was told to stop.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Stops all threads, those born meanwhile too.
    pub(crate) fn stop(&mut self, deadline: Duration) -> Result<(), NotStopped> {
        // Sleeps are rounded up by this, which is longer than most stops by default.
        sys::sleep_precisely();
        // Seizing stops nobody, so most of the work is done before anyone is held up.
        for _ in 0..SEIZE_ROUNDS {
            if !self.seize_new()? {
                break;
            }
        }
        self.since = Instant::now();
        let deadline = self.since + deadline;
        let mut quiet = 0;
        while quiet < QUIET_LISTS {
            self.interrupt_running()?;
            self.wait_for_all(deadline)?;
            // Only a running thread gives birth: once a list holds none but stopped ones, that
            // is all there are.
            quiet = if self.seize_new()? { 0 } else { quiet + 1 };
        }
        if self.tracees.is_empty() {
            return Err(NotStopped::Gone);
        }
        Ok(())
    }

    /// Seizes the threads that are not traced yet, and tells whether there were any.
    fn seize_new(&mut self) -> Result<bool, NotStopped> {
        let tids = proc::tids(self.pid).map_err(|error| match error {
            ProcessError::Proc { source, .. } => NotStopped::List {
                errno: source.raw_os_error().unwrap_or(libc::EIO),
            },
            _ => NotStopped::Gone,
        })?;
        let mut any = false;
        for tid in tids {
            if self.tracees.contains_key(&tid) {
                continue;
            }
            match sys::seize(tid) {
                Ok(()) => {
                    self.tracees.insert(tid, Tracee::Running);
                    any = true;
                }
                // It ended since the list was read.
                Err(libc::ESRCH) => {}
                // This is also what the kernel says of a thread that has ended but is not
                // released: a main thread that left the others behind stays like that.
                Err(libc::EPERM) if self.has_ended(tid) => {}
                Err(libc::EPERM | libc::EACCES) => return Err(NotStopped::Refused),
                Err(errno) => return Err(failed(Doing::Seize, tid, errno)),
            }
        }
        Ok(any)
    }

    fn has_ended(&self, tid: u32) -> bool {
        let directory = proc::path(self.pid, &format!("task/{tid}"));
        Status::read(&directory).map_or(true, |status| status.has_ended())
    }

    fn interrupt_running(&mut self) -> Result<(), NotStopped> {
        for (&tid, tracee) in &mut self.tracees {
            if *tracee != Tracee::Running {
                continue;
            }
            match sys::interrupt(tid) {
                // If it has ended, waiting for it will tell.
                Ok(()) | Err(libc::ESRCH) => *tracee = Tracee::Interrupted,
                Err(errno) => return Err(failed(Doing::Interrupt, tid, errno)),
            }
        }
        Ok(())
    }

    /// Waits until all threads that were told to stop have stopped, or ended.
    fn wait_for_all(&mut self, deadline: Instant) -> Result<(), NotStopped> {
        let waiting =
            |(&tid, &tracee): (&u32, &Tracee)| (tracee == Tracee::Interrupted).then_some(tid);
        let mut waiting: Vec<u32> = self.tracees.iter().filter_map(waiting).collect();
        loop {
            let mut still = Vec::new();
            for tid in waiting {
                match sys::look(tid).map_err(|errno| failed(Doing::Wait, tid, errno))? {
                    Seen::Running => still.push(tid),
                    Seen::Stopped { signal } => {
                        self.tracees.insert(tid, Tracee::Stopped { signal });
                    }
                    Seen::Ended => {
                        sys::reap(tid);
                        self.tracees.remove(&tid);
                    }
                }
            }
            let Some(&tid) = still.first() else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                return Err(NotStopped::Slow { tid });
            }
            waiting = still;
            thread::sleep(SLEEP);
        }
    }

    /// The registers of all threads.
    pub(crate) fn registers(&self) -> Result<Vec<(u32, RegisterWords)>, NotStopped> {
        let mut threads = Vec::with_capacity(self.tracees.len());
        for &tid in self.tracees.keys() {
            match sys::register_words(tid) {
                Ok(registers) => threads.push((tid, registers)),
                // Killed while it was held.
                Err(libc::ESRCH) => {}
                Err(errno) => return Err(failed(Doing::Registers, tid, errno)),
            }
        }
        match threads.is_empty() {
            true => Err(NotStopped::Gone),
            false => Ok(threads),
        }
    }

    /// The threads that are stopped, and not about to get a signal.
    pub(crate) fn quiet(&self) -> Vec<u32> {
        let quiet = |(&tid, &tracee): (&u32, &Tracee)| {
            (tracee == Tracee::Stopped { signal: 0 }).then_some(tid)
        };
        self.tracees.iter().filter_map(quiet).collect()
    }

    /// Stops one thread that was not traced before.
    pub(crate) fn stop_one(&mut self, tid: u32, deadline: Duration) -> Result<(), NotStopped> {
        sys::sleep_precisely();
        match sys::seize(tid) {
            Ok(()) => self.tracees.insert(tid, Tracee::Running),
            Err(libc::ESRCH) => return Err(NotStopped::Gone),
            Err(libc::EPERM | libc::EACCES) => return Err(NotStopped::Refused),
            Err(errno) => return Err(failed(Doing::Seize, tid, errno)),
        };
        self.since = Instant::now();
        self.interrupt_running()?;
        self.wait_for_all(self.since + deadline)
    }

    /// Says that a thread is about to get a signal now (or 0: none), or that it has ended.
    pub(crate) fn set_signal(&mut self, tid: u32, signal: Option<i32>) {
        match signal {
            Some(signal) => self.tracees.insert(tid, Tracee::Stopped { signal }),
            None => self.tracees.remove(&tid),
        };
    }

    /// Says that a thread runs, and cannot be let go before it stops again.
    pub(crate) fn set_running(&mut self, tid: u32) {
        self.tracees.insert(tid, Tracee::Running);
    }

    /// Lets all threads run on but one.
    pub(crate) fn let_go_but(&mut self, one: u32) {
        let kept = self.tracees.remove_entry(&one);
        self.detach_all();
        self.tracees.extend(kept);
    }

    /// Lets all threads run on; `false` if one has not stopped yet (it sits in a long call of the
    /// kernel) and so cannot be let go: then this process must end, which frees it.
    pub(crate) fn let_go(&mut self) -> bool {
        self.detach_all();
        self.tracees.is_empty()
    }

    /// Lets those run on that have stopped.
    fn detach_all(&mut self) {
        self.tracees.retain(|&tid, &mut tracee| match tracee {
            Tracee::Stopped { signal } => {
                if sys::detach(tid, signal).is_err() {
                    // It was killed while it was held: this is its last trace.
                    sys::reap(tid);
                }
                false
            }
            Tracee::Running | Tracee::Interrupted => true,
        });
    }
}

fn failed(doing: Doing, tid: u32, errno: Errno) -> NotStopped {
    NotStopped::Request { tid, doing, errno }
}
