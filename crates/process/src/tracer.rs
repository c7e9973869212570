//! The work of the tracer thread: seize, interrupt, wait, let go.

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use goheap_memory::Thread;

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

/// Why the tracer could not stop the process.
#[derive(Debug)]
pub(crate) enum Error {
    /// This thread did not stop before the deadline.
    Slow { tid: u32 },
    /// No thread of it is left.
    Gone,
    /// The kernel refused to let this process trace it.
    Refused,
    /// Its threads cannot be listed.
    List(ProcessError),
    /// A request failed in a way that should not be.
    Request {
        request: &'static str,
        tid: u32,
        source: io::Error,
    },
}

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

/// The threads that this thread traces.
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
    pub(crate) fn stop(&mut self, deadline: Duration) -> Result<(), Error> {
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
            return Err(Error::Gone);
        }
        Ok(())
    }

    /// Seizes the threads that are not traced yet, and tells whether there were any.
    fn seize_new(&mut self) -> Result<bool, Error> {
        let tids = proc::tids(self.pid).map_err(|error| match error {
            ProcessError::Gone { .. } => Error::Gone,
            other => Error::List(other),
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
                Err(libc::EPERM | libc::EACCES) => return Err(Error::Refused),
                Err(errno) => return Err(failed("seize", tid, errno)),
            }
        }
        Ok(any)
    }

    fn has_ended(&self, tid: u32) -> bool {
        let directory = proc::path(self.pid, &format!("task/{tid}"));
        Status::read(&directory).map_or(true, |status| status.has_ended())
    }

    fn interrupt_running(&mut self) -> Result<(), Error> {
        for (&tid, tracee) in &mut self.tracees {
            if *tracee != Tracee::Running {
                continue;
            }
            match sys::interrupt(tid) {
                // If it has ended, waiting for it will tell.
                Ok(()) | Err(libc::ESRCH) => *tracee = Tracee::Interrupted,
                Err(errno) => return Err(failed("interrupt", tid, errno)),
            }
        }
        Ok(())
    }

    /// Waits until all threads that were told to stop have stopped, or ended.
    fn wait_for_all(&mut self, deadline: Instant) -> Result<(), Error> {
        let waiting =
            |(&tid, &tracee): (&u32, &Tracee)| (tracee == Tracee::Interrupted).then_some(tid);
        let mut waiting: Vec<u32> = self.tracees.iter().filter_map(waiting).collect();
        loop {
            let mut still = Vec::new();
            for tid in waiting {
                match sys::look(tid).map_err(|errno| failed("wait for", tid, errno))? {
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
                return Err(Error::Slow { tid });
            }
            waiting = still;
            thread::sleep(SLEEP);
        }
    }

    /// The registers of all threads.
    pub(crate) fn registers(&self) -> Result<Vec<Thread>, Error> {
        let mut threads = Vec::with_capacity(self.tracees.len());
        for &tid in self.tracees.keys() {
            match sys::registers(tid) {
                Ok(registers) => threads.push(Thread { tid, registers }),
                // Killed while it was held.
                Err(libc::ESRCH) => {}
                Err(errno) => return Err(failed("read the registers of", tid, errno)),
            }
        }
        match threads.is_empty() {
            true => Err(Error::Gone),
            false => Ok(threads),
        }
    }

    /// Lets all threads run on. Threads that run can only be let go by the end of this thread; if
    /// there are such, its id is returned.
    pub(crate) fn let_go(&mut self) -> Option<u32> {
        let mut unfinished = false;
        for (&tid, &tracee) in &self.tracees {
            let gone = match tracee {
                Tracee::Stopped { signal } => sys::detach(tid, signal).is_ok(),
                Tracee::Running | Tracee::Interrupted => false,
            };
            if !gone {
                // It may have been killed while it was held: then this was its last trace.
                sys::reap(tid);
                unfinished = true;
            }
        }
        self.tracees.clear();
        unfinished.then(sys::gettid)
    }
}

fn failed(request: &'static str, tid: u32, errno: Errno) -> Error {
    Error::Request {
        request,
        tid,
        source: io::Error::from_raw_os_error(errno),
    }
}
