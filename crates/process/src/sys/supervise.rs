//! Making a process of its own for the supervisor.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use super::{Errno, errno};

/// What a fork returned.
pub(crate) enum Forked {
    /// This is the new process.
    Child,
    /// The number of the new process.
    Parent(u32),
}

/// Copies this process. The copy has one thread.
///
/// The copy may allocate (glibc's and musl's allocators are whole in it, whatever other threads did),
/// but must not touch what another thread may have locked: standard streams, the environment. It
/// must end by [`exit`].
pub(crate) fn fork() -> Result<Forked, Errno> {
    // SAFETY: no memory is shared with the copy. What it may do is said above, and `serve`, the only
    // thing that it runs, keeps to it.
    match unsafe { libc::fork() } {
        -1 => Err(errno()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid.cast_unsigned())),
    }
}

/// Ends this process without running what is registered for its end.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: no code runs after it.
    unsafe { libc::_exit(status) }
}

/// Cuts this process off from where it came from: no signal but SIGKILL and SIGSTOP reaches it, it
/// has a session of its own, and no file, terminal or directory is kept open by it but `keep`.
pub(crate) fn cut_off(name: &CStr, keep: OwnedFd) -> OwnedFd {
    // SAFETY: each of these calls takes numbers, or pointers to constants and to locals that outlive
    // it. Closing descriptors behind the backs of their owners is sound because none of these owners
    // is ever used or dropped in this process: it runs `serve`, then `exit`.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
        // Were it ignored, the kernel would not report stops by it.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        libc::chdir(c"/".as_ptr());
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        // The line must not be closed by what follows, wherever it is.
        let high = libc::fcntl(keep.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3);
        if null >= 0 {
            for standard in 0..3 {
                libc::dup2(null, standard);
            }
        }
        let (low, high_one) = (3, high.cast_unsigned());
        if high >= 3 {
            if high > 3 {
                close_all(low, high_one - 1);
            }
            close_all(high_one + 1, u32::MAX);
            // Its descriptor is closed already.
            std::mem::forget(keep);
            return std::os::fd::FromRawFd::from_raw_fd(high);
        }
    }
    keep
}

/// Closes the descriptors from `first` to `last`, whoever owns them; see [`cut_off`] for why that is
/// sound there.
fn close_all(first: u32, last: u32) {
    // SAFETY: takes numbers alone.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    // Before kernel 5.9, and under filters that do not know it.
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let open: Vec<u32> = entries.flatten().filter_map(number).collect();
    for fd in open.into_iter().filter(|fd| (first..=last).contains(fd)) {
        // SAFETY: takes a number alone.
        unsafe { libc::close(fd.cast_signed()) };
    }
}

/// Waits for the end of a child for a while; whether it has ended.
pub(crate) fn has_ended(pid: u32) -> bool {
    // SAFETY: a null status pointer is allowed.
    let got = unsafe { libc::waitpid(pid.cast_signed(), ptr::null_mut(), libc::WNOHANG) };
    got != 0
}

/// Asks the kernel to take this process last when memory is short; needs CAP_SYS_RESOURCE, without it
/// nothing happens.
pub(crate) fn spare_from_oom() {
    let _asked = std::fs::write("/proc/self/oom_score_adj", "-1000");
}

/// Puts this thread in front of others, or back (`nice` 0). Needs CAP_SYS_NICE; without it nothing
/// happens.
pub(crate) fn set_nice(nice: i32) {
    // SAFETY: takes numbers alone; 0 is this thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}

/// This thread stands in front of others for as long as this lives, where that is permitted.
#[derive(Debug)]
pub(crate) struct Hurry {
    before: i32,
}

impl Hurry {
    pub(crate) fn begin() -> Hurry {
        // SAFETY: takes numbers alone; 0 is this thread.
        let before = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        set_nice(-20);
        Hurry { before }
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        set_nice(self.before);
    }
}
