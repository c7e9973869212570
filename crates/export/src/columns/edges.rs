//! The table `edges`.

use std::io::Write;

use goheap_analysis::paths::EdgeNames;
use goheap_analysis::{Analysis, Watch};

use super::sheet::{Cell, Sheet, address, number};
use super::text::text;
use super::{ColumnsError, STEP};

pub(super) fn rows<W: Write + Send>(
    analysis: &Analysis,
    sheet: &mut Sheet<W>,
    watch: &dyn Watch,
) -> Result<(), ColumnsError> {
    let dump = &analysis.dump;
    let mut names = EdgeNames::new(analysis, text);
    let total = u64::from(dump.object_count());
    for (object, done) in dump.objects().zip(0u64..) {
        if done.is_multiple_of(STEP) {
            watch.step("writing edges", done, total)?;
        }
        let source = dump.address(object);
        let mut written = Ok(());
        let mut edges = 0u64;
        names.each(object, |edge| {
            edges += 1;
            // One object can have a great many.
            if written.is_ok() && edges.is_multiple_of(STEP) {
                written = watch
                    .step("writing edges", done, total)
                    .map_err(ColumnsError::from);
            }
            if written.is_ok() {
                written = sheet.row([
                    address(source),
                    number(edge.offset),
                    address(dump.address(edge.to)),
                    number(edge.to_offset),
                    Cell::Text(edge.name.clone()),
                ]);
            }
        });
        written?;
    }
    Ok(())
}
