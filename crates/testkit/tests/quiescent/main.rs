//! The harness judged by itself, without goheap: what the runtime writes after the standstill is
//! what was in memory during it.
#![cfg(target_os = "linux")]

mod coverage;

use goheap_testkit::procfs::ProcessMemory;
use goheap_testkit::quiescent::Quiescent;
use goheap_testkit::symbols::Symbols;
use goheap_testkit::{BuildOptions, build, second_reader, toolchains};

/// Reads every object, frame and segment from memory during the standstill, and compares with what
/// the runtime writes after it.
fn check(version: &str) {
    let program = build(version, "everything", &BuildOptions::default()).unwrap();
    let symbols = Symbols::of(&program).unwrap();
    let tmpbuf = symbols.named("runtime.tmpbuf").unwrap().address;

    // Where things are is known only when the dump is there; so keep all writable memory.
    let twin = Quiescent::start(&program, &[]).unwrap();
    let memory = ProcessMemory::open(twin.pid()).unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", twin.pid())).unwrap();
    let mut copies: Vec<(u64, Vec<u8>)> = Vec::new();
    for line in maps
        .lines()
        .filter(|l| l.split(' ').nth(1).is_some_and(|p| p.starts_with("rw")))
    {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let mut copy = vec![0; (end - start) as usize];
        memory.read(start, &mut copy).unwrap();
        // An object may lie across mappings that are neighbours.
        match copies.last_mut() {
            Some((s, c)) if *s + c.len() as u64 == start => c.append(&mut copy),
            _ => copies.push((start, copy)),
        }
    }
    assert!(twin.stands_still().unwrap());
    let bytes = twin.finish().unwrap();
    let dump = second_reader::read(&bytes).unwrap();

    let mut differences = 0;
    for record in &dump.records {
        let Some(written) = record.bytes("contents", &bytes) else {
            continue;
        };
        let at = record.int("address").or_else(|| record.int("sp")).unwrap();
        let (start, copy) = copies
            .iter()
            .find(|(s, c)| *s <= at && at + written.len() as u64 <= *s + c.len() as u64)
            .unwrap_or_else(|| panic!("{} at {at:#x} is in no mapping", record.kind()));
        let held = &copy[(at - start) as usize..][..written.len()];
        for (i, _) in held
            .iter()
            .zip(written)
            .enumerate()
            .filter(|(_, (h, w))| h != w)
        {
            let address = at + i as u64;
            if address.wrapping_sub(tmpbuf) >= 24 {
                differences += 1;
                if differences < 20 {
                    let symbol = symbols.covering(address).map(|s| s.name.as_str());
                    eprintln!(
                        "Go {version}: {} at {address:#x} {symbol:?} differs",
                        record.kind()
                    );
                }
            }
        }
    }
    assert_eq!(
        differences, 0,
        "Go {version}: bytes changed between the standstill and the dump"
    );
    coverage::check(version, &dump, &bytes);
}

#[test]
fn stands_still() {
    for version in toolchains::CLAIMED {
        check(version.number);
    }
}
