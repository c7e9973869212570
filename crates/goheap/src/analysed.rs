//! Whether what an analysed snapshot has found out is used: told by `info` and `verify`.
//!
//! As far as a file tells it without its heap being looked at: by the version, and by the checksum of what it
//! was made of. What else may be wrong with it is found when it is used, and the answers say so.

use std::fmt;
use std::path::Path;

use goheap_analysis::snapshot::{Unfit, fits};
use goheap_format::annex::{Analysis, Digest};
use serde::Serialize;

use crate::error::CommandError;
use crate::live;
use crate::opened::Input;

/// What there is to say of an analysis.
pub(crate) struct Standing {
    told: Analysis,
    /// Why it is not used; `None` if nobody can tell.
    unfit: Option<Result<(), Unfit>>,
}

/// The same as JSON.
#[derive(Serialize)]
pub(crate) struct AnalysisValue {
    version: u64,
    /// `null` where only a file could tell.
    used: Option<bool>,
    why_not: Option<String>,
}

/// What there is to say of the analysis that an annex tells of, which was read to its end if it is `whole`;
/// `path` is the file that it is in, if that can be read again.
///
/// # Errors
/// Of reading the file.
pub(crate) fn standing(
    annex: &Digest,
    whole: bool,
    path: Option<&Path>,
) -> Result<Option<Standing>, CommandError> {
    let Some(told) = annex.analysis else {
        return Ok(None);
    };
    let unfit = match path {
        _ if !whole => Some(Err(Unfit::Wrong("the annex cannot be read to its end"))),
        None => match fits(&told, [Ok::<_, ()>(b"")]) {
            Ok(Err(unfit @ Unfit::Version(_))) => Some(Err(unfit)),
            _ => None,
        },
        Some(path) => {
            let pieces = Input::open(path.as_os_str())?.first(told.until);
            let pieces = pieces.map(|piece| {
                let failed = |source| CommandError::Open {
                    path: path.to_owned(),
                    source,
                };
                match live::stop_requested() {
                    Some(signal) => Err(CommandError::Interrupted(signal)),
                    None => piece.map_err(failed),
                }
            });
            Some(fits(&told, pieces)?)
        }
    };
    Ok(Some(Standing { told, unfit }))
}

impl Standing {
    pub(crate) fn json(&self) -> AnalysisValue {
        let unfit = self.unfit.as_ref();
        AnalysisValue {
            version: self.told.version,
            used: unfit.map(Result::is_ok),
            why_not: unfit.and_then(|unfit| unfit.as_ref().err().map(ToString::to_string)),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unfit {
            Some(Err(why)) => write!(f, "not used, for {why}"),
            _ => write!(f, "by version {} of the analysis", self.told.version),
        }
    }
}
