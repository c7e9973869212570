//! Which release of Go built a program that does not say so.
//!
//! garble links `runtime.buildVersion` as `unknown`, and the build information with it. What is left is
//! the runtime's own code. A minor version of Go is believed if each learnt function that the program
//! has is, instruction by instruction, as that version compiles it, and of no other version that is
//! true as well. Between go1.26 and go1.27 three functions of some seventy differ, between other
//! neighbours ten or more; so a version that goheap has not learnt is expected to differ as well, and
//! that it is unlike is seen again in the layouts, which the program's memory has to bear out.
//! Experiments are hidden too. Those that change what memory looks like show in these functions, or have
//! one of their own, or else the version is not told.
//!
//! The functions must have their names. Where these are gone too, functions are known by how a version
//! compiles them (`recognised.rs`), and those of another are not seen at all.

use std::collections::BTreeMap;
use std::ops::{Deref, RangeInclusive};

use super::{Code, Kind, Learnt, LearntStep, LearntTarget, Named, Refers, Step, Streams};
use crate::GoVersion;

/// Of the functions that were learnt of a version, a program has to have so many, as one over this.
const PART: usize = 2;

/// Functions that an experiment brings which changes what memory looks like, and the minor versions in
/// which it does. That it is there is the only sign of it.
const SIGNS: [(&str, RangeInclusive<u32>); 2] = [
    // runtime/map_noswiss.go, go1.24 and go1.25: `noswissmap`.
    ("runtime.makeBucketArray", 24..=25),
    // runtime/arena.go, go1.20 to go1.24: `arenas`, if the program has any.
    ("runtime.newUserArena", 20..=24),
];

/// Experiments that change what memory looks like and show in nothing that is looked at here, and the first
/// minor version that has them. Where one may be, the version is not told.
const UNSEEN: [(&str, u32); 1] = [
    // internal/runtime/maps/group.go, go1.27. (No garble builds by go1.27 yet.)
    ("mapsplitgroup", 27),
];

/// The version as which all learnt functions of the program are compiled.
///
/// # Errors
/// There is none, or more than one.
pub(super) fn by_code<D: Deref<Target = [u8]>>(
    code: &Code<'_, D>,
    streams: &Streams,
) -> Result<GoVersion, Unclear> {
    let named = code.functions();
    let mut minors: BTreeMap<u32, Tally> = BTreeMap::new();
    for minor in streams.minors() {
        minors.insert(minor, Tally::default());
    }
    let mut unlike = None;
    for function in streams.functions(Kind::Usual) {
        // One that cannot be decoded is like none.
        let steps = match named.get(function) {
            Some(Named::One(place)) => Some(code.steps(place.clone()).unwrap_or_default()),
            Some(Named::Several) | None => None,
        };
        minors.retain(|minor, tally| {
            let has_it = |form: &&Learnt| form.usual().any(|version| version.0 == *minor);
            let forms: Vec<&Learnt> = streams.forms(function).iter().filter(has_it).collect();
            tally.known += usize::from(!forms.is_empty());
            let Some(steps) = steps.as_ref().filter(|_| !forms.is_empty()) else {
                return true;
            };
            let exact = forms.iter().find(|form| is_as_learnt(&form.steps, steps));
            let Some(exact) = exact else {
                unlike = Some(function.to_owned());
                return false;
            };
            tally.alike += 1;
            for (_, patch) in exact.usual().filter(|version| version.0 == *minor) {
                *tally.by_patch.entry(*patch).or_default() += 1;
            }
            true
        });
    }
    minors.retain(|_, tally| tally.alike * PART >= tally.known);
    let mut minors = minors.into_iter();
    match (minors.next(), minors.next()) {
        (Some((minor, tally)), None) => {
            let of_it = SIGNS.iter().filter(|(_, minors)| minors.contains(&minor));
            let sign = of_it
                .map(|(sign, _)| *sign)
                .find(|sign| named.contains_key(*sign));
            if let Some(sign) = sign {
                return Err(Unclear::Experiment(sign));
            }
            let unseen = UNSEEN.iter().find(|(_, since)| minor >= *since);
            if let Some((name, _)) = unseen {
                return Err(Unclear::MayBe(minor, name));
            }
            let nearest = tally.by_patch.into_iter().max_by_key(|(_, count)| *count);
            let patch = nearest.map_or(0, |(patch, _)| patch);
            Ok(GoVersion::by_code(minor, patch))
        }
        (Some(_), Some(_)) => Err(Unclear::Several),
        (None, _) => Err(unlike.map_or(Unclear::Nameless, Unclear::Unlike)),
    }
}

/// Whether a function does what was learnt, step by step. The one function whose name is the first of all
/// has none in the table ([`Func::name`](goheap_image::pclntab::Func::name)), and may be another one in
/// each program.
pub(super) fn is_as_learnt(learnt: &[LearntStep], steps: &[Step]) -> bool {
    let fits = |(learnt, step): (&LearntStep, &Step)| {
        let same = match (&learnt.target, &step.to) {
            (LearntTarget::Function(name), Refers::Function(found)) => {
                name == found || name.is_empty() || found.is_empty()
            }
            (LearntTarget::Variable(..) | LearntTarget::Other, Refers::Data(_)) => true,
            (LearntTarget::Function(_), _) | (_, Refers::Function(_)) => false,
        };
        same && learnt.op == step.op
    };
    learnt.len() == steps.len() && learnt.iter().zip(steps).all(fits)
}

/// How the program's functions are as one minor version has them.
#[derive(Default)]
struct Tally {
    /// How many were learnt of it.
    known: usize,
    /// How many of these the program has, all as they were learnt.
    alike: usize,
    /// How many of those are as each of its releases has them: it decides which is the nearest.
    by_patch: BTreeMap<u32, usize>,
}

/// Why code does not tell the version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unclear {
    /// The functions' names are gone.
    #[error("the names of its functions are gone as well")]
    Nameless,
    /// The last version that all others fit has this function otherwise.
    #[error("{0} is not as the version compiles it that the functions before it are of")]
    Unlike(String),
    /// The runtime was built with an experiment, which the version would have named.
    #[error("{0} is there by an experiment alone (GOEXPERIMENT)")]
    Experiment(&'static str),
    /// An experiment of this minor version would not show.
    #[error("it is as go1.{0} compiles it, with GOEXPERIMENT={1} or without")]
    MayBe(u32, &'static str),
    /// More than one version would do.
    #[error("it could be of several")]
    Several,
}
