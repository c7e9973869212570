//! `goheap export`: the heap for another tool.
//!
//! A format is one arm of [`write()`]; one that makes a folder instead of a file leaves [`run`] early.

mod parquet;

pub(crate) use parquet::ParquetError;

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;

use goheap_analysis::Analysis;
use goheap_analysis::answers::tree::{TreeOptions, tree};
use goheap_analysis::answers::what::{Asked, what};
use goheap_analysis::answers::why::why;
use goheap_export::select::Selection;
use goheap_export::{ExportError, dot, folded, heapsnapshot, hprof, pprof};
use goheap_format::WriteError;

use crate::args::{ExportArgs, ToArg};
use crate::dump::{CompleteError, Destination};
use crate::error::{CommandError, Shown};
use crate::examined::{self, Examined, Shower, interrupted};
use crate::text;
use crate::units;

pub(crate) fn run(args: &ExportArgs) -> Result<ExitCode, CommandError> {
    let to = format(args)?;
    if to == ToArg::Parquet {
        return parquet::run(args);
    }
    if to == ToArg::Snapshot {
        return crate::snapshot::run(args);
    }
    let destination = destination(&args.output, to)?;
    let examined = examined::open(&args.examine)?;
    let watch = examined.watch();
    let to_stdout = matches!(destination, Destination::Stdout(_));
    let mut out = Counted {
        to: BufWriter::with_capacity(1 << 20, destination),
        bytes: 0,
    };
    let asked = asked(args, &examined)?;
    write(args, to, &examined.of, asked.as_ref(), &watch, &mut out).map_err(
        |error| match error {
            ExportError::Interrupted(_) => interrupted(),
            ExportError::Write(source) => failed(&args.output, source),
            error => CommandError::Export {
                of: examined.name.clone(),
                source: error,
            },
        },
    )?;
    let bytes = out.bytes;
    let destination = out
        .to
        .into_inner()
        .map_err(|error| failed(&args.output, error.into_error()))?;
    destination.complete().map_err(|error| match error {
        CompleteError::Write(source) => failed(&args.output, source),
        CompleteError::Output(source) => CommandError::Output(source),
    })?;
    drop(watch);
    if !to_stdout {
        say(args, &examined, bytes)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The format: what was said, or what the file's name promises.
fn format(args: &ExportArgs) -> Result<ToArg, CommandError> {
    args.to
        .or_else(|| ToArg::of_name(&args.output))
        .ok_or_else(|| CommandError::NoExportFormat {
            path: args.output.clone(),
        })
}

/// Opens the destination before anything is captured. Text may go to a terminal.
fn destination(output: &Path, to: ToArg) -> Result<Destination, CommandError> {
    if output == Path::new("-") && std::io::stdout().is_terminal() && !to.is_text() {
        return Err(CommandError::ExportToTerminal);
    }
    Destination::plain(output)
}

fn asked(args: &ExportArgs, examined: &Examined<Analysis>) -> Result<Option<Asked>, CommandError> {
    let asked = args.of.as_ref().map(|text| what(&examined.of, text));
    asked.transpose().map_err(|source| CommandError::What {
        of: examined.name.clone(),
        source,
    })
}

/// Writes one format to a stream.
fn write(
    args: &ExportArgs,
    to: ToArg,
    analysis: &Analysis,
    asked: Option<&Asked>,
    watch: &Shower,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let selection = Selection::of(analysis, asked);
    match to {
        // A folder: done by then.
        ToArg::Parquet => {}
        ToArg::Pprof => pprof::write(analysis, &selection, watch, out)?,
        ToArg::Folded => folded::write(analysis, &selection, watch, out)?,
        ToArg::Hprof => {
            let written = hprof::write(analysis, watch, out)?;
            if written.in_parts > 0 {
                note(format_args!(
                    "arrays of more than {} ({} of them) are told in parts, arrays of the class part[]: readers \
                     take no longer ones",
                    units::bytes(hprof::PART * 8),
                    units::count(written.in_parts)
                ));
            }
        }
        ToArg::Heapsnapshot => {
            let written = heapsnapshot::write(analysis, args.limit, watch, out)?;
            if written.merged > 0 {
                note(format_args!(
                    "{} nodes are told in {} of {} nodes, with others that the same node holds; --limit \
                     takes more",
                    units::count(written.merged),
                    units::count(written.stand_ins),
                    units::count(written.nodes)
                ));
            }
        }
        ToArg::Dot => match asked {
            Some(asked @ (Asked::Object { .. } | Asked::Class { .. })) => {
                let answer = why(analysis, asked, args.rows, watch)?;
                dot::why(&answer, out)?;
            }
            asked => {
                let options = TreeOptions {
                    depth: args.depth,
                    min: None,
                    branches: args.rows,
                };
                dot::tree(&tree(analysis, asked, &options, watch)?, out)?;
            }
        },
        // It is a dump, with an output of its own.
        ToArg::Snapshot => {}
    }
    Ok(())
}

/// Says what the reader of the file must know; not among the data.
fn note(said: std::fmt::Arguments<'_>) {
    text::say(format_args!("note: {said}"));
}

fn failed(path: &Path, source: std::io::Error) -> CommandError {
    if path == Path::new("-") && source.kind() == std::io::ErrorKind::BrokenPipe {
        return CommandError::EnoughRead;
    }
    CommandError::Write {
        path: path.to_owned(),
        source: WriteError::Sink { offset: 0, source },
    }
}

fn say(args: &ExportArgs, examined: &Examined<Analysis>, bytes: u64) -> Result<(), CommandError> {
    let mut out = text::stdout();
    let said = writeln!(
        out,
        "wrote {} of {}: {}",
        Shown(&args.output),
        examined.name,
        units::bytes(bytes)
    );
    text::done(said.and_then(|()| out.flush()))
}

/// Counts what is written.
struct Counted<W> {
    to: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(buf)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}
