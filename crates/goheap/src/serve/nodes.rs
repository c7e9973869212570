//! The pages of one object, and of one holder that is none.

use goheap_analysis::answers::object::{contents, pointer_name, pointers};
use goheap_analysis::answers::what::{Asked, what};
use goheap_analysis::graph::Edges as _;
use goheap_analysis::paths::within;
use goheap_analysis::{NodeId, NodeKind, ObjectId};
use goheap_page::site::{ROWS, Site};
use goheap_page::views;
use goheap_page::views::holder as view;
use goheap_page::views::object::{Object, Page, Referrer};

use super::reply::{Query, Refused, Shown, got, list, number};
use super::world::World;
use crate::census::status_name;

/// Bytes of text that are shown of an object.
const TEXT: usize = 16 << 10;

/// Objects at both ends of a path that are told.
const HOPS: usize = 16;

/// How many of those that point to an object have their own paths told.
const PATHS: usize = 12;

/// How far a path, or a chain of holders, is followed from its end.
const FOLLOWED: u64 = 1 << 20;

/// How many holders next to an object are listed, and next to the root.
const CHAIN: usize = 12;

/// How many objects that are held alone are listed, and among how many they are looked for.
const HELD: usize = 20;
const HELD_AMONG: usize = 1 << 20;

/// The objects right below a node that it alone holds: the largest, and how many there are.
fn held(world: &World, node: NodeId) -> Option<(Vec<ObjectId>, u64)> {
    let analysis = &world.analysis;
    let is_object = |node: &u32| matches!(analysis.nodes.kind(NodeId(*node)), NodeKind::Object(_));
    let children = || analysis.dominators.children(node.0);
    if children().take(HELD_AMONG).count() == HELD_AMONG {
        return None;
    }
    let total = children().filter(is_object).count() as u64;
    let largest = analysis
        .dominators
        .largest_children(node.0, HELD, |child| analysis.retained_of(NodeId(child)));
    let objects = largest.into_iter().filter(is_object).map(ObjectId);
    Some((objects.collect(), total))
}

/// Who holds a node alone: those next to it, how many more, and those next to the root of all.
fn chain(world: &World, node: NodeId) -> (Vec<NodeId>, u64, Vec<NodeId>) {
    let analysis = &world.analysis;
    let all = analysis.nodes.all();
    let (mut near, mut left_out) = (Vec::new(), 0u64);
    let mut far = std::collections::VecDeque::new();
    let mut at = node.0;
    let mut steps = 0;
    while let Some(above) = analysis.dominators.idom(at) {
        if above == all.0 {
            return (near, left_out, far.into());
        }
        steps += 1;
        if steps > FOLLOWED {
            break;
        }
        at = above;
        if near.len() < CHAIN {
            near.push(NodeId(above));
            continue;
        }
        far.push_back(NodeId(above));
        if far.len() > CHAIN {
            far.pop_front();
            left_out += 1;
        }
    }
    // It was not followed to the root.
    (near, left_out + far.len() as u64, Vec::new())
}

/// The page of the object that an address lies in.
///
/// # Errors
/// There is none, or the address is none.
pub(super) fn object(
    world: &'static World,
    site: &Site<'_>,
    at: &str,
    query: &Query,
) -> Result<Shown, Refused> {
    let analysis = &world.analysis;
    let hex = at.strip_prefix("0x").or(at.strip_prefix("0X"));
    let address = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let address =
        address.ok_or_else(|| Refused::Bad(format!("{at} is no address; those begin with 0x")))?;
    let (object, offset) = match what(analysis, &format!("{address:#x}")) {
        Ok(Asked::Object { object, offset }) => (object, offset),
        Ok(_) => {
            return Err(Refused::None(format!(
                "{address:#x} is in a variable, and in no object"
            )));
        }
        Err(why) => return Err(Refused::None(why.to_string())),
    };
    let (parts, to, from) = (
        number(query, "parts", 0)?,
        number(query, "to", 0)?,
        number(query, "from", 0)?,
    );
    let paths = got(&world.paths);
    let (shown, total) = pointers(analysis, object, to, ROWS);
    let referrers = got(&world.referrers).map(|csr| {
        // Whoever has two pointers to it is told once.
        let mut all = csr.successors(object.0).to_vec();
        all.dedup();
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let some = all.get(skip..).unwrap_or_default();
        let mut followed = FOLLOWED;
        let shown = some.iter().take(ROWS).enumerate().map(|(place, node)| {
            let node = NodeId(*node);
            let path = match (paths, place < PATHS) {
                (Some(paths), true) => paths.cut_path(object, Some(node), HOPS, &mut followed),
                _ => None,
            };
            Referrer {
                node,
                by: match analysis.nodes.kind(node) {
                    NodeKind::Object(holder) => pointer_name(analysis, holder, object),
                    _ => String::new(),
                },
                path,
                looked: paths.is_some() && place < PATHS,
            }
        });
        Page {
            shown: shown.collect(),
            skipped: from,
            total: all.len() as u64,
        }
    });
    let is_inside = offset > 0;
    let view = Object {
        object,
        inside: is_inside.then(|| (address, within(analysis, object, offset))),
        contents: contents(analysis, object, parts, ROWS, TEXT),
        skipped: parts,
        pointers: Page {
            shown,
            skipped: to,
            total,
        },
        referrers,
        path: paths.map(|paths| {
            let mut steps = FOLLOWED;
            paths.cut_path(object, None, HOPS, &mut steps)
        }),
        chain: chain(world, NodeId(object.0)),
        held: held(world, NodeId(object.0)),
        more: &[("parts", parts), ("to", to), ("from", from)],
    };
    let body = views::object::object(site, &view, world.all_bytes());
    Ok(Shown {
        title: format!("{address:#x}"),
        body,
    })
}

/// The page of a variable, a goroutine, a group of them or a package.
///
/// # Errors
/// There is no such node.
pub(super) fn holder(
    world: &World,
    site: &Site<'_>,
    node: &str,
    query: &Query,
) -> Result<Shown, Refused> {
    let analysis = &world.analysis;
    let number = node.parse::<u32>();
    let node = number.map_err(|_| Refused::Bad(format!("holder {node} is no number")))?;
    let is_holder = node < analysis.nodes.all().0
        && !matches!(analysis.nodes.kind(NodeId(node)), NodeKind::Object(_));
    if !is_holder {
        return Err(Refused::None(format!("there is no holder {node}")));
    }
    let query = list(query, &[], &[])?;
    let mut objects = Vec::new();
    if let NodeKind::Root(_) = analysis.nodes.kind(NodeId(node)) {
        analysis.edges().each(node, |to| objects.push(ObjectId(to)));
        objects.sort_unstable();
        objects.dedup();
    }
    let total = objects.len() as u64;
    objects.sort_by_key(|object| {
        let retained = analysis.retained_of(NodeId(object.0));
        (std::cmp::Reverse(retained), *object)
    });
    objects.truncate(ROWS);
    let view = view::Holder {
        node: NodeId(node),
        leads_to: (objects, total),
        held: held(world, NodeId(node)),
        group: world.group_of(NodeId(node)),
        status: status_name,
        query: &query,
    };
    let body = view::holder(site, &view, world.all_bytes());
    Ok(Shown {
        title: view::name(analysis, NodeId(node)),
        body,
    })
}
