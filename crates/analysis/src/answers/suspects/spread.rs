//! Types whose objects hold much, while nothing holds many of them: they are spread over the program.

use super::super::Subject;
use super::super::top::Known;
use super::holders::Found;
use super::names::Namer;
use super::{Ask, Content, Name, Suspect, SuspectKind};
use crate::dump::ObjectId;
use crate::graph::retained_by_class;
use crate::nodes::{NodeId, NodeKind};
use crate::types::{ClassId, What};
use crate::{Analysis, Interrupted, Watch};

/// How many types are told of at most. For each all objects are gone through a few times.
const TYPES: usize = 2;

/// Nodes that count no more, for a suspect that is told of holds them.
struct Told(Vec<u64>);

impl Told {
    fn has(&self, node: u32) -> bool {
        let word = self.0.get(node as usize / 64);
        word.is_some_and(|word| word >> (node % 64) & 1 != 0)
    }

    fn add(&mut self, analysis: &Analysis, node: NodeId) {
        for node in analysis.dominators.subtree(node.0) {
            if let Some(word) = self.0.get_mut(*node as usize / 64) {
                *word |= 1 << (node % 64);
            }
        }
    }
}

/// Types whose objects hold at least so much beside what was found.
///
/// # Errors
/// Interrupted.
pub(super) fn types(
    analysis: &Analysis,
    found: &[Found],
    much: u64,
    namer: &mut Namer<'_>,
    watch: &dyn Watch,
) -> Result<Vec<Suspect>, Interrupted> {
    let mut told = Told(vec![0; analysis.nodes.len() as usize / 64 + 1]);
    for found in found {
        told.add(analysis, found.node);
    }
    let mut suspects = Vec::new();
    for _ in 0..TYPES {
        watch.step("looking for suspects", 0, 0)?;
        let Some((class, retained)) = largest(analysis, &told, much) else {
            break;
        };
        suspects.push(suspect(analysis, class, retained, &told, namer, watch)?);
        let is_one = |node: u32| class_of(analysis, node) == Some(class);
        let mut rest = analysis.dominators.preorder();
        while let Some(node) = rest.first() {
            let passed = match is_one(*node) && !told.has(*node) {
                true => {
                    told.add(analysis, NodeId(*node));
                    analysis.dominators.subtree(*node).len().max(1)
                }
                false => 1,
            };
            rest = rest.get(passed..).unwrap_or_default();
        }
    }
    Ok(suspects)
}

fn class_of(analysis: &Analysis, node: u32) -> Option<ClassId> {
    match analysis.nodes.kind(NodeId(node)) {
        NodeKind::Object(object) => Some(analysis.types.class_of(object)),
        _ => None,
    }
}

/// The class that retains most of what is not told of, and how much, if that is much.
fn largest(analysis: &Analysis, told: &Told, much: u64) -> Option<(ClassId, u64)> {
    let count = analysis.types.classes().count();
    let size = |node: u32| match told.has(node) {
        true => 0,
        false => analysis.size_of(NodeId(node)),
    };
    // What lies in something that is told of belongs to that.
    let class = |node: u32| class_of(analysis, node).filter(|_| !told.has(node));
    let retained = retained_by_class(
        &analysis.dominators,
        |node| class(node).map(|class| class.0),
        count,
        size,
    );
    let mut objects = vec![0u64; count];
    for object in analysis.dump.objects() {
        if analysis.is_reachable(object)
            && !told.has(object.0)
            && let Some(objects) = objects.get_mut(analysis.types.class_of(object).0 as usize)
        {
            *objects += 1;
        }
    }
    let all = || {
        analysis
            .types
            .classes()
            .zip(&retained)
            .zip(&objects)
            .filter(|((_, retained), objects)| **retained >= much && **objects > 1)
            // The runtime's own are there for goroutines, timers and finalizers.
            .filter(|(((_, class), _), _)| class.package != "runtime")
            .map(|(((id, class), retained), _)| (*retained, &class.name, id, class))
    };
    let largest = all().max_by(|a, b| (a.0, b.1, b.2).cmp(&(b.0, a.1, a.2)))?;
    // Of maps it tells more what they are of, if that is most of it.
    let inner = all()
        .filter(|(retained, .., class)| {
            *retained >= largest.0 / 2 && !matches!(class.what, What::Map(_) | What::MapPart(..))
        })
        .max_by(|a, b| (a.0, b.1, b.2).cmp(&(b.0, a.1, a.2)));
    let (retained, _, id, _) = match largest.3.what {
        What::Map(_) | What::MapPart(..) => inner.unwrap_or(largest),
        _ => largest,
    };
    Some((id, retained))
}

fn suspect(
    analysis: &Analysis,
    class: ClassId,
    retained: u64,
    told: &Told,
    namer: &mut Namer<'_>,
    watch: &dyn Watch,
) -> Result<Suspect, Interrupted> {
    let is_asked =
        |object: ObjectId| analysis.types.class_of(object) == class && !told.has(object.0);
    let mut known = Known::default();
    let (mut objects, mut bytes) = (0u64, 0u64);
    for object in analysis.dump.objects() {
        if is_asked(object) && analysis.is_reachable(object) {
            let size = analysis.dump.size(object);
            known.add(analysis.types.how(object), size);
            objects += 1;
            bytes = bytes.saturating_add(size);
        }
    }
    let ways = namer.search(watch)?.merged(is_asked, watch)?;
    let name = analysis.types.class(class);
    let name = name.map_or(String::new(), |class| class.name.clone());
    let way = ways.first();
    Ok(Suspect {
        name: Name {
            text: name.clone(),
            signature: name.clone(),
        },
        count: objects,
        bytes: retained,
        retained,
        own: bytes,
        ask: Some(Ask::Why(format!("type:{name}"))),
        of: Some(Subject::Class(class)),
        content: way.map(|way| Content {
            class: name,
            of: Some(Subject::Class(class)),
            objects: way.objects,
            bytes: way.bytes,
            retained: way.retained,
            through: Name {
                text: way.signature.clone(),
                signature: way.signature.clone(),
            },
            known,
            address: analysis.dump.address(way.example),
        }),
        ..Suspect::new(SuspectKind::Type)
    })
}
