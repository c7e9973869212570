//! The table `types`.

use std::io::Write;

use goheap_analysis::graph::retained_by_class;
use goheap_analysis::types::What;
use goheap_analysis::{Analysis, NodeId, NodeKind, Watch};

use super::sheet::{Sheet, maybe, number, text};
use super::{ColumnsError, STEP};

/// How many objects of a class there are, and their bytes.
#[derive(Clone, Copy, Default)]
struct Count {
    objects: u64,
    bytes: u64,
    reachable_objects: u64,
    reachable_bytes: u64,
}

pub(super) fn rows<W: Write + Send>(
    analysis: &Analysis,
    sheet: &mut Sheet<W>,
    watch: &dyn Watch,
) -> Result<(), ColumnsError> {
    let (dump, types) = (&analysis.dump, &analysis.types);
    let mut counts = vec![Count::default(); types.classes().count()];
    let total = u64::from(dump.object_count());
    for (object, done) in dump.objects().zip(0u64..) {
        if done.is_multiple_of(STEP) {
            watch.step("writing types", done, total)?;
        }
        let Some(count) = counts.get_mut(types.class_of(object).0 as usize) else {
            continue;
        };
        let size = dump.size(object);
        count.objects += 1;
        count.bytes = count.bytes.saturating_add(size);
        if analysis.is_reachable(object) {
            count.reachable_objects += 1;
            count.reachable_bytes = count.reachable_bytes.saturating_add(size);
        }
    }
    let retained = retained_by_class(
        &analysis.dominators,
        |node| match analysis.nodes.kind(NodeId(node)) {
            NodeKind::Object(object) => Some(types.class_of(object).0),
            _ => None,
        },
        counts.len(),
        |node| analysis.size_of(NodeId(node)),
    );
    for (((id, class), count), retained) in types.classes().zip(counts).zip(retained) {
        let (kind, of) = match &class.what {
            What::Unknown { .. } => ("unknown", None),
            What::Value(ty) => ("value", Some(*ty)),
            What::Array(ty) => ("array", Some(*ty)),
            What::StringBytes => ("string", None),
            What::Tiny => ("tiny", None),
            What::Map(_) => ("map", None),
            What::MapPart(..) => ("map part", None),
            What::Chan(_) => ("channel", None),
            What::Closure(_) => ("closure", None),
            What::Runtime(_) => ("runtime", None),
        };
        let of = of.and_then(|ty| dump.catalogue().get(ty));
        sheet.row([
            number(id.0.into()),
            text(&class.name),
            text(&class.package),
            text(kind),
            maybe(of, |ty| number(ty.size)),
            number(count.objects),
            number(count.bytes),
            number(count.reachable_objects),
            number(count.reachable_bytes),
            number(retained),
        ])?;
    }
    Ok(())
}
