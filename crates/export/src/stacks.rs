//! Objects by the way that they are held, as the stacks of a profile: what `pprof` and `folded` share.
//!
//! A stack begins with a variable (`main.cache.shards`) or a frame (`goroutine (main.worker): local
//! variable buf`). Each further entry is a step from an object to the next: the class of the object and
//! the field, `main.Shard.m[*]`. The last entry is the class of the objects themselves. So what a
//! profiler calls *flat* is bytes by type, and *cumulative* is what was come to by that field.
//!
//! An object is on one stack: that of a shortest path to it, as `why` tells it first.

use std::collections::HashMap;

use goheap_analysis::paths::{Holders, WayTree};
use goheap_analysis::{Analysis, Interrupted, NodeId, NodeKind, ObjectId, RootKind, Watch};

use crate::select::Selection;
use crate::text::clean;

/// How many entries a stack has at most: of longer ones the middle is left out.
pub const DEEPEST: usize = 64;

/// How many samples there are at most; the smallest beyond are one.
pub const SAMPLES: usize = 50_000;

/// How many are told apart by goroutine while objects are counted.
const BY_GOROUTINE: usize = 200_000;

/// Characters of an entry.
const LONGEST: usize = 240;

/// No goroutine.
const NONE: u32 = u32::MAX;

/// Objects held in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of all that would be gone without those of them that no other object holds alone: over all
    /// samples, each byte counts once.
    pub retained: u64,
}

/// A sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its entries in [`Stacks::names`], the outermost first.
    pub stack: Vec<u32>,
    /// The goroutine whose frame the path begins with: its place in
    /// [`goheap_analysis::Dump::goroutines`].
    pub goroutine: Option<u32>,
    /// The sums.
    pub sums: Sums,
}

/// Samples, and the names on their stacks.
#[derive(Debug, Default)]
pub struct Stacks {
    /// Names of entries.
    pub names: Vec<String>,
    /// The largest first; what is told in one for being small is the last.
    pub samples: Vec<Sample>,
    /// How many samples are told in one.
    pub merged: u64,
}

/// Interns names.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    known: HashMap<String, u32>,
}

impl Names {
    fn of(&mut self, name: &str) -> u32 {
        let name = clean(name, LONGEST);
        let next = self.names.len() as u32;
        let names = &mut self.names;
        *self.known.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            next
        })
    }
}

impl Stacks {
    /// Of all objects that are selected.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(
        analysis: &Analysis,
        selection: &Selection,
        watch: &dyn Watch,
    ) -> Result<Stacks, Interrupted> {
        let ways = Holders::of(analysis, watch)?.ways(watch)?;
        let mut sums: HashMap<(u32, u32), Sums> = HashMap::new();
        let total = analysis.dump.object_count();
        for object in analysis.dump.objects() {
            if object.0.is_multiple_of(1 << 16) {
                watch.step("counting by path", object.0.into(), total.into())?;
            }
            let Some(way) = ways
                .way_to(object)
                .filter(|_| selection.has(analysis, object))
            else {
                continue;
            };
            let mut key = (way, goroutine_of(analysis, &ways, object));
            if sums.len() >= BY_GOROUTINE && !sums.contains_key(&key) {
                key.1 = NONE;
            }
            let sum = sums.entry(key).or_default();
            sum.objects += 1;
            sum.bytes = sum.bytes.saturating_add(analysis.dump.size(object));
            if is_outermost(analysis, selection, object) {
                let retained = analysis.retained_of(NodeId(object.0));
                sum.retained = sum.retained.saturating_add(retained);
            }
        }
        let mut all: Vec<((u32, u32), Sums)> = sums.into_iter().collect();
        all.sort_by_key(|(key, sums)| (std::cmp::Reverse(sums.bytes), *key));
        let rest = all.split_off(all.len().min(SAMPLES));
        let mut names = Names::default();
        let mut samples: Vec<Sample> = all
            .into_iter()
            .map(|((way, goroutine), sums)| Sample {
                stack: stack(analysis, &ways, way, &mut names),
                goroutine: (goroutine != NONE).then_some(goroutine),
                sums,
            })
            .collect();
        if !rest.is_empty() {
            let name = format!("({} smaller samples, told as one)", rest.len());
            let zero = Sums::default();
            let add = |a: Sums, (_, b): &(_, Sums)| Sums {
                objects: a.objects + b.objects,
                bytes: a.bytes.saturating_add(b.bytes),
                retained: a.retained.saturating_add(b.retained),
            };
            samples.push(Sample {
                stack: vec![names.of(&name)],
                goroutine: None,
                sums: rest.iter().fold(zero, add),
            });
        }
        Ok(Stacks {
            names: names.names,
            samples,
            merged: rest.len() as u64,
        })
    }

    /// What a sample's entries are called.
    pub fn named<'s>(&'s self, sample: &'s Sample) -> impl Iterator<Item = &'s str> {
        sample
            .stack
            .iter()
            .map(|name| self.names.get(*name as usize).map_or("", String::as_str))
    }
}

/// The goroutine whose frame, or whose own, the path to an object begins with.
fn goroutine_of(analysis: &Analysis, ways: &WayTree, object: ObjectId) -> u32 {
    let dump = &analysis.dump;
    let root = ways.root_of(object);
    match root.and_then(|root| dump.roots().get(root as usize)) {
        Some(root) => match root.kind {
            RootKind::Frame(frame) => dump
                .frames()
                .get(frame as usize)
                .map_or(NONE, |frame| frame.goroutine),
            RootKind::Goroutine(goroutine) => goroutine,
            _ => NONE,
        },
        None => NONE,
    }
}

/// Whether no other object that is selected dominates an object: its immediate dominator is none, or
/// none that is selected.
fn is_outermost(analysis: &Analysis, selection: &Selection, object: ObjectId) -> bool {
    match analysis.dominators.idom(object.0) {
        None => true,
        Some(above) => match analysis.nodes.kind(NodeId(above)) {
            NodeKind::Object(above) => !selection.has(analysis, above),
            _ => true,
        },
    }
}

/// The entries of a way, the outermost first.
fn stack(analysis: &Analysis, ways: &WayTree, way: u32, names: &mut Names) -> Vec<u32> {
    let class = |class: Option<_>| {
        let class = class.and_then(|class| analysis.types.class(class));
        class.map_or("", |class| class.name.as_str())
    };
    let step = |at: u32| ways.steps().get(at as usize);
    let mut chain = Vec::new();
    let mut at = Some(way);
    while let Some(of) = at.and_then(step) {
        chain.push(of);
        at = of.before;
    }
    let own = match chain.first() {
        Some(last) if last.class.is_some() => names.of(class(last.class)),
        _ => names.of("(other ways)"),
    };
    chain.reverse();
    let entry = |names: &mut Names, place: usize| {
        let of = chain.get(place)?;
        let holder = place.checked_sub(1).and_then(|before| chain.get(before));
        let text = match holder {
            // Parts of a map add nothing.
            Some(_) if of.text.is_empty() => return None,
            Some(holder) => format!("{}{}", class(holder.class), of.text),
            None => of.text.clone(),
        };
        Some(names.of(&text))
    };
    let left = chain.len().saturating_sub(DEEPEST - 2);
    let ends = (DEEPEST - 2) / 2;
    let mut stack = Vec::new();
    for place in 0..chain.len() {
        if left > 0 && (ends..ends + left).contains(&place) {
            if place == ends {
                stack.push(names.of(&format!("(… {left} more steps …)")));
            }
            continue;
        }
        stack.extend(entry(names, place));
    }
    stack.push(own);
    stack
}
