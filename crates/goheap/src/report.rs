//! `goheap report`: what a heap is full of, as one file for a ticket or a colleague.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use goheap_analysis::Analysis;
use goheap_analysis::answers::goroutines::{GoroutineOptions, Goroutines};
use goheap_analysis::answers::ledger::Ledger;
use goheap_analysis::answers::suspects::Suspects;
use goheap_analysis::answers::top::{By, Heap, Top, top};
use goheap_analysis::answers::tree::{Tree, TreeOptions, tree};
use goheap_analysis::answers::waste::Waste;
use goheap_format::WriteError;
use goheap_format::output::{Durability, OutputFile};
use goheap_page::report::{Report, html, markdown};

use crate::args::{FormatArg, ReportArgs};
use crate::error::CommandError;
use crate::examined::{self, Examined};
use crate::source::Source;
use crate::text;

mod bounded;
mod facts;
mod json;

/// How many rows a table has.
const ROWS: usize = 30;

/// How many groups of goroutines are told of.
const GROUPS: usize = 30;

/// How many levels of the dominator tree are shown, and how many branches each has: all of them are in
/// the file, so that these two say how large it gets.
const DEPTH: usize = 6;
/// See [`DEPTH`].
const BRANCHES: usize = 8;

/// Branches of the tree that retain less than such a part of the heap are told of as a sum: then there
/// are at most so many of them on each level.
const LEAST: u64 = 200;

/// What a report tells.
pub(crate) struct Answers {
    suspects: Suspects,
    top: Top,
    tree: Tree,
    goroutines: Goroutines,
    waste: Waste,
    ledger: Ledger,
}

pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode, CommandError> {
    let format = format(args)?;
    // A destination that cannot be is found out before the work begins.
    let destination = Destination::create(&args.output)?;
    let source = Source::of(&args.examine.source)?;
    let examined = examined::open(&args.examine)?;
    let answers = Answers::of(&examined, args.redact)?;
    let written = render(&source, &examined, answers, format, args.redact);
    destination.write(written.as_bytes(), &args.output)?;
    Ok(ExitCode::SUCCESS)
}

/// What is to be written: what was said, or what the name of the file says.
fn format(args: &ReportArgs) -> Result<FormatArg, CommandError> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    let extension = args.output.extension().and_then(OsStr::to_str);
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("html" | "htm") => Ok(FormatArg::Html),
        Some("md" | "markdown") => Ok(FormatArg::Markdown),
        Some("json") => Ok(FormatArg::Json),
        _ => Err(CommandError::NoFormat {
            path: args.output.clone(),
        }),
    }
}

impl Answers {
    /// All that is told of a dump.
    ///
    /// # Errors
    /// Interrupted.
    fn of(examined: &Examined<Analysis>, redact: bool) -> Result<Answers, CommandError> {
        let (analysis, watch) = (&examined.of, examined.watch());
        let goroutines = Goroutines::of(analysis, GoroutineOptions::default(), &watch)
            .map_err(examined::ended)?;
        let mut waste = Waste::of(analysis, &watch).map_err(examined::ended)?;
        let by = [By::Type, By::Root, By::Package];
        let options = TreeOptions {
            depth: DEPTH,
            min: Some(Heap::of(analysis).bytes / LEAST),
            branches: BRANCHES,
        };
        let mut answers = Answers {
            suspects: Suspects::of(analysis, &goroutines, Some(&waste), &watch)
                .map_err(examined::ended)?,
            top: top(analysis, &by, ROWS, &watch).map_err(examined::ended)?,
            tree: tree(analysis, None, &options, &watch).map_err(examined::ended)?,
            ledger: Ledger::of(analysis, &watch).map_err(examined::ended)?,
            goroutines,
            waste: Waste::default(),
        };
        for part in [
            &mut waste.slice_tails,
            &mut waste.pinned,
            &mut waste.map_slots,
            &mut waste.channels,
        ] {
            part.by_class.truncate(ROWS);
        }
        if redact {
            for one in &mut waste.duplicates.largest {
                one.text.clear();
            }
        }
        answers.waste = waste;
        Ok(answers)
    }
}

/// The report as text.
fn render(
    source: &Source,
    examined: &Examined<Analysis>,
    mut answers: Answers,
    format: FormatArg,
    redact: bool,
) -> String {
    let (name, asked) = facts::names(source, &examined.name);
    if format == FormatArg::Json {
        bounded::bounded(&mut answers);
        return json::text(&name, &asked, &examined.of, &answers, redact);
    }
    let report = Report {
        source: &name,
        asked: &asked,
        facts: facts::of(&examined.of),
        notes: facts::notes(&examined.of),
        redact,
        suspects: &answers.suspects,
        top: &answers.top,
        tree: &answers.tree,
        goroutines: &answers.goroutines,
        most_groups: GROUPS,
        waste: &answers.waste,
        ledger: &answers.ledger,
    };
    match format {
        FormatArg::Html => html(&report),
        _ => markdown(&report),
    }
}

/// Where a report goes.
enum Destination {
    File(OutputFile),
    Stdout,
}

impl Destination {
    fn create(output: &Path) -> Result<Destination, CommandError> {
        match output == Path::new("-") {
            true => Ok(Destination::Stdout),
            false => OutputFile::create(output)
                .map(Destination::File)
                .map_err(CommandError::Output),
        }
    }

    fn write(self, bytes: &[u8], output: &Path) -> Result<(), CommandError> {
        match self {
            Destination::File(mut file) => {
                file.write_all(bytes)
                    .map_err(|source| CommandError::Write {
                        path: output.to_owned(),
                        source: WriteError::Sink { offset: 0, source },
                    })?;
                file.commit(Durability::Visible)
                    .map_err(CommandError::Output)
            }
            Destination::Stdout => {
                let mut out = io::stdout().lock();
                text::done(out.write_all(bytes).and_then(|()| out.flush()))
            }
        }
    }
}
