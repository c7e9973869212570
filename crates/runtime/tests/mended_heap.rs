//! The heap of a mended dump, against what Go itself says of the same program: each test shows the
//! fault of the runtime's own dump beside it.
//!
//! By default on three Go versions; `GOHEAP_VERSIONS=all`, or a list with commas, for others.
#![cfg(target_os = "linux")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use goheap_format::Record;
use goheap_format::annex::Note;
use goheap_golang::ElfProgram;
use goheap_image::Executable;
use goheap_memory::Target;
use goheap_process::{Process, StopOptions, map_file};
use goheap_runtime::{Contents, Fidelity, Gap, Gaps, Large, MomentCheck, Sink, World, dump};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::quiescent::Quiescent;
use goheap_testkit::{BuildOptions, build, variant};
use support::{Graph, Told, minor, size_of, versions, walk};

/// After two collections, in a program that stands still, the objects of a mended dump are as many
/// as `MemStats.HeapObjects` counts, with as many bytes as `MemStats.HeapAlloc`. The runtime's own
/// dump has more: the bits at the end of its spans, from go1.22 on.
#[test]
fn has_as_many_objects_as_go_counts() {
    for version in versions() {
        for (name, variant) in [
            ("everything", "plain"),
            ("everything", "arenas"),
            ("everything", "one_processor"),
        ] {
            let variant = variant::named(variant).unwrap();
            if !variant.exists_in(version) {
                continue;
            }
            let program = build(version, name, &variant.options).unwrap();
            let twin = Quiescent::start(&program, variant.environment).unwrap();
            let mut ours = Graph::default();
            let summary = walk(twin.pid(), &program.executable, Fidelity::Mended, &mut ours);
            let theirs = Graph::of_bytes(&twin.finish().unwrap());
            let context = format!("go{version} {name} {}", variant.name);
            assert_eq!(summary.gaps.count(), 0, "{context}: {:?}", summary.gaps);
            let bytes: u64 = ours.objects.values().map(|object| object.0).sum();
            let count = ours.objects.len() as u64;
            let phantoms = theirs.objects.len() as u64 - count;
            eprintln!(
                "{context}: {count} objects, {bytes} bytes; the runtime's own has {phantoms} more"
            );
            assert_eq!((count, bytes), theirs.stats, "{context}");
            assert_eq!(ours.in_spans, count, "{context}");
            assert_eq!(phantoms > 0, minor(version) >= 22, "{context}");
            assert!(ours.objects.iter().all(|(at, object)| {
                theirs
                    .objects
                    .get(at)
                    .is_some_and(|other| other.0 == object.0)
            }));
        }
    }
}

/// What a cleanup was given is held by it, and in the runtime's own dump by nothing; a weak pointer
/// holds its handle, and not its object.
#[test]
fn has_what_cleanups_hold_and_not_what_weak_pointers_lead_to() {
    for version in versions() {
        if minor(version) < 24 {
            continue;
        }
        let program = build(version, "unseen", &BuildOptions::default()).unwrap();
        let mut told = Told::start(&program.executable, &[]);
        let mut ours = Graph::default();
        let summary = walk(told.pid(), &program.executable, Fidelity::Mended, &mut ours);
        assert_eq!(summary.gaps.count(), 0, "go{version}: {:?}", summary.gaps);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs");
        told.dump(&path);
        let theirs = Graph::read(&path);
        let (reached, their_reached) = (ours.reached(|_| true), theirs.reached(|_| true));

        let mut lost = 0;
        for fact in told.told("cleanup") {
            let (object, given) = (fact[0], fact[1]);
            assert!(theirs.objects.contains_key(&given), "go{version}");
            assert!(!their_reached.contains(&given), "go{version}");
            assert!(reached.contains(&given), "go{version}");
            // Through the very cleanup of that object.
            let root = format!("cleanup of object {object:#x}");
            let by_it = ours.reached(|what| what.ends_with(&root));
            assert!(by_it.contains(&given), "go{version}: {:?}", ours.roots);
            assert!(!by_it.contains(&object), "go{version}");
            assert!(ours.cleanups.iter().any(|noted| noted.0 == object));
            lost += 1;
        }
        assert_eq!(lost, 5);
        let mut lost = 0;
        for fact in told.told("queued") {
            assert!(reached.contains(&fact[0]), "go{version}: {:#x}", fact[0]);
            lost += u32::from(!their_reached.contains(&fact[0]));
        }
        let noted = ours.cleanups.iter().filter(|noted| noted.0 == 0).count();
        // The one that runs is held by its goroutine; whether it still counts, the version decides.
        assert!((19..=20).contains(&noted), "go{version}: {noted}");
        // From go1.25 on they have a queue that the runtime's own dumper does not know.
        assert_eq!(lost > 0, minor(version) >= 25, "go{version}: {lost} lost");
        eprintln!("go{version}: {lost} of 20 queued cleanups are lost in the runtime's own dump");

        // A handle may lie in a block of tiny objects.
        let handle = |object| {
            let weak = ours.weak.iter().find(|weak| weak.0 == object).unwrap();
            ours.find(weak.1).unwrap()
        };
        let object = told.told("weak").next().unwrap()[0];
        assert!(reached.contains(&object), "go{version}");
        assert!(reached.contains(&handle(object)), "go{version}");
        let object = told.told("weakly").next().unwrap()[0];
        let handle = handle(object);
        assert!(ours.objects.contains_key(&object), "go{version}");
        let holders = ours.holders(object);
        assert!(!reached.contains(&object), "go{version}: {holders:?}");
        assert!(reached.contains(&handle), "go{version}");
    }
}

/// Counts the bytes of large records as they come, and keeps their first and last.
#[derive(Default)]
struct Ends {
    objects: Vec<(u64, u64, u8, u8)>,
}

impl Sink for Ends {
    fn record(&mut self, _record: &Record<'_>) -> io::Result<()> {
        Ok(())
    }

    fn large(&mut self, large: &Large<'_>, contents: &mut dyn Contents) -> io::Result<()> {
        let (mut size, mut first, mut last) = (0, None, 0);
        while let Some(piece) = contents.next()? {
            size += piece.len() as u64;
            first.get_or_insert(piece[0]);
            last = piece[piece.len() - 1];
        }
        let first = first.unwrap_or_default();
        self.objects.push((large.address, size, first, last));
        Ok(())
    }
}

/// An object of 3 GiB is whole, where the runtime's own dump ends before it does: its length is an
/// `int32` there (runtime/heapdump.go: `write`).
#[test]
fn has_objects_of_any_size() {
    for version in versions() {
        let program = build(version, "unseen", &BuildOptions::default()).unwrap();
        let mut told = Told::start(&program.executable, &["big"]);
        let mut ours = Ends::default();
        let summary = walk(told.pid(), &program.executable, Fidelity::Mended, &mut ours);
        assert_eq!(summary.gaps.count(), 0, "go{version}: {:?}", summary.gaps);
        let at = told.told("big").next().unwrap()[0];
        let big = ours.objects.iter().find(|object| object.0 == at);
        assert_eq!(big, Some(&(at, 3 << 30, b'a', b'z')), "go{version}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs");
        told.dump(&path);
        let size = size_of(&path);
        eprintln!("go{version}: the runtime's own dump has {size} bytes");
        assert!(size < 3 << 30, "go{version}: {size}");
    }
}

/// What only a plugin's globals hold is reachable, where the runtime's own dump has the first
/// module's alone; and what lies in plugins is found there: types, functions.
#[test]
fn has_the_globals_of_plugins() {
    for version in versions() {
        let cgo = BuildOptions {
            cgo: true,
            ..BuildOptions::default()
        };
        let program = build(version, "plugged", &cgo).unwrap();
        let plugin = BuildOptions {
            plugin: true,
            ..BuildOptions::default()
        };
        let plugin = build(version, "plugged_plugin", &plugin).unwrap();
        let path = plugin.executable.to_str().unwrap();
        let mut told = Told::start(&program.executable, &[path]);
        let mut ours = Graph::default();
        let summary = walk(told.pid(), &program.executable, Fidelity::Mended, &mut ours);
        assert_eq!(summary.gaps.count(), 0, "go{version}: {:?}", summary.gaps);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs");
        told.dump(&path);
        let theirs = Graph::read(&path);
        let (reached, their_reached) = (ours.reached(|_| true), theirs.reached(|_| true));
        for (what, lost) in [
            ("bss", true),
            ("data", true),
            ("type", true),
            // Its goroutine holds it, and the runtime finds functions in all modules.
            ("waiting", false),
        ] {
            let object = told.told(what).next().unwrap()[0];
            assert!(reached.contains(&object), "go{version}: {what}");
            assert_eq!(
                !their_reached.contains(&object),
                lost,
                "go{version}: {what}"
            );
        }
        assert_eq!(ours.modules.len(), 2, "go{version}: {:?}", ours.modules);
        assert_eq!(ours.modules[0], "", "go{version}");
        assert_ne!(ours.modules[1], "", "go{version}");
        assert!(ours.frames.iter().any(|name| name.ends_with(".Wait")));
    }
}

/// Counts objects, and holds the notes of spans and the blocks of tiny objects against them.
#[derive(Default)]
struct Tally {
    objects: u64,
    in_spans: u64,
    /// Objects that are as large as a block of tiny ones (runtime/malloc.go: `_TinySize`).
    blocks: BTreeSet<u64>,
    /// Roots for such blocks, and how many of these are no object.
    tiny: u64,
    nowhere: u64,
}

impl Sink for Tally {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        match record {
            Record::Object(object) => {
                self.objects += 1;
                if object.contents.len() == 16 {
                    self.blocks.insert(object.address);
                }
            }
            Record::OtherRoot(root) if root.description.starts_with(b"tiny block of P ") => {
                self.tiny += 1;
                self.nowhere += u64::from(!self.blocks.contains(&root.target));
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, note: &Note<'_>) -> io::Result<()> {
        if let Note::Span(span) = note {
            assert!(span.objects <= span.capacity, "{span:?}");
            self.in_spans += span.objects;
        }
        Ok(())
    }
}

/// What is told of the heap where a moment was not safe, or memory is damaged.
const HEAP_GAPS: [&str; 9] = [
    "a span in mid-sweep",
    "an object in flight",
    "how many objects a span has",
    "a span by its arena",
    "a page of a span",
    "which spans an arena has",
    "a P",
    "a central list of spans",
    "threads",
];

/// Whether it is about the pages of a span that is just being made: that is in use by itself, and not
/// yet by its arena in either of the two ways (runtime/mheap.go: `allocSpan` sets the span's state well
/// before `setSpans`, and `pageInUse` behind that).
fn is_of_a_new_span(gap: &Gap, gaps: &Gaps) -> bool {
    let same = |other: &Gap| other.what == "a span by its arena" && other.at == gap.at;
    gap.what == "a page of a span" && gaps.kept().iter().any(same)
}

/// A program that allocates and collects flat out, stopped at any moment: where the moment was
/// safe no check of the heap fails; where it was not, what fails is what such a moment explains: an
/// object in flight, a span in the middle of its sweep, one that is made or given back.
/// `GOHEAP_STOPS` says how often.
#[test]
fn tells_of_the_heap_at_any_moment() {
    let stops = std::env::var("GOHEAP_STOPS").map_or(40, |stops| stops.parse().unwrap());
    for version in versions() {
        let program = build(version, "churn", &BuildOptions::default()).unwrap();
        let running = Obedient::start(&program, &[]).unwrap();
        let executable = Executable::parse(map_file(&program.executable).unwrap()).unwrap();
        let mut told: BTreeMap<(bool, &str), u64> = BTreeMap::new();
        let (mut safe_stops, mut unswept, mut tiny) = (0, 0, 0);
        for _ in 0..stops {
            std::thread::sleep(Duration::from_millis(5));
            let process = Process::find(running.pid()).unwrap();
            let stopped = process.stop(&StopOptions::default()).unwrap();
            let elf = ElfProgram::new(&executable, &stopped).unwrap();
            let world = World::open(&stopped as &dyn Target, &elf).unwrap();
            let safe = MomentCheck::prepare(&world)
                .unwrap()
                .look(&stopped)
                .is_safe();
            safe_stops += u64::from(safe);
            let mut tally = Tally::default();
            let summary = dump(&world, Fidelity::Mended, &mut tally).unwrap();
            assert_eq!(tally.objects, summary.objects.objects, "go{version}");
            assert_eq!(tally.in_spans, tally.objects, "go{version}");
            assert_eq!(summary.objects.phantoms, 0, "go{version}");
            unswept += summary.objects.unswept_spans;
            tiny += tally.tiny;
            assert!(!safe || tally.nowhere == 0, "go{version}");
            for gap in summary.gaps.kept() {
                if HEAP_GAPS.contains(&gap.what) && !is_of_a_new_span(gap, &summary.gaps) {
                    *told.entry((safe, gap.what)).or_default() += 1;
                    assert!(!safe, "go{version}: {gap}");
                }
            }
        }
        eprintln!(
            "go{version}: {safe_stops} of {stops} moments safe, {unswept} spans not swept; {told:?}"
        );
        assert!(tiny > 0, "go{version}: no P has a block of tiny objects");
        let explained = &HEAP_GAPS[..4];
        assert!(
            told.keys().all(|(_, what)| explained.contains(what)),
            "go{version}: {told:?}"
        );
    }
}
