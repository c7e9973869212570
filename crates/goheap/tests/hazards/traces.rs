//! What a capture might leave in a process: bits of signal masks, signals, children, descriptors,
//! mappings, registered ranges, priorities, names; and counts of signals and timers that are not right.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use goheap_testkit::obedient::Obedient;
use goheap_testkit::procfs;

use crate::{METHODS, capture, eventually, is_open, program};

/// Captures by each method.
const CAPTURES: usize = 4;

/// Files of /proc/PID that tell of the process as a whole. `timers` has those of timer_create.
const FILES: &[&str] = &[
    "oom_score_adj",
    "coredump_filter",
    "limits",
    "personality",
    "timerslack_ns",
    "cgroup",
    "timers",
    "maps",
];

/// Lines of /proc/PID/task/TID/status that change by themselves, and `SigQ`, which counts for all
/// processes of a user.
const VOLATILE: &[&str] = &["Vm", "Rss", "State", "voluntary", "nonvoluntary", "SigQ"];

/// Fields of /proc/PID/task/TID/stat: priority, nice, rt_priority, policy (proc(5)).
const SCHEDULING: [usize; 4] = [18, 19, 40, 41];

/// What /proc tells of a process, by file and line. It is for a process that does nothing new.
fn picture(pid: u32) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let folder = format!("/proc/{pid}");
    for name in FILES {
        let text = fs::read_to_string(format!("{folder}/{name}"));
        seen.insert((*name).to_owned(), text.unwrap_or_else(|e| e.to_string()));
    }
    // uw, um, ui: ranges that are registered with a userfaultfd; wf, dc: what madvise(2) has set.
    let smaps = fs::read_to_string(format!("{folder}/smaps")).expect("a process");
    let flags = smaps.lines().filter(|line| line.starts_with("VmFlags"));
    seen.insert("flags".to_owned(), flags.collect::<Vec<_>>().join("\n"));
    for entry in fs::read_dir(format!("{folder}/fd")).expect("a process") {
        let path = entry.expect("a descriptor").path();
        let link = fs::read_link(&path).unwrap_or_default();
        seen.insert(path.display().to_string(), link.display().to_string());
    }
    for entry in fs::read_dir(format!("{folder}/task")).expect("a process") {
        let path = entry.expect("a thread").path();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        let mut lines = vec![format!("children: {}", read("children"))];
        let status = read("status");
        let lasting = |line: &&str| !VOLATILE.iter().any(|volatile| line.starts_with(volatile));
        lines.extend(status.lines().filter(lasting).map(str::to_owned));
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split(' ').collect();
        // Behind the name comes field 3, behind a space.
        lines.extend(SCHEDULING.map(|n| format!("{n}: {:?}", fields.get(n - 2))));
        seen.insert(path.display().to_string(), lines.join("\n"));
    }
    seen
}

/// What differs.
fn difference(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differs = names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name));
    let lines = |text: Option<&String>| -> Vec<String> {
        text.map_or_else(Vec::new, |text| text.lines().map(str::to_owned).collect())
    };
    differs
        .map(|name| {
            let (before, after) = (lines(a.get(name)), lines(b.get(name)));
            let gone = before.iter().filter(|line| !after.contains(line));
            let new = after.iter().filter(|line| !before.contains(line));
            format!(
                "{name}: - {:?} + {:?}",
                gone.collect::<Vec<_>>(),
                new.collect::<Vec<_>>()
            )
        })
        .collect()
}

/// The counts that the program tells of.
fn counts(running: &mut Obedient) -> BTreeMap<String, i64> {
    let said = running
        .ask("count", "counts ")
        .expect("a program that lives");
    let count = |text: &str| {
        let (name, number) = text.split_once('=').expect("NAME=NUMBER");
        (name.to_owned(), number.parse().expect("a number"))
    };
    said.split(' ').map(count).collect()
}

/// What /proc tells while no signal for the process as a whole is on its way, as its timers send them now
/// and then, nor anything else that is soon over.
fn settled(pid: u32) -> BTreeMap<String, String> {
    let is_pending = |line: &str| {
        let set = line.strip_prefix("ShdPnd:");
        set.is_some_and(|set| set.trim().contains(|digit| digit != '0'))
    };
    eventually("a picture twice the same", || {
        let first = picture(pid);
        std::thread::sleep(Duration::from_millis(20));
        let rests = !first.values().flat_map(|text| text.lines()).any(is_pending);
        (rests && first == picture(pid)).then_some(first)
    })
}

/// What is on its way (a signal of a timer, the mask of a thread that starts another) is soon over; what
/// a capture has left stays. What stays different, if something does.
fn what_stays(before: &BTreeMap<String, String>, pid: u32) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let differs = difference(before, &picture(pid));
        if differs.is_empty() || Instant::now() > deadline {
            return differs;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Captures it, and compares what /proc tells before and after.
fn is_as_before(pid: u32, method: &str) {
    let threads = || procfs::thread_ids(pid).expect("a process");
    loop {
        let (before, its) = (settled(pid), threads());
        assert!(before["flags"].contains("rd"), "{}", before["flags"]);
        let pending = before.values().find(|text| text.contains("Name:\tpending"));
        let pending = pending.expect("a thread with a pending signal");
        assert!(pending.contains("SigPnd:\t0000000000000200"), "{pending}");
        for _ in 0..CAPTURES {
            capture(pid, method);
        }
        let differs = what_stays(&before, pid);
        // Go starts threads for itself now and then, and never many: then once more.
        if differs.is_empty() || threads() == its {
            assert!(differs.is_empty(), "--method {method} left: {differs:#?}");
            return;
        }
    }
}

fn leaves_no_trace(method: &str) {
    let program = program("traces", true);
    // Go's own SIGURG would hide another's; more arenas of malloc come and stay by themselves.
    let quiet = [("GODEBUG", "asyncpreemptoff=1"), ("MALLOC_ARENA_MAX", "1")];
    let mut running = Obedient::start_in(&program, &[], &quiet).expect("a program");
    let pid = running.pid();
    if !is_open(method, pid) {
        return;
    }
    let first = counts(&mut running);
    is_as_before(pid, method);
    let middle = counts(&mut running);
    // All that was due has come, and no more. What is on its way now is one.
    let last = eventually("timers that have caught up", || {
        let counts = counts(&mut running);
        let due = counts["due"];
        let right = |name: &str| (counts[name] - due).abs() <= 1;
        (right("expired") && right("ticks")).then_some(counts)
    });
    for name in ["wrong", "sigchld", "children", "sigurg"] {
        assert_eq!(last[name], 0, "{name}, --method {method}: {last:?}");
    }
    let goes_on = eventually("everything to go on", || {
        let counts = counts(&mut running);
        let more = |name: &str| counts[name] > last[name];
        (["spins", "naps", "alarms"].iter().all(|name| more(name))).then_some(counts)
    });
    for name in ["spins", "naps"] {
        assert!(
            middle[name] > first[name],
            "{name}: none while it was captured"
        );
    }
    assert_eq!(goes_on["wrong"], 0, "--method {method}: {goes_on:?}");
}

#[test]
fn a_stop_leaves_no_trace() {
    leaves_no_trace(METHODS[0]);
}

#[test]
fn a_fork_leaves_no_trace() {
    leaves_no_trace(METHODS[1]);
}

#[test]
fn a_pre_copy_leaves_no_trace() {
    leaves_no_trace(METHODS[2]);
}

/// The parent of a vfork cannot be stopped while its child has not gone: that is said, the others are
/// held for a moment only, and nothing comes of it for either.
#[test]
fn a_process_in_a_vfork_is_refused_or_waited_for() {
    let program = program("traces", true);
    let mut running = Obedient::start(&program, &[]).expect("a program");
    running
        .ask("vfork 6000", "vforking")
        .expect("a child to come");
    let outcome = crate::Outcome::of_dump(running.pid(), "stop");
    outcome.refused(&["could not be stopped", "state D", "try again later"]);
    counts(&mut running);
    assert!(running.said().contains("vforked 9"), "{}", running.said());
    for method in METHODS {
        if is_open(method, running.pid()) {
            capture(running.pid(), method);
        }
    }
    let last = counts(&mut running);
    assert_eq!(last["wrong"], 0, "{last:?}");
    // Its own child is the program's to reap: whatever else came is a capture's.
    assert_eq!(last["children"], 0, "{last:?}");
}
