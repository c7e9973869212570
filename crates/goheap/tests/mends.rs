//! What differs from `--exact`, difference by difference: the exact dump of an instant shows the fault
//! of the runtime's own dumper, and the mended one of the same instant does not.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;

use goheap_testkit::holders::Build;
use goheap_testkit::standstill;

fn check(version: &str, test: &str) {
    let goheap = Path::new(env!("CARGO_BIN_EXE_goheap"));
    let wrong = match test {
        "phantoms" => standstill::phantoms(goheap, version),
        "roots_of_a_plugin" => standstill::mends(goheap, version, Build::Plugin),
        _ => standstill::mends(goheap, version, Build::Cgo),
    };
    let wrong = wrong.expect("two dumps of a standstill");
    assert!(wrong.is_empty(), "Go {version}: {wrong:#?}");
}

for_every_version!(
    crate::check,
    every: [roots, phantoms],
    whole: [roots_of_a_plugin]
);
