//! Lists that one kind of holder holds alone, in a program that stands still, and in one that
//! allocates, collects and moves them about flat out: each is whole and reachable in every capture,
//! and what nothing holds is not. `cargo xtask moments` does the same with many more captures.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;

use goheap_testkit::capture::capture;
use goheap_testkit::holders::{self, Build};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::standstill::Standstill;

/// Captures of a program under load.
const CAPTURES: usize = 3;

fn check(version: &str, test: &str) {
    match test {
        "standing" => standing(version, Build::Plain),
        "standing_cgo" => standing(version, Build::Cgo),
        "standing_plugin" => standing(version, Build::Plugin),
        _ => loaded(version, Build::Cgo, "flat-out"),
    }
}

fn goheap() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_goheap"))
}

fn pairs(environment: &[(String, String)]) -> Vec<(&str, &str)> {
    environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn standing(version: &str, how: Build) {
    let standstill = Standstill::holders(version, how).expect("a program at a standstill");
    match standstill.judge(goheap()).expect("a dump") {
        Ok(lists) => assert!(lists > 40, "only {lists} lists"),
        Err(wrong) => panic!("Go {version}, {how:?}: {wrong:#?}"),
    }
}

fn loaded(version: &str, how: Build, load: &str) {
    let (program, environment) = holders::program(version, how).expect("a program");
    let mut environment = pairs(&environment);
    environment.push(("HOLDERS_LOAD", load));
    let running = Obedient::start_in(&program, &[], &environment).expect("a program");
    let lists = holders::lists(&running.said()).expect("lists");
    assert!(lists.len() > 50, "only {} lists", lists.len());
    for n in 0..CAPTURES {
        let capture = capture(goheap(), &running.pid().to_string(), &[]).expect("a dump");
        let verdict = holders::judge(&lists, &capture.dump).expect("a dump");
        assert!(
            verdict.wrong.is_empty(),
            "Go {version}, capture {n}, gaps {:?}: {:#?}",
            capture.gaps(),
            verdict.wrong
        );
        assert_eq!(verdict.right, lists.len());
    }
}

for_every_version!(
    crate::check,
    every: [standing, flat_out],
    whole: [standing_cgo, standing_plugin]
);
