//! Reading the memory of another process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use goheap_memory::{Addr, Fault, FaultKind, Mapping, Memory, Part};

use crate::{proc, sys};

/// The memory of a live process. Copies of it are cheap, and any thread may read.
///
/// It reads with `process_vm_readv`, many parts a call; where that is forbidden (old container
/// profiles) or cannot read a mapping of a device, through `/proc/PID/mem`. It does not stop the
/// process: hold a [`Stopped`](crate::Stopped) to read one instant.
#[derive(Debug, Clone)]
pub struct LiveMemory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pid: u32,
    /// Start, end and whether it may be read, ascending: to tell kinds of faults apart.
    mappings: Vec<(Addr, Addr, bool)>,
    /// `/proc/PID/mem`, opened at its first use. Once open, it stays with the memory of this very
    /// process, whatever becomes of its number.
    mem: OnceLock<Result<File, i32>>,
    /// process_vm_readv is not to be had.
    only_mem: AtomicBool,
}

impl LiveMemory {
    pub(crate) fn new(pid: u32, mappings: &[Mapping]) -> LiveMemory {
        let mappings = mappings.iter().map(|m| (m.start, m.end, m.read)).collect();
        LiveMemory {
            shared: Arc::new(Shared {
                pid,
                mappings,
                mem: OnceLock::new(),
                only_mem: AtomicBool::new(false),
            }),
        }
    }

    /// Fills the front of `parts`, and tells how many bytes were filled before the first that
    /// cannot be read; 0 means that the first byte of the first part cannot.
    fn read_some(&self, parts: &mut [Part<'_>]) -> Result<usize, FaultKind> {
        if !self.shared.only_mem.load(Ordering::Relaxed) {
            match sys::process_vm_readv(self.shared.pid, parts) {
                Ok(read) => return Ok(read),
                Err(libc::ESRCH) => return Err(FaultKind::Gone),
                Err(libc::EFAULT) if !self.is_special(parts) => return Err(self.kind(parts)),
                Err(libc::EPERM | libc::ENOSYS) => {
                    self.shared.only_mem.store(true, Ordering::Relaxed);
                }
                Err(libc::EFAULT) => {}
                Err(other) => return Err(FaultKind::Os(other)),
            }
        }
        self.read_mem(parts)
    }

    /// The same through `/proc/PID/mem`, one part.
    fn read_mem(&self, parts: &mut [Part<'_>]) -> Result<usize, FaultKind> {
        let Some(part) = parts.first_mut() else {
            return Ok(0);
        };
        let mem = self.shared.mem.get_or_init(|| {
            let opened = File::open(proc::path(self.shared.pid, "mem"));
            opened.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
        });
        let file = match mem {
            Ok(file) => file,
            Err(libc::ENOENT | libc::ESRCH) => return Err(FaultKind::Gone),
            Err(errno) => return Err(FaultKind::Os(*errno)),
        };
        loop {
            return match file.read_at(part.buf, part.at.get()) {
                // The memory has no user any more.
                Ok(0) => Err(FaultKind::Gone),
                Ok(read) => Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(match error.raw_os_error() {
                    Some(libc::ESRCH) => FaultKind::Gone,
                    Some(libc::EIO | libc::EFAULT | libc::EINVAL) => self.kind(parts),
                    other => FaultKind::Os(other.unwrap_or(libc::EIO)),
                }),
            };
        }
    }

    /// Whether the first address lies in a mapping that may be read, so that a fault is about the
    /// kind of mapping.
    fn is_special(&self, parts: &[Part<'_>]) -> bool {
        parts.first().and_then(|part| self.readable(part.at)) == Some(true)
    }

    fn kind(&self, parts: &[Part<'_>]) -> FaultKind {
        match parts.first().and_then(|part| self.readable(part.at)) {
            Some(_) => FaultKind::Os(libc::EFAULT),
            None => FaultKind::Unmapped,
        }
    }

    /// Whether the mapping at `at` may be read; `None` if there is none.
    fn readable(&self, at: Addr) -> Option<bool> {
        let mappings = &self.shared.mappings;
        let behind = mappings.partition_point(|&(start, _, _)| start <= at);
        let &(_, end, read) = mappings.get(behind.checked_sub(1)?)?;
        (at < end).then_some(read)
    }
}

impl Memory for LiveMemory {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len();
        let mut done = 0;
        // A read may be short: of the kernel's own limits, or before a page that cannot be read,
        // which the next round then names.
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let from = at.offset(done as u64);
            let mut part = [Part {
                at: from,
                buf: rest,
            }];
            match self.read_some(&mut part) {
                Ok(0) => return Err(Fault::new(at, len, self.kind(&part))),
                Ok(read) => done += read,
                Err(kind) => return Err(Fault::new(at, len, kind)),
            }
        }
        Ok(())
    }

    fn read_parts(&self, parts: &mut [Part<'_>]) -> Result<(), Fault> {
        let mut rest = parts;
        while !rest.is_empty() {
            let batch = rest.len().min(sys::MOST_PARTS);
            let mut left = match self.read_some(&mut rest[..batch]) {
                Ok(read) => read,
                Err(FaultKind::Gone) => {
                    let part = &rest[0];
                    return Err(Fault::new(part.at, part.buf.len(), FaultKind::Gone));
                }
                // The single read below finds out what it is.
                Err(_) => 0,
            };
            let mut whole = 0;
            while let Some(part) = rest[..batch].get(whole)
                && part.buf.len() <= left
            {
                left -= part.buf.len();
                whole += 1;
            }
            if let Some(part) = rest[..batch].get_mut(whole) {
                self.read(part.at, part.buf)?;
                whole += 1;
            }
            rest = &mut rest[whole..];
        }
        Ok(())
    }
}
