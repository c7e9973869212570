//! What /proc says of a process, parsed.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use goheap_memory::{Addr, DataModel, Mapping};

use crate::ProcessError;

/// `/proc/PID/NAME`.
pub(crate) fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// Whether an error below /proc/PID means that the process is not there any more.
pub(crate) fn means_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// What an error about `path`, below /proc/`pid`, is.
pub(crate) fn failed(pid: u32, path: PathBuf, source: io::Error) -> ProcessError {
    match means_gone(&source) {
        true => ProcessError::Gone { pid },
        false => ProcessError::Proc { path, source },
    }
}

/// Whether an error below /proc/PID means that this process may not look.
pub(crate) fn means_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The fields of `/proc/PID/status` and `/proc/PID/stat` that matter here, of a process or a
/// thread. Both are readable by everyone.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) tgid: u32,
    /// The last one is the id in the innermost pid namespace.
    pub(crate) nspid: Vec<u32>,
    pub(crate) tracer: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) threads: u32,
    pub(crate) seccomp: u32,
    /// Those in force.
    pub(crate) capabilities: u64,
    /// Those that it may put in force.
    pub(crate) permitted: u64,
    pub(crate) kernel_thread: bool,
    /// Clock ticks from boot to its start.
    pub(crate) started: u64,
    /// Bytes in RAM, and as many of these of no file; 0 where that is not told.
    pub(crate) rss: u64,
    pub(crate) rss_anon: u64,
}

impl Status {
    /// The status of a process, or of `PID/task/TID`.
    pub(crate) fn read(directory: &Path) -> io::Result<Status> {
        let text = String::from_utf8_lossy(&fs::read(directory.join("status"))?).into_owned();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.strip_prefix(':')).map(str::trim)
        };
        let number = |name: &str| field(name).and_then(first_number);
        let effective = |name: &str| {
            field(name)
                .and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok())
                .unwrap_or(0)
        };
        let capabilities = |name: &str| {
            field(name)
                .and_then(|hex| u64::from_str_radix(hex, 16).ok())
                .unwrap_or(0)
        };
        let kib = |name: &str| u64::from(number(name).unwrap_or(0)) * 1024;
        let (flags, started) = flags_and_start(&fs::read(directory.join("stat"))?);
        Ok(Status {
            name: field("Name").unwrap_or_default().to_owned(),
            state: field("State")
                .and_then(|state| state.chars().next())
                .unwrap_or('?'),
            tgid: number("Tgid").unwrap_or(0),
            nspid: field("NSpid")
                .map(|ids| {
                    ids.split_whitespace()
                        .filter_map(|id| id.parse().ok())
                        .collect()
                })
                .unwrap_or_default(),
            tracer: number("TracerPid").unwrap_or(0),
            // Real, effective, saved and filesystem id: ptrace wants all of the first three to be
            // ours; the effective one is what people know.
            uid: effective("Uid"),
            gid: effective("Gid"),
            threads: number("Threads").unwrap_or(0),
            seccomp: number("Seccomp").unwrap_or(0),
            capabilities: capabilities("CapEff"),
            permitted: capabilities("CapPrm"),
            kernel_thread: flags & PF_KTHREAD != 0,
            started,
            rss: kib("VmRSS"),
            rss_anon: kib("RssAnon"),
        })
    }

    /// Whether it has ended and only waits to be released.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// include/linux/sched.h
const PF_KTHREAD: u64 = 0x0020_0000;

fn first_number(text: &str) -> Option<u32> {
    text.split_whitespace().next()?.parse().ok()
}

/// Fields 3 (the state's letter) and 24 (pages in RAM) of `stat`.
pub(crate) fn state_and_resident(stat: &[u8]) -> (u8, u64) {
    let text = String::from_utf8_lossy(stat);
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut fields = fields.split_whitespace();
    let state = fields.next().and_then(|state| state.bytes().next());
    let pages = fields.nth(20).and_then(|pages| pages.parse().ok());
    (state.unwrap_or(b'?'), pages.unwrap_or(0))
}

/// Fields 9 and 22 of `stat`. The name in it may hold spaces and parentheses, so fields are counted
/// from the last parenthesis, behind which stands field 3.
fn flags_and_start(stat: &[u8]) -> (u64, u64) {
    let text = String::from_utf8_lossy(stat);
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let field = |number: usize| {
        let found = fields.split_whitespace().nth(number - 3);
        found.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    (field(9), field(22))
}

/// The threads of a process, by the ids of this pid namespace.
///
/// One reading may miss threads while others end; see `stop`, which reads until nothing is new.
pub(crate) fn tids(pid: u32) -> Result<Vec<u32>, ProcessError> {
    let directory = path(pid, "task");
    let failed = |source| failed(pid, directory.clone(), source);
    let mut tids = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        tids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(tids)
}

/// /proc/PID/maps, to be read again and again. It stays with the memory that the process had when it
/// was opened: once the process has ended, or runs another program, it is empty.
#[derive(Debug)]
pub(crate) struct Maps {
    file: fs::File,
    text: Vec<u8>,
}

impl Maps {
    pub(crate) fn open(pid: u32) -> io::Result<Maps> {
        Ok(Maps {
            file: fs::File::open(path(pid, "maps"))?,
            text: Vec::new(),
        })
    }

    /// What is mapped now, ascending.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Area>> {
        self.text.clear();
        self.file.seek(SeekFrom::Start(0))?;
        match self.file.read_to_end(&mut self.text) {
            Ok(_) => Ok(parse_areas(&self.text)),
            Err(error) if means_gone(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The mappings in a text of the form of `/proc/PID/maps`.
pub(crate) fn parse_maps(text: &[u8]) -> Vec<Mapping> {
    parse_areas(text)
        .into_iter()
        .map(|area| area.mapping)
        .collect()
}

/// A mapping, and whether others write to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) mapping: Mapping,
    /// What is written to it others see, and the file.
    pub(crate) shared: bool,
}

impl Area {
    /// Whether it begins with the contents of a file. If not, a page that nobody has touched is zeros.
    pub(crate) fn is_of_file(&self) -> bool {
        let name = self.mapping.name.as_deref();
        // What has no path is named in brackets (proc(5)): [heap], [stack], [anon:..], [vdso].
        name.is_some_and(|name| !name.as_os_str().as_bytes().starts_with(b"["))
    }

    /// Whether the kernel put it there for itself; it is as it was when the process began.
    pub(crate) fn is_of_kernel(&self) -> bool {
        let name = self.mapping.name.as_deref().map(Path::as_os_str);
        let name = name.map_or(&b""[..], |name| name.as_bytes());
        [&b"[v"[..], b"[uprobes"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    }
}

/// The same with what a [`Mapping`] does not tell.
pub(crate) fn parse_areas(text: &[u8]) -> Vec<Area> {
    text.split(|&b| b == b'\n').filter_map(parse_area).collect()
}

/// One line: `start-end perms offset major:minor inode      name`.
fn parse_area(line: &[u8]) -> Option<Area> {
    let mut fields = line.splitn(6, |&b| b == b' ');
    let mut field = || fields.next();
    let range = std::str::from_utf8(field()?).ok()?;
    let (start, end) = range.split_once('-')?;
    let permissions = field()?;
    let offset = std::str::from_utf8(field()?).ok()?;
    let (_device, _inode) = (field()?, field()?);
    let name = field().unwrap_or_default().trim_ascii_start();
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let mapping = Mapping {
        start: Addr::new(hex(start)?),
        end: Addr::new(hex(end)?),
        read: permissions.first() == Some(&b'r'),
        write: permissions.get(1) == Some(&b'w'),
        execute: permissions.get(2) == Some(&b'x'),
        offset: hex(offset)?,
        name: (!name.is_empty()).then(|| without_deleted(name)),
    };
    Some(Area {
        mapping,
        shared: permissions.get(3) == Some(&b's'),
    })
}

/// A path without the mark that the kernel puts behind the names of deleted files.
pub(crate) fn without_deleted(name: &[u8]) -> PathBuf {
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    PathBuf::from(OsStr::from_bytes(name))
}

/// The pairs of an auxiliary vector of a 64-bit process of this machine, without the `AT_NULL` at
/// its end.
pub(crate) fn parse_auxv(model: DataModel, bytes: &[u8]) -> Vec<(u64, u64)> {
    let word = usize::from(model.word);
    bytes
        .chunks_exact(2 * word)
        .map(|pair| {
            let (kind, value) = pair.split_at(word);
            (model.uint(kind), model.uint(value))
        })
        .take_while(|&(kind, _)| kind != 0)
        .collect()
}

#[cfg(test)]
mod tests;
