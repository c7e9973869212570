//! What a directory's file system has free.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Errno, errno};

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Bytes that this user may still write.
    pub(crate) free: u64,
    /// What is written there takes memory, until it is deleted.
    pub(crate) is_memory: bool,
}

/// TMPFS_MAGIC, RAMFS_MAGIC (include/uapi/linux/magic.h)
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// The file system that a directory is in.
pub(crate) fn place_of(directory: &Path) -> Result<Place, Errno> {
    let path = CString::new(directory.as_os_str().as_bytes()).map_err(|_| libc::ENOENT)?;
    let mut told = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the path ends in a zero byte, and `told` is a live place for a statfs.
    if unsafe { libc::statfs(path.as_ptr(), told.as_mut_ptr()) } == -1 {
        return Err(errno());
    }
    // SAFETY: all bytes are initialised (zeroed before the call), and any bits are a statfs.
    let told = unsafe { told.assume_init() };
    let is_memory = IN_MEMORY.contains(&(told.f_type as u64 & 0xffff_ffff));
    Ok(Place {
        // A ramfs, and a tmpfs without a limit, tell nothing: the memory is the limit.
        free: match is_memory && told.f_blocks == 0 {
            true => u64::MAX,
            false => told.f_bavail.saturating_mul(told.f_bsize as u64),
        },
        is_memory,
    })
}

/// Bytes of a page of this kernel.
pub(crate) fn page_size() -> u64 {
    // SAFETY: takes a number alone.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(0)
}
