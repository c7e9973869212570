//! [`Method::Fork`]: the process is stopped and made to fork. The copy never runs; its memory is that
//! instant's for as long as it is kept. Pages that the process writes to meanwhile are copied for it by
//! the kernel: that is what it costs.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use goheap_memory::{Addr, Fault, FaultKind, Memory};

use super::{Contents, Failed, Method, Snapshot, SnapshotOptions, Taken, Watch};
use crate::stop::supervisor_lost;
use crate::supervisor::Supervisor;
use crate::supervisor::headroom::Headroom;
use crate::supervisor::protocol::{Failure, Hosts, Reply, Request};
use crate::{Process, ProcessError, proc};

/// How long the kernel takes to copy the page tables of one GiB, and some more (measured: 30 ms
/// at 4 and at 8 GB).
const PER_GIB: Duration = Duration::from_millis(40);

/// The copy, held by the supervisor.
#[derive(Debug)]
pub(super) struct Forked {
    pid: u32,
    child: u32,
    /// Its /proc/PID/mem: process_vm_readv would pin pages, and the kernel would have to copy many more
    /// of them (capture.md: 290 MB instead of 27).
    mem: File,
    hosts: Hosts,
    supervisor: Supervisor,
    /// Whether it was gone when it was read.
    lost: AtomicBool,
}

impl Forked {
    /// Whether some read failed since the copy was gone: the supervisor ended it for want of memory, or
    /// somebody killed either of them.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Ends the copy, and tells how many bytes of pages were copied on its account.
    pub(super) fn end(mut self) -> Result<u64, ProcessError> {
        let extra = private_bytes(self.child);
        let lost = |source| supervisor_lost(self.pid, source);
        match self
            .supervisor
            .ask(&Request::EndChild(self.hosts))
            .map_err(lost)?
        {
            Reply::ChildGone {
                short: Some(free), ..
            } if self.lost.load(Ordering::Relaxed) => Err(ProcessError::CopyEnded {
                pid: self.pid,
                free_mib: free >> 20,
            }),
            Reply::ChildGone { reaped: true, .. } => Ok(extra),
            Reply::ChildGone { .. } => Err(ProcessError::LeftZombie {
                pid: self.pid,
                child: self.child,
            }),
            _ => Err(lost(io::ErrorKind::InvalidData.into())),
        }
    }
}

impl Memory for Forked {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.mem.read_exact_at(buf, at.get()).map_err(|error| {
            let kind = match (error.kind(), error.raw_os_error()) {
                // The memory has no user any more: the copy was killed.
                (io::ErrorKind::UnexpectedEof, _) | (_, Some(libc::ESRCH)) => FaultKind::Gone,
                (_, Some(libc::EIO | libc::EFAULT)) => FaultKind::Unmapped,
                (_, errno) => FaultKind::Os(errno.unwrap_or(libc::EIO)),
            };
            if kind == FaultKind::Gone {
                self.lost.store(true, Ordering::Relaxed);
            }
            Fault::new(at, buf.len(), kind)
        })
    }
}

/// How often the process is stopped, if no thread of it waits where a call could be made in it, and
/// how far apart: threads that are on their way, or were let go a moment ago, wait again soon.
const HOST_TRIES: u32 = 10;
const HOST_EVERY: Duration = Duration::from_millis(5);

/// What is in the way of a copy of process `pid`, as far as that shows before it is made.
pub(super) fn obstacle(pid: u32, options: &SnapshotOptions) -> Result<(), String> {
    let headroom = Headroom::of(pid);
    headroom.may_begin(options.method == Some(Method::Fork))?;
    let takes = PER_GIB.mul_f64(headroom.anonymous as f64 / (1_u64 << 30) as f64);
    if takes > options.stop.max_pause / 2 {
        return Err(format!(
            "it has {} GiB of memory of its own, and to copy its page tables alone may take {takes:.1?}; \
             allow more with --max-pause",
            headroom.anonymous >> 30
        ));
    }
    Ok(())
}

/// Takes a snapshot in this way.
pub(super) fn take(
    process: &Process,
    options: &SnapshotOptions,
    watch: &mut dyn Watch,
) -> Result<Snapshot, Failed> {
    let pid = process.pid();
    let hosts = super::hosts(process, options)?;
    obstacle(pid, options).map_err(Failed::NotOpen)?;
    let lost = |source| supervisor_lost(pid, source);
    let mut options = options.clone();
    let (mut ready, mut tries, mut before) = (None, 0_u32, Duration::ZERO);
    let mut host_tries = 0;
    let (stopped, child, pause, supervisor) = loop {
        let mut stopped = super::stop(process, &options, ready.take(), watch)?;
        tries = tries.saturating_add(stopped.tries());
        before = before.saturating_add(stopped.stopped_before());
        let holder = stopped.take_supervisor();
        let mut supervisor = holder.ok_or_else(|| lost(io::ErrorKind::NotFound.into()))?;
        let asked = supervisor.ask(&Request::Fork(hosts.clone()));
        match asked.map_err(lost)? {
            Reply::Forked {
                child,
                since_ns,
                at_ns,
            } => {
                let pause = Duration::from_nanos(at_ns.saturating_sub(since_ns));
                break (stopped, child, pause, supervisor);
            }
            // Nothing came of it, but it stood still.
            Reply::Failed {
                why: Failure::NoHost,
                ..
            } => {
                let (pause, supervisor) = stopped.let_go(Some(supervisor))?;
                before = before.saturating_add(pause);
                let spent = stopped.stopped_before().saturating_add(pause);
                options.stop.max_pause = options.stop.max_pause.saturating_sub(spent);
                host_tries += 1;
                if host_tries >= HOST_TRIES || options.stop.max_pause.is_zero() {
                    return Err(Failed::NotOpen(
                        "no thread of it waits where a system call could be made in it".to_owned(),
                    ));
                }
                ready = Some(supervisor);
                thread::sleep(HOST_EVERY.max(pause));
            }
            Reply::Failed { why, errno } => {
                return Err(match why {
                    Failure::TooLate => Failed::Error(stopped.time_over()),
                    Failure::Gone => Failed::Error(ProcessError::Gone { pid }),
                    Failure::Call if errno == libc::EAGAIN => Failed::NotOpen(
                        "it cannot fork: it may have no more processes (the pids cgroup or \
                         RLIMIT_NPROC)"
                            .to_owned(),
                    ),
                    _ => Failed::NotOpen(format!(
                        "it cannot fork: {}",
                        io::Error::from_raw_os_error(errno)
                    )),
                });
            }
            _ => return Err(lost(io::ErrorKind::InvalidData.into()).into()),
        }
    };
    let path = proc::path(child, "mem");
    let mem = File::open(&path).map_err(|source| ProcessError::Proc { path, source })?;
    let taken = Taken {
        method: Method::Fork,
        passed_over: Vec::new(),
        settled: stopped.settled(),
        pause,
        total: before.saturating_add(pause),
        tries,
        rounds: 0,
        copied_in_pause: 0,
        copied: 0,
        extra: 0,
    };
    let forked = Forked {
        pid,
        child,
        mem,
        hosts,
        supervisor,
        lost: AtomicBool::new(false),
    };
    let contents = Contents::Forked(forked);
    Ok(super::snapshot(process, &stopped, contents, taken))
}

/// Bytes of memory that are the copy's alone: what the process has written to since.
fn private_bytes(child: u32) -> u64 {
    let text = fs::read_to_string(proc::path(child, "smaps_rollup")).unwrap_or_default();
    // proc(5): "Private_Dirty:       1234 kB"
    let size = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(size).sum::<u64>().saturating_mul(1024)
}
