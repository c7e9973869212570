//! The roots oracle: after two collections at a standstill, next to nothing in a mended dump is
//! unreachable. A share that grows is a root that was missed.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;

use goheap_testkit::standstill;

fn check(version: &str, test: &str) {
    let goheap = Path::new(env!("CARGO_BIN_EXE_goheap"));
    let subject = standstill::subject(version, test).expect("a program at a standstill");
    let found = subject.oracle(goheap).expect("a dump");
    assert!(
        found.is_little(),
        "Go {version}, {test}: {} of {} bytes are unreachable, gaps {:?}; most of it:\n{}",
        found.lost,
        found.all,
        found.gaps,
        found.largest.join("\n")
    );
}

for_every_version!(
    crate::check,
    every: [plain, holders],
    whole: [unoptimised, cgo, race, linked, holders_cgo]
);
