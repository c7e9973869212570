//! Objects in order: those of each class, by what they retain and by size, and the largest of all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::dump::ObjectId;
use crate::nodes::{NodeId, NodeKind};
use crate::types::ClassId;
use crate::{Analysis, Interrupted, Watch};

/// How many of the largest of all objects are kept, by each order.
pub const LARGEST: usize = 10_000;

/// Objects between two looks at whether somebody wants the work to end.
const STEP: u32 = 1 << 16;

/// By what objects are ordered; the largest first, then by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// What they retain.
    Retained,
    /// Their own size.
    Size,
}

/// Objects in order. 8 bytes an object, and 16 for each of the largest class while it is made.
#[derive(Debug)]
pub struct Listing {
    /// Where the objects of each class begin.
    starts: Vec<usize>,
    /// Of each class, garbage included, behind one another.
    by_retained: Vec<ObjectId>,
    by_size: Vec<ObjectId>,
    /// The largest of all reachable objects.
    all: [Vec<ObjectId>; 2],
    /// Of those that no other object holds alone.
    outer: [Vec<ObjectId>; 2],
}

impl Listing {
    /// Orders the objects of a dump.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(analysis: &Analysis, watch: &dyn Watch) -> Result<Listing, Interrupted> {
        let objects = analysis.dump.object_count();
        let classes = analysis.types.classes().count();
        let place = |object| (analysis.types.class_of(object).0 as usize).min(classes);
        // What has no class at all would be in the last row.
        let mut starts = vec![0usize; classes + 2];
        for object in analysis.dump.objects() {
            if object.0.is_multiple_of(STEP) {
                watch.step("counting classes", object.0.into(), objects.into())?;
            }
            if let Some(count) = starts.get_mut(place(object) + 1) {
                *count += 1;
            }
        }
        for class in 1..starts.len() {
            starts[class] += starts[class - 1];
        }
        let mut next = starts.clone();
        let mut by_size = vec![ObjectId(0); objects as usize];
        for object in analysis.dump.objects() {
            if object.0.is_multiple_of(STEP) {
                watch.step("sorting by class", object.0.into(), objects.into())?;
            }
            let next = &mut next[place(object)];
            if let Some(slot) = by_size.get_mut(*next) {
                *slot = object;
            }
            *next += 1;
        }
        let mut by_retained = by_size.clone();
        for (class, bounds) in starts.windows(2).enumerate() {
            watch.step("ordering objects", class as u64, classes as u64)?;
            let &[from, to] = bounds else { continue };
            if let Some(of) = by_retained.get_mut(from..to) {
                of.sort_unstable_by_key(|object| {
                    (Reverse(analysis.retained_of(NodeId(object.0))), *object)
                });
            }
            if let Some(of) = by_size.get_mut(from..to) {
                let size = |object: &ObjectId| analysis.dump.size(*object);
                let first = of.first().map(size);
                // They are by address already, and mostly of one size.
                if of.iter().any(|object| Some(size(object)) != first) {
                    of.sort_by_cached_key(|object| Reverse(size(object)));
                }
            }
        }
        Ok(Listing {
            starts,
            by_retained,
            by_size,
            all: largest(analysis, false, watch)?,
            outer: largest(analysis, true, watch)?,
        })
    }

    /// The objects of a class, those included that are garbage.
    pub fn of_class(&self, class: ClassId, order: Order) -> &[ObjectId] {
        let at = class.0 as usize;
        let (Some(from), Some(to)) = (self.starts.get(at), self.starts.get(at + 1)) else {
            return &[];
        };
        let objects = match order {
            Order::Retained => &self.by_retained,
            Order::Size => &self.by_size,
        };
        objects.get(*from..*to).unwrap_or_default()
    }

    /// The largest of all reachable objects, at most [`LARGEST`]; with `outer`, of those that no other
    /// object holds alone.
    pub fn largest(&self, outer: bool, order: Order) -> &[ObjectId] {
        let of = if outer { &self.outer } else { &self.all };
        &of[order as usize]
    }
}

fn largest(
    analysis: &Analysis,
    outer: bool,
    watch: &dyn Watch,
) -> Result<[Vec<ObjectId>; 2], Interrupted> {
    let is_outer = |object: ObjectId| {
        let above = analysis.dominators.idom(object.0);
        above
            .is_some_and(|above| !matches!(analysis.nodes.kind(NodeId(above)), NodeKind::Object(_)))
    };
    let mut kept = [Kept::default(), Kept::default()];
    let total = analysis.dump.object_count();
    for object in analysis.dump.objects() {
        if object.0.is_multiple_of(STEP) {
            watch.step("looking for the largest", object.0.into(), total.into())?;
        }
        let is_asked = match outer {
            true => is_outer(object),
            false => analysis.is_reachable(object) || analysis.dump.roots_are_missing(),
        };
        if is_asked {
            kept[0].add(analysis.retained_of(NodeId(object.0)), object);
            kept[1].add(analysis.dump.size(object), object);
        }
    }
    Ok(kept.map(Kept::sorted))
}

/// The objects with the largest keys.
#[derive(Default)]
struct Kept(BinaryHeap<Reverse<(u64, Reverse<ObjectId>)>>);

impl Kept {
    #[inline]
    fn add(&mut self, key: u64, object: ObjectId) {
        let entry = Reverse((key, Reverse(object)));
        if self.0.len() < LARGEST {
            self.0.push(entry);
        } else if self.0.peek().is_some_and(|least| entry < *least) {
            self.0.pop();
            self.0.push(entry);
        }
    }

    fn sorted(self) -> Vec<ObjectId> {
        let sorted = self.0.into_sorted_vec().into_iter();
        sorted.map(|Reverse((_, Reverse(object)))| object).collect()
    }
}
