use super::*;

fn target() -> Recorded {
    let mut target = Recorded::new(Machine::Amd64);
    target.put(Addr::new(0x1000), &[1; 0x3000]);
    target.put(Addr::new(0x9000), &[9; 0x1000]);
    target.threads.push(Thread {
        tid: 7,
        registers: Registers::amd64(&std::array::from_fn(|i| i as u64)),
    });
    target.mappings.push(Mapping {
        start: Addr::new(0x1000),
        end: Addr::new(0x6000),
        read: true,
        write: false,
        execute: true,
        offset: 0x2000,
        name: Some("/bin/prog".into()),
    });
    target.auxv.push((9, 0x1234));
    target.executable = Some("/bin/prog".into());
    target
}

fn kind(memory: &impl Memory, at: u64, len: usize) -> Option<FaultKind> {
    let fault = memory.read(Addr::new(at), &mut vec![0; len]).err()?;
    assert_eq!((fault.at, fault.len), (Addr::new(at), len as u64));
    Some(fault.kind)
}

#[test]
fn reads_cross_what_was_put_side_by_side() {
    let mut target = Recorded::new(Machine::Amd64);
    target.put(Addr::new(0x2000), &[2; 16]);
    target.put(Addr::new(0x2010), &[3; 16]);
    target.put(Addr::new(0x1ff0), &[1; 16]);
    target.put(Addr::new(0x2008), &[7; 4]);
    let mut buf = [0; 48];
    target.read(Addr::new(0x1ff0), &mut buf).unwrap();
    let mut expected = [[1; 16], [2; 16], [3; 16]].concat();
    expected[24..28].fill(7);
    assert_eq!(buf, *expected);
    assert_eq!(target.segments.len(), 1);
}

#[test]
fn faults_tell_left_out_from_unmapped() {
    let target = target();
    assert_eq!(kind(&target, 0x3000, 0x1000), None);
    assert_eq!(kind(&target, 0x3000, 0x1001), Some(FaultKind::LeftOut));
    assert_eq!(kind(&target, 0x7000, 1), Some(FaultKind::Unmapped));
    assert_eq!(kind(&target, u64::MAX, 2), Some(FaultKind::Unmapped));
}

#[test]
fn what_was_saved_is_loaded() {
    let mut saved = Vec::new();
    target().save(&mut saved).unwrap();
    assert!(saved.len() < 1000, "{} bytes", saved.len());
    assert_eq!(Recorded::load(&saved[..]).unwrap(), target());
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    let mut saved = Vec::new();
    target().save(&mut saved).unwrap();
    for at in 0..saved.len() {
        assert!(Recorded::load(&saved[..at]).is_err(), "cut at {at}");
        let mut damaged = saved.clone();
        damaged[at] ^= 0x10;
        // A bit that zstd has no use for may change nothing; what is loaded is never wrong.
        if let Ok(loaded) = Recorded::load(&damaged[..]) {
            assert_eq!(loaded, target(), "damaged at {at}");
        }
    }
}

#[test]
fn a_recorder_keeps_the_pages_that_were_read() {
    let recorder = Recorder::new(target());
    recorder.read(Addr::new(0x1ffc), &mut [0; 8]).unwrap();
    recorder.read(Addr::new(0x9000), &mut []).unwrap();
    assert_eq!(kind(&recorder, 0x7000, 8), Some(FaultKind::Unmapped));
    let recorded = recorder.finish().unwrap();
    assert_eq!(recorded.threads(), target().threads());
    assert_eq!(recorded.mappings(), target().mappings());
    assert_eq!(kind(&recorded, 0x1000, 0x2000), None);
    assert_eq!(kind(&recorded, 0x3000, 1), Some(FaultKind::LeftOut));
    assert_eq!(kind(&recorded, 0x9000, 1), Some(FaultKind::Unmapped));
}
