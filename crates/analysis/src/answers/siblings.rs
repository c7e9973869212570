//! What a node of the dominator tree holds, by kind: siblings that are the same are one.

use std::collections::HashMap;

use super::Subject;
use super::names::group_name;
use super::top::Known;
use super::tree::Branch;
use crate::Analysis;
use crate::dump::{ObjectId, RootKind};
use crate::nodes::{NodeId, NodeKind};
use crate::types::{ClassId, MapPart, What};

/// What siblings have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kin {
    Package(u32),
    Group(u32),
    /// Goroutines of a group.
    Goroutines,
    Root(u32),
    /// Frames of a function, by the first of them.
    Frames(u32),
    /// What goroutines hold beside their frames.
    OfGoroutines,
    Class(ClassId),
}

/// Siblings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) kin: Kin,
    /// Ascending.
    pub(super) nodes: Vec<u32>,
    /// Bytes of all that would be gone without them.
    pub(super) retained: u64,
}

/// What some nodes hold.
#[derive(Debug, Default)]
pub(super) struct Below {
    /// Bytes of the nodes themselves; of a map with all that it is made of, of a list or a tree with
    /// all its elements.
    pub(super) shallow: u64,
    /// How many objects of the same class they hold directly, and these again, as those of a list or
    /// of a tree.
    pub(super) alike: u64,
    /// The first of these.
    pub(super) first_alike: Option<u32>,
    /// How the types of the nodes are known, with those of what they are made of.
    pub(super) known: Known,
    /// All else that they hold: what retains most first, then by the first node.
    pub(super) kinds: Vec<Kind>,
}

/// Tells what nodes are, and which of them are the same.
pub(super) struct Siblings<'a> {
    analysis: &'a Analysis,
    /// The first frame of each function.
    functions: HashMap<String, u32>,
}

impl<'a> Siblings<'a> {
    pub(super) fn of(analysis: &'a Analysis) -> Siblings<'a> {
        Siblings {
            analysis,
            functions: HashMap::new(),
        }
    }

    /// What nodes of one kind hold: their children in the tree, through what they are made of.
    pub(super) fn below(&mut self, of: &[u32]) -> Below {
        let mut below = Below::default();
        of.iter().for_each(|node| self.add(*node, &mut below));
        let mut kinds: HashMap<Kin, Kind> = HashMap::new();
        // What belongs to a map is the map itself.
        let mut open: Vec<u32> = of.to_vec();
        let class = of.first().and_then(|node| self.class(*node));
        while let Some(node) = open.pop() {
            for child in self.analysis.dominators.children(node) {
                let is_alike = class.is_some() && self.class(child) == class;
                if is_alike || self.is_part(child) {
                    self.add(child, &mut below);
                    if is_alike {
                        below.alike += 1;
                        below.first_alike.get_or_insert(child);
                    }
                    open.push(child);
                    continue;
                }
                let retained = self.analysis.retained_of(NodeId(child));
                if retained == 0 {
                    continue;
                }
                let kin = self.kin(child);
                let kind = kinds.entry(kin).or_insert_with(|| Kind {
                    kin,
                    nodes: Vec::new(),
                    retained: 0,
                });
                kind.nodes.push(child);
                kind.retained = kind.retained.saturating_add(retained);
            }
        }
        below.kinds = kinds.into_values().collect();
        for kind in &mut below.kinds {
            kind.nodes.sort_unstable();
        }
        below.kinds.sort_by_key(|kind| {
            let first = kind.nodes.first().copied();
            (std::cmp::Reverse(kind.retained), first, kind.kin)
        });
        below
    }

    /// Counts a node for one of those whose children are looked for.
    fn add(&self, node: u32, below: &mut Below) {
        let size = self.analysis.size_of(NodeId(node));
        below.shallow = below.shallow.saturating_add(size);
        if let Some(object) = self.object(node) {
            below.known.add(self.analysis.types.how(object), size);
        }
    }

    pub(super) fn object(&self, node: u32) -> Option<ObjectId> {
        match self.analysis.nodes.kind(NodeId(node)) {
            NodeKind::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(super) fn class(&self, node: u32) -> Option<ClassId> {
        let object = self.object(node)?;
        Some(self.analysis.types.class_of(object))
    }

    fn is_part(&self, node: u32) -> bool {
        let what = self.object(node).and_then(|object| {
            let types = &self.analysis.types;
            types.class(types.class_of(object)).map(|class| &class.what)
        });
        matches!(
            what,
            Some(What::MapPart(
                _,
                MapPart::Buckets | MapPart::Groups | MapPart::Table | MapPart::Directory
            ))
        )
    }

    fn kin(&mut self, node: u32) -> Kin {
        match self.analysis.nodes.kind(NodeId(node)) {
            NodeKind::Object(object) => Kin::Class(self.analysis.types.class_of(object)),
            NodeKind::Package(package) => Kin::Package(package),
            NodeKind::Group(group) => Kin::Group(group),
            NodeKind::Goroutine(_) | NodeKind::All => Kin::Goroutines,
            NodeKind::Root(root) => {
                let dump = &self.analysis.dump;
                match dump.roots().get(root as usize).map(|root| root.kind) {
                    Some(RootKind::Frame(frame)) => {
                        let function = dump.frames().get(frame as usize);
                        let function = function.map_or("", |frame| &frame.function);
                        let first = self.functions.entry(function.to_owned()).or_insert(root);
                        Kin::Frames(*first)
                    }
                    Some(RootKind::Goroutine(_)) => Kin::OfGoroutines,
                    _ => Kin::Root(root),
                }
            }
        }
    }

    /// A branch for one node, or for so many like it.
    pub(super) fn named(&self, node: u32, count: usize) -> Branch {
        let (nodes, dump) = (&self.analysis.nodes, &self.analysis.dump);
        let mut branch = Branch {
            count: count as u64,
            of: (count == 1).then_some(Subject::Node(NodeId(node))),
            ..Branch::default()
        };
        match nodes.kind(NodeId(node)) {
            NodeKind::Object(object) => {
                let types = &self.analysis.types;
                let id = types.class_of(object);
                let class = types.class(id);
                branch.name = class.map_or(String::new(), |class| class.name.clone());
                match count {
                    1 => branch.address = dump.address(object),
                    _ => branch.of = Some(Subject::Class(id)),
                }
            }
            NodeKind::Root(root) => {
                let root = dump.roots().get(root as usize);
                branch.name = match root.map(|root| root.kind) {
                    Some(RootKind::Goroutine(_)) => "deferred calls and panics".to_owned(),
                    Some(RootKind::Frame(_)) => {
                        format!("frame {}", root.map_or("", |root| &root.name))
                    }
                    _ => root.map_or(String::new(), |root| root.name.to_string()),
                };
                if let Some(RootKind::Global(variable)) = root.map(|root| root.kind) {
                    let catalogue = dump.catalogue();
                    let variable = catalogue.variables.get(variable as usize);
                    let ty = variable.and_then(|variable| catalogue.get(variable.ty?));
                    branch.about = ty.map_or(String::new(), |ty| ty.name.clone());
                }
            }
            NodeKind::Goroutine(goroutine) => {
                let goroutine = dump.goroutines().get(goroutine as usize);
                branch.name = match (count, goroutine) {
                    (1, Some(goroutine)) => format!("goroutine {}", goroutine.id),
                    _ => "goroutines".to_owned(),
                };
            }
            NodeKind::Group(group) => {
                let (function, about) = group_name(self.analysis, group);
                (branch.name, branch.about) = (format!("goroutines in {function}"), about);
                let group = nodes.groups().get(group as usize);
                branch.count = group.map_or(0, |group| group.goroutines.len() as u64);
            }
            NodeKind::Package(package) => {
                let package = nodes.packages().get(package as usize);
                let name = package.map_or("", |package| &package.name);
                branch.name = match name {
                    "" => "variables of no package".to_owned(),
                    name => format!("package {name}"),
                };
            }
            NodeKind::All => branch.name = "all that is reachable".to_owned(),
        }
        branch
    }
}
