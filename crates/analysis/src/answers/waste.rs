//! What is in the heap and of no use: room that nobody uses, contents that are there twice, objects
//! that are kept for later or for their end.
//!
//! What is told is only what can be known: an array is judged by the slices and strings that show
//! parts of it, and if a pointer leads to it that is none of them (it lies in a frame, or its type is
//! not known), it is not judged.

mod maps;
mod strings;

use std::collections::BTreeMap;

use goheap_golang::Structs;

use super::ledger::{Amount, Ledger};
use crate::Analysis;
use crate::dump::{ObjectId, RootKind};
use crate::graph::retained_by_class;
use crate::nodes::NodeKind;
use crate::types::What;
use crate::values::{Shown, Values};
use crate::{Interrupted, Watch};

pub use strings::{Duplicate, Duplicates};

/// What is of no use, by why. An object may be in several parts; its bytes are in one only, but for
/// duplicates, pools and finalizers, which look at it from another side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waste {
    /// All that is reachable, for comparison.
    pub reachable: Amount,
    /// What slices may grow into and do not show: capacity beyond the length.
    pub slice_tails: Part,
    /// What nobody shows of arrays and strings of which parts are shown: in front of the first
    /// slice, behind the last string. They keep the whole.
    pub pinned: Part,
    /// The largest of `pinned`.
    pub largest_pinned: Vec<Pinned>,
    /// Slots of maps without an entry.
    pub map_slots: Part,
    /// Of these slots, those whose entry was deleted and that are not free yet.
    pub deleted_slots: u64,
    /// Strings whose contents are there more than once.
    pub duplicates: Duplicates,
    /// Buffers of channels without an element in them.
    pub channels: Part,
    /// What only `sync.Pool`s hold, their own structs included.
    pub pools: Amount,
    /// What only finalizers hold.
    pub finalizers: Amount,
    /// What only cleanups hold.
    pub cleanups: Amount,
    /// What is behind values for the allocator's classes of sizes.
    pub rounding: u64,
    /// Arrays that were not judged, for something else than slices and strings leads to them.
    pub not_judged: Amount,
}

/// Objects with bytes of no use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// All of them, and their bytes of no use.
    pub total: Amount,
    /// By the name of their class; most bytes first.
    pub by_class: Vec<(String, Amount)>,
}

/// An array or string of which only a part is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Where it is.
    pub address: u64,
    /// All its bytes.
    pub size: u64,
    /// As many of these are shown by any slice or string.
    pub shown: u64,
    /// Its class.
    pub class: String,
}

/// How many of the largest are kept.
const MOST: usize = 20;
/// Pinned arrays below this are not worth a line of their own, bytes.
const LEAST_PINNED: u64 = 1024;

impl Waste {
    /// Finds what is of no use. Takes 16 bytes an object beside the analysis.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(analysis: &Analysis, watch: &dyn Watch) -> Result<Waste, Interrupted> {
        let ledger = Ledger::of(analysis, watch)?;
        let mut waste = Waste {
            reachable: ledger.reachable_total(),
            rounding: ledger.rounding,
            ..Waste::default()
        };
        waste.reachable.bytes += ledger.rounding + ledger.headers;
        let values = Values::new(&analysis.dump, &analysis.types);
        let shown = Seen::of(analysis, &values, watch)?;
        waste.arrays(analysis, &values, &shown);
        maps::count(analysis, &values, &mut waste, watch)?;
        waste.duplicates = Duplicates::of(analysis, &shown, watch)?;
        waste.channels(analysis);
        waste.pools(analysis);
        for (root, index) in analysis.dump.roots().iter().zip(0u32..) {
            let amount = match root.kind {
                RootKind::Finalizers | RootKind::QueuedFinalizers => &mut waste.finalizers,
                RootKind::Cleanups => &mut waste.cleanups,
                _ => continue,
            };
            let node = analysis.nodes.id(NodeKind::Root(index));
            amount.bytes = amount.bytes.saturating_add(analysis.retained_of(node));
            let subtree = analysis.dominators.subtree(node.0).len() as u64;
            amount.objects += subtree.saturating_sub(1);
        }
        Ok(waste)
    }

    fn arrays(&mut self, analysis: &Analysis, values: &Values<'_>, shown: &Seen) {
        let dump = &analysis.dump;
        let mut tails = Tally::default();
        let mut pinned = Tally::default();
        for object in dump.objects() {
            let Some(seen) = shown.get(object) else {
                continue;
            };
            let class = analysis.types.class_of(object).0;
            let size = dump.size(object);
            // A block of tiny objects has several of them.
            let what = analysis.types.class(analysis.types.class_of(object));
            if what.is_some_and(|class| class.what == What::Tiny) {
                continue;
            }
            if seen.others {
                self.not_judged.add(size);
                continue;
            }
            let base = values.layout().base(dump, object);
            let tail = seen.capacity.min(size).saturating_sub(seen.end);
            if tail > 0 {
                tails.add(class, tail);
            }
            let mut hidden = seen.start.saturating_sub(base);
            // Behind a string is what the allocator's classes leave; more than an eighth is more.
            let behind = size.saturating_sub(seen.capacity.max(seen.end));
            if behind > size / 8 + 16 && seen.is_string {
                hidden = hidden.saturating_add(behind);
            }
            if hidden == 0 {
                continue;
            }
            pinned.add(class, hidden);
            if size >= LEAST_PINNED {
                self.largest_pinned.push(Pinned {
                    address: dump.address(object),
                    size,
                    shown: seen.end.min(size).saturating_sub(seen.start),
                    class: what.map_or(String::new(), |class| class.name.clone()),
                });
                if self.largest_pinned.len() >= 4 * MOST {
                    keep_largest(&mut self.largest_pinned);
                }
            }
        }
        keep_largest(&mut self.largest_pinned);
        self.slice_tails = tails.finish(analysis);
        self.pinned = pinned.finish(analysis);
    }

    fn channels(&mut self, analysis: &Analysis) {
        let dump = &analysis.dump;
        let structs = Structs::new(&dump.catalogue().layouts);
        let place = |path| structs.place("runtime.hchan", path).ok();
        let (Some(count), Some(room), Some(elem)) =
            (place("qcount"), place("dataqsiz"), place("elemsize"))
        else {
            return;
        };
        let mut tally = Tally::default();
        let model = dump.params().model;
        for object in dump.objects() {
            let class = analysis.types.class_of(object);
            let is_channel = match analysis.types.class(class).map(|class| &class.what) {
                Some(What::Chan(_)) => true,
                Some(What::Runtime(name)) => *name == "runtime.hchan",
                _ => false,
            };
            if !is_channel || !analysis.is_reachable(object) {
                continue;
            }
            let bytes = dump.contents(object);
            let word = |place: goheap_golang::Place| {
                let from = usize::try_from(place.offset).ok()?;
                let len = usize::try_from(place.size).ok().filter(|len| *len <= 8)?;
                Some(model.uint(bytes.get(from..from.checked_add(len)?)?))
            };
            let (Some(count), Some(room), Some(elem)) = (word(count), word(room), word(elem))
            else {
                continue;
            };
            let idle = room.saturating_sub(count).saturating_mul(elem);
            if idle > 0 {
                tally.add(class.0, idle);
            }
        }
        self.channels = tally.finish(analysis);
    }

    fn pools(&mut self, analysis: &Analysis) {
        let is_pool: Vec<bool> = analysis
            .types
            .classes()
            .map(|(_, class)| class.name.contains("sync.poolLocal"))
            .collect();
        let pool_of = |node: u32| match analysis.nodes.kind(crate::NodeId(node)) {
            NodeKind::Object(object) => is_pool
                .get(analysis.types.class_of(object).0 as usize)
                .and_then(|is_pool| is_pool.then_some(0)),
            _ => None,
        };
        let sums = |size_of: &dyn Fn(u32) -> u64| {
            let sums = retained_by_class(&analysis.dominators, pool_of, 1, size_of);
            sums.first().copied().unwrap_or(0)
        };
        let objects = analysis.dump.object_count();
        self.pools = Amount {
            objects: sums(&|node| u64::from(node < objects)),
            bytes: sums(&|node| analysis.size_of(crate::NodeId(node))),
        };
    }
}

fn keep_largest(all: &mut Vec<Pinned>) {
    all.sort_by_key(|pinned| {
        (
            std::cmp::Reverse(pinned.size - pinned.shown.min(pinned.size)),
            pinned.address,
        )
    });
    all.truncate(MOST);
}

/// Bytes by class.
#[derive(Debug, Default)]
struct Tally(BTreeMap<u32, Amount>);

impl Tally {
    fn add(&mut self, class: u32, bytes: u64) {
        self.0.entry(class).or_default().add(bytes);
    }

    fn finish(self, analysis: &Analysis) -> Part {
        let mut part = Part::default();
        for (class, amount) in self.0 {
            part.total.objects += amount.objects;
            part.total.bytes = part.total.bytes.saturating_add(amount.bytes);
            let class = analysis.types.class(crate::types::ClassId(class));
            let name = class.map_or(String::new(), |class| class.name.clone());
            part.by_class.push((name, amount));
        }
        part.by_class
            .sort_by(|a, b| (b.1.bytes, &a.0).cmp(&(a.1.bytes, &b.0)));
        part
    }
}

/// What slices and strings show of objects; offsets in bytes from their start.
struct Seen {
    /// The first byte that is shown; `u32::MAX` for none.
    start: Vec<u32>,
    /// Behind the last that is shown.
    end: Vec<u32>,
    /// Behind the last that one may grow into; 0 where only strings show something.
    capacity: Vec<u32>,
    /// Pointers that are none of these.
    others: Vec<u32>,
}

/// What is shown of one object.
#[derive(Debug, Clone, Copy)]
struct SeenOf {
    start: u64,
    end: u64,
    capacity: u64,
    others: bool,
    is_string: bool,
}

impl Seen {
    fn of(
        analysis: &Analysis,
        values: &Values<'_>,
        watch: &dyn Watch,
    ) -> Result<Seen, Interrupted> {
        let dump = &analysis.dump;
        let count = dump.object_count() as usize;
        let mut seen = Seen {
            start: vec![u32::MAX; count],
            end: vec![0; count],
            capacity: vec![0; count],
            others: vec![0; count],
        };
        for pointer in dump.root_pointers() {
            if let Some((to, _)) = dump.find(pointer.target) {
                seen.led_to(to);
            }
        }
        for object in dump.objects() {
            if object.0.is_multiple_of(1 << 16) {
                let total = u64::from(dump.object_count());
                watch.step("looking at slices", object.0.into(), total)?;
            }
            if !analysis.is_reachable(object) {
                continue;
            }
            dump.each_pointer(object, |_, target| {
                if let Some((to, _)) = dump.find(target) {
                    seen.led_to(to);
                }
            });
            values.each(object, &mut |shown| seen.shows(analysis, shown));
        }
        values.each_of_globals(&mut |shown| seen.shows(analysis, shown));
        Ok(seen)
    }

    fn led_to(&mut self, object: ObjectId) {
        if let Some(others) = self.others.get_mut(object.0 as usize) {
            *others = others.wrapping_add(1);
        }
    }

    fn shows(&mut self, analysis: &Analysis, shown: Shown) {
        let Some((object, offset)) = analysis.dump.find(shown.pointer) else {
            return;
        };
        let index = object.0 as usize;
        let short = |offset: u64| u32::try_from(offset).unwrap_or(u32::MAX);
        if let Some(others) = self.others.get_mut(index) {
            *others = others.wrapping_sub(1);
        }
        if let Some(end) = self.end.get_mut(index) {
            *end = (*end).max(short(offset.saturating_add(shown.len)));
        }
        if let Some(start) = self.start.get_mut(index) {
            *start = (*start).min(short(offset));
        }
        if let Some(capacity) = self.capacity.get_mut(index).filter(|_| !shown.is_string) {
            *capacity = (*capacity).max(short(offset.saturating_add(shown.capacity)));
        }
    }

    /// `None` if no slice or string leads to it, or it is so large that the places do not tell (4 GiB).
    fn get(&self, object: ObjectId) -> Option<SeenOf> {
        let index = object.0 as usize;
        let get = |all: &Vec<u32>| all.get(index).copied();
        let start = get(&self.start).filter(|start| *start != u32::MAX)?;
        let end = get(&self.end).filter(|end| *end != u32::MAX)?;
        let capacity = get(&self.capacity)?;
        Some(SeenOf {
            start: start.into(),
            end: end.into(),
            capacity: capacity.into(),
            others: get(&self.others)? != 0,
            is_string: capacity == 0,
        })
    }
}

#[cfg(test)]
mod tests;
