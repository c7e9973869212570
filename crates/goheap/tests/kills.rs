//! goheap and its supervisor, killed and stopped at some of the system calls that they make in a capture
//! of a loaded service (`cargo xtask kills` does it at all of them), and what that does to the service:
//! nothing (docs/harm.md).
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::Path;
use std::time::Duration;

use goheap_testkit::blow::{Blow, Counted, Victim, strike};
use goheap_testkit::kills::{Loaded, Points, Sweep};

/// The version of Go that builds the service.
const VERSION: &str = "1.24.3";

fn sweep(method: &str, victim: Victim, blow: Blow, points: u64) {
    let goheap = Path::new(env!("CARGO_BIN_EXE_goheap"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut loaded = Loaded::start(VERSION).expect("a service");
    let pid = loaded.service.pid().to_string();
    let is_open = |method: &&str| {
        let arguments = ["info", &pid, "--method", method];
        let (none, each) = (Blow::None, Counted::Each);
        let whole = strike(goheap, &arguments, victim, u64::MAX, none, each).expect("a capture");
        let is_open = !whole.said.contains("cannot capture");
        if !is_open {
            eprintln!("skipped, for it is not open here: {}", whole.said);
        }
        is_open
    };
    let methods: Vec<&str> = ["fork", "pre-copy", "stop"]
        .into_iter()
        .filter(is_open)
        .collect();
    assert!(methods.contains(&"stop"), "it is open wherever ptrace is");
    if !methods.contains(&method) {
        return;
    }
    let sweep = Sweep {
        goheap,
        folder: folder.path(),
        method,
        methods: &methods,
        victim,
        blow,
        counted: Counted::Each,
        points: Points::Spread(points),
    };
    let report = sweep.run(&mut loaded, &mut |_, _| {}).expect("a sweep");
    assert!(
        report.wrong.is_empty(),
        "{report}\n{}",
        report.wrong.join("\n")
    );
    assert!(report.struck >= points / 2, "{report}");
    assert!(!loaded.service.has_ended());
}

#[test]
fn goheap_killed_while_a_copy_is_made() {
    sweep("fork", Victim::Goheap, Blow::Kill, 10);
}

#[test]
fn goheap_killed_while_the_process_stands_still() {
    sweep("stop", Victim::Goheap, Blow::Kill, 10);
}

#[test]
fn goheap_killed_while_writes_are_tracked() {
    sweep("pre-copy", Victim::Goheap, Blow::Kill, 10);
}

#[test]
fn the_supervisor_killed_while_it_makes_a_copy() {
    sweep("fork", Victim::Supervisor, Blow::Kill, 16);
}

#[test]
fn the_supervisor_killed_while_it_holds_the_process() {
    sweep("stop", Victim::Supervisor, Blow::Kill, 8);
}

#[test]
fn the_supervisors_killed_while_they_track_writes() {
    sweep("pre-copy", Victim::Supervisor, Blow::Kill, 16);
}

#[test]
fn goheap_stopped_for_a_while() {
    sweep(
        "fork",
        Victim::Goheap,
        Blow::Stop(Duration::from_millis(300)),
        4,
    );
    sweep(
        "stop",
        Victim::Goheap,
        Blow::Stop(Duration::from_millis(300)),
        4,
    );
}

#[test]
fn the_supervisor_stopped_for_a_while() {
    sweep(
        "fork",
        Victim::Supervisor,
        Blow::Stop(Duration::from_millis(300)),
        4,
    );
    sweep(
        "stop",
        Victim::Supervisor,
        Blow::Stop(Duration::from_millis(300)),
        4,
    );
}

/// Most of what a capture does are reads in a row, and only those are left out.
#[test]
fn a_row_of_reads_counts_once() {
    let goheap = Path::new(env!("CARGO_BIN_EXE_goheap"));
    let folder = tempfile::tempdir().expect("a folder");
    let loaded = Loaded::start(VERSION).expect("a service");
    let pid = loaded.service.pid().to_string();
    let output = folder.path().join("counted.heapdump");
    let output = output.to_string_lossy();
    let arguments = [
        "dump",
        &pid,
        "--no-dwarf",
        "-o",
        &output,
        "--method",
        "stop",
    ];
    let calls = |victim, counted| {
        let struck = strike(goheap, &arguments, victim, u64::MAX, Blow::Kill, counted);
        let struck = struck.expect("a capture");
        assert_eq!(struck.hit, None, "{}", struck.said);
        struck.calls
    };
    let each = calls(Victim::Goheap, Counted::Each);
    let rows = calls(Victim::Goheap, Counted::Rows);
    assert!(rows < each / 2, "{rows} of {each}");
    // More than the kinds of calls that there are.
    assert!(rows > 100, "{rows} of {each}");
}
