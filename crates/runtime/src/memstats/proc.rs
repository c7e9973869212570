//! The P that would do the flush: what it keeps for itself decides what becomes of freed structs.

use goheap_memory::Addr;

use super::counters::{At, HeapCounters};
use crate::{WalkError, World, limit};

/// Bytes of a chunk that small permanent structs are cut from (runtime/malloc.go:
/// `persistentChunkSize`, all versions).
const PERSISTENT_CHUNK: u64 = 256 << 10;

/// A permanent struct of so many bytes or more is mapped by itself (runtime/malloc.go: `maxBlock`,
/// all versions).
const PERSISTENT_MOST: u64 = 64 << 10;

/// Addresses of all Ps whose mcaches `flushallmcaches` flushes: those below `gomaxprocs`.
pub(super) fn all_procs(world: &World<'_>) -> Result<Vec<Addr>, WalkError> {
    const WHAT: &str = "runtime.allp";
    let (list, count) = world.slice(world.global("runtime.allp")?, WHAT)?;
    let most = world.global("runtime.gomaxprocs")?;
    // An int32 in all versions.
    let most = world
        .model
        .read_uint(&world.memory, most, 4)
        .map_err(|fault| WalkError::Fault {
            what: "runtime.gomaxprocs",
            fault,
        })?;
    if count > limit::PROCS || most > count {
        return Err(WalkError::Implausible {
            what: WHAT,
            at: list,
            found: count,
            expected: "a length not below gomaxprocs",
        });
    }
    (0..most)
        .map(|i| world.ptr(list.offset(i * world.model.word_size()), WHAT))
        .collect()
}

/// The P that the world was stopped by, or in a world that runs the first one that does.
///
/// BUG: in a world that runs nobody can tell which P would flush, so that `MSpanInuse` may be off
/// by the spans that one P still had room to keep, and `GCSys` and `OtherSys` by a block.
pub(super) struct Flusher<'w, 't> {
    p: Option<At<'w, 't>>,
    /// Bytes of a word.
    word: u64,
    /// Spans that it keeps for itself, and how many it has room for.
    kept_spans: (u64, u64),
    /// Next free byte of its chunk for permanent structs, `None` if it has no chunk.
    chunk_used: Option<u64>,
    /// Free slots for cleanups in its block (go1.25).
    cleanup_slots: u64,
}

impl<'w, 't> Flusher<'w, 't> {
    pub(super) fn find(world: &'w World<'t>, procs: &[Addr]) -> Result<Self, WalkError> {
        let at = |address: Addr| At {
            world,
            strukt: "runtime.p",
            address,
            what: "runtime.p",
        };
        let mut chosen = procs.first().copied().map(at);
        // A P that waits for the world to start again has no thread (runtime/proc.go: `gcstopm`).
        for p in procs.iter().copied().map(at) {
            if p.get("m")? != 0 {
                chosen = Some(p);
                break;
            }
        }
        let mut flusher = Flusher {
            p: chosen,
            word: world.model.word_size(),
            kept_spans: (0, 0),
            chunk_used: None,
            cleanup_slots: 0,
        };
        if let Some(p) = chosen {
            let room = world.structs.elements("runtime.p", "mspancache.buf")?.count;
            flusher.kept_spans = (p.get("mspancache.len")?, room);
            flusher.chunk_used = if p.get("palloc.base")? == 0 {
                None
            } else {
                Some(p.get("palloc.off")?)
            };
            flusher.cleanup_slots = cleanup_room(&p)?;
        }
        Ok(flusher)
    }

    /// `mheap.freeMSpanLocked`: the struct of a freed span stays with the P while that has room.
    pub(super) fn free_mspan(&mut self, mspan_size: u64, counters: &mut HeapCounters) {
        let (kept, room) = &mut self.kept_spans;
        if kept < room {
            *kept += 1;
        } else {
            counters.mspan_inuse = counters.mspan_inuse.wrapping_sub(mspan_size);
        }
    }

    /// `persistentalloc(size, align, &memstats.gcMiscSys)`.
    pub(super) fn alloc_persistent(&mut self, size: u64, align: u64, counters: &mut HeapCounters) {
        if size >= PERSISTENT_MOST {
            counters.gc_misc_sys = counters.gc_misc_sys.wrapping_add(size);
            counters.mapped_ready = counters.mapped_ready.wrapping_add(size);
            return;
        }
        let off = self
            .chunk_used
            .and_then(|off| off.checked_next_multiple_of(align.max(1)))
            .filter(|off| {
                off.checked_add(size)
                    .is_some_and(|end| end <= PERSISTENT_CHUNK)
            });
        let start = match off {
            Some(off) => off,
            None => {
                counters.other_sys = counters.other_sys.wrapping_add(PERSISTENT_CHUNK);
                counters.mapped_ready = counters.mapped_ready.wrapping_add(PERSISTENT_CHUNK);
                // A chunk begins with a link to the one before it.
                let link = self.word;
                link.checked_next_multiple_of(align.max(1)).unwrap_or(link)
            }
        };
        self.chunk_used = Some(start.saturating_add(size));
        counters.gc_misc_sys = counters.gc_misc_sys.wrapping_add(size);
        counters.other_sys = counters.other_sys.wrapping_sub(size);
    }

    /// `cleanupQueue.enqueue` of one cleanup (runtime/mcleanup.go, go1.25).
    ///
    /// BUG: more than one new block in one flush is taken to be there already if one is.
    pub(super) fn queue_cleanup(&mut self, counters: &mut HeapCounters) -> Result<(), WalkError> {
        let Some(p) = self.p else { return Ok(()) };
        if self.cleanup_slots > 0 {
            self.cleanup_slots -= 1;
            return Ok(());
        }
        let world = p.world;
        let block = "runtime.cleanupBlock";
        let slots = world.structs.elements(block, "cleanups")?.count;
        let queue = At::global(world, "runtime.cleanupQueue", "runtime.gcCleanups")?;
        if queue.get("free")? == 0 {
            // A block is aligned to its size, so that its address has room for a tag
            // (runtime/tagptr.go, go1.25: `tagAlign`).
            let size = world.structs.size(block)?;
            self.alloc_persistent(size, size, counters);
        }
        self.cleanup_slots = slots.saturating_sub(1);
        Ok(())
    }
}

/// How many cleanups the block of `p` has room for; 0 before go1.25, where there are no blocks.
fn cleanup_room(p: &At<'_, '_>) -> Result<u64, WalkError> {
    let world = p.world;
    if world.structs.optional("runtime.p", "cleanups").is_none() {
        return Ok(0);
    }
    let address = Addr::new(p.get("cleanups")?);
    if address.is_nil() {
        return Ok(0);
    }
    let block = At {
        world,
        strukt: "runtime.cleanupBlock",
        address,
        what: "p.cleanups",
    };
    let used = block.get("cleanupBlockHeader.n")?;
    Ok(world
        .structs
        .elements("runtime.cleanupBlock", "cleanups")?
        .count
        .saturating_sub(used))
}
