//! What a mended dump has behind its EOF record: the notes of the walk, and what is known without
//! one. All but the notes of the walk is gathered once the process goes on.

use std::io::{self, Write};
use std::time::Duration;

use goheap_analysis::put_catalogue;
use goheap_format::annex::{AnnexWriter, Capture, Gap, Note, Program};

use crate::capture::{Subject, Walked};
use crate::standstill::Standstill;

/// Completes the annex and writes it; how many bytes it has.
///
/// # Errors
/// Of the writer.
pub(crate) fn write(
    mut annex: AnnexWriter,
    subject: &Subject,
    walked: &Walked,
    out: &mut impl Write,
) -> io::Result<u64> {
    let facts = &subject.facts;
    let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
    let executable = facts.executable.as_deref();
    annex.add(&Note::Program(Program {
        goheap_version: env!("CARGO_PKG_VERSION").as_bytes(),
        executable: executable.map_or(b"", |path| path.as_os_str().as_encoded_bytes()),
        go_build_id: text(&facts.go_build_id).as_bytes(),
        gnu_build_id: facts.gnu_build_id.as_deref().unwrap_or_default(),
        main_package: text(&facts.main_package).as_bytes(),
        main_version: text(&facts.main_version).as_bytes(),
    }))?;
    let gaps = &walked.summary.gaps;
    let standstill = walked.standstill.as_ref();
    annex.add(&Note::Capture(Capture {
        source: facts.name.as_bytes(),
        unix_ns: walked.unix_ns(),
        method: walked.method().as_bytes(),
        pause_ns: walked.pause().map(nanoseconds),
        stopped_ns: standstill.map(|standstill| nanoseconds(standstill.total)),
        tries: standstill.map_or(0, |standstill| standstill.tries.into()),
        safe_moment: walked.safe_moment,
        gaps: gaps.count(),
        monotonic_ns: walked.monotonic_ns,
        pid: walked.process.map(|process| process.pid.into()),
        started: walked.process.map(|process| process.started),
        rss: walked.process.map(|process| process.rss),
        rss_anon: walked.process.map(|process| process.rss_anon),
        passed_over: standstill
            .map_or(String::new(), Standstill::passed_over_text)
            .as_bytes(),
        copied_in_pause: standstill.map(|standstill| standstill.copied_in_pause),
        copied: standstill.map(|standstill| standstill.copied),
        extra: standstill.map(|standstill| standstill.extra),
        left: standstill
            .and_then(|standstill| standstill.left.as_deref())
            .unwrap_or_default()
            .as_bytes(),
    }))?;
    for gap in gaps.kept() {
        annex.add(&Note::Gap(Gap {
            what: gap.what.as_bytes(),
            address: gap.at.get(),
            why: gap.why.as_bytes(),
        }))?;
    }
    put_catalogue(&walked.catalogue, &mut annex)?;
    annex.finish(out)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
