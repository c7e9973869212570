//! A running process whose writes are tracked, and the image of its memory.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use goheap_memory::{Addr, Memory};

use super::copy::{Run, copy};
use super::image::Image;
use super::imaged::WHOLE_FILE;
use super::{Failed, SnapshotOptions};
use crate::pages::{Pagemap, THERE};
use crate::proc::{self, Area, Maps};
use crate::sys::{self, Errno, Query, Region, page};
use crate::userfault::{self, SLICE, is_tracked};
use crate::{LiveMemory, Process, ProcessError, interrupt};

/// Which round of copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// All that is there.
    First,
    /// What was written to since the last.
    Next,
}

/// The process, and what was copied of it.
#[derive(Debug)]
pub(super) struct Tracked<'p> {
    process: &'p Process,
    directory: PathBuf,
    /// The userfaultfd, once there is one.
    tracking: Option<OwnedFd>,
    pagemap: Pagemap,
    maps: Maps,
    memory: LiveMemory,
    image: Image,
    /// What was mapped when it was last registered.
    registered: Vec<Area>,
    /// Pages that were there and could not be read: nothing notes whether they are written to.
    missed: Vec<Run>,
    copied: u64,
    /// Bytes that the last round copied.
    last: u64,
}

impl<'p> Tracked<'p> {
    /// `process` as it is now, with an image in `file`.
    pub(super) fn new(
        process: &'p Process,
        options: &SnapshotOptions,
        file: File,
    ) -> Result<Tracked<'p>, Failed> {
        let pid = process.pid();
        let failed = |name: &str, source| proc::failed(pid, proc::path(pid, name), source);
        let mut pagemap = Pagemap::open(pid).map_err(|source| failed("pagemap", source))?;
        userfault::is_supported(&mut pagemap).map_err(Failed::NotOpen)?;
        let maps = Maps::open(pid).map_err(|source| failed("maps", source))?;
        // What was opened is of the memory that it has now.
        process.check_same()?;
        Ok(Tracked {
            process,
            directory: options.directory.clone(),
            tracking: None,
            pagemap,
            maps,
            memory: process.memory(),
            image: Image::new(file),
            registered: Vec::new(),
            missed: Vec::new(),
            copied: 0,
            last: 0,
        })
    }

    /// Begins to track with a userfaultfd of the process.
    pub(super) fn begin(&mut self, tracking: OwnedFd) -> Result<(), Failed> {
        sys::track_writes(&tracking).map_err(|errno| {
            let error = userfault::text(errno);
            Failed::NotOpen(format!("the kernel does not track its writes: {error}"))
        })?;
        self.tracking = Some(tracking);
        Ok(())
    }

    pub(super) fn image(&self) -> &Image {
        &self.image
    }

    pub(super) fn memory(&self) -> &LiveMemory {
        &self.memory
    }

    /// Bytes that the last round copied.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// What is mapped now.
    ///
    /// # Errors
    /// It has ended, or runs another program.
    pub(super) fn areas(&mut self) -> Result<Vec<Area>, ProcessError> {
        let pid = self.process.pid();
        let failed = |source| proc::failed(pid, proc::path(pid, "maps"), source);
        let areas = self.maps.read().map_err(failed)?;
        match areas.is_empty() {
            false => Ok(areas),
            true => Err(self
                .process
                .check_same()
                .err()
                .unwrap_or(ProcessError::Changed { pid })),
        }
    }

    /// Copies what is there, or what was written to since the last round, and tells how many bytes
    /// that were.
    pub(super) fn round(&mut self, round: Round) -> Result<u64, Failed> {
        let areas = self.areas()?;
        let areas: Vec<Area> = areas.into_iter().filter(is_tracked).collect();
        // It takes a lock of the process's for each of them.
        if areas != self.registered {
            self.register(&areas)?;
            self.registered.clone_from(&areas);
        }
        if round == Round::First {
            self.touch_files(&areas);
        }
        let runs = self.protect(&areas, round)?;
        let copied = self.copy(&runs)?;
        self.note_missed(&runs, copied);
        Ok(self.last)
    }

    /// Registers all that is not registered yet; to register again what is costs next to nothing.
    fn register(&self, areas: &[Area]) -> Result<(), Failed> {
        let Some(tracking) = &self.tracking else {
            return Ok(());
        };
        for area in areas {
            let (start, end) = (area.mapping.start.get(), area.mapping.end.get());
            match sys::register(tracking, start, end) {
                // What cannot be tracked, or is gone again, is copied in the pause.
                Ok(()) | Err(libc::EINVAL | libc::EPERM) => {}
                Err(libc::EBUSY) => {
                    return Err(Failed::NotOpen(
                        "it uses userfaultfd itself, for memory that would have to be tracked"
                            .to_owned(),
                    ));
                }
                Err(libc::ESRCH) => return Err(self.gone().into()),
                Err(errno) => {
                    let error = userfault::text(errno);
                    return Err(Failed::NotOpen(format!(
                        "its writes cannot be tracked: {error}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Reads files that are mapped writable, so that their pages are there: one that is not could be
    /// made and changed between the stop and the reading.
    fn touch_files(&self, areas: &[Area]) {
        let mut byte = [0];
        for area in areas.iter().filter(|area| is_whole(area)) {
            let (start, end) = (area.mapping.start.get(), area.mapping.end.get());
            for at in (start..end).step_by(crate::pages::PAGE as usize) {
                // What cannot be read is behind the end of the file.
                let _touched = self.memory.read(Addr::new(at), &mut byte);
            }
        }
    }

    /// Protects the pages that are there and are not protected, and tells which they are.
    fn protect(&mut self, areas: &[Area], round: Round) -> Result<Vec<Run>, Failed> {
        let slice = match round {
            Round::First => SLICE,
            // Few are left: it is hardly more than looking.
            Round::Next => SLICE * 16,
        };
        let mut runs: Vec<Run> = Vec::new();
        let mut found = Vec::new();
        for area in areas {
            let (start, end) = (area.mapping.start.get(), area.mapping.end.get());
            // Of what cannot be written those are wanted that are not the file's any more.
            let files = area.is_of_file() && !area.mapping.write;
            let query = Query {
                protect: true,
                all_of: THERE.all_of | page::WRITTEN | page::TRACKED,
                tell: if files { page::FILE } else { 0 },
                ..THERE
            };
            let scanned = self
                .pagemap
                .slices(start, end, slice, &mut |pagemap, from, to| {
                    pagemap.scan(from, to, query, &mut found)
                });
            scanned.map_err(|errno| self.scan_error(errno))?;
            let wanted = found
                .drain(..)
                .filter(|region: &Region| region.kinds & page::FILE == 0);
            for region in wanted {
                push(&mut runs, region.start, region.end);
            }
            self.check_interrupt()?;
        }
        Ok(runs)
    }

    /// Copies pages into the image; tells which could be read, ascending.
    fn copy(&mut self, runs: &[Run]) -> Result<Vec<Run>, Failed> {
        for run in runs {
            self.image.reserve(run.start, run.end);
        }
        let copied = copy(&self.memory, runs, &self.image);
        self.check_interrupt()?;
        let mut copied = copied.map_err(|source| self.image_error(source))?;
        copied.sort_unstable_by_key(|run| run.start);
        self.last = 0;
        for run in &copied {
            self.image.mark(run.start, run.end, true);
            self.last += run.len();
        }
        self.copied += self.last;
        Ok(copied)
    }

    /// Notes what of `runs` was not copied.
    fn note_missed(&mut self, runs: &[Run], copied: Vec<Run>) {
        let mut copied = copied.into_iter().peekable();
        for run in runs {
            let mut at = run.start;
            while at < run.end {
                // Copied runs never go beyond the end of one that was asked for.
                let next = copied.next_if(|next| next.start < run.end);
                let to = next.map_or(run.end, |next| next.start);
                if at < to {
                    self.image.mark(at, to, false);
                    push(&mut self.missed, at, to);
                }
                at = next.map_or(run.end, |next| next.end);
            }
        }
    }

    /// Copies pages while the process stands still: those, and what earlier rounds missed.
    pub(super) fn copy_late(&mut self, mut runs: Vec<Run>) -> Result<Vec<Run>, Failed> {
        runs.append(&mut self.missed);
        match runs.is_empty() {
            true => Ok(runs),
            false => self.copy(&runs),
        }
    }

    /// Adds pages that lie in `bytes` one behind the other.
    pub(super) fn add(&mut self, runs: &[Run], mut bytes: &[u8]) -> Result<(), Failed> {
        for run in runs {
            let (now, rest) = bytes
                .split_at_checked(run.len() as usize)
                .unwrap_or((bytes, &[]));
            self.image.reserve(run.start, run.end);
            let written = self.image.write(run.start, now);
            written.map_err(|source| self.image_error(source))?;
            self.image.mark(run.start, run.end, true);
            self.copied += run.len();
            bytes = rest;
        }
        Ok(())
    }

    /// Says that pages are there, or are not.
    pub(super) fn mark(&mut self, runs: &[Run], there: bool) {
        for run in runs {
            self.image.mark(run.start, run.end, there);
        }
    }

    /// Ends the tracking on this side. What was registered is not taken back by that, as long as the
    /// supervisor has its descriptor.
    pub(super) fn end_tracking(&mut self) {
        self.tracking = None;
    }

    /// The image, and how many bytes were copied to it.
    pub(super) fn into_image(self) -> (Image, u64) {
        (self.image, self.copied)
    }

    fn gone(&self) -> ProcessError {
        ProcessError::Gone {
            pid: self.process.pid(),
        }
    }

    pub(super) fn scan_error(&self, errno: Errno) -> Failed {
        Failed::Error(match errno {
            libc::ESRCH => self.gone(),
            errno => ProcessError::Proc {
                path: proc::path(self.process.pid(), "pagemap"),
                source: userfault::text(errno),
            },
        })
    }

    fn image_error(&self, source: io::Error) -> Failed {
        Failed::Error(ProcessError::Image {
            pid: self.process.pid(),
            directory: self.directory.clone(),
            source,
        })
    }

    fn check_interrupt(&self) -> Result<(), ProcessError> {
        match interrupt::requested() {
            Some(signal) => Err(ProcessError::Interrupted {
                pid: self.process.pid(),
                signal,
            }),
            None => Ok(()),
        }
    }
}

/// Whether an area is copied whole, with pages that nobody has touched: those are a file's.
pub(super) fn is_whole(area: &Area) -> bool {
    let (start, end) = (area.mapping.start.get(), area.mapping.end.get());
    area.is_of_file() && area.mapping.write && end - start <= WHOLE_FILE
}

/// Adds pages behind those that there are.
pub(super) fn push(runs: &mut Vec<Run>, start: u64, end: u64) {
    match runs.last_mut() {
        Some(last) if last.end == start => last.end = end,
        _ => runs.push(Run { start, end }),
    }
}
