//! What fills the heap: by type, by holder, by goroutine, by package, by object, by size.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::Subject;
use super::names::{group_name, in_words};
use crate::dump::{ObjectId, RootKind};
use crate::graph::retained_by_class;
use crate::nodes::{NodeKind, Nodes};
use crate::paths::Holders;
use crate::types::{ClassId, How, What};
use crate::{Analysis, Interrupted, Watch};

/// What is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// What objects are.
    Type,
    /// Who holds them alone: variables, goroutines that stand at the same place, and the rest.
    Root,
    /// Goroutines that stand at the same place.
    Goroutine,
    /// Packages: what their variables hold alone, and the objects of their types.
    Package,
    /// The largest objects, with all that they hold, that no other object holds alone.
    Object,
    /// How large objects are.
    Size,
}

/// The heap as a whole. Bytes are those of objects' size classes, and garbage is what no root leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heap {
    /// Objects that a root leads to.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that none leads to: they were not collected yet.
    pub garbage_objects: u64,
    /// Their bytes.
    pub garbage_bytes: u64,
}

impl Heap {
    /// Of a dump.
    pub fn of(analysis: &Analysis) -> Heap {
        let mut heap = Heap::default();
        for object in analysis.dump.objects() {
            let size = analysis.dump.size(object);
            let (objects, bytes) = match analysis.is_reachable(object) {
                true => (&mut heap.objects, &mut heap.bytes),
                false => (&mut heap.garbage_objects, &mut heap.garbage_bytes),
            };
            *objects += 1;
            *bytes = bytes.saturating_add(size);
        }
        heap
    }
}

/// How the types of objects are known: bytes of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// The runtime, an interface, a variable or a pointer tells.
    pub sure: u64,
    /// One pointer tells, by a way that is a guess itself.
    pub guessed: u64,
    /// Nothing tells.
    pub unknown: u64,
}

impl Known {
    pub(super) fn add(&mut self, how: How, bytes: u64) {
        let of = match how {
            How::Unknown => &mut self.unknown,
            How::Guess => &mut self.guessed,
            _ => &mut self.sure,
        };
        *of = of.saturating_add(bytes);
    }
}

/// A line of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// What it is: a class's name, a variable's, a package's.
    pub name: String,
    /// More about it: the type of a variable, what goroutines wait for, a path to an object.
    pub about: String,
    /// An address to ask further for, of an object; 0 for none.
    pub address: u64,
    /// How many there are: objects of the class or size, goroutines of the group.
    pub count: u64,
    /// Bytes of these objects themselves; 0 of what is no object.
    pub shallow: u64,
    /// Bytes of all that would be gone without them. Nothing is counted twice that one of them holds
    /// by way of another.
    pub retained: u64,
    /// How their types are known, where this is about types.
    pub known: Known,
    /// What it is, to ask further for; `None` if it is no one thing.
    pub of: Option<Subject>,
}

/// One way to see the heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What is told apart.
    pub by: By,
    /// The largest first, by what `by` says: types and sizes by their own bytes, all others by what
    /// they retain; then by name.
    pub rows: Vec<Row>,
    /// All that has no row for the limit, as one.
    pub rest: Row,
    /// How many rows were left out.
    pub left_out: u64,
}

/// What fills the heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// The heap as a whole.
    pub heap: Heap,
    /// The dump ends before its roots do: what is reachable cannot be told, all objects count as
    /// garbage. Types and sizes are then of all objects, and all other tables are empty.
    pub roots_missing: bool,
    /// How the types of reachable objects are known.
    pub known: Known,
    /// As many as were asked for.
    pub tables: Vec<Table>,
}

/// What fills the heap: a table for each of `by`, with at most `limit` rows.
///
/// # Errors
/// Interrupted.
pub fn top(
    analysis: &Analysis,
    by: &[By],
    limit: usize,
    watch: &dyn Watch,
) -> Result<Top, Interrupted> {
    let heap = Heap::of(analysis);
    let roots_missing = analysis.dump.roots_are_missing();
    let mut known = Known::default();
    for object in analysis.dump.objects() {
        if is_counted(analysis, object) {
            known.add(analysis.types.how(object), analysis.dump.size(object));
        }
    }
    let tables = by
        .iter()
        .map(|by| {
            watch.step("adding up", 0, 0)?;
            let rows = match by {
                By::Type => by_type(analysis),
                By::Size => by_size(analysis),
                _ if roots_missing => Vec::new(),
                By::Root => by_root(analysis),
                By::Goroutine => by_goroutine(analysis),
                By::Package => by_package(analysis),
                By::Object => return by_object(analysis, limit, watch),
            };
            Ok(Table::of(*by, rows, limit))
        })
        .collect::<Result<_, Interrupted>>()?;
    Ok(Top {
        heap,
        roots_missing,
        known,
        tables,
    })
}

impl Table {
    fn of(by: By, mut rows: Vec<Row>, limit: usize) -> Table {
        let key = |row: &Row| match by {
            By::Type | By::Size => (row.shallow, row.retained),
            _ => (row.retained, row.shallow),
        };
        rows.sort_by(|a, b| {
            (key(b), &a.name, &a.about, a.address).cmp(&(key(a), &b.name, &b.about, b.address))
        });
        let rest = rows.split_off(limit.min(rows.len()));
        let mut sum = Row::default();
        for row in &rest {
            sum.count += row.count;
            sum.shallow = sum.shallow.saturating_add(row.shallow);
            // What types retain overlaps, so it has no sum.
            if !matches!(by, By::Type | By::Size) {
                sum.retained = sum.retained.saturating_add(row.retained);
            }
        }
        Table {
            by,
            rows,
            rest: sum,
            left_out: rest.len() as u64,
        }
    }
}

/// Whether an object is in the tables of types and sizes: all are where it cannot be told what is
/// reachable.
fn is_counted(analysis: &Analysis, object: ObjectId) -> bool {
    analysis.is_reachable(object) || analysis.dump.roots_are_missing()
}

/// Objects and bytes of each of so many kinds, with what each kind retains.
fn kinds(analysis: &Analysis, count: usize, kind: impl Fn(ObjectId) -> Option<u32>) -> Vec<Row> {
    let mut rows = vec![Row::default(); count];
    for object in analysis.dump.objects() {
        if !is_counted(analysis, object) {
            continue;
        }
        let Some(row) = kind(object).and_then(|kind| rows.get_mut(kind as usize)) else {
            continue;
        };
        let size = analysis.dump.size(object);
        row.count += 1;
        row.shallow = row.shallow.saturating_add(size);
        row.known.add(analysis.types.how(object), size);
    }
    let retained = retained_by_class(
        &analysis.dominators,
        |node| match analysis.nodes.kind(crate::NodeId(node)) {
            NodeKind::Object(object) => kind(object),
            _ => None,
        },
        count,
        |node| analysis.size_of(crate::NodeId(node)),
    );
    for (row, retained) in rows.iter_mut().zip(retained) {
        row.retained = retained;
    }
    rows
}

fn by_type(analysis: &Analysis) -> Vec<Row> {
    let types = &analysis.types;
    let count = types.classes().count();
    let rows = kinds(analysis, count, |object| Some(types.class_of(object).0));
    types
        .classes()
        .zip(rows)
        .filter(|(_, row)| row.count > 0)
        .map(|((id, class), row)| Row {
            name: class.name.clone(),
            about: class.package.clone(),
            of: Some(Subject::Class(id)),
            ..row
        })
        .collect()
}

fn by_size(analysis: &Analysis) -> Vec<Row> {
    let mut sizes: Vec<u64> = Vec::new();
    for object in analysis.dump.objects() {
        let size = analysis.dump.size(object);
        if is_counted(analysis, object)
            && let Err(place) = sizes.binary_search(&size)
        {
            sizes.insert(place, size);
        }
    }
    let rows = kinds(analysis, sizes.len(), |object| {
        let place = sizes.binary_search(&analysis.dump.size(object)).ok()?;
        u32::try_from(place).ok()
    });
    sizes
        .iter()
        .zip(rows)
        .map(|(size, row)| Row {
            name: size.to_string(),
            ..row
        })
        .collect()
}

/// All that no object holds alone, by what does.
fn by_root(analysis: &Analysis) -> Vec<Row> {
    let (nodes, dump) = (&analysis.nodes, &analysis.dump);
    let mut rows = Vec::new();
    let mut shared = 0u64;
    for child in analysis.dominators.children(nodes.all().0) {
        let kind = nodes.kind(crate::NodeId(child));
        let retained = analysis.retained_of(crate::NodeId(child));
        match kind {
            NodeKind::Package(package) => package_rows(analysis, child, package, &mut rows),
            NodeKind::Group(group) => {
                let (function, about) = group_name(analysis, group);
                let count = members(nodes, group);
                let goroutines = if count == 1 {
                    "goroutine"
                } else {
                    "goroutines"
                };
                rows.push(Row {
                    name: format!("{count} {goroutines} in {function}"),
                    about,
                    count,
                    retained,
                    of: Some(Subject::Node(crate::NodeId(child))),
                    ..Row::default()
                });
            }
            NodeKind::Root(root) => {
                let name = dump.roots().get(root as usize);
                rows.push(Row {
                    name: name.map_or(String::new(), |root| root.name.to_string()),
                    count: 1,
                    retained,
                    of: Some(Subject::Node(crate::NodeId(child))),
                    ..Row::default()
                });
            }
            _ => shared = shared.saturating_add(retained),
        }
    }
    if shared > 0 {
        rows.push(Row {
            name: "several of these together".to_owned(),
            retained: shared,
            ..Row::default()
        });
    }
    rows.retain(|row| row.retained > 0);
    rows
}

/// The variables of a package, and what several of them hold.
fn package_rows(analysis: &Analysis, node: u32, package: u32, rows: &mut Vec<Row>) {
    let (nodes, dump) = (&analysis.nodes, &analysis.dump);
    let name = nodes.packages().get(package as usize);
    let mut shared = 0u64;
    for child in analysis.dominators.children(node) {
        let retained = analysis.retained_of(crate::NodeId(child));
        match nodes.kind(crate::NodeId(child)) {
            NodeKind::Root(root) => {
                let root = dump.roots().get(root as usize);
                let about = root.and_then(|root| match root.kind {
                    RootKind::Global(variable) => type_of_variable(analysis, variable),
                    _ => None,
                });
                rows.push(Row {
                    name: root.map_or(String::new(), |root| root.name.to_string()),
                    about: about.unwrap_or_default(),
                    count: 1,
                    retained,
                    of: Some(Subject::Node(crate::NodeId(child))),
                    ..Row::default()
                });
            }
            _ => shared = shared.saturating_add(retained),
        }
    }
    if shared > 0 {
        let name = name.map_or("", |package| package.name.as_str());
        rows.push(Row {
            name: format!("several variables of package {name}"),
            retained: shared,
            ..Row::default()
        });
    }
}

pub(super) fn type_of_variable(analysis: &Analysis, variable: u32) -> Option<String> {
    let catalogue = analysis.dump.catalogue();
    let variable = catalogue.variables.get(variable as usize)?;
    Some(catalogue.get(variable.ty?)?.name.clone())
}

fn members(nodes: &Nodes, group: u32) -> u64 {
    let group = nodes.groups().get(group as usize);
    group.map_or(0, |group| group.goroutines.len() as u64)
}

fn by_goroutine(analysis: &Analysis) -> Vec<Row> {
    let nodes = &analysis.nodes;
    (0..nodes.groups().len() as u32)
        .map(|group| {
            let (name, about) = group_name(analysis, group);
            Row {
                of: Some(Subject::Node(nodes.id(NodeKind::Group(group)))),
                name,
                about,
                count: members(nodes, group),
                retained: analysis.retained_by(NodeKind::Group(group)),
                ..Row::default()
            }
        })
        .collect()
}

/// What the variables of each package hold alone, and the objects of its types. These are two views of
/// the same heap: an object counts for the package of its type and for that of its holder.
fn by_package(analysis: &Analysis) -> Vec<Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut row = |name: &str, add: &dyn Fn(&mut Row)| {
        let row = rows.entry(name.to_owned()).or_insert_with(|| Row {
            name: name.to_owned(),
            ..Row::default()
        });
        add(row);
    };
    for (package, index) in analysis.nodes.packages().iter().zip(0u32..) {
        let node = analysis.nodes.id(NodeKind::Package(index));
        let retained = analysis.retained_of(node);
        row(&package.name, &|row| {
            row.retained = retained;
            row.of = Some(Subject::Node(node));
        });
    }
    let mut sums: HashMap<ClassId, (u64, u64)> = HashMap::new();
    for object in analysis.dump.objects() {
        if analysis.is_reachable(object) {
            let sum = sums.entry(analysis.types.class_of(object)).or_default();
            sum.0 += 1;
            sum.1 = sum.1.saturating_add(analysis.dump.size(object));
        }
    }
    for (class, (count, shallow)) in sums {
        let of = analysis.types.class(class);
        let name = match of {
            Some(class) if !matches!(class.what, What::Unknown { .. }) => {
                match &class.package[..] {
                    "" => "types of no package",
                    package => package,
                }
            }
            _ => "unknown types",
        };
        row(name, &|row| {
            row.count += count;
            row.shallow = row.shallow.saturating_add(shallow);
        });
    }
    rows.into_values()
        .filter(|row| row.retained > 0 || row.count > 0)
        .collect()
}

/// The largest objects that no other object holds alone, with a path to each.
fn by_object(analysis: &Analysis, limit: usize, watch: &dyn Watch) -> Result<Table, Interrupted> {
    let is_first = |object: ObjectId| {
        let above = analysis.dominators.idom(object.0);
        above.is_some_and(|above| {
            let kind = analysis.nodes.kind(crate::NodeId(above));
            !matches!(kind, NodeKind::Object(_))
        })
    };
    // There may be millions: only those that are shown become rows.
    let mut largest: BinaryHeap<Reverse<(u64, Reverse<ObjectId>)>> = BinaryHeap::new();
    let (mut left_out, mut rest) = (0, Row::default());
    for object in analysis.dump.objects().filter(|object| is_first(*object)) {
        let retained = analysis.retained_of(crate::NodeId(object.0));
        largest.push(Reverse((retained, Reverse(object))));
        if largest.len() > limit
            && let Some(Reverse((retained, Reverse(object)))) = largest.pop()
        {
            left_out += 1;
            rest.count += 1;
            rest.shallow = rest.shallow.saturating_add(analysis.dump.size(object));
            rest.retained = rest.retained.saturating_add(retained);
        }
    }
    let rows = largest.into_sorted_vec().into_iter();
    let rows = rows.map(|Reverse((retained, Reverse(object)))| Row {
        address: analysis.dump.address(object),
        count: 1,
        shallow: analysis.dump.size(object),
        retained,
        of: Some(Subject::Node(crate::NodeId(object.0))),
        ..Row::default()
    });
    let mut table = Table {
        by: By::Object,
        rows: rows.collect(),
        rest,
        left_out,
    };
    let holders = Holders::of(analysis, watch)?;
    for row in &mut table.rows {
        let Some((object, _)) = analysis.dump.find(row.address) else {
            continue;
        };
        let class = analysis.types.class(analysis.types.class_of(object));
        row.name = class.map_or(String::new(), |class| class.name.clone());
        row.known.add(analysis.types.how(object), row.shallow);
        row.about = holders
            .path(object, None)
            .map_or(String::new(), |path| path.text());
    }
    Ok(table)
}

impl By {
    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            By::Type => "type",
            By::Root => "root",
            By::Goroutine => "goroutine",
            By::Package => "package",
            By::Object => "object",
            By::Size => "size",
        }
    }
}

impl Known {
    /// How, in a word or two: `sure`, `a guess`, `unknown`, `12 % a guess`.
    pub fn words(&self) -> String {
        in_words(self.sure, self.guessed, self.unknown)
    }
}
