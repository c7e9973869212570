//! The suspect that is named first is the one that was planted (`testkit/programs/suspects`).

use serde_json::Value;

use super::{json, leaking};

/// What is expected of the first suspect: how the program leaks, the kind, how the name begins, what it
/// holds most of and how many; empty and 0 for what is not told or differs.
type Expected = (&'static str, &'static str, &'static str, &'static str, u64);

const LEAKS: [Expected; 17] = [
    ("map", "holder", "main.sessions", "main.session", 5000),
    ("slice", "holder", "main.events", "main.session", 5000),
    ("inline", "holder", "main.inline", "", 0),
    ("list", "holder", "main.head", "main.node", 10_000),
    ("lru", "holder", "main.recent", "main.entry", 5000),
    (
        "shards",
        "holder",
        "main.app.cache.shards",
        "main.session",
        5000,
    ),
    ("two", "holder", "main.app.log", "[]uint8", 5000),
    (
        "shared",
        "holder",
        "several variables of package main",
        "main.session",
        5000,
    ),
    (
        "keyed",
        "holder",
        "main.tenants[\"SECRET-tenant\"].audit",
        "main.session",
        5000,
    ),
    ("values", "holder", "main.values", "main.session", 5000),
    (
        "elsewhere",
        "holder",
        "flag.CommandLine.formal",
        "flag.Flag",
        5000,
    ),
    ("goroutines", "goroutines", "main.handle", "[]uint8", 2000),
    ("idle", "goroutines", "main.idle", "", 0),
    ("timers", "holder", "runtime.allp", "", 0),
    (
        "finalizers",
        "finalizers",
        "queued finalizers",
        "main.resource",
        0,
    ),
    ("garbage", "garbage", "", "", 0),
    ("local", "holder", "", "", 0),
];

#[track_caller]
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn leaks_are_named(version: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for (way, kind, name, class, count) in LEAKS {
        let value = json(folder, &leaking(version, way, folder), &[]);
        let found = value["suspects"]["found"].as_array().expect("suspects");
        let first = found.first().unwrap_or_else(|| panic!("{way}: {value}"));
        assert_eq!(text(first, "kind"), kind, "Go {version}, {way}: {first}");
        assert!(
            text(first, "name").starts_with(name),
            "Go {version}, {way}: {first}"
        );
        let content = &first["content"];
        if !class.is_empty() {
            assert_eq!(text(content, "type"), class, "Go {version}, {way}: {first}");
        }
        if count > 0 {
            assert_eq!(
                content["objects"].as_u64(),
                Some(count),
                "Go {version}, {way}: {first}"
            );
        }
        // It is not some part of what leaks that is named.
        let share = first["share"].as_f64().expect("a share");
        let least = match way {
            "two" => 0.4,
            // Each processor has some of them.
            "timers" => 0.5,
            _ => 0.75,
        };
        assert!(share > least, "Go {version}, {way}: {first}");
        match way {
            "two" => assert_eq!(text(&found[1], "name"), "main.app.cache.shards"),
            "goroutines" => assert_eq!(first["leaked"], 2000),
            "idle" => assert_eq!(first["leaked"], 3000),
            "shards" => assert_eq!(text(content, "through"), "[*].sessions[*]"),
            "list" => assert_eq!(text(content, "through"), "(.next…)"),
            _ => {}
        }
    }
    for way in ["even", "calm"] {
        let value = json(folder, &leaking(version, way, folder), &[]);
        let suspects = &value["suspects"];
        assert_eq!(suspects["found"], Value::Array(Vec::new()), "{way}");
        assert!(text(suspects, "verdict").starts_with("Nothing stands out"));
        assert!(!suspects["largest"].is_null());
    }
}

#[test]
fn leaks_are_named_in_go_1_19() {
    leaks_are_named("1.19.8");
}

#[test]
fn leaks_are_named_in_go_1_23() {
    leaks_are_named("1.23.9");
}

#[test]
fn leaks_are_named_in_go_1_27() {
    leaks_are_named("1.27.3");
}

/// What a suspect says is to be asked for is answered.
#[test]
fn the_next_command_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for way in ["map", "goroutines", "shared", "finalizers"] {
        let value = json(folder, &leaking("1.27.3", way, folder), &[]);
        let first = &value["suspects"]["found"][0];
        let ask: Vec<&str> = first["ask"]
            .as_array()
            .expect("a command")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let (status, out, err) = super::goheap(folder, &ask[1..]);
        assert_eq!(status, Some(0), "{ask:?}: {err}");
        assert!(!out.is_empty());
    }
}
