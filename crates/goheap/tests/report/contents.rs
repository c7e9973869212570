//! What a report has, in its three formats; and what it has not when it is redacted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{goheap, json, leaking, report};

const FORMATS: [&str; 3] = ["html", "md", "json"];

#[test]
fn a_report_is_the_same_whenever_and_wherever_it_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let dump = leaking("1.27.3", "shards", folder);
    fs::create_dir(folder.join("elsewhere")).expect("a folder");
    fs::copy(folder.join(&dump), folder.join("elsewhere/other.core")).expect("a copy");
    for format in FORMATS {
        let once = report(folder, &dump, format, &[]);
        assert_eq!(once, report(folder, &dump, format, &[]));
        let other = report(folder, "elsewhere/other.core", format, &[]);
        assert_ne!(once, other);
        assert_eq!(once, other.replace("other.core", &dump), "{format}");
        // Nor does it tell where the dump lies, or where the program lay.
        let place = folder.to_str().expect("a path");
        assert!(!once.contains(place));
        // The program itself knows, and has it in its heap.
        let redacted = report(folder, &dump, format, &["--redact"]);
        assert!(!redacted.contains("/programs/"), "{format}");
    }
}

#[test]
fn all_parts_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let dump = leaking("1.27.3", "goroutines", folder);
    for (format, heading) in [("html", "<h2 id="), ("md", "## ")] {
        let text = report(folder, &dump, format, &[]);
        for part in [
            "What most likely leaks",
            "Types",
            "Holders",
            "Packages",
            "Who holds what alone",
            "Goroutines",
            "Of no use",
            "Where the memory is",
        ] {
            assert!(text.contains(part), "{format}: {part}");
        }
        assert!(text.matches(heading).count() >= 8, "{format}");
        assert!(text.contains("main.handle") && text.contains("1.27.3"));
        assert!(text.len() < 1 << 20, "{}", text.len());
    }
    let value = json(folder, &dump, &[]);
    assert_eq!(value["schema"], "goheap.report/1");
    assert_eq!(value["source"], dump.as_str());
    for (part, schema) in [
        ("top", "goheap.top/1"),
        ("tree", "goheap.tree/1"),
        ("goroutines", "goheap.goroutines/1"),
        ("waste", "goheap.waste/1"),
    ] {
        assert_eq!(value[part]["schema"], schema);
        // The same as the command says, but for what is left out of it.
        let (_, out, _) = goheap(folder, &[part, &dump, "--json"]);
        let own: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        for same in ["heap", "known", "count", "leaks", "reachable", "pools"] {
            assert_eq!(value[part][same], own[same], "{part}: {same}");
        }
    }
    assert_eq!(value["goroutines"]["groups"][0]["count"], 2000);
    let (_, out, _) = goheap(folder, &["info", &dump, "--json"]);
    let info: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(value["ledger"], info["ledger"]);
}

/// What is planted where contents are told of: a key on the path to what leaks, and a text that is
/// there many times.
#[test]
fn a_redacted_report_has_no_contents() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let dump = leaking("1.27.3", "keyed", folder);
    for format in FORMATS {
        let plain = report(folder, &dump, format, &[]);
        assert!(plain.contains("SECRET-tenant") && plain.contains("SECRET-text"));
        let redacted = report(folder, &dump, format, &["--redact"]);
        assert!(!redacted.contains("SECRET"), "{format}");
        assert!(redacted.contains("main.tenants[*].audit"), "{format}");
    }
}

#[test]
fn a_file_is_its_owners_and_whole_or_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let dump = leaking("1.27.3", "calm", folder);
    for name in ["heap.html", "heap.md", "heap.json"] {
        let (status, out, err) = goheap(folder, &["report", &dump, "-o", name]);
        assert_eq!((status, err.as_str()), (Some(0), ""));
        assert!(out.is_empty());
        let file = fs::metadata(folder.join(name)).expect("a file");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        let format = name.rsplit_once('.').expect("an ending").1;
        let text = fs::read_to_string(folder.join(name)).expect("text");
        assert_eq!(text, report(folder, &dump, format, &[]));
    }
    for (args, says) in [
        (["report", &dump, "-o", "heap.txt"], "which format"),
        (
            ["report", "none.heapdump", "-o", "none.html"],
            "none.heapdump",
        ),
        (["report", &dump, "-o", "none/heap.html"], "none"),
    ] {
        let (status, _, err) = goheap(folder, &args);
        assert_eq!(status, Some(2));
        assert!(err.contains(says), "{err}");
    }
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["calm.heapdump", "heap.html", "heap.json", "heap.md"]
    );
}
