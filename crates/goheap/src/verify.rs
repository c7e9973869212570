//! `goheap verify`: is a dump whole, and does it make sense.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use goheap_format::annex::{AnnexError, Digest};
use goheap_format::verify::{Verdict, verify};
use goheap_format::{ReadError, RecordKind, RecordSource};
use serde::Serialize;

use crate::analysed::{self, AnalysisValue, Standing};
use crate::args::VerifyArgs;
use crate::error::{CommandError, Shown};
use crate::gaps::{self, GapsValue};
use crate::opened::{Input, Visit};
use crate::progress::Progress;
use crate::text;
use crate::units;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.verify/1";

/// How many problems are shown to people.
const SHOWN: usize = 20;

pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode, CommandError> {
    let input = Input::open(&args.file)?;
    let path = input.path().to_owned();
    let mut checked = check(input)?;
    if let Checked::Read(verdict, standing) = &mut checked
        && let Some(annex) = &verdict.annex
    {
        let from = (path != Path::new("-")).then_some(path.as_path());
        *standing = analysed::standing(annex, verdict.annex_error.is_none(), from)?;
    }
    if args.json {
        let mut out = text::stdout();
        let written = text::json(&mut out, &checked.json(&path));
        text::done(written.and_then(|()| out.flush()))?;
    }
    if checked.is_sound() {
        if !args.json {
            let mut out = text::stdout();
            let written = checked.print(&path, &mut out);
            text::done(written.and_then(|()| out.flush()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !args.json {
        checked.complain(&path);
    }
    Ok(ExitCode::from(1))
}

/// What a check gave.
pub(crate) enum Checked {
    /// The file was read as a dump.
    Read(Box<Verdict>, Option<Standing>),
    /// It does not begin as a dump does.
    Refused(ReadError),
}

/// Checks a dump.
///
/// # Errors
/// Its bytes cannot be had; what they say is in the answer.
pub(crate) fn check(input: Input) -> Result<Checked, CommandError> {
    struct Check;
    impl Visit for Check {
        type Answer = Checked;

        fn visit<S: RecordSource>(self, source: S, path: &Path) -> Result<Checked, CommandError> {
            let _progress = Progress::open("checking");
            let mut verdict = verify(source);
            match verdict.annex_error.take() {
                Some(source @ AnnexError::Io { .. }) if is_system_annex(&source) => {
                    let path = path.to_owned();
                    return Err(CommandError::Annex { path, source });
                }
                error => verdict.annex_error = error,
            }
            match verdict.error {
                Some(source @ ReadError::Io { .. }) if is_system(&source) => {
                    Err(CommandError::Read {
                        path: path.to_owned(),
                        source,
                    })
                }
                _ => Ok(Checked::Read(Box::new(verdict), None)),
            }
        }

        fn refused(self, error: ReadError, _: &Path) -> Result<Checked, CommandError> {
            Ok(Checked::Refused(error))
        }
    }
    input.read(Check)
}

/// Whether reading failed, as opposed to what was read (a decompressor's errors have no number).
fn is_system(error: &ReadError) -> bool {
    matches!(error, ReadError::Io { source, .. } if source.raw_os_error().is_some())
}

fn is_system_annex(error: &AnnexError) -> bool {
    matches!(error, AnnexError::Io { source, .. } if source.raw_os_error().is_some())
}

#[derive(Serialize)]
struct VerifyValue {
    schema: &'static str,
    file: String,
    sound: bool,
    format: Option<String>,
    bytes: u64,
    trailing_bytes: u64,
    records: BTreeMap<&'static str, u64>,
    object_bytes: u64,
    error: Option<ErrorValue>,
    problem_count: u64,
    problems: Vec<ProblemValue>,
    unchecked: Vec<&'static str>,
    annex: Option<AnnexValue>,
}

/// What the annex says, and what is wrong with it.
#[derive(Serialize)]
struct AnnexValue {
    rows: BTreeMap<String, u64>,
    method: Option<String>,
    safe_moment: Option<bool>,
    gaps: GapsValue,
    error: Option<AnnexErrorValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    analysis: Option<AnalysisValue>,
}

#[derive(Serialize)]
struct AnnexErrorValue {
    offset: u64,
    message: String,
}

impl AnnexValue {
    fn of(verdict: &Verdict, standing: Option<&Standing>) -> Option<AnnexValue> {
        let none = Digest::default();
        let error = verdict.annex_error.as_ref();
        // An annex that cannot be opened says nothing, and is there.
        let digest = verdict.annex.as_ref().or(error.map(|_| &none))?;
        let rows = digest.sections.iter();
        Some(AnnexValue {
            rows: rows
                .map(|(name, &rows)| (text::json_text(name), rows))
                .collect(),
            method: digest
                .capture
                .as_ref()
                .map(|capture| text::json_text(&capture.method)),
            safe_moment: digest.capture.as_ref().map(|capture| capture.safe_moment),
            gaps: GapsValue::told(digest),
            error: error.map(|error| AnnexErrorValue {
                offset: error.offset(),
                message: error.to_string(),
            }),
            analysis: standing.map(Standing::json),
        })
    }
}

#[derive(Serialize)]
struct ErrorValue {
    offset: u64,
    kind: Option<&'static str>,
    message: String,
}

#[derive(Serialize)]
struct ProblemValue {
    offset: Option<u64>,
    kind: &'static str,
    message: String,
}

impl ErrorValue {
    fn of(error: &ReadError) -> ErrorValue {
        ErrorValue {
            offset: error.offset(),
            kind: error.kind().map(RecordKind::name),
            message: error.to_string(),
        }
    }
}

impl Checked {
    pub(crate) fn is_sound(&self) -> bool {
        matches!(self, Checked::Read(verdict, _) if verdict.is_sound())
    }

    fn json(&self, path: &Path) -> VerifyValue {
        let file = text::json_text(path.as_os_str().as_encoded_bytes());
        let mut value = VerifyValue {
            schema: SCHEMA,
            file,
            sound: self.is_sound(),
            format: None,
            bytes: 0,
            trailing_bytes: 0,
            records: BTreeMap::new(),
            object_bytes: 0,
            error: None,
            problem_count: 0,
            problems: Vec::new(),
            unchecked: Vec::new(),
            annex: None,
        };
        match self {
            Checked::Refused(error) => value.error = Some(ErrorValue::of(error)),
            Checked::Read(verdict, standing) => {
                let header = String::from_utf8_lossy(verdict.header.bytes());
                value.format = Some(header.trim_end().to_owned());
                value.bytes = verdict.bytes;
                value.trailing_bytes = verdict.trailing;
                value.records = RecordKind::ALL
                    .map(|kind| (kind.name(), verdict.count(kind)))
                    .into();
                value.object_bytes = verdict.object_bytes;
                value.error = verdict.error.as_ref().map(ErrorValue::of);
                value.problem_count = verdict.problem_count;
                let problems = verdict.problems.iter().map(|problem| ProblemValue {
                    offset: problem.offset,
                    kind: problem.kind.map_or("annex", RecordKind::name),
                    message: problem.what.to_string(),
                });
                value.problems = problems.collect();
                value.unchecked.clone_from(&verdict.unchecked);
                value.annex = AnnexValue::of(verdict, standing.as_ref());
            }
        }
        value
    }

    /// The line of a sound dump, and one for each gap that its annex tells of.
    pub(crate) fn print(&self, path: &Path, out: &mut dyn Write) -> io::Result<()> {
        let Checked::Read(verdict, standing) = self else {
            return Ok(());
        };
        write!(
            out,
            "{}: whole and sound: {}, {} ({}), {}",
            Shown(path),
            units::counted(verdict.records(), "record"),
            units::counted(verdict.count(RecordKind::Object), "object"),
            units::bytes(verdict.object_bytes),
            units::counted(verdict.count(RecordKind::Goroutine), "goroutine"),
        )?;
        if let Some(annex) = &verdict.annex {
            write!(out, "; annex of {}", units::bytes(verdict.trailing))?;
            if let Some(capture) = &annex.capture {
                let method = text::printable(&capture.method);
                match (capture.method.is_empty(), capture.safe_moment) {
                    (true, true) => {}
                    (true, false) => write!(out, ", captured")?,
                    (false, _) => write!(out, ", captured ({method})")?,
                }
                if !capture.safe_moment {
                    write!(out, " at a moment that was not safe")?;
                    // A core was not stopped for it.
                    if capture.tries > 0 {
                        write!(out, ", after {}", units::counted(capture.tries, "stop"))?;
                    }
                }
            }
            let analysis = annex.analysis.as_ref();
            match annex.gap_count() {
                // It has an analysis alone.
                0 if analysis.is_some_and(|analysis| analysis.no_annex) => {}
                0 => write!(out, ", no gaps")?,
                count => write!(out, ", {}", units::counted(count, "gap"))?,
            }
            if let Some(standing) = standing {
                write!(out, "; analysed: {standing}")?;
            }
        } else if verdict.trailing > 0 {
            write!(
                out,
                "; {} behind the last record",
                units::bytes(verdict.trailing)
            )?;
        }
        for what in &verdict.unchecked {
            write!(
                out,
                "; not checked, for it would take too much memory: {what}"
            )?;
        }
        writeln!(out)?;
        match &verdict.annex {
            Some(annex) => gaps::print_told(out, annex),
            None => Ok(()),
        }
    }

    /// The lines of a dump that is not sound, to standard error.
    fn complain(&self, path: &Path) {
        let path = Shown(path);
        let say = |what: &dyn std::fmt::Display| {
            text::say(format_args!("goheap: {path}: {what}"));
        };
        match self {
            Checked::Refused(error) => say(error),
            Checked::Read(verdict, _) => {
                for problem in verdict.problems.iter().take(SHOWN) {
                    say(problem);
                }
                let shown = verdict.problems.len().min(SHOWN) as u64;
                if verdict.problem_count > shown {
                    say(&format_args!(
                        "and {} more problems",
                        verdict.problem_count - shown
                    ));
                }
                if let Some(error) = &verdict.error {
                    say(error);
                }
                // Where a compressed dump ends too early, both say the same.
                let told = verdict.error.as_ref().map(ToString::to_string);
                if let Some(error) = &verdict.annex_error
                    && told != Some(error.to_string())
                {
                    say(error);
                }
            }
        }
    }
}
