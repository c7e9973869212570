use super::*;
use crate::{Machine, Recorded};

fn mapping(start: u64, offset: u64, execute: bool, name: Option<&str>) -> Mapping {
    Mapping {
        start: Addr::new(start),
        end: Addr::new(start + 0x1000),
        read: true,
        write: false,
        execute,
        offset,
        name: name.map(PathBuf::from),
    }
}

#[test]
fn what_is_loaded_and_what_is_only_read() {
    let mut target = Recorded::new(Machine::Amd64);
    target.mappings = vec![
        // In one piece, and it may run.
        mapping(0x1000, 0, true, Some("/bin/prog")),
        // Loaded in parts, with memory of its own between them.
        mapping(0x10000, 0, false, Some("/lib/a.so")),
        mapping(0x11000, 0x1000, true, Some("/lib/a.so")),
        mapping(0x12000, 0, false, None),
        mapping(0x13000, 0x3000, false, Some("/lib/a.so")),
        // Of its parts a core tells no permissions.
        mapping(0x20000, 0, false, Some("/lib/b.so")),
        mapping(0x21000, 0x1000, false, Some("/lib/b.so")),
        // What a linker writes.
        mapping(0x30000, 0, false, Some("/tmp/made")),
        // Part of a file, and what is no file.
        mapping(0x40000, 0x5000, true, Some("/lib/c.so")),
        mapping(0x50000, 0, true, Some("[vdso]")),
        // Loaded, but no ELF file.
        mapping(0x60000, 0, true, Some("/usr/lib/jit")),
        // The same file a second time.
        mapping(0x70000, 0, true, Some("/bin/prog")),
    ];
    for start in [0x1000, 0x10000, 0x20000, 0x30000] {
        target.put(Addr::new(start), b"\x7fELF\x02\x01");
    }
    target.put(Addr::new(0x60000), b"\0\0\0\0");
    let objects = mapped_objects(&target.mappings, &target);
    let found: Vec<_> = objects
        .iter()
        .map(|object| (object.path.to_str().unwrap(), object.start.get()))
        .collect();
    // The last one cannot be read.
    let expected = [
        ("/bin/prog", 0x1000),
        ("/lib/a.so", 0x10000),
        ("/lib/b.so", 0x20000),
        ("/bin/prog", 0x70000),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_file_is_compared_with_what_lies_there() {
    let mut target = Recorded::new(Machine::Amd64);
    let file: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
    target.put(Addr::new(0x1000), &file[..4096]);
    let at = Addr::new(0x1000);
    assert_eq!(is_mapped_at(&file, &target, at), Some(true));
    assert_eq!(is_mapped_at(&file[..100], &target, at), Some(true));
    assert_eq!(is_mapped_at(&file[1..], &target, at), Some(false));
    assert_eq!(is_mapped_at(&file, &target, Addr::new(0x9000)), None);
}
