//! A pair of sockets, and descriptors sent over it.

use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::{Duration, Instant};

use super::{Errno, errno};

/// Two connected stream sockets, closed on exec.
pub(crate) fn socket_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut fds = [0; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: `fds` has room for the two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) } == -1 {
        return Err(errno());
    }
    // SAFETY: the kernel has just made them, and nobody else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Waits until `fd` is ready for `events`, or closed at the other side; `false` if the time is over.
pub(crate) fn poll(fd: i32, events: i16, timeout: Option<Duration>) -> Result<bool, Errno> {
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(|left| libc::timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut poll = libc::pollfd {
            fd,
            events,
            revents: 0,
        };
        let left = left.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: one live pollfd, and a timespec that outlives the call or none; no signal mask.
        match unsafe { libc::ppoll(&raw mut poll, 1, left, ptr::null()) } {
            -1 if errno() == libc::EINTR => {}
            -1 => return Err(errno()),
            0 => return Ok(false),
            _ => return Ok(true),
        }
    }
}

/// Sends what there is room for, without waiting.
pub(crate) fn send(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    loop {
        // SAFETY: the buffer is live for the whole call.
        let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) };
        match usize::try_from(sent) {
            Ok(sent) => return Ok(sent),
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return Err(errno()),
        }
    }
}

/// Receives what is there, or waits for it; 0 if the other side is closed.
pub(crate) fn receive(fd: i32, buf: &mut [u8]) -> Result<usize, Errno> {
    loop {
        // SAFETY: the buffer is live, and borrowed mutably, for the whole call.
        let got = unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => return Ok(got),
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return Err(errno()),
        }
    }
}

/// Room for the control message that carries one descriptor, aligned as `cmsghdr` is.
type Control = [u64; 8];

/// Calls `call` with a message of one byte and room for one descriptor beside it.
fn with_message<T>(call: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut byte = [0_u8; 1];
    let mut control: Control = [0; 8];
    let mut iov = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: all zeros are a msghdr: null pointers and lengths of 0.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE only computes; the descriptor's 4 bytes with head and padding are below 64.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<i32>() as u32) } as _;
    call(&mut message)
}

/// Sends a descriptor, with one byte of data that it needs to travel with.
pub(crate) fn send_fd(line: i32, fd: i32) -> Result<(), Errno> {
    with_message(|message| {
        // SAFETY: the control buffer is live, large enough for one descriptor, and aligned, so its
        // first header and the data behind that lie within it.
        unsafe {
            let head = libc::CMSG_FIRSTHDR(message);
            (*head).cmsg_level = libc::SOL_SOCKET;
            (*head).cmsg_type = libc::SCM_RIGHTS;
            (*head).cmsg_len = libc::CMSG_LEN(size_of::<i32>() as u32) as _;
            ptr::write_unaligned(libc::CMSG_DATA(head).cast::<i32>(), fd);
        }
        loop {
            // SAFETY: everything that the message points to outlives the call.
            match unsafe { libc::sendmsg(line, message, libc::MSG_NOSIGNAL) } {
                -1 if errno() == libc::EINTR => {}
                -1 => return Err(errno()),
                _ => return Ok(()),
            }
        }
    })
}

/// Receives what [`send_fd`] has sent.
pub(crate) fn receive_fd(line: i32) -> Result<OwnedFd, Errno> {
    with_message(|message| {
        loop {
            // SAFETY: everything that the message points to outlives the call.
            match unsafe { libc::recvmsg(line, message, libc::MSG_CMSG_CLOEXEC) } {
                -1 if errno() == libc::EINTR => {}
                -1 => return Err(errno()),
                0 => return Err(libc::ECONNRESET),
                _ => break,
            }
        }
        // SAFETY: the kernel filled in the control buffer and its length; CMSG_FIRSTHDR is null if
        // there is no whole header.
        let fd = unsafe {
            let head = libc::CMSG_FIRSTHDR(message);
            let is_rights = !head.is_null()
                && (*head).cmsg_level == libc::SOL_SOCKET
                && (*head).cmsg_type == libc::SCM_RIGHTS;
            if !is_rights {
                return Err(libc::EBADMSG);
            }
            ptr::read_unaligned(libc::CMSG_DATA(head).cast::<i32>())
        };
        // SAFETY: the kernel has installed it for this process just now; nobody else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    })
}

/// The descriptor `theirs` of another process, as one of this.
pub(crate) fn take_descriptor(pid: u32, theirs: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers alone.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let process = i32::try_from(process).map_err(|_| libc::EINVAL)?;
    if process < 0 {
        return Err(errno());
    }
    // SAFETY: the kernel has just made it, and nobody else owns it.
    let process = unsafe { OwnedFd::from_raw_fd(process) };
    // SAFETY: takes numbers alone.
    let ours = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), theirs, 0) };
    let ours = i32::try_from(ours).map_err(|_| libc::EINVAL)?;
    if ours < 0 {
        return Err(errno());
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(ours) })
}
