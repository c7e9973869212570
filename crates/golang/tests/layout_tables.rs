//! The tables of layouts, against the DWARF of what real toolchains build: every field that goheap
//! asks for, on this machine's architecture. `cargo xtask layouts --check` does it for all others.
//!
//! On the Go versions that are tested whole, and all others whose toolchains are in the cache.

use std::collections::BTreeMap;
use std::fs;

use goheap_golang::{GoVersion, LayoutTable, Layouts, Structs, needed};
use goheap_image::layout::{Shape, TypeLayout};
use goheap_image::{Dwarf, Executable};
use goheap_testkit::{BuildOptions, build, toolchains};

/// Layouts as the DWARF has them.
struct Own<'e>(Dwarf<'e>);

impl Layouts for Own<'_> {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        self.0.type_layout(name).unwrap()
    }
}

/// All answers about what is needed, as text. `members` tells those of a struct.
fn answers(
    layouts: &dyn Layouts,
    members: impl Fn(&str) -> Vec<String>,
) -> BTreeMap<String, String> {
    let structs = Structs::new(layouts);
    let mut answers = BTreeMap::new();
    for (strukt, paths) in needed() {
        let Ok(size) = structs.size(strukt) else {
            continue;
        };
        answers.insert(strukt.to_owned(), size.to_string());
        let each = paths.iter().flat_map(|path| match *path {
            "*" => members(strukt),
            path => vec![path.replace("[]", "[0]")],
        });
        for path in each {
            if let Ok(place) = structs.place(strukt, &path) {
                let elements = structs.elements(strukt, &path).ok();
                let told = format!("{place:?} {elements:?}");
                answers.insert(format!("{strukt} {path}"), told);
            }
        }
    }
    answers
}

/// The versions that this machine can build with.
fn versions() -> Vec<&'static str> {
    let cached = |number: &str| {
        let cache = toolchains::cache().unwrap().join("toolchains");
        cache.join(format!("go{number}/bin/go")).is_file()
    };
    let all = toolchains::CLAIMED.iter();
    all.filter(|version| version.whole || cached(version.number))
        .map(|version| version.number)
        .collect()
}

#[test]
fn tables_say_what_dwarf_says() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let versions = versions();
    assert!(versions.len() >= 3, "{versions:?}");
    for number in versions {
        let program = build(number, "layouts", &BuildOptions::default()).unwrap();
        let executable = Executable::parse(fs::read(program.executable).unwrap()).unwrap();
        let own = Own(executable.dwarf().unwrap().unwrap());
        let members = |strukt: &str| match own.type_layout(strukt).unwrap().shape {
            Shape::Struct { members } => members.into_iter().map(|m| m.name).collect(),
            other => panic!("{strukt}: {other:?}"),
        };
        let expected = answers(&own, members);
        assert!(expected.len() > 300, "go{number}: {}", expected.len());

        let version: GoVersion = format!("go{number}").parse().unwrap();
        let table = LayoutTable::candidates(&version, "amd64")
            .unwrap()
            .remove(0);
        assert!(table.is_measured(), "go{number}");
        let found = answers(&table, members);
        for (what, expected) in &expected {
            assert_eq!(found.get(what), Some(expected), "go{number}: {what}");
        }
        assert_eq!(found.len(), expected.len(), "go{number}");
    }
}

/// What the linker describes only where reflection gets at it, so that the program that tables are
/// made from has not got it. Nothing but the analysis of `sync.Map` asks for it.
const LACKING: &str = "internal/sync.entry[interface {},interface {}]";

/// What a program links is in its DWARF; what it does not may be left out. So what another program has
/// and the tables have not would be missing from them.
#[test]
fn tables_have_what_a_large_program_has() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    for version in toolchains::CLAIMED.iter().filter(|version| version.whole) {
        let number = version.number;
        let program = build(number, "everything", &BuildOptions::default()).unwrap();
        let executable = Executable::parse(fs::read(program.executable).unwrap()).unwrap();
        let own = Own(executable.dwarf().unwrap().unwrap());
        let version: GoVersion = format!("go{number}").parse().unwrap();
        let table = LayoutTable::candidates(&version, "amd64")
            .unwrap()
            .remove(0);
        let found = answers(&table, |_| Vec::new());
        for (what, expected) in answers(&own, |_| Vec::new()) {
            if what.starts_with(LACKING) {
                continue;
            }
            assert_eq!(found.get(&what), Some(&expected), "go{number}: {what}");
        }
    }
}
