//! `goheap check`: limits for what is in a heap, for tests and pipelines.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use goheap_analysis::answers::check::{CheckError, Limit, Outcome, Subject, check};
use goheap_format::output::{Durability, OutputFile};
use serde::Serialize;

use crate::args::CheckArgs;
use crate::error::CommandError;
use crate::examined;
use crate::text::{self, json_text, printable};
use crate::units;

mod junit;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.check/1";

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, CommandError> {
    let begin = Instant::now();
    let mut limits = args.max.clone();
    if args.no_leaked_goroutines {
        limits.push(Limit {
            subject: Subject::LeakedGoroutines,
            most: 0,
        });
    }
    // Found out now, not when all is done.
    let report = match &args.junit {
        Some(path) => Some(OutputFile::create(path).map_err(CommandError::Output)?),
        None => None,
    };
    let examined = examined::open(&args.examine)?;
    let watch = examined.watch();
    let outcomes = check(&examined.of, &limits, &watch).map_err(|source| match source {
        CheckError::Interrupted(interrupted) => examined::ended(interrupted),
        source => CommandError::Check {
            of: examined.name.clone(),
            source,
        },
    })?;
    drop(watch);
    let missing = examined.of.dump.missing();
    let checked = Checked {
        source: &examined.name,
        missing,
        outcomes: &outcomes,
        elapsed: begin.elapsed(),
    };
    if let Some(report) = report {
        checked.write_junit(report)?;
    }
    let mut out = text::stdout();
    let written = match args.json {
        true => text::json(&mut out, &checked.json()),
        false => checked.print(&mut out),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(match outcomes.iter().all(Outcome::holds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    })
}

/// A limit as it is written: `type:main.Session=10000`, `retained:main.cache=1GiB`.
///
/// # Errors
/// It is none; a sentence that says why.
pub(crate) fn parse_limit(text: &str) -> Result<Limit, String> {
    // Names of types may have a = in them (tags of a struct), the number has none.
    let (subject, most) = text
        .rsplit_once('=')
        .ok_or("it has no =; write for instance heap=2GiB")?;
    let subject = parse_subject(subject.trim())?;
    let most = most.trim();
    let most = match subject.is_bytes() {
        true => units::parse_bytes(most)?,
        false => most
            .replace(['_', ','], "")
            .parse()
            .map_err(|_| format!("{most} is no number"))?,
    };
    Ok(Limit { subject, most })
}

fn parse_subject(text: &str) -> Result<Subject, String> {
    Ok(match text.split_once(':') {
        Some((_, "")) => return Err("there is no name behind the colon".to_owned()),
        Some(("type", name)) => Subject::Type(name.to_owned()),
        Some(("bytes", name)) => Subject::TypeBytes(name.to_owned()),
        Some(("retained", name)) => Subject::Retained(name.to_owned()),
        None if text == "goroutines" => Subject::Goroutines,
        None if text == "leaked-goroutines" => Subject::LeakedGoroutines,
        None if text == "heap" => Subject::Heap,
        None if text == "objects" => Subject::Objects,
        None if text == "garbage" => Subject::Garbage,
        _ => {
            return Err(format!(
                "there is no limit for {text}; there are type:NAME, bytes:NAME, retained:NAME, \
                 goroutines, leaked-goroutines, heap, objects, garbage"
            ));
        }
    })
}

/// What was checked, to be told.
struct Checked<'a> {
    source: &'a str,
    missing: &'a [String],
    outcomes: &'a [Outcome],
    elapsed: Duration,
}

/// A number of a subject, in its unit.
struct Amount<'a>(&'a Subject, u64);

impl fmt::Display for Amount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self.0.is_bytes() {
            true => units::bytes(self.1),
            false => units::count(self.1),
        })
    }
}

/// What was found, in a sentence: `12,345, which is more than 10,000`.
fn sentence(outcome: &Outcome) -> String {
    let subject = &outcome.limit.subject;
    let (found, most) = (
        Amount(subject, outcome.found),
        Amount(subject, outcome.limit.most),
    );
    let (found, most) = match (outcome.holds(), found.to_string(), most.to_string()) {
        // Sizes are rounded; what differs is to be seen to differ.
        (false, found, most) if found == most => (
            format!("{found} ({} B)", units::count(outcome.found)),
            format!("{most} ({} B)", units::count(outcome.limit.most)),
        ),
        (_, found, most) => (found, most),
    };
    match outcome.holds() {
        true => format!("{found}, at most {most} allowed"),
        false => format!("{found}, which is more than {most}"),
    }
}

impl Checked<'_> {
    fn failed(&self) -> usize {
        self.outcomes.iter().filter(|one| !one.holds()).count()
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        crate::top::print_missing(self.missing, out)?;
        for outcome in self.outcomes {
            let (word, style) = match outcome.holds() {
                true => ("pass", anstyle::AnsiColor::Green.on_default()),
                false => ("FAIL", anstyle::AnsiColor::Red.on_default().bold()),
            };
            let subject = outcome.limit.subject.to_string();
            let subject = printable(subject.as_bytes());
            writeln!(
                out,
                "{style}{word}{style:#}  {subject}: {}",
                sentence(outcome)
            )?;
            if !outcome.holds() {
                for about in &outcome.about {
                    writeln!(out, "        {}", printable(about.as_bytes()))?;
                }
            }
            let unknown = outcome.unknown;
            if outcome.holds() && unknown.objects > 0 {
                let objects = units::counted(unknown.objects, "object");
                let are = if unknown.objects == 1 { "is" } else { "are" };
                let bytes = units::bytes(unknown.bytes);
                writeln!(
                    out,
                    "        may be too few: {objects} ({bytes}) {are} of unknown type"
                )?;
            }
        }
        let checks = units::counted(self.outcomes.len() as u64, "check");
        match self.failed() {
            0 => writeln!(out, "{}: {checks}, all hold", self.source),
            n => writeln!(
                out,
                "{}: {checks}, {} failed",
                self.source,
                units::count(n as u64)
            ),
        }
    }

    fn write_junit(&self, mut file: OutputFile) -> Result<(), CommandError> {
        let path = file.destination().to_owned();
        junit::write(self, &mut file).map_err(|source| CommandError::Report { path, source })?;
        file.commit(Durability::Durable)
            .map_err(CommandError::Output)
    }

    fn json(&self) -> CheckValue {
        CheckValue {
            schema: SCHEMA,
            source: self.source.to_owned(),
            missing: self.missing.to_vec(),
            passed: self.failed() == 0,
            checks: self
                .outcomes
                .iter()
                .map(|outcome| OutcomeValue {
                    check: json_text(outcome.limit.subject.to_string().as_bytes()),
                    unit: match outcome.limit.subject.is_bytes() {
                        true => "bytes",
                        false => "count",
                    },
                    most: outcome.limit.most,
                    found: outcome.found,
                    passed: outcome.holds(),
                    about: outcome
                        .about
                        .iter()
                        .map(|about| json_text(about.as_bytes()))
                        .collect(),
                    unknown_objects: outcome.unknown.objects,
                    unknown_bytes: outcome.unknown.bytes,
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct CheckValue {
    schema: &'static str,
    source: String,
    missing: Vec<String>,
    passed: bool,
    checks: Vec<OutcomeValue>,
}

#[derive(Serialize)]
struct OutcomeValue {
    check: String,
    unit: &'static str,
    most: u64,
    found: u64,
    passed: bool,
    about: Vec<String>,
    unknown_objects: u64,
    unknown_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let limit = |text: &str| parse_limit(text).map(|l| (l.subject.to_string(), l.most));
        for (text, subject, most) in [
            ("type:main.Session=10000", "type:main.Session", 10_000),
            ("type:map[string]int=1_000", "type:map[string]int", 1000),
            ("retained:main.cache=1GiB", "retained:main.cache", 1 << 30),
            ("bytes:[]uint8=1.5MiB", "bytes:[]uint8", 3 << 19),
            ("goroutines=500", "goroutines", 500),
            ("leaked-goroutines=0", "leaked-goroutines", 0),
            (" heap = 2GiB", "heap", 2 << 30),
            ("objects=7", "objects", 7),
            ("garbage=0", "garbage", 0),
            // The last = counts.
            (
                "type:struct { A int \"a=b\" }=3",
                "type:struct { A int \"a=b\" }",
                3,
            ),
        ] {
            assert_eq!(limit(text), Ok((subject.to_owned(), most)), "{text}");
        }
        for wrong in [
            "",
            "heap",
            "heap=",
            "heap=x",
            "goroutines=1KiB",
            "goroutines=-1",
            "type:=1",
            "what=1",
            "kind:x=1",
        ] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_differs_is_seen_to_differ() {
        let outcome = |found, most| Outcome {
            limit: Limit {
                subject: Subject::Heap,
                most,
            },
            found,
            about: Vec::new(),
            unknown: Default::default(),
        };
        assert_eq!(
            sentence(&outcome(1 << 30, 1 << 30)),
            "1.00 GiB, at most 1.00 GiB allowed"
        );
        assert_eq!(
            sentence(&outcome((1 << 30) + 1, 1 << 30)),
            "1.00 GiB (1,073,741,825 B), which is more than 1.00 GiB (1,073,741,824 B)"
        );
    }
}
