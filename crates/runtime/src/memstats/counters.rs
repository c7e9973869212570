//! A copy of the runtime's counters.

use goheap_golang::{Elements, Place};
use goheap_memory::Addr;

use crate::{WalkError, World};

/// What the runtime counts about one size class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClassCounters {
    /// Bytes of an object.
    pub(super) size: u64,
    /// Objects allocated, ever.
    pub(super) allocs: u64,
    /// Objects freed, ever.
    pub(super) frees: u64,
}

/// Counters of the heap: what a flush may change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // names are those of heapStatsDelta, gcControllerState, mstats and mheap
pub(super) struct HeapCounters {
    // memstats.heapStats, its three generations added up.
    pub(super) in_stacks: u64,
    pub(super) in_work_bufs: u64,
    pub(super) in_ptr_scalar_bits: u64,
    pub(super) tiny_alloc_count: u64,
    pub(super) large_alloc: u64,
    pub(super) large_alloc_count: u64,
    pub(super) large_free: u64,
    pub(super) large_free_count: u64,
    /// By size class; class 0 is that of large objects and stays 0.
    pub(super) classes: Vec<ClassCounters>,
    // gcController.
    pub(super) heap_in_use: u64,
    pub(super) heap_free: u64,
    pub(super) heap_released: u64,
    pub(super) total_alloc: u64,
    pub(super) total_free: u64,
    pub(super) mapped_ready: u64,
    // memstats.
    pub(super) stacks_sys: u64,
    pub(super) mspan_sys: u64,
    pub(super) mcache_sys: u64,
    pub(super) buckhash_sys: u64,
    pub(super) gc_misc_sys: u64,
    pub(super) other_sys: u64,
    // mheap_.
    pub(super) mspan_inuse: u64,
    pub(super) mcache_inuse: u64,
}

/// A struct of the runtime's, at its address, for reading fields by path.
#[derive(Clone, Copy)]
pub(super) struct At<'w, 't> {
    pub(super) world: &'w World<'t>,
    pub(super) strukt: &'static str,
    pub(super) address: Addr,
    pub(super) what: &'static str,
}

impl<'w, 't> At<'w, 't> {
    pub(super) fn global(
        world: &'w World<'t>,
        strukt: &'static str,
        name: &'static str,
    ) -> Result<At<'w, 't>, WalkError> {
        Ok(At {
            world,
            strukt,
            address: world.global(name)?,
            what: name,
        })
    }

    /// A number. One of package atomic is a struct around it and reads the same.
    pub(super) fn get(&self, path: &str) -> Result<u64, WalkError> {
        let place = self.world.structs.place(self.strukt, path)?;
        self.world.field(self.address, place, self.what)
    }

    /// A number that not every version has: 0 where it is missing.
    fn or_zero(&self, path: &str) -> Result<u64, WalkError> {
        match self.world.structs.optional(self.strukt, path) {
            Some(place) => self.world.field(self.address, place, self.what),
            None => Ok(0),
        }
    }
}

impl HeapCounters {
    pub(super) fn read(world: &World<'_>) -> Result<HeapCounters, WalkError> {
        let stats = At::global(world, "runtime.mstats", "runtime.memstats")?;
        let controller = At::global(world, "runtime.gcControllerState", "runtime.gcController")?;
        let heap = At::global(world, "runtime.mheap", "runtime.mheap_")?;

        // runtime/mstats.go: `consistentHeapStats.unsafeRead`: whoever writes does so into one of
        // three deltas, and with the world stopped their sum is the truth.
        let deltas = world
            .structs
            .elements("runtime.mstats", "heapStats.stats")?;
        let each_delta = |i: u64| At {
            world,
            strukt: "runtime.heapStatsDelta",
            address: stats.address.offset(deltas.offset + i * deltas.stride),
            what: "runtime.memstats.heapStats",
        };
        let sum = |path: &str| -> Result<u64, WalkError> {
            (0..deltas.count).try_fold(0_u64, |sum, i| {
                Ok(sum.wrapping_add(each_delta(i).get(path)?))
            })
        };
        let tmpbuf = tmpbuf_len(world)?;
        Ok(HeapCounters {
            in_stacks: sum("inStacks")?,
            in_work_bufs: sum("inWorkBufs")?,
            in_ptr_scalar_bits: (0..deltas.count).try_fold(0_u64, |sum, i| {
                each_delta(i)
                    .or_zero("inPtrScalarBits")
                    .map(|part| sum.wrapping_add(part))
            })?,
            tiny_alloc_count: sum("tinyAllocCount")?,
            large_alloc: sum("largeAlloc")?,
            large_alloc_count: sum("largeAllocCount")?,
            large_free: sum("largeFree")?,
            large_free_count: sum("largeFreeCount")?,
            classes: classes(world, deltas.count, each_delta)?,
            heap_in_use: controller.get("heapInUse")?,
            heap_free: controller.get("heapFree")?,
            heap_released: controller.get("heapReleased")?,
            total_alloc: controller.get("totalAlloc")?,
            total_free: controller.get("totalFree")?,
            mapped_ready: controller.get("mappedReady")?.wrapping_sub(tmpbuf),
            stacks_sys: stats.get("stacks_sys")?,
            mspan_sys: stats.get("mspan_sys")?,
            mcache_sys: stats.get("mcache_sys")?,
            buckhash_sys: stats.get("buckhash_sys")?,
            gc_misc_sys: stats.get("gcMiscSys")?,
            other_sys: stats.get("other_sys")?.wrapping_sub(tmpbuf),
            mspan_inuse: heap.get("spanalloc.inuse")?,
            mcache_inuse: heap.get("cachealloc.inuse")?,
        })
    }
}

/// Bytes of `runtime.tmpbuf`, 0 but in the middle of a dump of the runtime's own: that takes its
/// statistics first and makes the buffer after it (runtime/heapdump.go: `makeheapobjbv`), so a
/// program that is stopped there is told as it was before. Absent where WriteHeapDump is not
/// linked.
fn tmpbuf_len(world: &World<'_>) -> Result<u64, WalkError> {
    match world.program.address("runtime.tmpbuf") {
        Some(at) => world.slice(at, "runtime.tmpbuf").map(|(_data, len)| len),
        None => Ok(0),
    }
}

fn classes<'w, 't: 'w>(
    world: &'w World<'t>,
    deltas: u64,
    delta: impl Fn(u64) -> At<'w, 't>,
) -> Result<Vec<ClassCounters>, WalkError> {
    const DELTA: &str = "runtime.heapStatsDelta";
    let allocs = world.structs.elements(DELTA, "smallAllocCount")?;
    let frees = world.structs.elements(DELTA, "smallFreeCount")?;
    // runtime/sizeclasses.go; go1.25 moved the table to another package. uint16 in both.
    let sizes = world
        .program
        .address("runtime.class_to_size")
        .or_else(|| world.program.address("internal/runtime/gc.SizeClassToSize"))
        .ok_or(WalkError::NoSymbol("runtime.class_to_size"))?;
    let size_at = |class: u64| {
        let size = world
            .model
            .read_uint(&world.memory, sizes.offset(class * 2), 2);
        size.map_err(|fault| WalkError::Fault {
            what: "runtime.class_to_size",
            fault,
        })
    };
    let count = allocs.count.min(frees.count).min(256);
    (0..count)
        .map(|class| {
            let mut counters = ClassCounters {
                size: size_at(class)?,
                allocs: 0,
                frees: 0,
            };
            for i in 0..deltas {
                let delta = delta(i);
                let element = |list: Elements| {
                    let offset = list.offset + list.stride * class;
                    let size = list.stride;
                    world.field(delta.address, Place { offset, size }, delta.what)
                };
                counters.allocs = counters.allocs.wrapping_add(element(allocs)?);
                counters.frees = counters.frees.wrapping_add(element(frees)?);
            }
            Ok(counters)
        })
        .collect()
}

/// What the runtime remembers of the collector's cycles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cycles {
    /// End of the last one, in nanoseconds since 1970.
    pub(super) last_gc: u64,
    /// All pauses, in nanoseconds.
    pub(super) pause_total_ns: u64,
    /// The last 256 pauses, a ring.
    pub(super) pause_ns: [u64; 256],
    /// How many.
    pub(super) num_gc: u64,
}

impl Cycles {
    pub(super) fn read(world: &World<'_>) -> Result<Cycles, WalkError> {
        let stats = At::global(world, "runtime.mstats", "runtime.memstats")?;
        let ring = world.structs.elements("runtime.mstats", "pause_ns")?;
        let mut pause_ns = [0; 256];
        for (slot, i) in pause_ns.iter_mut().zip(0..ring.count) {
            let place = Place {
                offset: ring.offset + i * ring.stride,
                size: ring.stride,
            };
            *slot = world.field(stats.address, place, stats.what)?;
        }
        Ok(Cycles {
            last_gc: stats.get("last_gc_unix")?,
            pause_total_ns: stats.get("pause_total_ns")?,
            pause_ns,
            num_gc: stats.get("numgc")?,
        })
    }
}
