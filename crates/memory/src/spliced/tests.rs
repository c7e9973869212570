use super::*;
use crate::{Machine, Mapping, Recorded};

/// One page of 1s at 0x1000, one of 3s at 0x3000; page 2 and the end of page 4 are layers of 2s
/// and 4s. All up to 0x5000 was mapped.
fn spliced() -> Spliced<Recorded, Vec<u8>> {
    let mut over = Recorded::new(Machine::Amd64);
    over.put(Addr::new(0x1000), &[1; 0x1000]);
    over.put(Addr::new(0x3000), &[3; 0x1000]);
    over.mappings.push(Mapping {
        start: Addr::new(0x1000),
        end: Addr::new(0x5000),
        read: true,
        write: false,
        execute: false,
        offset: 0,
        name: None,
    });
    let layer = |start, len, byte| Layer {
        start: Addr::new(start),
        bytes: vec![byte; len],
    };
    // The first of these also lies under what the target has.
    let layers = [
        layer(0x4800, 0x800, 4),
        layer(0x1800, 0x1900, 2),
        layer(0x8000, 0, 8),
    ];
    Spliced::new(over, layers)
}

fn read(at: u64, len: usize) -> Result<Vec<u8>, FaultKind> {
    let mut buf = vec![0; len];
    match spliced().read(Addr::new(at), &mut buf) {
        Ok(()) => Ok(buf),
        Err(fault) => {
            assert_eq!((fault.at, fault.len), (Addr::new(at), len as u64));
            Err(fault.kind)
        }
    }
}

#[test]
fn the_target_comes_first_and_layers_fill_what_it_lacks() {
    let expected = [[1; 0x1000], [2; 0x1000], [3; 0x1000]].concat();
    assert_eq!(read(0x1000, 0x3000).unwrap(), expected);
    assert_eq!(read(0x1ffc, 8).unwrap(), [1, 1, 1, 1, 2, 2, 2, 2]);
    assert_eq!(read(0x2ffc, 8).unwrap(), [2, 2, 2, 2, 3, 3, 3, 3]);
    assert_eq!(read(0x4800, 0x800).unwrap(), [4; 0x800]);
    assert!(read(0x1234, 0).unwrap().is_empty());
}

#[test]
fn what_nobody_has_is_the_fault_of_the_target() {
    assert_eq!(read(0x47fc, 8), Err(FaultKind::LeftOut));
    assert_eq!(read(0x3ffc, 8), Err(FaultKind::LeftOut));
    assert_eq!(read(0x4ffc, 8), Err(FaultKind::Unmapped));
    assert_eq!(read(0x8000, 1), Err(FaultKind::Unmapped));
    assert_eq!(read(u64::MAX, 2), Err(FaultKind::Unmapped));
}
