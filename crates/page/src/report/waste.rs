//! What is of no use, in lines that page and text share.

use goheap_analysis::answers::ledger::Amount;
use goheap_analysis::answers::waste::{Part, Waste};

/// How much of what.
pub(crate) fn lines(waste: &Waste) -> Vec<(Amount, &'static str)> {
    let duplicates = Amount {
        objects: waste.duplicates.copies,
        bytes: waste.duplicates.bytes,
    };
    let rounding = Amount {
        objects: 0,
        bytes: waste.rounding,
    };
    vec![
        (
            waste.slice_tails.total,
            "slices: capacity beyond the length",
        ),
        (
            waste.pinned.total,
            "arrays and strings of which a part is shown: the rest",
        ),
        (waste.map_slots.total, "maps: slots without an entry"),
        (duplicates, "strings that are there already"),
        (waste.channels.total, "channels: buffers without an element"),
        (waste.pools, "kept in sync.Pools"),
        (waste.finalizers, "held by finalizers alone"),
        (waste.cleanups, "held by cleanups alone"),
        (
            rounding,
            "behind values, for the allocator's classes of sizes",
        ),
    ]
}

/// The parts that are told of by type.
pub(super) fn parts(waste: &Waste) -> [(&'static str, &Part); 4] {
    [
        ("Slices with room, by type", &waste.slice_tails),
        ("Shown in part, by type", &waste.pinned),
        ("Maps with room, by type", &waste.map_slots),
        ("Channels with room, by type", &waste.channels),
    ]
}

/// How many types a part tells of.
pub(super) const TYPES: usize = 5;
/// How many strings that are there more than once.
pub(super) const STRINGS: usize = 10;
/// How many characters of each.
pub(super) const CHARACTERS: usize = 60;
