//! The walk over damaged worlds: whatever a word of the target's memory says, the walk ends soon,
//! with records, gaps or an error, and takes little memory.
//!
//! A small program is recorded once; then words that the walk looks at are replaced, a few at a
//! time. Odd seeds are walked over for an exact dump, even ones for a mended one.
//! `GOHEAP_SEEDS=10000` or `GOHEAP_SEEDS=4711..4712` tries others than the few of every day;
//! `GOHEAP_VERSIONS` as in the other tests.
#![cfg(target_os = "linux")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use goheap_format::Record;
use goheap_format::annex::Note;
use goheap_golang::{ElfProgram, Structs};
use goheap_image::Executable;
use goheap_memory::{Addr, Fault, Machine, Mapping, Memory, Recorded, Recorder, Target, Thread};
use goheap_process::{Process, StopOptions, map_file};
use goheap_runtime::{Contents, Fidelity, Large, Sink, Summary, WalkError, World, dump};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program, build};
use support::versions;

/// Seeds of every day, for each version.
const SEEDS: u64 = 40;

/// A walk over the undamaged program takes some 100 ms where this test is slowest.
const LONGEST: Duration = Duration::from_secs(10);

/// Bytes of memory that all walks together may need at their peak beyond what is there before.
const MOST_MEMORY: u64 = 256 << 20;

/// Times as much as of the undamaged program may be written.
const MOST_OUTPUT: u64 = 16;

/// Globals that lead to what the walk looks at, with the words of each that are damaged.
const ROOTS: [(&str, u64); 17] = [
    ("runtime.allgs", 3),
    ("runtime.allm", 1),
    ("runtime.allp", 3),
    ("runtime.allfin", 1),
    ("runtime.finq", 1),
    ("runtime.finc", 1),
    ("runtime.firstmoduledata", 80),
    ("runtime.gcBitsArenas", 4),
    ("runtime.gcCleanups", 32),
    ("runtime.gcController", 40),
    ("runtime.itabTable", 1),
    ("runtime.mbuckets", 1),
    ("runtime.memstats", 40),
    ("runtime.mheap_", 64),
    ("runtime.reflectOffs", 8),
    ("runtime.waitReasonStrings", 80),
    ("runtime.buildVersion", 2),
];

/// Words of a thing that a pointer leads to which are damaged.
const WORDS: u64 = 64;

/// A program's memory with some words replaced.
struct Damaged<'r> {
    whole: &'r Recorded,
    words: BTreeMap<Addr, u64>,
}

impl Memory for Damaged<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.whole.read(at, buf)?;
        let end = at.offset(buf.len() as u64);
        for (word, value) in self.words.range(at.before(7)..end) {
            for (i, byte) in (0..).zip(value.to_le_bytes()) {
                let inside = word.offset(i).since(at).map(|inside| inside as usize);
                if let Some(slot) = inside.and_then(|inside| buf.get_mut(inside)) {
                    *slot = byte;
                }
            }
        }
        Ok(())
    }
}

impl Target for Damaged<'_> {
    fn machine(&self) -> Machine {
        self.whole.machine()
    }

    fn threads(&self) -> &[Thread] {
        self.whole.threads()
    }

    fn mappings(&self) -> &[Mapping] {
        self.whole.mappings()
    }

    fn auxv(&self) -> &[(u64, u64)] {
        self.whole.auxv()
    }

    fn executable(&self) -> Option<PathBuf> {
        self.whole.executable()
    }
}

/// Counts what a walk hands out, and ends it if that is too much.
#[derive(Default)]
struct Count {
    records: u64,
    bytes: u64,
    most: u64,
    too_much: bool,
}

impl Count {
    fn add(&mut self, bytes: u64) -> io::Result<()> {
        self.records += 1;
        self.bytes += bytes;
        if self.records.saturating_add(self.bytes) > self.most {
            self.too_much = true;
            return Err(io::Error::other("too much"));
        }
        Ok(())
    }
}

impl Sink for Count {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.add(match record {
            Record::Object(object) => object.contents.len() as u64,
            Record::StackFrame(frame) => frame.contents.len() as u64,
            _ => 64,
        })
    }

    fn note(&mut self, _note: &Note<'_>) -> io::Result<()> {
        self.add(64)
    }

    fn large(&mut self, _large: &Large<'_>, contents: &mut dyn Contents) -> io::Result<()> {
        while let Some(piece) = contents.next()? {
            let len = piece.len() as u64;
            self.add(len)?;
        }
        Ok(())
    }
}

/// Numbers that look random (the generator of Steele, Lea and Flood, "SplitMix64").
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The program as it was, and words to damage.
struct Subject {
    recorded: Recorded,
    executable: Executable<goheap_process::Mapped>,
    /// Words, by how they were found.
    groups: Vec<(String, Vec<Addr>)>,
    /// What a walk over the whole program writes.
    output: u64,
}

fn word(memory: &dyn Target, at: Addr) -> Option<u64> {
    let mut bytes = [0; 8];
    memory.read(at, &mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

impl Subject {
    fn record(program: &Program) -> Subject {
        let obedient = Obedient::start(program, &[]).unwrap();
        let process = Process::find(obedient.pid()).unwrap();
        let executable = Executable::parse(map_file(&program.executable).unwrap()).unwrap();
        let stopped = process.stop(&StopOptions::default()).unwrap();
        let recorder = Recorder::new(stopped);
        let mut output = 0;
        for fidelity in [Fidelity::Exact, Fidelity::Mended] {
            let mut sink = Count {
                most: u64::MAX,
                ..Count::default()
            };
            let summary = walk(&recorder, &executable, fidelity, &mut sink).unwrap();
            assert_eq!(summary.gaps.count(), 0, "{:?}", summary.gaps);
            output = sink.records + sink.bytes;
        }
        let recorded = recorder.finish().unwrap();
        let mut subject = Subject {
            recorded,
            executable,
            groups: Vec::new(),
            output,
        };
        subject.find_words();
        subject
    }

    /// Follows pointers from the globals, three steps far.
    fn find_words(&mut self) {
        let elf = ElfProgram::new(&self.executable, &self.recorded).unwrap();
        for (name, words) in ROOTS {
            let Some(at) = goheap_golang::Program::address(&elf, name) else {
                continue;
            };
            let mut seen = BTreeSet::new();
            let mut level: Vec<Addr> = (0..words).map(|i| at.offset(i * 8)).collect();
            for depth in 0..4 {
                level.retain(|at| word(&self.recorded, *at).is_some() && seen.insert(*at));
                let next = level.iter().filter_map(|at| {
                    let to = Addr::new(word(&self.recorded, *at)?);
                    (to.get().is_multiple_of(8) && word(&self.recorded, to).is_some()).then_some(to)
                });
                let next: BTreeSet<Addr> = next.take(1 << 12).collect();
                let next = next
                    .iter()
                    .flat_map(|to| (0..WORDS).map(|i| to.offset(i * 8)))
                    .collect();
                if !level.is_empty() {
                    let group = format!("{name}, {depth} steps");
                    self.groups
                        .push((group, std::mem::replace(&mut level, next)));
                }
            }
        }
    }

    /// Each of the runtime's long chains with its first link leading back to itself, and lists that
    /// are far longer than there is memory.
    fn circles(&self) -> Vec<(&'static str, Damaged<'_>)> {
        let elf = ElfProgram::new(&self.executable, &self.recorded).unwrap();
        let structs = Structs::new(&elf);
        let global = |name: &str| goheap_golang::Program::address(&elf, name).unwrap();
        let first = |name: &str| Addr::new(word(&self.recorded, global(name)).unwrap());
        // go1.25 renamed the block of finalizers.
        let finalizers = structs
            .offset("runtime.finblock", "alllink")
            .or_else(|_| structs.offset("runtime.finBlock", "alllink"));
        let offset = |strukt, path| structs.offset(strukt, path).unwrap();
        let circle = |at: Addr, link: u64| (at.offset(link), at.get());
        let damages = [
            (
                "allm",
                circle(first("runtime.allm"), offset("runtime.m", "alllink")),
            ),
            (
                "allfin",
                circle(first("runtime.allfin"), finalizers.unwrap()),
            ),
            (
                "mbuckets",
                circle(
                    first("runtime.mbuckets"),
                    offset("runtime.bucket", "allnext"),
                ),
            ),
            (
                "modules",
                circle(
                    global("runtime.firstmoduledata"),
                    offset("runtime.moduledata", "next"),
                ),
            ),
            (
                "allspans",
                (
                    global("runtime.mheap_").offset(offset("runtime.mheap", "allspans") + 8),
                    u64::from(u32::MAX),
                ),
            ),
            ("allgs", (global("runtime.allgs").offset(8), 1 << 27)),
        ];
        damages
            .into_iter()
            .map(|(what, (at, value))| {
                let damaged = Damaged {
                    whole: &self.recorded,
                    words: BTreeMap::from([(at, value)]),
                };
                (what, damaged)
            })
            .collect()
    }

    fn damage(&self, seed: u64) -> (Damaged<'_>, String) {
        let mut random = Random(seed);
        let mut damaged = Damaged {
            whole: &self.recorded,
            words: BTreeMap::new(),
        };
        let mut story = String::new();
        for _ in 0..=random.below(4) {
            let (name, group) = random.one_of(&self.groups);
            let at = *random.one_of(group);
            let old = word(&self.recorded, at).unwrap_or_default();
            let (_, others) = random.one_of(&self.groups);
            let other = *random.one_of(others);
            let value = match random.below(12) {
                0 => 0,
                1 => u64::MAX,
                2 => random.next() % 64,
                3 => random.next(),
                4 => 1 << random.below(64),
                5 => at.get(),
                // The start of what it lies in, more or less: links to itself.
                6 => at.before(8 * (random.next() % 16)).get(),
                7 => other.get(),
                8 => word(&self.recorded, other).unwrap_or_default(),
                9 => old ^ 1 << random.below(64),
                10 => old.wrapping_add(random.next() % 128).wrapping_sub(64),
                _ => (random.next() % (1 << 20)) << random.below(28),
            };
            damaged.words.insert(at, value);
            story += &format!("{name}: {at} was {old:#x}, is {value:#x}; ");
        }
        (damaged, story)
    }
}

fn walk(
    target: &dyn Target,
    executable: &Executable<goheap_process::Mapped>,
    fidelity: Fidelity,
    sink: &mut Count,
) -> Result<Summary, WalkError> {
    let elf = ElfProgram::new(executable, target).unwrap();
    dump(&World::open(target, &elf)?, fidelity, sink)
}

fn seeds() -> Range<u64> {
    match std::env::var("GOHEAP_SEEDS") {
        Err(_) => 0..SEEDS,
        Ok(text) => match text.split_once("..") {
            Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
            None => 0..text.parse().unwrap(),
        },
    }
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap() << 10
}

/// Says which walk does not end, and ends the test: a thread cannot be stopped from outside.
static WATCHED: Mutex<Option<(Instant, String)>> = Mutex::new(None);

fn watch() {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            if let Some((begin, story)) = &*WATCHED.lock().unwrap()
                && begin.elapsed() > LONGEST * 3
            {
                eprintln!("does not end: {story}");
                std::process::exit(1);
            }
        }
    });
}

#[test]
fn a_walk_over_damage_ends_soon_and_takes_little_memory() {
    watch();
    let mut failures = Vec::new();
    for version in versions() {
        let program = build(version, "everything", &BuildOptions::default()).unwrap();
        let subject = Subject::record(&program);
        for (what, damaged) in subject.circles() {
            let begin = Instant::now();
            *WATCHED.lock().unwrap() = Some((begin, format!("go{version}, {what}")));
            let mut sink = Count {
                most: subject.output * 2,
                ..Count::default()
            };
            let end = walk(&damaged, &subject.executable, Fidelity::Mended, &mut sink);
            *WATCHED.lock().unwrap() = None;
            let noticed = end.map_or_else(|_| !sink.too_much, |end| end.gaps.count() > 0);
            if !noticed || begin.elapsed() > LONGEST {
                failures.push(format!(
                    "go{version}: {what} goes on, {:?}",
                    begin.elapsed()
                ));
            }
        }
        let (mut whole, mut with_gaps, mut refused) = (0, 0, 0);
        let before = peak();
        let mut most = before;
        for seed in seeds() {
            let (damaged, story) = subject.damage(seed);
            let story = format!("go{version}, seed {seed}: {story}");
            let begin = Instant::now();
            *WATCHED.lock().unwrap() = Some((begin, story.clone()));
            let mut sink = Count {
                most: subject.output * MOST_OUTPUT,
                ..Count::default()
            };
            let fidelity = match seed % 2 {
                0 => Fidelity::Mended,
                _ => Fidelity::Exact,
            };
            let end = catch_unwind(AssertUnwindSafe(|| {
                walk(&damaged, &subject.executable, fidelity, &mut sink)
            }));
            *WATCHED.lock().unwrap() = None;
            match &end {
                Err(_) => failures.push(format!("panics: {story}")),
                Ok(Ok(summary)) if summary.gaps.count() == 0 => whole += 1,
                Ok(Ok(_)) => with_gaps += 1,
                Ok(Err(_)) => refused += 1,
            }
            if begin.elapsed() > LONGEST {
                failures.push(format!("takes {:?}: {story}", begin.elapsed()));
            }
            if sink.too_much {
                failures.push(format!("writes too much: {story}"));
            }
            let now = peak();
            if now - before > MOST_MEMORY {
                failures.push(format!("takes {} MiB: {story}", (now - before) >> 20));
                break;
            }
            most = now;
        }
        eprintln!(
            "go{version}: {whole} whole, {with_gaps} with gaps, {refused} refused; {} MiB",
            (most - before) >> 20
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
