//! Snapshots of a process that changes its memory in every way that there is, all the time, compared
//! with its memory byte for byte. The target is this very binary, started again with a role.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod churn;
#[path = "../../examples/compare/judge.rs"]
mod judge;

use std::time::Duration;

use churn::Churner;
use goheap_process::{Method, Process, ProcessError, Snapshot, SnapshotOptions, StopOptions};
use judge::Judge;

fn options(churner: &Churner, method: Method) -> SnapshotOptions {
    SnapshotOptions {
        stop: StopOptions {
            // The judge reads all of it within the stop.
            max_pause: Duration::from_secs(120),
            ..StopOptions::default()
        },
        method: Some(method),
        directory: std::env::temp_dir(),
        beside: 0,
        sites: vec![churner.site.clone()],
    }
}

/// Takes snapshots and compares them.
fn compare(method: Method, times: u32) {
    let mut churner = Churner::start();
    for round in 0..times {
        let process = Process::find(churner.pid()).expect("find");
        let mut judge = Judge::new(churner.pid());
        judge.refuse = round % 2;
        let snapshot = match process.snapshot(&options(&churner, method), &mut judge) {
            Ok(snapshot) => snapshot,
            Err(error) => return assert_too_old(&error),
        };
        let verdict = judge.judge(&snapshot);
        assert!(
            verdict.wrong.is_empty(),
            "{:?}: {:#?}",
            snapshot.taken(),
            verdict.wrong
        );
        assert!(
            verdict.pages > 10_000 && verdict.absent > 1_000,
            "{verdict:?}"
        );
        end(snapshot);
        churner.assert_untouched();
        churner.assert_goes_on();
    }
}

fn end(snapshot: Snapshot) {
    let taken = snapshot.end().expect("nothing is left");
    assert!(taken.settled, "{taken:?}");
}

/// Writes are tracked since kernel 6.7; that is the one excuse.
fn assert_too_old(error: &ProcessError) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("the release");
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|number| number.parse::<u32>().ok());
    let release = (numbers.next(), numbers.next());
    assert!(release < (Some(6), Some(7)), "{error}");
}

#[test]
fn what_was_copied_before_the_stop_is_what_was_there_at_the_stop() {
    compare(Method::PreCopy, 5);
}

#[test]
fn a_fork_is_what_was_there_at_the_stop() {
    compare(Method::Fork, 2);
}

#[test]
fn what_is_copied_in_the_stop_is_what_was_there() {
    compare(Method::Stop, 2);
}
