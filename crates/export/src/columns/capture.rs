//! The table `capture`, and what all files say of their capture in their metadata.

use std::io::Write;

use goheap_analysis::Analysis;
use goheap_analysis::answers::top::Heap;
use goheap_format::annex::{CaptureDigest, ProgramDigest};

use super::sheet::{Cell, Sheet, maybe, number, text};
use super::text::{hex, of_bytes};
use super::{About, ColumnsError, SCHEMA};

fn program(analysis: &Analysis) -> Option<&ProgramDigest> {
    let digest = analysis.dump.notes().digest.as_ref()?;
    digest.program.as_ref()
}

fn captured(analysis: &Analysis) -> Option<&CaptureDigest> {
    let digest = analysis.dump.notes().digest.as_ref()?;
    digest.capture.as_ref()
}

fn filled(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

/// What each file says in its metadata: key and value. What the dump does not know is left out; of
/// texts, columns have no more than this.
pub(super) fn metadata(analysis: &Analysis, about: &About<'_>) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("goheap.schema", SCHEMA.to_owned()),
        ("goheap.version", about.goheap_version.to_owned()),
        ("goheap.go_version", cut(&analysis.dump.params().go_version)),
    ];
    if let Some(program) = program(analysis) {
        let texts = [
            ("goheap.program", &program.executable),
            ("goheap.main_package", &program.main_package),
            ("goheap.go_build_id", &program.go_build_id),
        ];
        for (key, value) in texts {
            if !value.is_empty() {
                pairs.push((key, cut(&of_bytes(value))));
            }
        }
        if !program.gnu_build_id.is_empty() {
            pairs.push(("goheap.gnu_build_id", cut(&hex(&program.gnu_build_id))));
        }
    }
    if let Some(captured) = captured(analysis) {
        pairs.push(("goheap.captured_unix_ns", captured.unix_ns.to_string()));
    }
    pairs
}

fn cut(value: &str) -> String {
    let cut = super::text::text(value);
    cut.as_utf8().unwrap_or_default().to_owned()
}

pub(super) fn rows<W: Write + Send>(
    analysis: &Analysis,
    _: &About<'_>,
    sheet: &mut Sheet<W>,
) -> Result<(), ColumnsError> {
    let dump = &analysis.dump;
    let heap = Heap::of(analysis);
    let (program, captured) = (program(analysis), captured(analysis));
    let bytes = |bytes: &[u8]| text(&of_bytes(bytes));
    let of_program = |part: fn(&ProgramDigest) -> &[u8]| program.and_then(|p| filled(part(p)));
    let missing = dump.missing().join("; ");
    sheet.row([
        maybe(of_program(|p| &p.executable), bytes),
        maybe(of_program(|p| &p.main_package), bytes),
        maybe(of_program(|p| &p.main_version), bytes),
        text(&dump.params().go_version),
        maybe(of_program(|p| &p.go_build_id), bytes),
        maybe(of_program(|p| &p.gnu_build_id), |id| text(&hex(id))),
        maybe(captured.map(|c| c.unix_ns), number),
        maybe(captured.and_then(|c| filled(&c.method)), bytes),
        maybe(captured.and_then(|c| c.pid), number),
        maybe(captured.and_then(|c| c.rss), number),
        number(heap.objects.saturating_add(heap.garbage_objects)),
        number(heap.bytes.saturating_add(heap.garbage_bytes)),
        number(heap.objects),
        number(heap.bytes),
        number(dump.goroutines().len() as u64),
        maybe(captured.map(|c| c.gaps), number),
        match missing.is_empty() {
            true => Cell::Null,
            false => text(&missing),
        },
    ])
}
