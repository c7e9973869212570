//! Down the tree of dominators, to what holds much.

use super::super::siblings::{Kin, Kind, Siblings};
use super::super::top::Known;
use crate::nodes::{NodeId, NodeKind};
use crate::types::ClassId;
use crate::{Analysis, Interrupted, Watch};

/// So many objects of its own class that one holds, and these again, are a list or a tree, and no
/// longer things of their own.
const LIST: u64 = 8;

/// If the largest of siblings has so many hundredth parts of what they hold together, it is that which
/// is looked at, and not all of them. Eclipse MAT takes the same for where a dominator is no longer the
/// one that holds (FindLeaksQuery: `big_drop_ratio`).
const ONE: u64 = 70;

/// How many things are looked at. Each holds much that no other of them does, so that there are at
/// most `100 / SHARE` at a time; what is below each of them is gone down at most so deep.
const LOOKS: usize = 10_000;

/// What holds much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) node: NodeId,
    /// What it retains, without what was found below it.
    pub(super) bytes: u64,
    /// Its own bytes, with those of what it is made of.
    pub(super) own: u64,
    /// How the types of these are known.
    pub(super) known: Known,
    /// How many objects of its own class it holds, as a list does, and the first.
    pub(super) alike: (u64, Option<u32>),
    /// The largest kind of things that it holds.
    pub(super) most: Option<Kind>,
    /// If it is the first of a list whose elements lead to one another by way of others: the second.
    pub(super) second: Option<NodeId>,
}

/// What was gone down through: the classes of the last few objects, with the first object of each and
/// how many there were.
#[derive(Debug, Clone, Default)]
struct Above(Vec<(ClassId, NodeId, NodeId, u64)>);

/// How many classes are looked back at: the steps of a circle that makes a list.
const CIRCLE: usize = 8;

impl Above {
    /// Takes one more in. If it is one too many of its class: the first two of these.
    fn add(&mut self, class: ClassId, node: NodeId) -> Option<(NodeId, NodeId)> {
        if let Some((_, first, second, count)) = self.0.iter_mut().find(|(of, ..)| *of == class) {
            if *count == 1 {
                *second = node;
            }
            *count += 1;
            return (*count >= LIST).then_some((*first, *second));
        }
        if self.0.len() == CIRCLE {
            self.0.remove(0);
        }
        self.0.push((class, node, node, 1));
        None
    }
}

/// Finds what holds at least so many bytes that nothing else that is found holds.
///
/// # Errors
/// Interrupted.
pub(super) fn descend(
    analysis: &Analysis,
    much: u64,
    watch: &dyn Watch,
) -> Result<Vec<Found>, Interrupted> {
    let mut siblings = Siblings::of(analysis);
    let mut found = Vec::new();
    let mut open = vec![(analysis.nodes.all(), Above::default())];
    for _ in 0..LOOKS {
        let Some((mut node, mut above)) = open.pop() else {
            break;
        };
        watch.step("looking for suspects", 0, 0)?;
        let class = siblings.class(node.0);
        let list = class.and_then(|class| above.add(class, node));
        if let Some((first, _)) = list {
            node = first;
        }
        let below = siblings.below(&[node.0]);
        let retained = analysis.retained_of(node);
        let mut rest = retained;
        let mut most: Option<Kind> = None;
        let is_list = below.alike >= LIST || list.is_some();
        for kind in below.kinds {
            let one = one_of(analysis, &kind)
                .filter(|one| !is_list && analysis.retained_of(*one) >= much);
            match one {
                Some(one) => {
                    rest = rest.saturating_sub(analysis.retained_of(one));
                    open.push((one, above.clone()));
                }
                // Kinds come the largest first.
                None if most.is_none() && is_many(&kind) => most = Some(kind),
                None => {}
            }
        }
        // What several packages and goroutines hold together has no holder: see `spread`.
        let counts = match analysis.nodes.kind(node) {
            NodeKind::All => false,
            // Variables of a package that each hold a little are no one thing.
            NodeKind::Package(_) => most.as_ref().is_some_and(|most| most.retained >= much),
            _ => true,
        };
        if counts && rest >= much {
            found.push(Found {
                node,
                bytes: rest,
                own: below.shallow,
                known: below.known,
                alike: (below.alike, below.first_alike),
                most,
                second: list.map(|(_, second)| second),
            });
        }
    }
    found.sort_by_key(|found| (std::cmp::Reverse(found.bytes), found.node));
    Ok(found)
}

/// The one of siblings that is looked at instead of all.
fn one_of(analysis: &Analysis, kind: &Kind) -> Option<NodeId> {
    if let [one] = kind.nodes[..] {
        return Some(NodeId(one));
    }
    let retained = |node: &u32| analysis.retained_of(NodeId(*node));
    let one = kind
        .nodes
        .iter()
        .copied()
        .max_by_key(|node| (retained(node), std::cmp::Reverse(*node)))?;
    let percent = u128::from(retained(&one)) * 100;
    (percent >= u128::from(kind.retained) * u128::from(ONE)).then_some(NodeId(one))
}

/// Whether what holds it may have many of it. Each variable, package and group is one of its kind.
fn is_many(kind: &Kind) -> bool {
    matches!(
        kind.kin,
        Kin::Class(_) | Kin::Goroutines | Kin::Frames(_) | Kin::OfGoroutines
    )
}
