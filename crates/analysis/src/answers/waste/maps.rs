//! Slots of maps that have no entry.

use super::{Tally, Waste};
use crate::Analysis;
use crate::types::{MapPart, What};
use crate::values::{SLOTS, Values};
use crate::{Interrupted, Watch};

/// The lowest hash of a slot with an entry (runtime/map.go, go1.19: `minTopHash`; below are empty
/// ones, and those whose entry has moved to the new buckets of a map that grows).
const MIN_TOP_HASH: u8 = 5;
/// The control byte of an empty slot, and of one whose entry was deleted (internal/runtime/maps/group.go,
/// go1.24: `ctrlEmpty`, `ctrlDeleted`). Those with an entry have no highest bit.
const DELETED: u8 = 0b1111_1110;
const NO_ENTRY: u8 = 0b1000_0000;

/// Counts them.
pub(super) fn count(
    analysis: &Analysis,
    values: &Values<'_>,
    waste: &mut Waste,
    watch: &dyn Watch,
) -> Result<(), Interrupted> {
    let dump = &analysis.dump;
    let mut tally = Tally::default();
    for object in dump.objects() {
        if object.0.is_multiple_of(1 << 16) {
            let total = u64::from(dump.object_count());
            watch.step("looking at maps", object.0.into(), total)?;
        }
        let class = analysis.types.class_of(object);
        let (map, swiss) = match analysis.types.class(class).map(|class| &class.what) {
            Some(What::MapPart(map, MapPart::Groups)) => (*map, true),
            Some(What::MapPart(map, MapPart::Buckets)) => (*map, false),
            _ => continue,
        };
        let Some(places) = analysis.types.slot_places(map) else {
            continue;
        };
        if !analysis.is_reachable(object) {
            continue;
        }
        let slot = places.key_stride.saturating_add(match swiss {
            // Key and element are one slot, unless they are apart.
            true if places.key_stride == places.elem_stride
                && places.elems < places.keys + places.key_stride =>
            {
                0
            }
            _ => places.elem_stride,
        });
        let bytes = dump.contents(object);
        let mut chunk = values.layout().base(dump, object);
        let mut empty = 0u64;
        while chunk.saturating_add(places.size) <= bytes.len() as u64 {
            let Ok(from) = usize::try_from(chunk) else {
                break;
            };
            let control = bytes.get(from..).unwrap_or_default();
            for byte in control.iter().take(SLOTS as usize) {
                match swiss {
                    true if byte & NO_ENTRY != 0 => {
                        empty += 1;
                        waste.deleted_slots += u64::from(*byte == DELETED);
                    }
                    false if *byte < MIN_TOP_HASH => empty += 1,
                    _ => {}
                }
            }
            chunk = chunk.saturating_add(places.size.max(1));
        }
        if empty > 0 {
            tally.add(class.0, empty.saturating_mul(slot));
        }
    }
    waste.map_slots = tally.finish(analysis);
    Ok(())
}
