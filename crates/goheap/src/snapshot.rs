//! `goheap export --to snapshot`: a dump with what its analysis found out, for every command to take.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use goheap_analysis::snapshot::{SnapshotError, Written, write};
use goheap_format::WriteError;

use crate::args::ExportArgs;
use crate::dump::{CompleteError, Destination};
use crate::error::{CommandError, Shown};
use crate::examined::{self, interrupted};
use crate::text;
use crate::units;

pub(crate) fn run(args: &ExportArgs) -> Result<ExitCode, CommandError> {
    if args.of.is_some() {
        return Err(CommandError::PartOfSnapshot);
    }
    let output = &args.output;
    let destination = Destination::create(output)?;
    let to_stdout = matches!(destination, Destination::Stdout(_));
    let examined = examined::open(&args.examine)?;
    let watch = examined.watch();
    let out = BufWriter::with_capacity(1 << 20, destination);
    let (written, out) = write(&examined.of, out, &watch).map_err(|error| match error {
        SnapshotError::Interrupted(_) => interrupted(),
        SnapshotError::Write(source) => failed(output, source),
        source => CommandError::Snapshot {
            of: examined.name.clone(),
            source,
        },
    })?;
    let destination = out
        .into_inner()
        .map_err(|error| failed(output, error.into_error()))?;
    destination.complete().map_err(|error| match error {
        CompleteError::Write(source) => failed(output, source),
        CompleteError::Output(source) => CommandError::Output(source),
    })?;
    drop(watch);
    if !to_stdout {
        let mut out = text::stdout();
        let said = say(output, &examined.name, written, &mut out);
        text::done(said.and_then(|()| out.flush()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(output: &Path, of: &str, written: Written, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "wrote {} of {of}, analysed: {}, {}, of which {} are the analysis",
        Shown(output),
        units::counted(written.objects, "object"),
        units::bytes(written.bytes),
        units::bytes(written.analysis),
    )
}

fn failed(path: &Path, source: io::Error) -> CommandError {
    if path == Path::new("-") && source.kind() == io::ErrorKind::BrokenPipe {
        return CommandError::EnoughRead;
    }
    CommandError::Write {
        path: path.to_owned(),
        source: WriteError::Sink { offset: 0, source },
    }
}
