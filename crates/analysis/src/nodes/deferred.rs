//! Pointers of goroutines' `g`s that are no edges of the graph: to deferred calls and panics.
//!
//! `runtime.allgs` leads to the `g` of each goroutine (runtime/proc.go: `allgadd`), and that to its
//! `_defer`s and `_panic`s (runtime/runtime2.go: `g`). By that way nothing that a deferred call holds
//! would be held by its goroutine alone. The root of the goroutine leads to the same records (the
//! dump has them); so where it does, that is the edge, and the pointer of the `g` is none. Dead
//! goroutines have no records, and keep theirs.

use goheap_golang::Structs;

use crate::dump::{Dump, ObjectId, RootKind, word_at};

/// Where an object may begin: at its own address, or behind the word that says its type
/// (runtime/malloc.go, go1.22: `mallocHeaderSize`).
const BEGINS: [u64; 2] = [0, 8];

/// Which pointers are no edges.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    /// A bit for each object that has some; empty if none has.
    has: Vec<u64>,
    /// Object, and offset in it; ascending.
    slots: Vec<(u32, u64)>,
}

impl Deferred {
    /// Those of a dump, of whose goroutines these are the roots.
    pub(super) fn of(dump: &Dump, of_goroutine: &[Vec<u32>]) -> Deferred {
        let structs = Structs::new(&dump.catalogue().layouts);
        let places: Vec<u64> = ["_defer", "_panic"]
            .iter()
            .filter_map(|field| structs.offset("runtime.g", field).ok())
            .collect();
        let mut deferred = Deferred::default();
        for (goroutine, roots) in dump.goroutines().iter().zip(of_goroutine) {
            // What the goroutine itself leads to; of most, nothing.
            let own: Vec<ObjectId> = roots
                .iter()
                .filter_map(|root| dump.roots().get(*root as usize))
                .filter(|root| matches!(root.kind, RootKind::Goroutine(_)))
                .filter_map(|root| dump.root_pointers().get(root.pointers.clone()))
                .flatten()
                .filter_map(|pointer| Some(dump.find(pointer.target)?.0))
                .collect();
            if own.is_empty() {
                continue;
            }
            let Some((g, begins)) = dump.find(goroutine.address) else {
                continue;
            };
            if !BEGINS.contains(&begins) {
                continue;
            }
            for place in &places {
                let slot = begins.saturating_add(*place);
                let target = word_at(dump.params().model, dump.contents(g), slot);
                if let Some((to, _)) = target.and_then(|target| dump.find(target))
                    && own.contains(&to)
                {
                    deferred.slots.push((g.0, slot));
                }
            }
        }
        deferred.slots.sort_unstable();
        // A damaged dump may have a `g` twice.
        deferred.slots.dedup();
        if !deferred.slots.is_empty() {
            deferred.has = vec![0; (dump.object_count() as usize).div_ceil(64)];
        }
        for (object, _) in &deferred.slots {
            if let Some(word) = deferred.has.get_mut(*object as usize / 64) {
                *word |= 1 << (object % 64);
            }
        }
        deferred
    }

    /// Whether an object has such pointers.
    #[inline]
    pub(super) fn has(&self, object: u32) -> bool {
        self.has
            .get(object as usize / 64)
            .is_some_and(|word| word >> (object % 64) & 1 != 0)
    }

    /// Whether the pointer at an offset of an object is such a one.
    pub(super) fn leads(&self, object: u32, slot: u64) -> bool {
        self.slots.binary_search(&(object, slot)).is_ok()
    }
}
