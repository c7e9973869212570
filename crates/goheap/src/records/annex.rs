//! A row of the annex as a line, by the names of its own columns.

use std::io::{self, Write};

use goheap_format::annex::{Column, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::text::{self, FAINT, hex, json_text, printable};

/// As text: offset of its block, section, and what is in it as `name value`.
pub(super) fn print(
    out: &mut dyn Write,
    offset: u64,
    section: &[u8],
    columns: &[Column],
    row: &[Value<'_>],
) -> io::Result<()> {
    let section = printable(section).to_string();
    write!(out, "{FAINT}{offset:>10}{FAINT:#}  {section:<16}")?;
    let mut blank = "";
    for (column, value) in columns.iter().zip(row) {
        write!(out, "{blank}{} ", printable(&column.name))?;
        match value {
            Value::Uint(number) | Value::MaybeUint(Some(number)) => write!(out, "{number}")?,
            Value::Address(address) => write!(out, "{address:#x}")?,
            Value::Text(b"") | Value::Bytes(b"") => write!(out, "\"\"")?,
            Value::Text(bytes) => write!(out, "{}", printable(bytes))?,
            Value::Bytes(bytes) => write!(out, "{}", hex(bytes))?,
            Value::Bool(truth) => write!(out, "{truth}")?,
            Value::MaybeUint(None) => write!(out, "none")?,
            Value::Unknown => write!(out, "?")?,
        }
        blank = " ";
    }
    writeln!(out)
}

/// A row of the annex, on a line of its own.
#[derive(Serialize)]
struct Line {
    offset: u64,
    kind: String,
    annex: Map<String, Json>,
}

/// As JSON. The columns are a value of their own, for a section that is not known may have any.
pub(super) fn print_json(
    out: &mut dyn Write,
    offset: u64,
    section: &[u8],
    columns: &[Column],
    row: &[Value<'_>],
) -> io::Result<()> {
    let cells = columns.iter().zip(row).map(|(column, value)| {
        let value = match *value {
            Value::Uint(number) => number.into(),
            Value::Address(address) => format!("{address:#x}").into(),
            Value::Text(bytes) => json_text(bytes).into(),
            Value::Bytes(bytes) => hex(bytes).into(),
            Value::Bool(truth) => truth.into(),
            Value::MaybeUint(number) => number.into(),
            Value::Unknown => Json::Null,
        };
        (json_text(&column.name), value)
    });
    let line = Line {
        offset,
        kind: json_text(section),
        annex: cells.collect(),
    };
    text::json(out, &line)
}
