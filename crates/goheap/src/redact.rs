//! `goheap dump --redact`: a dump whose strings, bytes and numbers are zeros.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use goheap_analysis::redact::{RedactError, Redacted, redact};
use goheap_analysis::types::Types;
use goheap_format::WriteError;
use serde::Serialize;

use crate::args::{DumpArgs, ExamineArgs};
use crate::dump::{CompleteError, Destination};
use crate::error::{CommandError, Shown};
use crate::examined::{self, interrupted};
use crate::text;
use crate::units;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.redact/1";

#[derive(Serialize)]
struct RedactValue<'a> {
    schema: &'static str,
    output: String,
    source: &'a str,
    bytes: u64,
    objects: u64,
}

pub(crate) fn run(args: &DumpArgs) -> Result<ExitCode, CommandError> {
    let examined = examined::open_dump(&ExamineArgs {
        source: args.source.clone(),
        exe: args.exe.clone(),
        how: args.how.clone(),
        damaged: false,
    })?;
    let watch = examined.watch();
    let dump = &examined.of;
    let types = Types::infer(dump, &watch).map_err(|_| interrupted())?;
    let failed = |source| CommandError::Write {
        path: args.output.clone(),
        source,
    };
    let sink = |source| failed(WriteError::Sink { offset: 0, source });
    let destination = Destination::create(&args.output)?;
    let to_stdout = matches!(destination, Destination::Stdout(_));
    let out = BufWriter::with_capacity(1 << 20, destination);
    let (redacted, out) = redact(dump, &types, out, &watch).map_err(|error| match error {
        RedactError::Interrupted(_) => interrupted(),
        RedactError::Write(source) => failed(source),
        RedactError::Annex(source) => sink(source),
        RedactError::Read(source) => {
            crate::opened::read_error(source, std::path::Path::new(&examined.name))
        }
        error => sink(std::io::Error::other(error)),
    })?;
    let destination = out.into_inner().map_err(|error| sink(error.into_error()))?;
    destination.complete().map_err(|error| match error {
        CompleteError::Write(source) => sink(source),
        CompleteError::Output(source) => CommandError::Output(source),
    })?;
    drop(watch);
    // What is said must not get into the data.
    let mut out: Box<dyn Write> = match to_stdout {
        true => Box::new(anstream::stderr()),
        false => Box::new(text::stdout()),
    };
    let said = say(args, &examined.name, redacted, &mut out);
    text::done(said.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

fn say(args: &DumpArgs, of: &str, redacted: Redacted, out: &mut impl Write) -> std::io::Result<()> {
    let Redacted { bytes, objects } = redacted;
    if args.json {
        return text::json(
            out,
            &RedactValue {
                schema: SCHEMA,
                output: Shown(&args.output).to_string(),
                source: of,
                bytes,
                objects,
            },
        );
    }
    writeln!(
        out,
        "wrote {} of {}, redacted: {} objects, {}",
        Shown(&args.output),
        of,
        units::count(objects),
        units::bytes(bytes),
    )
}
