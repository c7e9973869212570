//! Oracle pairs: what goheap makes of the core of a program for another processor is what the
//! runtime wrote of it a moment before, and the same without DWARF. `cargo xtask oracle-pairs` has all
//! of them; here are one of a big-endian processor and one of arm64, in qemu, and a 32-bit one of this
//! processor's own, which is captured live as well.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::Path;

use goheap_testkit::capture::{Capture, capture};
use goheap_testkit::pairs::{self, Compared};

fn goheap() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_goheap"))
}

fn assert_agree(compared: &Compared) {
    let first: Vec<&String> = compared.wrong.iter().take(8).collect();
    assert!(first.is_empty(), "{first:#?}\n{:#?}", compared.same);
    // A comparison of nothing would find nothing.
    for kind in ["object", "goroutine", "frame", "itab", "data", "bss"] {
        assert!(compared.same.contains_key(kind), "{kind}");
    }
}

fn assert_no_gaps(capture: &Capture) {
    let mut gaps = capture.gaps();
    gaps.retain(|gap| !gap.ends_with(pairs::IN_A_HANDLER));
    assert!(gaps.is_empty(), "{gaps:#?}");
}

fn pair(version: &str, goarch: &str) {
    if !pairs::can_run(goarch) {
        eprintln!("SKIPPED a pair for {goarch}: its programs do not run here (install qemu-user)");
        return;
    }
    // Between its dump and its core a program may go on: the scavenger does, on a busy machine. That
    // is not so each time.
    for last in [false, false, true] {
        if agrees(version, goarch, last) {
            break;
        }
    }
}

/// Makes a pair, and compares. Whether the two are the same; if it is the `last` one they have to be.
fn agrees(version: &str, goarch: &str, last: bool) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = pairs::make(version, goarch, folder.path()).expect("a pair");
    let runtime = std::fs::read(&pair.dump).expect("the runtime's dump");
    let core = pair.core.to_str().expect("a path in UTF-8");
    let exe = pair.program.executable.to_str().expect("a path in UTF-8");
    let exact = capture(goheap(), core, &["--exe", exe, "--exact"]).expect("a dump of the core");
    let compared = pairs::compare(&runtime, &exact.dump).expect("two dumps");
    if !last && !compared.wrong.is_empty() {
        eprintln!("{goarch}: once more: {:#?}", compared.wrong);
        return false;
    }
    assert_agree(&compared);
    assert_no_gaps(&exact);
    let mended = capture(goheap(), core, &["--exe", exe]).expect("a mended dump of the core");
    assert_no_gaps(&mended);
    for alteration in pairs::alterations(goarch) {
        let altered = alteration.copy_of(&pair.program.executable);
        let altered = altered.expect("a copy of the program");
        let exe = altered.to_str().expect("a path in UTF-8");
        let less = capture(goheap(), core, &["--exe", exe, "--exact"]).expect("a dump");
        assert!(less.dump == exact.dump, "{goarch}: {alteration:?}");
    }
    true
}

#[test]
fn big_endian() {
    pair("1.27.3", "s390x");
}

/// Without symbols as well.
#[test]
fn stripped_for_another_processor() {
    pair("1.24.3", "arm64");
}

#[test]
fn words_of_32_bits() {
    pair("1.19.8", "386");
}

#[test]
fn live_with_words_of_32_bits() {
    if !pairs::can_run("386") {
        eprintln!("SKIPPED live_with_words_of_32_bits: this kernel does not run such programs");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (captured, dump) = pairs::live("1.19.8", "386", folder.path(), |pid| {
        capture(goheap(), &pid.to_string(), &["--exact"])
    })
    .expect("a program");
    let captured = captured.expect("a capture");
    assert_no_gaps(&captured);
    let runtime = std::fs::read(&dump).expect("the runtime's dump");
    assert_agree(&pairs::compare_earlier(&captured.dump, &runtime).expect("two dumps"));
}
