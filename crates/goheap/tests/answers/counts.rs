//! A dump that the runtime wrote of a program that stands still after two collections, with phantoms
//! dropped: as many objects and bytes as the program's own `runtime.MemStats` has.
use goheap_analysis::{Dump, NoWatch, OpenOptions};
use goheap_testkit::BuildOptions;
use goheap_testkit::truth::Honest;

/// How often a program is started at most: between its counting and its dump the runtime may allocate
/// something for itself, on a busy machine. What is asserted of the dump alone holds each time.
const STARTS: usize = 3;

/// Objects and bytes.
type Counts = (u64, u64);

pub(crate) fn check(version: &str, _: &str) {
    let mut differed = Vec::new();
    while differed.len() < STARTS {
        match counted(version) {
            (by_dump, by_program) if by_dump == by_program => return,
            both => differed.push(both),
        }
    }
    panic!("Go {version}, by the dump and by the program: {differed:?}");
}

/// What a dump's statistics count, and what its program did just before.
fn counted(version: &str) -> (Counts, Counts) {
    let environment = [("TRUTH_COLLECT", "yes")];
    let mut honest =
        Honest::start_in(version, &BuildOptions::default(), &environment).expect("a program");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump");
    honest.running.dump(&path).expect("its own dump");
    let said = honest.running.said();
    let counts: Vec<u64> = said
        .lines()
        .find_map(|line| line.strip_prefix("counts "))
        .expect("counts")
        .split(' ')
        .map(|n| n.parse().expect("a number"))
        .collect();
    let [objects, bytes] = counts[..] else {
        panic!("{counts:?}")
    };
    assert!(objects > 30_000, "{objects}");

    let dump = std::fs::read(&path).expect("the dump");
    let dump = Dump::open(Box::new(dump), &OpenOptions::default(), &NoWatch).expect("a dump");
    let size: u64 = dump.objects().map(|object| dump.size(object)).sum();
    let stats = dump.mem_stats().expect("statistics");
    assert_eq!(
        (u64::from(dump.object_count()), size),
        (stats.heap_objects, stats.heap_alloc),
        "objects and bytes by the dump's statistics; {} phantoms; by the program {objects} and {bytes}",
        dump.phantoms()
    );
    let phantoms_since_22 = !version.starts_with("1.19") && !version.starts_with("1.21");
    assert_eq!(
        dump.phantoms() > 0,
        phantoms_since_22,
        "{}",
        dump.phantoms()
    );
    ((stats.heap_objects, stats.heap_alloc), (objects, bytes))
}

crate::for_every_version!(crate::counts::check, every: [are_those_of_memstats], whole: []);
