//! The registers of all threads of a process, read by the test kit's own stop.

use nix::sys::ptrace::{self, Options, regset};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::{Error, Result, procfs};

/// The registers of a thread. They are kept as text: all that is asked of them is whether they changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadRegisters {
    /// The thread.
    pub tid: i32,
    /// The general ones, those of segments, and `orig_rax`.
    pub general: String,
    /// Those of floating point and of SSE.
    pub floating: String,
}

/// The registers of all threads of a process; each is stopped for it and let go again, one after the
/// other.
///
/// # Errors
/// If it is gone, or traced.
pub fn registers(pid: u32) -> Result<Vec<ThreadRegisters>> {
    let tids = procfs::thread_ids(pid)?;
    tids.into_iter().map(registers_of).collect()
}

fn registers_of(tid: i32) -> Result<ThreadRegisters> {
    let thread = Pid::from_raw(tid);
    ptrace::seize(thread, Options::empty()).map_err(Error::thread("attach to", tid))?;
    ptrace::interrupt(thread).map_err(Error::thread("interrupt", tid))?;
    waitpid(thread, Some(WaitPidFlag::__WALL)).map_err(Error::thread("wait for", tid))?;
    let general = ptrace::getregset::<regset::NT_PRSTATUS>(thread);
    let floating = ptrace::getregset::<regset::NT_PRFPREG>(thread);
    ptrace::detach(thread, None).map_err(Error::thread("let go of", tid))?;
    Ok(ThreadRegisters {
        tid,
        general: format!(
            "{:x?}",
            general.map_err(Error::thread("read registers of", tid))?
        ),
        floating: format!(
            "{:x?}",
            floating.map_err(Error::thread("read registers of", tid))?
        ),
    })
}
