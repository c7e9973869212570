//! The supervisor: a small process of its own that stops the target, and sees to it that the target
//! goes on.
//!
//! It is forked from goheap before anything is touched, and is the only one that traces the target.
//! goheap tells it what to do, over a pair of sockets ([`protocol`]). It does nothing else: it reads no
//! heap and writes no file, so there is little that could make it fail. When the time is over for
//! which the target may stand still, or when goheap is gone (its end of the line is closed, however
//! that came), it undoes what was done ([`guard`]): threads run on, a copy of the target is killed and
//! waited for, what was registered is taken back.
//!
//! What if the supervisor itself is killed? The kernel then lets the target's threads run on and kills
//! the copy, and what is closed with the supervisor's descriptors is gone as well. [`inject`] tells
//! why a thread that was in the middle of a call of ours takes no harm; docs/harm.md what may be left.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) mod headroom;
pub(crate) mod protocol;

mod guard;
mod inject;
mod leftovers;
mod tracer;

use protocol::{Line, Reply, Request};

use crate::sys::{self, Forked};

/// What the kernel calls it (15 bytes at most).
pub(crate) const NAME: &std::ffi::CStr = c"goheap-guard";

/// How long a request may take to be taken by the supervisor, which always listens, and how long it may
/// take for what it does at once. It is killed if it stands still for longer, whoever stopped it: the
/// kernel then lets the target run on.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take for what needs a thread of the target that waits at the right place, or for a
/// copy of the target: then it holds one thread at most.
const LONG_PATIENCE: Duration = Duration::from_secs(150);

/// goheap's end of the line to its supervisor. Dropping it makes the supervisor undo what is left to
/// be undone, and end.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// Its process.
    pid: u32,
    /// `None` once it is closed.
    line: Option<Line>,
    /// How long the answer may take that is waited for.
    patience: Duration,
}

impl Supervisor {
    /// Starts one for process `target`.
    ///
    /// # Errors
    /// No process or no pair of sockets can be had.
    pub(crate) fn start(target: u32) -> io::Result<Supervisor> {
        let (ours, theirs) = Line::pair()?;
        match sys::fork().map_err(io::Error::from_raw_os_error)? {
            Forked::Parent(pid) => Ok(Supervisor {
                pid,
                line: Some(ours),
                patience: PATIENCE,
            }),
            Forked::Child => {
                let served = catch_unwind(AssertUnwindSafe(|| {
                    let line = Line::of(sys::cut_off(NAME, theirs.into_fd()));
                    sys::set_nice(-20);
                    sys::spare_from_oom();
                    guard::serve(&line, target);
                }));
                sys::exit(i32::from(served.is_err()))
            }
        }
    }

    /// Asks for something, and waits for the answer.
    ///
    /// # Errors
    /// The supervisor is gone; then the target runs.
    pub(crate) fn ask(&mut self, request: &Request) -> io::Result<Reply> {
        self.tell(request)?;
        self.hear()
    }

    /// Asks for something, and does not wait for the answer.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub(crate) fn tell(&mut self, request: &Request) -> io::Result<()> {
        self.patience = match request {
            Request::Stop { deadline, .. } => deadline.saturating_add(PATIENCE),
            Request::LetGo => PATIENCE,
            _ => LONG_PATIENCE,
        };
        self.line()?.send(request, PATIENCE)
    }

    /// The answer to what was asked for with [`tell`](Supervisor::tell).
    ///
    /// # Errors
    /// The supervisor is gone, or was ended since it did not answer in time.
    pub(crate) fn hear(&mut self) -> io::Result<Reply> {
        let reply = self.line()?.receive_within(self.patience);
        if !matches!(reply, Ok(Some(_))) {
            sys::kill(self.pid);
        }
        reply?.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    fn line(&self) -> io::Result<&Line> {
        self.line
            .as_ref()
            .ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// The descriptor that follows a [`Reply::Tracking`].
    ///
    /// # Errors
    /// The supervisor is gone.
    pub(crate) fn descriptor(&mut self) -> io::Result<OwnedFd> {
        self.line()?.receive_fd()
    }

    /// Makes it end, and waits until nothing is held any more.
    fn end(&mut self) {
        drop(self.line.take());
        let patience = Instant::now() + LONG_PATIENCE;
        let mut pause = Duration::from_micros(20);
        while !sys::has_ended(self.pid) {
            if Instant::now() >= patience {
                sys::kill(self.pid);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.end();
    }
}
