//! The table `spans`: of dumps with an annex, which tells of them.

use std::io::Write;

use goheap_analysis::{Analysis, Watch};

use super::sheet::{Cell, Sheet, address, number};
use super::{ColumnsError, STEP};

pub(super) fn rows<W: Write + Send>(
    analysis: &Analysis,
    sheet: &mut Sheet<W>,
    watch: &dyn Watch,
) -> Result<(), ColumnsError> {
    let spans = &analysis.dump.notes().spans;
    for (span, done) in spans.iter().zip(0u64..) {
        if done.is_multiple_of(STEP) {
            watch.step("writing spans", done, spans.len() as u64)?;
        }
        sheet.row([
            address(span.base),
            number(span.bytes),
            number(span.elem_size),
            number(span.capacity),
            number(span.objects),
            // runtime/mheap.go: `spanClass`
            number(u64::from(span.span_class >> 1)),
            Cell::Bool(span.span_class & 1 != 0),
            Cell::Bool(span.unswept),
        ])?;
    }
    Ok(())
}
