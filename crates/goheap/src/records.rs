//! `goheap records`: every record of a dump, one a line.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use goheap_format::{Fields, Record, RecordKind, RecordSource};
use serde::Serialize;

use crate::args::RecordsArgs;
use crate::error::CommandError;
use crate::opened::{Input, Visit, each_record};
use crate::progress::Progress;
use crate::text;

mod json;
mod line;

pub(crate) use json::MemStatsValue;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.records/1";

pub(crate) fn run(args: &RecordsArgs) -> Result<ExitCode, CommandError> {
    Input::open(&args.file)?.read(Print { args })?;
    Ok(ExitCode::SUCCESS)
}

struct Print<'a> {
    args: &'a RecordsArgs,
}

/// What describes the dump, before its records.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    file: String,
    format: &'a str,
}

impl Visit for Print<'_> {
    type Answer = ();

    fn visit<S: RecordSource>(self, mut source: S, path: &Path) -> Result<(), CommandError> {
        let wanted = Wanted::of(self.args);
        let mut out = text::stdout();
        // Bars and lines do not go together.
        let progress = Progress::hidden();
        let json = self.args.json;
        if json {
            let format = String::from_utf8_lossy(source.header().bytes()).into_owned();
            let file = text::json_text(path.as_os_str().as_encoded_bytes());
            let head = Head {
                schema: SCHEMA,
                file,
                format: format.trim_end(),
            };
            text::done(text::json(&mut out, &head))?;
        }
        let read = each_record(&mut source, path, &progress, |offset, record| {
            if !wanted.has(record) {
                return Ok(());
            }
            text::done(match json {
                true => text::json(&mut out, &json::Line::of(offset, record)),
                false => line::print(&mut out, offset, record),
            })
        });
        // What was read before an error is shown before the error.
        let flushed = text::done(out.flush());
        read?;
        flushed
    }
}

/// Which kinds of record are shown.
struct Wanted([bool; RecordKind::ALL.len()]);

impl Wanted {
    fn of(args: &RecordsArgs) -> Wanted {
        let all = args.kind.is_empty();
        Wanted(RecordKind::ALL.map(|kind| all || args.kind.iter().any(|k| k.0 == kind)))
    }

    fn has(&self, record: &Record<'_>) -> bool {
        self.0
            .get(usize::from(record.kind().tag()))
            .copied()
            .unwrap_or(true)
    }
}

/// Offsets of the pointers of an object, a frame or a segment. Old dumps have interfaces beside
/// plain pointers; both of an interface's words are one there.
fn pointers<'a>(fields: &Fields<'a>) -> impl Iterator<Item = u64> + use<'a> {
    fields.iter().map(|(_kind, offset)| offset)
}
