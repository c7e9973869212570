//! Types and maps of live Go programs, against what the program's own reflection says of them
//! (`tests/descriptors/main.go`).
//!
//! By default on the Go versions that are tested whole; `GOHEAP_VERSIONS=all`, or a list with
//! commas, for others.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use goheap_golang::{
    ElfProgram, Features, GcMask, Kind, MapGeometry, MapLayouts, Maps, Program, Structs,
    TypeModule, Types,
};
use goheap_image::Executable;
use goheap_memory::{Addr, DataModel, Fault, FaultKind, Machine, Mapping, Memory, Target, Thread};
use goheap_testkit::toolchains;

/// A process that stands still by itself, through /proc/PID/mem.
struct Still(File);

impl Memory for Still {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let result = self.0.read_exact_at(buf, at.get());
        result.map_err(|_| Fault::new(at, buf.len(), FaultKind::Unmapped))
    }
}

impl Target for Still {
    fn machine(&self) -> Machine {
        Machine::Amd64
    }

    fn threads(&self) -> &[Thread] {
        &[]
    }

    fn mappings(&self) -> &[Mapping] {
        &[]
    }

    /// The program is no PIE, so that nobody needs it.
    fn auxv(&self) -> &[(u64, u64)] {
        &[]
    }

    fn executable(&self) -> Option<PathBuf> {
        None
    }
}

fn build(version: &str, experiment: &str, folder: &Path) -> PathBuf {
    let root = toolchains::goroot(version).expect("a toolchain");
    let executable = folder.join("descriptors");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/descriptors/main.go");
    let status = Command::new(root.join("bin/go"))
        .args(["build", "-o"])
        .args([executable.as_os_str(), source.as_os_str()])
        .env("GOROOT", &root)
        .env("GOTOOLCHAIN", "local")
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("CGO_ENABLED", "0")
        .env("GOEXPERIMENT", experiment)
        .env(
            "GOCACHE",
            toolchains::cache().expect("a cache").join("go-build"),
        )
        .status()
        .expect("go runs");
    assert!(status.success(), "go build of {version}");
    executable
}

/// Checks one version; how many types and maps it was.
fn check(version: &str, experiment: &str) -> (usize, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let executable = build(version, experiment, folder.path());
    let mut child = Command::new(&executable)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines: Vec<String> = BufReader::new(child.stdout.take().expect("its stdout"))
        .lines()
        .map(|line| line.expect("text"))
        .take_while(|line| line != "end")
        .collect();
    let memory = Still(File::open(format!("/proc/{}/mem", child.id())).expect("its memory"));
    let data = std::fs::read(&executable).expect("the executable");
    let image = Executable::parse(data).expect("an executable");
    let elf = ElfProgram::new(&image, &memory).expect("symbols and DWARF");
    let structs = Structs::new(&elf);
    let features = Features::of(
        &format!("go{version} X:{experiment}")
            .parse()
            .expect("a version"),
    )
    .expect("a known version");
    let modules = vec![module(&memory, &elf, &structs)];
    let model = DataModel::LITTLE64;
    let offsets = elf.address("runtime.reflectOffs");
    assert!(offsets.is_some());
    let types = Types::new(&memory, model, &structs, &features, modules, offsets).expect("layouts");
    let maps = MapLayouts::new(&structs, &features).expect("layouts");
    let (mut type_count, mut map_count) = (0, 0);
    for line in &lines {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["T", fields @ ..] => {
                check_type(&types, fields, &format!("go{version}: {line:.200}"));
                type_count += 1;
            }
            ["M", fields @ ..] => {
                let line = format!("go{version}: {line}");
                check_map(&types, &maps, features.maps, &memory, fields, &line);
                map_count += 1;
            }
            _ => panic!("go{version}: {line}"),
        }
    }
    child.kill().expect("it can be ended");
    child.wait().expect("it ends");
    (type_count, map_count)
}

fn module(memory: &Still, elf: &dyn Program, structs: &Structs<'_>) -> TypeModule {
    let first = elf
        .address("runtime.firstmoduledata")
        .expect("firstmoduledata");
    let word = |path: &str| {
        let offset = structs.offset("runtime.moduledata", path).expect("a field");
        DataModel::LITTLE64
            .read_ptr(memory, first.offset(offset))
            .expect("a word")
    };
    TypeModule {
        types: word("types"),
        etypes: word("etypes"),
    }
}

fn check_type(types: &Types<'_, Still>, fields: &[&str], line: &str) {
    let [at, size, pointers, kind, mask, string, name, path] = fields else {
        panic!("{line}")
    };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let ty = types.read(Addr::new(number(at))).expect(line);
    assert_eq!(ty.size, number(size), "{line}");
    // A pointer program may end a little later than the last pointer (go1.19: `dgcprog`).
    assert!(
        (number(pointers)..=ty.size).contains(&ty.ptr_bytes),
        "{line}: {}",
        ty.ptr_bytes
    );
    assert_eq!(Some(ty.kind), Kind::from_raw(number(kind) as u8), "{line}");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    assert_eq!(text(types.string(&ty).expect(line)), *string, "{line}");
    assert_eq!(text(types.name(&ty).expect(line)), *name, "{line}");
    let dumped = text(types.dump_name(&ty).expect(line));
    match (name.is_empty(), path.is_empty()) {
        (false, false) => assert_eq!(dumped, format!("{path}.{name}"), "{line}"),
        (false, true) => assert_eq!(dumped, *string, "{line}"),
        // A type without a name may have methods, and then it has a path.
        (true, _) => assert!(
            dumped == *string || dumped.ends_with('.'),
            "{line}: {dumped}"
        ),
    }
    // An interface holds pointers themselves, and structs and arrays of one: which of those that
    // have empty fields as well is a matter of versions.
    match ty.kind {
        Kind::Pointer | Kind::Map | Kind::Chan | Kind::Func | Kind::UnsafePointer => {
            assert!(ty.direct_iface, "{line}");
        }
        Kind::Struct | Kind::Array => {
            assert!(
                !ty.direct_iface || (ty.size, ty.ptr_bytes) == (8, 8),
                "{line}"
            );
        }
        _ => assert!(!ty.direct_iface, "{line}"),
    }
    if matches!(*string, "main.one" | "main.oneArray") {
        assert!(ty.direct_iface, "{line}");
    }
    let read = types.read_gc_mask(&ty).expect(line);
    assert_eq!(mask_text(&read), *mask, "{line}");
    if ty.kind == Kind::Func && name.is_empty() {
        let signature = types.signature(&ty).expect(line).expect("a signature");
        let all = signature.params.iter().chain(&signature.results);
        let inside: Vec<_> = all
            .map(|at| text(types.string(&types.read(*at).expect(line)).expect(line)))
            .collect();
        assert!(
            signature.variadic || inside.iter().all(|part| string.contains(part.as_str())),
            "{line}: {inside:?}"
        );
        assert_eq!(signature.variadic, string.contains("..."), "{line}");
    }
    if ty.kind == Kind::Struct && name.is_empty() {
        for field in types.fields(&ty).expect(line) {
            assert!(
                field.embedded || string.contains(&text(field.name)),
                "{line}"
            );
        }
    }
    if let Some(elem) = types.elem(&ty).expect(line)
        && matches!(ty.kind, Kind::Slice | Kind::Array | Kind::Pointer)
        && name.is_empty()
    {
        let elem = text(types.string(&types.read(elem).expect(line)).expect(line));
        assert!(string.ends_with(&elem), "{line}: {elem}");
    }
}

/// A mask as the program prints it.
fn mask_text(mask: &GcMask) -> String {
    let len = (0..mask.len())
        .rev()
        .find(|word| mask.is_pointer(*word))
        .map_or(0, |last| last + 1);
    let words = (0..len).map(|word| if mask.is_pointer(word) { '1' } else { '0' });
    if len <= 200 {
        return words.collect();
    }
    let hash = words.fold(14_695_981_039_346_656_037_u64, |hash, word| {
        (hash ^ u64::from(word)).wrapping_mul(1_099_511_628_211)
    });
    format!("#{hash:x}")
}

fn check_map(
    types: &Types<'_, Still>,
    maps: &MapLayouts,
    form: Maps,
    memory: &Still,
    fields: &[&str],
    line: &str,
) {
    let numbers: Vec<u64> = fields
        .iter()
        .map(|text| text.parse().expect("a number"))
        .collect();
    let [ty, at, count, keys, elems] = numbers[..] else {
        panic!("{line}")
    };
    let ty = types.read(Addr::new(ty)).expect(line);
    let geometry = types.map_geometry(&ty).expect(line).expect("a map type");
    let size = |at: Option<Addr>| types.read(at.expect("a type")).expect(line).size;
    let key_size = size(types.key(&ty).expect(line));
    let elem_size = size(types.elem(&ty).expect(line));
    if key_size <= 8 && elem_size <= 8 && key_size != 0 {
        let told = MapGeometry::of_words(form, DataModel::LITTLE64, key_size, elem_size);
        assert_eq!(told, geometry, "{line}");
    }
    let sum = |at: Addr, size: u64| {
        let mut value = vec![0; size as usize];
        memory.read(at, &mut value).expect(line);
        value
            .chunks_exact(8)
            .map(|part| DataModel::LITTLE64.uint(part))
            .fold(0_u64, u64::wrapping_add)
    };
    let mut seen = (0_u64, 0_u64, 0_u64);
    let most = 1 << 24;
    let model = DataModel::LITTLE64;
    maps.walk(
        memory,
        model,
        &geometry,
        Addr::new(at),
        most,
        &mut |entry| {
            seen.0 += 1;
            seen.1 = seen.1.wrapping_add(sum(entry.key, key_size));
            seen.2 = seen.2.wrapping_add(sum(entry.elem, elem_size));
            ControlFlow::Continue(())
        },
    )
    .expect(line);
    assert_eq!(seen, (count, keys, elems), "{line}");
}

#[test]
fn as_reflection_has_them() {
    let wanted = std::env::var("GOHEAP_VERSIONS").unwrap_or_default();
    for version in toolchains::CLAIMED
        .iter()
        .filter(|version| match wanted.as_str() {
            "" => version.whole,
            "all" => true,
            list => list.split(',').any(|number| number == version.number),
        })
    {
        let mut experiments = vec![""];
        if version.number.starts_with("1.24.") || version.number.starts_with("1.25.") {
            experiments.push("noswissmap");
        }
        if version.number.starts_with("1.27.") {
            experiments.push("mapsplitgroup");
        }
        for experiment in experiments {
            let (types, maps) = check(version.number, experiment);
            eprintln!(
                "go{} {experiment}: {types} types, {maps} maps",
                version.number
            );
            assert!(types > 400 && maps > 30);
        }
    }
}
