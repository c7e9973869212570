//! One process seen four ways: live, in a core by a debugger, in a core by the kernel, and in a
//! recording. All must agree, byte for byte, wherever they have the bytes.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use goheap_memory::{
    Addr, BuildIds, Core, FaultKind, Layer, Memory, Recorded, Recorder, Spliced, Target,
    loaded_notes,
};
use goheap_process::{Mapped, Process, StopOptions, map_file};

use crate::target::{Target as Child, command, eventually};

const PAGE: usize = 4096;

/// A child that waits for questions, may dump core, and does so in `directory`.
fn child(directory: &Path) -> Child {
    let mut command = command("catcher");
    command.current_dir(directory);
    // Else the kernel notes in each thread's memory on which processor it runs.
    command.env("GLIBC_TUNABLES", "glibc.pthread.rseq=0");
    let unlimited = || {
        let limit = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: setrlimit reads the struct and is allowed between fork and exec.
        match unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(unlimited) };
    let child = Child::spawn(&mut command);
    // Until it has come to rest: all threads wait where they waited a little ago.
    let mut before = Vec::new();
    eventually("it rests", || {
        std::thread::sleep(Duration::from_millis(20));
        let now = threads(&child.stop());
        std::mem::replace(&mut before, now.clone()) == now
    });
    child
}

/// Everything that can be read of a child while it is held, in pages.
struct Seen {
    pages: Vec<(Addr, Vec<u8>)>,
    /// Of each thread: id, program counter, stack pointer.
    threads: Vec<(u32, Addr, Addr)>,
    ids: BuildIds,
    executable: Option<PathBuf>,
    /// Read-only segments of the executable, where they were loaded.
    layers: Vec<Layer<Vec<u8>>>,
}

impl Seen {
    fn of(child: &Child) -> Seen {
        let process = child.find();
        let stopped = process.stop(&StopOptions::default()).unwrap();
        let mut pages = Vec::new();
        for mapping in stopped.mappings().iter().filter(|mapping| mapping.read) {
            // The kernel's own pages (clock, vsyscall) change and are not memory of the process.
            let name = mapping.name.as_deref().unwrap_or(Path::new(""));
            if name == Path::new("[vvar]") || name == Path::new("[vvar_vclock]") {
                continue;
            }
            let size = mapping.end.since(mapping.start).unwrap();
            for at in (0..size).step_by(PAGE) {
                let at = mapping.start.offset(at);
                let mut page = vec![0; PAGE];
                stopped.read(at, &mut page).unwrap();
                pages.push((at, page));
            }
        }
        let executable = stopped.executable();
        let base = stopped
            .mappings()
            .iter()
            .find(|mapping| mapping.name == executable && mapping.offset == 0)
            .map(|mapping| mapping.start);
        Seen {
            pages,
            threads: threads(&stopped),
            ids: BuildIds::of(&loaded_notes(&stopped).unwrap()),
            layers: read_only_segments(&process, base.unwrap()),
            executable,
        }
    }

    /// Compares, and tells how many pages both had, and how many only the child.
    fn assert_agrees(&self, target: &impl Target) -> (usize, usize) {
        let mut theirs = threads(target);
        theirs.sort();
        let mut ours = self.threads.clone();
        ours.sort();
        assert_eq!(theirs, ours);
        assert_eq!(target.executable(), self.executable);
        assert_eq!(BuildIds::of(&loaded_notes(target).unwrap()), self.ids);
        assert_eq!(
            self.ids.same_build(&self.ids),
            Some(true),
            "no build id to compare"
        );
        let (mut both, mut missing) = (0, 0);
        for (at, page) in &self.pages {
            let mut other = vec![0; PAGE];
            match target.read(*at, &mut other) {
                Ok(()) => {
                    let first = page.iter().zip(&other).position(|(a, b)| a != b);
                    assert_eq!(first, None, "where the page at {at} differs");
                    both += 1;
                }
                Err(fault) => {
                    assert_eq!(fault.kind, FaultKind::LeftOut, "{fault}");
                    missing += 1;
                }
            }
        }
        (both, missing)
    }
}

fn threads(target: &impl Target) -> Vec<(u32, Addr, Addr)> {
    let facts = target.threads().iter();
    facts
        .map(|t| (t.tid, t.registers.pc, t.registers.sp))
        .collect()
}

/// The segments of the executable that are not writable, by its program headers.
fn read_only_segments(process: &Process, base: Addr) -> Vec<Layer<Vec<u8>>> {
    let file = process.map_executable().unwrap();
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    let half = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
    (0..usize::from(half(56)))
        .map(|i| word(32) as usize + 56 * i)
        .filter(|&header| word(header) as u32 == 1 && file[header + 4] & 2 == 0)
        .map(|header| {
            let (offset, size) = (word(header + 8) as usize, word(header + 32) as usize);
            Layer {
                start: base.offset(word(header + 16)),
                bytes: file[offset..offset + size].to_vec(),
            }
        })
        .collect()
}

fn open(path: &Path) -> Core<Mapped> {
    let core = Core::parse(map_file(path).unwrap()).unwrap();
    assert_eq!(core.cut_off(), None);
    core
}

/// The file in `directory` whose name begins with `core`.
fn core_in(directory: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("core")
    })
}

#[test]
fn a_core_of_the_kernel_agrees_with_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = child(directory.path());
    let seen = Seen::of(&child);
    let pid = child.pid();
    // SAFETY: kill has no preconditions.
    assert_eq!(unsafe { libc::kill(pid as i32, libc::SIGABRT) }, 0);
    child.child.wait().unwrap();
    let Some(path) = core_in(directory.path()) else {
        eprintln!("SKIPPED a_core_of_the_kernel: core_pattern sends cores elsewhere");
        return;
    };
    let core = open(&path);
    assert_eq!(core.process().map(|process| process.pid), Some(pid));
    let (both, missing) = seen.assert_agrees(&core);
    assert!(both > 20 && missing > 20, "{both} {missing}");
    // With the executable under it, its text and constants are there as well.
    let spliced = Spliced::new(core, seen.layers.clone());
    let (more, less) = seen.assert_agrees(&spliced);
    let pages: usize = seen
        .layers
        .iter()
        .map(|layer| layer.bytes.len() / PAGE)
        .sum();
    assert!(
        more + 20 > both + pages && less < missing,
        "{both} {more} {pages}"
    );
    for layer in &seen.layers {
        let mut bytes = vec![0; layer.bytes.len()];
        spliced.read(layer.start, &mut bytes).unwrap();
    }
}

#[test]
fn a_core_of_a_debugger_agrees_with_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let child = child(directory.path());
    let seen = Seen::of(&child);
    let output = Command::new("gcore")
        .arg("-o")
        .arg(directory.path().join("core"))
        .arg(child.pid().to_string())
        .output();
    let Some(path) = core_in(directory.path()) else {
        eprintln!("SKIPPED a_core_of_a_debugger: gcore (gdb) did not write a core: {output:?}");
        return;
    };
    let (both, _) = seen.assert_agrees(&open(&path));
    assert!(both > 20, "{both}");
}

#[test]
fn a_recording_agrees_with_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let child = child(directory.path());
    let seen = Seen::of(&child);
    let recorder = Recorder::new(child.stop());
    let read = seen.assert_agrees(&recorder);
    let mut saved = Vec::new();
    recorder.finish().unwrap().save(&mut saved).unwrap();
    let recorded = Recorded::load(&saved[..]).unwrap();
    assert_eq!(seen.assert_agrees(&recorded), read);
    assert_eq!(read, (seen.pages.len(), 0));
}
