//! What a dump knows of a program's types, variables, closures and frames, against what the program
//! says of itself (`tests/catalogue/main.go`): with the executable's DWARF, and without it.
//!
//! By default on the Go versions that are tested whole; `GOHEAP_VERSIONS=all`, or a list with commas,
//! for others.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use goheap_analysis::{Dump, NoWatch, OpenOptions, catalogue_of_annex, put_catalogue};
use goheap_format::annex::{AnnexReader, AnnexWriter};
use goheap_golang::catalogue::{Catalogue, GoType, TypeOrigin};
use goheap_testkit::{BuildOptions, toolchains};

fn versions() -> Vec<&'static str> {
    let wanted = std::env::var("GOHEAP_VERSIONS").unwrap_or_default();
    let claimed = toolchains::CLAIMED.iter();
    let wanted = claimed.filter(|version| match wanted.as_str() {
        "" => version.whole,
        "all" => true,
        list => list.split(',').any(|number| number == version.number),
    });
    wanted.map(|version| version.number).collect()
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

fn build(version: &str, source: &str, folder: &Path, flags: &[&str]) -> PathBuf {
    let root = toolchains::goroot(version).expect("a toolchain");
    let executable = folder.join("program");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let status = Command::new(root.join("bin/go"))
        .args(["build", "-o"])
        .arg(&executable)
        .args(flags)
        .arg(source)
        .env_remove("GOROOT")
        .env("GOTOOLCHAIN", "local")
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", toolchains::cache().unwrap().join("gocache"))
        .status();
    assert!(status.expect("go").success());
    executable
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program; what it says until it is ready, as lists of words.
fn start(executable: &Path, arguments: &[&Path]) -> (Running, Vec<Vec<String>>) {
    let mut child = Command::new(executable)
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut facts = Vec::new();
    loop {
        let line = lines.next().expect("more lines").expect("text");
        if line == "ready" {
            break;
        }
        facts.push(line.split('\t').map(str::to_owned).collect());
    }
    (Running(child), facts)
}

fn dump(running: &Running, to: &Path, flags: &[&str]) -> Dump {
    let status = Command::new(env!("CARGO_BIN_EXE_goheap"))
        .args(["dump", &running.0.id().to_string(), "-o"])
        .arg(to)
        .args(flags)
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("goheap").success());
    let bytes = fs::read(to).expect("the dump");
    Dump::open(Box::new(bytes), &OpenOptions::default(), &NoWatch).expect("a dump")
}

fn number(text: &str) -> u64 {
    let hex = text.strip_prefix("0x");
    hex.map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16))
        .expect("a number")
}

fn named<'c>(catalogue: &'c Catalogue, name: &str) -> &'c GoType {
    let id = catalogue.named(name);
    let id = id.unwrap_or_else(|| panic!("no type {name}"));
    catalogue.get(id).expect("the type")
}

/// The types that the program told of: all that reflection says of them is in the catalogue.
fn check_types(catalogue: &Catalogue, facts: &[Vec<String>]) {
    let mut types = 0;
    for fact in facts {
        let words: Vec<&str> = fact.iter().map(String::as_str).collect();
        match words[..] {
            ["type", name, kind, size, len, package] => {
                let ty = named(catalogue, name);
                assert_eq!(ty.origin, TypeOrigin::Descriptor, "{name}");
                assert_eq!(u64::from(ty.kind.raw()), number(kind), "{name}");
                assert_eq!(ty.size, number(size), "{name}");
                assert_eq!(ty.len, number(len), "{name}");
                // Reflection has one for the type unsafe.Pointer, whose descriptor has none.
                if package != "unsafe" {
                    assert_eq!(ty.package, package, "{name}");
                }
                types += 1;
            }
            ["field", of, name, offset, kind, size, embedded] => {
                let of = named(catalogue, of);
                let field = of.fields.iter().find(|field| field.name == name);
                let field = field.unwrap_or_else(|| panic!("no field {name} of {}", of.name));
                assert_eq!(field.offset, number(offset), "{name} of {}", of.name);
                assert_eq!(field.embedded, embedded == "true", "{name} of {}", of.name);
                let ty = catalogue.get(field.ty).expect("its type");
                assert_eq!(
                    u64::from(ty.kind.raw()),
                    number(kind),
                    "{name} of {}",
                    of.name
                );
                assert_eq!(ty.size, number(size), "{name} of {}", of.name);
            }
            _ => {}
        }
    }
    assert!(types > 20, "{types}");
    let user = catalogue.named("main.User");
    let map = named(catalogue, "map[string]*main.User");
    let elem = map.elem.and_then(|elem| catalogue.get(elem)).unwrap();
    assert_eq!((elem.name.as_str(), elem.elem), ("*main.User", user));
    assert_eq!(map.key, catalogue.named("string"));
    let slots = map.slots.and_then(|slots| catalogue.get(slots));
    let slots = &slots.expect("buckets, or groups").name;
    assert!(slots.ends_with("[string]*main.User"), "{slots}");
    let loud = catalogue.named("*main.Loud");
    assert!(catalogue.itabs.values().any(|ty| Some(*ty) == loud));
    assert!(catalogue.functions.len() > 1000);
    assert_eq!(catalogue.damage.count, 0, "{:?}", catalogue.damage.first);
    let layout = catalogue.layouts.0.get("runtime.hchan").expect("a layout");
    assert!(layout.member("elemtype").is_some());
}

/// Globals have their types, and their addresses and sizes; without DWARF those have the same whose types code
/// tells.
fn check_globals(catalogue: &Catalogue, facts: &[Vec<String>], typed: bool) {
    let (mut globals, mut told) = (0, 0);
    for fact in facts.iter().filter(|fact| fact[0] == "global") {
        let [_, name, ty, address] = &fact[..] else {
            panic!("{fact:?}");
        };
        let variable = catalogue.variable_at(number(address));
        let variable = variable.unwrap_or_else(|| panic!("no variable {name}"));
        assert_eq!(&variable.name, name);
        assert_eq!(variable.address, number(address));
        let known = variable.ty.and_then(|ty| catalogue.get(ty));
        if let Some(known) = known {
            assert_eq!(&known.name, ty, "{name}");
            assert_eq!(variable.size, known.size, "{name}");
            told += 1;
        }
        globals += 1;
    }
    assert_eq!(globals, 7);
    match typed {
        true => assert_eq!(told, globals),
        false => assert!(told > 0, "code tells of none"),
    }
}

/// Closures of functions: what they captured, and the receivers of method values.
fn check_closures(catalogue: &Catalogue, facts: &[Vec<String>], captured: bool) {
    for fact in facts {
        let words: Vec<&str> = fact.iter().map(String::as_str).collect();
        let (name, entry, expected) = match words[..] {
            ["closure", name, entry] if captured => (
                name,
                entry,
                vec![
                    ("F", "uintptr"),
                    ("&total", "*int"),
                    ("user", "*main.User"),
                    ("wait", "chan bool"),
                ],
            ),
            ["method", name, receiver, entry] => {
                (name, entry, vec![("F", "uintptr"), ("R", receiver)])
            }
            _ => continue,
        };
        let function = catalogue.function_at(number(entry)).expect("a function");
        assert_eq!(function.name, name);
        let closure = function.closure.and_then(|ty| catalogue.get(ty));
        let closure = closure.unwrap_or_else(|| panic!("no closure of {name}"));
        let mut fields: Vec<_> = closure
            .fields
            .iter()
            .map(|field| {
                let ty = catalogue.get(field.ty).expect("its type");
                (field.name.as_str(), ty.name.as_str())
            })
            .collect();
        fields.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        // The receiver is called as it is in the source, where DWARF tells.
        if words[0] == "method" && captured {
            fields[1].0 = "R";
        }
        assert_eq!(fields, expected, "{name}");
        assert_eq!(closure.size, 8 * fields.len() as u64, "{name}");
    }
}

/// The variable of a frame of a goroutine that waits is where the program says that it is.
fn check_frames(dump: &Dump, facts: &[Vec<String>]) {
    let catalogue = dump.catalogue();
    let fact = facts
        .iter()
        .find(|fact| fact[0] == "local")
        .expect("a fact");
    let [_, function, name, ty, address] = &fact[..] else {
        panic!("{fact:?}");
    };
    let entry = catalogue
        .functions
        .iter()
        .find(|known| &known.name == function);
    let entry = entry.expect("the function").entry;
    let frame = dump.frames().iter().find(|frame| frame.entry == entry);
    let frame = frame.expect("a frame");
    let found: Vec<_> = catalogue
        .frame_variables
        .iter()
        .filter(|v| v.function == entry && &v.name == name)
        .filter(|v| (v.from..v.to).contains(&frame.pc))
        .collect();
    let [variable] = found[..] else {
        panic!("{name} is there {} times", found.len());
    };
    assert_eq!(&catalogue.get(variable.ty).unwrap().name, ty);
    let at = (frame.sp + frame.len).wrapping_add_signed(variable.cfa_offset);
    assert_eq!(at, number(address), "{name}");
}

/// What is written into an annex is read again.
fn check_annex(catalogue: &Catalogue) {
    let mut writer = AnnexWriter::new();
    put_catalogue(catalogue, &mut writer).expect("notes");
    let mut bytes = Vec::new();
    writer.finish(&mut bytes).expect("an annex");
    let mut reader = AnnexReader::open(&bytes[..], 0).unwrap().expect("an annex");
    let read = catalogue_of_annex(&mut reader, |_| {});
    assert!(read.error.is_none());
    assert!(read.catalogue == *catalogue);
}

fn check(version: &str, flags: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let executable = build(version, "tests/catalogue/main.go", folder.path(), flags);
    let (running, facts) = start(&executable, &[]);
    let with = dump(&running, &folder.path().join("with"), &[]);
    let without = dump(&running, &folder.path().join("without"), &["--no-dwarf"]);
    let (full, bare) = (with.catalogue(), without.catalogue());
    assert!(full.dwarf && !bare.dwarf);
    for catalogue in [full, bare] {
        check_types(catalogue, &facts);
        check_annex(catalogue);
    }
    check_globals(full, &facts, true);
    check_globals(bare, &facts, false);
    // cmd/internal/dwarf, go1.23: DW_AT_go_closure_offset.
    check_closures(full, &facts, minor(version) >= 23);
    check_closures(bare, &facts, false);
    check_frames(&with, &facts);
    assert!(bare.frame_variables.is_empty());

    // Descriptors say the same of all types, whether DWARF is there or not: names above all.
    let by_address = |catalogue: &Catalogue| -> BTreeMap<u64, (String, u64, usize)> {
        let described = catalogue.types().filter(|(_, ty)| ty.address != 0);
        let told = |ty: &GoType| (ty.name.clone(), ty.size, ty.fields.len());
        described.map(|(_, ty)| (ty.address, told(ty))).collect()
    };
    let (full, bare) = (by_address(full), by_address(bare));
    let differ: Vec<_> = full
        .iter()
        .filter(|(address, told)| bare.get(address) != Some(told))
        // Types of functions' own have a number in DWARF, and none in their descriptors.
        .filter(|(_, (name, _, _))| !name.contains('·'))
        .map(|(address, told)| (told, bare.get(address)))
        .collect();
    assert_eq!(full.len(), bare.len());
    assert!(differ.is_empty(), "Go {version}: {differ:#?}");
}

#[test]
fn what_a_program_says_of_itself() {
    for version in versions() {
        check(version, &[]);
    }
}

#[test]
fn of_a_position_independent_executable() {
    let versions = versions();
    for version in [versions.first(), versions.last()].into_iter().flatten() {
        check(version, &["-buildmode=pie"]);
    }
}

#[test]
fn of_a_program_with_a_plugin() {
    for version in versions() {
        let options = BuildOptions {
            cgo: true,
            ..BuildOptions::default()
        };
        let program = goheap_testkit::build(version, "plugged", &options).expect("a program");
        let options = BuildOptions {
            plugin: true,
            ..BuildOptions::default()
        };
        let plugin = goheap_testkit::build(version, "plugged_plugin", &options);
        let plugin = plugin.expect("a plugin");
        let (running, _) = start(&program.executable, &[&plugin.executable]);
        let folder = tempfile::tempdir().expect("a folder");
        let dump = dump(&running, &folder.path().join("dump"), &[]);
        let catalogue = dump.catalogue();
        assert_eq!(catalogue.damage.count, 0, "{:?}", catalogue.damage.first);
        let module = dump.notes().modules.last().expect("the plugin");
        let types = catalogue.types().map(|(_, ty)| ty.address);
        let types = types.filter(|at| (module.types.0..module.types.1).contains(at));
        assert!(types.count() > 500);
        let functions = catalogue.functions.iter();
        let functions = functions.filter(|f| (module.text.0..module.text.1).contains(&f.entry));
        assert!(functions.count() > 500);
    }
}

/// What `goheap top` says of a dump that the runtime wrote.
fn top(dump: &Path, arguments: &[&Path]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goheap"));
    command.args(["top", "--by", "type"]).arg(dump);
    for exe in arguments {
        command.arg("--exe").arg(exe);
    }
    let said = command.output().expect("goheap");
    let text = [said.stdout, said.stderr].concat();
    (
        said.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn of_a_dump_that_the_runtime_wrote() {
    for version in versions() {
        let folders = ["exe", "pie"].map(|mode| {
            let folder = tempfile::tempdir().expect("a folder");
            let mode = format!("-buildmode={mode}");
            let source = "tests/catalogue_exe/main.go";
            let executable = build(version, source, folder.path(), &[&mode]);
            let dump = folder.path().join("dump");
            let status = Command::new(&executable).arg(&dump).status();
            assert!(status.expect("the program").success());
            let (sound, text) = top(&dump, &[&executable]);
            assert!(sound && text.contains("main.session"), "{text}");
            assert!(!text.contains("no annex"), "{text}");
            let (sound, text) = top(&dump, &[]);
            assert!(sound && !text.contains("main.session"), "{text}");
            assert!(text.contains("no annex"), "{text}");
            (folder, dump, executable)
        });
        // The executable of another program is refused.
        let [(_a, dump, _), (_b, _, other)] = &folders;
        let (sound, text) = top(dump, &[other]);
        assert!(!sound && text.contains("is not the executable"), "{text}");
    }
}
