//! `goheap export --to parquet`: a folder of tables.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use goheap_export::columns::{self, About, ColumnsError, Table, Written};
use goheap_format::output::OutputFolder;

use crate::args::ExportArgs;
use crate::census::status_name;
use crate::error::{CommandError, Shown};
use crate::examined::{self, interrupted};
use crate::text;
use crate::units;

/// Why there are no tables.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParquetError {
    /// Tables are files.
    #[error("parquet is a folder of files; name it with -o DIR")]
    NoFolder,
    /// Tables have all of it.
    #[error("--of is not for parquet, which has the whole heap; ask for a part of it by SQL")]
    Part,
    /// A table cannot be written.
    #[error("{}: {source}", Shown(folder))]
    Write {
        folder: PathBuf,
        source: ColumnsError,
    },
    /// The end of a table cannot be written.
    #[error("{}: {}: {source}", Shown(folder), table.file())]
    End {
        folder: PathBuf,
        table: Table,
        source: std::io::Error,
    },
}

pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, CommandError> {
    if args.output == Path::new("-") {
        return Err(ParquetError::NoFolder.into());
    }
    if args.of.is_some() {
        return Err(ParquetError::Part.into());
    }
    // Whether it can be written is found out before anything is captured.
    let folder = OutputFolder::create(&args.output, args.force).map_err(CommandError::Output)?;
    let examined = examined::open(&args.examine)?;
    let watch = examined.watch();
    let about = About {
        goheap_version: env!("CARGO_PKG_VERSION"),
        state: &status_name,
    };
    let mut open = |table: Table| {
        let file = folder.file(table.file())?;
        Ok(BufWriter::with_capacity(1 << 20, file))
    };
    let tables = columns::write(&examined.of, &about, &mut open, &watch);
    let tables = tables.map_err(|error| match error {
        ColumnsError::Interrupted(_) => interrupted(),
        source => ParquetError::Write {
            folder: args.output.clone(),
            source,
        }
        .into(),
    })?;
    let mut written = Vec::new();
    for Written {
        table,
        rows,
        bytes,
        out,
    } in tables
    {
        out.into_inner().map_err(|error| ParquetError::End {
            folder: args.output.clone(),
            table,
            source: error.into_error(),
        })?;
        written.push((table, rows, bytes));
    }
    folder.commit().map_err(CommandError::Output)?;
    drop(watch);
    let mut out = text::stdout();
    let said = say(args, &examined.name, &written, &mut out);
    text::done(said.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

fn say(
    args: &ExportArgs,
    of: &str,
    written: &[(Table, u64, u64)],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let rows = |of: Table| {
        let rows = written.iter().find(|(table, ..)| *table == of);
        rows.map_or(0, |(_, rows, _)| *rows)
    };
    let bytes = written.iter().map(|(.., bytes)| bytes).sum();
    writeln!(
        out,
        "wrote {} of {of}: {} tables, {}, {}, {}",
        Shown(&args.output),
        written.len(),
        units::counted(rows(Table::Objects), "object"),
        units::counted(rows(Table::Edges), "pointer"),
        units::bytes(bytes)
    )
}
