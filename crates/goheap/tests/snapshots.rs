//! An analysed snapshot of a real program's dump says what that dump says, byte for byte: of a mended one, of
//! one without an annex, of the runtime's own with and without its executable, of a redacted one. What does
//! not fit is told, and the answers are those of the dump.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build};
use serde_json::Value;

/// What every dump is asked. It is called `x`, and so is its snapshot, in another folder.
const SOME: [&[&str]; 3] = [
    &[
        "top", "x", "--json", "-n", "1000", "--by", "type", "--by", "root", "--by", "object",
    ],
    &["tree", "x", "--json"],
    &["goroutines", "x", "--json"],
];

/// What one with types is asked beside that.
const MORE: [&[&str]; 6] = [
    &["top", "x"],
    &["why", "x", "main.user"],
    &["why", "x", "main.user", "--json"],
    &["waste", "x", "--json"],
    &[
        "check",
        "x",
        "--json",
        "--max",
        "heap=1GiB",
        "--max",
        "type:main.user=100000",
    ],
    &["diff", "x", "../other", "--json"],
];

/// A folder with a dump, and one with its snapshot.
struct Pair {
    dump: PathBuf,
    snapshot: PathBuf,
}

impl Pair {
    /// The snapshot of a dump, written with more options.
    fn of(folder: &Path, dump: &Path, export: &[&str]) -> Pair {
        let pair = Pair {
            dump: folder.join("dump"),
            snapshot: folder.join("snapshot"),
        };
        for folder in [&pair.dump, &pair.snapshot] {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::copy(dump, pair.dump.join("x")).expect("a copy");
        let to = pair.snapshot.join("x");
        let from = pair.dump.join("x");
        let args = ["export", name(&from), "--to", "snapshot", "-o", name(&to)];
        let said = goheap(folder, &[&args, export].concat());
        let said = String::from_utf8(said).expect("text");
        assert!(said.contains("analysed: "), "{said}");
        pair
    }

    /// Both say the same; the dump is asked with `exe`.
    fn same(&self, commands: &[&[&str]], exe: &[&str]) {
        for command in commands {
            let of_dump = goheap(&self.dump, &[command, exe].concat());
            let of_snapshot = goheap(&self.snapshot, command);
            assert!(
                of_dump == of_snapshot,
                "{command:?}: {} but {}",
                String::from_utf8_lossy(&of_dump),
                String::from_utf8_lossy(&of_snapshot)
            );
        }
    }

    fn info(&self, of: &Path) -> Value {
        let said = goheap(of, &["info", "x", "--json", "--ledger"]);
        serde_json::from_slice(&said).expect("JSON")
    }
}

fn check(version: &str, _: &str) {
    let program = build(version, "canaries", &BuildOptions::default()).expect("a program");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let [mended, exact, runtime] = ["mended", "exact", "runtime"].map(file);
    {
        let mut running = Obedient::start(&program, &[]).expect("a program");
        let pid = running.pid().to_string();
        goheap(folder.path(), &["dump", &pid, "-o", name(&mended)]);
        goheap(
            folder.path(),
            &["dump", &pid, "--exact", "-o", name(&exact)],
        );
        running.dump(&runtime).expect("its own dump");
    }
    let redact = |dump: &Path, to: &str| {
        let to = file(to);
        goheap(
            folder.path(),
            &["dump", name(dump), "--redact", "-o", name(&to)],
        );
        to
    };
    let redacted = redact(&mended, "redacted");
    let pair = |of: &str, dump: &Path, export: &[&str]| {
        let pair = Pair::of(&file(of), dump, export);
        fs::copy(&mended, file(of).join("other")).expect("a copy");
        pair
    };
    let all = [&SOME[..], &MORE[..]].concat();

    let of_mended = pair("of mended", &mended, &[]);
    of_mended.same(&all, &[]);
    head(&of_mended);
    redacted_is_redacted(&of_mended, &redacted, &file("again"));
    changed(&of_mended);
    cut(&of_mended);
    compressed(&of_mended);

    let of_exact = pair("of exact", &exact, &[]);
    of_exact.same(&SOME, &[]);
    head(&of_exact);
    pair("of runtime", &runtime, &[]).same(&SOME, &[]);
    let exe = ["--exe", name(&program.executable)];
    pair("of runtime by exe", &runtime, &exe).same(&all, &exe);
    pair("of redacted", &redacted, &[]).same(&all, &[]);
}

/// `info` and `verify` tell that it is analysed, and else the same.
fn head(pair: &Pair) {
    let (mut dump, mut snapshot) = (pair.info(&pair.dump), pair.info(&pair.snapshot));
    assert_eq!(snapshot["analysis"]["used"], true, "{snapshot}");
    assert_eq!(dump["analysis"], Value::Null);
    if dump["annex"].is_null() {
        // It has one for this alone.
        assert_eq!(dump["gaps"], Value::Null);
        dump["annex"] = serde_json::json!({ "rows": {}, "error": null });
    }
    let rows = snapshot["annex"]["rows"].as_object_mut().expect("rows");
    for section in [
        "analysis",
        "class",
        "capturedlength",
        "dominated",
        "objectclass",
    ] {
        let found = rows.remove(section).is_some();
        assert!(found || section == "capturedlength", "{section}");
    }
    for value in [&mut dump, &mut snapshot] {
        value["analysis"] = Value::Null;
        // It is larger.
        for size in ["file_bytes", "trailing_bytes"] {
            value["source"][size] = Value::Null;
        }
    }
    assert_eq!(snapshot, dump);
    let said = goheap(&pair.snapshot, &["verify", "x"]);
    let said = String::from_utf8(said).expect("text");
    assert!(said.contains("; analysed: by version "), "{said}");
}

/// A redacted snapshot is the redacted dump.
fn redacted_is_redacted(pair: &Pair, redacted: &Path, to: &Path) {
    goheap(&pair.snapshot, &["dump", "x", "--redact", "-o", name(to)]);
    assert!(fs::read(to).expect("a dump") == fs::read(redacted).expect("a dump"));
}

/// A snapshot whose records have changed since answers what its dump would, and says why that took long.
fn changed(pair: &Pair) {
    let mut bytes = fs::read(pair.snapshot.join("x")).expect("a snapshot");
    let canary = bytes.windows(8).position(|bytes| bytes == b"KANARIE!");
    bytes[canary.expect("user data")] = b'k';
    let changed = pair.snapshot.join("changed");
    fs::write(&changed, &bytes).expect("a file");
    let said = goheap(&pair.snapshot, &["verify", "changed"]);
    let said = String::from_utf8(said).expect("text");
    assert!(
        said.contains("; analysed: not used, for the checksum"),
        "{said}"
    );
    let top = |of: &Path, name: &str| -> Value {
        let said = goheap(of, &["top", name, "--json"]);
        serde_json::from_slice(&said).expect("JSON")
    };
    let (dump, changed) = (top(&pair.dump, "x"), top(&pair.snapshot, "changed"));
    assert_eq!(changed["tables"], dump["tables"]);
    let missing = changed["missing"][0].as_str().unwrap_or_default();
    assert!(
        missing.starts_with("what its analysis found out is not used"),
        "{changed}"
    );
    assert_eq!(dump["missing"].as_array().map(Vec::len), Some(0));
}

/// One that was cut off answers what its dump would, and `info` tells.
fn cut(pair: &Pair) {
    let bytes = fs::read(pair.snapshot.join("x")).expect("a snapshot");
    fs::write(pair.snapshot.join("cut"), &bytes[..bytes.len() - 40]).expect("a file");
    let info = goheap(&pair.snapshot, &["info", "cut", "--json"]);
    let info: Value = serde_json::from_slice(&info).expect("JSON");
    assert_eq!(info["analysis"]["used"], false, "{info}");
    let top = |of: &Path, name: &str| -> Value {
        let said = goheap(of, &["top", name, "--json"]);
        serde_json::from_slice(&said).expect("JSON")
    };
    let cut = top(&pair.snapshot, "cut");
    assert_eq!(cut["tables"], top(&pair.dump, "x")["tables"]);
    let missing = cut["missing"][0].as_str().unwrap_or_default();
    assert!(missing.contains("it was cut off"), "{missing}");
}

/// It may be compressed, and made again of itself.
fn compressed(pair: &Pair) {
    let here = &pair.snapshot;
    goheap(
        here,
        &["export", "x", "--to", "snapshot", "-o", "again.zst"],
    );
    let top = |name: &str| goheap(here, &["top", name, "--by", "type"]);
    assert!(top("x") == top("again.zst"));
    let info = goheap(here, &["info", "again.zst", "--json"]);
    let info: Value = serde_json::from_slice(&info).expect("JSON");
    assert_eq!(info["analysis"]["used"], true, "{info}");
}

fn name(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// What goheap writes to its standard output, run in a folder. It must end well.
#[track_caller]
fn goheap(folder: &Path, args: &[&str]) -> Vec<u8> {
    fs::create_dir_all(folder).expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_goheap"))
        .args(args)
        .current_dir(folder)
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

for_every_version!(crate::check, every: [], whole: [says_what_its_dump_says]);
