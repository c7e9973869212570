//! Dumps that are cut off or have wrong bits: whatever is asked of them, goheap answers or says what
//! is wrong, soon, and never fails itself.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build};

/// The program's dumps take well below a second.
const SOON: Duration = Duration::from_secs(60);

/// What is asked.
const QUESTIONS: [&[&str]; 7] = [
    &["top", "--by", "type", "--by", "object"],
    &["tree"],
    &["goroutines"],
    &["waste"],
    &["info"],
    &["why", "main.user"],
    &["dump", "--redact", "-o", "/dev/null"],
];

fn goheap(args: &[&str]) -> Output {
    let begin = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_goheap"))
        .args(args)
        .output()
        .expect("goheap to start");
    assert!(begin.elapsed() < SOON, "{args:?}");
    output
}

fn ask(path: &Path, what: &str) {
    let name = path.to_str().expect("a path of text");
    for question in QUESTIONS {
        let mut args = vec![question[0], name];
        args.extend(&question[1..]);
        if !matches!(question[0], "info" | "dump") {
            args.push("--damaged");
        }
        let output = goheap(&args);
        // 2 is what bad input ends with; a bug ends with 101 or by a signal.
        assert!(
            matches!(output.status.code(), Some(0 | 2)),
            "{what}: {args:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn damage(version: &str) {
    let program = build(version, "canaries", &BuildOptions::default()).expect("a program");
    let folder = tempfile::tempdir().expect("a folder");
    let (mended, own) = (folder.path().join("mended"), folder.path().join("own"));
    {
        let mut running = Obedient::start(&program, &[]).expect("a program");
        let pid = running.pid().to_string();
        let output = goheap(&["dump", &pid, "-o", mended.to_str().expect("text")]);
        assert!(output.status.success(), "{output:?}");
        running.dump(&own).expect("its own dump");
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |end: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % end as u64) as usize
    };
    for dump in [mended, own] {
        let whole = fs::read(&dump).expect("a dump");
        let damaged = folder.path().join("damaged");
        for round in 0..12 {
            let mut bytes = whole.clone();
            let what = if round % 3 == 0 {
                bytes.truncate(below(whole.len()));
                format!("cut off at {}", bytes.len())
            } else {
                // Few, so that they are reached: one near the start ends all that follows.
                let flips: Vec<usize> = (0..round).map(|_| below(whole.len())).collect();
                for at in &flips {
                    bytes[*at] ^= 1 << below(8);
                }
                format!("bits turned at {flips:?}")
            };
            fs::write(&damaged, &bytes).expect("a file");
            ask(&damaged, &format!("Go {version}, {dump:?} {what}"));
        }
    }
}

#[test]
fn of_go1_21() {
    damage("1.21.13");
}

#[test]
fn of_go1_27() {
    damage("1.27.3");
}
