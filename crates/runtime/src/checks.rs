//! What the runtime says twice is compared while walking: a difference is a gap with its address.
//!
//! None of these checks fails in a world that was stopped at a safe moment. In one that was not, or
//! in damaged memory, a failed check tells where the dump may lack something.

use goheap_memory::Addr;

use crate::arena::Arenas;
use crate::error::Doing;
use crate::gap::Gaps;
use crate::span::{PAGE, Span, SpanTable};
use crate::sweep::SpanState;
use crate::{WalkError, World, limit};

/// What is to be said of the moment at which `span` was seen, and whether its objects are as many
/// as the allocator has counted.
pub(crate) fn check_state(gaps: &mut Gaps, span: &Span, state: &SpanState) {
    if state.in_sweep {
        let why = "it was being swept: objects that are dead may be among the living";
        gaps.add("a span in mid-sweep", span.base, why);
    }
    for index in &state.in_flight {
        let why = "it was being allocated: its contents are of its previous life";
        gaps.add("an object in flight", span.object(*index), why);
    }
    if let Some(count) = state.counted(span)
        && count != span.alloc_count
    {
        let why = format_args!("{count} by its bits, {} by its count", span.alloc_count);
        gaps.add("how many objects a span has", span.base, why);
    }
}

/// The pages of all spans in use, to be compared with what the arenas say of them.
#[derive(Debug, Default)]
pub(crate) struct SpanPages {
    /// First page, bytes, and the `mspan`.
    spans: Vec<(Addr, u64, Addr)>,
}

impl SpanPages {
    /// Adds a span of `mheap_.allspans` that is in use.
    pub(crate) fn add(&mut self, span: &Span) {
        self.spans.push((span.base, span.bytes, span.at));
    }

    /// Compares: `heapArena.spans` leads from each page of a span to its `mspan` (runtime/mheap.go:
    /// `mheap.setSpans`); `heapArena.pageInUse` has a bit for the first page of each span in use and
    /// for no other (`mheap.initSpan`, `mheap.freeSpanLocked`); no page is in two spans.
    ///
    /// In the middle of `initSpan` or `freeSpanLocked` a span is in use by itself and not yet, or no
    /// longer, by its arena: that loses nothing, and is told.
    ///
    /// A user arena's chunk that was freed keeps its bit (runtime/mgcsweep.go, go1.20:
    /// `isUserArenaChunk`).
    pub(crate) fn check(
        mut self,
        world: &World<'_>,
        arenas: &Arenas,
        table: &SpanTable<'_>,
        gaps: &mut Gaps,
    ) -> Result<(), WalkError> {
        self.spans.sort_unstable();
        for pair in self.spans.windows(2) {
            if pair[0].0.offset(pair[0].1) > pair[1].0 {
                let why = format_args!("it overlaps the span at {}", pair[0].0);
                gaps.add("a span by its arena", pair[1].0, why);
            }
        }
        let in_use = world.structs.place("runtime.heapArena", "pageInUse")?;
        let user_arena = world.structs.optional("runtime.mspan", "isUserArenaChunk");
        let word = world.model.word_size() as usize;
        let pages = arenas.pages();
        if pages > limit::ARENA_PAGES {
            return Err(WalkError::Implausible {
                what: "pages of a heapArena",
                at: Addr::NIL,
                found: pages,
                expected: "fewer",
            });
        }
        let mut entries = vec![0; pages as usize * word];
        let mut bits = vec![0; in_use.size.min(pages.div_ceil(8)) as usize];
        for (base, arena) in arenas.each() {
            // Straight from the target: it would throw everything else out of the cache.
            let read = world
                .target
                .read(arena.offset(arenas.spans_offset()), &mut entries);
            let read = read.and_then(|()| {
                let at = arena.offset(in_use.offset);
                world.target.read(at, &mut bits)
            });
            if let Err(fault) = read {
                gaps.add("which spans an arena has", base, fault);
                continue;
            }
            let entry = |page: u64| -> Addr {
                let bytes = entries.get(page as usize * word..).unwrap_or_default();
                Addr::new(bytes.get(..word).map_or(0, |bytes| world.model.uint(bytes)))
            };
            let end = base.offset(pages * PAGE);
            // Spans that begin in this arena, and the one that reaches into it from below.
            let first = self.spans.partition_point(|span| span.0 < base);
            // An arena at the end of the address space ends at 0.
            let last = self.spans.partition_point(|span| span.0 < end).max(first);
            for (start, bytes, at) in &self.spans[first.saturating_sub(1)..last] {
                let page_of = |at: Addr| at.since(base).unwrap_or_default() / PAGE;
                let from = page_of((*start).max(base));
                let to = page_of(start.offset(*bytes).min(end));
                if let Some(page) = (from..to).find(|page| entry(*page) != *at) {
                    let why = format_args!("its arena has {} there, not {at}", entry(page));
                    gaps.add("a page of a span", base.offset(page * PAGE), why);
                }
            }
            let mut listed = self.spans[first..last].iter().peekable();
            for page in 0..pages {
                let start = base.offset(page * PAGE);
                let byte = bits.get((page / 8) as usize).copied().unwrap_or(0);
                let used = byte >> (page % 8) & 1 != 0;
                let mut known = false;
                while listed.next_if(|span| span.0 <= start).is_some() {
                    known = true;
                }
                if known && !used {
                    let why = "its arena says that it is not in use";
                    gaps.add("a span by its arena", start, why);
                }
                if used && !known {
                    let at = entry(page);
                    let freed_chunk = user_arena.is_some_and(|place| {
                        world.field(at, place, "an mspan").is_ok_and(|is| is != 0)
                            && matches!(table.read(world, at), Ok(None))
                    });
                    if !freed_chunk {
                        let why = format_args!(
                            "its arena says that it is in use, and no span in use begins there \
                             (mspan {at})"
                        );
                        gaps.add("a span by its arena", start, why);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Checks what never changes once the runtime is up: each P has its own number (runtime/proc.go:
/// `procresize`), and each central list its own class (runtime/mheap.go: `mheap.init`).
pub(crate) fn check_constants(world: &World<'_>, gaps: &mut Gaps) -> Result<(), WalkError> {
    const ALLP: &str = "runtime.allp";
    let (list, count) = world.slice(world.global(ALLP)?, ALLP)?;
    let id = world.structs.place("runtime.p", "id")?;
    for i in 0..count.min(limit::PROCS) {
        let p = world.ptr(list.offset(i * world.model.word_size()), ALLP)?;
        let found = world.field(p, id, "p.id")?;
        if found != i {
            let why = format_args!("it is number {i} of the list, and says {found}");
            gaps.add("a P", p, why);
        }
    }
    let heap = world.global("runtime.mheap_")?;
    let central = world.structs.elements("runtime.mheap", "central")?;
    if central.count == 0 {
        return Ok(());
    }
    let class = world
        .structs
        .place("runtime.mheap", "central[0].mcentral.spanclass")?;
    for i in 0..central.count.min(limit::SPAN_CLASSES) {
        let at = heap.offset(class.offset + i * central.stride);
        let found = world
            .model
            .read_uint(&world.memory, at, class.size as usize)
            .doing("mheap_.central")?;
        if found != i {
            let why = format_args!("it is number {i} of them, and says {found}");
            gaps.add("a central list of spans", at, why);
        }
    }
    Ok(())
}
