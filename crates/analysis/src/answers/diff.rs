//! What has changed from one dump to another: by type, by holder, by path; and of one process, which
//! objects are new.
//!
//! Of the first dump small tables are kept, and two bytes or so an object ([`Before`]); it need not be
//! open any more when the second one is.

mod addresses;
mod same;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ledger::Amount;
use super::top::{By, Heap, top};
use crate::dump::ObjectId;
use crate::nodes::NodeKind;
use crate::paths::Holders;
use crate::types::ClassId;
use crate::{Analysis, Interrupted, NodeId, Watch};

use addresses::{Addresses, is_unknown};
pub use same::{Identity, Sameness};

/// How many classes, the largest first, have their objects' paths kept.
const CLASSES: usize = 256;
/// How many of the classes that grew are told by path.
const GROWN: usize = 16;

/// What is kept of the first of two dumps.
pub struct Before {
    heap: Heap,
    goroutines: u64,
    types: BTreeMap<String, Size>,
    holders: BTreeMap<String, Size>,
    /// Objects by class and path.
    paths: BTreeMap<(String, String), Size>,
    /// Classes whose paths are there.
    with_paths: BTreeSet<String>,
    addresses: Addresses,
    identity: Identity,
}

/// Objects and bytes: of a type those of its objects, of a holder what it retains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Objects, or goroutines of a group.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What something was and is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What: a class, a holder.
    pub name: String,
    /// In the first dump.
    pub before: Size,
    /// In the second.
    pub after: Size,
}

impl Change {
    /// By how many bytes it has grown.
    pub fn growth(&self) -> i64 {
        difference(self.before.bytes, self.after.bytes)
    }
}

/// By how much one number is above another.
pub fn difference(before: u64, after: u64) -> i64 {
    let difference = i128::from(after) - i128::from(before);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

/// A way on which objects of a class are held, that has more of them than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// The class of the objects.
    pub class: String,
    /// The path to them, with `[*]` for any index or key.
    pub path: String,
    /// In the first dump; `None` if paths of that class were not kept, for it was too small there.
    pub before: Option<Size>,
    /// In the second.
    pub after: Size,
}

/// What has become of the objects of the first dump, by address, in the second one of the same
/// process. An object is the same if it has the same address, size and class, as far as that is known in
/// both: one that was freed, and whose place another of its kind took, counts as one that has
/// survived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByAddress {
    /// In both.
    pub survived: Amount,
    /// In the first only.
    pub gone: Amount,
    /// In the second only.
    pub new: Amount,
    /// New ones by class; most bytes first.
    pub new_by_class: Vec<(String, Amount)>,
    /// New ones by who holds them alone; most bytes first. What several hold is in none.
    pub new_by_holder: Vec<(String, Amount)>,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The heap of the first.
    pub before: Heap,
    /// And of the second.
    pub after: Heap,
    /// Goroutines of both.
    pub goroutines: (u64, u64),
    /// Types whose objects or bytes have changed; those that have grown most first, those that have
    /// shrunk most last.
    pub types: Vec<Change>,
    /// Holders: what they retain.
    pub holders: Vec<Change>,
    /// Paths to objects of the types that have grown most.
    pub paths: Vec<PathChange>,
    /// Whether both are of one process.
    pub sameness: Sameness,
    /// If so, what is new.
    pub by_address: Option<ByAddress>,
}

impl Diff {
    /// Whether anything has changed that is told of.
    pub fn is_empty(&self) -> bool {
        let moved = |by: &ByAddress| by.new.objects > 0 || by.gone.objects > 0;
        self.types.is_empty()
            && self.holders.is_empty()
            && self.before == self.after
            && self.goroutines.0 == self.goroutines.1
            && !self.by_address.as_ref().is_some_and(moved)
    }
}

impl Before {
    /// Keeps what is needed of the first dump.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(analysis: &Analysis, watch: &dyn Watch) -> Result<Before, Interrupted> {
        let (heap, types, holders) = tables(analysis, watch)?;
        let mut by_bytes: Vec<(&String, &Size)> = types.iter().collect();
        by_bytes.sort_by_key(|(_, size)| std::cmp::Reverse(size.bytes));
        let with_paths: BTreeSet<String> = by_bytes
            .into_iter()
            .take(CLASSES)
            .map(|(name, _)| name.clone())
            .collect();
        Ok(Before {
            heap,
            goroutines: analysis.dump.goroutines().len() as u64,
            paths: paths(analysis, &with_paths, watch)?,
            with_paths,
            types,
            holders,
            addresses: Addresses::of(analysis),
            identity: Identity::of(&analysis.dump),
        })
    }

    /// What has changed since, in a second dump.
    ///
    /// # Errors
    /// Interrupted.
    pub fn diff(&self, analysis: &Analysis, watch: &dyn Watch) -> Result<Diff, Interrupted> {
        let (heap, types, holders) = tables(analysis, watch)?;
        let types = changes(&self.types, &types);
        let grown: BTreeSet<String> = types
            .iter()
            .filter(|change| change.growth() > 0)
            .take(GROWN)
            .map(|change| change.name.clone())
            .collect();
        let sameness = self.identity.compare(&Identity::of(&analysis.dump));
        Ok(Diff {
            before: self.heap,
            after: heap,
            goroutines: (self.goroutines, analysis.dump.goroutines().len() as u64),
            holders: changes(&self.holders, &holders),
            paths: self.grown_paths(&grown, paths(analysis, &grown, watch)?),
            by_address: match sameness {
                Sameness::Same => Some(self.by_address(analysis, watch)?),
                _ => None,
            },
            sameness,
            types,
        })
    }

    fn grown_paths(
        &self,
        grown: &BTreeSet<String>,
        after: BTreeMap<(String, String), Size>,
    ) -> Vec<PathChange> {
        let mut all: Vec<PathChange> = after
            .into_iter()
            .filter(|((class, _), _)| grown.contains(class))
            .map(|((class, path), after)| {
                let known = self.with_paths.contains(&class) || !self.types.contains_key(&class);
                let key = (class, path);
                let before = self.paths.get(&key).copied().unwrap_or_default();
                let (class, path) = key;
                PathChange {
                    class,
                    path,
                    before: known.then_some(before),
                    after,
                }
            })
            .filter(|change| {
                let before = change.before.unwrap_or_default();
                change.after.bytes > before.bytes || change.after.objects > before.objects
            })
            .collect();
        all.sort_by_key(|change| {
            let before = change.before.unwrap_or_default();
            std::cmp::Reverse(difference(before.bytes, change.after.bytes))
        });
        all
    }

    fn by_address(&self, analysis: &Analysis, watch: &dyn Watch) -> Result<ByAddress, Interrupted> {
        let dump = &analysis.dump;
        let mut answer = ByAddress::default();
        let mut by_class: BTreeMap<ClassId, Amount> = BTreeMap::new();
        let mut is_new = vec![0u64; (dump.object_count() as usize).div_ceil(64)];
        let mut classes: HashMap<ClassId, Option<(bool, Option<u32>)>> = HashMap::new();
        let mut before = self.addresses.iter().peekable();
        for object in dump.objects() {
            if object.0.is_multiple_of(1 << 16) {
                let total = u64::from(dump.object_count());
                watch.step("comparing addresses", object.0.into(), total)?;
            }
            if !analysis.is_reachable(object) {
                continue;
            }
            let (at, size) = (dump.address(object), dump.size(object));
            while let Some(gone) = before.next_if(|other| other.address < at) {
                answer.gone.add(gone.size);
            }
            let class = analysis.types.class_of(object);
            let old = before.next_if(|other| other.address == at);
            // Types may be known in one of the two alone.
            let same = old.is_some_and(|old| {
                let known = classes.entry(class).or_insert_with(|| {
                    let class = analysis.types.class(class)?;
                    Some((is_unknown(class), self.addresses.class(&class.name)))
                });
                let (is_unknown, number) = known.unwrap_or((true, None));
                old.size == size
                    && (is_unknown
                        || number == Some(old.class)
                        || self.addresses.is_unknown(old.class))
            });
            if same {
                answer.survived.add(size);
                continue;
            }
            if let Some(old) = old {
                answer.gone.add(old.size);
            }
            answer.new.add(size);
            by_class.entry(class).or_default().add(size);
            if let Some(word) = is_new.get_mut(object.0 as usize / 64) {
                *word |= 1 << (object.0 % 64);
            }
        }
        for gone in before {
            answer.gone.add(gone.size);
        }
        let mut by_name: BTreeMap<String, Amount> = BTreeMap::new();
        for (class, amount) in by_class {
            let name = analysis.types.class(class);
            let name = name.map_or(String::new(), |class| class.name.clone());
            let all = by_name.entry(name).or_default();
            all.objects += amount.objects;
            all.bytes = all.bytes.saturating_add(amount.bytes);
        }
        answer.new_by_class = largest_first(by_name);
        let is_new = |object: ObjectId| {
            let word = is_new.get(object.0 as usize / 64);
            word.is_some_and(|word| word >> (object.0 % 64) & 1 == 1)
        };
        answer.new_by_holder = new_by_holder(analysis, is_new);
        Ok(answer)
    }
}

/// What is new, by the variable, the group of goroutines or the other root that dominates it.
fn new_by_holder(analysis: &Analysis, is_new: impl Fn(ObjectId) -> bool) -> Vec<(String, Amount)> {
    let mut by_name: BTreeMap<String, Amount> = BTreeMap::new();
    let nodes = &analysis.nodes;
    let mut add = |name: String, node: NodeId| {
        let mut amount = Amount::default();
        for node in analysis.dominators.subtree(node.0) {
            if let NodeKind::Object(object) = nodes.kind(NodeId(*node))
                && is_new(object)
            {
                amount.add(analysis.dump.size(object));
            }
        }
        if amount.objects > 0 {
            let all = by_name.entry(name).or_default();
            all.objects += amount.objects;
            all.bytes = all.bytes.saturating_add(amount.bytes);
        }
    };
    let mut of_goroutine = BTreeSet::new();
    for goroutine in 0..analysis.dump.goroutines().len() as u32 {
        of_goroutine.extend(nodes.roots_of_goroutine(goroutine).iter().copied());
    }
    for (root, index) in analysis.dump.roots().iter().zip(0u32..) {
        if !of_goroutine.contains(&index) {
            add(root.name.to_string(), nodes.id(NodeKind::Root(index)));
        }
    }
    for group in 0..nodes.groups().len() as u32 {
        let (name, reason) = super::names::group_name(analysis, group);
        let name = match reason.is_empty() {
            true => format!("goroutines in {name}"),
            false => format!("goroutines in {name}, {reason}"),
        };
        add(name, nodes.id(NodeKind::Group(group)));
    }
    largest_first(by_name)
}

fn largest_first(all: BTreeMap<String, Amount>) -> Vec<(String, Amount)> {
    let mut all: Vec<(String, Amount)> = all.into_iter().collect();
    all.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.bytes));
    all
}

type Tables = (Heap, BTreeMap<String, Size>, BTreeMap<String, Size>);

/// The heap, by type and by holder.
fn tables(analysis: &Analysis, watch: &dyn Watch) -> Result<Tables, Interrupted> {
    let top = top(analysis, &[By::Type, By::Root], usize::MAX, watch)?;
    let mut tables = [BTreeMap::new(), BTreeMap::new()];
    for (table, into) in top.tables.iter().zip(&mut tables) {
        for row in &table.rows {
            let bytes = match table.by {
                By::Type => row.shallow,
                _ => row.retained,
            };
            // The type of a variable is no part of its name, why goroutines wait is.
            let name = match row.name.starts_with("goroutines ") && !row.about.is_empty() {
                true => format!("{}, {}", row.name, row.about),
                false => row.name.clone(),
            };
            let size: &mut Size = into.entry(name).or_default();
            size.objects = size.objects.saturating_add(row.count);
            size.bytes = size.bytes.saturating_add(bytes);
        }
    }
    let [types, holders] = tables;
    Ok((top.heap, types, holders))
}

/// Objects of some classes by the path that holds them.
fn paths(
    analysis: &Analysis,
    classes: &BTreeSet<String>,
    watch: &dyn Watch,
) -> Result<BTreeMap<(String, String), Size>, Interrupted> {
    let mut paths = BTreeMap::new();
    let is_asked: Vec<bool> = analysis
        .types
        .classes()
        .map(|(_, class)| classes.contains(&class.name))
        .collect();
    if !is_asked.contains(&true) {
        return Ok(paths);
    }
    let holders = Holders::of(analysis, watch)?;
    let merged = holders.merged(
        |object| {
            let class = analysis.types.class_of(object).0 as usize;
            is_asked.get(class) == Some(&true)
        },
        watch,
    )?;
    for one in merged {
        let class = analysis.types.class(analysis.types.class_of(one.example));
        let name = class.map_or(String::new(), |class| class.name.clone());
        let size: &mut Size = paths.entry((name, one.signature)).or_default();
        size.objects += one.objects;
        size.bytes = size.bytes.saturating_add(one.bytes);
    }
    Ok(paths)
}

/// What differs; the largest growth first.
fn changes(before: &BTreeMap<String, Size>, after: &BTreeMap<String, Size>) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut all: Vec<Change> = names
        .into_iter()
        .map(|name| Change {
            name: name.clone(),
            before: before.get(name).copied().unwrap_or_default(),
            after: after.get(name).copied().unwrap_or_default(),
        })
        .filter(|change| change.before != change.after)
        .collect();
    all.sort_by_key(|change| {
        let more = difference(change.before.objects, change.after.objects);
        (std::cmp::Reverse(change.growth()), std::cmp::Reverse(more))
    });
    all
}

#[cfg(test)]
mod tests;
