//! What must hold for any bytes at all that are taken for a core; the fuzz target `elf_core` and
//! the plain test over its corpus both call this.

use goheap_memory::{Addr, Core, Layer, Memory, PageCache, Spliced, Target, loaded_notes};

/// Panics if something does not hold. Returns whether it was a core.
pub(crate) fn check_core(data: &[u8]) -> bool {
    let core = match Core::parse(data) {
        Ok(core) => core,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert!(!core.threads().is_empty());
    assert!(core.threads().len() + core.mappings().len() + core.auxv().len() <= data.len());
    for pair in core.mappings().windows(2) {
        assert!(pair[0].end <= pair[1].start);
    }
    for mapping in core.mappings() {
        assert!(mapping.start < mapping.end);
    }
    if let Some(cut) = core.cut_off() {
        assert!(cut.len == data.len() as u64 && cut.len < cut.promised);
    }
    // Neither may panic, hang or allocate much.
    let _ = (core.executable(), core.process(), loaded_notes(&core));
    let layer = |start| Layer {
        start,
        bytes: [0x5a; 100],
    };
    let spliced = Spliced::new(
        &core,
        core.mappings().iter().map(|mapping| layer(mapping.start)),
    );
    let cache = PageCache::new(&core);
    let sp = core.threads().iter().map(|thread| thread.registers.sp);
    let edges = core
        .mappings()
        .iter()
        .flat_map(|mapping| [mapping.start, mapping.end]);
    for at in edges
        .chain(sp)
        .chain([Addr::NIL, Addr::new(u64::MAX)])
        .take(200)
    {
        for at in [at.before(9), at.before(1), at, at.offset(4090)] {
            for len in [0, 1, 8, 5000] {
                let read = check_read(&core, at, len);
                assert_eq!(check_read(&cache, at, len), read);
                let filled = check_read(&spliced, at, len);
                assert!(read.is_none() || filled == read);
            }
        }
    }
    true
}

/// Reads in one, and in parts: both must succeed with the same bytes, or fail.
fn check_read(memory: &impl Memory, at: Addr, len: usize) -> Option<Vec<u8>> {
    let mut whole = vec![0; len];
    let outcome = memory.read(at, &mut whole);
    let mut parts = vec![0; len];
    let mut step = 1;
    let mut done = 0;
    let mut failed = false;
    while done < len {
        let count = step.min(len - done);
        failed |= memory
            .read(at.offset(done as u64), &mut parts[done..done + count])
            .is_err();
        done += count;
        step = step * 3 + 1;
    }
    // The last byte of all, and then the first: a read may not wrap, its parts do.
    let wraps = at.get().checked_add(len as u64).is_none();
    match outcome {
        Ok(()) => {
            assert!(
                !failed && whole == parts,
                "at {at} len {len}: failed {failed}, differ at {:?}",
                whole.iter().zip(&parts).position(|(a, b)| a != b)
            );
            Some(whole)
        }
        Err(fault) => {
            assert!(failed || wraps);
            assert_eq!((fault.at, fault.len), (at, len as u64));
            None
        }
    }
}
