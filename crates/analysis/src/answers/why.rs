//! Who holds a thing.

use super::what::Asked;
use crate::dump::{ObjectId, RootKind};
use crate::graph::heads;
use crate::nodes::NodeKind;
use crate::paths::{Holders, Merged, Strength, from_head, paths_to, within};
use crate::types::{ClassId, How};
use crate::{Analysis, AnalysisError, Interrupted, NodeId, Watch};

/// How many objects that a variable leads to are explained.
const LED_TO: usize = 3;

/// Who holds a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Of an object.
    Object(WhyObject),
    /// Of all objects of a type.
    Class(WhyClass),
    /// Of a variable: what it leads to, and who else leads there.
    Variable(WhyVariable),
    /// Of a goroutine or a package: they are roots, which nobody holds.
    Root {
        /// What it is.
        name: String,
        /// Bytes that would be gone without it.
        retained: u64,
    },
}

/// Who holds an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyObject {
    /// The object.
    pub object: ObjectId,
    /// Where it is.
    pub address: u64,
    /// How far into it what was asked for is.
    pub offset: u64,
    /// What that is called, `.User.Name`; empty for the object itself.
    pub part: String,
    /// Its class.
    pub class: String,
    /// How that is known.
    pub how: How,
    /// Its bytes.
    pub size: u64,
    /// Bytes of all that would be gone without it; 0 for garbage.
    pub retained: u64,
    /// The paths that were found, from variables first, the shortest first.
    pub paths: Vec<Held>,
    /// If there are none: what garbage leads to it.
    pub garbage: Option<Garbage>,
}

/// A path to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// As a Go programmer would write it.
    pub path: String,
    /// From what kind of root.
    pub strength: Strength,
    /// Its objects, the first behind the root first.
    pub objects: Vec<Hop>,
    /// How many there are; of long ones not all are listed.
    pub length: u64,
}

/// An object on a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Where it is.
    pub address: u64,
    /// Its class.
    pub class: String,
    /// Bytes of all that would be gone without it.
    pub retained: u64,
}

/// Garbage that leads to an object that no root leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// The object that leads to it, and that nothing leads to, but for what it leads to itself.
    pub head: u64,
    /// Its class.
    pub class: String,
    /// The path from there.
    pub path: String,
}

/// Who holds the objects of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyClass {
    /// Its name.
    pub name: String,
    /// How many objects of it are reachable.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of all that would be gone without them.
    pub retained: u64,
    /// How many more are garbage.
    pub garbage_objects: u64,
    /// Their bytes.
    pub garbage_bytes: u64,
    /// Their paths, merged; at most as many as were asked for.
    pub ways: Vec<Way>,
    /// How many more ways there are, with how many objects and bytes.
    pub more: (u64, u64, u64),
}

/// Objects that are held in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// How, with the sums.
    pub merged: Merged,
    /// Where one of them is.
    pub address: u64,
    /// The path to that.
    pub example: String,
}

/// What a variable leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyVariable {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: u64,
    /// Its type, where it is known.
    pub ty: Option<String>,
    /// Bytes of all that would be gone without it.
    pub retained: u64,
    /// How many objects it leads to directly.
    pub leads_to: u64,
    /// Of these, those that retain most.
    pub objects: Vec<WhyObject>,
}

/// Who holds a thing: at most `most` paths to an object, or ways to a type's objects.
///
/// # Errors
/// Interrupted, as far as is known.
pub fn why(
    analysis: &Analysis,
    asked: &Asked,
    most: usize,
    watch: &dyn Watch,
) -> Result<Why, AnalysisError> {
    Ok(match asked {
        Asked::Object { object, offset } => {
            Why::Object(of_object(analysis, *object, *offset, most, watch)?)
        }
        Asked::Class { name, classes } => {
            let holders = Holders::of(analysis, watch)?;
            Why::Class(of_class(analysis, &holders, name, classes, most, watch)?)
        }
        Asked::Variable(root) => Why::Variable(of_variable(analysis, *root, most, watch)?),
        Asked::Goroutine(index) => {
            let id = analysis.dump.goroutines().get(*index as usize);
            Why::Root {
                name: format!("goroutine {}", id.map_or(0, |goroutine| goroutine.id)),
                retained: analysis.retained_by(NodeKind::Goroutine(*index)),
            }
        }
        Asked::Package(index) => {
            let package = analysis.nodes.packages().get(*index as usize);
            Why::Root {
                name: format!("package {}", package.map_or("", |package| &package.name)),
                retained: analysis.retained_by(NodeKind::Package(*index)),
            }
        }
    })
}

fn class_name(analysis: &Analysis, object: ObjectId) -> String {
    let class = analysis.types.class(analysis.types.class_of(object));
    class.map_or(String::new(), |class| class.name.clone())
}

fn of_object(
    analysis: &Analysis,
    object: ObjectId,
    offset: u64,
    most: usize,
    watch: &dyn Watch,
) -> Result<WhyObject, AnalysisError> {
    let is_inside = offset > 0;
    let paths = match analysis.is_reachable(object) {
        true => {
            let inside = is_inside.then_some(offset);
            paths_to(analysis, object, inside, most, watch)?
        }
        false => Vec::new(),
    };
    let garbage = match paths.is_empty() {
        true => garbage_before(analysis, object, watch)?,
        false => None,
    };
    Ok(WhyObject {
        object,
        address: analysis.dump.address(object),
        offset,
        part: match is_inside {
            true => within(analysis, object, offset),
            false => String::new(),
        },
        class: class_name(analysis, object),
        how: analysis.types.how(object),
        size: analysis.dump.size(object),
        retained: analysis.retained_of(NodeId(object.0)),
        paths: paths
            .iter()
            .map(|path| Held {
                path: path.text(),
                strength: path.strength,
                length: path.objects.len() as u64,
                objects: hops(analysis, &path.objects),
            })
            .collect(),
        garbage,
    })
}

/// At most a hundred objects of a path: those at both its ends.
fn hops(analysis: &Analysis, objects: &[ObjectId]) -> Vec<Hop> {
    const EACH: usize = 50;
    let (start, end) = match objects.len() > 2 * EACH {
        true => (&objects[..EACH], &objects[objects.len() - EACH..]),
        false => (objects, &[][..]),
    };
    start
        .iter()
        .chain(end)
        .map(|object| Hop {
            address: analysis.dump.address(*object),
            class: class_name(analysis, *object),
            retained: analysis.retained_of(NodeId(object.0)),
        })
        .collect()
}

fn garbage_before(
    analysis: &Analysis,
    object: ObjectId,
    watch: &dyn Watch,
) -> Result<Option<Garbage>, AnalysisError> {
    let nodes = &analysis.nodes;
    // Roots, goroutines and packages that lead nowhere are reachable all the same.
    let is_no_garbage = |node| {
        analysis.dominators.is_reachable(node)
            || !matches!(nodes.kind(NodeId(node)), NodeKind::Object(_))
    };
    let heads = heads(&analysis.edges(), is_no_garbage, watch)?;
    let Some((head, path)) = from_head(analysis, &heads, object, watch)? else {
        return Ok(None);
    };
    Ok(Some(Garbage {
        head: analysis.dump.address(head),
        class: class_name(analysis, head),
        path,
    }))
}

/// Who holds all objects of some classes, which have one name; at most `most` ways.
///
/// # Errors
/// Interrupted.
pub fn of_class(
    analysis: &Analysis,
    holders: &Holders<'_>,
    name: &str,
    classes: &[ClassId],
    most: usize,
    watch: &dyn Watch,
) -> Result<WhyClass, Interrupted> {
    let is_of = |object| classes.contains(&analysis.types.class_of(object));
    let (mut garbage_objects, mut garbage_bytes) = (0, 0u64);
    for object in analysis.dump.objects() {
        if is_of(object) && !analysis.is_reachable(object) {
            garbage_objects += 1;
            garbage_bytes = garbage_bytes.saturating_add(analysis.dump.size(object));
        }
    }
    let mut merged = holders.merged(is_of, watch)?;
    let sum = |ways: &[Merged]| {
        let add = |(objects, bytes): (u64, u64), way: &Merged| {
            (objects + way.objects, bytes.saturating_add(way.bytes))
        };
        ways.iter().fold((0, 0), add)
    };
    let (objects, bytes) = sum(&merged);
    let rest = merged.split_off(most.min(merged.len()));
    let (more_objects, more_bytes) = sum(&rest);
    let retained = crate::graph::retained_by_class(
        &analysis.dominators,
        |node| match analysis.nodes.kind(NodeId(node)) {
            NodeKind::Object(object) if is_of(object) => Some(0),
            _ => None,
        },
        1,
        |node| analysis.size_of(NodeId(node)),
    );
    Ok(WhyClass {
        name: name.to_owned(),
        objects,
        bytes,
        retained: retained.first().copied().unwrap_or(0),
        garbage_objects,
        garbage_bytes,
        ways: merged
            .into_iter()
            .map(|merged| Way {
                address: analysis.dump.address(merged.example),
                example: holders
                    .path(merged.example, None)
                    .map_or(String::new(), |path| path.text()),
                merged,
            })
            .collect(),
        more: (rest.len() as u64, more_objects, more_bytes),
    })
}

fn of_variable(
    analysis: &Analysis,
    root: u32,
    most: usize,
    watch: &dyn Watch,
) -> Result<WhyVariable, AnalysisError> {
    let dump = &analysis.dump;
    let mut objects: Vec<ObjectId> = Vec::new();
    let node = analysis.nodes.id(NodeKind::Root(root));
    analysis
        .nodes
        .each(dump, node.0, |to| objects.push(ObjectId(to)));
    objects.sort_unstable();
    objects.dedup();
    let leads_to = objects.len() as u64;
    objects.sort_by_key(|object| {
        let retained = analysis.retained_of(NodeId(object.0));
        (std::cmp::Reverse(retained), *object)
    });
    objects.truncate(LED_TO);
    let catalogue = dump.catalogue();
    let root = dump.roots().get(root as usize);
    let variable = root.and_then(|root| match root.kind {
        RootKind::Global(variable) => catalogue.variables.get(variable as usize),
        _ => None,
    });
    let ty = variable.and_then(|variable| catalogue.get(variable.ty?));
    Ok(WhyVariable {
        name: root.map_or(String::new(), |root| root.name.to_string()),
        address: variable.map_or(0, |variable| variable.address),
        ty: ty.map(|ty| ty.name.clone()),
        retained: analysis.retained_of(node),
        leads_to,
        objects: objects
            .into_iter()
            .map(|object| of_object(analysis, object, 0, most, watch))
            .collect::<Result<_, _>>()?,
    })
}
