//! The paths of many objects, merged: those that differ in indexes, keys and goroutines alone are one.

use std::collections::{BTreeMap, HashMap};

use super::Holders;
use super::piece::{Piece, signature};
use super::search::{Strength, object_of};
use super::step::{Entry, Steps};
use crate::dump::{ObjectId, RootPointer};
use crate::graph::retained_by_class;
use crate::nodes::NodeId;
use crate::types::ClassId;
use crate::{Interrupted, Watch};

/// No place.
pub(super) const NONE: u32 = u32::MAX;

/// How many steps a circle has at most that is told as one.
const CIRCLE: usize = 8;

/// How many different ways are told apart; all others are one.
const WAYS: usize = 1 << 18;

/// How many nodes between two looks at whether somebody wants the work to end.
const STEP: usize = 1 << 13;

/// Objects that are held in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Their paths, with `[*]` for any index or key: `main.cache.shards[*].m[*].User`.
    pub signature: String,
    /// What roots they come from.
    pub strength: Strength,
    /// How many objects.
    pub objects: u64,
    /// Their sizes, in bytes.
    pub bytes: u64,
    /// Bytes of all that would be gone without them.
    pub retained: u64,
    /// One of them.
    pub example: ObjectId,
}

/// A way to objects, as a tree: each behind the one before.
pub(super) struct Way {
    pub(super) before: u32,
    pub(super) pieces: Vec<Piece>,
    /// The class of what it leads to; `None` for a root.
    pub(super) class: Option<ClassId>,
    /// Circles that lead back to here.
    pub(super) circles: Vec<String>,
    strength: Strength,
}

/// Ways to nodes.
pub(super) struct Walked {
    pub(super) ways: Ways,
    /// The way to each node; [`NONE`] to those that were not needed.
    pub(super) way_to: Vec<u32>,
}

pub(super) struct Ways {
    pub(super) ways: Vec<Way>,
    known: HashMap<(u32, Vec<Piece>, ClassId), u32>,
    /// The way for what is one too many.
    rest: Option<u32>,
}

impl Ways {
    /// The way that leads on from `before`, with `pieces`, to an object of `class`.
    fn to(&mut self, before: u32, pieces: Vec<Piece>, class: ClassId, strength: Strength) -> u32 {
        let pieces: Vec<Piece> = pieces.into_iter().map(Piece::any).collect();
        // A list, a tree: what leads back to an object of a class that was there before.
        let mut circle = vec![&pieces[..]];
        let mut at = before;
        for _ in 0..CIRCLE {
            let Some(way) = self.ways.get(at as usize) else {
                break;
            };
            if way.class == Some(class) {
                let steps: Vec<Piece> = circle.iter().rev().flat_map(|p| p.to_vec()).collect();
                let steps = signature(&steps);
                if let Some(way) = self.ways.get_mut(at as usize)
                    && !steps.is_empty()
                    && let Err(place) = way.circles.binary_search(&steps)
                {
                    way.circles.insert(place, steps);
                }
                return at;
            }
            circle.push(&way.pieces);
            at = way.before;
        }
        let key = (before, pieces, class);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        if self.ways.len() >= WAYS {
            return self.one_too_many(strength);
        }
        let way = self.ways.len() as u32;
        self.ways.push(Way {
            before,
            pieces: key.1.clone(),
            class: Some(class),
            circles: Vec::new(),
            strength,
        });
        self.known.insert(key, way);
        way
    }

    fn one_too_many(&mut self, strength: Strength) -> u32 {
        let next = self.ways.len() as u32;
        *self.rest.get_or_insert_with(|| {
            self.ways.push(Way {
                before: NONE,
                pieces: vec![Piece::Start {
                    prefix: String::new(),
                    name: "other ways".to_owned(),
                }],
                class: None,
                circles: Vec::new(),
                strength,
            });
            next
        })
    }

    fn signature(&self, way: u32) -> String {
        let mut ways = Vec::new();
        let mut at = way;
        while let Some(way) = self.ways.get(at as usize) {
            ways.push(way);
            at = way.before;
        }
        let mut pieces = Vec::new();
        for way in ways.iter().rev() {
            pieces.extend(way.pieces.iter().cloned());
            if !way.circles.is_empty() {
                pieces.push(Piece::Again(way.circles.clone()));
            }
        }
        signature(&pieces)
    }
}

impl Holders<'_> {
    /// Merges the paths of all objects that `is_asked` for: a shortest path of each, those from
    /// variables first. Most bytes first, then by signature. Objects that are not reachable have no
    /// path, and are not counted.
    ///
    /// # Errors
    /// Interrupted.
    pub fn merged(
        &self,
        is_asked: impl Fn(ObjectId) -> bool,
        watch: &dyn Watch,
    ) -> Result<Vec<Merged>, Interrupted> {
        let nodes = &self.analysis.nodes;
        let order = self.search.order();
        // What lies on a path to something that was asked for.
        let mut is_needed = vec![0u64; nodes.len() as usize / 64 + 1];
        let mut need = |node: u32| {
            let word = &mut is_needed[node as usize / 64];
            let was = *word;
            *word |= 1 << (node % 64);
            was != *word
        };
        for node in order {
            if object_of(nodes, *node).is_some_and(&is_asked) {
                let mut at = *node;
                while need(at)
                    && let Some(before) = self.search.parent(at)
                    && before != at
                {
                    at = before;
                }
            }
        }
        let is_needed = |node: u32| is_needed[node as usize / 64] >> (node % 64) & 1 != 0;

        let Walked { ways, way_to } = self.walk(&is_needed, watch)?;
        let mut merged: HashMap<u32, Merged> = HashMap::new();
        for node in order {
            let Some(object) = object_of(nodes, *node).filter(|object| is_asked(*object)) else {
                continue;
            };
            let way = way_to[*node as usize];
            let Some(strength) = ways.ways.get(way as usize).map(|way| way.strength) else {
                continue;
            };
            let bytes = self.analysis.dump.size(object);
            let sum = merged.entry(way).or_insert_with(|| Merged {
                signature: String::new(),
                strength,
                objects: 0,
                bytes: 0,
                retained: 0,
                example: object,
            });
            sum.objects += 1;
            sum.bytes = sum.bytes.saturating_add(bytes);
        }
        // Ways that differ in the classes on them alone read the same.
        let mut same: BTreeMap<(String, Strength), (Merged, Vec<u32>)> = BTreeMap::new();
        for (way, next) in merged {
            let key = (ways.signature(way), next.strength);
            let (sum, of) = same.entry(key).or_insert_with(|| {
                let empty = Merged {
                    objects: 0,
                    bytes: 0,
                    ..next.clone()
                };
                (empty, Vec::new())
            });
            sum.objects += next.objects;
            sum.bytes = sum.bytes.saturating_add(next.bytes);
            sum.example = sum.example.min(next.example);
            of.push(way);
        }
        let mut place_of: HashMap<u32, u32> = HashMap::new();
        let mut merged: Vec<Merged> = Vec::new();
        for ((signature, _), (sum, of)) in same {
            place_of.extend(of.into_iter().map(|way| (way, merged.len() as u32)));
            merged.push(Merged { signature, ..sum });
        }
        let retained = retained_by_class(
            &self.analysis.dominators,
            |node| {
                let object = object_of(nodes, node).filter(|object| is_asked(*object))?;
                place_of.get(way_to.get(object.0 as usize)?).copied()
            },
            merged.len(),
            |node| self.analysis.size_of(NodeId(node)),
        );
        for (way, retained) in merged.iter_mut().zip(retained) {
            way.retained = retained;
        }
        merged.sort_by(|a, b| (b.bytes, &a.signature).cmp(&(a.bytes, &b.signature)));
        Ok(merged)
    }

    /// The ways to all nodes that are needed: what leads to one is needed, too.
    pub(super) fn walk(
        &self,
        is_needed: &dyn Fn(u32) -> bool,
        watch: &dyn Watch,
    ) -> Result<Walked, Interrupted> {
        let nodes = &self.analysis.nodes;
        let order = self.search.order();
        let steps = Steps {
            any: true,
            ..self.steps
        };
        let mut ways = Ways {
            ways: Vec::new(),
            known: HashMap::new(),
            rest: None,
        };
        // Of each node that is needed, the way to it, once its predecessor was looked at.
        let mut way_to = vec![NONE; nodes.len() as usize];
        let mut entries: HashMap<u32, Entry> = HashMap::new();
        // The way that leads on by a pointer, where nothing but this tells: way, class, place in an
        // object of the class, class that it leads to.
        let mut shortcuts: HashMap<(u32, ClassId, u64, ClassId), (u32, super::step::Via)> =
            HashMap::new();
        let class_of = |object| self.analysis.types.class_of(object);
        for (done, node) in order.iter().enumerate() {
            if done.is_multiple_of(STEP) {
                watch.step("merging paths", done as u64, order.len() as u64)?;
            }
            if !is_needed(*node) {
                continue;
            }
            let Some(object) = object_of(nodes, *node) else {
                self.led_to(*node, is_needed, &mut |to, pointer, of, root, strength| {
                    if way_to[to.0 as usize] == NONE && self.search.parent(to.0) == Some(*node) {
                        let mut pieces = Vec::new();
                        let entry = steps.start(&self.statics, root, pointer, of, &mut pieces);
                        way_to[to.0 as usize] = ways.to(NONE, pieces, class_of(to), strength);
                        entries.insert(to.0, entry);
                    }
                });
                continue;
            };
            let way = way_to[*node as usize];
            let Some(strength) = ways.ways.get(way as usize).map(|way| way.strength) else {
                continue;
            };
            let entry = entries.remove(node).unwrap_or(Entry {
                via: super::step::Via::Object,
                offset: 0,
            });
            let class = class_of(object);
            let is_plain = entry.offset == steps.base(object);
            self.analysis.dump.each_pointer(object, |slot, target| {
                let Some((to, offset)) = self.analysis.dump.find(target) else {
                    return;
                };
                if way_to[to.0 as usize] != NONE
                    || !is_needed(to.0)
                    || self.search.parent(to.0) != Some(*node)
                {
                    return;
                }
                let key = (way, class, steps.folded(object, slot), class_of(to));
                let shortcut = shortcuts.get(&key).filter(|_| is_plain).copied();
                let (next, via) = shortcut.unwrap_or_else(|| {
                    let mut pieces = Vec::new();
                    let via = steps.step(object, entry, slot, &mut pieces);
                    // What an interface holds differs from object to object.
                    let is_same = !pieces.iter().any(|p| matches!(p, Piece::Assert(_)));
                    let next = ways.to(way, pieces, class_of(to), strength);
                    if is_plain && is_same {
                        shortcuts.insert(key, (next, via));
                    }
                    (next, via)
                });
                way_to[to.0 as usize] = next;
                entries.insert(to.0, Entry { via, offset });
            });
        }
        Ok(Walked { ways, way_to })
    }

    #[expect(clippy::type_complexity, reason = "one caller")]
    fn led_to(
        &self,
        node: u32,
        is_needed: &dyn Fn(u32) -> bool,
        visit: &mut dyn FnMut(ObjectId, RootPointer, Option<(ObjectId, u64)>, u32, Strength),
    ) {
        let Some((root, strength)) = self.root_of(node) else {
            return;
        };
        self.steps.each_of_root(root, &mut |to, pointer, of| {
            if is_needed(to.0) {
                visit(to, pointer, of, root, strength);
            }
        });
    }
}
