//! `report`: what leaks is named first, in programs that leak in ways that are known; and the file is
//! what it promises to be, whatever a dump says.
#![cfg(target_os = "linux")]

mod contents;
mod hostile;
mod leaks;

use std::path::Path;
use std::process::Command;

use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build};
use serde_json::Value;

/// Runs goheap in a folder; its exit status, standard output and standard error.
fn goheap(folder: &Path, args: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_goheap"))
        .args(args)
        .current_dir(folder)
        .output()
        .expect("goheap to run");
    let err = String::from_utf8(output.stderr).expect("text in UTF-8");
    (output.status.code(), output.stdout, err)
}

/// The report on a dump, as text.
#[track_caller]
fn report(folder: &Path, dump: &str, format: &str, more: &[&str]) -> String {
    let args = [&["report", dump, "-o", "-", "--format", format], more].concat();
    let (status, out, err) = goheap(folder, &args);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    String::from_utf8(out).expect("text in UTF-8")
}

#[track_caller]
fn json(folder: &Path, dump: &str, more: &[&str]) -> Value {
    serde_json::from_str(&report(folder, dump, "json", more)).expect("JSON")
}

/// Has program `suspects` leak in a way, and dumps it as `WAY.heapdump`.
fn leaking(version: &str, way: &str, folder: &Path) -> String {
    let program = build(version, "suspects", &BuildOptions::default()).expect("a program");
    let running = Obedient::start(&program, &[way]).expect("a program");
    let name = format!("{way}.heapdump");
    let (status, _, err) = goheap(folder, &["dump", &running.pid().to_string(), "-o", &name]);
    assert_eq!(status, Some(0), "{err}");
    name
}
