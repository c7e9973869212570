//! What a walk could not see, as text and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use goheap_runtime::Gaps;
use serde::Serialize;

use crate::units;

/// How many gaps are shown to people.
const SHOWN: usize = 10;

/// Gaps as JSON.
#[derive(Serialize)]
pub(crate) struct GapsValue {
    /// All of them.
    count: u64,
    /// How many of each name.
    by_what: BTreeMap<&'static str, u64>,
    /// The first ones.
    first: Vec<GapValue>,
}

#[derive(Serialize)]
struct GapValue {
    what: &'static str,
    address: String,
    why: String,
}

impl GapsValue {
    pub(crate) fn of(gaps: &Gaps) -> GapsValue {
        let first = gaps.kept().iter().map(|gap| GapValue {
            what: gap.what,
            address: gap.at.to_string(),
            why: gap.why.clone(),
        });
        GapsValue {
            count: gaps.count(),
            by_what: gaps.by_what().clone(),
            first: first.collect(),
        }
    }
}

/// How many gaps there are, and of what: `no gaps`, `3 gaps (2 a goroutine's frames, 1 the moment)`.
pub(crate) fn counted(gaps: &Gaps) -> String {
    if gaps.count() == 0 {
        return "no gaps".to_owned();
    }
    let mut by_what: Vec<(&str, u64)> = gaps.by_what().iter().map(|(w, n)| (*w, *n)).collect();
    // Most first; those of a number by name, as they come.
    by_what.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let of = by_what
        .iter()
        .map(|(what, count)| format!("{} {what}", units::count(*count)))
        .collect::<Vec<_>>()
        .join(", ");
    format!("{} ({of})", units::counted(gaps.count(), "gap"))
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
