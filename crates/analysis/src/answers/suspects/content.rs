//! What a holder has many of.

use std::borrow::Cow;

use goheap_golang::Kind as GoKind;

use super::super::Subject;
use super::super::names::is_gos;
use super::super::siblings::{Kind, Siblings};
use super::super::top::Known;
use super::Content;
use super::holders::Found;
use super::names::{EXAMPLES, Namer};
use crate::dump::ObjectId;
use crate::nodes::{NodeId, NodeKind};
use crate::types::{Class, ClassId, What};
use crate::{Analysis, Interrupted, Watch};

/// How many levels below a holder are looked at.
const DEEP: usize = 32;

/// Things of one kind, some steps below a holder.
struct Level {
    class: Option<ClassId>,
    /// A few of them.
    examples: Vec<ObjectId>,
    objects: u64,
    bytes: u64,
    retained: u64,
    known: Known,
    /// It is the holder itself, and others of its class behind it.
    is_list: bool,
}

/// Tells what holders have many of.
pub(super) struct Contents<'a> {
    analysis: &'a Analysis,
    siblings: Siblings<'a>,
}

impl<'a> Contents<'a> {
    pub(super) fn of(analysis: &'a Analysis) -> Contents<'a> {
        Contents {
            analysis,
            siblings: Siblings::of(analysis),
        }
    }

    /// What a holder has most of: going down from it, always to the largest kind of things, for as long
    /// as that holds half of it, the level where there are so many more than above.
    pub(super) fn most_of(
        &mut self,
        found: &Found,
        namer: &mut Namer<'_>,
        watch: &dyn Watch,
    ) -> Result<Option<Content>, Interrupted> {
        let levels = self.levels(found, watch)?;
        let Some(level) = self.chosen(&levels) else {
            return Ok(None);
        };
        let class = level
            .class
            .and_then(|class| self.analysis.types.class(class));
        let (mut through, example) = namer.through(found.node, &level.examples, watch)?;
        if level.is_list {
            // That step, any number of times.
            through.text = format!("({}…)", through.signature);
            through.signature.clone_from(&through.text);
        }
        Ok(Some(Content {
            class: class.map_or(String::new(), |class| class.name.clone()),
            of: level.class.map(Subject::Class),
            objects: level.objects,
            bytes: level.bytes,
            retained: level.retained,
            through,
            known: level.known,
            address: self.analysis.dump.address(example),
        }))
    }

    fn levels(&mut self, found: &Found, watch: &dyn Watch) -> Result<Vec<Level>, Interrupted> {
        let mut levels = Vec::new();
        let class = self.siblings.class(found.node.0);
        if let (alike, Some(first)) = found.alike
            && class.is_some()
        {
            levels.push(Level {
                class,
                examples: self.siblings.object(first).into_iter().collect(),
                objects: alike + 1,
                bytes: found.own,
                retained: found.bytes,
                known: found.known,
                is_list: true,
            });
        }
        if let (Some(second), Some(class)) = (found.second, class) {
            levels.push(self.list(found, second, class));
        }
        // There may be millions: no copy is made of them.
        let mut next = found.most.as_ref().map(Cow::Borrowed);
        for _ in 0..DEEP {
            let Some(kind) = next.take() else {
                break;
            };
            watch.step("looking for suspects", 0, 0)?;
            let below = self.siblings.below(&kind.nodes);
            let first = kind.nodes.first().copied();
            levels.push(Level {
                class: first.and_then(|node| self.siblings.class(node)),
                objects: kind.nodes.len() as u64 + below.alike,
                bytes: below.shallow,
                retained: kind.retained,
                known: below.known,
                examples: examples(self.analysis, &kind),
                is_list: false,
            });
            next = below
                .kinds
                .into_iter()
                .next()
                .filter(|largest| largest.retained >= kind.retained / 2)
                .map(Cow::Owned);
        }
        Ok(levels)
    }

    /// All of a class that a holder holds, of which the second is known.
    fn list(&self, found: &Found, second: NodeId, class: ClassId) -> Level {
        let (mut objects, mut bytes, mut known) = (0, 0u64, Known::default());
        for node in self.analysis.dominators.subtree(found.node.0) {
            if self.siblings.class(*node) == Some(class)
                && let Some(object) = self.siblings.object(*node)
            {
                let size = self.analysis.dump.size(object);
                objects += 1;
                bytes = bytes.saturating_add(size);
                known.add(self.analysis.types.how(object), size);
            }
        }
        Level {
            class: Some(class),
            examples: self.siblings.object(second.0).into_iter().collect(),
            objects,
            bytes,
            retained: found.bytes,
            known,
            is_list: true,
        }
    }

    fn chosen<'l>(&self, levels: &'l [Level]) -> Option<&'l Level> {
        let class = |level: &Level| self.analysis.types.class(level.class?);
        let things: Vec<&Level> = levels
            .iter()
            .filter(|level| class(level).is_some_and(|class| !self.is_container(class)))
            .collect();
        let Some((place, best)) = most_times_more(&things) else {
            // Nothing but containers.
            let known = levels.iter().filter(|level| class(level).is_some());
            return known.rev().max_by_key(|level| level.objects);
        };
        // Elements of container/list are the program's own values to who looks for a leak.
        let is_own = |level: &Level| {
            class(level).is_some_and(|class| !class.package.is_empty() && !is_gos(&class.package))
        };
        let is_gos = class(best).is_some_and(|class| is_gos(&class.package));
        let own = things
            .get(place..)
            .unwrap_or_default()
            .iter()
            .find(|level| {
                is_own(level)
                    && level.objects >= best.objects / 2
                    && level.retained >= best.retained / 2
            });
        Some(match own {
            Some(own) if is_gos => own,
            _ => best,
        })
    }

    /// Whether objects of a class are there for what they lead to.
    fn is_container(&self, class: &Class) -> bool {
        let is_reference = |ty| {
            let ty = self.analysis.dump.catalogue().get(ty);
            ty.is_some_and(|ty| {
                matches!(
                    ty.kind,
                    GoKind::Pointer
                        | GoKind::Interface
                        | GoKind::Slice
                        | GoKind::Map
                        | GoKind::Chan
                        | GoKind::UnsafePointer
                )
            })
        };
        match &class.what {
            What::Map(_) | What::MapPart(..) | What::Chan(_) | What::Runtime(_) => true,
            What::Value(ty) | What::Array(ty) => is_reference(*ty),
            What::Unknown { .. } | What::StringBytes | What::Tiny | What::Closure(_) => false,
        }
    }
}

/// The level that has most times as many things as the one above it; the first has one above it.
fn most_times_more<'l>(levels: &[&'l Level]) -> Option<(usize, &'l Level)> {
    let mut best: Option<(f64, usize, &Level)> = None;
    let mut above = 1;
    for (place, level) in levels.iter().enumerate() {
        let times = level.objects as f64 / above.max(1) as f64;
        if best.is_none_or(|(most, ..)| times > most) {
            best = Some((times, place, level));
        }
        above = level.objects;
    }
    best.map(|(_, place, level)| (place, level))
}

/// The first and the last of them: enough to find one that is near to the holder, for a list begins
/// with its oldest element or with its newest.
fn examples(analysis: &Analysis, kind: &Kind) -> Vec<ObjectId> {
    let first = kind.nodes.iter().take(EXAMPLES);
    let last = kind.nodes.iter().skip(EXAMPLES).rev().take(EXAMPLES);
    first
        .chain(last)
        .filter_map(|node| match analysis.nodes.kind(NodeId(*node)) {
            NodeKind::Object(object) => Some(object),
            _ => None,
        })
        .collect()
}
