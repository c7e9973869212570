//! A dump without user data: a program that has some in every kind of place, known by eight bytes of
//! text and four of numbers, is dumped as it is and redacted. The one is full of them, the other has
//! none, and both answer the same.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build};
use serde_json::Value;

/// What is in texts and in numbers (`canaries/main.go`).
const CANARIES: [&[u8]; 2] = [b"KANARIE!", &0xca4a_31e5_u32.to_le_bytes()];

fn check(version: &str, _: &str) {
    let program = build(version, "canaries", &BuildOptions::default()).expect("a program");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let (plain, runtime) = (file("plain"), file("runtime"));
    {
        let mut running = Obedient::start(&program, &[]).expect("a program");
        let pid = running.pid().to_string();
        goheap(&["dump", &pid, "-o", &name(&plain)]);
        goheap(&["dump", &pid, "--redact", "-o", &name(&file("live"))]);
        running.dump(&runtime).expect("its own dump");
    }
    let redacted = file("redacted");
    goheap(&["dump", &name(&plain), "--redact", "-o", &name(&redacted)]);
    let of_runtime = file("of runtime");
    goheap(&[
        "dump",
        &name(&runtime),
        "--redact",
        "-o",
        &name(&of_runtime),
    ]);

    for whole in [&plain, &runtime] {
        for (canary, found) in CANARIES.iter().zip(canaries(whole)) {
            assert!(found > 10_000, "{found} times {canary:?}");
        }
    }
    for without in [&redacted, &file("live"), &of_runtime] {
        assert_eq!(canaries(without), [0, 0], "Go {version}: {without:?}");
        goheap(&["verify", &name(without)]);
    }
    let same = |command: &[&str]| {
        let of = |dump: &Path| {
            let dump = name(dump);
            let mut args = vec![command[0], &dump];
            args.extend(&command[1..]);
            args.push("--json");
            let mut value: Value = serde_json::from_slice(&goheap(&args)).expect("JSON");
            value["source"] = Value::Null;
            // What reflect made at run time has its type in the heap, as user data: below.
            value["known"] = Value::Null;
            value
        };
        assert_eq!(of(&plain), of(&redacted), "Go {version}: {command:?}");
    };
    same(&["tree"]);
    same(&["top", "--by", "root"]);
    same(&["top", "--by", "goroutine"]);
    same(&["goroutines"]);
    same(&["why", "main.user"]);
    let types = |dump: &Path| types(&goheap(&["top", &name(dump), "--json", "-n", "1000"]));
    let (before, after) = (types(&plain), types(&redacted));
    let own = before.iter().filter(|row| row.contains("main.")).count();
    assert!(own > 5, "{own} types of the program's own");
    let lost: Vec<&String> = before.iter().filter(|row| !after.contains(row)).collect();
    assert!(
        lost.iter().all(|row| !row.contains("main.")) && lost.len() < 8,
        "Go {version}: {lost:#?}"
    );
}

fn name(path: &Path) -> String {
    path.to_str().expect("a path of text").to_owned()
}

/// What goheap writes to its standard output. It must end well.
fn goheap(args: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_goheap"))
        .args(args)
        .output()
        .expect("goheap to start");
    assert!(
        output.status.success(),
        "goheap {args:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// How often each canary is in a file.
fn canaries(path: &Path) -> [usize; 2] {
    let bytes = fs::read(path).expect("a dump");
    CANARIES.map(|canary| {
        let first = canary[0];
        bytes
            .iter()
            .enumerate()
            .filter(|(at, byte)| **byte == first && bytes[*at..].starts_with(canary))
            .count()
    })
}

/// The rows of types, with their numbers.
fn types(json: &[u8]) -> Vec<String> {
    let value: Value = serde_json::from_slice(json).expect("JSON");
    let rows = value["tables"][0]["rows"].as_array().expect("rows");
    let text = |row: &Value| {
        let of = |name: &str| row[name].to_string();
        format!(
            "{}: {} objects, {} bytes, {} retained",
            of("name"),
            of("objects"),
            of("own_bytes"),
            of("retained_bytes")
        )
    };
    rows.iter().map(text).collect()
}

for_every_version!(crate::check, every: [redacted], whole: []);
