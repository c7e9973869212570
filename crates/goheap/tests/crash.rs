//! The runtime's own dumper kills programs that goheap captures. The program `crash` is in the states
//! that it dies of: left alone, its `debug.WriteHeapDump` ends it (runtime/heapdump.go, go1.26 and
//! go1.27: `dumpgs`); captured from outside, it goes on and answers.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::{Duration, Instant};

use goheap_format::Reader;
use goheap_format::verify::verify;
use goheap_testkit::capture::capture;
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program, build, second_reader};

/// What the runtime says when it kills the program.
const FATAL: &str = "fatal error: dumpgs in STW - bad status";

/// Captures of each program.
const CAPTURES: usize = 20;

/// How long a program that dies at random is given to die, all tries together.
const PATIENCE: Duration = Duration::from_secs(30);

/// `_Gleaked` (runtime/runtime2.go, go1.27).
const LEAKED: u64 = 10;

fn crash(version: &str) -> Program {
    build(version, "crash", &BuildOptions::default()).expect("a program")
}

/// Lets the program dump its own heap; whether it died of that, as it should.
fn dies(running: &mut Obedient, dumps: usize) -> bool {
    let answer = running.ask(&format!("dump {dumps}"), "dumped");
    let Err(error) = answer else { return false };
    assert!(error.to_string().contains(FATAL), "{error}");
    true
}

/// How many reads have come back, and how many goroutines there are.
fn answer(running: &mut Obedient) -> (u64, u64) {
    let said = running.ask("answer", "answer ").expect("it lives");
    let (reads, goroutines) = said.split_once(' ').expect("two numbers");
    (
        reads.parse().expect("reads"),
        goroutines.parse().expect("goroutines"),
    )
}

/// Captures it many times: each dump is sound and has at least `least` goroutines of its own, and in
/// between the program answers. `seen` is shown each dump.
fn captured(running: &mut Obedient, least: u64, mut seen: impl FnMut(&second_reader::Dump)) {
    let pid = running.pid().to_string();
    for n in 0..CAPTURES {
        let capture =
            capture(Path::new(env!("CARGO_BIN_EXE_goheap")), &pid, &[]).expect("a capture");
        let verdict = verify(Reader::new(&capture.dump[..]).expect("a header"));
        assert!(verdict.is_sound(), "capture {n}: {:?}", verdict.problems);
        let dump = second_reader::read(&capture.dump).expect("a dump");
        let goroutines = dump.of("goroutine").filter(|g| g.int("system") == Some(0));
        let goroutines = goroutines.count() as u64;
        assert!(goroutines >= least, "capture {n}: {goroutines} of {least}");
        // A gap is a moment that cannot be seen through, which such a load may come to have.
        for gap in capture.gaps() {
            eprintln!("capture {n}: gap: {gap}");
        }
        seen(&dump);
        let (_, there) = answer(running);
        assert!(there >= least, "capture {n}: {there} goroutines");
    }
}

/// 64 goroutines in and out of read(2): when the runtime dumps while one of them is on its way out,
/// it kills the program. That is up to chance, so a program that lived on is only told of.
fn dies_of_system_calls(version: &str) {
    let program = crash(version);
    let deadline = Instant::now() + PATIENCE;
    let mut tries = 0;
    while Instant::now() < deadline {
        tries += 1;
        let mut running = Obedient::start(&program, &[]).expect("a program");
        let end = deadline.min(Instant::now() + Duration::from_secs(10));
        while Instant::now() < end {
            if dies(&mut running, 20) {
                eprintln!("Go {version}: died of its own dump at try {tries}");
                return;
            }
        }
    }
    eprintln!(
        "NOT REPRODUCED: Go {version}: the program survived its own dumps for {} s",
        PATIENCE.as_secs()
    );
}

fn lives_in_system_calls(version: &str) {
    let mut running = Obedient::start(&crash(version), &[]).expect("a program");
    let (before, _) = answer(&mut running);
    captured(&mut running, 64, |_| {});
    let (after, _) = answer(&mut running);
    assert!(after > before, "nothing was read while it was captured");
}

mod go1_26_6 {
    use super::*;

    #[test]
    #[ignore = "xtask matrix"]
    fn dies_of_its_own_dump_in_system_calls() {
        dies_of_system_calls("1.26.6");
    }

    #[test]
    #[ignore = "xtask matrix"]
    fn lives_through_captures_in_system_calls() {
        lives_in_system_calls("1.26.6");
    }
}

mod go1_27_3 {
    use super::*;

    #[test]
    #[ignore = "xtask matrix"]
    fn dies_of_its_own_dump_in_system_calls() {
        dies_of_system_calls("1.27.3");
    }

    #[test]
    fn lives_through_captures_in_system_calls() {
        lives_in_system_calls("1.27.3");
    }

    /// A goroutine that a goroutine-leak profile has marked kills the program at its next dump,
    /// always.
    #[test]
    fn dies_of_its_own_dump_after_a_leak_profile() {
        let mut running = Obedient::start(&crash("1.27.3"), &["leaked"]).expect("a program");
        assert!(dies(&mut running, 1), "it has survived its own dump");
    }

    #[test]
    fn lives_through_captures_after_a_leak_profile() {
        let mut running = Obedient::start(&crash("1.27.3"), &["leaked"]).expect("a program");
        captured(&mut running, 8, |dump| {
            let leaked = dump
                .of("goroutine")
                .filter(|g| g.int("status") == Some(LEAKED));
            assert_eq!(leaked.count(), 8, "goroutines marked as leaked");
        });
        // Its own dump would still have been its end: the captures have not changed that.
        assert!(dies(&mut running, 1), "it has survived its own dump");
    }
}
