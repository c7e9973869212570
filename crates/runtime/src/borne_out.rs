//! Whether the runtime's variables are where the executable said that they are.
//!
//! In a program without symbols they were told by inference, and a dump must not rest on that alone:
//! so before the program is believed, each of them is asked what only it can answer. A variable that
//! does not answer is refused by name. Those of a symbol table are asked the same when the dump is
//! made, and one that does not answer is a gap.
//!
//! | variable | what it is asked |
//! |---|---|
//! | `buildVersion` | the version that the file tells |
//! | `mheap_` | each central list has its own number (runtime/mheap.go: `mheap.init`) |
//! | `allm`, `m0`, `sched` | the chain ends at `m0`, and no `m` has a number that was not given yet |
//! | `allgs`, `allglen`, `sched` | as many as `allglen`; the first is goroutine 1 (asked of what code told alone); none has an id that was not given yet |
//! | `allp`, `gomaxprocs` | as many as GOMAXPROCS; each has its own number |
//! | `emptymspan` | it is in the slot for large objects of each `mcache` (runtime/mcache.go: `allocmcache`) |
//! | `itabTable` | its size is a power of two, and it has as many entries as it counts |
//! | `sweep` | the goroutine that it names began as the sweeper; where names are obfuscated, it has waited for work for a sweeper |
//! | `memstats` | as many collections as `mheap_.sweepgen` tells (runtime/mgc.go: `gcSweep`) |
//! | `gcController` | bytes of whole pages, not more than are mapped |
//! | `gcphase` | one of three |
//! | `waitReasonStrings` | `""` and `GC assist marking` begin it (runtime/runtime2.go) |
//! | table of size classes | 0, 8, 16 begin it |
//! | `methodValueCallFrameObjs` | it lies right below its frame's top (runtime/stkframe.go: `stkobjinit`) |
//! | `mbuckets` | the first has no more frames than a profile keeps |
//! | `finq`, `finc`, `allfin` | no block has more than it has room for |
//! | `ncpu` | a number of processors |
//!
//! The program may be running: what changes together is read again before it counts as wrong. Locks
//! and what may be 0 for all of a program's life tell nothing; these rest on the code.

use goheap_golang::{GoVersion, LayoutError};
use goheap_memory::{Addr, Target};

use crate::chain::Chain;
use crate::span::PAGE;
use crate::{WalkError, World, limit};

/// How often a running program is asked.
const TRIES: usize = 20;

/// Goroutines whose ids are looked at.
const GOROUTINES: u64 = 64;

/// What the sweeper's goroutine began with: `go bgsweep(c)` in `gcenable` (runtime/mgc.go), which the
/// compiler wraps, by names of go1.19 and of go1.22.
const SWEEPERS: [&str; 3] = [
    "runtime.bgsweep",
    "runtime.gcenable.func1",
    "runtime.gcenable.gowrap1",
];

/// Frames of a stack in a profile (runtime/mprof.go, go1.23: `maxProfStackDepth`, and some that are
/// skipped; less before).
const FRAMES: u64 = 1 << 11;

/// A variable is not what it should be, and why.
struct Wrong(&'static str, Addr, String);

type Answer = Result<(), Refused>;

/// Why there is no good answer.
enum Refused {
    /// It is not what it should be; if the program is running, it may be by now.
    Wrong(Wrong),
    /// The walk would fail as well.
    Walk(WalkError),
}

impl From<WalkError> for Refused {
    fn from(error: WalkError) -> Refused {
        Refused::Walk(error)
    }
}

/// Asks all of them. `told` is the version that the executable tells.
///
/// # Errors
/// [`WalkError::NotBorneOut`], or the fault.
pub(crate) fn check(world: &World<'_>, told: &GoVersion) -> Result<(), WalkError> {
    if world.version.to_string() != told.to_string() {
        let name = "runtime.buildVersion";
        let why = format!("it says {}, and the executable {told}", world.version);
        return Err(not_borne_out(Wrong(name, world.global(name)?, why)));
    }
    match ask(world, true) {
        Ok(()) => Ok(()),
        Err(Refused::Wrong(wrong)) => Err(not_borne_out(wrong)),
        Err(Refused::Walk(error)) => Err(error),
    }
}

/// Asks variables that a symbol table told of, but for which goroutine is the first: where `main` has
/// ended (of a library it does, and by `runtime.Goexit`) that is another one by now. The first that gives a wrong answer: its name, where it
/// is, and the answer. One that cannot be read is told where it is walked.
pub(crate) fn doubt(world: &World<'_>) -> Option<(&'static str, Addr, String)> {
    match ask(world, false) {
        Err(Refused::Wrong(Wrong(name, at, why))) => Some((name, at, why)),
        Ok(()) | Err(Refused::Walk(_)) => None,
    }
}

fn ask(world: &World<'_>, first_is_main: bool) -> Answer {
    let asked = Asked {
        world,
        first_is_main,
    };
    for question in [
        Asked::heap,
        Asked::threads,
        Asked::goroutines,
        Asked::processors,
        Asked::itabs,
        Asked::sweeper,
        Asked::statistics,
        Asked::controller,
        Asked::constants,
        Asked::lists,
    ] {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match question(&asked) {
                Ok(()) => break,
                Err(_) if tries > 0 => {}
                Err(refused) => return Err(refused),
            }
        }
    }
    Ok(())
}

fn not_borne_out(Wrong(name, at, why): Wrong) -> WalkError {
    WalkError::NotBorneOut { name, at, why }
}

impl From<LayoutError> for Refused {
    fn from(error: LayoutError) -> Refused {
        Refused::Walk(error.into())
    }
}

struct Asked<'w, 't> {
    world: &'w World<'t>,
    /// The first goroutine has to be `main`'s.
    first_is_main: bool,
}

impl Asked<'_, '_> {
    /// Read past the cache of pages, so that a running program is seen as it is.
    fn target(&self) -> &dyn Target {
        self.world.target
    }

    fn number(&self, at: Addr, size: u64, what: &'static str) -> Result<u64, WalkError> {
        let model = self.world.model;
        model
            .read_uint(self.target(), at, size as usize)
            .map_err(|fault| WalkError::Fault { what, fault })
    }

    fn word(&self, at: Addr, what: &'static str) -> Result<u64, WalkError> {
        self.number(at, self.world.model.word_size(), what)
    }

    /// A field of a struct of the runtime's.
    fn field(
        &self,
        at: Addr,
        strukt: &str,
        path: &str,
        what: &'static str,
    ) -> Result<u64, WalkError> {
        let place = self.world.structs.place(strukt, path)?;
        self.number(at.offset(place.offset), place.size, what)
    }

    fn slice(&self, name: &'static str) -> Result<(Addr, Addr, u64), WalkError> {
        let at = self.world.global(name)?;
        let data = Addr::new(self.word(at, name)?);
        let len = self.word(at.offset(self.world.model.word_size()), name)?;
        Ok((at, data, len))
    }

    fn string(&self, at: Addr, what: &'static str) -> Result<Vec<u8>, WalkError> {
        const MOST: u64 = 256;
        let data = Addr::new(self.word(at, what)?);
        let len = self.word(at.offset(self.world.model.word_size()), what)?;
        self.world.bytes(data, len, MOST, what)
    }

    fn heap(&self) -> Answer {
        const HEAP: &str = "runtime.mheap_";
        let heap = self.world.global(HEAP)?;
        let central = self.world.structs.elements("runtime.mheap", "central")?;
        let class = self
            .world
            .structs
            .place("runtime.mheap", "central[0].mcentral.spanclass")?;
        let count = central.count.min(limit::SPAN_CLASSES);
        for i in 0..count {
            let at = heap.offset(class.offset + i * central.stride);
            let found = self.number(at, class.size, HEAP)?;
            if found != i {
                let why = format!("its central list number {i} says that it is number {found}");
                return wrong(HEAP, heap, why);
            }
        }
        match count {
            0 => wrong(HEAP, heap, "it has no central lists".into()),
            _ => Ok(()),
        }
    }

    fn threads(&self) -> Answer {
        const ALL: &str = "runtime.allm";
        const FIRST: &str = "runtime.m0";
        const SCHED: &str = "runtime.sched";
        let (all, first) = (self.world.global(ALL)?, self.world.global(FIRST)?);
        let sched = self.world.global(SCHED)?;
        let given = self.field(sched, "runtime.schedt", "mnext", SCHED)?;
        let mut chain = Chain::new(Addr::new(self.word(all, ALL)?));
        let mut last = Addr::NIL;
        while let Some(m) = chain.at() {
            last = m;
            let id = self.field(m, "runtime.m", "id", ALL)?;
            if id >= given {
                let why = format!("the m at {m} has number {id}, and {given} is given next");
                return wrong(SCHED, sched, why);
            }
            let next = self.field(m, "runtime.m", "alllink", ALL)?;
            chain.follow(Addr::new(next), ALL)?;
        }
        match last == first {
            true => Ok(()),
            false => wrong(ALL, all, format!("it ends at {last}, not at m0, {first}")),
        }
    }

    fn goroutines(&self) -> Answer {
        const ALL: &str = "runtime.allgs";
        const LEN: &str = "runtime.allglen";
        const SCHED: &str = "runtime.sched";
        let (all, list, len) = self.slice(ALL)?;
        let sched = self.world.global(SCHED)?;
        let known = self.word(self.world.global(LEN)?, LEN)?;
        // They are not changed at once (runtime/proc.go: `allgadd`).
        if len == 0 || len > limit::GOROUTINES || known.abs_diff(len) > 1 {
            return wrong(ALL, all, format!("it has {len}, and allglen is {known}"));
        }
        let structs = &self.world.structs;
        let last = structs.first("runtime.schedt", &["goidgen.value", "goidgen"])?;
        let last = self.number(sched.offset(last.offset), last.size, SCHED)?;
        for i in 0..len.min(GOROUTINES) {
            let g = Addr::new(self.word(list.offset(i * self.world.model.word_size()), ALL)?);
            let id = self.field(g, "runtime.g", "goid", ALL)?;
            if i == 0 && id != 1 && self.first_is_main {
                return wrong(ALL, all, format!("its first goroutine has the id {id}"));
            }
            if id > last {
                let why = format!("goroutine {id} is there, and {last} was the last one given");
                return wrong(SCHED, sched, why);
            }
        }
        Ok(())
    }

    fn processors(&self) -> Answer {
        const ALL: &str = "runtime.allp";
        const MOST: &str = "runtime.gomaxprocs";
        const EMPTY: &str = "runtime.emptymspan";
        const NCPU: &str = "the number of processors";
        let (all, list, len) = self.slice(ALL)?;
        let most = self.world.global(MOST)?;
        // An int32 (runtime/runtime2.go, go1.19 to go1.27).
        let count = self.number(most, 4, MOST)?;
        if len == 0 || len > limit::PROCS {
            return wrong(ALL, all, format!("it has {len}"));
        }
        if count != len {
            return wrong(MOST, most, format!("it is {count}, and there are {len} Ps"));
        }
        let empty = self.world.global(EMPTY)?;
        let slots = self.world.structs.elements("runtime.mcache", "alloc")?;
        for i in 0..len {
            let p = Addr::new(self.word(list.offset(i * self.world.model.word_size()), ALL)?);
            let id = self.field(p, "runtime.p", "id", ALL)?;
            if id != i {
                return wrong(ALL, all, format!("its number {i} says that it is {id}"));
            }
            let cache = Addr::new(self.field(p, "runtime.p", "mcache", ALL)?);
            if cache.is_nil() {
                continue;
            }
            // Size class 0 is that of large objects, which no cache has.
            let found = Addr::new(self.word(cache.offset(slots.offset), EMPTY)?);
            if found != empty {
                let why = format!("the cache at {cache} has {found} for it");
                return wrong(EMPTY, empty, why);
            }
        }
        let name = self.world.features.ncpu;
        let ncpu = self.world.global(name)?;
        match self.number(ncpu, 4, NCPU)? {
            1..=limit::PROCS => Ok(()),
            other => wrong(name, ncpu, format!("it is {other}")),
        }
    }

    fn itabs(&self) -> Answer {
        const NAME: &str = "runtime.itabTable";
        const TABLE: &str = "runtime.itabTableType";
        let global = self.world.global(NAME)?;
        let table = Addr::new(self.word(global, NAME)?);
        let size = self.field(table, TABLE, "size", NAME)?;
        let count = self.field(table, TABLE, "count", NAME)?;
        if size > limit::ITABS || !size.is_power_of_two() || count > size {
            let why = format!("it says that {count} of {size} entries are in use");
            return wrong(NAME, global, why);
        }
        let word = self.world.model.word_size();
        let entries = table.offset(self.world.structs.offset(TABLE, "entries")?);
        let bytes = self
            .world
            .bytes(entries, size * word, limit::ITABS * word, NAME)?;
        let used = bytes.chunks_exact(word as usize);
        let used = used.filter(|entry| entry.iter().any(|byte| *byte != 0));
        let used = used.count() as u64;
        // One is added before it is counted (runtime/iface.go: `itabTableType.add`).
        match used == count || used == count + 1 {
            true => Ok(()),
            false => wrong(
                NAME,
                global,
                format!("it counts {count} entries, and has {used}"),
            ),
        }
    }

    fn sweeper(&self) -> Answer {
        const NAME: &str = "runtime.sweep";
        let sweep = self.world.global(NAME)?;
        // runtime/mgcsweep.go, go1.19 to go1.27: `sweepdata` begins with its lock, and `g`.
        let word = self.world.model.word_size();
        let lock = self.world.structs.size("runtime.mutex")?;
        let g = Addr::new(self.word(sweep.offset(lock.next_multiple_of(word)), NAME)?);
        let start = Addr::new(self.field(g, "runtime.g", "startpc", NAME)?);
        // In a program with obfuscated names the executable from before that has the right ones.
        let program = self.world.program;
        let by_executable = |name: &&str| program.address(name) == Some(start);
        let found = self.world.find_func(start)?;
        let name = found.map(|found| found.func.name());
        let by_memory = |known: &&str| name == Some(known.as_bytes());
        if SWEEPERS
            .iter()
            .any(|one| by_memory(one) || by_executable(one))
        {
            return Ok(());
        }
        // It has waited for work before anything else ran, and that is what it has waited for last
        // (runtime/mgcsweep.go: `bgsweep`; `waitreason` stays when the wait is over).
        if program.is_obfuscated() && name.is_some() {
            let reason = self.field(g, "runtime.g", "waitreason", NAME)?;
            let table = self.world.global("runtime.waitReasonStrings")?;
            let reason = self.string(table.offset(2 * word * (reason & 0xff)), NAME)?;
            if reason == b"GC sweep wait" {
                return Ok(());
            }
            let reason = String::from_utf8_lossy(&reason).into_owned();
            let why = format!("its goroutine at {g} has waited for {reason:?}");
            return wrong(NAME, sweep, why);
        }
        wrong(
            NAME,
            sweep,
            format!("its goroutine at {g} began at {start}"),
        )
    }

    fn statistics(&self) -> Answer {
        const NAME: &str = "runtime.memstats";
        let stats = self.world.global(NAME)?;
        let heap = self.world.global("runtime.mheap_")?;
        let count = self.field(stats, "runtime.mstats", "numgc", NAME)?;
        let sweepgen = self.field(heap, "runtime.mheap", "sweepgen", NAME)?;
        // By two for each collection, modulo 2^32.
        let swept = (sweepgen as u32 / 2).abs_diff(count as u32 & 0x7fff_ffff);
        match swept <= 1 {
            true => Ok(()),
            false => wrong(
                NAME,
                stats,
                format!("it tells of {count} collections, and mheap_.sweepgen is {sweepgen}"),
            ),
        }
    }

    fn controller(&self) -> Answer {
        const NAME: &str = "runtime.gcController";
        const STATE: &str = "runtime.gcControllerState";
        const PHASE: &str = "runtime.gcphase";
        let controller = self.world.global(NAME)?;
        let used = self.field(controller, STATE, "heapInUse", NAME)?;
        let mapped = self.field(controller, STATE, "mappedReady", NAME)?;
        if used == 0 || used % PAGE != 0 || used > mapped {
            let why = format!("it says that {used} bytes of {mapped} are in use");
            return wrong(NAME, controller, why);
        }
        let phase = self.world.global(PHASE)?;
        // `_GCoff`, `_GCmark`, `_GCmarktermination` (runtime/mgc.go, go1.19 to go1.27).
        match self.number(phase, 4, PHASE)? {
            0..=2 => Ok(()),
            other => wrong(PHASE, phase, format!("it is {other}")),
        }
    }

    fn constants(&self) -> Answer {
        const REASONS: &str = "runtime.waitReasonStrings";
        let reasons = self.world.global(REASONS)?;
        let word = self.world.model.word_size();
        let first = self.string(reasons, REASONS)?;
        let second = self.string(reasons.offset(2 * word), REASONS)?;
        if !first.is_empty() || second != b"GC assist marking" {
            let second = String::from_utf8_lossy(&second).into_owned();
            return wrong(REASONS, reasons, format!("its second is {second:?}"));
        }
        for name in [
            "runtime.class_to_size",
            "internal/runtime/gc.SizeClassToSize",
        ] {
            let Some(sizes) = self.world.program.address(name) else {
                continue;
            };
            // runtime/sizeclasses.go: uint16.
            for (class, size) in (0..).zip([0, 8, 16]) {
                let found = self.number(sizes.offset(class * 2), 2, name)?;
                if found != size {
                    return wrong(name, sizes, format!("class {class} has {found} bytes"));
                }
            }
        }
        const OBJECTS: &str = "runtime.methodValueCallFrameObjs";
        if let Some(at) = self.world.program.address(OBJECTS) {
            // stackObjectRecord: off, size, both int32. It ends where the frame does.
            let off = (self.number(at, 4, OBJECTS)? as u32).cast_signed();
            let size = self.number(at.offset(4), 4, OBJECTS)?;
            let aligned = size.next_multiple_of(8);
            if i64::from(off).unsigned_abs() != aligned || off > 0 {
                return wrong(OBJECTS, at, format!("{size} bytes at {off}"));
            }
        }
        Ok(())
    }

    fn lists(&self) -> Answer {
        const BUCKETS: &str = "runtime.mbuckets";
        let at = self.world.global(BUCKETS)?;
        let bucket = Addr::new(self.word(at, BUCKETS)?);
        if !bucket.is_nil() {
            let frames = self.field(bucket, "runtime.bucket", "nstk", BUCKETS)?;
            if frames > FRAMES {
                return wrong(BUCKETS, at, format!("the first bucket has {frames} frames"));
            }
        }
        let block = ["runtime.finblock", "runtime.finBlock"]
            .into_iter()
            .find(|name| self.world.structs.size(name).is_ok())
            .unwrap_or("runtime.finBlock");
        let room = self.world.structs.elements(block, "fin")?.count;
        for name in ["runtime.allfin", "runtime.finq", "runtime.finc"] {
            let at = self.world.global(name)?;
            let first = Addr::new(self.word(at, name)?);
            if first.is_nil() {
                continue;
            }
            let count = self.field(first, block, "cnt", name)?;
            if count > room {
                let why = format!("its first block has {count} entries, of {room}");
                return wrong(name, at, why);
            }
        }
        Ok(())
    }
}

fn wrong(name: &'static str, at: Addr, why: String) -> Answer {
    Err(Refused::Wrong(Wrong(name, at, why)))
}
