//! Go programs of all kinds, found wherever they are: in libraries that a program in C has loaded,
//! beside plugins, in files that are gone, in other namespaces, started in odd ways.
#![cfg(target_os = "linux")]

mod builds;
mod libraries;
mod places;
mod releases;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program, build};

/// The Go releases of these tests: the oldest, one between, the newest.
const VERSIONS: [&str; 3] = ["1.19.8", "1.24.3", "1.27.3"];

/// The one for what does not depend on the release.
const GO: &str = "1.24.3";

/// How goheap ended, and what it said.
struct Said {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    /// Runs goheap.
    fn of(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goheap"));
        let command = command.args(arguments).stdin(Stdio::null());
        let output = command.output().expect("goheap to run");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said {
            status: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).expect("JSON")
    }

    #[track_caller]
    fn refused(&self, words: &[&str]) {
        assert_eq!(self.status, Some(2), "{}{}", self.out, self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} in {:?}", self.err);
        }
    }
}

/// A folder that is gone after the test.
fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("goheap-kinds-").tempdir().expect("a folder")
}

/// A program of the test kit with options.
fn program(version: &str, name: &str, options: &BuildOptions) -> Program {
    build(version, name, options).expect("a program")
}

/// The library with Go code.
fn library(version: &str) -> Program {
    let options = BuildOptions {
        c_shared: true,
        ..BuildOptions::default()
    };
    program(version, "carried", &options)
}

/// Dumps a source, and makes sure that the dump is sound, has no gaps, and has this many objects of
/// this type.
#[track_caller]
fn holds(source: &str, more: &[&str], ty: &str, count: u64) {
    let rows = types_of(source, more);
    let found = rows.iter().find(|(name, _)| name == ty);
    let found = found.map_or(0, |(_, objects)| *objects);
    assert_eq!(found, count, "{ty} in {rows:?}");
}

/// Dumps a source, makes sure that the dump is sound and has no gaps, and gives its types with how many
/// objects there are of each.
#[track_caller]
fn types_of(source: &str, more: &[&str]) -> Vec<(String, u64)> {
    let folder = folder();
    let path = folder.path().join("it.heapdump");
    let path = path.to_str().expect("UTF-8");
    let dump = ["dump", source, "-o", path, "--json"];
    let told = Said::of(dump.iter().chain(more)).json();
    assert_eq!(told["gaps"]["count"], 0, "{}", told["gaps"]);
    let verified = Said::of(["verify", path]);
    assert_eq!(verified.status, Some(0), "{}{}", verified.out, verified.err);
    let top = Said::of(["top", path, "--by", "type", "-n", "10000", "--json"]).json();
    let rows = top["tables"][0]["rows"].as_array().expect("rows").iter();
    let row = |row: &serde_json::Value| {
        let name = row["name"].as_str().unwrap_or_default().to_owned();
        (name, row["objects"].as_u64().unwrap_or(0))
    };
    rows.map(row).collect()
}

/// Which file the Go program of a source is, as goheap tells it.
#[track_caller]
fn file_of(source: &str, more: &[&str]) -> PathBuf {
    let info = ["info", source, "--json"];
    let told = Said::of(info.iter().chain(more)).json();
    let path = told["program"]["executable"].as_str().expect("a path");
    PathBuf::from(path)
}

/// Copies a file into a folder, by another name.
fn copy(from: &Path, folder: &Path, name: &str) -> PathBuf {
    let to = folder.join(name);
    std::fs::copy(from, &to).expect("a copy");
    to
}

/// Makes sure that a program goes on.
#[track_caller]
fn lives(running: &mut Obedient) {
    assert!(!running.has_ended(), "{}", running.said());
}
