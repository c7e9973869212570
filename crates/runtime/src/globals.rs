//! The records of single globals: params, itabs, threads, data and bss, the finalizer queue
//! (runtime/heapdump.go: `dumpparams`, `dumpitabs`, `dumpms`, `dumproots`).

use goheap_format::annex::{self, Note};
use goheap_format::{Arch, Fields, Finalizer, Itab, OsThread, Params, Record};
use goheap_golang::Place;
use goheap_memory::{Addr, ByteOrder};

use crate::arena::Arenas;
use crate::chain::Chain;
use crate::error::Doing;
use crate::gap::Gaps;
use crate::pieces::Pieces;
use crate::sink::{Large, LargeKind};
use crate::typecache::TypeCache;
use crate::types::write_type;
use crate::{Fidelity, Sink, Summary, WalkError, World, limit};

/// `dumpparams`.
pub(crate) fn write_params(
    world: &World<'_>,
    arenas: &Arenas,
    fidelity: Fidelity,
    sink: &mut dyn Sink,
) -> Result<(), WalkError> {
    let ncpu = world.global(world.features.ncpu)?;
    // An int32 in all versions (runtime/runtime2.go, go1.19: `ncpu`).
    let ncpu = world
        .model
        .read_uint(&world.memory, ncpu, 4)
        .doing("ncpu")?;
    let (heap_start, heap_end) = arenas.range();
    // Readers go by the version: where the program hides it, the runtime's own dump does too.
    let version = world.version.to_string();
    let version = match &world.said_instead {
        Some(said) if fidelity == Fidelity::Exact => said,
        _ => version.as_bytes(),
    };
    sink.record(&Record::Params(Params {
        big_endian: world.model.byte_order == ByteOrder::Big,
        pointer_size: world.model.word_size(),
        heap_start,
        heap_end,
        arch: Arch::Name(world.target.machine().goarch().as_bytes()),
        go_version: version,
        ncpu,
    }))?;
    Ok(())
}

/// `dumpitabs`: the entries of `itabTable` that are in use, in the order of the table.
///
/// The runtime counts them too, after it has added one (runtime/iface.go: `itabTableType.add`):
/// where there are others than it counts, some were not seen, or others are none.
pub(crate) fn write_itabs(
    world: &World<'_>,
    sink: &mut dyn Sink,
    summary: &mut Summary,
) -> Result<(), WalkError> {
    const TABLE: &str = "runtime.itabTableType";
    const WHAT: &str = "runtime.itabTable";
    let word = world.model.word_size();
    let table = world.ptr(world.global("runtime.itabTable")?, WHAT)?;
    let size = world.field(table, world.structs.place(TABLE, "size")?, WHAT)?;
    let expected = world.field(table, world.structs.place(TABLE, "count")?, WHAT)?;
    let entries = table.offset(world.structs.offset(TABLE, "entries")?);
    // `itab` became an alias of abi.ITab in go1.22, and its fields were renamed.
    let typ = world
        .structs
        .first("runtime.itab", &["_type", "Type"])
        .or_else(|_| world.structs.place("internal/abi.ITab", "Type"))?;
    // It doubles from 512 on, for its size is a mask as well (runtime/iface.go: `itabAdd`).
    if size > limit::ITABS || !size.is_power_of_two() {
        return Err(WalkError::Implausible {
            what: "size of runtime.itabTable",
            at: table,
            found: size,
            expected: "a power of two, and a smaller table",
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
        count += 1;
        let concrete = world.field(itab, typ, "an itab");
        let Some(concrete) = summary.gaps.unless("an itab", itab, concrete)? else {
            continue;
        };
        let written = write_type(&types, &mut cache, Addr::new(concrete), sink);
        summary.gaps.unless("the type of an itab", itab, written)?;
        sink.record(&Record::Itab(Itab {
            address: itab.get(),
            concrete_type: concrete,
        }))?;
        summary.itabs += 1;
    }
    if count != expected && count != expected.wrapping_add(1) {
        let why = format_args!("{count} are in the table, which counts {expected}");
        summary.gaps.add("itabs", table, why);
    }
    Ok(())
}

/// A note for each module.
pub(crate) fn note_modules(world: &World<'_>, sink: &mut dyn Sink) -> Result<(), WalkError> {
    let range = |(start, end): (Addr, Addr)| (start.get(), end.get());
    for module in &world.modules {
        sink.note(&Note::Module(annex::Module {
            address: module.address.get(),
            name: &module.name,
            text: range((module.text, module.text_end)),
            data: range(module.data),
            bss: range(module.bss),
            types: range(module.types),
        }))?;
    }
    Ok(())
}

/// `dumpms`: the chain of `allm`, whose last link is the thread that the program began with: each
/// other one is put in front (runtime/proc.go: `mcommoninit`).
pub(crate) fn write_threads(
    world: &World<'_>,
    sink: &mut dyn Sink,
    summary: &mut Summary,
) -> Result<(), WalkError> {
    const WHAT: &str = "runtime.allm";
    let place = |path: &str| world.structs.place("runtime.m", path);
    let (id, procid, next) = (place("id")?, place("procid")?, place("alllink")?);
    let mut chain = Chain::new(world.ptr(world.global("runtime.allm")?, WHAT)?);
    let mut last = Addr::NIL;
    while let Some(m) = chain.at() {
        last = m;
        sink.record(&Record::OsThread(OsThread {
            address: m.get(),
            // An int64, written as the seed does: sign-extended to 64 bits.
            id: world.field(m, id, WHAT)?,
            os_id: world.field(m, procid, WHAT)?,
        }))?;
        summary.threads += 1;
        chain.follow(Addr::new(world.field(m, next, WHAT)?), WHAT)?;
    }
    if let Some(first) = world.program.address("runtime.m0")
        && first != last
    {
        let why = format_args!("the chain ends at {last}, not at runtime.m0, {first}");
        summary.gaps.add("threads", last, why);
    }
    Ok(())
}

/// The segments of `dumproots`: data and bss of the first module, or of all modules in a mended
/// dump.
pub(crate) fn write_segments(
    world: &World<'_>,
    fidelity: Fidelity,
    sink: &mut dyn Sink,
    gaps: &mut Gaps,
) -> Result<(), WalkError> {
    let modules = match fidelity {
        Fidelity::Exact => world.modules.get(..1).unwrap_or_default(),
        Fidelity::Mended => &world.modules,
    };
    let mut write = |kind, segment: (Addr, Addr), mask| -> Result<(), WalkError> {
        let begun = Segment::read(world, kind, segment, mask);
        match gaps.unless("the data or bss segment", segment.0, begun)? {
            Some(segment) => segment.write(world, sink),
            None => Ok(()),
        }
    };
    for module in modules {
        // The collector never looks at one that failed to load, and nor does the runtime: its
        // masks are not made (runtime/symtab.go: `modulesinit`).
        if fidelity == Fidelity::Mended && module.bad {
            continue;
        }
        write(LargeKind::Data, module.data, module.data_mask)?;
        write(LargeKind::Bss, module.bss, module.bss_mask)?;
    }
    Ok(())
}

/// A segment that is about to be written.
struct Segment<'t> {
    kind: LargeKind,
    start: Addr,
    size: u64,
    bits: u64,
    mask: Vec<u8>,
    // Straight from the target: the cache of pages is for small reads.
    pieces: Pieces<'t>,
}

impl<'t> Segment<'t> {
    const WHAT: &'static str = "the data or bss segment";

    fn read(
        world: &World<'t>,
        kind: LargeKind,
        (start, end): (Addr, Addr),
        (bits, mask): (u64, Addr),
    ) -> Result<Segment<'t>, WalkError> {
        let implausible = |found, expected| WalkError::Implausible {
            what: Self::WHAT,
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
        let pieces = Pieces::new(world.target, start, size);
        if size > 0 {
            pieces.probe().doing(Self::WHAT)?;
        }
        Ok(Segment {
            kind,
            start,
            size,
            bits,
            mask,
            pieces,
        })
    }

    fn write(self, world: &World<'_>, sink: &mut dyn Sink) -> Result<(), WalkError> {
        let large = Large {
            kind: self.kind,
            address: self.start.get(),
            size: self.size,
            fields: Fields::Bits {
                bits: &self.mask,
                len: self.bits as usize,
                word: world.model.word,
            },
        };
        self.pieces.write(&large, Self::WHAT, sink)
    }
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
///
/// In go1.24 cleanups stand there too, without an object and its types (runtime/mheap.go:
/// `freeSpecial`): a mended dump has a note of each.
pub(crate) fn write_finalizer_queue(
    world: &World<'_>,
    more: &[Finalizer],
    fidelity: Fidelity,
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

    let noted = fidelity == Fidelity::Mended && world.features.cleanups_queue_as_finalizers;
    let mut write = |finalizer: Finalizer| -> Result<(), WalkError> {
        sink.record(&Record::QueuedFinalizer(finalizer))?;
        let Finalizer {
            object: 0,
            closure,
            code,
            argument_type: 0,
            object_type: 0,
        } = finalizer
        else {
            return Ok(());
        };
        if noted {
            sink.note(&Note::Cleanup(annex::Cleanup {
                object: 0,
                closure,
                code,
            }))?;
        }
        Ok(())
    };
    for block in made.into_iter().rev() {
        for finalizer in block {
            write(*finalizer)?;
        }
    }
    let mut chain = Chain::new(global("runtime.allfin")?);
    while let Some(at) = chain.at() {
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
            write(Finalizer {
                object: field(entry, layout.arg)?,
                closure,
                code: world.word(Addr::new(closure), WHAT)?,
                argument_type: field(entry, layout.fint)?,
                object_type: field(entry, layout.ot)?,
            })?;
        }
        for (_, added) in additions.iter().filter(|(block, _)| *block == at) {
            for finalizer in *added {
                write(*finalizer)?;
            }
        }
        chain.follow(Addr::new(field(at, layout.alllink)?), WHAT)?;
    }
    Ok(())
}
