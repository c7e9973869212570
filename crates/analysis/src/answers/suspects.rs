//! What most likely leaks, or fills the heap: leak suspects, as Eclipse MAT's report of that name has
//! them, for Go.
//!
//! Five kinds of things are looked for: what alone holds much (a variable, a map, a slice, a list),
//! objects of one type that hold much without such a holder, goroutines that hold much or are many,
//! much that is of no use, and much garbage. Much is what [`SHARE`] and [`LEAST`] say.
//!
//! Who holds much is found by going down the tree of dominators, from the root of all, for as long as a
//! single thing below holds much. Where what is held splits into many it has come to the holder; from
//! there on it looks for what the holder has many of ([`Content`]).
//!
//! A dump is one moment. That something holds much is a fact; that it leaks is a guess, which `goheap
//! diff` of two dumps confirms or refutes.

mod content;
mod holders;
mod names;
mod spread;
mod words;

use super::Subject;
use super::goroutines::{GoroutineGroup, Goroutines};
use super::names::{group_name, in_words};
use super::top::{Heap, Known};
use super::waste::Waste;
use crate::analysis::Analysis;
use crate::nodes::NodeKind;
use crate::{Interrupted, Watch};

pub use words::{Part, Sentence};

use content::Contents;
use holders::{Found, descend};
use names::Namer;

/// What share of the reachable bytes is much: the tenth part, which is also the default of Eclipse
/// MAT's leak suspects (org.eclipse.mat.inspections.FindLeaksQuery: `threshold_percent`).
pub const SHARE: u64 = 10;

/// How many bytes are much at least. Go's collector first runs when a heap has 4 MiB
/// (runtime/mgcpacer.go: `defaultHeapMinimum`); of such a heap everything may be the tenth part, and
/// nobody looks for a leak of less than a sixteenth of it.
pub const LEAST: u64 = 256 << 10;

/// How much garbage is more than the collector lets come together by itself: with GOGC=100, its
/// default, as much as was reachable (runtime/mgcpacer.go: `gcPercent`), and `defaultHeapMinimum` in
/// any case.
const GARBAGE: u64 = 4 << 20;

/// So many goroutines that wait for ever are told of, however little they hold: each is a fault of the
/// program, but a few cost nothing.
pub const LEAKED: u64 = 10;

/// So many goroutines that stand at the same place are told of, however little they hold: a server has
/// some for each connection, and rarely thousands of these.
pub const MANY: u64 = 1000;

/// How many suspects there are at most.
pub const MOST: usize = 10;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspects {
    /// The heap as a whole.
    pub heap: Heap,
    /// The dump ends before its roots do: nothing can be told of who holds what.
    pub roots_missing: bool,
    /// Most bytes first.
    pub found: Vec<Suspect>,
    /// If nothing was found: what holds most, for all that.
    pub largest: Option<Suspect>,
}

/// What kind of thing a suspect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SuspectKind {
    /// Something that alone holds much: a variable, an object, a package.
    Holder,
    /// Objects of one type, without a holder in common.
    Type,
    /// Goroutines that stand at the same place.
    Goroutines,
    /// What finalizers or cleanups hold.
    Finalizers {
        /// These are ready to run.
        queued: bool,
    },
    /// Bytes of no use.
    Waste(Useless),
    /// What was not collected yet.
    Garbage,
}

/// Why bytes are of no use, as [`Waste`] tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Useless {
    /// Capacity of slices beyond their length.
    SliceTails,
    /// Arrays of which only a part is shown.
    Pinned,
    /// Slots of maps without an entry.
    MapSlots,
    /// Strings that are there more than once.
    Duplicates,
    /// Buffers of channels without an element.
    Channels,
    /// What only pools hold.
    Pools,
}

/// A name that may tell of the contents of the heap: a path with the keys of maps.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// As it is: `main.cache["sess-4f"].User`.
    pub text: String,
    /// Without keys, indexes and numbers of goroutines: `main.cache[*].User`.
    pub signature: String,
}

/// Something that most likely leaks, or fills the heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// What kind of thing it is.
    pub kind: SuspectKind,
    /// What it is called: the path of a holder, the name of a type or a function.
    pub name: Name,
    /// More about it: the type of a holder, what goroutines wait for.
    pub about: String,
    /// Where it is, if it is one object; else 0.
    pub address: u64,
    /// How many there are: objects, goroutines.
    pub count: u64,
    /// Of goroutines, those that wait for ever.
    pub leaked: u64,
    /// Bytes that count for it: what it retains, without what is told of other suspects below it; of
    /// goroutines with their stacks.
    pub bytes: u64,
    /// Bytes of all that would be gone without it.
    pub retained: u64,
    /// Its own bytes: of a map with all that it is made of, of goroutines their stacks.
    pub own: u64,
    /// Of a single map how many entries it has, of an array how many it has room for.
    pub entries: Option<u64>,
    /// What it holds most of.
    pub content: Option<Content>,
    /// What tells more of it.
    pub ask: Option<Ask>,
    /// What it is, to ask further for.
    pub of: Option<Subject>,
}

/// What a suspect holds most of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The class of it.
    pub class: String,
    /// The same, to ask further for.
    pub of: Option<Subject>,
    /// How many objects.
    pub objects: u64,
    /// Bytes of these themselves; of maps with all that they are made of.
    pub bytes: u64,
    /// Bytes of all that would be gone without them.
    pub retained: u64,
    /// The way from the holder to one of them, or from a variable where the holder has no name.
    pub through: Name,
    /// How its type is known.
    pub known: Known,
    /// Where one of them is.
    pub address: u64,
}

impl Content {
    /// How its type is known, in words: `sure`, `a guess`, `12 % a guess`, `unknown`.
    pub fn known_in_words(&self) -> String {
        let Known {
            sure,
            guessed,
            unknown,
        } = self.known;
        in_words(sure, guessed, unknown)
    }
}

/// A command that tells more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// `goheap why SOURCE WHAT`.
    Why(String),
    /// `goheap tree SOURCE --under WHAT`.
    Tree(String),
    /// `goheap goroutines SOURCE`, with `--leaked`.
    Goroutines {
        /// Only those that wait for ever.
        leaked: bool,
    },
    /// `goheap waste SOURCE`.
    Waste,
}

impl Ask {
    /// The words behind `goheap`, given what stands for the source.
    pub fn words<'a>(&'a self, source: &'a str) -> Vec<&'a str> {
        match self {
            Ask::Why(what) => vec!["why", source, what],
            Ask::Tree(what) => vec!["tree", source, "--under", what],
            Ask::Goroutines { leaked: true } => vec!["goroutines", source, "--leaked"],
            Ask::Goroutines { leaked: false } => vec!["goroutines", source],
            Ask::Waste => vec!["waste", source],
        }
    }
}

impl Suspects {
    /// Finds them. Waste counts where it is given: to look for it takes as long as all else.
    ///
    /// Takes at most 8 bytes a node beside the analysis, and those only where what is told of has no
    /// holder in common; goes through the tree of dominators some times.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(
        analysis: &Analysis,
        goroutines: &Goroutines,
        waste: Option<&Waste>,
        watch: &dyn Watch,
    ) -> Result<Suspects, Interrupted> {
        let heap = Heap::of(analysis);
        let mut suspects = Suspects {
            heap,
            roots_missing: analysis.dump.roots_are_missing(),
            found: Vec::new(),
            largest: None,
        };
        if suspects.roots_missing {
            return Ok(suspects);
        }
        let much = much(&heap);
        let mut finder = Finder {
            analysis,
            goroutines,
            namer: Namer::of(analysis),
            contents: Contents::of(analysis),
            watch,
        };
        let found = descend(analysis, much, watch)?;
        suspects.found = finder.described(&found)?;
        let spread = spread::types(analysis, &found, much, &mut finder.namer, watch)?;
        suspects.found.extend(spread);
        suspects.found.extend(finder.many_goroutines(&found));
        if let Some(waste) = waste {
            suspects.found.extend(useless(waste, much));
        }
        if heap.garbage_bytes > heap.bytes.max(GARBAGE) {
            suspects.found.push(Suspect {
                count: heap.garbage_objects,
                bytes: heap.garbage_bytes,
                ..Suspect::new(SuspectKind::Garbage)
            });
        }
        if suspects.found.is_empty() {
            suspects.largest = finder.largest()?;
        }
        suspects.found.sort_by(|a, b| {
            let key = |s: &Suspect| (std::cmp::Reverse(s.bytes), s.kind, s.address);
            (key(a), &a.name).cmp(&(key(b), &b.name))
        });
        suspects.found.truncate(MOST);
        Ok(suspects)
    }
}

/// How many bytes are much.
fn much(heap: &Heap) -> u64 {
    (heap.bytes / (100 / SHARE)).max(LEAST)
}

impl Suspect {
    fn new(kind: SuspectKind) -> Suspect {
        Suspect {
            kind,
            name: Name::default(),
            about: String::new(),
            address: 0,
            count: 0,
            leaked: 0,
            bytes: 0,
            retained: 0,
            own: 0,
            entries: None,
            content: None,
            ask: None,
            of: None,
        }
    }
}

struct Finder<'a> {
    analysis: &'a Analysis,
    goroutines: &'a Goroutines,
    namer: Namer<'a>,
    contents: Contents<'a>,
    watch: &'a dyn Watch,
}

impl Finder<'_> {
    fn described(&mut self, found: &[Found]) -> Result<Vec<Suspect>, Interrupted> {
        let mut suspects = Vec::new();
        for found in found {
            self.watch.step("looking for suspects", 0, 0)?;
            suspects.push(self.suspect(found)?);
        }
        Ok(suspects)
    }

    /// What holds most, where nothing holds much.
    fn largest(&mut self) -> Result<Option<Suspect>, Interrupted> {
        let all = self.analysis.nodes.all();
        // The largest below packages, which are no single thing.
        let below = |node: u32| {
            let children = self.analysis.dominators.children(node);
            children.map(|child| (child, self.analysis.retained_of(crate::NodeId(child))))
        };
        let most = below(all.0)
            .flat_map(|(child, retained)| {
                let is_package = matches!(
                    self.analysis.nodes.kind(crate::NodeId(child)),
                    NodeKind::Package(_)
                );
                match is_package {
                    true => below(child).map(|(_, retained)| retained).max(),
                    false => Some(retained),
                }
            })
            .max()
            .unwrap_or(0);
        // It holds most of what it holds by itself, or one below it is told of.
        let found = descend(self.analysis, (most / 2).max(1), self.watch)?;
        // They come the largest first.
        found.first().map(|found| self.suspect(found)).transpose()
    }

    fn suspect(&mut self, found: &Found) -> Result<Suspect, Interrupted> {
        let mut suspect = match self.analysis.nodes.kind(found.node) {
            NodeKind::Group(group) => self.group(group),
            _ => self.namer.holder(found, self.watch)?,
        };
        suspect.retained = self.analysis.retained_of(found.node);
        suspect.of = Some(Subject::Node(found.node));
        suspect.bytes = found.bytes.saturating_add(match suspect.kind {
            SuspectKind::Goroutines => suspect.own,
            _ => 0,
        });
        if suspect.kind != SuspectKind::Goroutines {
            suspect.own = found.own;
        }
        suspect.content = self.contents.most_of(found, &mut self.namer, self.watch)?;
        Ok(suspect)
    }

    fn group(&self, group: u32) -> Suspect {
        let first = self
            .analysis
            .nodes
            .groups()
            .get(group as usize)
            .and_then(|group| group.goroutines.first());
        let answer = self
            .goroutines
            .groups
            .iter()
            .find(|answer| first.is_some() && answer.goroutines.first() == first);
        let (function, reason) = group_name(self.analysis, group);
        let mut suspect = Suspect {
            name: Name {
                text: function.clone(),
                signature: function,
            },
            about: reason,
            ..Suspect::new(SuspectKind::Goroutines)
        };
        if let Some(answer) = answer {
            suspect.take(answer);
        }
        suspect
    }

    /// Groups of goroutines that hold little, and are many or wait for ever.
    fn many_goroutines(&self, found: &[Found]) -> Vec<Suspect> {
        let nodes = &self.analysis.nodes;
        let told = |group| {
            let node = nodes.id(NodeKind::Group(group));
            found.iter().any(|found| found.node == node)
        };
        let mut suspects = Vec::new();
        for (group, index) in nodes.groups().iter().zip(0u32..) {
            // Groups come the largest first.
            if (group.goroutines.len() as u64) < LEAKED.min(MANY) {
                break;
            }
            if told(index) {
                continue;
            }
            let mut suspect = self.group(index);
            let node = nodes.id(NodeKind::Group(index));
            suspect.retained = self.analysis.retained_of(node);
            suspect.of = Some(Subject::Node(node));
            suspect.bytes = suspect.retained.saturating_add(suspect.own);
            let is_own = self.goroutines.groups.iter().any(|answer| {
                answer.goroutines.first() == group.goroutines.first() && answer.system > 0
            });
            if suspect.leaked >= LEAKED || suspect.count >= MANY && !is_own {
                suspects.push(suspect);
            }
        }
        suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.bytes));
        suspects.truncate(MOST);
        suspects
    }
}

impl Suspect {
    fn take(&mut self, answer: &GoroutineGroup) {
        self.count = answer.goroutines.len() as u64;
        self.leaked = answer.leaked;
        self.own = answer.stack_bytes;
        self.ask = Some(Ask::Goroutines {
            leaked: answer.leaked > 0,
        });
    }
}

/// What of the waste is much. What finalizers and cleanups hold is found as all that holds is; what the
/// allocator's classes of sizes take is the tenth part of many a heap, and nobody's fault.
fn useless(waste: &Waste, much: u64) -> Vec<Suspect> {
    let parts = [
        (
            Useless::SliceTails,
            waste.slice_tails.total.bytes,
            waste.slice_tails.total.objects,
        ),
        (
            Useless::Pinned,
            waste.pinned.total.bytes,
            waste.pinned.total.objects,
        ),
        (
            Useless::MapSlots,
            waste.map_slots.total.bytes,
            waste.map_slots.total.objects,
        ),
        (
            Useless::Duplicates,
            waste.duplicates.bytes,
            waste.duplicates.copies,
        ),
        (
            Useless::Channels,
            waste.channels.total.bytes,
            waste.channels.total.objects,
        ),
        (Useless::Pools, waste.pools.bytes, waste.pools.objects),
    ];
    parts
        .into_iter()
        .filter(|(_, bytes, _)| *bytes >= much)
        .map(|(why, bytes, count)| Suspect {
            count,
            bytes,
            ask: Some(Ask::Waste),
            ..Suspect::new(SuspectKind::Waste(why))
        })
        .collect()
}

#[cfg(test)]
mod tests;
