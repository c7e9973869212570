//! The head of a report: the program, how it was captured, and what is not known.

use std::path::Path;

use goheap_analysis::Analysis;

use crate::source::Source;
use crate::standstill::Told;
use crate::text::json_text;
use crate::units;

/// How many gaps are told of.
const GAPS: usize = 10;

/// What a report calls its source, and what stands for it in commands. Of a file that is its name
/// without the folders: where somebody keeps it is nobody's business who reads the report, and the
/// same dump elsewhere gives the same report.
pub(super) fn names(source: &Source, shown: &str) -> (String, String) {
    match source {
        Source::Process(pid) => (shown.to_owned(), pid.to_string()),
        Source::Core(path) | Source::Dump(path) if path != Path::new("-") => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            let name = json_text(name.as_encoded_bytes());
            (name.clone(), name)
        }
        _ => ("standard input".to_owned(), "FILE".to_owned()),
    }
}

/// What is known of the program and of how it was captured, as names and values.
pub(super) fn of(analysis: &Analysis) -> Vec<(&'static str, String)> {
    let dump = &analysis.dump;
    let params = dump.params();
    let mut facts = Vec::new();
    let digest = dump.notes().digest.as_ref();
    if let Some(program) = digest.and_then(|digest| digest.program.as_ref()) {
        // Where it lay, or was built, tells of a machine and its users. A package in no module is called
        // by its folder, behind a `_` (cmd/go/internal/load/pkg.go: `dirToImportPath`).
        let package = match program.main_package.starts_with(b"_/") {
            true => last(&program.main_package),
            false => &program.main_package[..],
        };
        let package = [package, &program.main_version].join(&b' ');
        for (name, value) in [
            ("program", last(&program.executable)),
            ("main package", package.trim_ascii()),
            ("build id", &program.go_build_id[..]),
        ] {
            if !value.is_empty() {
                facts.push((name, json_text(value)));
            }
        }
    }
    facts.push(("Go version", params.go_version.clone()));
    if let Some(capture) = digest.and_then(|digest| digest.capture.as_ref()) {
        // How old a core is, it does not tell.
        let when = match capture.method == b"core" {
            true => "core read",
            false => "captured",
        };
        facts.push((when, units::utc(capture.unix_ns)));
        if let Some(stood_still) = Told(capture).stood_still() {
            facts.push(("stood still for", stood_still));
        }
        if !capture.safe_moment {
            facts.push(("moment", "not a safe one".to_owned()));
        }
        if let Some(rss) = capture.rss {
            facts.push(("in RAM", units::bytes(rss)));
        }
    }
    facts
}

/// The last part of a path.
fn last(path: &[u8]) -> &[u8] {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    parts.next().unwrap_or_default()
}

/// What the dump does not know, in sentences.
pub(super) fn notes(analysis: &Analysis) -> Vec<String> {
    let mut notes = analysis.dump.missing().to_vec();
    let Some(digest) = analysis.dump.notes().digest.as_ref() else {
        return notes;
    };
    for gap in digest.gaps.iter().take(GAPS) {
        notes.push(format!(
            "gap: {} at {:#x}: {}",
            json_text(&gap.what),
            gap.address,
            json_text(&gap.why)
        ));
    }
    match digest.gap_count().saturating_sub(GAPS as u64) {
        0 => {}
        more => notes.push(format!("and {} more gaps", units::count(more))),
    }
    notes
}
