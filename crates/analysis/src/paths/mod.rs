//! Paths: by what chain of variables, fields, indexes and keys a thing is held, as a Go programmer
//! would write it.
//!
//! [`Holders::of`] finds a shortest path from a root to each object; [`Holders::path`] names it,
//! [`Holders::merged`] tells those of many objects as one where they differ in indexes and keys
//! alone. [`paths_to`] finds several paths to one object.
//!
//! # How a path is written
//! - A pointer is followed without a sign, as Go does: `main.cache.head.User`. Of a pointer to a
//!   pointer, `(*main.pp).User`.
//! - `[17]` of an array or slice; `["sess-4f"]` of a map: what a map is made of does not show. What a
//!   key holds is `.keys["sess-4f"]`.
//! - `.(*main.User)` behind an interface; `.(func main.serve.func1)` behind a closure, in front of
//!   what it captured; `(buffer)[3]` of a channel.
//! - `goroutine 17 (main.worker): local variable buf` where a goroutine's frame holds it.
//! - `+0x18` where the type is not known.

mod cut;
mod edges;
mod fields;
mod merge;
mod piece;
mod search;
mod start;
mod step;
#[cfg(test)]
mod tests;
mod value;
mod ways;

pub use cut::CutPath;
pub use edges::{Edge, EdgeNames, RootEdge};
pub use merge::Merged;
pub use piece::{Piece, signature, text};
pub use search::Strength;
pub use ways::{WayStep, WayTree};

use crate::dump::ObjectId;
use crate::nodes::{NodeId, NodeKind};
use crate::{Analysis, Interrupted, Watch};
use search::{Search, object_of, others};
pub(crate) use start::Statics;
use step::{Entry, Steps, Via};
pub(crate) use value::{dynamic, text as value_text};

/// How many of a path's objects, those nearest to its end, are asked who else leads to them.
const ASKED: usize = 64;

/// How many other holders of one object are looked at.
const OTHERS: usize = 64;

/// A path from a root to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// What kind of root it comes from.
    pub strength: Strength,
    /// The root: its place in [`crate::Dump::roots`].
    pub root: u32,
    /// The objects on it, the first behind the root first; the last is the one that was asked for.
    pub objects: Vec<ObjectId>,
    /// Its names.
    pub pieces: Vec<Piece>,
}

impl Path {
    /// As text, see the [module](self).
    pub fn text(&self) -> String {
        text(&self.pieces)
    }
}

/// A shortest path to each object that is reachable: of roots of the strongest kind that lead to it.
///
/// 8 bytes a node.
pub struct Holders<'a> {
    analysis: &'a Analysis,
    steps: Steps<'a>,
    statics: Statics,
    search: Search,
}

impl<'a> Holders<'a> {
    /// Finds the paths.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(analysis: &'a Analysis, watch: &dyn Watch) -> Result<Holders<'a>, Interrupted> {
        Holders::avoiding(analysis, None, watch)
    }

    fn avoiding(
        analysis: &'a Analysis,
        avoided: Option<ObjectId>,
        watch: &dyn Watch,
    ) -> Result<Holders<'a>, Interrupted> {
        let steps = Steps {
            dump: &analysis.dump,
            types: &analysis.types,
            any: false,
        };
        Ok(Holders {
            analysis,
            steps,
            statics: Statics::of(&analysis.dump),
            search: Search::of(&analysis.dump, &analysis.nodes, avoided, watch)?,
        })
    }

    /// Without a search: it names the paths that [`Holders::along`] is given, and finds none.
    pub(crate) fn unsearched(analysis: &'a Analysis) -> Holders<'a> {
        Holders {
            analysis,
            steps: Steps {
                dump: &analysis.dump,
                types: &analysis.types,
                any: false,
            },
            statics: Statics::of(&analysis.dump),
            search: Search::default(),
        }
    }

    /// The path to an object, and in it to `offset`, if that is not where the path's last pointer
    /// leads; `None` if it is not reachable.
    pub fn path(&self, object: ObjectId, offset: Option<u64>) -> Option<Path> {
        self.described(&self.search.path(object.0), offset, false)
    }

    /// The nodes of the path to an object, a root first; empty if it is not reachable.
    pub(crate) fn nodes(&self, object: ObjectId) -> Vec<u32> {
        self.search.path(object.0)
    }

    /// How many nodes lie before an object on its path, if these are no more than `most`.
    pub(crate) fn distance(&self, object: ObjectId, most: usize) -> Option<usize> {
        let mut at = object.0;
        for distance in 0..=most {
            match self.search.parent(at)? {
                before if before == at => return Some(distance),
                before => at = before,
            }
        }
        None
    }

    /// Names a path of nodes: a root, then objects, each of which leads to the next; `None` if one
    /// does not. With `any`, for all that differ in index, key or goroutine alone.
    pub(crate) fn along(&self, nodes: &[u32], any: bool) -> Option<Path> {
        self.described(nodes, None, any)
    }

    fn described(&self, nodes: &[u32], offset: Option<u64>, any: bool) -> Option<Path> {
        let steps = Steps { any, ..self.steps };
        let (root_node, rest) = nodes.split_first()?;
        let (root, strength) = self.root_of(*root_node)?;
        let objects: Vec<ObjectId> = rest
            .iter()
            .map_while(|node| object_of(&self.analysis.nodes, *node))
            .collect();
        let first = *objects.first()?;
        let mut pieces = Vec::new();
        let mut entry = None;
        steps.each_of_root(root, &mut |to, pointer, of| {
            if to == first && entry.is_none() {
                entry = Some(steps.start(&self.statics, root, pointer, of, &mut pieces));
            }
        });
        let mut entry = entry?;
        for pair in objects.windows(2) {
            if let [from, to] = pair {
                entry = steps.to(*from, entry, *to, &mut pieces)?;
            }
        }
        if let (Some(offset), Some(last)) = (offset, objects.last()) {
            steps.inside(*last, entry, offset, &mut pieces);
        }
        Some(Path {
            strength,
            root,
            objects,
            pieces,
        })
    }

    fn root_of(&self, node: u32) -> Option<(u32, Strength)> {
        match self.analysis.nodes.kind(NodeId(node)) {
            NodeKind::Root(root) => {
                let kind = self.analysis.dump.roots().get(root as usize)?.kind;
                Some((root, Strength::of(kind)))
            }
            _ => None,
        }
    }
}

/// Paths to an object, at most `most`: first one for each that leads to it directly, then, if these
/// are fewer, those that join the first path on its way. From variables first, then the shortest.
/// Empty if it is not reachable. With `offset`, to what lies there in it.
///
/// # Errors
/// Interrupted.
pub fn paths_to(
    analysis: &Analysis,
    object: ObjectId,
    offset: Option<u64>,
    most: usize,
    watch: &dyn Watch,
) -> Result<Vec<Path>, Interrupted> {
    let holders = Holders::avoiding(analysis, Some(object), watch)?;
    let search = &holders.search;
    // Holders were found in the order in which their paths come.
    let mut found: Vec<Vec<u32>> = search
        .holders
        .iter()
        .take(most)
        .map(|holder| {
            let mut path = search.path(*holder);
            path.push(object.0);
            path
        })
        .collect();
    if let Some(first) = found.first().cloned()
        && found.len() < most
    {
        // The objects of the path that lead to the one asked for, from that on.
        let inner = first.get(1..first.len() - 1).unwrap_or_default();
        let asked: Vec<u32> = inner.iter().rev().take(ASKED).copied().collect();
        let others = others(&analysis.dump, &analysis.nodes, search, &asked, watch)?;
        for (place, holders_of) in others.iter().enumerate() {
            let join = first.len() - 2 - place;
            let tail = first.get(join..).unwrap_or_default();
            let mut joined: Vec<Vec<u32>> = holders_of
                .iter()
                .take(OTHERS)
                .map(|holder| search.path(*holder))
                .filter(|head| head.iter().all(|node| !tail.contains(node)))
                .map(|head| [&head, tail].concat())
                .filter(|path| !found.contains(path))
                .collect();
            let strength = |path: &[u32]| {
                let root = path.first().and_then(|node| holders.root_of(*node));
                root.map(|(_, strength)| strength)
            };
            joined.sort_by_key(|path| (strength(path), path.len()));
            found.extend(joined);
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
    }
    let mut paths: Vec<Path> = found
        .iter()
        .filter_map(|nodes| holders.described(nodes, offset, false))
        .collect();
    paths.sort_by_key(|path| path.strength);
    Ok(paths)
}

/// What lies at `offset` of an object, as a path that begins with the object's class: for garbage.
/// Empty where the object itself begins.
pub fn within(analysis: &Analysis, object: ObjectId, offset: u64) -> String {
    let (steps, entry) = whole(analysis, object);
    let mut pieces = Vec::new();
    steps.inside(object, entry, offset, &mut pieces);
    text(&pieces)
}

/// What the pointer at `offset` of an object is called in it: `.next`, `[3].name`; empty if it is all of
/// the object.
pub fn slot(analysis: &Analysis, object: ObjectId, offset: u64) -> String {
    let (steps, entry) = whole(analysis, object);
    let mut pieces = Vec::new();
    steps.step(object, entry, offset, &mut pieces);
    text(&pieces)
}

/// Entered as a whole.
fn whole(analysis: &Analysis, object: ObjectId) -> (Steps<'_>, Entry) {
    let steps = Steps {
        dump: &analysis.dump,
        types: &analysis.types,
        any: false,
    };
    let entry = Entry {
        via: Via::Object,
        offset: steps.base(object),
    };
    (steps, entry)
}

/// Which of `heads`, objects that no root leads to, leads to an object, and the path from there; by
/// the shortest way. `None` if none does.
///
/// # Errors
/// Interrupted.
pub fn from_head(
    analysis: &Analysis,
    heads: &[u32],
    object: ObjectId,
    watch: &dyn Watch,
) -> Result<Option<(ObjectId, String)>, Interrupted> {
    let search = Search::from(&analysis.dump, &analysis.nodes, heads, watch)?;
    let nodes = search.path(object.0);
    let Some(head) = nodes.first().copied().map(ObjectId) else {
        return Ok(None);
    };
    let steps = Steps {
        dump: &analysis.dump,
        types: &analysis.types,
        any: false,
    };
    let class = steps.class(head).map_or("", |class| class.name.as_str());
    let mut pieces = vec![Piece::Start {
        prefix: String::new(),
        name: format!("({class} at {:#x})", analysis.dump.address(head)),
    }];
    let mut entry = Entry {
        via: Via::Object,
        offset: steps.base(head),
    };
    for pair in nodes.windows(2) {
        if let [from, to] = pair {
            match steps.to(ObjectId(*from), entry, ObjectId(*to), &mut pieces) {
                Some(next) => entry = next,
                None => break,
            }
        }
    }
    Ok(Some((head, text(&pieces))))
}
