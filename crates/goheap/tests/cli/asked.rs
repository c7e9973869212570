//! What fills the heap and who holds it: `top`, `tree` and `why` on a dump of the program that tells
//! the truth of its own heap.

#![cfg(target_os = "linux")]

use std::fs;
use std::sync::LazyLock;

use goheap_testkit::BuildOptions;
use goheap_testkit::truth::{Honest, Truth};
use serde_json::Value;

use crate::live::GO;
use crate::{Said, file, folder, goheap, recorded};

/// The program's truth, and a dump of it.
static DUMPED: LazyLock<(Truth, Vec<u8>)> = LazyLock::new(|| {
    let folder = folder();
    let honest = Honest::start(GO, &BuildOptions::default()).expect("a program");
    let path = folder.path().join("truth.heapdump");
    let pid = honest.running.pid().to_string();
    goheap(["dump", &pid, "-o", path.to_str().unwrap()]).done();
    (honest.truth, fs::read(&path).expect("a dump"))
});

fn asked(args: &[&str]) -> Said {
    let folder = folder();
    let path = file(&folder, "truth.heapdump", &DUMPED.1);
    let (command, more) = args.split_first().unwrap();
    goheap([&[*command, path.to_str().unwrap()], more].concat())
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

#[test]
fn everything_adds_up() {
    let all = [
        "top",
        "--json",
        "-n",
        "5",
        "--by",
        "type",
        "--by",
        "root",
        "--by",
        "size",
        "--by",
        "object",
        "--by",
        "goroutine",
        "--by",
        "package",
    ];
    let top = asked(&all).done().json();
    assert_eq!(top["schema"], "goheap.top/1");
    let heap = &top["heap"];
    let reachable = number(&heap["reachable_bytes"]);
    assert_eq!(
        number(&heap["bytes"]),
        reachable + number(&heap["garbage_bytes"])
    );
    let known = &top["known"];
    let known = ["sure_bytes", "guessed_bytes", "unknown_bytes"].map(|how| number(&known[how]));
    assert_eq!(known.iter().sum::<u64>(), reachable);
    assert!(known[2] * 10 < reachable, "{known:?} of {reachable}");
    let tables = top["tables"].as_array().unwrap();
    let by: Vec<&str> = tables.iter().map(|t| t["by"].as_str().unwrap()).collect();
    assert_eq!(
        by,
        ["type", "root", "size", "object", "goroutine", "package"]
    );
    for table in tables {
        let rows = table["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 5, "{table}");
        let (by, left) = (table["by"].as_str().unwrap(), &table["left_out"]);
        let field = match by {
            "type" | "size" => "own_bytes",
            _ => "retained_bytes",
        };
        let bytes: Vec<u64> = rows.iter().map(|row| number(&row[field])).collect();
        assert!(bytes.is_sorted_by(|a, b| a >= b), "{table}");
        let sum = bytes.iter().sum::<u64>() + number(&left[field]);
        match by {
            "type" | "size" | "root" | "object" => assert_eq!(sum, reachable, "{by}"),
            _ => assert!(sum <= reachable, "{by}"),
        }
    }
    let tree = asked(&["tree", "--json", "--depth", "1", "--min", "0", "-n", "1000"]);
    let tree = tree.done().json();
    assert_eq!(tree["schema"], "goheap.tree/1");
    let top = &tree["top"];
    let branches = top["branches"].as_array().unwrap();
    let sum: u64 = branches.iter().map(|b| number(&b["retained_bytes"])).sum();
    assert_eq!(number(&top["retained_bytes"]), reachable);
    assert_eq!(sum, reachable);
}

#[test]
fn the_overview_fits_one_screen() {
    let text = asked(&["top"]).done().text();
    assert!(text.lines().count() <= 40, "{text}");
    for word in [
        "heap in use",
        "garbage",
        "Types",
        "Holders",
        "main.item",
        "main.",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    // No terminal: no colour, and nothing is shortened.
    assert!(!text.contains(['\x1b', '…']), "{text}");
}

#[test]
fn an_address_has_its_path() {
    let truth = &DUMPED.0;
    let told = truth
        .objects
        .iter()
        .find(|told| {
            told.paths
                .iter()
                .any(|p| p == "main.registry.m[\"k17\"].User")
        })
        .expect("the user of a session");
    let address = format!("{:#x}", told.address);
    let why = asked(&["why", &address, "--json"]).done().json();
    assert_eq!(why["schema"], "goheap.why/1");
    let object = &why["object"];
    assert_eq!(object["type"], "main.user");
    assert_eq!(object["reachable"], true);
    let path = &object["paths"][0];
    assert_eq!(path["path"], "main.registry.m[\"k17\"].User");
    assert_eq!(path["held"], "variable");
    let objects = path["objects"].as_array().unwrap();
    assert_eq!(objects.last().unwrap()["address"], *address);
    // The middle of it is told by its name.
    let middle = format!("{:#x}", told.address + 16);
    let text = asked(&["why", &middle]).done().text();
    assert!(
        text.contains("main.registry.m[\"k17\"].User.Tags"),
        "{text}"
    );
}

#[test]
fn a_type_has_the_ways_to_its_objects() {
    let why = asked(&["why", "session", "--json"]).done().json();
    let class = &why["type"];
    assert_eq!(class["name"], "main.session");
    assert_eq!(class["objects"], 200);
    let way = &class["ways"][0];
    assert_eq!(way["path"], "main.registry.m[*]");
    assert_eq!(way["objects"], 200);
    assert!(number(&way["retained_bytes"]) > number(&way["own_bytes"]));
    let example = way["example"]["path"].as_str().unwrap();
    assert!(example.starts_with("main.registry.m[\"k"), "{example}");
    let text = asked(&["why", "main.session"]).done().text();
    for word in [
        "main.session: 200 objects",
        "main.registry.m[*]",
        "such as main.registry.m[\"k",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn a_variable_is_no_riddle() {
    let why = asked(&["why", "main.chain", "--json"]).done().json();
    assert_eq!(why["variable"]["name"], "main.chain");
    assert_eq!(why["variable"]["type"], "*main.item");
    assert_eq!(why["variable"]["leads_to"], 1);
    let object = &why["variable"]["objects"][0];
    assert_eq!(object["paths"][0]["path"], "main.chain");
    // A list of 2000, as one branch.
    let tree = asked(&["tree", "--under", "main.chain"]).done().text();
    assert!(tree.contains("2,000 × main.item"), "{tree}");
}

#[test]
fn what_is_not_there_is_refused() {
    for (what, words) in [
        ("main.sesion", &["nothing is called main.sesion"][..]),
        ("main.ses", &["nothing is called main.ses", "main.session"]),
        ("0x10", &["no object is at 0x10", "the heap is from 0x"]),
        (
            "goroutine:123456789",
            &["nothing is called goroutine:123456789"],
        ),
    ] {
        asked(&["why", what]).refused(words);
        asked(&["tree", "--under", what]).refused(words);
    }
    asked(&["why", "main.chain", "--paths", "0"]).refused(&["invalid value '0'", "--paths"]);
    asked(&["tree", "--min", "lots"]).refused(&["invalid value 'lots'", "--min", "10MiB"]);
    asked(&["top", "--by", "colour"]).refused(&["invalid value 'colour'", "goroutine"]);
}

#[test]
fn the_same_dump_gives_the_same_answers() {
    for args in [
        &[
            "top", "--by", "type", "--by", "root", "--by", "object", "--by", "package",
        ][..],
        &["tree", "--min", "0"],
        &["why", "main.item", "--paths", "100"],
    ] {
        assert_eq!(asked(args).done().out, asked(args).done().out, "{args:?}");
    }
}

#[test]
fn a_dump_that_knows_no_types_is_told_by_sizes_and_names() {
    let path = recorded();
    let path = path.to_str().unwrap();
    let top = goheap(["top", path]).done().text();
    assert!(top.contains("unknown, "), "{top}");
    assert!(top.contains("main."), "{top}");
}
