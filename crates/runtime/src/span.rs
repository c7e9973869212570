//! `runtime.mspan`: a run of pages with objects of one size.

use goheap_golang::{HeapBits, LayoutError, Place, Structs};
use goheap_memory::{Addr, DataModel, Memory};

use crate::arena::Arenas;
use crate::error::Doing;
use crate::{WalkError, World, limit};

/// Bytes of a page of the heap (runtime/sizeclasses.go: `_PageShift`, all versions).
pub(crate) const PAGE: u64 = 8192;

/// `mSpanInUse` (runtime/mheap.go, all versions).
const IN_USE: u64 = 1;

/// More bytes than an `mspan` has in any version (160 in go1.27).
const MSPAN_MOST: usize = 512;

/// Where the fields of `mspan` are.
#[derive(Debug)]
pub(crate) struct SpanLayout {
    size: u64,
    start_addr: Place,
    npages: Place,
    state: Place,
    elem_size: Place,
    nelems: Place,
    free_index: Place,
    free_index_for_scan: Option<Place>,
    alloc_count: Place,
    alloc_bits: Place,
    mark_bits: Place,
    sweepgen: Place,
    spanclass: Place,
    specials: Place,
    large_type: Option<Place>,
}

impl SpanLayout {
    pub(crate) fn new(structs: &Structs<'_>, heap_bits: HeapBits) -> Result<Self, WalkError> {
        const MSPAN: &str = "runtime.mspan";
        let place = |path: &str| structs.place(MSPAN, path);
        let size = structs.size(MSPAN)?;
        let layout = SpanLayout {
            size,
            start_addr: place("startAddr")?,
            npages: place("npages")?,
            state: structs.first(MSPAN, &["state.s.value", "state.s"])?,
            elem_size: place("elemsize")?,
            nelems: place("nelems")?,
            free_index: place("freeindex")?,
            free_index_for_scan: structs.optional(MSPAN, "freeIndexForScan"),
            alloc_count: place("allocCount")?,
            alloc_bits: place("allocBits")?,
            mark_bits: place("gcmarkBits")?,
            sweepgen: place("sweepgen")?,
            spanclass: place("spanclass")?,
            specials: place("specials")?,
            large_type: match heap_bits {
                HeapBits::Headers => Some(place("largeType")?),
                HeapBits::ArenaPairs | HeapBits::ArenaBitmap => None,
            },
        };
        // `SpanTable::read` slices by these, so that layouts from outside must not lie.
        let fits = |place: Place| {
            (1..=8).contains(&place.size) && place.offset.saturating_add(place.size) <= size
        };
        let required = [
            layout.start_addr,
            layout.npages,
            layout.state,
            layout.elem_size,
            layout.nelems,
            layout.free_index,
            layout.alloc_count,
            layout.alloc_bits,
            layout.mark_bits,
            layout.sweepgen,
            layout.spanclass,
            layout.specials,
        ];
        let optional = [layout.free_index_for_scan, layout.large_type];
        if size as usize > MSPAN_MOST
            || !required
                .into_iter()
                .chain(optional.into_iter().flatten())
                .all(fits)
        {
            return Err(WalkError::Layout(LayoutError::Unexpected {
                strukt: MSPAN.to_owned(),
                path: "its fields".to_owned(),
                expected: "inside of the struct",
            }));
        }
        Ok(layout)
    }
}

/// A span in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Its `mspan`.
    pub(crate) at: Addr,
    /// Its first byte.
    pub(crate) base: Addr,
    /// Bytes of all its pages.
    pub(crate) bytes: u64,
    /// Bytes of an object.
    pub(crate) elem_size: u64,
    /// Objects that fit, by the allocator's account.
    pub(crate) nelems: u64,
    pub(crate) free_index: u64,
    /// `None` in early patch releases of go1.19.
    pub(crate) free_index_for_scan: Option<u64>,
    /// How many objects are in it by the runtime's own count, those included that the sweeper will
    /// free.
    pub(crate) alloc_count: u64,
    pub(crate) alloc_bits: Addr,
    pub(crate) mark_bits: Addr,
    pub(crate) sweepgen: u32,
    pub(crate) spanclass: u8,
    /// Head of its list of specials.
    pub(crate) specials: Addr,
    /// Type of its one large object.
    pub(crate) large_type: Addr,
}

impl Span {
    /// A span of one page with objects of `elem_size` bytes.
    #[cfg(test)]
    pub(crate) fn for_tests(elem_size: u64) -> Span {
        Span {
            at: Addr::NIL,
            base: Addr::new(0xc0_0000_0000),
            bytes: PAGE,
            elem_size,
            nelems: PAGE / elem_size,
            free_index: 0,
            free_index_for_scan: None,
            alloc_count: 0,
            alloc_bits: Addr::NIL,
            mark_bits: Addr::NIL,
            sweepgen: 0,
            spanclass: 2,
            specials: Addr::NIL,
            large_type: Addr::NIL,
        }
    }

    /// Whether its objects have no pointers (runtime/mheap.go: `spanClass.noscan`).
    pub(crate) fn noscan(&self) -> bool {
        self.spanclass & 1 != 0
    }

    /// 0 for a large object.
    pub(crate) fn size_class(&self) -> u8 {
        self.spanclass >> 1
    }

    /// Number of objects that the runtime's dumper takes it to hold, phantoms included
    /// (runtime/heapdump.go: `dumpobjs`).
    pub(crate) fn dumped_elems(&self) -> u64 {
        self.bytes / self.elem_size
    }

    /// The start of object `index`.
    pub(crate) fn object(&self, index: u64) -> Addr {
        self.base.offset(index.wrapping_mul(self.elem_size))
    }
}

/// All spans, in the order of `mheap_.allspans`.
#[derive(Debug)]
pub(crate) struct SpanTable<'a> {
    layout: SpanLayout,
    arenas: &'a Arenas,
    model: DataModel,
    list: Addr,
    count: u64,
}

impl<'a> SpanTable<'a> {
    pub(crate) fn new(world: &World<'_>, arenas: &'a Arenas) -> Result<Self, WalkError> {
        let heap = world.global("runtime.mheap_")?;
        let allspans = world.structs.offset("runtime.mheap", "allspans")?;
        let (list, count) = world.slice(heap.offset(allspans), "mheap_.allspans")?;
        if count > limit::SPANS {
            return Err(WalkError::Implausible {
                what: "length of mheap_.allspans",
                at: heap.offset(allspans),
                found: count,
                expected: "fewer spans",
            });
        }
        Ok(SpanTable {
            layout: SpanLayout::new(&world.structs, world.features.heap_bits)?,
            arenas,
            model: world.model,
            list,
            count,
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// The `mspan` of span number `index`.
    pub(crate) fn address(&self, world: &World<'_>, index: u64) -> Result<Addr, WalkError> {
        let at = self.list.offset(index.wrapping_mul(self.model.word_size()));
        world.ptr(at, "an entry of mheap_.allspans")
    }

    /// Reads the span whose `mspan` is at `at`; `None` if it is not in use.
    pub(crate) fn read(&self, world: &World<'_>, at: Addr) -> Result<Option<Span>, WalkError> {
        let layout = &self.layout;
        let mut bytes = [0_u8; MSPAN_MOST];
        let bytes = &mut bytes[..layout.size as usize];
        world.memory.read(at, bytes).doing("an mspan")?;
        let field = |place: Place| -> u64 {
            let start = place.offset as usize;
            self.model.uint(&bytes[start..start + place.size as usize])
        };
        if field(layout.state) != IN_USE {
            return Ok(None);
        }
        let span = Span {
            at,
            base: Addr::new(field(layout.start_addr)),
            bytes: field(layout.npages).saturating_mul(PAGE),
            elem_size: field(layout.elem_size),
            nelems: field(layout.nelems),
            free_index: field(layout.free_index),
            free_index_for_scan: layout.free_index_for_scan.map(field),
            alloc_count: field(layout.alloc_count),
            alloc_bits: Addr::new(field(layout.alloc_bits)),
            mark_bits: Addr::new(field(layout.mark_bits)),
            sweepgen: field(layout.sweepgen) as u32,
            spanclass: field(layout.spanclass) as u8,
            specials: Addr::new(field(layout.specials)),
            large_type: layout
                .large_type
                .map_or(Addr::NIL, |place| Addr::new(field(place))),
        };
        if !span.base.get().is_multiple_of(PAGE) || !self.arenas.cover(span.base, span.bytes) {
            return Err(WalkError::Implausible {
                what: "the first page of an mspan",
                at,
                found: span.base.get(),
                expected: "its pages inside of the heap's arenas",
            });
        }
        let plausible = span.elem_size > 0
            && span.elem_size <= span.bytes
            && span.nelems <= span.dumped_elems()
            // A span of class 0 has one object (runtime/mheap.go: `mheap.initSpan`).
            && match span.size_class() {
                0 => span.nelems <= 1,
                _ => span.bytes <= 1 << 20,
            };
        if !plausible {
            return Err(WalkError::Implausible {
                what: "the element size of an mspan",
                at,
                found: span.elem_size,
                expected: "one that fits its pages and its class",
            });
        }
        Ok(Some(span))
    }
}
