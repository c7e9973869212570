//! What can be said of a process before it is touched.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use std::thread;
use std::time::{Duration, Instant};

use goheap_memory::{ByteOrder, DataModel, Machine, MappedObject, Mapping, is_mapped_at};

use crate::denied::not_permitted;
use crate::proc::{self, Area, Status};
use crate::supervisor::NAME;
use crate::{
    Denied, LiveMemory, Mapped, ProcessError, Prospect, Snapshot, SnapshotOptions, StopOptions,
    Stopped, Watch, sys,
};

/// The processors whose programs run here as they are, this machine's own first.
const OURS: &[Machine] = if cfg!(target_arch = "x86_64") {
    &[Machine::Amd64, Machine::X86]
} else if cfg!(target_arch = "aarch64") {
    &[Machine::Arm64]
} else {
    &[]
};

/// A live process that was found fit to be looked at. It runs on; nothing was done to it.
///
/// What this holds is as /proc told it at [`find`](Process::find); the process may have changed
/// since. [`stop`](Process::stop) makes sure that it is still the same process with the same
/// executable.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    status: Status,
    executable: Option<PathBuf>,
    /// Device and inode of the executable, to notice an exec; `None` if it cannot be read.
    identity: Option<(u64, u64)>,
    machine: Machine,
    mappings: Vec<Mapping>,
    auxv: Vec<(u64, u64)>,
}

/// The seccomp mode of a process: whether a system call that it has never made before might be
/// answered by its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seccomp {
    /// No filter.
    Disabled,
    /// Only read, write, exit and sigreturn.
    Strict,
    /// A filter decides; what it does cannot be told from outside.
    Filter,
}

impl Seccomp {
    /// By its number in /proc/PID/status.
    pub(crate) fn of_mode(mode: u32) -> Seccomp {
        match mode {
            0 => Seccomp::Disabled,
            1 => Seccomp::Strict,
            _ => Seccomp::Filter,
        }
    }
}

impl Process {
    /// Looks at process `pid` through /proc alone, and refuses what cannot be captured.
    ///
    /// Whether it is a Go program is for the caller to find out from [`Process::map_executable`].
    ///
    /// # Errors
    /// Each obstacle that shows without touching the process has its own [`ProcessError`], with
    /// what to do about it. An unreadable executable is none: see
    /// [`map_executable`](Process::map_executable).
    pub fn find(pid: u32) -> Result<Process, ProcessError> {
        let status = status_of(pid)?;
        if status.tracer != 0 {
            return Err(already_traced(pid, &status));
        }
        let mappings = proc::parse_maps(&read_guarded(pid, &status, "maps")?);
        let auxv = read_guarded(pid, &status, "auxv")?;
        let link = fs::read_link(proc::path(pid, "exe"));
        let mut process = Process {
            pid,
            executable: link
                .ok()
                .map(|link| proc::without_deleted(link.as_os_str().as_bytes())),
            identity: identity(pid),
            status,
            machine: OURS.first().copied().unwrap_or(Machine::Amd64),
            mappings,
            auxv: Vec::new(),
        };
        process.machine = process.machine_of_executable()?;
        process.auxv = proc::parse_auxv(process.machine.data_model(), &auxv);
        // /proc/PID/maps of a process that just ended is empty, without an error.
        if process.mappings.is_empty() {
            return Err(ProcessError::Gone { pid });
        }
        // What was read so far is open to those whom Yama lets read nothing else (security/yama/yama_lsm.c:
        // PTRACE_MODE_ATTACH alone).
        process.check_access()?;
        Ok(process)
    }

    /// What its executable is for, if that can be read: those that are not [`OURS`] are refused.
    fn machine_of_executable(&self) -> Result<Machine, ProcessError> {
        let mut head = [0; 20];
        let read =
            File::open(self.executable_link()).and_then(|mut file| file.read_exact(&mut head));
        let (pid, name) = (self.pid, self.name().to_owned());
        // EI_CLASS and EI_DATA are bytes 4 and 5 of an ELF file, e_machine is at 18.
        match (read, head) {
            (
                Ok(()),
                [
                    0x7f,
                    b'E',
                    b'L',
                    b'F',
                    class @ (1 | 2),
                    order,
                    ..,
                    low,
                    high,
                ],
            ) => {
                let (machine, byte_order) = match order {
                    2 => (u16::from_be_bytes([low, high]), ByteOrder::Big),
                    _ => (u16::from_le_bytes([low, high]), ByteOrder::Little),
                };
                let word = 4 * class;
                match Machine::from_elf(machine, DataModel { byte_order, word }) {
                    Ok(known) if OURS.contains(&known) => Ok(known),
                    Ok(other) => Err(ProcessError::OtherMachine {
                        pid,
                        name,
                        machine: other.goarch().to_owned(),
                    }),
                    Err(unknown) => Err(ProcessError::OtherMachine {
                        pid,
                        name,
                        machine: unknown.to_string(),
                    }),
                }
            }
            _ => Ok(self.machine),
        }
    }

    /// The processor that its executable is for: this machine's, or one whose programs that runs.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// Its number in this pid namespace.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name that the kernel has for it (at most 15 bytes).
    pub fn name(&self) -> &str {
        &self.status.name
    }

    /// Its effective user.
    pub fn uid(&self) -> u32 {
        self.status.uid
    }

    /// How many threads it had.
    pub fn threads(&self) -> u32 {
        self.status.threads
    }

    /// Its state letter: `R`, `S`, `D`, `T` (stopped), ...
    pub fn state(&self) -> char {
        self.status.state
    }

    /// When it started, in clock ticks since boot; with the number, this names a process for good.
    pub fn started(&self) -> u64 {
        self.status.started
    }

    /// Its seccomp mode.
    pub fn seccomp(&self) -> Seccomp {
        Seccomp::of_mode(self.status.seccomp)
    }

    /// Bytes of it that were in RAM and of no file when it was found; 0 if /proc does not tell.
    pub fn resident_bytes(&self) -> u64 {
        self.status.rss_anon
    }

    /// Whether it may be traced, as far as the kernel tells without tracing it: what may be traced may
    /// have its memory opened, and nothing else (fs/proc/base.c, `mem_open`: PTRACE_MODE_ATTACH).
    pub(crate) fn check_access(&self) -> Result<(), ProcessError> {
        let path = proc::path(self.pid, "mem");
        match File::open(&path) {
            Ok(_) if sys::may_call_ptrace() => Ok(()),
            Ok(_) => Err(ProcessError::NotPermitted {
                pid: self.pid,
                name: self.name().to_owned(),
                why: Denied::NoPtrace,
            }),
            Err(source) if proc::means_gone(&source) => Err(ProcessError::Gone { pid: self.pid }),
            Err(source) if proc::means_denied(&source) => Err(self.refused()),
            Err(source) => Err(ProcessError::Proc { path, source }),
        }
    }

    /// Which methods are open, and what is in the way of the others, as far as that shows without
    /// touching it: the same is asked before a snapshot is taken. The first one without an obstacle is
    /// the one that would be tried first.
    ///
    /// # Errors
    /// [`ProcessError::NotPermitted`] and others for which no method will do.
    pub fn prospects(&self, options: &SnapshotOptions) -> Result<Vec<Prospect>, ProcessError> {
        crate::snapshot::prospects(self, options)
    }

    /// Its mappings, ascending.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Its auxiliary vector, as pairs of type and value.
    pub fn auxv(&self) -> &[(u64, u64)] {
        &self.auxv
    }

    /// The path of its executable, as the process saw it; `None` if /proc does not tell. The file
    /// may be gone, replaced or in another mount namespace: to open it, use
    /// [`executable_link`](Process::executable_link).
    pub fn executable(&self) -> Option<&Path> {
        self.executable.as_deref()
    }

    /// The path under which the file that it runs can be opened while the process lives, even if
    /// that file was deleted or replaced: `/proc/PID/exe`.
    pub fn executable_link(&self) -> PathBuf {
        proc::path(self.pid, "exe")
    }

    /// Maps the file that it runs.
    ///
    /// # Errors
    /// [`ProcessError::NoExecutable`]; [`ProcessError::NotPermitted`] if it may not be captured either.
    pub fn map_executable(&self) -> Result<Mapped, ProcessError> {
        crate::map_file(self.executable_link()).map_err(|source| {
            // Where nothing of it may be looked at, a path to the same file is of no use.
            match self.check_access() {
                Err(denied) if proc::means_denied(&source) => denied,
                _ => ProcessError::NoExecutable {
                    pid: self.pid,
                    name: self.name().to_owned(),
                    source,
                },
            }
        })
    }

    /// Opens a file that it has loaded. Where this process may (CAP_CHECKPOINT_RESTORE), it is the very
    /// file, even if that was deleted or replaced since; otherwise the one that has its path where the
    /// process lives, if that begins as what was loaded does.
    ///
    /// # Errors
    /// It is not to be had.
    pub fn open_object(&self, object: &MappedObject) -> io::Result<File> {
        let mut mappings = self.mappings.iter();
        if let Some(mapping) = mappings.find(|mapping| mapping.start == object.start) {
            // proc(5): a link for each mapping of a file, named by its addresses.
            let (start, end) = (mapping.start.get(), mapping.end.get());
            let link = proc::path(self.pid, &format!("map_files/{start:x}-{end:x}"));
            if let Ok(file) = open_regular(&link) {
                return Ok(file);
            }
        }
        // Its root is that of its mount namespace.
        let inside = object.path.strip_prefix("/").unwrap_or(&object.path);
        let file = open_regular(&proc::path(self.pid, "root").join(inside))?;
        let mut head = Vec::new();
        (&file).take(OBJECT_HEAD).read_to_end(&mut head)?;
        match is_mapped_at(&head, &self.memory(), object.start) {
            Some(true) => Ok(file),
            _ => Err(io::Error::other("it was replaced since it was loaded")),
        }
    }

    /// Its memory, to be read while it runs: what is read may change between two reads, and within
    /// one.
    pub fn memory(&self) -> LiveMemory {
        LiveMemory::new(self.pid, &self.mappings)
    }

    /// Stops all of its threads. They run on when the [`Stopped`] is dropped, and when this process
    /// ends in whatever way.
    ///
    /// # Errors
    /// [`ProcessError::DoesNotStop`], [`ProcessError::NotPermitted`],
    /// [`ProcessError::AlreadyTraced`], [`ProcessError::Gone`], and [`ProcessError::Changed`] if it
    /// is not the process any more that was found. In each case nothing of it is held.
    pub fn stop(&self, options: &StopOptions) -> Result<Stopped, ProcessError> {
        self.stop_when(options, &mut |_| true)
    }

    /// Stops all of its threads at a moment that suits: `suits` is asked at each stop, and where it
    /// says no the threads run on for a little while before they are stopped again. After
    /// [`StopOptions::moments`] stops, or [`StopOptions::moments_within`], the last one is kept whatever
    /// `suits` said; [`Stopped::settled`] tells.
    ///
    /// What `suits` gets has threads, registers and memory as they stand; its mappings are those from
    /// when the process was found, since to read them takes time.
    ///
    /// # Errors
    /// As those of [`stop`](Process::stop).
    pub fn stop_when(
        &self,
        options: &StopOptions,
        suits: &mut dyn FnMut(&Stopped) -> bool,
    ) -> Result<Stopped, ProcessError> {
        crate::stop::stop_when(self, options, None, suits)
    }

    /// Takes a snapshot of it at a moment that suits: memory and registers of one instant, to be read
    /// while it runs on. See [`Snapshot`].
    ///
    /// # Errors
    /// As those of [`stop`](Process::stop); [`ProcessError::TimeOver`];
    /// [`ProcessError::NoMethod`] if no way to take one is open, or not the one that was asked for.
    pub fn snapshot(
        &self,
        options: &SnapshotOptions,
        watch: &mut dyn Watch,
    ) -> Result<Snapshot, ProcessError> {
        crate::snapshot::take(self, options, watch)
    }

    /// Bytes of it in RAM now. It is made sure that the number is still this process's, and that it runs
    /// the same program: cheap enough to be asked many times a second.
    ///
    /// # Errors
    /// [`ProcessError::Gone`], also once it waits to be released by its parent;
    /// [`ProcessError::Changed`].
    pub fn resident_now(&self) -> Result<u64, ProcessError> {
        self.check_same()?;
        let gone = |_| ProcessError::Gone { pid: self.pid };
        let stat = fs::read(proc::path(self.pid, "stat")).map_err(gone)?;
        match proc::state_and_resident(&stat) {
            (b'Z' | b'X' | b'x', _) => Err(ProcessError::Gone { pid: self.pid }),
            (_, pages) => Ok(pages.saturating_mul(crate::pages::PAGE)),
        }
    }

    /// Makes sure that the number still belongs to this process and that it runs the same program.
    pub(crate) fn check_same(&self) -> Result<(), ProcessError> {
        let pid = self.pid;
        let status = Status::read(Path::new(&format!("/proc/{pid}")))
            .map_err(|_| ProcessError::Gone { pid })?;
        if status.started != self.status.started {
            return Err(ProcessError::Gone { pid });
        }
        if self.identity.is_some() && identity(pid) != self.identity {
            return Err(match is_ending(pid) {
                true => ProcessError::Gone { pid },
                false => ProcessError::Changed { pid },
            });
        }
        Ok(())
    }

    /// Its mappings now.
    pub(crate) fn read_mappings(&self) -> Result<Vec<Mapping>, ProcessError> {
        read_guarded(self.pid, &self.status, "maps").map(|text| proc::parse_maps(&text))
    }

    /// The same with what a [`Mapping`] does not tell.
    pub(crate) fn read_areas(&self) -> Result<Vec<Area>, ProcessError> {
        read_guarded(self.pid, &self.status, "maps").map(|text| proc::parse_areas(&text))
    }

    /// Whether another goheap's supervisor holds some thread of it now.
    pub(crate) fn is_guarded(&self) -> bool {
        let tids = proc::tids(self.pid).unwrap_or_default();
        tids.into_iter().any(|tid| {
            let directory = proc::path(self.pid, &format!("task/{tid}"));
            Status::read(&directory).is_ok_and(|status| is_guard(status.tracer))
        })
    }

    /// Whether it lives in a pid namespace below this one, where its threads have other numbers.
    pub(crate) fn has_other_tids(&self) -> bool {
        self.status.nspid.len() > 1
    }

    /// The error for a refused request, from what /proc says of the process now.
    pub(crate) fn refused(&self) -> ProcessError {
        let pid = self.pid;
        match Status::read(Path::new(&format!("/proc/{pid}"))) {
            Err(_) => ProcessError::Gone { pid },
            Ok(status) if status.tracer != 0 => already_traced(pid, &status),
            Ok(status) => not_permitted(pid, &status),
        }
    }
}

/// How much of a file is compared with what was loaded: a page has its headers and its build ids.
const OBJECT_HEAD: u64 = 4096;

/// Opens a file that somebody else may have put there: a pipe must hold nobody.
fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options.open(path)
}

/// How long to wait for another goheap's supervisor to let go: it holds a process for milliseconds, and
/// undoes what was done when its goheap was killed.
pub(crate) const GUARD_PATIENCE: Duration = Duration::from_secs(2);

/// How often to look whether it has.
pub(crate) const GUARD_LOOKS: Duration = Duration::from_millis(5);

/// Whether thread `id` is a supervisor of a goheap.
fn is_guard(id: u32) -> bool {
    let status = |id: u32| Status::read(Path::new(&format!("/proc/{id}"))).ok();
    id != 0 && status(id).is_some_and(|status| status.name.as_bytes() == NAME.to_bytes())
}

/// The status of a process that may be looked at further: what is none, or has no memory, is an error.
pub(crate) fn status_of(pid: u32) -> Result<Status, ProcessError> {
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let read = || {
        Status::read(&directory).map_err(|source| match source {
            source if proc::means_gone(&source) => absent(pid),
            source => ProcessError::Proc {
                path: directory.join("status"),
                source,
            },
        })
    };
    let mut status = read()?;
    let patience = Instant::now() + GUARD_PATIENCE;
    while is_guard(status.tracer) && Instant::now() < patience {
        thread::sleep(GUARD_LOOKS);
        status = read()?;
    }
    let name = status.name.clone();
    if status.tgid != pid {
        let (tid, pid) = (pid, status.tgid);
        return Err(ProcessError::IsThread { tid, pid, name });
    }
    if status.kernel_thread {
        return Err(ProcessError::KernelThread { pid, name });
    }
    if status.has_ended() {
        return Err(match status.threads {
            ..=1 => ProcessError::Zombie { pid, name },
            _ => ProcessError::MainThreadEnded { pid, name },
        });
    }
    Ok(status)
}

/// Device and inode of the executable.
fn identity(pid: u32) -> Option<(u64, u64)> {
    let metadata = fs::metadata(proc::path(pid, "exe")).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether a process that had an executable has none any more: its memory was given up, and soon it is
/// not there at all (fs/proc/base.c: `proc_exe_link`).
fn is_ending(pid: u32) -> bool {
    fs::read_link(proc::path(pid, "exe"))
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Reads a file below /proc/PID that only those may read who may trace the process.
fn read_guarded(pid: u32, status: &Status, name: &str) -> Result<Vec<u8>, ProcessError> {
    let path = proc::path(pid, name);
    fs::read(&path).map_err(|source| match source {
        source if proc::means_gone(&source) => ProcessError::Gone { pid },
        source if proc::means_denied(&source) => not_permitted(pid, status),
        source => ProcessError::Proc { path, source },
    })
}

/// The error for a number that /proc does not show.
fn absent(pid: u32) -> ProcessError {
    match sys::exists(pid) {
        true => ProcessError::NotPermitted {
            pid,
            name: "unknown".to_owned(),
            why: Denied::Hidden,
        },
        false => ProcessError::NoSuchProcess { pid },
    }
}

fn already_traced(pid: u32, status: &Status) -> ProcessError {
    // What the kernel names is the tracing thread; people know processes.
    let read = |id: u32| Status::read(Path::new(&format!("/proc/{id}"))).ok();
    let tracer = read(status.tracer).map_or(status.tracer, |thread| thread.tgid);
    ProcessError::AlreadyTraced {
        pid,
        name: status.name.clone(),
        tracer,
        tracer_name: read(tracer).map_or_else(|| "unknown".to_owned(), |process| process.name),
    }
}

/// The setting of the Yama security module, if the kernel has it.
pub(crate) fn yama() -> Option<u32> {
    let text: io::Result<String> = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    text.ok()?.trim().parse().ok()
}
