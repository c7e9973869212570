//! The breakpoint harness judged by itself: the program stops, stays, and goes on.
#![cfg(target_os = "linux")]

use goheap_testkit::entry::Entry;
use goheap_testkit::{BuildOptions, build, procfs, second_reader, toolchains};

#[test]
fn stops_at_the_entry_and_goes_on() {
    for version in toolchains::CLAIMED {
        let program = build(version.number, "churn", &BuildOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry::start(&program, &[], folder.path()).unwrap();
        let before = procfs::threads(entry.pid()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(procfs::threads(entry.pid()).unwrap(), before);
        assert!(before.iter().all(|t| t.state == 'T'), "{before:?}");
        let bytes = entry.finish().unwrap();
        let dump = second_reader::read(&bytes).unwrap();
        let told = dump
            .of("memstats")
            .next()
            .unwrap()
            .int("HeapObjects")
            .unwrap();
        let objects = dump.of("object").count() as u64;
        eprintln!(
            "Go {}: {} threads, memstats tell {told} objects, the dump has {objects}, {} queued finalizers",
            version.number,
            before.len(),
            dump.of("queuedfinalizer").count()
        );
        assert!(
            told > objects,
            "Go {}: no span was left unswept",
            version.number
        );
    }
}
