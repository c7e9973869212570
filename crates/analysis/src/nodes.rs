//! The nodes of the graph: objects, what leads to them from outside, and one root of all.
//!
//! Objects come first and keep their numbers. Behind them are the roots of the dump, goroutines,
//! groups of goroutines with the same stack, packages, and last the root of all. From that lead edges
//! to packages (and from these to their variables), to groups (from these to goroutines, and from
//! those to their frames) and to all other roots. So what a group of goroutines or a package alone
//! holds is what its node dominates.
//!
//! All edges of objects are their pointers, but for two of a live goroutine's `g`: see `deferred`.

mod deferred;

use std::collections::BTreeMap;

use crate::dump::{Dump, ObjectId, RootKind};
use crate::graph::Edges;
use deferred::Deferred;

/// A node of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// An object.
    Object(ObjectId),
    /// A root: its place in [`Dump::roots`].
    Root(u32),
    /// A goroutine: its place in [`Dump::goroutines`].
    Goroutine(u32),
    /// A group of goroutines: its place in [`Nodes::groups`].
    Group(u32),
    /// A package with variables: its place in [`Nodes::packages`].
    Package(u32),
    /// The root of all.
    All,
}

/// Goroutines that stand at the same place: the same program counters in all frames, and the same
/// wait reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their places in [`Dump::goroutines`], ascending.
    pub goroutines: Vec<u32>,
}

/// A package and the roots that are its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its import path; `main`, or empty for what is of no package.
    pub name: String,
    /// Places of its variables in [`Dump::roots`], ascending.
    pub roots: Vec<u32>,
}

/// How the nodes are numbered.
#[derive(Debug)]
pub struct Nodes {
    objects: u32,
    roots: u32,
    goroutines: u32,
    groups: Vec<Group>,
    packages: Vec<Package>,
    /// Of each goroutine its roots: frames, and its own.
    of_goroutine: Vec<Vec<u32>>,
    /// Roots right below the root of all.
    top: Vec<u32>,
    /// Pointers of objects that are no edges.
    deferred: Deferred,
}

impl Nodes {
    /// Numbers the nodes of a dump. `None` if there are more than 2^32 - 2.
    pub fn of(dump: &Dump) -> Option<Nodes> {
        let count = |len: usize| u32::try_from(len).ok();
        let mut of_goroutine = vec![Vec::new(); dump.goroutines().len()];
        let mut packages: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut top = Vec::new();
        for (root, index) in dump.roots().iter().zip(0u32..) {
            let goroutine = match root.kind {
                RootKind::Frame(frame) => dump.frames().get(frame as usize).map(|f| f.goroutine),
                RootKind::Goroutine(goroutine) | RootKind::Thread(goroutine) => Some(goroutine),
                RootKind::Global(_) => {
                    let package = package_of(&root.name).to_owned();
                    packages.entry(package).or_default().push(index);
                    continue;
                }
                _ => None,
            };
            match goroutine.and_then(|goroutine| of_goroutine.get_mut(goroutine as usize)) {
                Some(of) => of.push(index),
                None => top.push(index),
            }
        }
        let deferred = Deferred::of(dump, &of_goroutine);
        let nodes = Nodes {
            objects: dump.object_count(),
            roots: count(dump.roots().len())?,
            goroutines: count(dump.goroutines().len())?,
            groups: groups(dump),
            packages: packages
                .into_iter()
                .map(|(name, roots)| Package { name, roots })
                .collect(),
            of_goroutine,
            top,
            deferred,
        };
        let all = u64::from(nodes.objects)
            + u64::from(nodes.roots)
            + u64::from(nodes.goroutines)
            + nodes.groups.len() as u64
            + nodes.packages.len() as u64;
        (all < u64::from(u32::MAX) - 1).then_some(nodes)
    }

    /// Groups of goroutines, the largest first.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Packages, by name.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The roots of a goroutine: its frames, its own, and its thread's.
    pub fn roots_of_goroutine(&self, goroutine: u32) -> &[u32] {
        self.of_goroutine
            .get(goroutine as usize)
            .map_or(&[], Vec::as_slice)
    }

    /// How many nodes there are.
    pub fn len(&self) -> u32 {
        self.all().0 + 1
    }

    /// There is always the root of all.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The root of all.
    pub fn all(&self) -> NodeId {
        NodeId(self.first_package() + self.packages.len() as u32)
    }

    fn first_goroutine(&self) -> u32 {
        self.objects + self.roots
    }

    fn first_group(&self) -> u32 {
        self.first_goroutine() + self.goroutines
    }

    fn first_package(&self) -> u32 {
        self.first_group() + self.groups.len() as u32
    }

    /// The node of something; of what does not exist, one that does not exist either.
    pub fn id(&self, kind: NodeKind) -> NodeId {
        NodeId(match kind {
            NodeKind::Object(object) => object.0,
            NodeKind::Root(root) => self.objects.saturating_add(root),
            NodeKind::Goroutine(index) => self.first_goroutine().saturating_add(index),
            NodeKind::Group(index) => self.first_group().saturating_add(index),
            NodeKind::Package(index) => self.first_package().saturating_add(index),
            NodeKind::All => self.all().0,
        })
    }

    /// What a node is; [`NodeKind::All`] for numbers beyond.
    pub fn kind(&self, node: NodeId) -> NodeKind {
        let node = node.0;
        if node < self.objects {
            NodeKind::Object(ObjectId(node))
        } else if node < self.first_goroutine() {
            NodeKind::Root(node - self.objects)
        } else if node < self.first_group() {
            NodeKind::Goroutine(node - self.first_goroutine())
        } else if node < self.first_package() {
            NodeKind::Group(node - self.first_group())
        } else if node < self.all().0 {
            NodeKind::Package(node - self.first_package())
        } else {
            NodeKind::All
        }
    }

    /// Shows the nodes that a node leads to.
    #[inline]
    pub fn each(&self, dump: &Dump, node: u32, mut visit: impl FnMut(u32)) {
        if node < self.objects {
            // Nearly all nodes are objects, and nearly none of them is a `g`.
            if self.deferred.has(node) {
                self.each_of_g(dump, node, &mut visit);
                return;
            }
            dump.each_pointer(ObjectId(node), |_, target| {
                if let Some((to, _)) = dump.find(target) {
                    visit(to.0);
                }
            });
            return;
        }
        self.each_of_root(dump, node, &mut visit);
    }

    /// Shows the edges of an object: where in it each pointer lies, what it leads to, and how far in.
    /// These are the edges that [`Nodes::each`] shows, in the same order.
    pub fn each_edge(
        &self,
        dump: &Dump,
        object: ObjectId,
        mut visit: impl FnMut(u64, ObjectId, u64),
    ) {
        let is_g = self.deferred.has(object.0);
        dump.each_pointer(object, |slot, target| {
            if let Some((to, offset)) = dump.find(target)
                && !(is_g && self.deferred.leads(object.0, slot))
            {
                visit(slot, to, offset);
            }
        });
    }

    /// The same for the `g` of a goroutine.
    #[inline(never)]
    fn each_of_g(&self, dump: &Dump, node: u32, visit: &mut dyn FnMut(u32)) {
        dump.each_pointer(ObjectId(node), |slot, target| {
            if let Some((to, _)) = dump.find(target)
                && !self.deferred.leads(node, slot)
            {
                visit(to.0);
            }
        });
    }

    /// The same for what is no object.
    fn each_of_root(&self, dump: &Dump, node: u32, visit: &mut dyn FnMut(u32)) {
        match self.kind(NodeId(node)) {
            NodeKind::Object(_) => {}
            NodeKind::Root(root) => {
                let Some(root) = dump.roots().get(root as usize) else {
                    return;
                };
                for pointer in dump
                    .root_pointers()
                    .get(root.pointers.clone())
                    .unwrap_or(&[])
                {
                    if let Some((to, _)) = dump.find(pointer.target) {
                        visit(to.0);
                    }
                    // runtime/mgcmark.go: markrootSpans: a finalizer keeps what its object leads
                    // to, and not that itself.
                    if root.kind == RootKind::Finalizers
                        && let Some((of, _)) = dump.find(pointer.of)
                    {
                        dump.each_pointer(of, |_, target| {
                            if let Some((to, _)) = dump.find(target)
                                && to != of
                            {
                                visit(to.0);
                            }
                        });
                    }
                }
            }
            NodeKind::Goroutine(goroutine) => {
                for root in self.roots_of_goroutine(goroutine) {
                    visit(self.objects + root);
                }
            }
            NodeKind::Group(group) => {
                if let Some(group) = self.groups.get(group as usize) {
                    for goroutine in &group.goroutines {
                        visit(self.first_goroutine() + goroutine);
                    }
                }
            }
            NodeKind::Package(package) => {
                if let Some(package) = self.packages.get(package as usize) {
                    for root in &package.roots {
                        visit(self.objects + root);
                    }
                }
            }
            NodeKind::All => {
                for root in &self.top {
                    visit(self.objects + root);
                }
                (self.first_group()..self.all().0).for_each(visit);
            }
        }
    }
}

/// The edges of a dump.
pub struct DumpEdges<'d> {
    dump: &'d Dump,
    nodes: &'d Nodes,
}

impl<'d> DumpEdges<'d> {
    /// Of a dump and its nodes.
    pub fn new(dump: &'d Dump, nodes: &'d Nodes) -> DumpEdges<'d> {
        DumpEdges { dump, nodes }
    }
}

impl Edges for DumpEdges<'_> {
    fn node_count(&self) -> u32 {
        self.nodes.len()
    }

    #[inline]
    fn each(&self, node: u32, visit: impl FnMut(u32)) {
        self.nodes.each(self.dump, node, visit);
    }
}

/// The package of a variable or function: `go.etcd.io/etcd/mvcc` of `go.etcd.io/etcd/mvcc.plog`.
pub fn package_of(name: &str) -> &str {
    // Dots in an import path stand before its last slash, or are written as %2e behind it.
    let base = name.rfind('/').map_or(0, |slash| slash + 1);
    let rest = name.get(base..).unwrap_or_default();
    match rest.find('.') {
        Some(dot) => name.get(..base + dot).unwrap_or_default(),
        None => "",
    }
}

fn groups(dump: &Dump) -> Vec<Group> {
    let mut by_stack: BTreeMap<(&str, Vec<u64>), Vec<u32>> = BTreeMap::new();
    for (goroutine, index) in dump.goroutines().iter().zip(0u32..) {
        let frames = dump.frames().get(goroutine.frames.clone()).unwrap_or(&[]);
        let pcs = frames.iter().map(|frame| frame.pc).collect();
        by_stack
            .entry((goroutine.wait_reason.as_str(), pcs))
            .or_default()
            .push(index);
    }
    let mut groups: Vec<Group> = by_stack
        .into_values()
        .map(|goroutines| Group { goroutines })
        .collect();
    groups.sort_by_key(|group| {
        (
            std::cmp::Reverse(group.goroutines.len()),
            group.goroutines.first().copied(),
        )
    });
    groups
}
