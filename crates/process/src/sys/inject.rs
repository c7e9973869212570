//! What ptrace needs beyond stopping: registers written, and the stops around a system call.

use std::mem::size_of_val;
use std::ptr;
use std::time::{Duration, Instant};

use super::{Errno, errno, ptrace};
use crate::supervisor::protocol::WORDS;

/// The words of a thread's general registers.
type Words = crate::supervisor::protocol::RegisterWords;

const NT_PRSTATUS: usize = 1;

/// How a traced thread stopped, or that it ended; the report is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At the entry or the exit of a system call.
    Call,
    /// It has made a child; [`event_message`] tells which.
    Child,
    /// It stopped for us, or because it was told to.
    Event,
    /// Its whole process was stopped by a signal.
    Group,
    /// It is about to get this signal.
    Signal(i32),
    /// It ended.
    Ended,
}

/// The general registers of a stopped thread, as words. Those of a 32-bit thread are the first of them,
/// in the order of its own `user_regs_struct`.
pub(crate) fn register_words(tid: u32) -> Result<Words, Errno> {
    let mut words: Words = [0; WORDS];
    let mut iov = libc::iovec {
        iov_base: words.as_mut_ptr().cast(),
        iov_len: size_of_val(&words),
    };
    let place = &raw mut iov as usize;
    ptrace(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, place)?;
    match iov.iov_len {
        len if len == size_of_val(&words) => Ok(words),
        // A 32-bit thread has fewer, and narrower ones (arch/x86/include/asm/user_32.h).
        BYTES_386 => {
            let narrow = words;
            let halves = narrow
                .iter()
                .flat_map(|word| [*word as u32, (*word >> 32) as u32]);
            let mut words: Words = [0; WORDS];
            for (word, half) in words.iter_mut().zip(halves.take(BYTES_386 / 4)) {
                *word = half.into();
            }
            Ok(words)
        }
        _ => Err(libc::EINVAL),
    }
}

/// Bytes of the general registers of a 32-bit thread: 17 words of 4 bytes.
const BYTES_386: usize = 68;

/// Sets the general registers of a stopped thread.
pub(crate) fn set_register_words(tid: u32, words: &Words) -> Result<(), Errno> {
    let mut words = *words;
    let mut iov = libc::iovec {
        iov_base: words.as_mut_ptr().cast(),
        iov_len: size_of_val(&words),
    };
    let place = &raw mut iov as usize;
    ptrace(libc::PTRACE_SETREGSET, tid, NT_PRSTATUS, place)
}

/// Sets the options of a traced thread (`PTRACE_O_*`).
pub(crate) fn set_options(tid: u32, options: i32) -> Result<(), Errno> {
    let options = usize::try_from(options).map_err(|_| libc::EINVAL)?;
    ptrace(libc::PTRACE_SETOPTIONS, tid, 0, options)
}

/// Lets a stopped thread run to the next entry or exit of a system call.
pub(crate) fn run_to_call(tid: u32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_SYSCALL, tid, 0, 0)
}

/// Lets a stopped thread run on, traced.
pub(crate) fn run_on(tid: u32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_CONT, tid, 0, 0)
}

/// What the last event of a stopped thread was about: the number of the child.
pub(crate) fn event_message(tid: u32) -> Result<u64, Errno> {
    let mut message: libc::c_ulong = 0;
    let place = &raw mut message as usize;
    ptrace(libc::PTRACE_GETEVENTMSG, tid, 0, place)?;
    Ok(message)
}

/// How long to sleep at most before a thread is looked at again: what the kernel says of a stop may
/// have been taken while another thread was waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until a traced thread stops or ends; `None` if it does neither until then. This thread must
/// have SIGCHLD blocked.
///
/// The report of a stop is left where it is, for the reason that [`super::look`] has. A thread that was
/// let run on has none: the kernel asks whether it is stopped now (kernel/exit.c, task_stopped_code).
pub(crate) fn wait_until(tid: u32, until: Instant) -> Result<Option<Stop>, Errno> {
    loop {
        if let Some(stop) = stopped_how(tid)? {
            return Ok(Some(stop));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        wait_for_a_report(left.min(LOOK_AGAIN));
    }
}

/// How a traced thread has stopped, or that it ended (then the report is taken); `None` if it runs.
fn stopped_how(tid: u32) -> Result<Option<Stop>, Errno> {
    let Some((code, status)) = super::state_of(tid)? else {
        return Ok(None);
    };
    if code != libc::CLD_TRAPPED && code != libc::CLD_STOPPED {
        super::reap(tid);
        return Ok(Some(Stop::Ended));
    }
    // waitid tells the whole code of a stop: the event above the signal.
    let signal = status & 0xff;
    Ok(Some(match status >> 8 {
        0 if signal == libc::SIGTRAP | 0x80 => Stop::Call,
        0 => Stop::Signal(signal),
        libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
            Stop::Child
        }
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Stop::Group,
        _ => Stop::Event,
    }))
}

/// Sleeps until the kernel has something to report of a traced thread or a child, or for so long.
fn wait_for_a_report(at_most: Duration) {
    let timeout = libc::timespec {
        tv_sec: at_most.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // SAFETY: all zeros are a sigset_t; the set and the timeout outlive the call, and a null place for
    // what came is allowed.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const timeout);
    }
}

/// Ends a process.
pub(crate) fn kill(pid: u32) {
    // SAFETY: takes numbers alone. The caller traces it, so the number cannot be another's.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
}

/// PTRACE_O_SUSPEND_SECCOMP (include/uapi/linux/ptrace.h), which libc names for glibc alone.
pub(crate) const SUSPEND_SECCOMP: i32 = 1 << 21;

/// Whether the kernel lets this process suspend the seccomp filters of one that it traces, tried on a
/// child of ours: it wants CAP_SYS_ADMIN and no filter on ourselves (EPERM), and a kernel with
/// CONFIG_CHECKPOINT_RESTORE (EINVAL).
pub(crate) fn may_suspend_seccomp() -> Result<(), Errno> {
    let child = match super::fork()? {
        super::Forked::Parent(pid) => pid,
        super::Forked::Child => loop {
            // SAFETY: they take a number or nothing. The alarm ends it if this process is killed.
            unsafe {
                libc::alarm(5);
                libc::pause();
            };
        },
    };
    let options = SUSPEND_SECCOMP.cast_unsigned() as usize;
    let seized = ptrace(libc::PTRACE_SEIZE, child, 0, options);
    kill(child);
    let mut status = 0;
    // SAFETY: the status is a live place for an int; the child is ours, and was killed.
    while unsafe { libc::waitpid(child.cast_signed(), &raw mut status, libc::__WALL) } == -1
        && errno() == libc::EINTR
    {}
    seized
}
