//! The memory of a snapshot whose pages are in an image.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use goheap_memory::{Addr, Fault, FaultKind, Memory, mapped_objects};

use super::copy::Run;
use super::image::Image;
use crate::pages::Pagemap;
use crate::proc::Area;
use crate::supervisor::Supervisor;
use crate::sys::{self, page};
use crate::{LiveMemory, Process, ProcessError};

/// Files that are mapped privately and writable are copied whole up to this size: a page of them that
/// nobody has touched is not zeros.
pub(super) const WHOLE_FILE: u64 = 64 << 20;

/// Pages in an image, and the mappings that they belong to.
#[derive(Debug)]
pub(super) struct Imaged {
    image: Image,
    areas: Vec<Area>,
    /// The executable and what else is loaded, with their paths as the process sees them: what of these
    /// the process has not changed is not copied, and must be there when the process has ended.
    files: Vec<(PathBuf, File)>,
    /// For what else is not copied: files that are not to be had, and what the process shares.
    live: LiveMemory,
    /// What was registered for tracking must be taken back.
    supervisor: Option<Supervisor>,
}

impl Imaged {
    /// `supervisor` is taking something back, and tells when it has.
    pub(super) fn new(
        process: &Process,
        image: Image,
        areas: Vec<Area>,
        live: LiveMemory,
        supervisor: Option<Supervisor>,
    ) -> Imaged {
        let path = process.executable();
        let file = File::open(process.executable_link()).ok();
        let mut files: Vec<_> = path.map(ToOwned::to_owned).zip(file).into_iter().collect();
        for object in mapped_objects(process.mappings(), &live) {
            if files.iter().all(|(path, _)| *path != object.path)
                && let Ok(file) = process.open_object(&object)
            {
                files.push((object.path, file));
            }
        }
        Imaged {
            image,
            areas,
            files,
            live,
            supervisor,
        }
    }

    pub(super) fn end(mut self) -> Result<(), ProcessError> {
        if let Some(mut supervisor) = self.supervisor.take() {
            // If it is gone, so is what it had.
            let _done = supervisor.hear();
        }
        Ok(())
    }

    fn area(&self, at: u64) -> Option<&Area> {
        let behind = self
            .areas
            .partition_point(|area| area.mapping.start.get() <= at);
        let area = self.areas.get(behind.checked_sub(1)?)?;
        (at < area.mapping.end.get()).then_some(area)
    }

    /// Fills `buf` with what a file that is loaded has at `at`; `false` if it is none of theirs, or the
    /// file ends before.
    fn read_file(&self, area: &Area, at: u64, buf: &mut [u8]) -> bool {
        let mut files = self.files.iter();
        let Some((_, file)) = files.find(|(path, _)| area.mapping.name.as_ref() == Some(path))
        else {
            return false;
        };
        let inside = at - area.mapping.start.get();
        !area.shared
            && file
                .read_exact_at(buf, area.mapping.offset + inside)
                .is_ok()
    }

    /// Fills the front of `buf`, and tells how much.
    fn read_some(&self, at: u64, buf: &mut [u8]) -> Result<usize, FaultKind> {
        let area = self.area(at).ok_or(FaultKind::Unmapped)?;
        if !area.mapping.read {
            return Err(FaultKind::Os(libc::EFAULT));
        }
        let end = area
            .mapping
            .end
            .get()
            .min(at.saturating_add(buf.len() as u64));
        let piece = self.image.piece(at, end);
        let len = (piece.end - at) as usize;
        let buf = buf.get_mut(..len).unwrap_or_default();
        if piece.is_there() {
            let read = self.image.read(&piece, buf);
            let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EIO);
            read.map_err(|error| FaultKind::Os(errno(error)))?;
        } else if is_copied(area) && !area.is_of_file() {
            // Nobody has ever touched it, or it was given back.
            buf.fill(0);
        } else if !self.read_file(area, at, buf) {
            self.live
                .read(Addr::new(at), buf)
                .map_err(|fault| fault.kind)?;
        }
        Ok(len)
    }
}

impl Memory for Imaged {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len();
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let from = at.offset(done as u64);
            match self.read_some(from.get(), rest) {
                Ok(read) => done += read,
                Err(kind) => return Err(Fault::new(at, len, kind)),
            }
        }
        Ok(())
    }
}

/// Whether pages of an area are copied: those that the process alone can change.
pub(super) fn is_copied(area: &Area) -> bool {
    area.mapping.read && !area.shared && !area.is_of_kernel()
}

/// The pages of an area that are to be copied: those that are there, and of what is not writable those
/// that are not the file's any more (a position-independent program's relocated words).
pub(super) fn pages_of(area: &Area, pagemap: &mut Pagemap) -> Result<Vec<Run>, sys::Errno> {
    let (start, end) = (area.mapping.start.get(), area.mapping.end.get());
    if area.is_of_file() && area.mapping.write && end - start <= WHOLE_FILE {
        return Ok(vec![Run { start, end }]);
    }
    let mut found = Vec::new();
    // What cannot be written may still not be the file's any more; what is of none is all its own.
    let files = area.is_of_file() && !area.mapping.write;
    pagemap.there(start, end, files, &mut found)?;
    let wanted = |region: &&sys::Region| !files || region.kinds & page::FILE == 0;
    let run = |region: &sys::Region| Run {
        start: region.start,
        end: region.end,
    };
    Ok(found.iter().filter(wanted).map(run).collect())
}
