//! A loaded service is captured some times in a row: each of its requests gets its right answer, and
//! nothing is left in it. `cargo xtask soak` does the same a thousand times, on three versions.
#![cfg(target_os = "linux")]

use std::path::Path;

use goheap_testkit::soak::{Plan, run};

fn soak(method: Option<&str>, threads: usize) {
    let plan = Plan {
        goheap: Path::new(env!("CARGO_BIN_EXE_goheap")),
        version: "1.24.11",
        method,
        captures: 10,
        threads,
        load: (8, 200),
        warm_up: 200,
    };
    let report = run(&plan).expect("a service and its load");
    assert_eq!(report.harm(), Vec::<String>::new());
    assert_eq!(report.captures, plan.captures);
    let (_, with) = report.seen.expect("what the load has seen");
    assert!(with.right > 0, "{with:?}");
    if let Some(method) = method {
        assert_eq!(report.methods, [method]);
    }
}

#[test]
fn by_the_gentlest_method_that_is_open() {
    soak(None, 0);
}

#[test]
fn by_fork_with_many_threads() {
    soak(Some("fork"), 200);
}

#[test]
fn by_stopping() {
    soak(Some("stop"), 20);
}
