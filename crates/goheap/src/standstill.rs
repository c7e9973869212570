//! How a process stood still for a capture, as text and as JSON: of the capture itself, and of a dump
//! whose annex tells of it.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use goheap_format::annex::CaptureDigest;
use serde::Serialize;

use crate::live::Snapshot;
use crate::text::{json_text, printable};
use crate::units;

/// How a process stood still, and how it was captured meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Standstill {
    /// The way: `pre-copy`, `fork` or `stop`.
    pub(crate) method: &'static str,
    /// Gentler ways that were not open, and why.
    pub(crate) passed_over: Vec<PassedOver>,
    /// For how long it stood still, the last time.
    pub(crate) pause: Duration,
    /// For how long in all, the tries before that included.
    pub(crate) total: Duration,
    /// How often it was stopped, the last time included.
    pub(crate) tries: u32,
    /// Bytes that were copied while it stood still.
    pub(crate) copied_in_pause: u64,
    /// Bytes that were copied in all.
    pub(crate) copied: u64,
    /// Bytes of memory, or of disk, that the capture took.
    pub(crate) extra: u64,
    /// What the process was left with, if it was.
    pub(crate) left: Option<String>,
}

/// A way that was not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PassedOver {
    pub(crate) method: String,
    /// What was in its way, and what to do about it.
    pub(crate) why: String,
}

impl Standstill {
    /// What a snapshot cost; here there is none.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(snapshot: Snapshot) -> Standstill {
        snapshot.standstill()
    }

    /// What a snapshot cost. It is over then.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(snapshot: Snapshot) -> Standstill {
        let taken = snapshot.taken().clone();
        let (taken, left) = match snapshot.end() {
            Ok(taken) => (taken, None),
            Err(error) => (taken, Some(error.to_string())),
        };
        let passed_over = taken.passed_over.into_iter().map(|one| PassedOver {
            method: one.method.name().to_owned(),
            why: one.why,
        });
        Standstill {
            method: taken.method.name(),
            passed_over: passed_over.collect(),
            pause: taken.pause,
            total: taken.total,
            tries: taken.tries,
            copied_in_pause: taken.copied_in_pause,
            copied: taken.copied,
            extra: taken.extra,
            left,
        }
    }

    /// The ways that were not open as the annex has them: one a line.
    pub(crate) fn passed_over_text(&self) -> String {
        let lines = self.passed_over.iter();
        let lines: Vec<_> = lines
            .map(|one| format!("{}: {}", one.method, one.why.replace('\n', " ")))
            .collect();
        lines.join("\n")
    }

    /// What the first line does not say: why no gentler way was taken, and what was left behind.
    ///
    /// # Errors
    /// Of the writer.
    pub(crate) fn print_notes(&self, out: &mut dyn Write) -> io::Result<()> {
        print_notes(&self.passed_over, self.left.as_deref(), out)
    }
}

impl fmt::Display for Standstill {
    /// `3.1 ms (pre-copy)`, or `3.1 ms (fork; 4.4 ms in 3 tries)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tries, total) = (self.tries.into(), Some(self.total));
        f.write_str(&in_words(self.pause, self.method, tries, total))
    }
}

/// How long, by which method, and in how many tries that took how long in all.
fn in_words(pause: Duration, method: &str, tries: u64, total: Option<Duration>) -> String {
    let tries = match (tries, total) {
        (0 | 1, _) | (_, None) => String::new(),
        (tries, Some(total)) => format!("{} in {tries} tries", units::duration(total)),
    };
    let parts: Vec<&str> = [method, &tries]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    match parts.is_empty() {
        true => units::duration(pause),
        false => format!("{} ({})", units::duration(pause), parts.join("; ")),
    }
}

fn print_notes(
    passed_over: &[PassedOver],
    left: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for PassedOver { method, why } in passed_over {
        let why = printable(why.as_bytes());
        writeln!(out, "  note: {method} was not open: {why}")?;
    }
    match left {
        Some(left) => writeln!(out, "  warning: {}", printable(left.as_bytes())),
        None => Ok(()),
    }
}

/// The same of a dump, as its annex tells.
pub(crate) struct Told<'d>(pub(crate) &'d CaptureDigest);

impl Told<'_> {
    /// For how long, and how; `None` if it did not stand still for it.
    pub(crate) fn stood_still(&self) -> Option<String> {
        let pause = self.0.pause_ns.map(Duration::from_nanos)?;
        let total = self.0.stopped_ns.map(Duration::from_nanos);
        let method = printable(&self.0.method).to_string();
        Some(in_words(pause, &method, self.0.tries, total))
    }

    /// The ways that were not open.
    pub(crate) fn passed_over(&self) -> Vec<PassedOver> {
        let text = json_text(&self.0.passed_over);
        let lines = text.lines().map(|line| {
            let (method, why) = line.split_once(": ").unwrap_or(("", line));
            PassedOver {
                method: method.to_owned(),
                why: why.to_owned(),
            }
        });
        lines.collect()
    }

    /// What the process was left with, if it was.
    pub(crate) fn left(&self) -> Option<String> {
        (!self.0.left.is_empty()).then(|| json_text(&self.0.left))
    }

    /// As [`Standstill::print_notes`].
    ///
    /// # Errors
    /// Of the writer.
    pub(crate) fn print_notes(&self, out: &mut dyn Write) -> io::Result<()> {
        print_notes(&self.passed_over(), self.left().as_deref(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standstill() -> Standstill {
        Standstill {
            method: "fork",
            passed_over: vec![PassedOver {
                method: "pre-copy".to_owned(),
                why: "no kernel: for it\nhere".to_owned(),
            }],
            pause: Duration::from_micros(3100),
            total: Duration::from_micros(4400),
            tries: 1,
            copied_in_pause: 0,
            copied: 0,
            extra: 0,
            left: None,
        }
    }

    #[test]
    fn what_is_said_now_and_from_the_annex_is_the_same() {
        let mut one = standstill();
        assert_eq!(one.to_string(), "3.10 ms (fork)");
        one.tries = 3;
        assert_eq!(one.to_string(), "3.10 ms (fork; 4.40 ms in 3 tries)");
        one.left = Some("left with \x1b".to_owned());
        let digest = CaptureDigest {
            method: one.method.as_bytes().to_vec(),
            pause_ns: Some(3_100_000),
            stopped_ns: Some(4_400_000),
            tries: 3,
            passed_over: one.passed_over_text().into_bytes(),
            left: one.left.clone().unwrap().into_bytes(),
            ..CaptureDigest::default()
        };
        let told = Told(&digest);
        assert_eq!(told.stood_still(), Some(one.to_string()));
        let (mut now, mut later) = (Vec::new(), Vec::new());
        one.print_notes(&mut now).unwrap();
        told.print_notes(&mut later).unwrap();
        let expected = "  note: pre-copy was not open: no kernel: for it here\n  \
                        warning: left with \\u{1b}\n";
        assert_eq!(String::from_utf8(later).unwrap(), expected);
        assert_eq!(
            String::from_utf8(now).unwrap().replace("\\n", " "),
            expected
        );
        // A dump of before 1.2, and one of a core.
        let older = CaptureDigest {
            method: b"stop".to_vec(),
            pause_ns: Some(1_000_000),
            tries: 1,
            ..CaptureDigest::default()
        };
        let told = Told(&older);
        assert_eq!(told.stood_still().unwrap(), "1.00 ms (stop)");
        assert_eq!((told.passed_over(), told.left()), (Vec::new(), None));
        assert_eq!(Told(&CaptureDigest::default()).stood_still(), None);
    }
}
