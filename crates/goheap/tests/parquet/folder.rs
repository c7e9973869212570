//! The folder that is written: whole, private, the same for the same dump; and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::goheap;

fn dump() -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dump = package.join("tests/readme/shop.heapdump.zst");
    dump.to_str().expect("UTF-8").to_owned()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("UTF-8");
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

#[track_caller]
fn export(more: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let folder = folder.to_str().expect("UTF-8");
    let dump = dump();
    goheap(&[&["export", &dump, "--to", "parquet", "-o", folder], more].concat())
}

#[test]
fn the_same_dump_gives_the_same_bytes() {
    let scratch = tempfile::tempdir().expect("a folder");
    let [one, other] = ["a/b/one", "other"].map(|name| scratch.path().join(name));
    for folder in [&one, &other] {
        let (status, out, err) = export(&[], folder);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    }
    let (one_has, other_has) = (files(&one), files(&other));
    let names: Vec<&str> = one_has.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "capture.parquet",
            "edges.parquet",
            "frames.parquet",
            "goroutines.parquet",
            "objects.parquet",
            "roots.parquet",
            "spans.parquet",
            "types.parquet",
        ]
    );
    assert!(one_has == other_has);
    let mode = |path: &Path| fs::metadata(path).expect("it").permissions().mode() & 0o777;
    assert_eq!(mode(&one), 0o700);
    assert_eq!(mode(&one.join("edges.parquet")), 0o600);
}

#[test]
fn what_is_there_stays_unless_told_otherwise() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("out");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("types.parquet"), "mine").expect("a file");
    let (status, _, err) = export(&[], &folder);
    assert_eq!(status, Some(2));
    assert!(
        err.contains("is not empty") && err.contains("--force"),
        "{err}"
    );
    assert_eq!(files(&folder).len(), 1);
    let (status, _, err) = export(&["--force"], &folder);
    assert_eq!(status, Some(0), "{err}");
    let files = files(&folder);
    assert_eq!(files.len(), 8);
    assert!(files["types.parquet"].starts_with(b"PAR1"));
    assert_eq!(fs::read_dir(scratch.path()).expect("it").count(), 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = tempfile::tempdir().expect("a folder");
    let refused = |more: &[&str], folder: &Path, why: &str| {
        let (status, out, err) = export(more, folder);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(why), "{err}");
    };
    refused(&[], Path::new("-"), "-o DIR");
    let out = scratch.path().join("out");
    refused(&["--of", "main.Session"], &out, "by SQL");
    let file = scratch.path().join("file");
    fs::write(&file, "").expect("a file");
    refused(&[], &file, "no folder");
    // A dump that is none leaves nothing behind.
    let file = file.to_str().expect("UTF-8");
    let out = out.to_str().expect("UTF-8");
    let (status, ..) = goheap(&["export", file, "--to", "parquet", "-o", out]);
    assert_eq!(status, Some(2));
    assert_eq!(fs::read_dir(scratch.path()).expect("it").count(), 1);
}
