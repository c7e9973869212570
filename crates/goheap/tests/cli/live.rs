//! Live processes and their cores: dumps that come to be, and dumps that are given up half-way.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use goheap_process::{Process, StopOptions};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build, core};

use crate::{Said, command, file, folder, goheap, names};

/// The Go release of these tests; the twins try all of them.
pub(crate) const GO: &str = "1.24.3";

/// A program with a list of `n` objects.
fn linked(n: u32) -> Obedient {
    let program = build(GO, "linked", &BuildOptions::default()).unwrap();
    Obedient::start(&program, &[&n.to_string()]).unwrap()
}

/// Makes sure that a program still does as it is told.
fn obeys(program: &mut Obedient) {
    let folder = folder();
    program
        .dump(&folder.path().join("its.heapdump"))
        .expect("a program that lives");
}

#[test]
fn a_dump_of_a_live_process() {
    let folder = folder();
    let mut program = linked(50_000);
    let pid = program.pid().to_string();
    let path = folder.path().join("live.heapdump");
    let path = path.to_str().unwrap();
    file(&folder, "live.heapdump", b"what was there before");

    for exact in [&[][..], &["--exact"]] {
        let dump = |more: &[&str]| {
            let args = ["dump", &pid, "-o", path];
            goheap(args.iter().chain(exact).chain(more)).done()
        };
        let said = dump(&[]).text();
        let (line, more) = said.split_once('\n').unwrap();
        for line in more.lines() {
            assert!(line.contains(" was not open: "), "{said}");
        }
        for word in [
            "live.heapdump: ",
            " objects (",
            " goroutines, ",
            "(linked) stood still for ",
            "no gaps",
        ] {
            assert!(line.contains(word), "{word:?} in {line:?}");
        }
        let ways = ["pre-copy", "fork", "stop"].map(|way| format!("s ({way}"));
        assert!(ways.iter().any(|way| line.contains(way)), "{line}");
        assert!(!line.contains("safe moment"), "{line}");
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        goheap(["verify", path]).done();
        obeys(&mut program);

        let json = dump(&["--json"]).json();
        assert_eq!(json["schema"], "goheap.dump/1");
        assert_eq!(json["exact"], !exact.is_empty());
        assert_eq!(json["bytes"], fs::metadata(path).unwrap().len());
        assert_eq!(json["safe_moment"], true);
        let number = |field: &str| json[field].as_u64().unwrap();
        assert!(number("pause_ns") > 0 && number("tries") > 0);
        assert!(number("stopped_ns") >= number("pause_ns"));
        assert_eq!(json["gaps"]["count"], 0);
        assert_eq!(json["gaps"]["by_what"], serde_json::json!({}));
        let of_file = goheap(["info", path, "--json"]).done().json();
        for field in ["objects", "object_bytes", "threads"] {
            assert_eq!(json[field], of_file[field], "{field}");
        }
        assert_eq!(json["goroutines"], of_file["goroutines"]["total"]);
        assert_eq!(json["frames"], of_file["goroutines"]["frames"]);
        assert!(number("objects") >= 50_000);
        // What no map tells is listed in mended dumps alone.
        for field in ["conservative_frames", "stack_objects", "thread_roots"] {
            assert!(exact.is_empty() || number(field) == 0, "{field}");
            assert!(of_file[field].is_null(), "{field}");
        }
    }

    let of_file = goheap(["info", path, "--json"]).done().json();
    let of_process = goheap(["info", &pid, "--json"]).done().json();
    assert_eq!(of_process["source"]["pid"], program.pid());
    assert_eq!(of_process["gaps"]["count"], 0);
    for field in ["conservative_frames", "stack_objects", "thread_roots"] {
        assert!(of_process[field].is_u64(), "{field}");
    }
    assert_eq!(of_process["safe_moment"], true);
    assert_eq!(of_process["go"], of_file["go"]);
    assert!(
        of_process["program"]["executable"]
            .as_str()
            .unwrap()
            .ends_with("/linked")
    );
    assert_eq!(names(folder.path()), ["live.heapdump"]);
}

/// Whatever the way, it is told: in the line, in the JSON, in the annex.
#[test]
fn each_method_says_what_it_did() {
    let folder = folder();
    let mut program = linked(50_000);
    let pid = program.pid().to_string();
    let path = folder.path().join("live.heapdump");
    let path = path.to_str().unwrap();
    let mut objects = Vec::new();
    for method in ["fork", "stop"] {
        let args = ["dump", &pid, "--method", method, "-o", path];
        let line = goheap(args).done().text();
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.contains(&format!(" ({method}")), "{line}");
        let json = goheap(args.iter().chain(&["--json"])).done().json();
        assert_eq!(json["method"], method);
        assert_eq!(json["passed_over"], serde_json::json!([]));
        assert!(json["left"].is_null(), "{json}");
        let number = |field: &str| json[field].as_u64().unwrap();
        // A copy that a fork makes is the kernel's, page by page, as the program writes.
        let copies = method == "stop";
        assert_eq!(number("copied_in_pause_bytes") > 0, copies, "{json}");
        assert!(number("copied_bytes") >= number("copied_in_pause_bytes"));
        assert!(!copies || number("extra_bytes") > 1 << 20, "{json}");
        objects.push(number("objects"));

        let told = goheap(["info", path, "--json"]).done().json();
        for field in [
            "method",
            "passed_over",
            "pause_ns",
            "tries",
            "copied_in_pause_bytes",
            "copied_bytes",
            "extra_bytes",
            "left",
        ] {
            assert_eq!(told[field], json[field], "{field}");
        }
        assert_eq!(told["capture"]["method"], method);
        let page = goheap(["info", path]).done().text();
        assert!(page.contains(&format!("s ({method}")), "{page}");
        let verified = goheap(["verify", path]).done().text();
        assert!(
            verified.contains(&format!(", captured ({method}), no gaps")),
            "{verified}"
        );
        let verified = goheap(["verify", path, "--json"]).done().json();
        assert_eq!(verified["annex"]["method"], method);
        obeys(&mut program);
    }
    // The one that nobody named says which gentler ones it could not take, and why.
    let json = goheap(["info", &pid, "--json"]).done().json();
    let ways = ["pre-copy", "fork", "stop"];
    let at = ways.iter().position(|way| json["method"] == *way).unwrap();
    let passed_over = json["passed_over"].as_array().unwrap();
    let methods: Vec<_> = passed_over
        .iter()
        .map(|one| one["method"].as_str().unwrap())
        .collect();
    assert_eq!(methods, ways[..at]);
    assert!(
        passed_over
            .iter()
            .all(|one| one["why"].as_str().unwrap().len() > 10)
    );
}

#[test]
fn a_process_that_may_not_stand_still_that_long_is_let_go() {
    let mut program = linked(500_000);
    let pid = program.pid().to_string();
    let args = ["info", &pid, "--method", "stop", "--max-pause", "1us"];
    goheap(args).refused(&[&pid, "(linked)", "1µs", "--max-pause"]);
    obeys(&mut program);
    let wrong = goheap(["info", &pid, "--max-pause", "soon"]);
    wrong.refused(&["--max-pause", "500ms"]);
}

#[test]
fn compressed_by_name_and_to_standard_output() {
    let folder = folder();
    let program = linked(50_000);
    let pid = program.pid().to_string();
    let zst = folder.path().join("live.heapdump.zst");
    let zst = zst.to_str().unwrap();
    goheap(["dump", &pid, "--exact", "-o", zst]).done();
    assert!(fs::read(zst).unwrap().starts_with(b"\x28\xb5\x2f\xfd"));
    goheap(["verify", zst]).done();
    let info = goheap(["info", zst, "--json"]).done().json();
    assert!(info["source"]["file_bytes"].as_u64() < info["source"]["bytes"].as_u64());

    let piped = goheap(["dump", &pid, "--exact", "-o", "-"]);
    assert_eq!(piped.status, Some(0));
    assert!(piped.err.starts_with("standard output: "), "{}", piped.err);
    let plain = file(&folder, "plain", &piped.out);
    goheap(["verify".as_ref(), plain.as_os_str()]).done();

    // With --json, what is said is still not in the data.
    let piped = goheap(["dump", &pid, "--exact", "-o", "-", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&piped.err).unwrap();
    assert_eq!(said["bytes"], piped.out.len());
}

#[test]
fn a_core_is_as_good_as_its_process() {
    let folder = folder();
    let program = linked(20_000);
    let core = core::of(program.pid(), folder.path()).unwrap();
    let core = core.to_str().unwrap();
    let output = folder.path().join("core.heapdump");
    let output = output.to_str().unwrap();
    goheap(["dump", core, "--exact", "-o", output]).done();
    goheap(["verify", output]).done();
    let line = goheap(["dump", core, "-o", output]).done().text();
    assert!(
        line.contains("objects") && !line.contains("stood still"),
        "{line}"
    );
    goheap(["verify", output]).done();
    let of_core = goheap(["info", core, "--json"]).done().json();
    let of_dump = goheap(["info", output, "--json"]).done().json();
    assert_eq!(of_core["source"]["kind"], "core");
    for field in ["pause_ns", "stopped_ns", "tries"] {
        assert_eq!(of_core[field], serde_json::Value::Null, "{field}");
    }
    assert_eq!(of_core["safe_moment"], true);
    for field in ["go", "objects", "goroutines", "memstats", "records"] {
        assert_eq!(of_core[field], of_dump[field], "{field}");
    }
}

/// A program that allocates flat out is caught in the middle of something soon. What that was is told
/// if one try has to do, and a safe moment is found in more.
#[test]
fn a_moment_that_is_not_safe_is_told_or_given_up() {
    let program = build(GO, "churn", &BuildOptions::default()).unwrap();
    let program = Obedient::start(&program, &[]).unwrap();
    let pid = program.pid().to_string();
    let info = |more: &[&str]| {
        let json = goheap(["info", &pid, "--json"].iter().chain(more));
        let json = json.done().json();
        // What made it unsafe is a gap, the first of all.
        let moment = &json["gaps"]["by_what"]["the moment"];
        assert_eq!(json["safe_moment"], moment.is_null());
        if json["safe_moment"] == false {
            let gap = &json["gaps"]["first"][0];
            assert_eq!(gap["what"], "the moment");
            assert_ne!(gap["address"], "0x0");
            assert!(!gap["why"].as_str().unwrap().is_empty());
            assert!(json["gaps"]["count"].as_u64() >= moment.as_u64());
        }
        json
    };
    let any = |found: &dyn Fn() -> bool| (0..50).any(|_| found());
    let told = any(&|| {
        let json = info(&["--tries", "1"]);
        json["tries"] == 1 && json["safe_moment"] == false
    });
    assert!(told, "with one try, no moment is unsafe");
    let given_up = any(&|| {
        let json = info(&[]);
        let number = |field: &str| json[field].as_u64().unwrap();
        number("tries") > 1
            && number("stopped_ns") > number("pause_ns")
            && json["safe_moment"] == true
    });
    assert!(given_up, "no unsafe moment was given up for a safe one");
    let said = any(&|| {
        let folder = folder();
        let path = folder.path().join("x.heapdump");
        let args = ["dump", &pid, "--tries", "1", "-o", path.to_str().unwrap()];
        let text = goheap(args).done().text();
        let told = text.contains(", not at a safe moment; ");
        assert_eq!(told, text.contains("\n  gap: the moment at 0x"), "{text}");
        assert_eq!(told, text.contains(" the moment"), "{text}");
        told
    });
    assert!(said, "with one try, no dump was at an unsafe moment");
}

/// goheap, writing a dump into a pipe that nobody reads: it stands half-way, and the process runs on.
struct Stuck {
    goheap: Option<Child>,
    pid: u32,
}

impl Stuck {
    fn on(pid: u32) -> Stuck {
        let mut goheap = command(["dump", &pid.to_string(), "--exact", "-o", "-"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Once something comes, the process was captured; no more is read.
        let read = goheap.stdout.as_mut().unwrap().read_exact(&mut [0]);
        read.unwrap();
        Stuck {
            goheap: Some(goheap),
            pid,
        }
    }

    fn signal(&self, name: &str) {
        signal(name, self.goheap.as_ref().unwrap().id());
    }

    /// What goheap says in the end, less what it wrote.
    fn end(mut self) -> Said {
        let output = self.goheap.take().unwrap().wait_with_output().unwrap();
        assert!(!is_traced(self.pid), "the process is let go");
        Said::of(output)
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        if let Some(mut goheap) = self.goheap.take() {
            let _ = goheap.kill();
            let _ = goheap.wait();
        }
    }
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{name} {pid}"))
        .status();
    assert!(sent.unwrap().success());
}

fn is_traced(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    !status
        .lines()
        .any(|line| line.split_whitespace().eq(["TracerPid:", "0"]))
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Enough for what waits between goheap's threads and the pipe to be full: 60 MB and more.
const MORE_THAN_A_PIPE: u32 = 1_500_000;

#[test]
fn a_process_that_someone_else_traces() {
    let mut program = linked(1000);
    let pid = program.pid().to_string();
    let long = StopOptions {
        max_pause: Duration::from_secs(60),
        ..StopOptions::default()
    };
    let stopped = Process::find(program.pid()).unwrap().stop(&long).unwrap();
    goheap(["info", &pid]).refused(&[&pid, "already traced", "goheap-guard"]);
    stopped.resume().unwrap();
    obeys(&mut program);
}

#[test]
fn a_signal_ends_a_dump_and_the_process_goes_on() {
    let mut program = linked(MORE_THAN_A_PIPE);
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let stuck = Stuck::on(program.pid());
        stuck.signal(name);
        let said = stuck.end();
        said.ended(status, &["interrupted"]);
        obeys(&mut program);
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_dump() {
    let mut program = linked(MORE_THAN_A_PIPE);
    let mut goheap = command(["dump", &program.pid().to_string(), "--exact", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 1000];
    goheap.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let said = Said::of(goheap.wait_with_output().unwrap());
    said.ended(2, &["standard output: ", "broken pipe", "not whole"]);
    obeys(&mut program);
}

#[test]
fn a_signal_leaves_no_half_of_a_file() {
    let folder = folder();
    let mut program = linked(3_000_000);
    let path = folder.path().join("x.heapdump");
    file(&folder, "x.heapdump", b"what was there before");
    // A fast machine may be done before the signal is there.
    for _ in 0..10 {
        let goheap = command(["dump", &program.pid().to_string(), "--exact", "-o"])
            .arg(&path)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // What is written has another name until it is whole.
        wait_until("something to be written", || {
            names(folder.path()).len() > 1 || !runs(goheap.id())
        });
        signal_if_there("INT", goheap.id());
        let said = Said::of(goheap.wait_with_output().unwrap());
        assert_eq!(names(folder.path()), ["x.heapdump"]);
        if said.status == Some(130) {
            said.ended(130, &["interrupted"]);
            assert_eq!(fs::read(&path).unwrap(), b"what was there before");
            obeys(&mut program);
            return;
        }
        file(&folder, "x.heapdump", b"what was there before");
    }
    panic!("goheap was always done before the signal");
}

/// Whether a child of ours has not ended yet.
fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

fn signal_if_there(name: &str, pid: u32) {
    let command = format!("kill -{name} {pid} 2>/dev/null || true");
    Command::new("sh").arg("-c").arg(command).status().unwrap();
}

#[test]
fn the_demo_from_end_to_end() {
    // The testkit's toolchain is in goheap's cache, where the demo looks.
    goheap_testkit::toolchains::goroot(GO).unwrap();
    let folder = folder();
    let scratch = folder.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let kept = folder.path().join("leak.heapdump");
    let output = command(["demo", "--sessions", "2000", "-o"])
        .arg(&kept)
        .env("TMPDIR", &scratch)
        .output()
        .unwrap();
    let page = Said::of(output).done().text();
    for word in [
        "built",
        "2,000 sessions",
        "stood still",
        "whole and sound",
        "main.Session",
        "main.store.byToken[",
        "chan receive",
        "Next",
    ] {
        assert!(page.contains(word), "{word:?} in {page}");
    }
    goheap(["verify".as_ref(), kept.as_os_str()]).done();
    let frames = goheap([
        "records".as_ref(),
        kept.as_os_str(),
        "--kind".as_ref(),
        "stackframe".as_ref(),
    ]);
    assert_eq!(frames.done().text().matches("main.remind").count(), 50);
    assert_eq!(names(&scratch), [""; 0], "nothing is left behind");
    assert!(!any_process_of(&scratch), "the leaking program has ended");
}

#[test]
fn a_signal_ends_the_demo_and_all_that_it_started() {
    goheap_testkit::toolchains::goroot(GO).unwrap();
    let folder = folder();
    let goheap = command(["demo", "--sessions", "1000000"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the program to run", || any_process_of(folder.path()));
    signal("TERM", goheap.id());
    let said = Said::of(goheap.wait_with_output().unwrap());
    said.ended(143, &["interrupted"]);
    assert!(!any_process_of(folder.path()));
    assert_eq!(names(folder.path()), [""; 0]);
}

fn any_process_of(folder: &Path) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|process| fs::read_link(process.path().join("exe")).ok())
        .any(|exe| exe.starts_with(folder))
}
