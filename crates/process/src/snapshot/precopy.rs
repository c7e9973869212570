//! [`Method::PreCopy`]: the process's memory is copied while it runs, with its writes tracked, again and
//! again what it has written to meanwhile; it stands still for the rest alone.
//!
//! - **What is copied** is every page that is there of what the process alone can change
//!   ([`is_tracked`](crate::userfault::is_tracked)). Leaving out what a dump has no use for (free spans)
//!   would take looking into the program's allocator while it runs, and the snapshot could not be read
//!   like any other memory; free spans are not much of a heap.
//! - **What is not there is never touched**: no page tables and no marks are made for it. (A program under
//!   Go's race detector maps terabytes.)
//! - **Exact**: in the pause one pass over the page tables tells which pages were written to, and which
//!   are gone ([`last`]). What is not tracked (mapped anew, moved) is copied then. A page that
//!   was copied before and is gone is forgotten. Not seen are writes by devices to pages that they hold
//!   pinned (direct I/O, registered buffers of io_uring), as by any method but a stop while it is idle.
//! - **Two supervisors**: one has the userfaultfd, and takes back what was registered when goheap is
//!   gone; the other stops the process. The latter must end when a thread does not stop in time (which
//!   frees that thread), and that must not end the tracking.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::imaged::Imaged;
use super::last::{self, Found, Worker};
use super::tracked::{Round, Tracked, is_whole};
use super::{Contents, Failed, Method, Snapshot, SnapshotOptions, Taken, Watch, room};
use crate::proc::{self, Area};
use crate::stop::{hold_when, start_supervisor, supervisor_lost};
use crate::supervisor::protocol::{Failure, Reply, Request};
use crate::sys::Hurry;
use crate::{Process, ProcessError, Stopped};

/// Rounds of copying before a stop, at most.
const ROUNDS: u32 = 8;

/// So few bytes are copied in the pause as quickly as the page tables are looked at.
const LITTLE: u64 = 512 << 10;

/// How long to wait for a quiet time.
const QUIET_WITHIN: Duration = Duration::from_millis(200);

/// How often to ask whether it is quiet.
const QUIET_EVERY: Duration = Duration::from_millis(1);

/// How old a round may be when the process is stopped.
const FRESH: Duration = Duration::from_millis(10);

/// Room that each of two threads has for what it copies in the pause: twice what the last round
/// copied, within these bounds. What goes beyond is written to the image at once.
const ROOM: std::ops::Range<u64> = 4 << 20..32 << 20;

/// Takes a snapshot in this way.
pub(super) fn take(
    process: &Process,
    options: &SnapshotOptions,
    watch: &mut dyn Watch,
) -> Result<Snapshot, Failed> {
    let pid = process.pid();
    let hosts = super::hosts(process, options)?;
    room::check(process, &options.directory, options.beside)?;
    let image = super::unnamed(process, options)?;
    let mut tracked = Tracked::new(process, options, image)?;
    let mut keeper = start_supervisor(pid)?;
    let lost = |source| supervisor_lost(pid, source);
    match keeper.ask(&Request::Track(hosts)).map_err(lost)? {
        Reply::Tracking => tracked.begin(keeper.descriptor().map_err(lost)?)?,
        Reply::Failed { why, errno } => return Err(refused(pid, why, errno)),
        _ => return Err(lost(io::ErrorKind::InvalidData.into()).into()),
    }
    // And one more when everything is ready for the stop.
    let rounds = approach(&mut tracked, watch)? + 1;
    let pause = stop_and_copy(process, options, watch, &mut tracked)?;
    // The process pays for each page that it writes to until this is done: it is not waited for.
    tracked.end_tracking();
    keeper.tell(&Request::Untrack).map_err(lost)?;
    let Pause {
        stopped,
        areas,
        found,
        late,
        pause,
    } = pause;
    for absent in &found.absent {
        tracked.mark(absent, false);
    }
    tracked.mark(&late, true);
    let mut copied_in_pause: u64 = late.iter().map(|run| run.len()).sum();
    for (runs, bytes) in &found.copied {
        tracked.add(runs, bytes)?;
        copied_in_pause += runs.iter().map(|run| run.len()).sum::<u64>();
    }
    let (image, copied) = tracked.into_image();
    let taken = Taken {
        method: Method::PreCopy,
        passed_over: Vec::new(),
        settled: stopped.settled(),
        pause,
        total: stopped.stopped_before().saturating_add(pause),
        tries: stopped.tries(),
        rounds,
        copied_in_pause,
        copied,
        extra: image.bytes(),
    };
    let imaged = Imaged::new(
        process,
        image,
        areas,
        stopped.memory().clone(),
        Some(keeper),
    );
    Ok(super::snapshot(
        process,
        &stopped,
        Contents::Imaged(imaged),
        taken,
    ))
}

/// Why there is no userfaultfd to be had.
fn refused(pid: u32, why: Failure, errno: i32) -> Failed {
    let error = io::Error::from_raw_os_error(errno);
    match why {
        Failure::Gone => Failed::Error(ProcessError::Gone { pid }),
        Failure::NoHost => Failed::NotOpen(
            "no thread of it waits where a system call could be made in it".to_owned(),
        ),
        Failure::Call if errno == libc::EPERM => Failed::NotOpen(
            "userfaultfd is forbidden to it (a container's seccomp profile?); allow it there"
                .to_owned(),
        ),
        Failure::Call => Failed::NotOpen(format!("it cannot have a userfaultfd: {error}")),
        _ => Failed::NotOpen(format!("its userfaultfd cannot be taken over: {error}")),
    }
}

/// Copies until little is left to be copied, or copying again does not make it less, and the program is
/// quiet; tells in how many rounds.
fn approach(tracked: &mut Tracked<'_>, watch: &mut dyn Watch) -> Result<u32, Failed> {
    let mut last = tracked.round(Round::First)?;
    let mut rounds = 1;
    let mut at = Instant::now();
    while rounds < ROUNDS {
        let written = tracked.round(Round::Next)?;
        rounds += 1;
        at = Instant::now();
        if written <= LITTLE || (rounds > 2 && written > last / 4 * 3) {
            break;
        }
        last = written;
    }
    let until = at + QUIET_WITHIN;
    while !watch.is_quiet(tracked.memory()) && Instant::now() < until {
        thread::sleep(QUIET_EVERY);
        if at.elapsed() >= FRESH {
            tracked.round(Round::Next)?;
            rounds += 1;
            at = Instant::now();
        }
    }
    Ok(rounds)
}

/// What a pause gave.
struct Pause {
    /// Let go.
    stopped: Stopped,
    areas: Vec<Area>,
    found: Found,
    /// Pages that were written to the image at once.
    late: Vec<super::copy::Run>,
    pause: Duration,
}

/// Stops it, copies what is left, and lets it go.
fn stop_and_copy(
    process: &Process,
    options: &SnapshotOptions,
    watch: &mut dyn Watch,
    tracked: &mut Tracked<'_>,
) -> Result<Pause, Failed> {
    let pid = process.pid();
    let failed = |source| proc::failed(pid, proc::path(pid, "pagemap"), source);
    let parts = last::parts(tracked.image());
    let next = AtomicUsize::new(0);
    let memory = tracked.memory().clone();
    let room = (tracked.last() * 2).clamp(ROOM.start, ROOM.end) as usize;
    // Before its memory is touched: a fork takes that away, until it is written to again.
    let stopper = start_supervisor(pid)?;
    let mut own = Worker::new(pid, room).map_err(failed)?;
    let mut other = Worker::new(pid, room).map_err(failed)?;
    thread::scope(|scope| {
        let (begin, begun) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        let hurry = Hurry::begin();
        // A new thread stands where its maker does.
        scope.spawn(|| {
            let (begun, ended) = (begun, ended);
            if begun.recv().is_ok() {
                other.work(&parts, &next, &memory);
                let _waited_for = ended.send(other);
            }
        });
        // All that takes time is made: what is written from here on is copied in the pause.
        tracked.round(Round::Next)?;
        let mut failure = None;
        let mut at = Instant::now();
        let mut rest = |time: Duration| {
            let until = Instant::now() + time;
            if failure.is_none() && at.elapsed() >= FRESH {
                failure = tracked.round(Round::Next).err();
                at = Instant::now();
            }
            thread::sleep(until.saturating_duration_since(Instant::now()));
        };
        let mut suits = |stopped: &Stopped| watch.suits(stopped);
        let mut stopped = hold_when(process, &options.stop, Some(stopper), &mut suits, &mut rest)?;
        let _helps = begin.send(());
        let areas = tracked.areas()?;
        own.work_on_untracked(&areas, &memory);
        own.work_on_files(&areas, &memory);
        own.work(&parts, &next, &memory);
        let other = end.recv();
        let other = other.map_err(|_| failed(io::Error::other("a reader ended early")))?;
        let found = Found::of(vec![own, other]).map_err(|errno| tracked.scan_error(errno))?;
        let mut late = found.absent_in(areas.iter().filter(|area| is_whole(area)));
        late.extend(&found.left);
        let late = tracked.copy_late(late)?;
        let holder = stopped.take_supervisor();
        let (pause, stopper) = stopped.let_go(holder)?;
        drop(hurry);
        drop(stopper);
        if let Some(failure) = failure {
            return Err(failure);
        }
        stopped.set_mappings(areas.iter().map(|area| area.mapping.clone()).collect());
        Ok(Pause {
            stopped,
            areas,
            found,
            late,
            pause,
        })
    })
}
