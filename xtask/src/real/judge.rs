//! What is thought of a dump: by `goheap verify`, and by a reader that knows nothing of goheap.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use goheap_testkit::capture::Capture;
use goheap_testkit::reach::Graph;
use goheap_testkit::second_reader::{self, Record};

/// The functions that a goroutine's outermost frame can be of. Each goroutine is made as if
/// `runtime.goexit` had called its first function (runtime/proc.go, go1.19 to go1.27: `newproc1`).
const ROOTS: [&str; 1] = ["runtime.goexit"];

/// What is thought of a dump.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// What `goheap verify` complains of.
    pub(crate) complaints: Vec<String>,
    /// Goroutines.
    pub(crate) goroutines: u64,
    /// Their frames.
    pub(crate) frames: u64,
    /// Goroutines without any frame.
    pub(crate) frameless: u64,
    /// Functions, not roots, in which the frames of a goroutine end.
    pub(crate) unrooted: BTreeMap<String, u64>,
    /// Bytes of all objects, and of those that no root leads to.
    pub(crate) shares: Option<(u64, u64)>,
}

impl Judged {
    pub(crate) fn of(capture: &Capture, goheap: &Path, reach: bool) -> Result<Judged> {
        let mut judged = Judged {
            complaints: verify(&capture.dump, goheap)?,
            ..Judged::default()
        };
        let mut goroutine = None;
        second_reader::each(&capture.dump, |record| {
            judged.see(&record, &capture.dump, &mut goroutine);
        })?;
        judged.end(goroutine);
        if reach {
            let read = second_reader::read(&capture.dump)?;
            let graph = Graph::of(&read, &capture.dump);
            judged.shares = Some(graph.shares(&graph.mark()));
        }
        Ok(judged)
    }

    /// The records of a goroutine's frames follow its own, innermost first.
    fn see(&mut self, record: &Record, dump: &[u8], goroutine: &mut Option<Option<String>>) {
        match record.kind() {
            "goroutine" => {
                self.goroutines += 1;
                let before = goroutine.replace(None);
                self.end(before);
            }
            "stackframe" => {
                self.frames += 1;
                let function = record.bytes("function", dump).unwrap_or_default();
                let function = String::from_utf8_lossy(function).into_owned();
                if let Some(outermost) = goroutine {
                    *outermost = Some(function);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, goroutine: Option<Option<String>>) {
        match goroutine {
            None => {}
            Some(None) => self.frameless += 1,
            Some(Some(outermost)) if ROOTS.contains(&outermost.as_str()) => {}
            Some(Some(outermost)) => *self.unrooted.entry(outermost).or_default() += 1,
        }
    }
}

/// What `goheap verify` complains of.
fn verify(dump: &[u8], goheap: &Path) -> Result<Vec<String>> {
    let mut child = Command::new(goheap)
        .args(["verify", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("goheap verify")?;
    let mut stdin = child.stdin.take().context("its standard input")?;
    let output = std::thread::scope(|scope| {
        // It need not read to the end.
        scope.spawn(move || stdin.write_all(dump));
        child.wait_with_output()
    })?;
    let said: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("what goheap verify says")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
    let problems = said["problems"].as_array().into_iter().flatten();
    let mut complaints: Vec<String> = problems.map(|p| text(&p["message"])).collect();
    if !said["error"].is_null() {
        complaints.push(text(&said["error"]["message"]));
    }
    if said["sound"].as_bool() != Some(complaints.is_empty()) {
        bail!(
            "goheap verify says it is sound: {}, and {complaints:?}",
            said["sound"]
        );
    }
    Ok(complaints)
}
