//! What a walk could not see: partial truth is data.

use std::collections::BTreeMap;
use std::fmt;

use goheap_memory::Addr;

use crate::WalkError;

/// Something that a walk could not see or did not believe. The dump goes on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What is missing, or doubtful.
    pub what: &'static str,
    /// Where.
    pub at: Addr,
    /// Why.
    pub why: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.what, self.at, self.why)
    }
}

/// The gaps of a walk: all are counted, the first ones are kept.
#[derive(Debug, Default, Clone)]
pub struct Gaps {
    kept: Vec<Gap>,
    count: u64,
    by_what: BTreeMap<&'static str, u64>,
}

impl Gaps {
    /// How many are kept; a heap that is damaged all over must not fill goheap's own.
    const KEPT: usize = 1000;

    /// Adds one.
    pub fn add(&mut self, what: &'static str, at: Addr, why: impl fmt::Display) {
        self.count += 1;
        *self.by_what.entry(what).or_default() += 1;
        if self.kept.len() < Self::KEPT {
            self.kept.push(Gap {
                what,
                at,
                why: why.to_string(),
            });
        }
    }

    /// Adds one for a part of the walk that `result` says could not be had, if that is the target's
    /// fault.
    ///
    /// # Errors
    /// Anything else.
    pub(crate) fn unless<T>(
        &mut self,
        what: &'static str,
        at: Addr,
        result: Result<T, WalkError>,
    ) -> Result<Option<T>, WalkError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_damage() => {
                self.add(what, at, error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Adds those of a part of the walk.
    pub fn append(&mut self, more: Gaps) {
        self.count += more.count;
        for (what, count) in more.by_what {
            *self.by_what.entry(what).or_default() += count;
        }
        let room = Self::KEPT.saturating_sub(self.kept.len());
        self.kept.extend(more.kept.into_iter().take(room));
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many there were of each name.
    pub fn by_what(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_what
    }

    /// The first ones.
    pub fn kept(&self) -> &[Gap] {
        &self.kept
    }
}
