//! `goheap export --to parquet`, read back by those who are to read it: DuckDB and Spark.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod fleet;
mod folder;
mod judged;

use std::process::Command;

use serde_json::Value;

/// Runs goheap; its exit status and what it said.
fn goheap(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goheap"));
    let output = command.args(arguments).output().expect("goheap");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// What a command of goheap says as JSON.
#[track_caller]
fn asked(arguments: &[&str]) -> Value {
    let (status, out, err) = goheap(&[arguments, &["--json"]].concat());
    assert_eq!(status, Some(0), "{arguments:?}: {err}");
    serde_json::from_str(&out).expect("JSON")
}

/// What a Python script prints as JSON.
#[track_caller]
fn script(mut python: Command) -> Value {
    let output = python.output().expect("python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{python:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
