//! `goroutines`, `diff`, `waste`, `check` and info's ledger, asked of real programs: `truth`, which tells
//! what is so, and `leaks`, which has Go's own leak profile say it.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use goheap_testkit::obedient::Obedient;
use goheap_testkit::truth::Honest;
use goheap_testkit::{BuildOptions, build};
use serde_json::Value;

/// Runs goheap; its exit status and what it said.
fn goheap(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_goheap"))
        .args(args)
        .output()
        .expect("goheap to run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text in UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[track_caller]
fn json(args: &[&str]) -> Value {
    let (status, out, err) = goheap(&[args, &["--json"]].concat());
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    serde_json::from_str(&out).expect("JSON")
}

/// A dump of a process, in a folder.
fn dump(pid: u32, folder: &Path, name: &str) -> String {
    let path: PathBuf = folder.join(name);
    let path = path.to_str().expect("a path").to_owned();
    let (status, _, err) = goheap(&["dump", &pid.to_string(), "-o", &path]);
    assert_eq!(status, Some(0), "{err}");
    path
}

fn array<'v>(value: &'v Value, name: &str) -> &'v Vec<Value> {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

fn check(version: &str, _: &str) {
    let honest = Honest::start(version, &BuildOptions::default()).expect("a program");
    let folder = tempfile::tempdir().expect("a folder");
    let dump = dump(honest.running.pid(), folder.path(), "truth.heapdump");
    goroutines(&honest, &dump);
    ledger(&dump);
    waste(&honest, &dump);
    checks(&honest, &dump, folder.path());
    let (status, out, err) = goheap(&["diff", &dump, &dump, "--exit-code"]);
    assert_eq!(status, Some(0), "{out}{err}");
}

/// Groups and who is leaked are as the program says.
fn goroutines(honest: &Honest, dump: &str) {
    let all = json(&["goroutines", dump]);
    assert_eq!(
        (&all["leaks"]["known"], number(&all["leaks"], "undecided")),
        (&Value::Bool(true), 0)
    );
    for told in &honest.truth.groups {
        let groups = array(&all, "groups").iter().filter(|group| {
            let stack = array(group, "stack");
            stack
                .iter()
                .any(|function| *function == told.function.as_str())
        });
        let (mut count, mut leaked) = (0, 0);
        for group in groups {
            count += number(group, "count");
            leaked += number(group, "leaked");
        }
        let expected = if told.leaked { told.count } else { 0 };
        assert_eq!((count, leaked), (told.count, expected), "{told:?}");
    }
    let some = json(&["goroutines", dump, "--leaked"]);
    let count: u64 = array(&some, "groups")
        .iter()
        .map(|group| number(group, "count"))
        .sum();
    assert_eq!(count, number(&all["leaks"], "leaked"));
    assert!(
        array(&some, "groups")
            .iter()
            .all(|group| group["count"] == group["leaked"])
    );
}

/// It adds up, to the byte.
fn ledger(dump: &str) {
    let info = json(&["info", dump]);
    let (ledger, stats) = (&info["ledger"], &info["memstats"]);
    let system = &ledger["system"];
    let parts = number(ledger, "reachable_bytes")
        + number(ledger, "rounding_bytes")
        + number(ledger, "header_bytes")
        + number(&ledger["garbage"], "bytes");
    assert_eq!(parts, number(&ledger["objects"], "bytes"));
    assert_eq!(
        number(&ledger["objects"], "bytes"),
        number(&info, "object_bytes")
    );
    let spans = &ledger["spans"];
    let whole = parts + number(spans, "free_bytes") + number(spans, "tail_bytes");
    assert_eq!(whole, number(spans, "bytes"));
    assert_eq!(
        (&system["unaccounted"], &system["sys_unaccounted"]),
        (&0.into(), &0.into())
    );
    assert_eq!(whole, number(stats, "heap_inuse"));
    let all: u64 = [
        "heap_inuse",
        "stacks",
        "thread_stacks",
        "bookkeeping",
        "idle",
        "released",
    ]
    .map(|name| number(system, name))
    .iter()
    .sum();
    assert_eq!(all, number(stats, "sys"));
    assert!(number(&ledger["resident"], "rss") >= number(&ledger["resident"], "rss_anon"));
    assert!(number(&ledger["resident"], "rss_anon") > 1 << 20);
    let unknown = array(ledger, "reachable")
        .iter()
        .find(|kind| kind["kind"] == "unknown");
    let unknown = number(unknown.expect("unknown"), "bytes");
    assert!(unknown * 5 < parts, "{unknown} of {parts}");
}

/// At least what the program says is wasted.
fn waste(honest: &Honest, dump: &str) {
    let waste = json(&["waste", dump]);
    let told = |kind: &str| {
        let all = honest.truth.waste.iter().filter(|waste| waste.kind == kind);
        all.map(|waste| waste.bytes).sum::<u64>()
    };
    for (kind, part) in [
        ("slice", "slice_tails"),
        ("pin", "pinned"),
        ("duplicate", "duplicate_strings"),
        ("map", "map_slots"),
        ("chan", "channels"),
        ("pool", "pools"),
        ("finalizer", "finalizers"),
        ("cleanup", "cleanups"),
    ] {
        let (told, found) = (told(kind), number(&waste[part], "bytes"));
        assert!(found >= told, "{kind}: {found} of {told}");
    }
    assert!(number(&waste["reachable"], "bytes") > 1 << 20);
    let texts = array(&waste["duplicate_strings"], "largest");
    assert!(
        texts
            .iter()
            .any(|one| one["count"] == 500 && one["text"] == "the same text once more, and again"),
        "{texts:?}"
    );
}

fn checks(honest: &Honest, dump: &str, folder: &Path) {
    let leaked: u64 = honest
        .truth
        .groups
        .iter()
        .filter(|g| g.leaked)
        .map(|g| g.count)
        .sum();
    let items = honest.truth.values()["main.item"].len();
    let junit = folder.join("checks.xml");
    let args = [
        "check",
        dump,
        "--max",
        &format!("type:main.item={items}"),
        "--max",
        "retained:main=1GiB",
        "--max",
        &format!("leaked-goroutines={leaked}"),
        "--max",
        "heap=1KiB",
        "--junit",
        junit.to_str().expect("a path"),
    ];
    let (status, out, err) = goheap(&args);
    assert_eq!((status, err.as_str()), (Some(1), ""), "{out}");
    // Between them stands what a limit that holds may miss.
    let words: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| matches!(*word, "pass" | "FAIL"))
        .collect();
    assert_eq!(words, ["pass", "pass", "pass", "FAIL"], "{out}");
    let xml = std::fs::read_to_string(junit).expect("a report");
    assert!(xml.contains("tests=\"4\" failures=\"1\""), "{xml}");
    let (status, out, _) = goheap(&["check", dump, "--no-leaked-goroutines"]);
    assert_eq!(status, Some(1));
    assert!(out.contains("in main.leakRecv"), "{out}");
    let (status, out, _) = goheap(&["check", dump, "--max", "heap=1GiB"]);
    assert_eq!(status, Some(0), "{out}");
    let (status, _, err) = goheap(&["check", dump, "--max", "type:main.noSuchType=1"]);
    assert_eq!(status, Some(2));
    assert!(err.contains("no type main.noSuchType"), "{err}");
}

for_every_version!(crate::check, every: [tells_the_truth], whole: []);

/// Who waits for ever is exactly who Go's own profile finds, in the same process.
#[test]
fn leaked_goroutines_are_those_of_gos_own_profile() {
    let program = build("1.27.3", "leaks", &BuildOptions::default()).expect("a program");
    let mut running = Obedient::start(&program, &[]).expect("a program");
    let folder = tempfile::tempdir().expect("a folder");
    let dump = dump(running.pid(), folder.path(), "leaks.heapdump");
    let all = json(&["goroutines", &dump]);
    assert_eq!(number(&all["leaks"], "undecided"), 0);
    let ours: BTreeSet<u64> = array(&all, "groups")
        .iter()
        .flat_map(|group| array(group, "goroutines"))
        .filter(|goroutine| goroutine["leaked"] == true)
        .map(|goroutine| number(goroutine, "id"))
        .collect();
    let theirs = running.ask("profile", "leaked").expect("a profile");
    let theirs: BTreeSet<u64> = theirs
        .split_whitespace()
        .map(|id| id.parse().expect("a number"))
        .collect();
    assert!(theirs.len() > 30, "{theirs:?}");
    assert_eq!(ours, theirs);
}

/// Two dumps of one process: what it has made in between is new, and is told by type and holder.
#[test]
fn a_process_that_grows_is_seen_to_grow() {
    let program = build("1.27.3", "churn", &BuildOptions::default()).expect("a program");
    let running = Obedient::start(&program, &[]).expect("a program");
    let folder = tempfile::tempdir().expect("a folder");
    let before = dump(running.pid(), folder.path(), "before.heapdump");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let after = dump(running.pid(), folder.path(), "after.heapdump");
    let diff = json(&["diff", &before, &after]);
    assert_eq!(diff["same_process"], "same");
    assert_eq!(diff["differs"], true);
    let by = &diff["by_address"];
    let total = |side: &str| number(&diff[side], "objects");
    assert_eq!(
        (
            number(&by["survived"], "objects") + number(&by["gone"], "objects"),
            number(&by["survived"], "objects") + number(&by["new"], "objects"),
        ),
        (total("before"), total("after"))
    );
    assert!(number(&by["new"], "objects") > 0 && number(&by["survived"], "objects") > 0);
    assert_eq!(json(&["diff", &after, &before])["same_process"], "reversed");
    let (status, _, _) = goheap(&["diff", &before, &after, "--exit-code"]);
    assert_eq!(status, Some(1));
}
