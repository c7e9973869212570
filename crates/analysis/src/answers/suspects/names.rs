//! What holders are called: the path to them.

use goheap_golang::Structs;

use super::super::top::type_of_variable;
use super::holders::Found;
use super::{Ask, Name, Suspect, SuspectKind};
use crate::dump::{ObjectId, RootKind};
use crate::nodes::{NodeId, NodeKind};
use crate::paths::{Holders, Path, Piece, signature};
use crate::types::What;
use crate::{Analysis, Interrupted, Watch};

/// How many dominators of a thing are asked whether each leads to the next. Who needs more has a list
/// above it, and is searched for.
const CHAIN: usize = 256;

/// How many objects a path has at most that is named here. Names of the steps of a path take some
/// hundred bytes each, and a path through a list may have millions; `why` tells those.
const LONG: usize = 1 << 17;

/// How many of many objects at each end are looked at for one that is near to its holder.
pub(super) const EXAMPLES: usize = 32;

/// Names paths.
pub(super) struct Namer<'a> {
    analysis: &'a Analysis,
    /// Names paths that are known.
    plain: Holders<'a>,
    /// Finds them, once it was needed.
    searched: Option<Holders<'a>>,
}

/// A path, and the same without keys, indexes and numbers of goroutines.
struct Named {
    path: Path,
    any: Path,
}

impl<'a> Namer<'a> {
    pub(super) fn of(analysis: &'a Analysis) -> Namer<'a> {
        Namer {
            analysis,
            plain: Holders::unsearched(analysis),
            searched: None,
        }
    }

    /// Shortest paths to all objects.
    pub(super) fn search(&mut self, watch: &dyn Watch) -> Result<&Holders<'a>, Interrupted> {
        let searched = match self.searched.take() {
            Some(searched) => searched,
            None => Holders::of(self.analysis, watch)?,
        };
        Ok(self.searched.insert(searched))
    }

    /// The dominators of an object below its root, that first; `None` if these are many, or it has no
    /// root of its own.
    fn chain(&self, object: ObjectId) -> Option<Vec<u32>> {
        let mut chain = vec![object.0];
        let mut at = object.0;
        while chain.len() <= CHAIN {
            at = self.analysis.dominators.idom(at)?;
            match self.analysis.nodes.kind(NodeId(at)) {
                NodeKind::Object(_) => chain.push(at),
                NodeKind::Root(_) => {
                    chain.push(at);
                    chain.reverse();
                    return Some(chain);
                }
                _ => return None,
            }
        }
        None
    }

    /// The shortest path to an object. All paths lead through its dominators: where each of these
    /// leads to the next, that is the shortest, and needs no search.
    fn path(&mut self, object: ObjectId, watch: &dyn Watch) -> Result<Option<Named>, Interrupted> {
        let known = self.chain(object).and_then(|chain| self.named(&chain));
        if known.is_some() {
            return Ok(known);
        }
        let search = self.search(watch)?;
        match search.distance(object, LONG) {
            Some(_) => {
                let nodes = search.nodes(object);
                Ok(self.named(&nodes))
            }
            None => Ok(None),
        }
    }

    fn named(&self, nodes: &[u32]) -> Option<Named> {
        Some(Named {
            path: self.plain.along(nodes, false)?,
            any: self.plain.along(nodes, true)?,
        })
    }

    /// A holder, as a suspect with its names.
    pub(super) fn holder(
        &mut self,
        found: &Found,
        watch: &dyn Watch,
    ) -> Result<Suspect, Interrupted> {
        let dump = &self.analysis.dump;
        let mut suspect = Suspect {
            count: 1,
            ..Suspect::new(SuspectKind::Holder)
        };
        let plain = |name: String| Name {
            text: name.clone(),
            signature: name,
        };
        match self.analysis.nodes.kind(found.node) {
            NodeKind::Object(object) => {
                let types = &self.analysis.types;
                let class = types.class(types.class_of(object));
                suspect.about = class.map_or(String::new(), |class| class.name.clone());
                suspect.address = dump.address(object);
                suspect.entries = entries(self.analysis, object);
                suspect.ask = Some(Ask::Why(format!("{:#x}", suspect.address)));
                suspect.name = match self.path(object, watch)? {
                    Some(named) => named.name(0),
                    None => plain(format!("{:#x}", suspect.address)),
                };
            }
            NodeKind::Root(index) => {
                let root = dump.roots().get(index as usize);
                let name = root.map_or(String::new(), |root| root.name.to_string());
                suspect.name = plain(name.clone());
                match root.map(|root| root.kind) {
                    Some(RootKind::Global(variable)) => {
                        let about = type_of_variable(self.analysis, variable);
                        suspect.about = about.unwrap_or_default();
                        suspect.ask = Some(Ask::Why(format!("var:{name}")));
                    }
                    Some(RootKind::Frame(frame)) => {
                        let frame = dump.frames().get(frame as usize);
                        let id = frame.and_then(|frame| {
                            Some(dump.goroutines().get(frame.goroutine as usize)?.id)
                        });
                        if let Some(id) = id {
                            suspect.name = Name {
                                text: format!("goroutine {id}: frame {name}"),
                                signature: format!("goroutine: frame {name}"),
                            };
                            suspect.ask = Some(Ask::Tree(format!("goroutine:{id}")));
                        }
                    }
                    Some(
                        kind @ (RootKind::Finalizers
                        | RootKind::QueuedFinalizers
                        | RootKind::Cleanups),
                    ) => {
                        let queued = kind == RootKind::QueuedFinalizers;
                        suspect.kind = SuspectKind::Finalizers { queued };
                        suspect.ask = Some(Ask::Waste);
                    }
                    _ => {}
                }
            }
            NodeKind::Goroutine(index) => {
                let id = dump.goroutines().get(index as usize).map_or(0, |g| g.id);
                suspect.name = Name {
                    text: format!("goroutine {id}"),
                    signature: "a goroutine".to_owned(),
                };
                suspect.ask = Some(Ask::Tree(format!("goroutine:{id}")));
            }
            NodeKind::Package(index) => {
                let package = self.analysis.nodes.packages().get(index as usize);
                let name = package.map_or("", |package| package.name.as_str());
                suspect.name = plain(match name {
                    "" => "variables of no package".to_owned(),
                    name => format!("several variables of package {name}"),
                });
                suspect.count = package.map_or(0, |package| package.roots.len() as u64);
                suspect.ask = Some(Ask::Tree(format!("package:{name}")));
            }
            NodeKind::Group(_) | NodeKind::All => {}
        }
        Ok(suspect)
    }

    /// The way from a holder to one of some objects, and which: that from the holder on, if it is an
    /// object or a variable, else all of it.
    pub(super) fn through(
        &mut self,
        holder: NodeId,
        objects: &[ObjectId],
        watch: &dyn Watch,
    ) -> Result<(Name, ObjectId), Interrupted> {
        let mut near = objects
            .iter()
            .filter_map(|object| Some((self.chain(*object)?.len(), *object)))
            .min();
        if near.is_none() {
            let search = self.search(watch)?;
            near = objects
                .iter()
                .filter_map(|object| Some((search.distance(*object, CHAIN)?, *object)))
                .min();
        }
        let near = near.map(|(_, object)| object);
        let Some(object) = near.or(objects.first().copied()) else {
            return Ok((Name::default(), ObjectId(u32::MAX)));
        };
        let Some(named) = self.path(object, watch)? else {
            return Ok((Name::default(), object));
        };
        let before = match self.analysis.nodes.kind(holder) {
            NodeKind::Object(holder) => match self.path(holder, watch)? {
                Some(of) if named.path.pieces.starts_with(&of.path.pieces) => of.path.pieces.len(),
                _ => 0,
            },
            NodeKind::Root(root) => {
                let roots = self.analysis.dump.roots();
                let is_variable = roots
                    .get(root as usize)
                    .is_some_and(|root| matches!(root.kind, RootKind::Global(_)));
                usize::from(is_variable && named.path.root == root)
            }
            _ => 0,
        };
        Ok((named.name(before), object))
    }
}

impl Named {
    /// Its name without so many pieces in front.
    fn name(&self, before: usize) -> Name {
        let rest = |pieces: &[Piece]| -> Vec<Piece> {
            let rest = pieces.get(before..).unwrap_or_default().iter();
            // What a pointer to a pointer encloses may stand in front.
            let rest = rest.filter(|piece| before == 0 || **piece != Piece::Deref);
            rest.cloned().collect()
        };
        Name {
            text: crate::paths::text(&rest(&self.path.pieces)),
            signature: signature(&rest(&self.any.pieces)),
        }
    }
}

/// How many entries a map has, or how many elements an array has room for.
fn entries(analysis: &Analysis, object: ObjectId) -> Option<u64> {
    let dump = &analysis.dump;
    let catalogue = dump.catalogue();
    match analysis.types.class(analysis.types.class_of(object))?.what {
        // runtime/map.go (to go1.23), internal/runtime/maps/map.go (from go1.24).
        What::Map(_) => {
            let structs = Structs::new(&catalogue.layouts);
            let place = structs
                .place("internal/runtime/maps.Map", "used")
                .or_else(|_| structs.place("runtime.hmap", "count"))
                .ok()?;
            let count = dump.word(dump.address(object).checked_add(place.offset)?)?;
            // More entries than bytes in all objects are none.
            (count <= analysis.retained_of(NodeId(object.0))).then_some(count)
        }
        What::Array(elem) => dump
            .size(object)
            .checked_div(catalogue.get(elem)?.size)
            .filter(|room| *room > 1),
        _ => None,
    }
}
