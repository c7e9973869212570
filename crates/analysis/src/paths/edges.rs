//! Edges one by one, by name: by what field, index or key each pointer leads on. For whoever writes
//! the whole graph.
//!
//! Names are those of [paths](super), with `[*]` for any index or key, so that nothing of what the
//! program's data says is in them.

use std::collections::HashMap;

use super::piece::{Piece, signature};
use super::start::Statics;
use super::step::{Entry, Steps, Via};
use crate::Analysis;
use crate::dump::{ObjectId, word_at};
use crate::types::ClassId;

/// How many names are remembered.
const REMEMBERED: usize = 1 << 18;

/// An edge of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge<'n, N> {
    /// Where its pointer lies in the object, in bytes.
    pub offset: u64,
    /// What it leads to.
    pub to: ObjectId,
    /// How far into that, in bytes.
    pub to_offset: u64,
    /// What it is called: `next`, `[*].User`, `m.(*main.User)`, `+0x18` where the type is not known;
    /// empty where nothing has a name, as what a map is made of.
    pub name: &'n N,
}

/// An edge of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootEdge {
    /// Where its pointer lies; 0 if that is not told.
    pub at: u64,
    /// The object that a finalizer or cleanup is of; 0 for others.
    pub of: u64,
    /// What it leads to.
    pub to: ObjectId,
    /// How far into that, in bytes.
    pub to_offset: u64,
    /// What it is called: `main.cache.shards[*]`, `goroutines (main.worker): local variable buf`.
    pub path: String,
}

/// What tells a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    class: ClassId,
    /// How far into the object its value begins.
    base: u64,
    /// The place in the object, or in one of its elements.
    place: u64,
    /// The word before it, which tells what an interface holds, where that is a part of the name.
    word: Option<u64>,
}

/// In place of a name: the word before the pointer tells it.
const BY_WORD: u32 = u32::MAX;

/// Names edges. Names are made once for all objects of a class, as `N`.
pub struct EdgeNames<'a, N> {
    analysis: &'a Analysis,
    steps: Steps<'a>,
    statics: Statics,
    make: fn(&str) -> N,
    names: Vec<N>,
    /// Places in `names`.
    known: HashMap<Key, u32>,
}

impl<'a, N> EdgeNames<'a, N> {
    /// Of a dump; `make` makes of a name what is to be kept of it.
    pub fn new(analysis: &'a Analysis, make: fn(&str) -> N) -> EdgeNames<'a, N> {
        EdgeNames {
            analysis,
            steps: Steps {
                dump: &analysis.dump,
                types: &analysis.types,
                any: true,
            },
            statics: Statics::of(&analysis.dump),
            make,
            names: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Shows the edges of an object, as the graph has them.
    pub fn each(&mut self, object: ObjectId, mut visit: impl FnMut(Edge<'_, N>)) {
        let analysis = self.analysis;
        let class = analysis.types.class_of(object);
        let base = self.steps.base(object);
        analysis
            .nodes
            .each_edge(&analysis.dump, object, |offset, to, to_offset| {
                let key = Key {
                    class,
                    base,
                    place: self.steps.folded(object, offset),
                    word: None,
                };
                let name = self.name(object, offset, key);
                if let Some(name) = self.names.get(name as usize) {
                    visit(Edge {
                        offset,
                        to,
                        to_offset,
                        name,
                    });
                }
            });
    }

    /// The place of an edge's name.
    fn name(&mut self, object: ObjectId, slot: u64, mut key: Key) -> u32 {
        let known = self.known.get(&key).copied();
        if let Some(name) = known.filter(|name| *name != BY_WORD) {
            return name;
        }
        let before = known.map(|_| self.word_before(object, slot));
        if before.is_some() {
            key.word = before;
            if let Some(name) = self.known.get(&key) {
                return *name;
            }
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
            self.names.clear();
        }
        let entry = Entry {
            via: Via::Object,
            offset: key.base,
        };
        let mut pieces = Vec::new();
        self.steps.step(object, entry, slot, &mut pieces);
        // What an interface holds differs from object to object.
        if key.word.is_none() && pieces.iter().any(|piece| matches!(piece, Piece::Assert(_))) {
            let word = Some(self.word_before(object, slot));
            let by_word = Key { word, ..key };
            self.known.insert(key, BY_WORD);
            key = by_word;
        }
        let name = self.names.len() as u32;
        let text = signature(&pieces);
        self.names.push(match text.strip_prefix('.') {
            Some(field) if !field.starts_with('(') => (self.make)(field),
            _ => (self.make)(&text),
        });
        self.known.insert(key, name);
        name
    }

    fn word_before(&self, object: ObjectId, slot: u64) -> u64 {
        let model = self.steps.dump.params().model;
        let at = slot.checked_sub(model.word.into());
        let contents = self.steps.dump.contents(object);
        at.and_then(|at| word_at(model, contents, at)).unwrap_or(0)
    }

    /// Shows the edges of a root: its place in [`Dump::roots`](crate::Dump::roots).
    pub fn each_of_root(&self, root: u32, mut visit: impl FnMut(RootEdge)) {
        self.steps.each_of_root(root, &mut |to, pointer, of| {
            let mut pieces = Vec::new();
            let entry = self
                .steps
                .start(&self.statics, root, pointer, of, &mut pieces);
            let at = match of {
                Some((of, slot)) => self.steps.dump.address(of).wrapping_add(slot),
                None => pointer.at,
            };
            visit(RootEdge {
                at,
                of: pointer.of,
                to,
                to_offset: entry.offset,
                path: signature(&pieces),
            });
        });
    }
}
