//! What the tests of mended dumps have in common: programs that tell facts about themselves, the walk
//! over them, and who reaches what in a list of records.

// Each test takes what it needs.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use goheap_format::annex::Note;
use goheap_format::{Fields, Reader, Record};
use goheap_golang::ElfProgram;
use goheap_image::Executable;
use goheap_memory::Target;
use goheap_process::{Process, StopOptions, map_file};
use goheap_runtime::{Fidelity, Sink, Summary, World, dump};
use goheap_testkit::toolchains;

/// The versions to be tested: three, or what `GOHEAP_VERSIONS` says (`all`, or a list with commas).
pub(crate) fn versions() -> Vec<&'static str> {
    let wanted = std::env::var("GOHEAP_VERSIONS").unwrap_or_default();
    toolchains::CLAIMED
        .iter()
        .filter(|version| match wanted.as_str() {
            "" => version.whole,
            "all" => true,
            list => list.split(',').any(|number| number == version.number),
        })
        .map(|version| version.number)
        .collect()
}

/// The second number of a version.
pub(crate) fn minor(version: &str) -> u32 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

/// A running program that has told of itself; dropping it kills it.
pub(crate) struct Told {
    child: Child,
    answers: BufReader<ChildStderr>,
    /// What it told: names, and addresses.
    pub(crate) facts: Vec<(String, Vec<u64>)>,
}

impl Told {
    /// Starts it, and listens until it says that it is ready.
    pub(crate) fn start(executable: &Path, arguments: &[&str]) -> Told {
        let mut child = Command::new(executable)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(child.stderr.take().unwrap());
        let mut facts = Vec::new();
        loop {
            let line = hear(&mut answers);
            let mut words = line.split_whitespace();
            match words.next() {
                Some("ready") => break,
                Some("fact") => {
                    let name = words.next().unwrap().to_owned();
                    let addresses = words.map(address).collect();
                    facts.push((name, addresses));
                }
                _ => panic!("{line}"),
            }
        }
        Told {
            child,
            answers,
            facts,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The facts of that name.
    pub(crate) fn told<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u64]> {
        let named = self.facts.iter().filter(move |fact| fact.0 == name);
        named.map(|fact| fact.1.as_slice())
    }

    /// Lets it write its own dump into a file.
    pub(crate) fn dump(&mut self, to: &Path) {
        let order = format!("dump {}\n", to.display());
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(order.as_bytes()).unwrap();
        let line = hear(&mut self.answers);
        assert!(line.starts_with("took"), "{line}");
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hear(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "the program has ended");
    line
}

fn address(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

/// Stops a process and walks it.
pub(crate) fn walk(
    pid: u32,
    executable: &Path,
    fidelity: Fidelity,
    sink: &mut dyn Sink,
) -> Summary {
    let process = Process::find(pid).unwrap();
    let executable = Executable::parse(map_file(executable).unwrap()).unwrap();
    let stopped = process.stop(&StopOptions::default()).unwrap();
    let elf = ElfProgram::new(&executable, &stopped).unwrap();
    let world = World::open(&stopped as &dyn Target, &elf).unwrap();
    dump(&world, fidelity, sink).unwrap()
}

/// Objects, what they point to, and roots.
#[derive(Default)]
pub(crate) struct Graph {
    /// Address to size and pointers.
    pub(crate) objects: BTreeMap<u64, (u64, Vec<u64>)>,
    /// What each is, and where it leads.
    pub(crate) roots: Vec<(String, u64)>,
    /// Objects with finalizers: what they point to is alive.
    finalized: Vec<u64>,
    /// Notes, as text.
    pub(crate) notes: Vec<String>,
    /// Objects that the spans' notes count.
    pub(crate) in_spans: u64,
    /// Object and handle of each weak pointer.
    pub(crate) weak: Vec<(u64, u64)>,
    /// Object and closure of each cleanup.
    pub(crate) cleanups: Vec<(u64, u64)>,
    /// Functions of frames.
    pub(crate) frames: Vec<String>,
    /// Names of modules.
    pub(crate) modules: Vec<String>,
    /// `HeapObjects` and `HeapAlloc` of its statistics.
    pub(crate) stats: (u64, u64),
}

impl Graph {
    /// Of a dump in a file.
    pub(crate) fn read(path: &Path) -> Graph {
        let bytes = std::fs::read(path).unwrap();
        Graph::of_bytes(&bytes)
    }

    /// Of a dump.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Graph {
        let mut graph = Graph::default();
        let mut reader = Reader::new(bytes).unwrap();
        while let Some(record) = reader.next_record().unwrap() {
            graph.record(&record).unwrap();
        }
        graph
    }

    fn root(&mut self, what: &str, target: u64) {
        if target != 0 {
            self.roots.push((what.to_owned(), target));
        }
    }

    fn segment(&mut self, what: &str, contents: &[u8], fields: Fields<'_>) {
        for target in pointers(contents, fields) {
            self.root(what, target);
        }
    }

    /// The object that an address is in.
    pub(crate) fn find(&self, at: u64) -> Option<u64> {
        let (start, (size, _)) = self.objects.range(..=at).next_back()?;
        (at - start < *size).then_some(*start)
    }

    /// What holds an object at first hand: roots and objects, as text.
    pub(crate) fn holders(&self, object: u64) -> Vec<String> {
        let is = |target: &&u64| self.find(**target) == Some(object);
        let roots = self.roots.iter().filter(|root| is(&&root.1));
        let objects = self
            .objects
            .iter()
            .filter(|(_, (_, targets))| targets.iter().any(|target| is(&target)));
        roots
            .map(|root| root.0.clone())
            .chain(objects.map(|(at, _)| format!("object {at:#x}")))
            .collect()
    }

    /// Everything that the roots that `wanted` takes reach.
    pub(crate) fn reached(&self, wanted: impl Fn(&str) -> bool) -> BTreeSet<u64> {
        let mut reached = BTreeSet::new();
        let roots = self.roots.iter().filter(|root| wanted(&root.0));
        let mut work: Vec<u64> = roots.map(|root| root.1).collect();
        if wanted("finalizer") {
            for object in &self.finalized {
                let inside = self.find(*object).map(|start| &self.objects[&start].1);
                work.extend(inside.into_iter().flatten());
            }
        }
        while let Some(target) = work.pop() {
            if let Some(object) = self.find(target)
                && reached.insert(object)
            {
                work.extend(&self.objects[&object].1);
            }
        }
        reached
    }
}

impl Sink for Graph {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        match record {
            Record::Object(object) => {
                let pointers = pointers(object.contents, object.fields).collect();
                let entry = (object.contents.len() as u64, pointers);
                assert!(self.objects.insert(object.address, entry).is_none());
            }
            Record::StackFrame(frame) => {
                self.frames
                    .push(String::from_utf8_lossy(frame.function).into_owned());
                self.segment("frame", frame.contents, frame.fields);
            }
            Record::Data(segment) => self.segment("data", segment.contents, segment.fields),
            Record::Bss(segment) => self.segment("bss", segment.contents, segment.fields),
            Record::OtherRoot(root) => {
                let what = String::from_utf8_lossy(root.description);
                self.root(&what, root.target);
            }
            Record::Finalizer(finalizer) => {
                self.root("finalizer", finalizer.closure);
                self.finalized.push(finalizer.object);
            }
            Record::QueuedFinalizer(finalizer) => {
                self.root("queued finalizer", finalizer.closure);
                self.root("queued finalizer", finalizer.object);
            }
            Record::MemStats(stats) => self.stats = (stats.heap_objects, stats.heap_alloc),
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, note: &Note<'_>) -> io::Result<()> {
        match note {
            Note::Span(span) => self.in_spans += span.objects,
            Note::WeakHandle(weak) => self.weak.push((weak.object, weak.handle)),
            Note::Cleanup(cleanup) => self.cleanups.push((cleanup.object, cleanup.closure)),
            Note::Module(module) => self
                .modules
                .push(String::from_utf8_lossy(module.name).into_owned()),
            other => self.notes.push(format!("{other:?}")),
        }
        Ok(())
    }
}

/// The pointers of some contents, nil ones left out.
fn pointers<'a>(contents: &'a [u8], fields: Fields<'a>) -> impl Iterator<Item = u64> + 'a {
    fields.iter().filter_map(|(_kind, offset)| {
        let at = offset as usize;
        let word = contents.get(at..at + 8)?;
        let target = u64::from_le_bytes(word.try_into().unwrap());
        (target != 0).then_some(target)
    })
}

/// Bytes of a file, without reading it.
pub(crate) fn size_of(path: &Path) -> u64 {
    File::open(path).unwrap().metadata().unwrap().len()
}
