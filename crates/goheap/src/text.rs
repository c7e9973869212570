//! Text on standard output: tables, colour. What is escaped and how: `goheap_page::text`.

use std::fmt;
use std::io::{self, Write};

use anstyle::Style;

use crate::error::CommandError;

pub(crate) use goheap_page::text::printable;

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of a name in JSON, where text has to be Unicode: as [`printable`], which tells what is
/// replaced.
pub(crate) fn json_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        // serde_json escapes control characters by itself.
        Ok(text) => text.to_owned(),
        Err(_) => printable(bytes).to_string(),
    }
}

/// The style of a heading.
pub(crate) const HEADING: Style = Style::new().bold();

/// The style of what matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// A heading on its own line, behind an empty one.
pub(crate) fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{HEADING}{text}{HEADING:#}")
}

/// A table: the first column left, all others right, two blanks between, indented by two; the last
/// one, where it is text, left.
pub(crate) struct Table {
    columns: &'static [Align],
    rows: Vec<Vec<String>>,
}

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

impl Table {
    pub(crate) fn new(columns: &'static [Align]) -> Table {
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, align), &width) in row.iter().zip(self.columns).zip(&widths) {
                line.push_str("  ");
                match align {
                    Align::Left => line.push_str(&format!("{cell:<width$}")),
                    Align::Right => line.push_str(&format!("{cell:>width$}")),
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Standard output for text: colour follows the terminal and NO_COLOR.
pub(crate) fn stdout() -> impl Write {
    io::BufWriter::new(anstream::AutoStream::auto(io::stdout()))
}

/// Says one line to standard error. All of it is made printable: a process may call itself what it
/// likes, and the errors of the libraries repeat it.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let line = line.to_string();
    // Nobody is left to tell if this fails.
    let _ = writeln!(anstream::stderr(), "{}", printable(line.as_bytes()));
}

/// What became of writing an answer. That a reader has had enough (`| head`) ends the command, but
/// is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn done(written: io::Result<()>) -> Result<(), CommandError> {
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CommandError::EnoughRead,
        _ => CommandError::Stdout(error),
    })
}

/// Prints `value` as JSON on one line.
///
/// # Errors
/// Of the writer.
pub(crate) fn json(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&[Align::Left, Align::Right, Align::Left]);
        table.row(["a", "1,000", "x"].map(str::to_owned));
        table.row(["bcd", "7", ""].map(str::to_owned));
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  a    1,000  x\n  bcd      7\n"
        );
    }
}
