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
    let shown = gaps.kept().iter().take(SHOWN);
    let more = gaps.count().saturating_sub(shown.len() as u64);
    for gap in shown {
        writeln!(
            out,
            "  gap: {}",
            crate::text::printable(gap.to_string().as_bytes())
        )?;
    }
    if more > 0 {
        writeln!(out, "  and {more} more gaps (--json has up to a thousand)")?;
    }
    Ok(())
}
