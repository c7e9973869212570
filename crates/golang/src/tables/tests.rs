use super::*;
use crate::{Layouts, Structs};

const TEXT: &str = "\
# A comment.
arches 64-bit amd64 arm64
release 1.19.8 patches 8-8 on 64-bit 386 by a toolchain
release 1.24.3 patches 3-3 on 64-bit by a toolchain
release 1.24.11 patches 11-13 on 64-bit by a toolchain
experiments 1.24.11 same jsonv2
experiments 1.24.11 own staticlockranking on amd64
type runtime.m in runtime/runtime2.go
on 64-bit
1.19.8 24; g0 0 8; tls 8 2*uint32;
 alllink 16 8
1.24.11 48; g0 0 8; allpSnapshot 8 24; alllink 32 8; old 40 2*2*runtime.pair
1.24.11+staticlockranking 16; alllink 8 8
on 386
1.19.8 8; alllink 4 4
type runtime.pair in runtime/pair.go
on amd64
1.19.8 2; a 0 1; b 1 1
1.24.3 -
1.24.11 4; a 0 2; b 2 2
";

fn candidates(version: &str, goarch: &str) -> Result<Vec<LayoutTable>, TableError> {
    LayoutTable::candidates_of(TEXT, &version.parse().unwrap(), goarch)
}

fn alllink(table: &LayoutTable) -> u64 {
    Structs::new(table).offset("runtime.m", "alllink").unwrap()
}

#[test]
fn a_row_holds_until_the_next() {
    let old = &candidates("go1.19.8", "arm64").unwrap()[0];
    assert_eq!((old.release(), old.is_measured()), ("1.19.8", true));
    assert_eq!((alllink(old), old.type_layout("runtime.pair")), (16, None));
    let same = &candidates("go1.24.3", "amd64").unwrap()[0];
    assert_eq!(
        (alllink(same), same.type_layout("runtime.pair")),
        (16, None)
    );
    let new = &candidates("go1.24.11", "amd64").unwrap()[0];
    assert_eq!(alllink(new), 32);
}

#[test]
fn the_nearest_patch_comes_first() {
    let names = |version: &str| -> Vec<(String, bool)> {
        let found = candidates(version, "amd64").unwrap();
        let told = found
            .iter()
            .map(|t| (t.release().to_owned(), t.is_measured()));
        told.collect()
    };
    let named = |name: &str, measured| (name.to_owned(), measured);
    assert_eq!(
        names("go1.24.12"),
        [named("1.24.11", true), named("1.24.3", false)]
    );
    assert_eq!(
        names("go1.24.4"),
        [named("1.24.3", false), named("1.24.11", false)]
    );
    assert_eq!(
        names("go1.24rc1"),
        [named("1.24.3", false), named("1.24.11", false)]
    );
    assert_eq!(names("go1.24.99")[0], named("1.24.11", false));
}

#[test]
fn arrays_and_plain_sizes_are_types() {
    let table = &candidates("go1.24.11", "amd64").unwrap()[0];
    let array = table.type_layout("[2][2]runtime.pair").unwrap();
    assert_eq!(array.size, 16);
    assert_eq!(table.type_layout("24 bytes").unwrap().size, 24);
    assert_eq!(table.type_layout("uint64").unwrap().size, 8);
    for name in [
        "[99999999999999999999]uint8",
        "[18446744073709551615]uint16",
        "[2",
        "[x]uint8",
        "[2]",
    ] {
        assert_eq!(table.type_layout(name), None, "{name}");
    }
    let deep = format!("{}uint8", "[1]".repeat(10_000));
    assert_eq!(table.type_layout(&deep), None);
}

#[test]
fn experiments_have_rows_of_their_own_or_none_or_are_refused() {
    let own = candidates("go1.24.11 X:staticlockranking,jsonv2", "amd64").unwrap();
    assert_eq!((own.len(), alllink(&own[0])), (1, 8));
    let same = candidates("go1.24.11 X:jsonv2", "amd64").unwrap();
    assert_eq!(alllink(&same[0]), 32);
    let error = candidates("go1.24.11 X:unheardof", "amd64").unwrap_err();
    assert!(
        error.to_string().contains("GOEXPERIMENT=unheardof"),
        "{error}"
    );
    assert!(candidates("go1.24.11 X:staticlockranking", "arm64").is_err());
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    for (version, goarch, expected) in [
        (
            "go1.25.0",
            "amd64",
            "no layouts for go1.25.0 (it has those of go1.19, go1.24)",
        ),
        ("go1.25.0", "amd64", "use a newer goheap"),
        ("go1.20.14", "amd64", "no layouts for go1.20.14"),
        ("go1.20.14", "amd64", "build without -ldflags=-w"),
        ("go1.18", "amd64", "--exe PATH"),
        ("go1.24.3", "mips", "no layouts of go1.24.3 for mips"),
        ("go1.24.3", "386", "no layouts of go1.24.3 for 386"),
        ("devel go1.24-abcdef", "amd64", "is no release of Go"),
    ] {
        let error = candidates(version, goarch).unwrap_err().to_string();
        assert!(error.contains(expected), "{version} {goarch}: {error}");
    }
}

#[test]
fn damaged_text_is_an_error_with_its_line() {
    let version: GoVersion = "go1.24.11".parse().unwrap();
    for end in 0..TEXT.len() {
        // Cut off anywhere: an answer or an error, and no panic.
        let _either = LayoutTable::candidates_of(&TEXT[..end], &version, "amd64");
    }
    for (from, to) in [
        ("alllink 32 8", "alllink 999 8"),
        ("alllink 32 8", "alllink x 8"),
        ("alllink 32 8", "alllink 32"),
        ("1.24.11 48;", "1.24.11 x;"),
        ("2*2*runtime.pair", "y*runtime.pair"),
        ("1.24.11+static", "1.24.12+static"),
        ("type runtime.m", "tape runtime.m"),
        ("patches 11-13", "patches 11"),
        ("11-13 on 64", "11-13 by 64"),
        ("same jsonv2", "like jsonv2"),
    ] {
        let damaged = TEXT.replace(from, to);
        assert_ne!(damaged, TEXT, "{from}");
        match LayoutTable::candidates_of(&damaged, &version, "amd64") {
            Err(TableError::Damaged { line, .. }) => assert!(line > 1, "{from}"),
            other => panic!("{from}: {other:?}"),
        }
    }
}

#[test]
fn goheaps_own_tables_can_be_read() {
    let (tables, version) = (TABLES.as_ref().unwrap(), "go1.24.3".parse().unwrap());
    let found = tables.candidates(&version, "amd64").unwrap();
    assert!(found[0].is_measured());
    let structs = Structs::new(&found[0]);
    assert_eq!(structs.offset("runtime.g", "stack").unwrap(), 0);
}
