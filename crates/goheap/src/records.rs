//! `goheap records`: every record of a dump, one a line.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use goheap_format::annex::{AnnexError, AnnexReader, Block, NoteKind};
use goheap_format::{Fields, Record, RecordKind, RecordSource};
use serde::Serialize;

use crate::args::{Kind, RecordsArgs};
use crate::error::CommandError;
use crate::opened::{Input, Visit, each_record};
use crate::progress::Progress;
use crate::text;

mod annex;
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
        let read = read.and_then(|()| match wanted.annex() {
            true => list_annex(&mut source, path, &wanted, json, &mut out),
            false => Ok(()),
        });
        // What was read before an error is shown before the error.
        let flushed = text::done(out.flush());
        read?;
        flushed
    }
}

/// Lists the rows of the annex, if there is one.
fn list_annex<S: RecordSource>(
    source: &mut S,
    path: &Path,
    wanted: &Wanted,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let failed = |source| CommandError::Annex {
        path: path.to_owned(),
        source,
    };
    let mut reader = match AnnexReader::behind(source) {
        Ok(Some(reader)) => reader,
        // What others append is none of the dump.
        Ok(None) | Err(AnnexError::NotAnnex { .. }) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    while let Some(block) = reader.next_block().map_err(failed)? {
        if !wanted.has_block(&block) {
            continue;
        }
        let (offset, section) = (block.offset(), block.section().to_vec());
        let rows = block.rows().map_err(failed)?;
        for row in &rows {
            text::done(match json {
                true => annex::print_json(out, offset, &section, rows.columns(), &row),
                false => annex::print(out, offset, &section, rows.columns(), &row),
            })?;
        }
    }
    Ok(())
}

/// Which kinds of record, and which sections of the annex, are shown.
struct Wanted {
    records: [bool; RecordKind::ALL.len()],
    notes: [bool; NoteKind::ALL.len()],
    /// Sections that are not known.
    other: bool,
}

impl Wanted {
    fn of(args: &RecordsArgs) -> Wanted {
        let all = args.kind.is_empty();
        let annex = all || args.kind.contains(&Kind::Annex);
        Wanted {
            records: RecordKind::ALL.map(|kind| all || args.kind.contains(&Kind::Record(kind))),
            notes: NoteKind::ALL.map(|kind| annex || args.kind.contains(&Kind::Note(kind))),
            other: annex,
        }
    }

    fn has(&self, record: &Record<'_>) -> bool {
        self.records
            .get(usize::from(record.kind().tag()))
            .copied()
            .unwrap_or(true)
    }

    /// Whether any of the annex is.
    fn annex(&self) -> bool {
        self.other || self.notes.contains(&true)
    }

    fn has_block(&self, block: &Block) -> bool {
        block.kind().map_or(self.other, |kind| {
            self.notes.get(kind as usize).copied().unwrap_or(true)
        })
    }
}

/// Offsets of the pointers of an object, a frame or a segment. Old dumps have interfaces beside
/// plain pointers; both of an interface's words are one there.
fn pointers<'a>(fields: &Fields<'a>) -> impl Iterator<Item = u64> + use<'a> {
    fields.iter().map(|(_kind, offset)| offset)
}
