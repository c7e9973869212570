//! Paths of which only both ends are named: a list of millions makes paths of millions of steps.

use std::collections::VecDeque;

use super::piece::{Piece, text};
use super::search::{Strength, object_of};
use super::step::{Entry, Via};
use super::{Holders, Path};
use crate::NodeId;
use crate::dump::ObjectId;

/// A path to an object, of which so many objects at both ends are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutPath {
    /// From what kind of root; `None` if it was too long to be followed to its start.
    pub strength: Option<Strength>,
    /// The root: its place in [`crate::Dump::roots`].
    pub root: Option<u32>,
    /// As text, see the [module](super); what is left out is counted in it.
    pub text: String,
    /// The objects behind the root; of a long path the first of them.
    pub start: Vec<ObjectId>,
    /// How many are left out behind these; if it was not followed to its start, those that were seen.
    pub left_out: u64,
    /// The last objects of a long path; the very last is the one that was asked for.
    pub end: Vec<ObjectId>,
}

impl Holders<'_> {
    /// The path to an object by way of a node that leads to it (its own shortest path, if none is
    /// given), with at most `each` objects at both ends. `None` if it is not reachable by that way
    /// without going through the object itself. It is followed back from its end for `steps` steps at
    /// most; what it took is taken from these.
    pub fn cut_path(
        &self,
        object: ObjectId,
        by: Option<NodeId>,
        each: usize,
        steps: &mut u64,
    ) -> Option<CutPath> {
        let each = each.max(1);
        let mut end: VecDeque<u32> = VecDeque::from([object.0]);
        // The nodes nearest to the root, as far as is known so far: the last that were seen.
        let mut start: VecDeque<u32> = VecDeque::new();
        let mut at = match by {
            Some(by) => by.0,
            None => self.search.parent(object.0)?,
        };
        let (mut left_out, mut root) = (0u64, None);
        loop {
            if at == object.0 {
                return None;
            }
            let parent = self.search.parent(at)?;
            if parent == at {
                root = Some(at);
                break;
            }
            match steps.checked_sub(1) {
                Some(left) => *steps = left,
                None => break,
            }
            match end.len() < each {
                true => end.push_front(at),
                false => {
                    start.push_front(at);
                    if start.len() > each {
                        start.pop_back();
                        left_out += 1;
                    }
                }
            }
            at = parent;
        }
        let objects = |nodes: &VecDeque<u32>| -> Vec<ObjectId> {
            let nodes = nodes.iter();
            nodes
                .map_while(|node| object_of(&self.analysis.nodes, *node))
                .collect()
        };
        let Some(root) = root else {
            let left_out = left_out + start.len() as u64;
            return Some(CutPath {
                strength: None,
                root: None,
                text: format!(
                    "… more than {left_out} steps …{}",
                    self.tail(&objects(&end))
                ),
                start: Vec::new(),
                left_out,
                end: objects(&end),
            });
        };
        let whole = |nodes: &mut dyn Iterator<Item = u32>| -> Option<Path> {
            let nodes: Vec<u32> = nodes.collect();
            self.described(&nodes, None, false)
        };
        let first = std::iter::once(root);
        if left_out == 0 {
            let mut all = first
                .chain(start.iter().copied())
                .chain(end.iter().copied());
            let path = whole(&mut all)?;
            return Some(CutPath {
                strength: Some(path.strength),
                root: Some(path.root),
                text: path.text(),
                start: path.objects,
                left_out: 0,
                end: Vec::new(),
            });
        }
        let path = whole(&mut first.chain(start.iter().copied()))?;
        let end = objects(&end);
        Some(CutPath {
            strength: Some(path.strength),
            root: Some(path.root),
            text: format!("{} … {left_out} steps …{}", path.text(), self.tail(&end)),
            start: path.objects,
            left_out,
            end,
        })
    }

    /// What the steps from one object to the next are called, without what leads to the first.
    fn tail(&self, objects: &[ObjectId]) -> String {
        let Some(first) = objects.first().copied() else {
            return String::new();
        };
        let class = self.steps.class(first).map_or("", |class| &class.name);
        let mut pieces = vec![Piece::Start {
            prefix: " ".to_owned(),
            name: format!("({class})"),
        }];
        let mut entry = Entry {
            via: Via::Object,
            offset: self.steps.base(first),
        };
        for pair in objects.windows(2) {
            if let [from, to] = pair {
                match self.steps.to(*from, entry, *to, &mut pieces) {
                    Some(next) => entry = next,
                    None => break,
                }
            }
        }
        text(&pieces)
    }
}
