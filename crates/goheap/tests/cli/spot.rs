//! `goheap dump --when` and `--every`, beside programs that grow.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::doctor::{Started, go_program};
use crate::live::wait_until;
use crate::{Said, command, folder, goheap, names};

/// Grows by 2 MiB and a goroutine every 20 ms, as often as it is told, and ends after as many seconds.
const GROWS: &str = r#"
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

var kept [][]byte

func main() {
	seconds, _ := strconv.Atoi(os.Args[1])
	most, _ := strconv.Atoi(os.Args[2])
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	fmt.Println("ready")
	for time.Now().Before(end) {
		if len(kept) < most {
			more := make([]byte, 2<<20)
			for i := range more {
				more[i] = 1
			}
			kept = append(kept, more)
			go func() { select {} }()
		}
		time.Sleep(20 * time.Millisecond)
	}
}
"#;

fn grows(seconds: u32, most: u32) -> Started {
    static PROGRAM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PROGRAM.get_or_init(|| {
        let folder = folder();
        let program = go_program(&folder, "grows", GROWS);
        (folder, program)
    });
    Started::of(Command::new(program).args([seconds.to_string(), most.to_string()]))
}

#[test]
fn a_dump_when_something_holds() {
    let folder = folder();
    let path = folder.path().join("x.heapdump");
    let path = path.to_str().unwrap();
    for (conditions, because, least) in [
        (&["rss>60MiB"][..], "rss is ", 40 << 20),
        (&["heap>=50MiB"], "heap is ", 40 << 20),
        (&["goroutines>40", "rss>90%"], "goroutines are ", 1 << 20),
    ] {
        let program = grows(120, 80);
        let mut args = vec!["dump".to_owned(), program.pid(), "--json".to_owned()];
        args.extend(["-o".to_owned(), path.to_owned()]);
        args.extend(
            conditions
                .iter()
                .flat_map(|one| ["--when".to_owned(), (*one).to_owned()]),
        );
        let json = goheap(&args).done().json();
        let said = json["because"].as_str().unwrap();
        assert!(said.starts_with(because), "{said}");
        assert!(json["object_bytes"].as_u64().unwrap() >= least, "{json}");
        // It did not wait longer than that.
        assert!(json["object_bytes"].as_u64().unwrap() < 170 << 20, "{json}");
        if because.starts_with("goroutines") {
            assert!(json["goroutines"].as_u64().unwrap() > 40);
        }
        goheap(["verify", path]).done();
        std::fs::remove_file(path).unwrap();
    }
    // What holds already is not waited for, and is said.
    let program = grows(120, 80);
    let said = goheap(["dump", &program.pid(), "-o", path, "--when", "rss>1MiB"]);
    assert_eq!(said.status, Some(0));
    assert!(
        said.err.contains("waiting until rss > 1.00 MiB"),
        "{}",
        said.err
    );
    assert!(said.text().contains("\n  rss is "), "{}", said.text());
}

#[test]
fn a_process_that_ends_before() {
    let folder = folder();
    let path = folder.path().join("x.heapdump");
    let program = grows(1, 1);
    let args = ["--when", "rss>99GiB", "--json"];
    let said = goheap(
        ["dump", &program.pid(), "-o", path.to_str().unwrap()]
            .iter()
            .chain(&args),
    );
    said.refused(&[
        &program.pid(),
        "(grows)",
        "has ended before rss > 99.0 GiB",
        "nothing",
    ]);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn again_and_again_and_the_newest_are_kept() {
    let folder = folder();
    let path = folder.path().join("x.heapdump.zst");
    let program = grows(120, 4);
    let mut goheap_runs = command(["dump", &program.pid(), "-o"])
        .arg(&path)
        .args([
            "--every",
            "1s",
            "--keep",
            "2",
            "--when",
            "heap>1MiB",
            "--json",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(goheap_runs.stdout.take().unwrap());
    let mut lines = out
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap());
    let mut dumps: Vec<Value> = lines.by_ref().take(4).collect();
    drop(program);
    dumps.extend(lines);
    assert_eq!(goheap_runs.wait().unwrap().code(), Some(0));
    assert!(dumps.len() >= 4);
    let written: Vec<_> = dumps
        .iter()
        .map(|dump| dump["output"].as_str().unwrap().to_owned())
        .collect();
    assert!(written.is_sorted(), "{written:?}");
    let kept = names(folder.path());
    let newest: Vec<_> = written.iter().rev().take(2).rev().collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    for (kept, newest) in kept.iter().zip(newest) {
        assert!(newest.ends_with(kept.as_str()), "{kept} {newest}");
        // x-20261126T051400Z.heapdump.zst
        assert!(
            kept.starts_with("x-2") && kept.ends_with("Z.heapdump.zst"),
            "{kept}"
        );
        goheap(["verify".as_ref(), folder.path().join(kept).as_os_str()]).done();
    }
}

#[test]
fn a_signal_ends_the_waiting() {
    let folder = folder();
    let program = grows(120, 80);
    for (more, status) in [(&["--when", "rss>99GiB"][..], 130), (&["--every", "1h"], 0)] {
        let goheap = command(["dump", &program.pid(), "-o"])
            .arg(folder.path().join("x.heapdump"))
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = goheap.id();
        wait_until("it to wait", || match status {
            0 => names(folder.path())
                .iter()
                .any(|name| name.ends_with("Z.heapdump")),
            _ => {
                // It heeds signals by its own handler.
                let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
                let caught = text
                    .lines()
                    .find_map(|line| line.strip_prefix("SigCgt:\t"))
                    .unwrap();
                u64::from_str_radix(caught, 16).unwrap() & 2 != 0
            }
        });
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -INT {pid}"))
            .status();
        assert!(sent.unwrap().success());
        let said = Said::of(goheap.wait_with_output().unwrap());
        assert_eq!(said.status, Some(status), "{}", said.err);
    }
    assert_eq!(names(folder.path()).len(), 1);
}

#[test]
fn what_cannot_be_waited_for() {
    let folder = folder();
    let pid = std::process::id().to_string();
    let path = folder.path().join("x.heapdump");
    let path = path.to_str().unwrap();
    for (args, words) in [
        (
            &["-o", path, "--when", "cpu>3"][..],
            &["cpu>3", "no condition", "rss>90%"][..],
        ),
        (
            &["-o", path, "--every", "10ms"],
            &["10ms", "less than a second"],
        ),
        (&["-o", path, "--keep", "3"], &["--every"]),
        (&["-o", path, "--every", "1m", "--keep", "0"], &["--keep"]),
        (
            &["-o", "-", "--every", "1m"],
            &["standard output", "time in its name"],
        ),
        (&["-o", path, "--every", "1m", "--redact"], &["--redact"]),
        (&["-o", path, "--every", "1m"], &["not a Go program"]),
    ] {
        goheap(["dump", &pid].iter().chain(args)).refused(words);
    }
    let core = env!("CARGO_BIN_EXE_goheap");
    goheap(["dump", core, "-o", path, "--every", "1m"]).refused(&["executable"]);
    goheap(["dump", "-", "-o", path, "--every", "1m"]).refused(&["no process id"]);
    assert_eq!(names(folder.path()), [""; 0]);
}
