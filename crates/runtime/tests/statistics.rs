//! Statistics, memory profile and types of live programs, against what the runtime's own writer
//! says of the same instant (the two twins of the test kit).
//!
//! By default on three Go versions; `GOHEAP_VERSIONS=all`, or a list with commas, for others.
#![cfg(target_os = "linux")]

mod support;

use goheap_format::{MemStats, Record};
use goheap_golang::ElfProgram;
use goheap_image::Executable;
use goheap_memory::Target;
use goheap_process::{Process, StopOptions, map_file};
use goheap_runtime::{World, read_mem_stats, write_mem_profile};
use goheap_testkit::entry::Entry;
use goheap_testkit::quiescent::Quiescent;
use goheap_testkit::second_reader::{self, Dump, Value};
use goheap_testkit::{BuildOptions, Program, build};
use support::versions;

/// A bucket of the memory profile as both sides tell it.
#[derive(Debug, PartialEq, Eq)]
struct Bucket {
    numbers: [u64; 4],
    stack: Vec<(String, String, u64)>,
}

/// What goheap sees.
struct Seen {
    stats: Vec<(String, u64)>,
    profile: Vec<Bucket>,
}

fn look(pid: u32, program: &Program) -> Seen {
    let process = Process::find(pid).unwrap();
    let executable = Executable::parse(map_file(&program.executable).unwrap()).unwrap();
    let stopped = process.stop(&StopOptions::default()).unwrap();
    let elf = ElfProgram::new(&executable, &stopped).unwrap();
    let world = World::open(&stopped as &dyn Target, &elf).unwrap();
    let stats = numbers(&read_mem_stats(&world).unwrap());
    let mut profile = Vec::new();
    write_mem_profile(&world, &mut |record: &Record<'_>| {
        let Record::MemProf(bucket) = record else {
            panic!("{record:?}")
        };
        profile.push(Bucket {
            numbers: [bucket.bucket, bucket.size, bucket.allocs, bucket.frees],
            stack: bucket
                .stack
                .iter()
                .map(|frame| (text(frame.function), text(frame.file), frame.line))
                .collect(),
        });
        Ok(())
    })
    .unwrap();
    Seen { stats, profile }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The 281 numbers by name, in the order of the wire.
fn numbers(stats: &MemStats) -> Vec<(String, u64)> {
    let mut numbers: Vec<(String, u64)> = [
        ("Alloc", stats.alloc),
        ("TotalAlloc", stats.total_alloc),
        ("Sys", stats.sys),
        ("Lookups", stats.lookups),
        ("Mallocs", stats.mallocs),
        ("Frees", stats.frees),
        ("HeapAlloc", stats.heap_alloc),
        ("HeapSys", stats.heap_sys),
        ("HeapIdle", stats.heap_idle),
        ("HeapInuse", stats.heap_inuse),
        ("HeapReleased", stats.heap_released),
        ("HeapObjects", stats.heap_objects),
        ("StackInuse", stats.stack_inuse),
        ("StackSys", stats.stack_sys),
        ("MSpanInuse", stats.mspan_inuse),
        ("MSpanSys", stats.mspan_sys),
        ("MCacheInuse", stats.mcache_inuse),
        ("MCacheSys", stats.mcache_sys),
        ("BuckHashSys", stats.buck_hash_sys),
        ("GCSys", stats.gc_sys),
        ("OtherSys", stats.other_sys),
        ("NextGC", stats.next_gc),
        ("LastGC", stats.last_gc),
        ("PauseTotalNs", stats.pause_total_ns),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    numbers.extend(
        (0..)
            .zip(stats.pause_ns)
            .map(|(i, ns): (u64, u64)| (format!("PauseNs[{i}]"), ns)),
    );
    numbers.push(("NumGC".to_owned(), stats.num_gc));
    assert_eq!(numbers.len(), 281);
    numbers
}

/// The same of the runtime's dump.
fn dumped_stats(dump: &Dump) -> Vec<(String, u64)> {
    let record = dump.of("memstats").next().unwrap();
    record
        .named()
        .flat_map(|(name, value)| match value {
            Value::Int(value) => vec![(name.to_owned(), *value)],
            Value::Ints(values) => (0..)
                .zip(values)
                .map(|(i, ns): (u64, _)| (format!("{name}[{i}]"), *ns))
                .collect(),
            other => panic!("{name}: {other:?}"),
        })
        .collect()
}

fn dumped_profile(dump: &Dump, bytes: &[u8]) -> Vec<Bucket> {
    dump.of("memprof")
        .map(|record| Bucket {
            numbers: ["bucket", "size", "allocs", "frees"].map(|name| record.int(name).unwrap()),
            stack: record
                .values
                .iter()
                .find_map(|value| match value {
                    Value::Stack(stack) => Some(
                        stack
                            .iter()
                            .map(|(function, file, line)| {
                                (
                                    text(&bytes[function.clone()]),
                                    text(&bytes[file.clone()]),
                                    *line,
                                )
                            })
                            .collect(),
                    ),
                    _ => None,
                })
                .unwrap(),
        })
        .collect()
}

fn differences(seen: &[(String, u64)], dumped: &[(String, u64)]) -> Vec<String> {
    assert_eq!(seen.len(), dumped.len());
    seen.iter()
        .zip(dumped)
        .filter(|(seen, dumped)| seen != dumped)
        .map(|(seen, dumped)| format!("{}: {} for {}", dumped.0, seen.1, dumped.1))
        .collect()
}

#[test]
fn equal_the_quiescent_twin() {
    for version in versions() {
        for (program, options) in [
            ("everything", BuildOptions::default()),
            ("linked", BuildOptions::default()),
        ] {
            let program = build(version, program, &options).unwrap();
            // Its 28 million would take a minute to come through a pipe of one page.
            let twin = Quiescent::start(&program, &[("LINKED_OBJECTS", "1000000")]).unwrap();
            let seen = look(twin.pid(), &program);
            let bytes = twin.finish().unwrap();
            let dump = second_reader::read(&bytes).unwrap();
            assert_eq!(
                differences(&seen.stats, &dumped_stats(&dump)),
                Vec::<String>::new(),
                "go{version} {}",
                program.name
            );
            let profile = dumped_profile(&dump, &bytes);
            eprintln!("go{version} {}: {} buckets", program.name, profile.len());
            assert_eq!(seen.profile, profile, "go{version} {}", program.name);
        }
    }
}

#[test]
fn equal_the_entry_twin() {
    // Many mcaches, few, and a heap that is bound by its limit.
    let environments: [&[(&str, &str)]; 3] = [
        &[("GOMAXPROCS", "8")],
        &[("GOMAXPROCS", "1")],
        &[("GOMEMLIMIT", "24MiB")],
    ];
    for version in versions() {
        let program = build(version, "churn", &BuildOptions::default()).unwrap();
        for environment in environments {
            let folder = tempfile::tempdir().unwrap();
            let twin = Entry::start(&program, environment, folder.path()).unwrap();
            let seen = look(twin.pid(), &program);
            let bytes = twin.finish().unwrap();
            let dump = second_reader::read(&bytes).unwrap();
            assert_eq!(
                differences(&seen.stats, &dumped_stats(&dump)),
                Vec::<String>::new(),
                "go{version} {environment:?}"
            );
        }
    }
}
