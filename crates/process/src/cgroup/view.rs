//! Where a process's control groups can be seen: in the hierarchies that are mounted here, or, through
//! /proc/PID/root, in those that are mounted where the process lives.
//!
//! What lives there may be anybody's. No symbolic link is followed on the way, no file system is asked
//! that a program might answer for (FUSE), and a directory or a file counts only if it is on the very
//! mount that the kernel calls a cgroup hierarchy: the numbers of mounts in /proc/PID/mountinfo and in
//! /proc/self/fdinfo/FD are the same (fs/proc_namespace.c, `show_mountinfo`; fs/proc/fd.c, `seq_show`).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use crate::proc;

/// The most that is read of a list of mounts: some thousands.
const MOUNTS: u64 = 1 << 20;

/// The most that is read of any other file; they have a few hundred bytes, `memory.stat` some thousands.
const FILE: u64 = 64 << 10;

/// How many groups deep it is looked, where each one is a descriptor.
const DEPTH: usize = 32;

/// What /proc/self/ns/cgroup is where paths of groups begin at the very top
/// (include/linux/proc_ns.h, `PROC_CGROUP_INIT_INO`).
const FIRST_NAMESPACE: &str = "cgroup:[4026531835]";

/// What is known of a process's groups before any of them is looked for.
#[derive(Debug)]
pub(super) struct View {
    /// Its /proc/PID/cgroup. That, and the roots of all mounts, are as seen from this process's own
    /// cgroup namespace, whoever's they are (kernel/cgroup/cgroup.c, `proc_cgroup_show` and
    /// `cgroup_show_path`).
    pub(super) groups: String,
    /// /proc/self/mountinfo.
    pub(super) own: String,
    /// Where its files are: /proc/PID; `None` if these are not to be looked at.
    pub(super) theirs: Option<PathBuf>,
    /// Whether a path of `/` is the top of the hierarchy, which has no limits.
    pub(super) top_is_seen: bool,
}

/// What became of the search for a group.
#[derive(Debug)]
pub(super) enum Found {
    /// It is in none, or in the one at the top, which has no limits.
    Nowhere,
    /// It is in the one with this path, which cannot be seen.
    Hidden(String),
    /// It is in this one.
    Here(Group),
}

/// The group of a process in the hierarchy of a controller.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) version_2: bool,
    /// As /proc/PID/cgroup has it.
    pub(super) path: String,
    /// Its directory, and those above it, whose limits hold for it as well.
    pub(super) directories: Vec<Directory>,
}

/// The directory of a group.
#[derive(Debug)]
pub(super) struct Directory {
    /// Its path from here.
    pub(super) shown: PathBuf,
    /// Where it is not this process's to trust: the directory itself, and the mount that it is on.
    held: Option<(File, String)>,
}

impl Directory {
    /// A file of the group; `None` if there is none.
    pub(super) fn read(&self, name: &str) -> Option<String> {
        let Some((directory, mount)) = &self.held else {
            return text(&self.shown.join(name), FILE);
        };
        let file = step(directory, Path::new(name), 0)?;
        // Something may have been mounted upon it.
        if mount_of(&file).as_ref() != Some(mount) {
            return None;
        }
        // A hierarchy has no pipes.
        let is_file = file.metadata().is_ok_and(|data| data.is_file());
        is_file.then(|| text(&by_descriptor(&file), FILE))?
    }
}

impl View {
    /// That of process `pid`.
    pub(super) fn of(pid: u32) -> View {
        let namespace = fs::read_link("/proc/self/ns/cgroup");
        View {
            groups: text(&proc::path(pid, "cgroup"), FILE).unwrap_or_default(),
            own: text(Path::new("/proc/self/mountinfo"), MOUNTS).unwrap_or_default(),
            theirs: Some(PathBuf::from(format!("/proc/{pid}"))),
            // Kernels without such namespaces (before 4.6) have no such link.
            top_is_seen: namespace.map_or(true, |link| {
                link.as_os_str().as_bytes() == FIRST_NAMESPACE.as_bytes()
            }),
        }
    }

    /// The group in the hierarchy of a controller.
    pub(super) fn find(&self, controller: &str) -> Found {
        let Some((version_2, path)) = group_of(&self.groups, controller) else {
            return Found::Nowhere;
        };
        let here = || {
            let mut mounts = mounts_of(&self.own, controller, version_2);
            mounts.find_map(|mount| mount.directories_here(path))
        };
        let there = || {
            let theirs = self.theirs.as_deref()?;
            let text = text(&theirs.join("mountinfo"), MOUNTS)?;
            let mut mounts = mounts_of(&text, controller, version_2);
            mounts.find_map(|mount| mount.directories_there(path, &text, &theirs.join("root")))
        };
        match here().or_else(there) {
            Some(directories) => Found::Here(Group {
                version_2,
                path: path.to_owned(),
                directories,
            }),
            None if path == "/" && self.top_is_seen => Found::Nowhere,
            None => Found::Hidden(path.to_owned()),
        }
    }
}

/// Whether a controller's hierarchy is of version 2, and the path in it.
///
/// cgroups(7): lines of `NUMBER:CONTROLLERS:PATH`; that of version 2 has no controllers.
fn group_of<'g>(groups: &'g str, controller: &str) -> Option<(bool, &'g str)> {
    let mut lines = groups.lines().map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        )
    });
    match lines
        .clone()
        .find(|(controllers, _)| has(controllers, controller))
    {
        Some((_, path)) => Some((false, path)),
        None => {
            let (_, path) = lines.find(|(controllers, _)| controllers.is_empty())?;
            Some((true, path))
        }
    }
}

fn has(list: &str, controller: &str) -> bool {
    list.split(',').any(|one| one == controller)
}

/// A mount of a hierarchy, or of a part of it.
struct Mount<'m> {
    id: &'m str,
    /// What of the hierarchy it shows.
    root: PathBuf,
    at: PathBuf,
}

/// The mounts of a controller's hierarchy.
fn mounts_of<'m>(
    mounts: &'m str,
    controller: &'m str,
    version_2: bool,
) -> impl Iterator<Item = Mount<'m>> {
    // proc(5): ID PARENT MAJOR:MINOR ROOT MOUNT OPTIONS [FIELDS] - TYPE SOURCE SUPER-OPTIONS
    mounts.lines().filter_map(move |line| {
        let (before, behind) = line.split_once(" - ")?;
        let mut behind = behind.split(' ');
        let fits = match (behind.next()?, version_2) {
            ("cgroup2", true) => true,
            ("cgroup", false) => behind.nth(1).is_some_and(|list| has(list, controller)),
            _ => false,
        };
        let mut before = before.split(' ');
        let id = before.next()?;
        let (root, at) = (before.nth(2)?, before.next()?);
        fits.then(|| Mount {
            id,
            root: unescaped(root),
            at: unescaped(at),
        })
    })
}

impl Mount<'_> {
    /// Where a group is below it; `None` if it is not.
    ///
    /// In a container the mount shows a part of the hierarchy: that of the container alone, where another
    /// container's groups cannot be seen, and its own limits are not theirs.
    fn below(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        below.components().all(plain).then(|| below.to_owned())
    }

    /// The directories of a group and those above it, in a hierarchy that is mounted here.
    fn directories_here(&self, path: &str) -> Option<Vec<Directory>> {
        let below = self.below(path)?;
        self.at.join(&below).is_dir().then(|| {
            let directories = below.ancestors().map(|below| Directory {
                shown: self.at.join(below),
                held: None,
            });
            directories.collect()
        })
    }

    /// The same in one that is mounted where the process lives, of whose mounts this is one.
    fn directories_there(&self, path: &str, mounts: &str, root: &Path) -> Option<Vec<Directory>> {
        let below = self.below(path)?;
        if below.components().count() > DEPTH || is_behind_a_program(&self.at, mounts) {
            return None;
        }
        let mut shown = root.join(self.at.strip_prefix("/").ok()?);
        let mut at = descend(root, &self.at)?;
        let mut directories = Vec::new();
        let mut parts = below.components();
        loop {
            // Something may be mounted upon it by now, or was before and hides it.
            if mount_of(&at).as_deref() != Some(self.id) {
                return None;
            }
            let part = parts.next();
            let next = match part {
                Some(part) => Some(step(&at, Path::new(part.as_os_str()), libc::O_DIRECTORY)?),
                None => None,
            };
            directories.push(Directory {
                shown: shown.clone(),
                held: Some((at, self.id.to_owned())),
            });
            match (part, next) {
                (Some(part), Some(next)) => {
                    shown.push(part);
                    at = next;
                }
                _ => break,
            }
        }
        directories.reverse();
        Some(directories)
    }
}

/// Whether a program answers for a directory on the way to a mount (FUSE): it might never.
fn is_behind_a_program(mount: &Path, mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let Some((before, behind)) = line.split_once(" - ") else {
            return false;
        };
        let at = before.split(' ').nth(4).map(unescaped);
        behind.starts_with("fuse") && at.is_some_and(|at| mount.starts_with(at))
    })
}

/// A path below somebody else's root directory, opened only to be named (O_PATH). No link is followed but
/// that of /proc to the root.
pub(super) fn descend(root: &Path, path: &Path) -> Option<File> {
    let mut options = File::options();
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let mut at = options.read(true).custom_flags(flags).open(root).ok()?;
    for part in path.components() {
        at = match part {
            Component::RootDir => continue,
            Component::Normal(name) => step(&at, Path::new(name), libc::O_DIRECTORY)?,
            _ => return None,
        };
    }
    Some(at)
}

/// What has a name in a directory, opened only to be named: if it is a link, that itself.
fn step(directory: &File, name: &Path, flags: i32) -> Option<File> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW | flags;
    let mut options = File::options();
    let options = options.read(true).custom_flags(flags);
    options.open(by_descriptor(directory).join(name)).ok()
}

/// A path to what is open.
fn by_descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The number of the mount that something is on.
pub(super) fn mount_of(file: &File) -> Option<String> {
    let path = PathBuf::from(format!("/proc/self/fdinfo/{}", file.as_raw_fd()));
    let text = text(&path, FILE)?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    Some(id.trim().to_owned())
}

/// A path of a list of mounts, where blanks and backslashes are three octal digits (proc(5)).
fn unescaped(path: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        let digits = behind
            .get(..3)
            .and_then(|digits| str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, escaped) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            _ => bytes.push(*first),
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// No more of a file than so many bytes.
fn text(path: &Path, most: u64) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
