//! The dominator tree: who alone holds what, and through what.

use super::Subject;
use super::siblings::Siblings;
use super::top::Heap;
use super::what::Asked;
use crate::nodes::{NodeId, NodeKind};
use crate::types::ClassId;
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
        siblings: Siblings::of(analysis),
        options,
        min: options.min.unwrap_or(retained / 1000),
        watch,
    };
    let mut branch = match top.first() {
        Some(node) => grower.siblings.named(*node, top.len()),
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
    siblings: Siblings<'a>,
    options: &'a TreeOptions,
    /// Branches that retain less bytes are told as a sum.
    min: u64,
    watch: &'a dyn Watch,
}

impl Grower<'_> {
    /// Adds to a branch what its nodes dominate. Goes no deeper than `depth`.
    fn grow(&mut self, branch: &mut Branch, of: &[u32], depth: usize) -> Result<(), Interrupted> {
        self.watch.step("growing the tree", 0, 0)?;
        let below = self.siblings.below(of);
        branch.count += below.alike;
        branch.shallow = below.shallow;
        for (place, kind) in below.kinds.into_iter().enumerate() {
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
            let mut next = self.siblings.named(*first, count);
            next.retained = kind.retained;
            self.grow(&mut next, &kind.nodes, depth - 1)?;
            branch.branches.push(next);
        }
        Ok(())
    }
}
