//! What this crate reads out of Go programs, against what Go itself makes of them: the runtime's own
//! functions for the function table, `debug/dwarf` for layouts, `go tool` for symbols and ids.
//!
//! They need the toolchains that `cargo xtask toolchains` fetches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use goheap_image::layout::{Shape, TypeLayout};
use goheap_image::pclntab::{Func, FuncId, FuncIds, FuncTable, TextOffset};
use goheap_image::{Executable, FileAddr};
use goheap_testkit::toolchains;

/// The versions that are looked at whole by default; `GOHEAP_VERSIONS` names others
/// (`1.21.13,1.25.5`, or `all`).
fn versions() -> Vec<&'static str> {
    let wanted = std::env::var("GOHEAP_VERSIONS").unwrap_or_default();
    let chosen: Vec<_> = toolchains::CLAIMED
        .iter()
        .filter(|version| match wanted.as_str() {
            "" => version.whole,
            "all" => true,
            list => list.split(',').any(|number| number == version.number),
        })
        .map(|version| version.number)
        .collect();
    assert!(!chosen.is_empty(), "no claimed version in {wanted:?}");
    chosen
}

fn minor(version: &str) -> u32 {
    version
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse().ok())
        .expect("a Go version")
}

/// A toolchain, and a folder for what it builds.
struct Go {
    version: &'static str,
    root: PathBuf,
    folder: tempfile::TempDir,
}

impl Go {
    fn new(version: &'static str) -> Go {
        let root = toolchains::goroot(version).unwrap_or_else(|error| {
            panic!("no toolchain of Go {version} ({error}): run `cargo xtask toolchains`")
        });
        Go {
            version,
            root,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn command(&self) -> Command {
        let mut go = Command::new(self.root.join("bin/go"));
        go.env_remove("GOROOT")
            .env("GOTOOLCHAIN", "local")
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "")
            .env("GOENV", "off")
            .env("CGO_ENABLED", "0")
            .env(
                "GOCACHE",
                toolchains::cache().expect("a cache").join("gocache"),
            );
        go
    }

    /// Builds a program of `tests/`.
    fn build(&self, name: &str, flags: &[&str]) -> PathBuf {
        let out = self
            .folder
            .path()
            .join(format!("{name}-{}", flags.join("")));
        let mut go = self.command();
        go.current_dir(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests")
                .join(name),
        );
        go.arg("build").args(flags).arg("-o").arg(&out).arg(".");
        output(&mut go);
        out
    }

    /// The oracle of the function table: it calls unexported functions of the runtime.
    fn build_oracle(&self) -> PathBuf {
        // cmd/link, go1.23: without this, a linkname to what the runtime does not offer is an error.
        let flags: &[&str] = match minor(self.version) {
            ..23 => &[],
            23.. => &["-ldflags=-checklinkname=0"],
        };
        self.build("oracle", flags)
    }

    fn tool(&self, tool: &str, exe: &Path) -> String {
        output(self.command().args(["tool", tool]).arg(exe))
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

fn open(path: &Path) -> Executable {
    Executable::parse(std::fs::read(path).expect("the executable")).expect("an executable")
}

fn address(exe: &Executable, name: &str) -> FileAddr {
    exe.symbol(name)
        .unwrap_or_else(|| panic!("no symbol {name}"))
        .addr
}

#[test]
fn function_table_as_the_runtime_reads_it() {
    for version in versions() {
        let go = Go::new(version);
        let path = go.build_oracle();
        let exe = open(&path);
        let (text, end) = (
            address(&exe, "runtime.text"),
            address(&exe, "runtime.etext"),
        );
        let gofunc = exe
            .symbol("go:func.*")
            .or_else(|| exe.symbol("go.func.*"))
            .expect("gofunc");
        let (_, bytes) = exe.pclntab().expect("a function table");
        let table = FuncTable::parse(bytes).expect("a function table");
        let start = table.text_start().map(FileAddr::new);
        assert_eq!(start, (minor(version) < 26).then_some(text), "go{version}");

        let arguments = [text.get(), end.get(), 3].map(|number| number.to_string());
        let truth = output(Command::new(&path).args(arguments));
        let (mut lines, mut names) = (0usize, HashMap::new());
        for line in truth.lines() {
            let (pc, rest) = line.split_once('\t').expect("a line of the oracle");
            let pc = TextOffset::new(pc.parse().expect("a number"));
            let Some(func) = table.find(pc) else {
                assert_eq!(rest, "none", "go{version} {pc}");
                continue;
            };
            assert_eq!(describe(&func, pc, gofunc.addr), rest, "go{version} {pc}");
            names.insert(func.name().to_vec(), func.func_id());
            lines += 1;
        }
        assert!(lines > 100_000, "go{version}: only {lines} lines");
        assert!(
            table.func_count() > 1000 && names.len() > 900,
            "go{version}: {}",
            names.len()
        );
        check_func_ids(version, &table);
        check_entries(&table);
    }
}

/// A line of the oracle, behind the program counter.
fn describe(func: &Func<'_>, pc: TextOffset, gofunc: FileAddr) -> String {
    let (file, line) = func.file_line(pc).unwrap_or((b"?", 0));
    let mut fields = vec![
        func.entry().get().to_string(),
        String::from_utf8_lossy(func.name()).into_owned(),
        String::from_utf8_lossy(file).into_owned(),
        line.to_string(),
        func.sp_delta(pc).unwrap_or(-1).to_string(),
    ];
    fields.extend((0..6).map(|table| func.pcdata(table, pc).unwrap_or(-1).to_string()));
    fields.push(func.args_size().to_string());
    fields.push(func.deferreturn().to_string());
    fields.push(func.func_id().to_string());
    fields.push(func.flag().to_string());
    fields.push(func.start_line().unwrap_or(-1).to_string());
    fields.extend(
        (0..9).map(|index| match func.funcdata(index).expect("FUNCDATA") {
            None => "-".to_owned(),
            Some(offset) => gofunc.offset(offset.into()).get().to_string(),
        }),
    );
    fields.join("\t")
}

/// Each special function has the id of its name, and no other function has one.
fn check_func_ids(version: &str, table: &FuncTable<'_>) {
    let numbering = match minor(version) {
        ..=21 => FuncIds::Go119,
        22..=24 => FuncIds::Go122,
        25.. => FuncIds::Go125,
    };
    let mut found = 0;
    for func in table.funcs() {
        let id = FuncId::from_raw(func.func_id(), numbering);
        let id = id.unwrap_or_else(|| panic!("go{version}: {func:?} has id {}", func.func_id()));
        match id {
            FuncId::normal | FuncId::wrapper => continue,
            FuncId::runtime_main => assert_eq!(func.name(), b"runtime.main"),
            // runtime/asm_amd64.s, go1.19 to go1.27: runtime·rt0_go; the rest are Go's names.
            _ => assert_eq!(
                String::from_utf8_lossy(func.name()),
                format!("runtime.{id:?}"),
                "go{version}"
            ),
        }
        found += 1;
    }
    assert!(found >= 18, "go{version}: only {found} special functions");
}

/// Each function is found by its entry, and has a frame there; nothing is found behind the last.
fn check_entries(table: &FuncTable<'_>) {
    for func in table.funcs() {
        assert!(func.sp_delta(func.entry()).is_ok(), "{func:?}");
        // Its struct says the same.
        assert_eq!(func.stored_entry(), func.entry().get(), "{func:?}");
        assert_eq!(
            table.find(func.entry()).map(|found| found.entry()),
            Some(func.entry())
        );
    }
    assert!(table.find(table.text_end()).is_none());
    assert!(table.find(TextOffset::new(u64::MAX)).is_none());
}

#[test]
fn layouts_as_debug_dwarf_reads_them() {
    for version in versions() {
        let go = Go::new(version);
        let oracle = go.build("layouts", &[]);
        // The oracle is a program with many types itself.
        let truth = output(Command::new(&oracle).arg(&oracle));
        let exe = open(&oracle);
        let dwarf = exe.dwarf().expect("DWARF").expect("some DWARF");
        let producer = dwarf.producer().expect("a producer");
        assert!(
            producer.starts_with(&format!("Go cmd/compile go{version}")),
            "{producer}"
        );

        let types = parse_types(&truth);
        assert!(
            types.len() > 1000,
            "go{version}: only {} types",
            types.len()
        );
        for (name, expected) in &types {
            let layout = dwarf
                .type_layout(name)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let layout = layout.unwrap_or_else(|| panic!("go{version}: no type {name}"));
            check_layout(&types, name, expected, &layout);
        }
        for name in [
            "runtime.g",
            "runtime.m",
            "runtime.p",
            "runtime.mspan",
            "runtime.mheap",
        ] {
            let layout = dwarf.type_layout(name).expect("DWARF").expect(name);
            assert!(matches!(layout.shape, Shape::Struct { .. }), "{name}");
        }
        assert_eq!(
            dwarf.type_layout("runtime.no such type").expect("DWARF"),
            None
        );

        let constant = |name| dwarf.constant(name);
        // runtime/malloc.go, go1.19 to go1.27.
        assert_eq!(
            constant("runtime.maxTinySize").or(constant("runtime._TinySize")),
            Some(16)
        );
        assert_eq!(constant("runtime.no such constant"), None);
        assert_eq!(constant("no package"), None);
    }
}

/// A type as the oracle prints it.
struct Truth<'t> {
    kind: &'t str,
    size: i64,
    target: &'t str,
    count: i64,
    members: Vec<(&'t str, u64, &'t str)>,
}

/// Types by name. Of a typedef and another type of one name, the other is what the layout shows.
fn parse_types(text: &str) -> BTreeMap<&str, Truth<'_>> {
    let mut types: BTreeMap<&str, Truth<'_>> = BTreeMap::new();
    let mut last: Option<(&str, Truth<'_>)> = None;
    for line in text.lines().chain(["end\t\t\t\t"]) {
        let fields: Vec<_> = line.split('\t').collect();
        if let ["member", name, offset, target] = fields[..] {
            let (_, truth) = last.as_mut().expect("a struct before its members");
            truth
                .members
                .push((name, offset.parse().expect("an offset"), target));
            continue;
        }
        if let Some((name, truth)) = last.take()
            && (truth.kind != "typedef" || !types.contains_key(name))
        {
            types.insert(name, truth);
        }
        if let [kind, name, size, target, count] = fields[..]
            && kind != "end"
        {
            let number = |text: &str| text.parse().expect("a number");
            let members = Vec::new();
            let truth = Truth {
                kind,
                size: number(size),
                target,
                count: number(count),
                members,
            };
            last = Some((name, truth));
        }
    }
    types
}

fn check_layout(
    types: &BTreeMap<&str, Truth<'_>>,
    name: &str,
    expected: &Truth<'_>,
    layout: &TypeLayout,
) {
    let size = u64::try_from(expected.size).ok();
    match (expected.kind, &layout.shape) {
        ("struct", Shape::Struct { members }) => {
            assert_eq!(Some(layout.size), size, "{name}");
            let found: Vec<_> = members
                .iter()
                .map(|member| {
                    (
                        member.name.as_str(),
                        member.offset,
                        member.type_name.as_str(),
                    )
                })
                .collect();
            assert_eq!(found, expected.members, "{name}");
        }
        ("array", Shape::Array { element, count }) => {
            assert_eq!(Some(layout.size), size, "{name}");
            assert_eq!(
                (element.as_str(), *count as i64),
                (expected.target, expected.count)
            );
        }
        ("base", Shape::Scalar) => assert_eq!(Some(layout.size), size, "{name}"),
        ("pointer", Shape::Pointer { to }) => {
            assert_eq!(
                (layout.size, to.as_deref()),
                (8, Some(expected.target)),
                "{name}"
            );
        }
        ("pointer", Shape::Scalar) => assert_eq!((name, layout.size), ("unsafe.Pointer", 8)),
        // Its layout is its target's: that of the entry of this name is checked on its own.
        ("typedef", _) => {
            if let Some(target) = types.get(expected.target).filter(|t| t.kind != "typedef") {
                check_layout(types, expected.target, target, layout);
            }
        }
        (kind, shape) => panic!("{name} is a {kind}, not {shape:?}"),
    }
}

/// No two members overlap and none reaches behind its struct's end.
#[test]
fn layouts_hold_together() {
    for version in versions() {
        let go = Go::new(version);
        let exe = open(&go.build("layouts", &[]));
        let dwarf = exe.dwarf().expect("DWARF").expect("some DWARF");
        let layout = |name: &str| dwarf.type_layout(name).expect("DWARF").expect("a type");
        let mut waiting: Vec<String> = ["g", "m", "p", "mheap", "mspan", "mcache", "schedt"]
            .iter()
            .map(|name| format!("runtime.{name}"))
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = waiting.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let whole = layout(&name);
            match whole.shape {
                Shape::Struct { members } => {
                    let mut end = 0;
                    for member in members {
                        assert!(member.offset >= end, "{name}.{} overlaps", member.name);
                        end = member.offset + layout(&member.type_name).size;
                        waiting.push(member.type_name);
                    }
                    assert!(end <= whole.size, "{name} reaches behind its end");
                }
                Shape::Array { element, count } => {
                    assert_eq!(layout(&element).size * count, whole.size, "{name}");
                    waiting.push(element);
                }
                Shape::Pointer { to: Some(to) } => waiting.push(to),
                _ => {}
            }
        }
        assert!(seen.len() > 150, "go{version}: only {} types", seen.len());
    }
}

#[test]
fn symbols_and_ids_as_go_tool_reads_them() {
    for version in versions() {
        let go = Go::new(version);
        let path = go.build_oracle();
        let exe = open(&path);
        assert_eq!(exe.goarch(), "amd64");
        assert!(!exe.is_pie() && exe.has_symbols() && exe.is_little_endian());
        assert_eq!(exe.go_build_id(), Some(go.tool("buildid", &path).trim()));
        let info = exe.build_info().expect("build information");
        assert_eq!(info.go_version, format!("go{version}"));
        let printed = output(go.command().args(["version", "-m"]).arg(&path));
        for line in info.module_info.expect("built with settings").lines() {
            assert!(
                printed.contains(&format!("\t{line}\n")),
                "go{version}: {line:?}"
            );
        }

        let mut checked = 0;
        let listing = go.tool("nm", &path);
        let mut first = HashMap::new();
        for line in listing.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some(kind)) = (words.next(), words.next()) else {
                continue;
            };
            let name = words.collect::<Vec<_>>().join(" ");
            if kind != "U" && !name.is_empty() {
                let address = u64::from_str_radix(address, 16).expect("an address");
                first.entry(name).or_insert_with(Vec::new).push(address);
            }
        }
        for (name, addresses) in first {
            // The name of a source file is no place, and a thread-local offset is no address.
            if name == "go.go" || name == "runtime.tlsg" {
                continue;
            }
            let found = exe
                .symbol(&name)
                .unwrap_or_else(|| panic!("go{version}: no {name}"));
            assert!(
                addresses.contains(&found.addr.get()),
                "go{version}: {name} at {found:?}"
            );
            checked += 1;
        }
        assert!(checked > 1500, "go{version}: only {checked} symbols");
        assert_eq!(exe.symbol("runtime.no such symbol"), None);
    }
}

/// The variables are those that `go tool nm` lists in data and bss, with its sizes; and not one of
/// them is a function or a constant.
#[test]
fn variables_as_go_tool_reads_them() {
    for version in versions() {
        let go = Go::new(version);
        for flags in [&[][..], &["-buildmode=pie"]] {
            let path = go.build("layouts", flags);
            let exe = open(&path);
            let found: Vec<(String, u64, u64)> = exe
                .variables()
                .into_iter()
                .map(|(name, symbol)| {
                    let name = String::from_utf8_lossy(name).into_owned();
                    (name, symbol.addr.get(), symbol.size)
                })
                .collect();
            let listing = output(go.command().args(["tool", "nm", "-size"]).arg(&path));
            let mut listed = BTreeMap::new();
            for line in listing.lines() {
                let mut words = line.split_whitespace();
                let (Some(address), Some(size), Some(kind)) =
                    (words.next(), words.next(), words.next())
                else {
                    continue;
                };
                let (Ok(address), Ok(size)) =
                    (u64::from_str_radix(address, 16), size.parse::<u64>())
                else {
                    continue;
                };
                let name = words.collect::<Vec<_>>().join(" ");
                listed.insert((name, address, size), kind.to_owned());
            }
            for variable in &found {
                let kind = listed.get(variable).map(String::as_str);
                assert!(
                    matches!(kind, Some("D" | "d" | "B" | "b")),
                    "go{version}: {variable:x?}: {kind:?}"
                );
            }
            // Those of Go have dots in their names; sections' ends have no size.
            let names: BTreeSet<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
            assert_eq!(names.len(), found.len(), "go{version}: each once");
            for ((name, _, size), kind) in &listed {
                let wanted = matches!(kind.as_str(), "B" | "b") && *size > 0 && name.contains('.');
                assert!(
                    !wanted || names.contains(name.as_str()),
                    "go{version}: {name}"
                );
            }
            for (name, size) in [("runtime.allgs", 24), ("runtime.gcController", 0)] {
                let variable = found.iter().find(|(found, ..)| found == name);
                let variable = variable.unwrap_or_else(|| panic!("go{version}: no {name}"));
                assert!(size == 0 || variable.2 == size, "go{version}: {variable:?}");
                assert_eq!(exe.symbol(name).map(|s| s.addr.get()), Some(variable.1));
            }
        }
        let stripped = open(&go.build("layouts", &["-ldflags=-s -w"]));
        assert_eq!(stripped.variables(), [], "go{version}");
    }
}

#[test]
fn position_independent_and_stripped() {
    let version = versions().last().copied().expect("a version");
    let go = Go::new(version);
    let pie = open(&go.build("layouts", &["-buildmode=pie"]));
    assert!(pie.is_pie());
    let header = pie
        .program_header_addr()
        .expect("program headers are loaded");
    assert!(pie.bytes_at(header, 56).is_ok());
    let (_, bytes) = pie.pclntab().expect("a function table");
    assert!(
        FuncTable::parse(bytes)
            .expect("a function table")
            .func_count()
            > 1000
    );
    assert!(pie.dwarf().expect("DWARF").is_some());

    let stripped = open(&go.build("layouts", &["-ldflags=-s -w"]));
    assert!(!stripped.has_symbols());
    assert_eq!(stripped.symbol("runtime.allgs"), None);
    assert!(stripped.dwarf().expect("no DWARF").is_none());
    assert!(stripped.pclntab().is_some());
    assert_eq!(
        stripped.build_info().expect("it stays").go_version,
        format!("go{version}")
    );

    // Without section headers: what is left is found by looking for it.
    let mut bytes = std::fs::read(go.build("layouts", &["-ldflags=-s -w"])).expect("the file");
    bytes[40..48].fill(0);
    bytes[58..64].fill(0);
    let bare = Executable::parse(bytes).expect("segments suffice");
    assert_eq!(
        bare.build_info().expect("found").go_version,
        format!("go{version}")
    );
    assert!(bare.go_build_id().is_some());

    let plain = open(&go.build("layouts", &["-ldflags=-compressdwarf=false"]));
    let dwarf = plain.dwarf().expect("DWARF").expect("some DWARF");
    assert!(dwarf.type_layout("runtime.g").expect("DWARF").is_some());
}
