//! The system calls that no safe library offers as they are needed here: ptrace and waitid with
//! real-time signals (which nix's `Signal` cannot name), process_vm_readv, fork without exec.

use std::mem::MaybeUninit;
use std::ptr;

use goheap_memory::Part;

mod doctor;
mod inject;
mod line;
mod pagemap;
mod place;
mod supervise;
mod userfault;

pub(crate) use doctor::*;
pub(crate) use inject::*;
pub(crate) use line::*;
pub(crate) use pagemap::*;
pub(crate) use place::*;
pub(crate) use supervise::*;
pub(crate) use userfault::*;

/// An error number of the kernel.
pub(crate) type Errno = i32;

fn errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// What libc takes for the number of a ptrace request.
#[cfg(target_env = "musl")]
type PtraceRequest = libc::c_int;
#[cfg(not(target_env = "musl"))]
type PtraceRequest = libc::c_uint;

fn ptrace(request: PtraceRequest, tid: u32, addr: usize, data: usize) -> Result<(), Errno> {
    // SAFETY: the requests made in this file read `addr` and `data` as numbers, or (GETREGSET) as
    // a pointer to an iovec that outlives the call and describes a live buffer.
    let got = unsafe {
        libc::ptrace(
            request,
            tid as libc::pid_t,
            addr as *mut libc::c_void,
            data as *mut libc::c_void,
        )
    };
    if got == -1 { Err(errno()) } else { Ok(()) }
}

/// Becomes the tracer of a thread, which goes on running. No options: in particular no
/// `EXITKILL`, so that the death of this thread sets the tracee free.
pub(crate) fn seize(tid: u32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_SEIZE, tid, 0, 0)
}

/// Asks a seized thread to stop.
pub(crate) fn interrupt(tid: u32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_INTERRUPT, tid, 0, 0)
}

/// Lets go of a stopped thread, which runs on, with `signal` delivered if it is not 0.
pub(crate) fn detach(tid: u32, signal: i32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_DETACH, tid, 0, signal as usize)
}

/// What a traced thread did last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing: it runs.
    Running,
    /// It stopped, about to get this signal (0: it stopped for us, or with its group).
    Stopped {
        /// The signal that must be handed back.
        signal: i32,
    },
    /// It ended.
    Ended,
}

/// Looks at a traced thread, without taking the report away: the kernel keeps the signal that the
/// thread is about to get until the report is taken, so that it is delivered even if this process
/// is killed before it can hand the signal back. (kernel/exit.c, wait_task_stopped: WNOWAIT leaves
/// `exit_code`; kernel/signal.c, ptrace_stop: that is the signal which a freed tracee goes on with.)
pub(crate) fn look(tid: u32) -> Result<Seen, Errno> {
    Ok(match state_of(tid)? {
        None => Seen::Running,
        Some((libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED, _)) => Seen::Ended,
        // An event (only EVENT_STOP is possible: no options were set) stands above the signal.
        Some((_, status)) if status >> 8 != 0 => Seen::Stopped { signal: 0 },
        Some((_, status)) => Seen::Stopped {
            signal: status & 0x7f,
        },
    })
}

/// `si_code` and `si_status` of what is to be told of a traced thread, without taking it; `None` if it
/// runs.
fn state_of(tid: u32) -> Result<Option<(i32, i32)>, Errno> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT | libc::WNOHANG | libc::__WALL;
    // SAFETY: `info` is a live siginfo_t to be written.
    let got = unsafe { libc::waitid(libc::P_PID, tid, info.as_mut_ptr(), flags) };
    if got == -1 {
        return match errno() {
            // Not a child any more: it ended and was released.
            libc::ECHILD => Ok(Some((libc::CLD_EXITED, 0))),
            other => Err(other),
        };
    }
    // SAFETY: all bytes are initialised (zeroed before the call), and any bits are a siginfo_t;
    // si_pid and si_status are what the kernel fills in for waitid.
    let (pid, code, status) = unsafe {
        let info = info.assume_init();
        (info.si_pid(), info.si_code, info.si_status())
    };
    Ok((pid != 0).then_some((code, status)))
}

/// Takes the report of a thread that ended, so that no zombie of it is left.
pub(crate) fn reap(tid: u32) {
    let flags = libc::__WALL | libc::WNOHANG;
    // SAFETY: a null status pointer is allowed.
    unsafe { libc::waitpid(tid as libc::pid_t, ptr::null_mut(), flags) };
}

/// Makes this thread's sleeps as short as they are asked to be (the default adds 50 microseconds).
pub(crate) fn sleep_precisely() {
    // SAFETY: PR_SET_TIMERSLACK takes one number and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// The machine's monotonic clock, in nanoseconds; `None` if it cannot be read.
pub(crate) fn monotonic_ns() -> Option<u64> {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the kernel writes one timespec to a live place for one.
    let got = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr()) };
    if got == -1 {
        return None;
    }
    // SAFETY: the call that fills it has succeeded.
    let now = unsafe { now.assume_init() };
    let seconds = u64::try_from(now.tv_sec).ok()?;
    seconds
        .checked_mul(1_000_000_000)?
        .checked_add(u64::try_from(now.tv_nsec).ok()?)
}

/// This process's effective user.
pub(crate) fn geteuid() -> u32 {
    // SAFETY: has no arguments and no preconditions.
    unsafe { libc::geteuid() }
}

/// Whether a process or thread has this number, even if /proc does not show it.
pub(crate) fn exists(pid: u32) -> bool {
    // Numbers below 1 mean groups of processes.
    let pid = match libc::pid_t::try_from(pid) {
        Ok(pid) if pid > 0 => pid,
        _ => return false,
    };
    // SAFETY: signal 0 is never sent, only checked for.
    let got = unsafe { libc::kill(pid, 0) };
    got == 0 || errno() == libc::EPERM
}

/// Most buffers that one call takes (IOV_MAX).
pub(crate) const MOST_PARTS: usize = 1024;

/// Copies from another process into the parts, the first [`MOST_PARTS`] of them, and tells how many
/// bytes were copied before the first that could not be.
pub(crate) fn process_vm_readv(pid: u32, parts: &mut [Part<'_>]) -> Result<usize, Errno> {
    let none = libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    };
    // One small read is by far the most common call; it needs no allocation.
    let (mut local_one, mut remote_one) = ([none; 1], [none; 1]);
    let (mut local_many, mut remote_many) = (Vec::new(), Vec::new());
    let count = parts.len().min(MOST_PARTS);
    let (local, remote) = if count <= 1 {
        (&mut local_one[..count], &mut remote_one[..count])
    } else {
        local_many.resize(count, none);
        remote_many.resize(count, none);
        (&mut local_many[..], &mut remote_many[..])
    };
    for ((part, local), remote) in parts.iter_mut().zip(&mut *local).zip(&mut *remote) {
        let iov_len = part.buf.len();
        *local = libc::iovec {
            iov_base: part.buf.as_mut_ptr().cast(),
            iov_len,
        };
        *remote = libc::iovec {
            iov_base: part.at.get() as *mut libc::c_void,
            iov_len,
        };
    }
    // SAFETY: each local iovec describes a buffer that is borrowed mutably for the whole call; the
    // remote ones are checked by the kernel against the other process's memory.
    let got = unsafe {
        libc::process_vm_readv(
            pid as libc::pid_t,
            local.as_ptr(),
            count as libc::c_ulong,
            remote.as_ptr(),
            count as libc::c_ulong,
            0,
        )
    };
    usize::try_from(got).map_err(|_| errno())
}
