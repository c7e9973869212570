//! The table `objects`.

use std::collections::HashMap;
use std::io::Write;

use goheap_analysis::answers::held::Held;
use goheap_analysis::types::How;
use goheap_analysis::{Analysis, NodeId, NodeKind, Watch};
use parquet::data_type::ByteArray;

use super::roots::kind_of;
use super::sheet::{Cell, Sheet, address, maybe, number};
use super::text::text;
use super::{ColumnsError, STEP};

pub(super) fn rows<W: Write + Send>(
    analysis: &Analysis,
    held: &Held,
    sheet: &mut Sheet<W>,
    watch: &dyn Watch,
) -> Result<(), ColumnsError> {
    let (dump, dominators) = (&analysis.dump, &analysis.dominators);
    let hows: HashMap<How, ByteArray> = HOWS
        .iter()
        .map(|how| (*how, text(how_known(*how))))
        .collect();
    // Only what is no object holds from outside, so these are few beside the objects.
    let mut holders: HashMap<NodeId, (ByteArray, ByteArray)> = HashMap::new();
    let total = u64::from(dump.object_count());
    for (object, done) in dump.objects().zip(0u64..) {
        if done.is_multiple_of(STEP) {
            watch.step("writing objects", done, total)?;
        }
        let dominator = dominators.idom(object.0).map(NodeId);
        let dominator = dominator.and_then(|node| match analysis.nodes.kind(node) {
            NodeKind::Object(object) => Some(dump.address(object)),
            _ => None,
        });
        let by = held.by(object).map(|node| {
            let by = holders.entry(node).or_insert_with(|| {
                let kind = held_by_kind(analysis, node);
                (text(kind), text(&held.name(analysis, node)))
            });
            by.clone()
        });
        let (kind, name) = by.unzip();
        let how = analysis.types.how(object);
        sheet.row([
            address(dump.address(object)),
            number(dump.size(object)),
            number(analysis.types.class_of(object).0.into()),
            Cell::Text(hows.get(&how).cloned().unwrap_or_default()),
            Cell::Bool(analysis.is_reachable(object)),
            number(analysis.retained_of(NodeId(object.0))),
            maybe(dominator, address),
            maybe(kind, Cell::Text),
            maybe(name, Cell::Text),
        ])?;
    }
    Ok(())
}

/// What a node is that holds objects from outside.
fn held_by_kind(analysis: &Analysis, node: NodeId) -> &'static str {
    match analysis.nodes.kind(node) {
        NodeKind::Object(_) => "object",
        NodeKind::Root(root) => {
            let root = analysis.dump.roots().get(root as usize);
            root.map_or("other", |root| kind_of(root.kind))
        }
        NodeKind::Goroutine(_) => "goroutine",
        NodeKind::Group(_) => "goroutines",
        NodeKind::Package(_) => "package",
        NodeKind::All => "several",
    }
}

const HOWS: [How; 8] = [
    How::Unknown,
    How::Header,
    How::Interface,
    How::Variable,
    How::Runtime,
    How::Closure,
    How::Pointer,
    How::Guess,
];

fn how_known(how: How) -> &'static str {
    match how {
        How::Unknown => "unknown",
        How::Header => "header",
        How::Interface => "interface",
        How::Variable => "variable",
        How::Runtime => "runtime",
        How::Closure => "closure",
        How::Pointer => "pointer",
        How::Guess => "guess",
    }
}
