//! What ptrace needs beyond stopping: registers written, and the stops around a system call.

use std::mem::size_of_val;

use super::{Errno, errno, ptrace};

/// The words of a thread's general registers (`user_regs_struct`).
type Words = [u64; 27];

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

/// The general registers of a stopped thread, as words.
pub(crate) fn register_words(tid: u32) -> Result<Words, Errno> {
    let mut words: Words = [0; 27];
    let mut iov = libc::iovec {
        iov_base: words.as_mut_ptr().cast(),
        iov_len: size_of_val(&words),
    };
    let place = &raw mut iov as usize;
    ptrace(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, place)?;
    match iov.iov_len == size_of_val(&words) {
        true => Ok(words),
        // A 32-bit thread has fewer.
        false => Err(libc::EINVAL),
    }
}

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

/// Waits until a traced thread stops or ends, and takes the report.
pub(crate) fn wait(tid: u32) -> Result<Stop, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: the status is a live place for an int.
        let got = unsafe { libc::waitpid(tid.cast_signed(), &raw mut status, libc::__WALL) };
        match got {
            -1 if errno() == libc::EINTR => {}
            -1 if errno() == libc::ECHILD => return Ok(Stop::Ended),
            -1 => return Err(errno()),
            _ => break,
        }
    }
    if !libc::WIFSTOPPED(status) {
        return Ok(Stop::Ended);
    }
    let signal = libc::WSTOPSIG(status);
    Ok(match status >> 16 {
        0 if signal == libc::SIGTRAP | 0x80 => Stop::Call,
        0 => Stop::Signal(signal),
        libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
            Stop::Child
        }
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Stop::Group,
        _ => Stop::Event,
    })
}

/// Ends a process.
pub(crate) fn kill(pid: u32) {
    // SAFETY: takes numbers alone. The caller traces it, so the number cannot be another's.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
}
