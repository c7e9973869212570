//! The command as people and scripts meet it: run as a process, judged by what it says where, by
//! its exit status, and by what it leaves behind.

mod annex;
mod asked;
mod doctor;
mod exports;
mod files;
mod live;
mod refusals;
mod spot;
mod usage;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run of goheap said.
struct Said {
    status: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let err = String::from_utf8(output.stderr).expect("errors in UTF-8");
        Said {
            status: output.status.code(),
            out: output.stdout,
            err,
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.out.clone()).expect("text in UTF-8")
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).expect("JSON on standard output")
    }

    /// Makes sure that it did what it was asked to, and said nothing to standard error.
    #[track_caller]
    fn done(self) -> Said {
        assert_eq!(
            (self.status, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.lossy()
        );
        self
    }

    /// Makes sure that it refused with one line that has all of `words`, and wrote nothing.
    #[track_caller]
    fn refused(self, words: &[&str]) {
        self.ended(2, words);
        assert_eq!(self.lossy(), "");
    }

    /// Makes sure of its exit status, and of one line on standard error that has all of `words`.
    #[track_caller]
    fn ended(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "one line: {:?}", self.err);
        assert!(self.err.starts_with("goheap: "), "{:?}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} in {:?}", self.err);
        }
    }

    fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

fn goheap(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Said {
    Said::of(command(args).output().expect("goheap to run"))
}

/// goheap, fed with `input`.
fn goheap_fed(args: &[&str], input: &[u8]) -> Said {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("goheap to run");
    let mut stdin = child.stdin.take().expect("its standard input");
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("goheap to end");
    // Goheap need not read to the end.
    let _ = feeding.join().expect("the feeding thread");
    Said::of(output)
}

fn command(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goheap"));
    command.args(args).stdin(Stdio::null());
    command
}

/// The recorded dump of the demo, as the command has it embedded: compressed with zstd.
fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/leak.heapdump.zst")
}

/// The same, not compressed.
fn recorded_plain() -> Vec<u8> {
    let file = std::fs::File::open(recorded()).expect("the recorded dump");
    let mut plain = Vec::new();
    let mut decoded = goheap_format::open_stream(file).expect("zstd");
    decoded.read_to_end(&mut plain).expect("zstd");
    plain
}

/// The same up to the end of its records, without the annex.
fn recorded_records() -> Vec<u8> {
    let mut plain = recorded_plain();
    let mut reader = goheap_format::Reader::new(&plain).expect("a dump");
    while reader.next_record().expect("a whole dump").is_some() {}
    let end = reader.position() as usize;
    plain.truncate(end);
    plain
}

/// A folder that is gone after the test.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("goheap-cli-")
        .tempdir()
        .expect("a folder")
}

/// A file with these contents in `folder`.
fn file(folder: &tempfile::TempDir, name: &str, contents: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, contents).expect("a file");
    path
}

/// What is in a folder, hidden files included.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}
