//! What a walk could not see, as text and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use goheap_format::annex::Digest;
use goheap_runtime::Gaps;
use serde::Serialize;

use crate::text::{json_text, printable};
use crate::units;

/// How many gaps are shown to people.
const SHOWN: usize = 10;

/// Gaps as JSON.
#[derive(Serialize)]
pub(crate) struct GapsValue {
    /// All of them.
    count: u64,
    /// How many of each name.
    by_what: BTreeMap<String, u64>,
    /// The first ones.
    first: Vec<GapValue>,
}

#[derive(Serialize)]
struct GapValue {
    what: String,
    address: String,
    why: String,
}

impl GapsValue {
    pub(crate) fn of(gaps: &Gaps) -> GapsValue {
        let first = gaps.kept().iter().map(|gap| GapValue {
            what: gap.what.to_owned(),
            address: gap.at.to_string(),
            why: gap.why.clone(),
        });
        GapsValue {
            count: gaps.count(),
            by_what: gaps
                .by_what()
                .iter()
                .map(|(w, n)| ((*w).to_owned(), *n))
                .collect(),
            first: first.collect(),
        }
    }

    /// Those that the annex of a dump tells of; `by_what` has those of its rows.
    pub(crate) fn told(annex: &Digest) -> GapsValue {
        let first = annex.gaps.iter().map(|gap| GapValue {
            what: json_text(&gap.what),
            address: format!("{:#x}", gap.address),
            why: json_text(&gap.why),
        });
        let mut by_what = BTreeMap::new();
        for gap in &annex.gaps {
            *by_what.entry(json_text(&gap.what)).or_default() += 1;
        }
        GapsValue {
            count: annex.gap_count(),
            by_what,
            first: first.collect(),
        }
    }
}

/// The first gaps that the annex of a dump tells of, one a line.
pub(crate) fn print_told(out: &mut dyn Write, annex: &Digest) -> io::Result<()> {
    let shown = annex.gaps.iter().take(SHOWN);
    for gap in shown.clone() {
        let (what, why) = (printable(&gap.what), printable(&gap.why));
        writeln!(out, "  gap: {what} at {:#x}: {why}", gap.address)?;
    }
    match annex.gap_count().saturating_sub(shown.count() as u64) {
        0 => Ok(()),
        more => writeln!(
            out,
            "  and {more} more gaps (--json has the first thousand)"
        ),
    }
}

/// How many gaps there are, and of what: `no gaps`, `3 gaps (2 a goroutine's frames, 1 the moment)`.
pub(crate) fn counted(gaps: &Gaps) -> String {
    match gaps.count() {
        0 => "no gaps".to_owned(),
        count => format!("{} ({})", units::counted(count, "gap"), of_what(gaps)),
    }
}

/// How many of each name, most first: `2 a goroutine's frames, 1 the moment`.
pub(crate) fn of_what(gaps: &Gaps) -> String {
    let mut by_what: Vec<(&str, u64)> = gaps.by_what().iter().map(|(w, n)| (*w, *n)).collect();
    // Most first; those of a number by name, as they come.
    by_what.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    by_what
        .iter()
        .map(|(what, count)| format!("{} {what}", units::count(*count)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The first gaps, one a line.
pub(crate) fn print(out: &mut dyn Write, gaps: &Gaps, caveat: Option<&str>) -> io::Result<()> {
    if let Some(caveat) = caveat {
        writeln!(out, "  note: {caveat}")?;
    }
    for gap in gaps.kept().iter().take(SHOWN) {
        let gap = gap.to_string();
        writeln!(out, "  gap: {}", crate::text::printable(gap.as_bytes()))?;
    }
    match gaps.count().saturating_sub(SHOWN as u64) {
        0 => Ok(()),
        more => writeln!(
            out,
            "  and {more} more gaps (--json has the first thousand)"
        ),
    }
}
