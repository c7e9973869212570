//! `goheap export`: what is written where, and what is refused. That readers of others make of it what
//! goheap says is tested in `tests/exports` and `tests/parquet`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{folder, goheap, recorded};

#[test]
fn the_name_tells_the_format() {
    let folder = folder();
    let dump = recorded();
    let dump = dump.to_str().unwrap();
    for (name, start) in [
        ("heap.pb.gz", &b"\x1f\x8b"[..]),
        ("heap.pprof", b"\x1f\x8b"),
        ("heap.hprof", b"JAVA PROFILE 1.0.2\0"),
        ("heap.heapsnapshot", b"{\"snapshot\":{\"meta\":"),
        ("heap.dot", b"digraph heap {"),
        ("heap.gv", b"digraph heap {"),
        ("heap.folded", b""),
    ] {
        let path = folder.path().join(name);
        let path = path.to_str().unwrap();
        let said = goheap(["export", dump, "-o", path]).done().text();
        assert!(said.starts_with(&format!("wrote {path} of ")), "{said}");
        let written = fs::read(path).unwrap();
        assert!(written.starts_with(start), "{name}");
        assert!(!written.is_empty(), "{name}");
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        // The same by --to, to standard output; and nothing else is there.
        let to = match name.rsplit('.').next().unwrap() {
            "gz" => "pprof",
            "gv" => "dot",
            to => to,
        };
        let piped = goheap(["export", dump, "--to", to, "-o", "-"]).done();
        assert!(piped.out == written, "{name}");
    }
}

#[test]
fn a_part_of_the_heap_is_smaller() {
    let dump = recorded();
    let dump = dump.to_str().unwrap();
    let bytes = |of: &[&str]| -> u64 {
        let arguments = [&["export", dump, "--to", "folded", "-o", "-"], of].concat();
        let text = goheap(arguments).done().text();
        let counts = text.lines().map(|line| line.rsplit(' ').next().unwrap());
        counts.map(|count| count.parse::<u64>().unwrap()).sum()
    };
    let top = goheap(["top", dump, "--json"]).done().json();
    let all = bytes(&[]);
    assert_eq!(top["heap"]["reachable_bytes"], all);
    let main = bytes(&["--of", "package:main"]);
    assert!(0 < main && main < all, "{main} of {all}");
}

#[test]
fn a_limit_is_told_of() {
    let dump = recorded();
    let dump = dump.to_str().unwrap();
    let said = goheap([
        "export",
        dump,
        "--to",
        "heapsnapshot",
        "-o",
        "-",
        "--limit",
        "100",
    ]);
    assert!(
        said.err.contains("note: ") && said.err.contains("--limit"),
        "{}",
        said.err
    );
    let value: serde_json::Value = said.json();
    assert_eq!(said.status, Some(0));
    assert!(value["snapshot"]["node_count"].as_u64().unwrap() <= 100);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let folder = folder();
    let dump = recorded();
    let dump = dump.to_str().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    goheap(["export", dump, "-o", &path("heap.bin")]).refused(&["heap.bin", "--to FORMAT"]);
    goheap(["export", dump, "-o", &path("no/such/heap.hprof")]).refused(&["no/such"]);
    goheap(["export", dump, "--to", "png", "-o", "-"]).refused(&["invalid value 'png'", "pprof"]);
    goheap(["export", dump, "-o", &path("x.dot"), "--of", "main.Nothing"])
        .refused(&["nothing is called main.Nothing"]);
    // Nothing is left of what failed.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
