use goheap_golang::GoVersion;

use super::super::index::Index;
use super::*;

fn room(version: &str) -> Option<Room> {
    let version: GoVersion = version.parse().unwrap();
    Room::of(&Features::of(&version).unwrap(), 8)
}

const BASE: u64 = 0xc000100000;

/// Spans with objects at those places, each with or without pointers; what is left of each.
fn left(version: &str, spans: &[(u64, bool, &[u64])]) -> (u64, Vec<u64>) {
    let mut runs = Runs::default();
    let mut record = 16;
    let zeros = vec![0; 1 << 16];
    for (span, (size, pointers, slots)) in (0..).zip(spans) {
        for slot in *slots {
            let address = BASE + span * PAGE + slot * size;
            let fits = (slot + 1) * size <= PAGE - 256;
            runs.take(address, *size, record, *pointers && fits)
                .unwrap();
            record += 9 + size;
        }
    }
    runs.close();
    let dropped = room(version).map_or(0, |room| drop(&mut runs, room, &zeros));
    let (index, _) = Index::of(runs).unwrap();
    let mut left = vec![0; spans.len()];
    for id in 0..index.len() {
        let (address, _) = index.place(id).unwrap();
        left[((address - BASE) / PAGE) as usize] += 1;
    }
    (dropped, left)
}

fn slots(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn room_by_version() {
    assert_eq!(room("go1.21.13"), None);
    // (8192 - 128) / 48
    assert_eq!(room("go1.22.10").unwrap().objects(48, true), Some(168));
    assert_eq!(room("go1.22.10").unwrap().objects(48, false), None);
    assert_eq!(room("go1.24.3").unwrap().objects(512, true), Some(15));
    assert_eq!(room("go1.24.3").unwrap().objects(576, true), None);
    assert_eq!(room("go1.25.5").unwrap().objects(16, false), None);
    let green = room("go1.26.6").unwrap();
    assert_eq!(green.objects(48, true), Some(165));
    assert_eq!(green.objects(48, false), Some(168));
    // Mark bits are for 16 bytes and more.
    assert_eq!(green.objects(8, true), Some(1008));
    assert_eq!(green.objects(8, false), None);
    assert_eq!(green.objects(576, false), None);
    let off = room("go1.26.6 X:nogreenteagc").unwrap();
    assert_eq!(off.objects(48, false), None);
}

#[test]
fn they_are_dropped() {
    let full = slots(0..170);
    let phantoms_only = slots(168..170);
    let some = [vec![3, 9], slots(168..170)].concat();
    let spans: [(u64, bool, &[u64]); 4] = [
        (48, true, &full),
        (48, false, &full),
        (48, true, &some),
        (48, false, &phantoms_only),
    ];
    assert_eq!(left("go1.24.3", &spans), (6, vec![168, 170, 2, 0]));
    assert_eq!(left("go1.21.13", &spans), (0, vec![170, 170, 4, 2]));
}

#[test]
fn a_mended_dump_has_none() {
    let full = slots(0..168);
    let noscan = slots(0..170);
    let last = slots(168..170);
    let spans: [(u64, bool, &[u64]); 3] =
        [(48, true, &full), (48, false, &noscan), (48, false, &last)];
    assert_eq!(left("go1.24.3", &spans), (0, vec![168, 170, 2]));
}

#[test]
fn mark_bits_too() {
    let all = slots(0..512);
    let spans: [(u64, bool, &[u64]); 2] = [(16, true, &all), (16, false, &all)];
    assert_eq!(left("go1.27.3", &spans), (16 + 8, vec![496, 504]));
}
