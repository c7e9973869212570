//! Control groups that goheap cannot see in its own mounts, as in another container.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::states::{Cgroup, linked};
use crate::{
    Outcome, binary, counted, eventually, is_root, obeys, path_of, program, start_through, which,
};

/// Runs what follows without any control group in sight.
const WITHOUT: [&str; 6] = [
    "unshare",
    "--mount",
    "--propagation=private",
    "sh",
    "-c",
    "umount -l /sys/fs/cgroup && exec \"$0\" \"$@\"",
];

/// Whether that works here. What does not is told.
fn can_be_without() -> bool {
    if !is_root("another view of control groups") || which("unshare").is_none() {
        return false;
    }
    let status = Command::new(WITHOUT[0])
        .args(&WITHOUT[1..])
        .arg("true")
        .stderr(Stdio::null())
        .status();
    let works = status.is_ok_and(|status| status.success());
    if !works {
        eprintln!("SKIPPED: /sys/fs/cgroup cannot be taken away here");
    }
    works
}

/// goheap, without any control group in sight.
fn blind(arguments: &[&str]) -> Command {
    let mut command = Command::new(WITHOUT[0]);
    command.args(&WITHOUT[1..]).arg(binary()).args(arguments);
    command
}

/// The limit of a group that is mounted for the process alone is heeded.
#[test]
fn a_group_that_only_the_process_has_mounted() {
    if !can_be_without() {
        return;
    }
    let Some(group) = Cgroup::of("memory", "seen") else {
        return;
    };
    let Some(mut running) = group.start(&program("moving", false), &["writes", "64"]) else {
        return;
    };
    eventually("all memory to be there", || {
        (counted(&mut running).0 > 2).then_some(())
    });
    let pid = running.pid().to_string();
    let dump = ["dump", &pid, "-o", "-", "--json", "--method", "fork"];
    Outcome::of(&mut blind(&dump)).captured("fork");
    group.limit_to(12 << 20);
    let root = format!("/proc/{pid}/root/sys/fs/cgroup");
    Outcome::of(&mut blind(&dump)).refused(&[&root, "MiB of memory left"]);
    drop(running);
}

/// The limit of a group that is mounted for neither is not known: no copy is made unasked.
#[test]
fn a_group_that_nobody_can_see() {
    if !can_be_without() {
        return;
    }
    let Some(group) = Cgroup::of("memory", "hidden") else {
        return;
    };
    let program = linked();
    let procs = group.procs();
    let enter = ["sh", "-c", "echo $$ > \"$0\" && exec \"$@\"", &procs];
    let through = [&enter[..], &WITHOUT, &[path_of(&program), "1000"]].concat();
    let Some(mut running) = start_through(&through, &program) else {
        return;
    };
    let pid = running.pid().to_string();
    let told = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("groups");
    assert!(told.contains(group.name()), "{told}");

    let doctor = blind(&["doctor", &pid, "--json"]).output().expect("goheap");
    let doctor: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let methods = doctor["methods"].as_array().expect("methods");
    let fork = methods.iter().find(|one| one["method"] == "fork");
    let why = fork.expect("fork")["why"].to_string();
    for word in [group.name(), "cannot be seen", "--method fork"] {
        assert!(why.contains(word), "{word:?} in {why}");
    }
    assert_ne!(doctor["dump_takes"], "fork");
    let checks = doctor["checks"].as_array().expect("checks");
    let check = checks.iter().find(|one| one["what"] == "memory cgroup");
    assert_eq!(check.expect("a check")["good"], false, "{doctor}");

    let dump = ["dump", &pid, "-o", "-", "--json"];
    let outcome = Outcome::of(&mut blind(&dump));
    assert_eq!(outcome.status, Some(0), "{}", outcome.said);
    assert_eq!(outcome.told["method"], doctor["dump_takes"]);
    let asked = [&dump[..], &["--method", "fork"]].concat();
    Outcome::of(&mut blind(&asked)).captured("fork");
    // A share of nobody knows what; bytes will do.
    let share = [&dump[..], &["--when", "rss>1%"]].concat();
    Outcome::of(&mut blind(&share)).refused(&[group.name(), "cannot be seen", "bytes"]);
    let bytes = [&dump[..], &["--when", "rss>1MiB"]].concat();
    assert_eq!(Outcome::of(&mut blind(&bytes)).status, Some(0));
    obeys(&mut running);
    drop(running);
}
