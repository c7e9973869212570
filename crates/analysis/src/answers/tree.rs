//! The dominator tree: who alone holds what, and through what.

use std::collections::HashMap;

use super::Subject;
use super::names::group_name;
use super::top::Heap;
use super::what::Asked;
use crate::dump::{ObjectId, RootKind};
use crate::nodes::{NodeId, NodeKind};
use crate::types::{ClassId, MapPart, What};
use crate::{Analysis, Interrupted, Watch};

/// How much of the tree is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeOptions {
    /// How many levels below the top; at most 64 are looked at.
    pub depth: usize,
    /// Branches that retain less bytes are told as a sum; the thousandth part of the top, if not
    /// given.
    pub min: Option<u64>,
    /// How many branches each one has at most; the rest is told as a sum.
    pub branches: usize,
}

/// A branch of the tree: siblings that are the same, as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Branch {
    /// A class, a variable, goroutines, a package.
    pub name: String,
    /// More about it: the type of a variable, what goroutines wait for.
    pub about: String,
    /// Where it is, if it is one object; else 0.
    pub address: u64,
    /// How many these are: siblings, and objects of the same class that they hold directly, as
    /// those of a list or of a tree.
    pub count: u64,
    /// Bytes of the objects themselves; of a map with all that it is made of.
    pub shallow: u64,
    /// Bytes of all that would be gone without them.
    pub retained: u64,
    /// What these hold, the largest first.
    pub branches: Vec<Branch>,
    /// What they hold beside, in sum.
    pub rest: Rest,
    /// What it is, to ask further for: all objects of a class, or one node. `None` if it is no one
    /// thing.
    pub of: Option<Subject>,
}

/// Branches that are not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rest {
    /// How many branches.
    pub branches: u64,
    /// How many siblings these are in all.
    pub count: u64,
    /// Bytes that they retain.
    pub retained: u64,
}

/// The dominator tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The heap as a whole.
    pub heap: Heap,
    /// The top of the tree.
    pub top: Branch,
}

/// What siblings have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kin {
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
struct Kind {
    kin: Kin,
    nodes: Vec<u32>,
    retained: u64,
}

/// The dominator tree from the root of all, or from what was asked for.
///
/// # Errors
/// Interrupted.
pub fn tree(
    analysis: &Analysis,
    under: Option<&Asked>,
    options: &TreeOptions,
    watch: &dyn Watch,
) -> Result<Tree, Interrupted> {
    let nodes = &analysis.nodes;
    let (top, name) = match under {
        None => (vec![nodes.all().0], None),
        Some(Asked::Object { object, .. }) => (vec![object.0], None),
        Some(Asked::Variable(root)) => (vec![nodes.id(NodeKind::Root(*root)).0], None),
        Some(Asked::Goroutine(index)) => (vec![nodes.id(NodeKind::Goroutine(*index)).0], None),
        Some(Asked::Package(index)) => (vec![nodes.id(NodeKind::Package(*index)).0], None),
        Some(Asked::Class { name, classes }) => (outermost(analysis, classes), Some(name.clone())),
    };
    Ok(Tree {
        heap: Heap::of(analysis),
        top: branch(analysis, &top, name, options, watch)?,
    })
}

/// The dominator tree from some nodes, none of which dominates another, as one branch; `name` is what
/// that is called, if not by the first of them.
///
/// # Errors
/// Interrupted.
pub fn branch(
    analysis: &Analysis,
    top: &[u32],
    name: Option<String>,
    options: &TreeOptions,
    watch: &dyn Watch,
) -> Result<Branch, Interrupted> {
    let retained = top.iter().fold(0u64, |sum, node| {
        sum.saturating_add(analysis.retained_of(NodeId(*node)))
    });
    let mut grower = Grower {
        analysis,
        options,
        min: options.min.unwrap_or(retained / 1000),
        watch,
        functions: HashMap::new(),
    };
    let mut branch = match top.first() {
        Some(node) => grower.named(*node, top.len()),
        None => Branch::default(),
    };
    if let Some(name) = name {
        branch.name = name;
    }
    branch.retained = retained;
    grower.grow(&mut branch, top, options.depth.min(64))?;
    Ok(branch)
}

/// Objects of some classes that no other of them dominates.
pub fn outermost(analysis: &Analysis, classes: &[ClassId]) -> Vec<u32> {
    let mut found = Vec::new();
    let mut rest = analysis.dominators.preorder();
    while let Some(node) = rest.first() {
        let is_one = match analysis.nodes.kind(NodeId(*node)) {
            NodeKind::Object(object) => classes.contains(&analysis.types.class_of(object)),
            _ => false,
        };
        let passed = match is_one {
            true => {
                found.push(*node);
                analysis.dominators.subtree(*node).len().max(1)
            }
            false => 1,
        };
        rest = rest.get(passed..).unwrap_or_default();
    }
    found
}

struct Grower<'a> {
    analysis: &'a Analysis,
    options: &'a TreeOptions,
    /// Branches that retain less bytes are told as a sum.
    min: u64,
    watch: &'a dyn Watch,
    /// The first frame of each function.
    functions: HashMap<String, u32>,
}

impl Grower<'_> {
    /// Adds to a branch what its nodes dominate. Goes no deeper than `depth`.
    fn grow(&mut self, branch: &mut Branch, of: &[u32], depth: usize) -> Result<(), Interrupted> {
        self.watch.step("growing the tree", 0, 0)?;
        let size = |node: u32| self.analysis.size_of(NodeId(node));
        let mut shallow = of.iter().fold(0u64, |sum, n| sum.saturating_add(size(*n)));
        let mut kinds: HashMap<Kin, Kind> = HashMap::new();
        // What belongs to a map is the map itself.
        let mut open: Vec<u32> = of.to_vec();
        let class = of.first().and_then(|node| self.class(*node));
        while let Some(node) = open.pop() {
            for child in self.analysis.dominators.children(node) {
                let is_alike = class.is_some() && self.class(child) == class;
                if is_alike || self.is_part(child) {
                    shallow = shallow.saturating_add(self.analysis.size_of(NodeId(child)));
                    branch.count += u64::from(is_alike);
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
        branch.shallow = shallow;
        let mut kinds: Vec<Kind> = kinds.into_values().collect();
        for kind in &mut kinds {
            kind.nodes.sort_unstable();
        }
        kinds.sort_by_key(|kind| {
            let first = kind.nodes.first().copied();
            (std::cmp::Reverse(kind.retained), first, kind.kin)
        });
        for (place, kind) in kinds.into_iter().enumerate() {
            let is_shown = depth > 0 && place < self.options.branches && kind.retained >= self.min;
            let count = kind.nodes.len();
            if !is_shown {
                branch.rest.branches += 1;
                branch.rest.count += count as u64;
                branch.rest.retained = branch.rest.retained.saturating_add(kind.retained);
                continue;
            }
            let Some(first) = kind.nodes.first() else {
                continue;
            };
            let mut next = self.named(*first, count);
            next.retained = kind.retained;
            self.grow(&mut next, &kind.nodes, depth - 1)?;
            branch.branches.push(next);
        }
        Ok(())
    }

    fn object(&self, node: u32) -> Option<ObjectId> {
        match self.analysis.nodes.kind(NodeId(node)) {
            NodeKind::Object(object) => Some(object),
            _ => None,
        }
    }

    fn class(&self, node: u32) -> Option<ClassId> {
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
    fn named(&self, node: u32, count: usize) -> Branch {
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
