//! Which fields of which structs goheap asks for: the one list that layout tables are made from.
//!
//! Beside these are those that a catalogue keeps (`catalogue/layouts.rs`). Who asks for one more adds
//! it here and runs `cargo xtask layouts`; in a debug build [`Structs`](crate::Structs) panics where
//! a real program is asked for what is not listed, so that no test passes without.
//!
//! What a version calls otherwise, or does not have, is listed by each of its names.

use crate::catalogue::PLACES;

/// Structs and the paths in them, as [`Structs`](crate::Structs) takes them, but that `[]` stands for
/// any index. Of each struct the size is known as well. `*` stands for each direct member.
const NEEDED: &[(&str, &[&str])] = &[
    // runtime/symtab.go: where everything of a module is.
    (
        "runtime.moduledata",
        &[
            "*",
            "gcdatamask.n",
            "gcdatamask.bytedata",
            "gcbssmask.n",
            "gcbssmask.bytedata",
        ],
    ),
    ("runtime.textsect", &["vaddr", "end", "baseaddr"]),
    ("runtime.itabTableType", &["size", "count", "entries"]),
    ("runtime.itab", &["inter", "_type", "Inter", "Type"]),
    // runtime/runtime2.go: goroutines, threads, processors.
    (
        "runtime.g",
        &[
            "atomicstatus.value",
            "goid",
            "sched.g",
            "sched.lr",
            "runningCleanups",
            "runningCleanups.u.value",
            "xRegs",
            "xRegs.state",
        ],
    ),
    // runtime/preempt_xreg.go, runtime/preempt_amd64.go
    ("runtime.xRegState", &["regs"]),
    ("runtime.xRegs", &[]),
    (
        "runtime.m",
        &[
            "g0",
            "gsignal",
            "curg",
            "p",
            "id",
            "procid",
            "alllink",
            "locks",
            "mallocing",
            "dying",
            "vdsoPC",
            "vdsoSP",
        ],
    ),
    (
        "runtime.p",
        &[
            "id",
            "status",
            "m",
            "mcache",
            "gFree.n",
            "gFree.size",
            "mspancache.buf",
            "mspancache.len",
            "palloc.base",
            "palloc.off",
            "cleanups",
        ],
    ),
    (
        "runtime.schedt",
        &[
            "goidgen",
            "goidgen.value",
            "mnext",
            "nmfreed",
            "ngsys",
            "ngsys.value",
            "gFree.n",
            "gFree.stack.size",
            "gFree.noStack.size",
        ],
    ),
    // runtime/mheap.go, runtime/mcache.go, runtime/mcentral.go, runtime/mspanset.go: the heap.
    (
        "runtime.mheap",
        &[
            "lock",
            "allspans",
            "sweepgen",
            "arenas",
            "allArenas",
            "heapArenas",
            "userArenaArenas",
            "central",
            "central[].mcentral.spanclass",
            "central[].mcentral.partial",
            "central[].mcentral.full",
            "spanalloc.inuse",
            "cachealloc.inuse",
        ],
    ),
    (
        "runtime.heapArena",
        &[
            "spans",
            "bitmap",
            "noMorePtrs",
            "heapArenaPtrScalar.bitmap",
            "heapArenaPtrScalar.noMorePtrs",
            "pageInUse",
        ],
    ),
    (
        "runtime.mspan",
        &[
            "startAddr",
            "npages",
            "state.s",
            "state.s.value",
            "elemsize",
            "nelems",
            "freeindex",
            "freeIndexForScan",
            "allocCount",
            "allocCountBeforeCache",
            "allocBits",
            "gcmarkBits",
            "sweepgen",
            "spanclass",
            "specials",
            "largeType",
            "isUserArenaChunk",
        ],
    ),
    (
        "runtime.mcache",
        &["alloc", "tiny", "tinyAllocs", "stackcache"],
    ),
    ("runtime.stackfreelist", &["list"]),
    (
        "runtime.spanSet",
        &[
            "spineLen",
            "spineLen.value",
            "spineCap",
            "index",
            "index.u.value",
        ],
    ),
    ("runtime.spanSetBlock", &[]),
    ("runtime.lfnode", &["next"]),
    ("runtime.gcBitsArena", &["free", "next", "bits"]),
    // runtime/mgcsweep.go
    ("runtime.sweepdata", &["g", "active.state"]),
    // runtime/mheap.go, runtime/mfinal.go, runtime/mcleanup.go: specials and their queues. Blocks were
    // renamed in go1.25.
    ("runtime.specialfinalizer", &["fn", "fint", "ot"]),
    ("runtime.specialprofile", &["b"]),
    ("runtime.specialWeakHandle", &["handle"]),
    (
        "runtime.specialCleanup",
        &["fn", "cleanup.fn", "cleanup.arg", "cleanup.call"],
    ),
    ("runtime.cleanupFn", &["fn", "arg", "call"]),
    ("runtime.cleanupQueue", &["all", "all.value", "free"]),
    (
        "runtime.cleanupBlock",
        &[
            "cleanupBlockHeader.alllink",
            "cleanupBlockHeader.n",
            "cleanups",
        ],
    ),
    ("runtime.finblock", &["alllink", "next", "cnt", "fin"]),
    ("runtime.finBlock", &["alllink", "next", "cnt", "fin"]),
    ("runtime.finalizer", &["fn", "arg", "fint", "ot"]),
    // runtime/mprof.go
    ("runtime.bucket", &["allnext", "typ", "size", "nstk"]),
    ("runtime.memRecord", &["active.allocs", "active.frees"]),
    // runtime/mstats.go, runtime/mgcpacer.go
    (
        "runtime.mstats",
        &[
            "heapStats.stats",
            "last_gc_unix",
            "pause_total_ns",
            "pause_ns",
            "numgc",
            "stacks_sys",
            "mspan_sys",
            "mcache_sys",
            "buckhash_sys",
            "gcMiscSys",
            "other_sys",
        ],
    ),
    (
        "runtime.heapStatsDelta",
        &[
            "inStacks",
            "inWorkBufs",
            "inPtrScalarBits",
            "tinyAllocCount",
            "largeAlloc",
            "largeAllocCount",
            "smallAllocCount",
            "largeFree",
            "largeFreeCount",
            "smallFreeCount",
        ],
    ),
    (
        "runtime.gcControllerState",
        &[
            "memoryLimit",
            "gcPercentHeapGoal",
            "sweepDistMinTrigger",
            "triggered",
            "heapMarked",
            "heapInUse",
            "heapReleased",
            "heapFree",
            "totalAlloc",
            "totalFree",
            "mappedReady",
        ],
    ),
    // internal/abi/type.go, internal/abi/map*.go; up to go1.20 runtime/type.go.
    ("internal/abi.Type", TYPE),
    ("runtime._type", TYPE),
    ("internal/abi.ArrayType", ARRAY_TYPE),
    ("runtime.arraytype", ARRAY_TYPE),
    ("internal/abi.ChanType", CHAN_TYPE),
    ("runtime.chantype", CHAN_TYPE),
    ("internal/abi.FuncType", FUNC_TYPE),
    ("runtime.functype", FUNC_TYPE),
    ("internal/abi.InterfaceType", INTERFACE_TYPE),
    ("runtime.interfacetype", INTERFACE_TYPE),
    ("internal/abi.PtrType", &["Elem", "elem"]),
    ("runtime.ptrtype", &["Elem", "elem"]),
    ("internal/abi.SliceType", &["Elem", "elem"]),
    ("runtime.slicetype", &["Elem", "elem"]),
    ("internal/abi.StructType", STRUCT_TYPE),
    ("runtime.structtype", STRUCT_TYPE),
    ("internal/abi.StructField", STRUCT_FIELD),
    ("runtime.structfield", STRUCT_FIELD),
    ("internal/abi.MapType", MAP_TYPE),
    ("internal/abi.OldMapType", MAP_TYPE),
    ("internal/abi.SwissMapType", MAP_TYPE),
    ("runtime.maptype", MAP_TYPE),
    ("internal/abi.ITab", &["inter", "_type"]),
];

const TYPE: &[&str] = &[
    "Size_",
    "PtrBytes",
    "Hash",
    "TFlag",
    "Kind_",
    "GCData",
    "Str",
    "PtrToThis",
    "size",
    "ptrdata",
    "hash",
    "tflag",
    "kind",
    "gcdata",
    "str",
    "ptrToThis",
];

const ARRAY_TYPE: &[&str] = &["Elem", "Len", "elem", "len"];
const CHAN_TYPE: &[&str] = &["Elem", "Dir", "elem", "dir"];
const FUNC_TYPE: &[&str] = &["InCount", "OutCount", "inCount", "outCount"];
const INTERFACE_TYPE: &[&str] = &["PkgPath", "Methods", "pkgpath", "mhdr"];
const STRUCT_TYPE: &[&str] = &["PkgPath", "Fields", "pkgPath", "fields"];
const STRUCT_FIELD: &[&str] = &["Name", "Typ", "Offset", "name", "typ", "offset"];

const MAP_TYPE: &[&str] = &[
    "Key",
    "Elem",
    "Bucket",
    "Group",
    "Flags",
    "KeySize",
    "ValueSize",
    "BucketSize",
    "GroupSize",
    "KeysOff",
    "KeyStride",
    "ElemsOff",
    "ElemStride",
    "SlotSize",
    "ElemOff",
    "key",
    "elem",
    "bucket",
    "flags",
    "keysize",
    "elemsize",
    "bucketsize",
];

/// Each struct that goheap asks for, and the paths in it. One may come up twice, with other paths.
pub fn needed() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    NEEDED.iter().chain(PLACES).copied()
}

/// Whether `path` of `strukt` is listed; the struct itself, if there is no path.
pub(crate) fn is_needed(strukt: &str, path: Option<&str>) -> bool {
    let mut listed = needed().filter(|(name, _)| *name == strukt);
    let Some(path) = path else {
        return listed.next().is_some();
    };
    let path = without_indexes(path);
    listed.any(|(_, paths)| {
        paths
            .iter()
            .any(|known| *known == path || *known == "*" && !path.contains('.'))
    })
}

/// `central[0].mcentral` as it is listed: `central[].mcentral`.
fn without_indexes(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            inside = match c {
                '[' => true,
                ']' => false,
                _ => inside,
            };
            !inside || *c == '['
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_listed() {
        assert!(is_needed(
            "runtime.mheap",
            Some("central[0].mcentral.spanclass")
        ));
        assert!(is_needed("runtime.moduledata", Some("etext")));
        assert!(is_needed("runtime.moduledata", None));
        assert!(!is_needed("runtime.moduledata", Some("gcdatamask.else")));
        assert!(!is_needed("runtime.mheap", Some("pages")));
        assert!(!is_needed("runtime.nothing", None));
    }
}
