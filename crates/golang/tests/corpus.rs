//! The corpus of the fuzz target `type_descriptors`, as a plain test; and the hand-made part of it.

#[path = "support/any_memory.rs"]
mod any_memory;
#[path = "support/fixed_layouts.rs"]
mod fixed_layouts;

use std::ops::ControlFlow;
use std::path::PathBuf;

use any_memory::{Bytes, Readers};
use goheap_golang::{Kind, MapEntry, MapError};
use goheap_memory::Addr;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/type_descriptors")
}

#[test]
fn every_file_of_the_corpus() {
    let mut count = 0;
    for entry in std::fs::read_dir(corpus()).expect("the corpus is in the repository") {
        let path = entry.expect("an entry").path();
        any_memory::read_all(&std::fs::read(&path).expect("a file"));
        count += 1;
    }
    assert!(count >= seeds().len(), "{count} files");
}

/// What the seed called `name` holds at the start of the module's half and of the heap's half.
fn with_seed<T>(name: &str, look: impl FnOnce(&Readers<'_>, &Bytes<'_>) -> T) -> T {
    let (_, bytes) = seeds()
        .into_iter()
        .find(|seed| seed.0 == name)
        .expect("a seed");
    let (choice, bytes) = bytes.split_first().expect("its first byte");
    let memory = Bytes(bytes);
    look(&Readers::new(*choice, &memory), &memory)
}

fn entries(name: &str) -> Result<Vec<MapEntry>, MapError> {
    with_seed(name, |readers, memory| {
        let ty = readers
            .types
            .read(Addr::new(any_memory::BASE))
            .expect("a type");
        let geometry = readers
            .types
            .map_geometry(&ty)
            .expect("its geometry")
            .expect("a map");
        let mut entries = Vec::new();
        let (model, map) = (readers.model, readers.half);
        readers
            .maps
            .walk(memory, model, &geometry, map, 1 << 10, &mut |entry| {
                entries.push(entry);
                ControlFlow::Continue(())
            })?;
        Ok(entries)
    })
}

#[test]
fn a_named_struct() {
    with_seed("named_struct", |readers, _| {
        let types = &readers.types;
        let ty = types.read(Addr::new(any_memory::BASE)).expect("a type");
        assert_eq!((ty.kind, ty.size, ty.ptr_bytes), (Kind::Struct, 16, 8));
        assert_eq!(types.string(&ty).expect("its string"), b"pkg.T[a.b]");
        assert_eq!(types.name(&ty).expect("its name"), b"T[a.b]");
        assert_eq!(
            types.dump_name(&ty).expect("its dumped name"),
            b"pkg.T[a.b]"
        );
        let fields = types.fields(&ty).expect("its fields");
        let names: Vec<_> = fields.iter().map(|field| field.name.as_slice()).collect();
        assert_eq!(names, [b"Field"]);
        assert_eq!(fields[0].ty, ty.address);
        assert!(ty.data_word_is_pointer());
    });
}

#[test]
fn masks_of_programs_and_of_parts() {
    let mask = |name| {
        with_seed(name, |readers, _| {
            let ty = readers
                .types
                .read(Addr::new(any_memory::BASE))
                .expect("a type");
            readers.types.read_gc_mask(&ty)
        })
    };
    assert_eq!(mask("gc_program").expect("a mask").bits(), [0x4d; 8]);
    assert_eq!(
        mask("mask_on_demand").expect("a mask").bits(),
        [0b1010_1010; 10]
    );
    assert!(mask("mask_of_itself").is_err());
}

#[test]
fn maps_of_all_forms() {
    use any_memory::BASE;
    let half = BASE + 512;
    let entry = |key, elem| MapEntry {
        key: Addr::new(key),
        elem: Addr::new(elem),
    };
    let group = half + 64 + 8;
    assert_eq!(
        entries("swiss_map"),
        Ok(vec![entry(group, group + 8), entry(group + 16, group + 24)])
    );
    let (first, second) = (half + 160, half + 160 + 136);
    let split = |group: u64, slot: u64| entry(group + 8 + 8 * slot, group + 72 + 8 * slot);
    assert_eq!(
        entries("split_map_directory"),
        Ok((0..8)
            .map(|slot| split(first, slot))
            .chain((0..8).map(|slot| split(second, slot)))
            .collect()),
        "both entries of the directory name one table, which is shown once"
    );
    let old = half + 352;
    assert_eq!(
        entries("bucket_map_growing"),
        Ok(vec![entry(old + 8, old + 72)]
            .into_iter()
            .chain((0..3).map(|slot| entry(half + 64 + 8 + 8 * slot, half + 64 + 72 + 8 * slot)))
            .collect()),
        "what is left in an old bucket, and what is in a new one"
    );
    assert!(matches!(
        entries("bucket_map_in_a_circle"),
        Err(MapError::Endless { .. })
    ));
}

#[test]
fn a_type_made_at_run_time() {
    with_seed("made_at_run_time", |readers, _| {
        let ty = readers.types.read(readers.half).expect("a type");
        assert_eq!(
            readers.types.string(&ty).expect("its string"),
            b"*struct {}"
        );
    });
}

#[test]
fn a_variadic_function() {
    with_seed("func_variadic", |readers, _| {
        let ty = readers
            .types
            .read(Addr::new(any_memory::BASE))
            .expect("a type");
        let signature = readers
            .types
            .signature(&ty)
            .expect("a signature")
            .expect("a function");
        assert_eq!((signature.params.len(), signature.results.len()), (2, 1));
        assert!(signature.variadic);
    });
}

#[test]
fn seeds_are_those_of_the_repository() {
    for (name, bytes) in seeds() {
        let file = std::fs::read(corpus().join(name)).unwrap_or_default();
        assert_eq!(
            file, bytes,
            "{name}: run `cargo test -p goheap-golang --test corpus -- --ignored`"
        );
    }
}

/// Writes the hand-made part of the corpus: `cargo test -p goheap-golang --test corpus -- --ignored`
#[test]
#[ignore = "writes into the repository"]
fn write_seeds() {
    std::fs::create_dir_all(corpus()).expect("a folder");
    for (name, bytes) in seeds() {
        std::fs::write(corpus().join(name), bytes).expect("a file");
    }
}

/// A memory under construction.
struct Builder(Vec<u8>);

impl Builder {
    fn new(choice: u8, len: usize) -> Builder {
        let mut bytes = vec![0; 1 + len];
        bytes[0] = choice;
        Builder(bytes)
    }

    fn put(&mut self, at: u64, size: usize, value: u64) -> &mut Self {
        let at = (at - any_memory::BASE) as usize + 1;
        self.0[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        self
    }

    fn text(&mut self, at: u64, text: &str) -> &mut Self {
        self.put(at + 1, 1, text.len() as u64);
        for (i, byte) in (0..).zip(text.bytes()) {
            self.put(at + 2 + i, 1, u64::from(byte));
        }
        self
    }

    /// The fixed part of a descriptor; `flags` and `kind` are the bytes as they are.
    fn ty(&mut self, at: u64, size: u64, ptr_bytes: u64, flags: u64, kind: u64) -> &mut Self {
        self.put(at, 8, size)
            .put(at + 8, 8, ptr_bytes)
            .put(at + 20, 1, flags)
            .put(at + 23, 1, kind)
    }
}

/// One for each way that a descriptor can go on.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    const BASE: u64 = any_memory::BASE;
    // Half of 1 KiB is the module.
    const HALF: u64 = BASE + 512;
    const NAME: u64 = BASE + 256;
    let mut seeds = Vec::new();
    let mut seed = |name, choice: u8, build: &dyn Fn(&mut Builder)| {
        let mut builder = Builder::new(choice, 1024);
        build(&mut builder);
        seeds.push((name, builder.0));
    };
    seed("named_struct", 1, &|b| {
        // A struct of one pointer with a path: uncommon data 80 bytes in.
        b.ty(BASE, 16, 8, 0b101, 25)
            .put(BASE + 32, 8, NAME + 64)
            .put(BASE + 40, 4, 256);
        b.text(NAME, "pkg.T[a.b]").put(NAME + 64, 1, 1);
        b.put(BASE + 56, 8, HALF)
            .put(BASE + 64, 8, 1)
            .put(BASE + 80, 4, 288)
            .text(BASE + 288, "pkg");
        b.text(BASE + 320, "Field")
            .put(HALF, 8, BASE + 320)
            .put(HALF + 8, 8, BASE);
    });
    seed("gc_program", 1, &|b| {
        // Eight literal bits, then these seven times more.
        b.ty(BASE, 512, 512, 0, 17 | 1 << 6)
            .put(BASE + 32, 8, NAME)
            .put(NAME, 4, 5);
        b.put(NAME + 4, 8, 0x07_88_4d_08);
    });
    seed("mask_on_demand", 2, &|b| {
        // An array of 40 elements of two words, the second a pointer.
        b.ty(BASE, 640, 640, 1 << 4, 17)
            .put(BASE + 48, 8, BASE + 96)
            .put(BASE + 64, 8, 40);
        b.ty(BASE + 96, 16, 16, 0, 25)
            .put(BASE + 96 + 32, 8, NAME)
            .put(NAME, 1, 0b10);
    });
    seed("mask_of_itself", 2, &|b| {
        b.ty(BASE, 640, 640, 1 << 4, 17)
            .put(BASE + 48, 8, BASE)
            .put(BASE + 64, 8, 1);
    });
    seed("swiss_map", 2, &|b| {
        b.ty(BASE, 8, 8, 0, 21)
            .put(BASE + 80, 8, 136)
            .put(BASE + 88, 8, 16)
            .put(BASE + 96, 8, 8);
        b.put(HALF + 16, 8, HALF + 64)
            .put(HALF + 64, 8, 0x8080_8080_8080_1122);
    });
    seed("split_map_directory", 3, &|b| {
        b.ty(BASE, 8, 8, 1 << 5, 21)
            .put(BASE + 80, 8, 136)
            .put(BASE + 88, 8, 8);
        b.put(BASE + 96, 8, 8)
            .put(BASE + 104, 8, 72)
            .put(BASE + 112, 8, 8);
        b.put(HALF + 16, 8, HALF + 64).put(HALF + 24, 8, 2);
        b.put(HALF + 64, 8, HALF + 96).put(HALF + 72, 8, HALF + 96);
        b.put(HALF + 96 + 16, 8, HALF + 160)
            .put(HALF + 96 + 24, 8, 1);
    });
    seed("bucket_map_growing", 0, &|b| {
        b.ty(BASE, 8, 8, 0, 21)
            .put(BASE + 80, 1, 8)
            .put(BASE + 81, 1, 8)
            .put(BASE + 82, 2, 144);
        b.put(HALF + 9, 1, 1)
            .put(HALF + 16, 8, HALF + 64)
            .put(HALF + 24, 8, HALF + 352);
        b.put(HALF + 64, 8, 0x0011_2233).put(HALF + 352, 8, 0x99);
    });
    seed("bucket_map_in_a_circle", 0, &|b| {
        b.ty(BASE, 8, 8, 0, 21)
            .put(BASE + 80, 1, 8)
            .put(BASE + 81, 1, 8)
            .put(BASE + 82, 2, 144);
        b.put(HALF + 16, 8, HALF + 64)
            .put(HALF + 64 + 136, 8, HALF + 64);
    });
    seed("made_at_run_time", 2, &|b| {
        // A type in the heap half, whose name is in the map behind BASE + 16.
        b.ty(HALF, 8, 8, 0, 22)
            .put(HALF + 40, 4, 0xffff_ffff)
            .put(BASE + 16, 8, BASE + 64);
        b.put(BASE + 64 + 16, 8, BASE + 128)
            .put(BASE + 128, 8, 0x8080_8080_8080_8000);
        b.put(BASE + 136, 4, 0xffff_ffff)
            .put(BASE + 144, 8, NAME)
            .text(NAME, "*struct {}");
    });
    seed("func_variadic", 3, &|b| {
        b.ty(BASE, 8, 8, 1 | 1 << 5, 19)
            .put(BASE + 48, 2, 2)
            .put(BASE + 50, 2, 0x8001);
    });
    seeds
}
