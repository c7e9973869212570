//! Lines for flame graphs: `a;b;c 4096`, a stack and its bytes.
//!
//! The format is that of FlameGraph's `stackcollapse` scripts
//! (FlameGraph's README, "2. Fold stacks"): entries separated by semicolons, the
//! outermost first, a blank, a number. Nothing can be escaped in it, so a semicolon in a name (that of a
//! struct without one) becomes a comma.
//!
//! # What it cannot say
//! One number a stack: the bytes of the objects. What an object retains, how many there are, and whose
//! goroutine it is, `pprof` says.

use std::io::Write;

use goheap_analysis::{Analysis, Watch};

use crate::ExportError;
use crate::select::Selection;
use crate::stacks::Stacks;

/// Writes the bytes of the objects that are selected, by the way that they are held.
///
/// # Errors
/// Of the writer; interrupted.
pub fn write(
    analysis: &Analysis,
    selection: &Selection,
    watch: &dyn Watch,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let stacks = Stacks::of(analysis, selection, watch)?;
    for sample in &stacks.samples {
        if sample.sums.bytes == 0 {
            continue;
        }
        let names: Vec<String> = stacks.named(sample).map(entry).collect();
        writeln!(out, "{} {}", names.join(";"), sample.sums.bytes)?;
    }
    Ok(())
}

/// A name that is one entry: never empty, for that would shift the others.
fn entry(name: &str) -> String {
    match name {
        "" => "?".to_owned(),
        name => name.replace(';', ","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_entry() {
        assert_eq!(
            entry("struct { A int; B string }"),
            "struct { A int, B string }"
        );
        assert_eq!(entry(""), "?");
    }
}
