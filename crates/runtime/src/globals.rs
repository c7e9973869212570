//! The records of single globals: params, itabs, threads, data and bss, the finalizer queue
//! (runtime/heapdump.go: `dumpparams`, `dumpitabs`, `dumpms`, `dumproots`).

use goheap_format::{Arch, Fields, Finalizer, Itab, OsThread, Params, Record};
use goheap_golang::Place;
use goheap_memory::{Addr, ByteOrder};

use crate::arena::Arenas;
use crate::error::Doing;
use crate::pieces::Pieces;
use crate::sink::{Large, LargeKind};
use crate::typecache::TypeCache;
use crate::types::write_type;
use crate::{Sink, WalkError, World, limit};

/// `dumpparams`.
pub(crate) fn write_params(
    world: &World<'_>,
    arenas: &Arenas,
    sink: &mut dyn Sink,
) -> Result<(), WalkError> {
    let ncpu = world.global(world.features.ncpu)?;
    // An int32 in all versions (runtime/runtime2.go, go1.19: `ncpu`).
    let ncpu = world
        .model
        .read_uint(&world.memory, ncpu, 4)
        .doing("ncpu")?;
    let (heap_start, heap_end) = arenas.range();
    sink.record(&Record::Params(Params {
        big_endian: world.model.byte_order == ByteOrder::Big,
        pointer_size: world.model.word_size(),
        heap_start,
        heap_end,
        arch: Arch::Name(world.target.machine().goarch().as_bytes()),
        go_version: world.version.to_string().as_bytes(),
        ncpu,
    }))?;
    Ok(())
}

/// `dumpitabs`: the entries of `itabTable` that are in use, in the order of the table.
pub(crate) fn write_itabs(world: &World<'_>, sink: &mut dyn Sink) -> Result<u64, WalkError> {
    const TABLE: &str = "runtime.itabTableType";
    const WHAT: &str = "runtime.itabTable";
    let word = world.model.word_size();
    let table = world.ptr(world.global("runtime.itabTable")?, WHAT)?;
    let size = world.field(table, world.structs.place(TABLE, "size")?, WHAT)?;
    let entries = table.offset(world.structs.offset(TABLE, "entries")?);
    // `itab` became an alias of abi.ITab in go1.22, and its fields were renamed.
    let typ = world
        .structs
        .first("runtime.itab", &["_type", "Type"])
        .or_else(|_| world.structs.place("internal/abi.ITab", "Type"))?;
    if size > limit::ITABS {
        return Err(WalkError::Implausible {
            what: "size of runtime.itabTable",
            at: table,
            found: size,
            expected: "a smaller table",
        });
    }
    let types = world.types()?;
    let mut cache = TypeCache::new();
    let mut count = 0;
    for i in 0..size {
        let itab = world.ptr(entries.offset(i * word), WHAT)?;
        if itab.is_nil() {
            continue;
        }
        let concrete = Addr::new(world.field(itab, typ, "an itab")?);
        write_type(&types, &mut cache, concrete, sink)?;
        sink.record(&Record::Itab(Itab {
            address: itab.get(),
            concrete_type: concrete.get(),
        }))?;
        count += 1;
    }
    Ok(count)
}

/// `dumpms`: the chain of `allm`.
pub(crate) fn write_threads(world: &World<'_>, sink: &mut dyn Sink) -> Result<u64, WalkError> {
    const WHAT: &str = "runtime.allm";
    let place = |path: &str| world.structs.place("runtime.m", path);
    let (id, procid, next) = (place("id")?, place("procid")?, place("alllink")?);
    let mut m = world.ptr(world.global("runtime.allm")?, WHAT)?;
    let mut count = 0;
    while !m.is_nil() {
        count += 1;
        if count > limit::THREADS as u64 {
            return Err(endless(WHAT, m));
        }
        sink.record(&Record::OsThread(OsThread {
            address: m.get(),
            // An int64, written as the seed does: sign-extended to 64 bits.
            id: world.field(m, id, WHAT)?,
            os_id: world.field(m, procid, WHAT)?,
        }))?;
        m = Addr::new(world.field(m, next, WHAT)?);
    }
    Ok(count)
}

/// The segments of `dumproots`: data and bss of the first module.
pub(crate) fn write_segments(world: &World<'_>, sink: &mut dyn Sink) -> Result<(), WalkError> {
    let Some(module) = world.modules.first() else {
        return Ok(());
    };
    write_segment(world, LargeKind::Data, module.data, module.data_mask, sink)?;
    write_segment(world, LargeKind::Bss, module.bss, module.bss_mask, sink)
}

fn write_segment(
    world: &World<'_>,
    kind: LargeKind,
    (start, end): (Addr, Addr),
    (bits, mask): (u64, Addr),
    sink: &mut dyn Sink,
) -> Result<(), WalkError> {
    const WHAT: &str = "the data or bss segment";
    let implausible = |found, expected| WalkError::Implausible {
        what: WHAT,
        at: start,
        found,
        expected,
    };
    let size = end.since(start).filter(|size| *size <= limit::SEGMENT);
    let size = size.ok_or_else(|| implausible(end.get(), "an end not far behind its start"))?;
    if bits > size.div_ceil(world.model.word_size()) {
        return Err(implausible(bits, "a mask with a bit for each of its words"));
    }
    let mask = world.bytes(mask, bits.div_ceil(8), limit::SEGMENT, "its pointer mask")?;
    let fields = Fields::Bits {
        bits: &mask,
        len: bits as usize,
        word: world.model.word,
    };
    let large = Large {
        kind,
        address: start.get(),
        size,
        fields,
    };
    // Straight from the target: the cache of pages is for small reads.
    Ok(sink.large(&large, &mut Pieces::new(world.target, start, size))?)
}

/// Where a block of finalizers that are ready to run has what.
struct FinBlock {
    alllink: Place,
    next: Place,
    cnt: Place,
    fin: goheap_golang::Elements,
    fn_: Place,
    arg: Place,
    fint: Place,
    ot: Place,
}

/// `iterate_finq`: all blocks in the order of `allfin`, and in each the entries that count.
///
/// `more` are those that the sweep will add: `queuefinalizer` fills the block at the head of
/// `finq`, then takes one from `finc`, then makes a new one, which becomes the first of `allfin`
/// (runtime/mfinal.go, go1.19 to go1.27).
pub(crate) fn write_finalizer_queue(
    world: &World<'_>,
    more: &[Finalizer],
    sink: &mut dyn Sink,
) -> Result<(), WalkError> {
    const WHAT: &str = "the finalizer queue";
    // go1.25 renamed the block.
    let block = ["runtime.finblock", "runtime.finBlock"]
        .into_iter()
        .find(|name| world.structs.size(name).is_ok())
        .unwrap_or("runtime.finBlock");
    let place = |path: &str| world.structs.place(block, path);
    let finalizer = |path: &str| world.structs.place("runtime.finalizer", path);
    let layout = FinBlock {
        alllink: place("alllink")?,
        next: place("next")?,
        cnt: place("cnt")?,
        fin: world.structs.elements(block, "fin")?,
        fn_: finalizer("fn")?,
        arg: finalizer("arg")?,
        fint: finalizer("fint")?,
        ot: finalizer("ot")?,
    };
    let global = |name: &'static str| world.ptr(world.global(name)?, WHAT);
    let field = |at: Addr, place: Place| world.field(at, place, WHAT);

    // Blocks that the sweep fills, in the order in which it does, with how many are in them now.
    let mut rest = more;
    let mut additions: Vec<(Addr, &[Finalizer])> = Vec::new();
    let mut made: Vec<&[Finalizer]> = Vec::new();
    let mut take = |room: u64| -> &[Finalizer] {
        let (now, later) = rest.split_at(rest.len().min(room as usize));
        rest = later;
        now
    };
    if !more.is_empty() {
        let head = global("runtime.finq")?;
        if !head.is_nil() {
            let room = layout.fin.count.saturating_sub(field(head, layout.cnt)?);
            additions.push((head, take(room)));
        }
        let mut free = global("runtime.finc")?;
        loop {
            let now = take(layout.fin.count.max(1));
            if now.is_empty() {
                break;
            }
            if free.is_nil() {
                made.push(now);
            } else {
                additions.push((free, now));
                free = Addr::new(field(free, layout.next)?);
            }
        }
    }

    for block in made.into_iter().rev() {
        for finalizer in block {
            sink.record(&Record::QueuedFinalizer(*finalizer))?;
        }
    }
    let mut at = global("runtime.allfin")?;
    let mut blocks = 0;
    while !at.is_nil() {
        blocks += 1;
        if blocks > limit::CHAIN {
            return Err(endless(WHAT, at));
        }
        let count = field(at, layout.cnt)?;
        if count > layout.fin.count {
            return Err(WalkError::Implausible {
                what: "the count of a block of queued finalizers",
                at,
                found: count,
                expected: "no more than the block has room for",
            });
        }
        for i in 0..count {
            let entry = at.offset(layout.fin.offset + i * layout.fin.stride);
            let closure = field(entry, layout.fn_)?;
            sink.record(&Record::QueuedFinalizer(Finalizer {
                object: field(entry, layout.arg)?,
                closure,
                code: world.word(Addr::new(closure), WHAT)?,
                argument_type: field(entry, layout.fint)?,
                object_type: field(entry, layout.ot)?,
            }))?;
        }
        for (_, added) in additions.iter().filter(|(block, _)| *block == at) {
            for finalizer in *added {
                sink.record(&Record::QueuedFinalizer(*finalizer))?;
            }
        }
        at = Addr::new(field(at, layout.alllink)?);
    }
    Ok(())
}

fn endless(what: &'static str, at: Addr) -> WalkError {
    WalkError::Implausible {
        what,
        at,
        found: at.get(),
        expected: "an end of the chain",
    }
}
