//! What the supervisor does: hold, copy, track, and undo all of it, whatever becomes of goheap.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use super::headroom::Headroom;
use super::inject::{self, Call, Host, Made};
use super::leftovers;
use super::protocol::{Failure, Hosts, Line, Reply, Request};
use super::tracer::Tracer;
use crate::proc;
use crate::sys;
use crate::userfault;

/// How long an answer may take to be taken: goheap may stand still, with the line full.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long one thread may take to stop, if only that one is asked to. Nobody waits for it meanwhile,
/// and on a busy machine it has to get a processor first.
const ONE_STOP: Duration = Duration::from_secs(2);

/// How long a copy that was killed may take to be gone: its memory is given back first.
const ONE_END: Duration = Duration::from_secs(60);

/// How often to look whether there is memory enough for a copy to be kept.
const LOOK: Duration = Duration::from_millis(50);

/// How often, and how far apart, to look for a thread in which a call can be made while the process
/// runs.
const HOST_TRIES: u32 = 100;
const HOST_EVERY: Duration = Duration::from_millis(5);

/// A stack pointer at which nothing can be: nothing is mapped in the first page.
const NO_STACK: u64 = 16;

/// Serves one goheap until it is gone, then lets go of everything.
pub(super) fn serve(line: &Line, pid: u32) {
    let mut guard = Guard::new(pid);
    while !guard.must_end {
        match line.wait(guard.next_look()) {
            Ok(true) => {}
            Ok(false) => {
                guard.look();
                continue;
            }
            Err(_) => break,
        }
        let Ok(Some(request)) = line.receive_within::<Request>(guard.patience()) else {
            break;
        };
        let reply = guard.answer(&request);
        // A process that is held is not held for a goheap that does not listen.
        if line.send(&reply, guard.patience()).is_err() {
            break;
        }
        if reply == Reply::Tracking
            && let Some(tracking) = &guard.tracking
            && line.send_fd(tracking.as_raw_fd()).is_err()
        {
            break;
        }
    }
    guard.undo();
}

/// What is held, and must be let go.
struct Guard {
    pid: u32,
    tracer: Tracer,
    /// When its threads have to run on, while they stand still.
    until: Option<Instant>,
    since_ns: u64,
    /// When they were let go before that was asked for.
    early: Option<u64>,
    copy: Option<Copy>,
    /// Why the copy was ended before that was asked for, and whether nothing is left of it.
    ended: Option<Reply>,
    tracking: Option<OwnedFd>,
    /// Threads are left that only the end of this process frees.
    must_end: bool,
    /// How to make calls in the target, for when nobody is left to tell.
    hosts: Hosts,
    /// When the target started: its number might become another's.
    started: Option<u64>,
}

/// The copy of the target that never runs.
#[derive(Debug, Clone, Copy)]
struct Copy {
    /// Its number here.
    pid: u32,
    /// Its number in the target's own namespace, once its maker has returned.
    theirs: Option<i64>,
}

impl Guard {
    fn new(pid: u32) -> Guard {
        Guard {
            pid,
            tracer: Tracer::new(pid),
            until: None,
            since_ns: 0,
            early: None,
            copy: None,
            ended: None,
            tracking: None,
            must_end: false,
            hosts: Hosts::default(),
            started: leftovers::started(pid),
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let until = self.until?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// How long goheap may take to say something, or to hear it.
    fn patience(&self) -> Duration {
        self.time_left().map_or(PATIENCE, |left| left.min(PATIENCE))
    }

    /// When there is something to be done unasked; `None` if never.
    fn next_look(&self) -> Option<Duration> {
        let looks = self.copy.is_some().then_some(LOOK);
        match (self.time_left(), looks) {
            (Some(left), Some(look)) => Some(left.min(look)),
            (left, look) => left.or(look),
        }
    }

    /// Does what is to be done unasked: lets go when the time is over, and ends a copy for which there
    /// is no memory any more.
    fn look(&mut self) {
        if self.time_left().is_some_and(|left| left.is_zero()) {
            self.let_go();
            self.early = Some(now_ns());
        }
        if let Some(copy) = self.copy
            && let Err(short) = Headroom::of(self.pid).may_keep()
        {
            self.copy = None;
            let reaped = self.end_copy(copy);
            self.ended = Some(Reply::ChildGone {
                reaped,
                short: Some(short),
            });
        }
    }

    fn answer(&mut self, request: &Request) -> Reply {
        match request {
            Request::Stop { deadline, limit } => self.stop(*deadline, *limit),
            Request::LetGo => self.let_go_as_asked(),
            Request::Fork(hosts) => self.fork(hosts),
            Request::EndChild(hosts) => self.end_child(hosts),
            Request::Track(hosts) => self.track(hosts),
            Request::Untrack => match self.untrack() {
                Some(longest) => Reply::Untracked {
                    longest_ns: u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX),
                },
                None => failed(Failure::Nothing, 0),
            },
        }
    }

    fn stop(&mut self, deadline: Duration, limit: Duration) -> Reply {
        self.early = None;
        let begin = Instant::now();
        let stopped = self.tracer.stop(deadline);
        let since = self.tracer.since();
        self.since_ns = now_ns().saturating_sub(nanoseconds(since.elapsed()));
        let threads = stopped.and_then(|()| self.tracer.registers());
        match threads {
            Ok(threads) => {
                // A limit beyond what a clock can tell is none.
                self.until = since.checked_add(limit);
                Reply::Held {
                    since_ns: self.since_ns,
                    threads,
                }
            }
            Err(why) => {
                self.let_go();
                let held_ns = match since >= begin {
                    true => nanoseconds(since.elapsed()),
                    // It came to no stop at all.
                    false => 0,
                };
                Reply::NotStopped { why, held_ns }
            }
        }
    }

    fn let_go(&mut self) {
        self.until = None;
        self.must_end |= !self.tracer.let_go();
    }

    fn let_go_as_asked(&mut self) -> Reply {
        let early = self.early.take();
        if early.is_none() {
            self.let_go();
        }
        Reply::LetGone {
            since_ns: self.since_ns,
            at_ns: early.unwrap_or_else(now_ns),
            early: early.is_some(),
        }
    }

    /// Makes the copy: clone(2) in a thread that waits.
    ///
    /// The copy shares the descriptors of the target, so that a peer sees the end of a connection as
    /// soon as the target closes it, and no lock on a file changes hands. It has no exit signal.
    ///
    /// It stands still before its first instruction, and is killed with this process, once that has
    /// been asked for; but this process might be killed before. So that the copy can do nothing then,
    /// it begins with neither stack nor thread-local storage: its first instruction faults, Go's
    /// handler of that fault faults as well, and the kernel ends it.
    fn fork(&mut self, hosts: &Hosts) -> Reply {
        let Some(until) = self.until.filter(|_| self.copy.is_none()) else {
            return failed(Failure::TooLate, 0);
        };
        self.hosts = hosts.clone();
        self.ended = None;
        let flags = (libc::CLONE_FILES | libc::CLONE_SETTLS) as u64;
        let clone: Call = [libc::SYS_clone as u64, flags, NO_STACK, 0, 0, 0, 0];
        let mut last = failed(Failure::NoHost, 0);
        for tid in self.tracer.quiet() {
            if Instant::now() >= until {
                return failed(Failure::TooLate, 0);
            }
            let Some(host) = inject::host(self.pid, tid, hosts) else {
                continue;
            };
            let mut copy = None;
            let mut in_time = true;
            let made = inject::make(
                &mut self.tracer,
                &host,
                clone,
                until,
                &mut |tracer, child| {
                    // Others that ran on while it was made have written to their memory.
                    in_time = Instant::now() < until;
                    // It exists and does not run: nobody else has to wait any longer.
                    tracer.let_go_but(host.tid);
                    copy = Some(child);
                    end_with_us(child);
                },
            );
            if let Some(pid) = copy {
                let theirs = match made {
                    Made::Returned(theirs) => Some(theirs),
                    _ => None,
                };
                self.let_go();
                let at_ns = now_ns();
                let copy = Copy { pid, theirs };
                if !in_time {
                    self.end_copy(copy);
                    return failed(Failure::TooLate, 0);
                }
                self.copy = Some(copy);
                return Reply::Forked {
                    child: pid,
                    since_ns: self.since_ns,
                    at_ns,
                };
            }
            last = match made {
                Made::Returned(errno) => {
                    return failed(Failure::Call, i32::try_from(-errno).unwrap_or(0));
                }
                Made::Failed(errno) => return failed(Failure::Trace, errno),
                Made::Ended if self.tracer.quiet().is_empty() => failed(Failure::Gone, 0),
                Made::Ended | Made::Prevented => last,
            };
        }
        last
    }

    fn end_child(&mut self, hosts: &Hosts) -> Reply {
        self.hosts = hosts.clone();
        match self.copy.take() {
            Some(copy) => Reply::ChildGone {
                reaped: self.end_copy(copy),
                short: None,
            },
            None => self.ended.take().unwrap_or(failed(Failure::Nothing, 0)),
        }
    }

    /// Ends the copy, and waits for it in the name of its parent, for whom it is a child; and for those
    /// of ours that are left from before. Whether nothing is left.
    fn end_copy(&mut self, copy: Copy) -> bool {
        sys::kill(copy.pid);
        let until = Instant::now() + ONE_END;
        while let Ok(Some(stop)) = sys::wait_until(copy.pid, until) {
            if stop == sys::Stop::Ended {
                break;
            }
            thread::sleep(HOST_EVERY);
        }
        let hosts = self.hosts.clone();
        let mut ended = leftovers::find(self.pid);
        if let Some(theirs) = copy.theirs
            && !ended.contains(&theirs)
        {
            ended.push(theirs);
        }
        let waited = self.in_a_host(&hosts, |tracer, host| wait_for(tracer, host, &ended));
        // Of a parent that is gone nothing is left either.
        waited.is_some() || leftovers::started(self.pid) != self.started
    }

    /// Makes calls in a thread of the running process, until `work` has a result.
    fn in_a_host<T>(
        &mut self,
        hosts: &Hosts,
        mut work: impl FnMut(&mut Tracer, &Host) -> Option<T>,
    ) -> Option<T> {
        for round in 0..HOST_TRIES {
            if round > 0 {
                thread::sleep(HOST_EVERY);
            }
            for tid in inject::candidates(self.pid, hosts) {
                if leftovers::started(self.pid) != self.started {
                    return None;
                }
                let mut tracer = Tracer::new(self.pid);
                let stopped = tracer.stop_one(tid, ONE_STOP);
                let quiet = stopped.is_ok() && !tracer.quiet().is_empty();
                let host = quiet.then(|| inject::host(self.pid, tid, hosts)).flatten();
                let result = host.and_then(|host| work(&mut tracer, &host));
                self.must_end |= !tracer.let_go();
                if result.is_some() {
                    return result;
                }
                // That it is refused may be since another one of us holds it, for a little.
                if self.must_end {
                    return None;
                }
            }
            if fs::metadata(proc::path(self.pid, "task")).is_err() {
                return None;
            }
        }
        None
    }

    /// Gets a userfaultfd of the process: made by it, taken over, and closed in it.
    fn track(&mut self, hosts: &Hosts) -> Reply {
        self.hosts = hosts.clone();
        let pid = self.pid;
        let flags = (libc::O_CLOEXEC | libc::O_NONBLOCK) as u64 | userfault::USER_MODE_ONLY;
        let open: Call = [libc::SYS_userfaultfd as u64, flags, 0, 0, 0, 0, 0];
        // What is left of one of us that was killed.
        let ended = leftovers::find(pid);
        let mut left_open = None;
        let got = self.in_a_host(hosts, |tracer, host| {
            if !ended.is_empty() && wait_for(tracer, host, &ended).is_none() {
                return None;
            }
            let theirs = match call(tracer, host, open) {
                Made::Returned(fd @ 0..) => fd,
                Made::Returned(errno) => {
                    return Some(Err((Failure::Call, i32::try_from(-errno).unwrap_or(0))));
                }
                Made::Prevented | Made::Ended => return None,
                Made::Failed(errno) => return Some(Err((Failure::Trace, errno))),
            };
            let ours = i32::try_from(theirs)
                .map_err(|_| libc::EBADF)
                .and_then(|theirs| sys::take_descriptor(pid, theirs));
            // A thread that is about to get a signal must go and get it first.
            let quiet = tracer.quiet().contains(&host.tid);
            if !quiet || !closed(call(tracer, host, close(theirs))) {
                left_open = Some(theirs);
            }
            Some(ours.map_err(|errno| (Failure::Trace, errno)))
        });
        if let Some(theirs) = left_open {
            let closed = self.in_a_host(hosts, |tracer, host| {
                closed(call(tracer, host, close(theirs))).then_some(())
            });
            // While the process has it, nothing may be registered with it: that would last.
            if closed.is_none() {
                return failed(Failure::LeftOpen, i32::try_from(theirs).unwrap_or(0));
            }
        }
        match got {
            Some(Ok(fd)) => {
                self.tracking = Some(fd);
                Reply::Tracking
            }
            Some(Err((why, errno))) => failed(why, errno),
            None => failed(Failure::NoHost, 0),
        }
    }

    /// Takes back what was registered, and tells how long the longest slice took.
    fn untrack(&mut self) -> Option<Duration> {
        let tracking = self.tracking.take()?;
        // Nobody stands still for it, and it takes a while: the process's own threads go first.
        sys::set_nice(0);
        Some(userfault::unregister_all(self.pid, &tracking))
    }

    /// Undoes all that was done.
    fn undo(&mut self) {
        self.let_go();
        if let Some(copy) = self.copy.take() {
            self.end_copy(copy);
        }
        self.untrack();
    }
}

fn close(fd: i64) -> Call {
    let number = fd.cast_unsigned();
    [libc::SYS_close as u64, number, 0, 0, 0, 0, 0]
}

fn closed(made: Made) -> bool {
    matches!(made, Made::Returned(_))
}

/// Makes a call in a thread that alone is held.
fn call(tracer: &mut Tracer, host: &Host, call: Call) -> Made {
    inject::make(
        tracer,
        host,
        call,
        Instant::now() + ONE_STOP,
        &mut |_, _| {},
    )
}

/// Has the process wait for children of its own that have ended; `None` if not all were waited for.
fn wait_for(tracer: &mut Tracer, host: &Host, children: &[i64]) -> Option<()> {
    let options = (libc::__WALL | libc::WNOHANG) as u64;
    for &child in children {
        // A thread that is about to get a signal must go and get it first.
        if !tracer.quiet().contains(&host.tid) {
            return None;
        }
        let wait: Call = [
            libc::SYS_wait4 as u64,
            child.cast_unsigned(),
            0,
            options,
            0,
            0,
            0,
        ];
        match call(tracer, host, wait) {
            Made::Returned(got) if got == child => {}
            // Somebody else has waited for it.
            Made::Returned(got) if got == -i64::from(libc::ECHILD) => {}
            _ => return None,
        }
    }
    Some(())
}

/// Waits until the copy stands still, and sees to it that it ends with this process.
fn end_with_us(child: u32) {
    let _stopped = sys::wait_until(child, Instant::now() + ONE_STOP);
    let _kept = sys::set_options(child, libc::PTRACE_O_EXITKILL);
    // If memory is short, the copy is what the kernel should take.
    let _asked = fs::write(proc::path(child, "oom_score_adj"), "1000");
}

fn failed(why: Failure, errno: i32) -> Reply {
    Reply::Failed { why, errno }
}

fn now_ns() -> u64 {
    sys::monotonic_ns().unwrap_or(0)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
