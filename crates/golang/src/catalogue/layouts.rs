//! The layouts that an analysis of a dump will ask for, while there is an executable to ask.

use std::cell::RefCell;
use std::collections::HashMap;

use goheap_image::layout::TypeLayout;

use super::KnownLayouts;
use crate::{Features, Layouts, MapLayouts, Structs, TypeLayouts};

/// The fields of the runtime's structs that are kept, beside those that the decoders of maps and of
/// type descriptors look up: what has several names, or is not in all versions, is asked for by each.
pub(crate) const PLACES: &[(&str, &[&str])] = &[
    // runtime/chan.go
    (
        "runtime.hchan",
        &[
            "qcount",
            "dataqsiz",
            "buf",
            "elemsize",
            "closed",
            "timer",
            "elemtype",
            "sendx",
            "recvx",
            "recvq",
            "sendq",
            "recvq.first",
            "recvq.last",
            "sendq.first",
            "sendq.last",
        ],
    ),
    (
        "runtime.sudog",
        &[
            "g",
            "next",
            "prev",
            "elem",
            "elem.vu",
            "elem.vp",
            "acquiretime",
            "releasetime",
            "ticket",
            "isSelect",
            "success",
            "waiters",
            "parent",
            "waitlink",
            "waittail",
            "c",
            "c.vu",
            "c.vp",
        ],
    ),
    // runtime/map.go, up to go1.23
    (
        "runtime.hmap",
        &[
            "count",
            "flags",
            "B",
            "noverflow",
            "hash0",
            "buckets",
            "oldbuckets",
            "nevacuate",
            "extra",
            "clearSeq",
        ],
    ),
    ("runtime.bmap", &["tophash"]),
    (
        "runtime.mapextra",
        &["overflow", "oldoverflow", "nextOverflow"],
    ),
    // internal/runtime/maps, from go1.24
    (
        "internal/runtime/maps.Map",
        &[
            "used",
            "seed",
            "dirPtr",
            "dirLen",
            "globalDepth",
            "globalShift",
            "writing",
            "tombstonePossible",
            "clearSeq",
        ],
    ),
    (
        "internal/runtime/maps.table",
        &[
            "used",
            "capacity",
            "growthLeft",
            "localDepth",
            "index",
            "groups",
            "groups.data",
            "groups.lengthMask",
        ],
    ),
    (
        "internal/runtime/maps.groupsReference",
        &["data", "lengthMask"],
    ),
    ("internal/runtime/maps.groupReference", &["data"]),
    // runtime/runtime2.go
    (
        "runtime.g",
        &[
            "stack",
            "stack.lo",
            "stack.hi",
            "_panic",
            "_defer",
            "m",
            "sched",
            "sched.pc",
            "sched.sp",
            "sched.ctxt",
            "syscallsp",
            "syscallpc",
            "stktopsp",
            "param",
            "atomicstatus",
            "goid",
            "waitsince",
            "waitreason",
            "parentGoid",
            "gopc",
            "startpc",
            "ancestors",
            "waiting",
            "labels",
            "timer",
            "coroarg",
            "bubble",
            "syncGroup",
            "selectDone",
            "sleepWhen",
            "startfn",
            "fipsIndicator",
        ],
    ),
    (
        "runtime._defer",
        &[
            "heap",
            "rangefunc",
            "sp",
            "pc",
            "fn",
            "link",
            "head",
            "varp",
            "framepc",
            "_panic",
            "openDefer",
            "started",
        ],
    ),
    (
        "runtime._panic",
        &[
            "arg",
            "link",
            "argp",
            "recovered",
            "goexit",
            "startPC",
            "startSP",
            "sp",
            "lr",
            "fp",
            "retpc",
            "deferreturn",
            "aborted",
        ],
    ),
    ("runtime.stack", &["lo", "hi"]),
    (
        "runtime.gobuf",
        &["sp", "pc", "g", "ctxt", "ret", "lr", "bp"],
    ),
    ("runtime.itab", &["inter", "_type", "hash", "fun"]),
    ("internal/abi.ITab", &["Inter", "Type", "Hash", "Fun"]),
    ("runtime.eface", &["_type", "data"]),
    ("runtime.iface", &["tab", "data"]),
    ("runtime.slice", &["array", "len", "cap"]),
    ("runtime.funcval", &["fn"]),
    ("runtime.special", &["next", "offset", "kind"]),
    (
        "runtime.timer",
        &["pp", "when", "period", "f", "arg", "seq", "isChan"],
    ),
    // internal/runtime/atomic, sync, internal/sync
    (
        "sync.Pool",
        &[
            "noCopy",
            "local",
            "localSize",
            "victim",
            "victimSize",
            "New",
        ],
    ),
    (
        "sync.poolLocal",
        &[
            "poolLocalInternal",
            "poolLocalInternal.private",
            "poolLocalInternal.shared",
        ],
    ),
    ("sync.poolLocalInternal", &["private", "shared"]),
    ("sync.poolChain", &["head", "tail"]),
    (
        "sync.poolChainElt",
        &[
            "poolDequeue",
            "poolDequeue.vals",
            "poolDequeue.headTail",
            "next",
            "prev",
        ],
    ),
    ("sync.poolDequeue", &["headTail", "vals"]),
    ("sync.Map", &["_", "mu", "read", "dirty", "misses", "m"]),
    ("sync.readOnly", &["m", "amended"]),
    ("sync.entry", &["p"]),
    ("sync.Mutex", &["state", "sema", "mu"]),
    (
        "internal/sync.HashTrieMap[interface {},interface {}]",
        &["inited", "initMu", "root", "keyHash", "valEqual", "seed"],
    ),
    (
        "internal/sync.node[interface {},interface {}]",
        &["isEntry"],
    ),
    (
        "internal/sync.entry[interface {},interface {}]",
        &["node", "node.isEntry", "overflow", "key", "value"],
    ),
    (
        "internal/sync.indirect[interface {},interface {}]",
        &["node", "node.isEntry", "dead", "mu", "parent", "children"],
    ),
    // What types made at run time are found by (runtime/type.go: `reflectOffs`).
    ("runtime.mutex", &["key"]),
];

/// Answers from another source, and keeps the answers.
struct Recording<'l> {
    of: &'l dyn Layouts,
    kept: RefCell<HashMap<String, TypeLayout>>,
}

impl Layouts for Recording<'_> {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        if let Some(known) = self.kept.borrow().get(name) {
            return Some(known.clone());
        }
        let layout = self.of.type_layout(name)?;
        self.kept
            .borrow_mut()
            .insert(name.to_owned(), layout.clone());
        Some(layout)
    }

    fn answers_for(&self, strukt: &str, path: Option<&str>) -> bool {
        self.of.answers_for(strukt, path)
    }
}

/// Asks `layouts` for all that a reader of a dump will ask its catalogue for.
pub(super) fn record(layouts: &dyn Layouts, features: &Features) -> KnownLayouts {
    let recording = Recording {
        of: layouts,
        kept: RefCell::default(),
    };
    {
        let structs = Structs::new(&recording);
        // Which of them there are is for those to say who need them.
        let _maps = MapLayouts::new(&structs, features);
        let _types = TypeLayouts::new(&structs, features);
        for (strukt, paths) in PLACES {
            if structs.size(strukt).is_err() {
                continue;
            }
            for path in *paths {
                let _place = structs.place(strukt, path);
                let _elements = structs.elements(strukt, path);
            }
        }
    }
    KnownLayouts(recording.kept.into_inner())
}
