//! What a walk could not see, as text and as JSON.

use std::io::{self, Write};

use goheap_runtime::Gaps;
use serde::Serialize;

/// How many gaps are shown to people.
const SHOWN: usize = 10;

/// Gaps as JSON.
#[derive(Serialize)]
pub(crate) struct GapsValue {
    /// All of them.
    count: u64,
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
            first: first.collect(),
        }
    }
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
