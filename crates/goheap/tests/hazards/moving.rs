//! Processes that change while they are captured: they start children and threads, end, execute
//! themselves anew, or leave nobody a moment of rest.

use std::fs;
use std::process::{Command, Stdio};

use goheap_testkit::obedient::Obedient;

use crate::{METHODS, Outcome, binary, capture, counted, eventually, field, is_open, program};

/// Captures of each program by each method.
const CAPTURES: usize = 3;

fn moving(arguments: &[&str]) -> Obedient {
    Obedient::start(&program("moving", false), arguments).expect("a program")
}

/// Captures it by all methods; it has gone on meanwhile, and nothing went wrong.
fn goes_on_through_captures(how: &str) {
    let mut running = moving(&[how]);
    for method in METHODS {
        if !is_open(method, running.pid()) {
            continue;
        }
        let (before, _) = counted(&mut running);
        for _ in 0..CAPTURES {
            capture(running.pid(), method);
        }
        eventually("more to be done", || {
            (counted(&mut running).0 > before + 10).then_some(())
        });
        let (_, wrong) = counted(&mut running);
        assert_eq!(wrong, 0, "--method {method}: {}", running.said());
    }
    assert_eq!(
        field(&format!("/proc/{}/status", running.pid()), "TracerPid"),
        "0"
    );
}

/// Its children are none of goheap's business: they work out what they should, and end well.
#[test]
fn one_that_forks_all_the_time() {
    goes_on_through_captures("forks");
}

#[test]
fn one_that_starts_and_ends_threads_all_the_time() {
    goes_on_through_captures("threads");
}

/// All processors are taken, and threads fight for a lock.
#[test]
fn one_that_leaves_no_moment_of_rest() {
    goes_on_through_captures("busy");
}

#[test]
fn one_with_a_thousand_threads() {
    let mut running = moving(&["thousand"]);
    let threads = || field(&format!("/proc/{}/status", running.pid()), "Threads");
    let before: usize = threads().parse().expect("a number");
    assert!(before > 1000, "{before} threads");
    for method in METHODS {
        if is_open(method, running.pid()) {
            capture(running.pid(), method);
        }
    }
    // Go may have started one more for itself; none has ended.
    let after: usize = threads().parse().expect("a number");
    assert!(after >= before, "{after} of {before} threads");
    counted(&mut running);
}

/// A dump into a file: its status and what it said. The file is whole, or there is none.
fn dump_into_a_file(pid: u32, method: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("its.heapdump");
    let mut command = Command::new(binary());
    command.args(["dump", &pid.to_string(), "--json", "--method", method, "-o"]);
    let outcome = Outcome::of(command.arg(&path));
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    match outcome.status {
        Some(0) => {
            assert_eq!(names, ["its.heapdump"]);
            let mut verify = Command::new(binary());
            verify.arg("verify").arg(&path).stdout(Stdio::null());
            assert!(verify.status().expect("goheap to run").success());
        }
        status => {
            assert_eq!(status, Some(2), "{}", outcome.said);
            assert!(names.is_empty(), "{names:?} was left: {}", outcome.said);
            assert_eq!(outcome.said.lines().count(), 1, "{}", outcome.said);
        }
    }
    outcome
}

/// It ends somewhere between before goheap's start and after its end.
#[test]
fn one_that_ends_meanwhile() {
    let (mut captured, mut ended) = (0, 0);
    for method in METHODS {
        let probe = moving(&["idle"]);
        if !is_open(method, probe.pid()) {
            continue;
        }
        for n in 0..14_u32 {
            let running = moving(&["exits", &(n * 12).to_string()]);
            let outcome = dump_into_a_file(running.pid(), method);
            if outcome.status == Some(0) {
                captured += 1;
                continue;
            }
            ended += 1;
            let told = ["ended", "no process", "is gone"];
            assert!(
                told.iter().any(|word| outcome.said.contains(word)),
                "--method {method}, after {} ms: {}",
                n * 12,
                outcome.said
            );
        }
    }
    eprintln!("captured {captured} times, ended before that {ended} times");
    assert!(ended > 0);
}

/// It becomes another process, as far as memory goes, every few milliseconds.
#[test]
fn one_that_executes_itself_anew() {
    for method in METHODS {
        let probe = moving(&["idle"]);
        if !is_open(method, probe.pid()) {
            continue;
        }
        for every in ["7", "40"] {
            let mut running = moving(&["execs", every]);
            for _ in 0..6 {
                let outcome = dump_into_a_file(running.pid(), method);
                assert!(!running.has_ended(), "--method {method}: {}", outcome.said);
            }
            // Whatever came of it, it is free.
            let status = format!("/proc/{}/status", running.pid());
            assert_eq!(field(&status, "TracerPid"), "0");
        }
    }
}
