//! Whether a program's memory bears out layouts that came from a table and not from itself.
//!
//! What the runtime says twice, or always says the same way, is looked at through the layouts: where
//! one is wrong, words of other fields are taken for it, and next to nothing holds. A moment at which
//! something was being changed breaks few of many; so of what there are many, most have to hold, and
//! of what never changes, all.
//!
//! Not all fields can be checked so: that of an empty list says nothing, nor does a counter. They are
//! in the structs that are checked, and moved with their neighbours if those moved.

use std::collections::HashSet;

use goheap_golang::{LayoutError, Place};
use goheap_memory::Addr;

use crate::arena::Arenas;
use crate::chain::Chain;
use crate::span::{PAGE, SpanTable};
use crate::special::Specials;
use crate::sweep::SpanState;
use crate::{WalkError, World, limit};

mod numbers;

use numbers::numbers;

/// How many of many are looked at, evenly spread.
const SAMPLE: u64 = 2048;

/// Goroutine states, without the bit of the collector that scans (runtime/runtime2.go, go1.19 to
/// go1.27: `_Gidle` to `_Gdeadextra`).
const STATES: u64 = 11;

/// `_Gscan` (runtime/runtime2.go, all versions).
const SCAN: u64 = 0x1000;

/// `_Gwaiting`, `_Gdead` (runtime/runtime2.go, all versions).
const WAITING: u64 = 4;
const DEAD: u64 = 6;

/// What does not fit.
#[derive(Debug)]
struct Misfit {
    what: String,
    at: Addr,
}

impl From<WalkError> for Misfit {
    fn from(error: WalkError) -> Misfit {
        let at = match &error {
            WalkError::Fault { fault, .. } => fault.at,
            WalkError::Implausible { at, .. } => *at,
            _ => Addr::NIL,
        };
        let what = error.to_string();
        Misfit { what, at }
    }
}

impl From<LayoutError> for Misfit {
    fn from(error: LayoutError) -> Misfit {
        WalkError::from(error).into()
    }
}

fn misfit<T>(at: Addr, what: impl Into<String>) -> Result<T, Misfit> {
    let what = what.into();
    Err(Misfit { what, at })
}

/// Checks the layouts of `world` by its memory, if they are out of a table. `steady` is whether the
/// program stands still: if it runs, only what does not change is looked at.
///
/// # Errors
/// They do not fit, and how.
pub(crate) fn check_layouts(world: &World<'_>, steady: bool) -> Result<(), WalkError> {
    let Some(table) = world.program.table() else {
        return Ok(());
    };
    let checked = [modules, threads, processors, central]
        .into_iter()
        .try_for_each(|check| check(world))
        .and_then(|()| match steady {
            true => [numbers, goroutines, heap]
                .into_iter()
                .try_for_each(|check| check(world)),
            false => Ok(()),
        });
    checked.map_err(|Misfit { what, at }| WalkError::OtherLayout {
        version: world.version.to_string(),
        release: table.release().to_owned(),
        what,
        at,
    })
}

/// Memory that could not be read through layouts out of a table: it is these that are not believed.
pub(crate) fn blame_table(world: &World<'_>, error: WalkError) -> WalkError {
    match world.program.table() {
        Some(table) if error.is_damage() => {
            let Misfit { what, at } = error.into();
            WalkError::OtherLayout {
                version: world.version.to_string(),
                release: table.release().to_owned(),
                what,
                at,
            }
        }
        _ => error,
    }
}

/// Modules say where their functions are twice: by addresses, and by the function table.
fn modules(world: &World<'_>) -> Result<(), Misfit> {
    for module in &world.modules {
        let table = module.functions()?;
        let first = table.funcs().next().map(|func| func.entry());
        let entry = first.map(|entry| module.text_address(entry));
        let in_order = module.text <= module.pcs.0
            && module.pcs.0 < module.pcs.1
            && module.pcs.1 <= module.text_end
            && module.data.0 <= module.data.1
            && module.bss.0 <= module.bss.1
            && module.types.0 <= module.types.1;
        if !in_order {
            return misfit(module.address, "a moduledata's addresses are not in order");
        }
        if entry != Some(module.pcs.0) {
            let what = format!(
                "moduledata.minpc is {}, not the first function",
                module.pcs.0
            );
            return misfit(module.address, what);
        }
    }
    Ok(())
}

/// The chain of `allm` ends at `m0`; each thread has a number below that of the next one, and a `g0`
/// that belongs to it (runtime/proc.go: `mcommoninit`, `allocm`).
fn threads(world: &World<'_>) -> Result<(), Misfit> {
    let m = |path: &str| world.structs.place("runtime.m", path);
    let (id, g0, next) = (m("id")?, m("g0")?, m("alllink")?);
    let m_of_g = world.structs.place("runtime.g", "m")?;
    let sched = world.global("runtime.sched")?;
    let after = world.structs.place("runtime.schedt", "mnext")?;
    let after = world.field(sched, after, "sched.mnext")?;
    let mut chain = Chain::new(world.ptr(world.global("runtime.allm")?, "runtime.allm")?);
    let (mut seen, mut last) = (HashSet::new(), Addr::NIL);
    while let Some(at) = chain.at() {
        last = at;
        let number = world.field(at, id, "m.id")?;
        if number >= after || !seen.insert(number) {
            let what = format!("a thread (m) has the number {number}, of {after}");
            return misfit(at, what);
        }
        let scheduler = Addr::new(world.field(at, g0, "m.g0")?);
        let owner = world.field(scheduler, m_of_g, "g.m")?;
        if owner != at.get() {
            return misfit(at, "the g0 of a thread (m) does not belong to it");
        }
        chain.follow(Addr::new(world.field(at, next, "m.alllink")?), "m.alllink")?;
    }
    match world.program.address("runtime.m0") {
        Some(first) if first != last => {
            let what = format!("the chain of allm ends at {last}, not at runtime.m0, {first}");
            misfit(last, what)
        }
        _ if last.is_nil() => misfit(last, "there is no thread (allm)"),
        _ => Ok(()),
    }
}

/// Each P has its number (runtime/proc.go: `procresize`), and in its mcache spans of each class, or
/// the one that stands for none: of a world that the runtime has stopped all may be that
/// (runtime/mcache.go: `allocmcache`, `refill`, `releaseAll`).
fn processors(world: &World<'_>) -> Result<(), Misfit> {
    const ALLP: &str = "runtime.allp";
    let (list, count) = world.slice(world.global(ALLP)?, ALLP)?;
    if count == 0 || count > limit::PROCS {
        return misfit(list, format!("there are {count} Ps"));
    }
    let p = |path: &str| world.structs.place("runtime.p", path);
    let (id, cache) = (p("id")?, p("mcache")?);
    let classes = world.structs.elements("runtime.mcache", "alloc")?;
    let class = world.structs.place("runtime.mspan", "spanclass")?;
    let empty = world.program.address("runtime.emptymspan");
    let (mut spans, mut wrong) = (0_u64, None);
    for index in 0..count {
        let at = world.ptr(list.offset(index * world.model.word_size()), ALLP)?;
        let number = world.field(at, id, "p.id")?;
        if number != index {
            return misfit(
                at,
                format!("number {index} of the Ps says that it is {number}"),
            );
        }
        let cache = Addr::new(world.field(at, cache, "p.mcache")?);
        // Those beyond GOMAXPROCS have none.
        let classes_of = if cache.is_nil() { 0 } else { classes.count };
        for number in 0..classes_of.min(limit::SPAN_CLASSES) {
            let slot = cache.offset(classes.offset + number * classes.stride);
            let span = world.ptr(slot, "mcache.alloc")?;
            match (empty, world.field(span, class, "mspan.spanclass")?) {
                (Some(empty), 0) if span == empty => spans += 1,
                (None, 0) => {}
                (_, found) if found == number => spans += 1,
                _ => wrong = Some(slot),
            }
        }
    }
    match wrong {
        Some(at) => misfit(at, "an mcache has a span in the place of another class"),
        None if spans == 0 => misfit(list, "the mcaches have no span at all"),
        None => Ok(()),
    }
}

/// Each central list has its own number (runtime/mheap.go: `mheap.init`).
fn central(world: &World<'_>) -> Result<(), Misfit> {
    let heap = world.global("runtime.mheap_")?;
    let central = world.structs.elements("runtime.mheap", "central")?;
    let path = "central[0].mcentral.spanclass";
    let class = world.structs.place("runtime.mheap", path)?;
    for index in 0..central.count.min(limit::SPAN_CLASSES) {
        let at = heap.offset(index.wrapping_mul(central.stride));
        let found = world.field(at, class, "mheap_.central")?;
        if found != index {
            let what = format!("number {index} of mheap_.central says that it is {found}");
            return misfit(at.offset(class.offset), what);
        }
    }
    Ok(())
}

/// Of many things, most have to hold.
#[derive(Debug, Default)]
struct Most {
    all: u64,
    wrong: u64,
    example: Option<Misfit>,
}

impl Most {
    fn add(&mut self, checked: Result<(), Misfit>) {
        self.all += 1;
        if let Err(misfit) = checked {
            self.wrong += 1;
            self.example.get_or_insert(misfit);
        }
    }

    fn held(self) -> Result<(), Misfit> {
        let Most {
            all,
            wrong,
            example,
        } = self;
        match example {
            Some(misfit) if wrong.saturating_mul(8) > all => Err(Misfit {
                what: format!("{}; so with {wrong} of {all}", misfit.what),
                at: misfit.at,
            }),
            _ => Ok(()),
        }
    }
}

/// Indexes of at most [`SAMPLE`] of `count`, evenly spread.
fn sample(count: u64) -> impl Iterator<Item = u64> {
    (0..count).step_by(usize::try_from(count.div_ceil(SAMPLE).max(1)).unwrap_or(usize::MAX))
}

/// A goroutine has a state that there is, a number that was given, a stack that is one, and if it
/// waits, a stack pointer in it.
fn goroutines(world: &World<'_>) -> Result<(), Misfit> {
    const ALLGS: &str = "runtime.allgs";
    let (list, count) = world.slice(world.global(ALLGS)?, ALLGS)?;
    let g = |path: &str| world.structs.place("runtime.g", path);
    let (status, id, lo, hi) = (
        g("atomicstatus")?,
        g("goid")?,
        g("stack.lo")?,
        g("stack.hi")?,
    );
    let (sp, start) = (g("sched.sp")?, g("startpc")?);
    let last = world.structs.place("runtime.schedt", "goidgen")?;
    let last = world.field(world.global("runtime.sched")?, last, "sched.goidgen")?;
    let (mut most, mut seen) = (Most::default(), HashSet::new());
    for index in sample(count.min(limit::GOROUTINES)) {
        let at = world.ptr(list.offset(index * world.model.word_size()), ALLGS)?;
        let field = |place: Place| world.field(at, place, "a goroutine (g)");
        let mut check = || -> Result<(), Misfit> {
            let state = field(status)? & !SCAN;
            if state > STATES {
                return misfit(at, format!("a goroutine (g) is in the state {state}"));
            }
            let (lo, hi, sp) = (field(lo)?, field(hi)?, field(sp)?);
            if state == DEAD || state == 0 {
                return Ok(());
            }
            let number = field(id)?;
            if number > last || !seen.insert(number) {
                return misfit(
                    at,
                    format!("a goroutine (g) has the number {number}, of {last}"),
                );
            }
            let len = hi.checked_sub(lo).filter(|len| *len > 0 && *len <= 1 << 30);
            if len.is_none() || (state == WAITING && !(lo..=hi).contains(&sp)) {
                let what =
                    format!("a goroutine (g) has a stack from {lo:#x} to {hi:#x}, sp {sp:#x}");
                return misfit(at, what);
            }
            match world.find_func(Addr::new(field(start)?))? {
                Some(_) => Ok(()),
                None => misfit(at, "a goroutine (g) began at no function"),
            }
        };
        most.add(check());
    }
    most.held()
}

/// Spans are found by the heap's table of pages, have as many objects as they count, and are as many
/// bytes as the collector's account has.
fn heap(world: &World<'_>) -> Result<(), Misfit> {
    let arenas = Arenas::new(world)?;
    let spans = SpanTable::new(world, &arenas)?;
    let specials = Specials::new(world)?;
    let heap = world.global("runtime.mheap_")?;
    let sweepgen = world.structs.place("runtime.mheap", "sweepgen")?;
    let sweepgen = world.field(heap, sweepgen, "mheap_.sweepgen")? as u32;
    let mut most = Most::default();
    let (mut bytes, mut in_use) = (0_u64, 0_u64);
    let each = spans.len().min(limit::SPANS);
    for index in sample(each) {
        let at = spans.address(world, index)?;
        let span = match spans.read(world, at) {
            Ok(Some(span)) => span,
            Ok(None) => continue,
            Err(error) => {
                most.add(Err(error.into()));
                continue;
            }
        };
        in_use += 1;
        bytes = bytes.saturating_add(span.bytes);
        let check = || -> Result<(), Misfit> {
            if arenas.span_of(world, span.base)? != Some(at) {
                return misfit(
                    at,
                    format!("the heap's pages at {} lead to no span", span.base),
                );
            }
            // sg-2 to sg+3 (runtime/mheap.go: `mspan.sweepgen`).
            if span.sweepgen.wrapping_sub(sweepgen).wrapping_add(2) > 5 {
                let what = format!(
                    "a span's sweepgen is {}, the heap's {sweepgen}",
                    span.sweepgen
                );
                return misfit(at, what);
            }
            let state = SpanState::of(world, &specials, &span, sweepgen)?;
            match state.counted(&span) {
                Some(count) if count != span.alloc_count => {
                    let what = format!(
                        "a span has {count} objects, and counts {}",
                        span.alloc_count
                    );
                    misfit(at, what)
                }
                _ => Ok(()),
            }
        };
        most.add(check());
    }
    most.held()?;
    if in_use == 0 {
        return misfit(heap, "no span is in use");
    }
    // Only where all were looked at.
    let controller = world.global("runtime.gcController")?;
    let account = world
        .structs
        .place("runtime.gcControllerState", "heapInUse")?;
    let account = world.field(controller, account, "gcController.heapInUse")?;
    let most = (bytes / 8).max(64 * PAGE);
    if each <= SAMPLE && account.abs_diff(bytes) > most {
        let what = format!("spans in use have {bytes} bytes, gcController.heapInUse is {account}");
        return misfit(controller, what);
    }
    Ok(())
}
