//! Oracle pairs: a program writes its own heap dump and then crashes, so that a dump of the
//! runtime's and a core of nearly the same moment are left. Programs for other processors run in
//! qemu's user mode, which writes the core of the program that it runs; those for 386 run as they
//! are.
//!
//! What the runtime wrote and what goheap makes of the core must agree, but for what the program did
//! in between: it left `WriteHeapDump`, and sent a signal to its thread, whose handler ends it. So the
//! frames of that goroutine are found by the registers that the kernel saved for the handler.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::altered::Alteration;
use crate::program::{self, BuildOptions, Program};
use crate::second_reader::{self, Dump, Record};
use crate::{Error, Result};

/// GOARCH, and what runs programs for it; nothing for one that this processor runs itself.
const EMULATORS: [(&str, Option<&str>); 12] = [
    ("amd64", None),
    ("386", None),
    ("arm64", Some("qemu-aarch64")),
    ("arm", Some("qemu-arm")),
    ("s390x", Some("qemu-s390x")),
    ("ppc64le", Some("qemu-ppc64le")),
    ("ppc64", Some("qemu-ppc64")),
    ("mips64le", Some("qemu-mips64el")),
    ("mips64", Some("qemu-mips64")),
    ("mipsle", Some("qemu-mipsel")),
    ("mips", Some("qemu-mips")),
    ("loong64", Some("qemu-loongarch64")),
];

/// All processors that pairs can be made of, by Go's names.
pub fn processors() -> impl Iterator<Item = &'static str> {
    EMULATORS.iter().map(|(goarch, _)| *goarch)
}

/// What may be taken from a program for `goarch`, so that what goheap makes of its core stays the same.
/// Without symbols as well, variables are known of two processors.
pub fn alterations(goarch: &str) -> &'static [Alteration] {
    match goarch {
        "amd64" | "arm64" => &[Alteration::NoDwarf, Alteration::NoSections],
        "386" | "arm" | "s390x" | "ppc64le" | "mips64le" | "loong64" => &[Alteration::NoDwarf],
        _ => &[],
    }
}

/// Whether programs for `goarch` can run on this machine.
pub fn can_run(goarch: &str) -> bool {
    match emulator(goarch) {
        Some(Some(emulator)) => Command::new(emulator)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
        Some(None) => goarch == "amd64" || runs_386(),
        None => false,
    }
}

/// Whether this kernel runs 32-bit programs: only then it has this file
/// (arch/x86/entry/vdso/vdso32-setup.c).
fn runs_386() -> bool {
    Path::new("/proc/sys/abi/vsyscall32").exists()
}

fn emulator(goarch: &str) -> Option<Option<&'static str>> {
    let found = EMULATORS.iter().find(|(known, _)| *known == goarch)?;
    Some(found.1)
}

/// A dump and a core of nearly one moment.
#[derive(Debug)]
pub struct Pair {
    /// The program that left them.
    pub program: Program,
    /// What the runtime wrote.
    pub dump: PathBuf,
    /// What the crash left.
    pub core: PathBuf,
}

/// Builds the program `everything` for `goarch`, and lets it leave a pair in `folder`.
///
/// # Errors
/// It cannot be built or run, or left no core: its limit (`ulimit -c`) is raised here, but
/// `/proc/sys/kernel/core_pattern` may send cores elsewhere.
pub fn make(version: &str, goarch: &str, folder: &Path) -> Result<Pair> {
    let options = BuildOptions::default();
    let program = program::build_for(Some(goarch), version, "everything", &options)?;
    let dump = folder.join("pair.heapdump");
    let mut started = Started::new(program, goarch, folder, &dump)?;
    started.order();
    let (program, output) = started.end()?;
    let emulated = emulator(goarch).flatten().is_some();
    let said = String::from_utf8_lossy(&output.stderr);
    let core = find_core(folder, emulated, &program)?;
    match core {
        Some(core) if dump.is_file() => Ok(Pair {
            program,
            dump,
            core,
        }),
        _ => Err(Error::Failed {
            what: format!("a pair of everything for {goarch} by Go {version}"),
            status: output.status,
            stderr: said.chars().take(3000).collect(),
        }),
    }
}

/// Lets the program `everything` stand still, lets `look` do with its process what it likes, and then
/// lets it write its own dump and end. What `look` gave, and the dump.
///
/// # Errors
/// It cannot be built or run.
pub fn live<T>(
    version: &str,
    goarch: &str,
    folder: &Path,
    look: impl FnOnce(u32) -> T,
) -> Result<(T, PathBuf)> {
    let options = BuildOptions::default();
    let program = program::build_for(Some(goarch), version, "everything", &options)?;
    let dump = folder.join("live.heapdump");
    let mut started = Started::new(program, goarch, folder, &dump)?;
    let said = started.wait_until_ready()?;
    let seen = look(started.child.id());
    started.order();
    let (program, output) = started.end()?;
    match dump.is_file() {
        true => Ok((seen, dump)),
        false => Err(Error::Failed {
            what: format!("the dump of {} for {goarch}", program.name),
            status: output.status,
            stderr: said,
        }),
    }
}

/// A program that takes orders.
struct Started {
    program: Program,
    child: Child,
}

impl Started {
    fn new(program: Program, goarch: &str, folder: &Path, dump: &Path) -> Result<Started> {
        let emulator = emulator(goarch).flatten();
        let mut command = Command::new("sh");
        // The limit is that of the shell, which becomes the program.
        command.args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"]);
        command.args(emulator);
        command
            .arg(&program.executable)
            .current_dir(folder)
            .env("GOTRACEBACK", "crash")
            .env("EVERYTHING_PAIR", dump)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| Error::Spawn {
            program: emulator.unwrap_or("sh").to_owned(),
            source,
        })?;
        Ok(Started { program, child })
    }

    /// Waits for what it says first; all that it said until then.
    fn wait_until_ready(&mut self) -> Result<String> {
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let mut byte = [0];
            while !said.ends_with("ready\n") && stderr.read(&mut byte).is_ok_and(|n| n == 1) {
                said.push(char::from(byte[0]));
            }
        }
        match said.ends_with("ready\n") {
            true => Ok(said),
            false => Err(Error::Ended {
                program: self.program.name.clone(),
                pid: self.child.id(),
                expected: "get ready",
                said,
            }),
        }
    }

    /// Tells it to write its dump and to end.
    fn order(&mut self) {
        if let Some(stdin) = &mut self.child.stdin {
            // If it is gone already, what it said tells why.
            let _ = writeln!(stdin, "now");
        }
    }

    fn end(mut self) -> Result<(Program, Output)> {
        let stdin = self.child.stdin.take();
        let output = self.child.wait_with_output();
        drop(stdin);
        let output = output.map_err(|source| Error::Spawn {
            program: self.program.name.clone(),
            source,
        })?;
        Ok((self.program, output))
    }
}

/// The core that was left: of the emulated program, `qemu_NAME_DATE_PID.core`; else the kernel's.
fn find_core(folder: &Path, emulated: bool, program: &Program) -> Result<Option<PathBuf>> {
    let mut found = None;
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        let of_program = name.starts_with(&format!("qemu_{}", program.name));
        match (emulated, of_program) {
            (true, true) => found = Some(path),
            // That of the emulator itself.
            (true, false) if name.starts_with("core") => {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
            (false, _) if name.starts_with("core") => found = Some(path),
            _ => {}
        }
    }
    Ok(found)
}

/// What two dumps say of one program.
#[derive(Debug, Default)]
pub struct Compared {
    /// Objects, goroutines and frames that both have and of which both say the same.
    pub same: BTreeMap<&'static str, u64>,
    /// What the program did between the two.
    pub explained: BTreeMap<String, u64>,
    /// What has no such reason.
    pub wrong: Vec<String>,
}

/// What the goroutine has on its stack that writes a dump.
const DUMPING: &[u8] = b"runtime/debug.WriteHeapDump";

/// How a gap ends that a crash cannot do without: GOTRACEBACK=crash sends each thread a signal.
pub const IN_A_HANDLER: &str = "is handling a signal, on a stack of its own";

/// Objects that a program may have made while it ended.
const MADE_SINCE: usize = 64;

/// Compares the runtime's dump with what goheap makes of the core that was left a moment later.
///
/// # Errors
/// One of the two is no dump.
pub fn compare(runtime: &[u8], core: &[u8]) -> Result<Compared> {
    let (theirs, ours) = (Side::read(runtime)?, Side::read(core)?);
    let mut compared = Compared::of(&theirs, &ours);
    compared.statistics(&theirs, &ours);
    Ok(compared)
}

/// Compares two dumps of a program that stands still but for reading an order: each thing that the
/// earlier one has is in the later one.
///
/// # Errors
/// One of the two is no dump.
pub fn compare_earlier(earlier: &[u8], later: &[u8]) -> Result<Compared> {
    let (earlier, later) = (Side::read(earlier)?, Side::read(later)?);
    Ok(Compared::of(&earlier, &later))
}

struct Side<'d> {
    dump: Dump,
    bytes: &'d [u8],
}

impl<'d> Side<'d> {
    fn read(bytes: &'d [u8]) -> Result<Side<'d>> {
        let read = second_reader::read(bytes);
        let dump = read.map_err(|source| Error::Dump {
            program: "everything".to_owned(),
            source,
        })?;
        Ok(Side { dump, bytes })
    }

    /// A record as text: numbers and pointers as they are, and of bytes the text or the length.
    fn text(&self, record: &Record, left_out: &[&str]) -> String {
        let mut parts = Vec::new();
        for (name, value) in record.named() {
            if left_out.contains(&name) {
                continue;
            }
            let shown = match value {
                second_reader::Value::Int(number) => format!("{number:#x}"),
                second_reader::Value::Bytes(range) if name == "contents" => {
                    format!("{} bytes", range.len())
                }
                second_reader::Value::Bytes(range) => {
                    let bytes = self.bytes.get(range.clone()).unwrap_or_default();
                    String::from_utf8_lossy(bytes).into_owned()
                }
                second_reader::Value::Pointers(offsets) => format!("{offsets:?}"),
                other => format!("{other:?}"),
            };
            parts.push(format!("{name} {shown}"));
        }
        parts.join(", ")
    }

    fn by_address(&self, kind: &'static str) -> BTreeMap<u64, String> {
        let records = self.dump.of(kind);
        records
            .filter_map(|record| Some((record.int("address")?, self.text(record, &[]))))
            .collect()
    }

    /// The records of each goroutine, by its number: its own first, then those behind it.
    fn goroutines(&self) -> BTreeMap<u64, Vec<&Record>> {
        let mut goroutines: BTreeMap<u64, Vec<&Record>> = BTreeMap::new();
        let mut id = None;
        for record in &self.dump.records {
            match record.kind() {
                "goroutine" => id = record.int("id"),
                "stackframe" | "defer" | "panic" => {}
                _ => id = None,
            }
            if let Some(id) = id {
                goroutines.entry(id).or_default().push(record);
            }
        }
        goroutines
    }
}

impl Compared {
    fn of(theirs: &Side<'_>, ours: &Side<'_>) -> Compared {
        let mut compared = Compared::default();
        compared.params(theirs, ours);
        for kind in [
            "type",
            "itab",
            "finalizer",
            "queuedfinalizer",
            "allocsample",
        ] {
            compared.set(kind, theirs, ours);
        }
        compared.objects(theirs, ours);
        for kind in ["data", "bss"] {
            compared.segment(kind, theirs, ours);
        }
        compared.threads(theirs, ours);
        compared.goroutines(theirs, ours);
        compared
    }

    fn same(&mut self, what: &'static str, count: u64) {
        *self.same.entry(what).or_default() += count;
    }

    fn explained(&mut self, what: impl Into<String>, count: u64) {
        *self.explained.entry(what.into()).or_default() += count;
    }

    fn differ(&mut self, what: &str, theirs: &str, ours: &str) {
        self.wrong
            .push(format!("{what}: the runtime: {theirs}; goheap: {ours}"));
    }

    fn params(&mut self, theirs: &Side<'_>, ours: &Side<'_>) {
        let text = |side: &Side<'_>| {
            let first = side.dump.of("params").next();
            first.map(|record| side.text(record, &["heap_end"]))
        };
        let (theirs, ours) = (text(theirs), text(ours));
        match theirs == ours {
            true => self.same("params", 1),
            false => self.differ("params", &format!("{theirs:?}"), &format!("{ours:?}")),
        }
    }

    /// Records that have to be the same ones.
    fn set(&mut self, kind: &'static str, theirs: &Side<'_>, ours: &Side<'_>) {
        let texts = |side: &Side<'_>| -> BTreeSet<String> {
            let records = side.dump.of(kind);
            records.map(|record| side.text(record, &[])).collect()
        };
        let (theirs, ours) = (texts(theirs), texts(ours));
        self.same(kind, theirs.intersection(&ours).count() as u64);
        for text in theirs.difference(&ours) {
            self.differ(kind, text, "nothing");
        }
        for text in ours.difference(&theirs) {
            self.differ(kind, "nothing", text);
        }
    }

    fn objects(&mut self, theirs: &Side<'_>, ours: &Side<'_>) {
        let (theirs, ours) = (theirs.by_address("object"), ours.by_address("object"));
        for (address, text) in &theirs {
            match ours.get(address) {
                Some(other) if other == text => self.same("object", 1),
                Some(other) => self.differ("object", text, other),
                None => self.differ("object", text, "nothing"),
            }
        }
        let new: Vec<&String> = ours
            .iter()
            .filter(|(address, _)| !theirs.contains_key(address))
            .map(|(_, text)| text)
            .collect();
        if new.len() <= MADE_SINCE {
            self.explained("objects made since", new.len() as u64);
        } else {
            for text in new {
                self.differ("object", "nothing", text);
            }
        }
    }

    /// The runtime flushes its caches before it takes them, and nothing that counts happens after.
    fn statistics(&mut self, theirs: &Side<'_>, ours: &Side<'_>) {
        let numbers = |side: &Side<'_>| -> BTreeMap<&'static str, String> {
            let first = side.dump.of("memstats").next();
            let named = first.into_iter().flat_map(Record::named);
            named
                .map(|(name, value)| (name, format!("{value:?}")))
                .collect()
        };
        let (theirs, ours) = (numbers(theirs), numbers(ours));
        for (name, number) in &theirs {
            match ours.get(name) {
                Some(other) if other == number => self.same("statistic", 1),
                other => self.differ(name, number, &format!("{other:?}")),
            }
        }
    }

    fn segment(&mut self, kind: &'static str, theirs: &Side<'_>, ours: &Side<'_>) {
        let (theirs, ours) = (theirs.by_address(kind), ours.by_address(kind));
        match theirs == ours {
            true => self.same(kind, theirs.len() as u64),
            false => self.differ(kind, &format!("{theirs:?}"), &format!("{ours:?}")),
        }
    }

    /// Threads come; none goes while the program stands still.
    fn threads(&mut self, theirs: &Side<'_>, ours: &Side<'_>) {
        let (theirs, ours) = (theirs.by_address("osthread"), ours.by_address("osthread"));
        for (address, text) in &theirs {
            match ours.get(address) {
                Some(other) if other == text => self.same("thread", 1),
                other => self.differ("thread", text, &format!("{other:?}")),
            }
        }
        let new = ours.keys().filter(|m| !theirs.contains_key(m)).count();
        self.explained("threads made since", new as u64);
    }

    fn goroutines(&mut self, theirs: &Side<'_>, ours: &Side<'_>) {
        let (a, b) = (theirs.goroutines(), ours.goroutines());
        for (id, records) in &a {
            let Some((first, others)) = records.split_first().zip(b.get(id)) else {
                self.wrong
                    .push(format!("goroutine {id}: goheap has none of this number"));
                continue;
            };
            let (own, behind) = first;
            let dumps = |side: &Side<'_>, records: &[&Record]| {
                let mut functions = records.iter().map(|r| r.bytes("function", side.bytes));
                functions.any(|function| function == Some(DUMPING))
            };
            if dumps(theirs, records) || dumps(ours, others) {
                self.explained("goroutine that wrote the dump", 1);
                self.outer_frames(*id, (theirs, behind), (ours, others));
                continue;
            }
            let lines = |side: &Side<'_>, records: &[&Record]| -> Vec<String> {
                records
                    .iter()
                    .map(|record| side.text(record, &[]))
                    .collect()
            };
            let (expected, found) = (lines(theirs, records), lines(ours, others));
            if expected == found {
                self.same("goroutine", 1);
                self.same("frame", behind.len() as u64);
                continue;
            }
            // The scavenger was about to go to sleep, or woke up and went to sleep again.
            let is_system = own.int("system") == Some(1);
            let state = ["status", "waiting_since", "wait_reason"];
            let but_state = |side: &Side<'_>, records: &[&Record]| {
                let first = records.first().map(|own| side.text(own, &state));
                (first, lines(side, records.get(1..).unwrap_or_default()))
            };
            if is_system && but_state(theirs, records) == but_state(ours, others) {
                self.explained("goroutine of the runtime in another state", 1);
                continue;
            }
            let different = expected
                .iter()
                .zip(&found)
                .find(|(expected, found)| expected != found);
            let (expected, found) = match different {
                Some((expected, found)) => (expected.clone(), found.clone()),
                None => (
                    format!("{} records", expected.len()),
                    format!("{} records", found.len()),
                ),
            };
            self.differ(&format!("goroutine {id}"), &expected, &found);
        }
        let new = b.keys().filter(|id| !a.contains_key(id)).count();
        if new > 0 {
            self.wrong.push(format!(
                "goheap has {new} goroutines that the runtime has not"
            ));
        }
    }

    /// The goroutine that wrote the dump went on in the function that it called from: from there
    /// outwards its frames are what they were.
    fn outer_frames(
        &mut self,
        id: u64,
        (theirs, before): (&Side<'_>, &[&Record]),
        (ours, after): (&Side<'_>, &[&Record]),
    ) {
        // Where they are, and of which function; what comes later in the function has other maps.
        let frames = |side: &Side<'_>, records: &[&Record]| -> Vec<(u64, String)> {
            let frame = |record: &&Record| {
                let name = record.bytes("function", side.bytes)?;
                Some((
                    record.int("sp")?,
                    String::from_utf8_lossy(name).into_owned(),
                ))
            };
            let mut frames: Vec<(u64, String)> = records.iter().filter_map(frame).collect();
            // The stack may have grown into another one.
            let top = frames.last().map_or(0, |(sp, _)| *sp);
            frames.iter_mut().for_each(|(sp, _)| *sp = top - *sp);
            frames
        };
        let (before, after) = (frames(theirs, before), frames(ours, after));
        // From the function that called it on; what that called since is another thing.
        let called = |frame: &&(u64, String)| !frame.1.starts_with("main.leavePair");
        let common: Vec<&(u64, String)> = before.iter().skip_while(called).collect();
        let others: Vec<&(u64, String)> = after.iter().skip_while(called).collect();
        match common == others && !common.is_empty() {
            true => self.same(
                "frame of the goroutine that wrote the dump",
                common.len() as u64,
            ),
            false => self.differ(
                &format!("goroutine {id}, which wrote the dump"),
                &format!("{before:?}"),
                &format!("{after:?}"),
            ),
        }
    }
}
