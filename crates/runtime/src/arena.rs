//! `runtime.heapArena`: the heap's address space in pieces of 64 MiB (4 MiB where words have 32 bits),
//! and where each has its bookkeeping.

use goheap_golang::{Elements, HeapBits, Place};
use goheap_memory::{Addr, Memory};

use crate::error::Doing;
use crate::span::PAGE;
use crate::word_bits::by_ascending_bits;
use crate::{WalkError, World};

/// The most arenas that are believed: 2^22 of 64 MiB are all of a 48-bit address space.
const MOST: u64 = 1 << 22;

/// The arenas of a heap.
#[derive(Debug)]
pub(crate) struct Arenas {
    /// Bytes of one arena.
    bytes: u64,
    /// What the runtime takes off an address before it divides (runtime/malloc.go:
    /// `arenaBaseOffset`).
    base_offset: u64,
    /// Index and `heapArena`, ascending by index.
    list: Vec<(u64, Addr)>,
    /// Bytes from a `heapArena` to `spans`: the `*mspan` of each page.
    spans: u64,
    bitmap: Option<Bitmap>,
}

/// Where a `heapArena` has its pointer bitmap (go1.19 to go1.21).
#[derive(Debug, Clone, Copy)]
struct Bitmap {
    /// Offset of the bitmap, and bits of it for a word of the heap.
    offset: u64,
    bits_per_word: u64,
    /// Offset of `noMorePtrs`: a bit for each 64 words.
    no_more: Option<Place>,
}

/// `mheap_.arenas`: arenas by index, in two levels.
struct Table {
    heap: Addr,
    level1: Elements,
    /// Slots of a second level.
    level2: u64,
}

/// What errors say that they are about.
const TABLE: &str = "mheap_.arenas";

impl Table {
    /// The arenas of the list (of `arenaIdx`, a uint) at `place` of `mheap_`.
    fn listed(&self, world: &World<'_>, place: Place) -> Result<Vec<(u64, Addr)>, WalkError> {
        let word = world.model.word_size();
        let at = self.heap.offset(place.offset);
        let (indexes, count) = world.slice(at, TABLE)?;
        let implausible = |found| WalkError::Implausible {
            what: TABLE,
            at,
            found,
            expected: "a list of arenas",
        };
        if count > MOST {
            return Err(implausible(count));
        }
        let mut list = Vec::new();
        for i in 0..count {
            let index = world.word(indexes.offset(i * word), TABLE)?;
            let (l1, l2) = (index / self.level2, index % self.level2);
            if l1 >= self.level1.count {
                return Err(implausible(index));
            }
            let table = self.second_level(world, l1)?;
            list.push((index, world.ptr(table.offset(l2 * word), TABLE)?));
        }
        Ok(list)
    }

    /// All arenas, by looking into every slot: 32 MiB of them, most of it never touched.
    fn scan(&self, world: &World<'_>) -> Result<Vec<(u64, Addr)>, WalkError> {
        const CHUNK: u64 = 1 << 20;
        let word = world.model.word_size();
        let mut list = Vec::new();
        let mut chunk = vec![0; CHUNK as usize];
        for l1 in 0..self.level1.count.min(MOST) {
            let table = self.second_level(world, l1)?;
            let size = self.level2.min(MOST) * word;
            let mut done = 0;
            while done < size && !table.is_nil() {
                let part = &mut chunk[..(size - done).min(CHUNK) as usize];
                // Straight from the target: it would throw everything else out of the cache.
                world.target.read(table.offset(done), part).doing(TABLE)?;
                for (i, slot) in part.chunks_exact(word as usize).enumerate() {
                    let arena = Addr::new(world.model.uint(slot));
                    if !arena.is_nil() {
                        list.push((l1 * self.level2 + done / word + i as u64, arena));
                    }
                }
                done += part.len() as u64;
            }
        }
        Ok(list)
    }

    fn second_level(&self, world: &World<'_>, l1: u64) -> Result<Addr, WalkError> {
        let at = self.level1.offset + l1 * self.level1.stride;
        world.ptr(self.heap.offset(at), TABLE)
    }
}

impl Arenas {
    pub(crate) fn new(world: &World<'_>) -> Result<Arenas, WalkError> {
        const HEAP_ARENA: &str = "runtime.heapArena";
        let structs = &world.structs;
        let heap = world.global("runtime.mheap_")?;
        let spans = structs.elements(HEAP_ARENA, "spans")?;
        let level1 = structs.elements("runtime.mheap", "arenas")?;
        let bitmap = match world.features.heap_bits {
            HeapBits::ArenaPairs => Some(Bitmap {
                offset: structs.offset(HEAP_ARENA, "bitmap")?,
                bits_per_word: 2,
                no_more: None,
            }),
            // In go1.22 without malloc headers both lie in an embedded struct.
            HeapBits::ArenaBitmap => Some(Bitmap {
                offset: structs
                    .first(HEAP_ARENA, &["bitmap", "heapArenaPtrScalar.bitmap"])?
                    .offset,
                bits_per_word: 1,
                no_more: Some(
                    structs.first(HEAP_ARENA, &["noMorePtrs", "heapArenaPtrScalar.noMorePtrs"])?,
                ),
            }),
            HeapBits::Headers => None,
        };
        let mut arenas = Arenas {
            bytes: spans.count.wrapping_mul(PAGE),
            base_offset: world.arch.arena_base_offset,
            list: Vec::new(),
            spans: spans.offset,
            bitmap,
        };
        // The smallest anywhere are of 4 MiB (runtime/malloc.go: `logHeapArenaBytes`).
        if arenas.bytes < 1 << 22 {
            return Err(WalkError::Implausible {
                what: "heapArena.spans",
                at: heap,
                found: spans.count,
                expected: "512 pages or more",
            });
        }
        // The table has a slot for every arena that there could be, so take those that the heap
        // lists. `heapArenas` and `userArenaArenas` are what go1.25 made of `allArenas`.
        let table = Table {
            heap,
            level1,
            // What the first level does not tell apart (runtime/malloc.go: arenaIdx).
            level2: (1_u64 << world.arch.heap_address_bits)
                .div_ceil(arenas.bytes)
                .div_ceil(level1.count.max(1)),
        };
        if world.features.unlisted_user_arenas {
            arenas.list = table.scan(world)?;
        } else {
            let all = structs.first("runtime.mheap", &["allArenas", "heapArenas"])?;
            arenas.list = table.listed(world, all)?;
            if let Some(user) = structs.optional("runtime.mheap", "userArenaArenas") {
                arenas.list.extend(table.listed(world, user)?);
            }
        }
        arenas.list.sort_unstable();
        arenas.list.dedup();
        // One that is being added is in the list before it is in the table (runtime/malloc.go:
        // `mheap.sysAlloc`).
        arenas.list.retain(|(_, arena)| !arena.is_nil());
        // Each has its own bookkeeping, so that what is read of that is no more than there is.
        let mut own: Vec<Addr> = arenas.list.iter().map(|(_, arena)| *arena).collect();
        own.sort_unstable();
        let len = spans.count.saturating_mul(world.model.word_size());
        let overlap = |pair: &[Addr]| pair[1].since(pair[0]).is_some_and(|step| step < len);
        if let Some(pair) = own.windows(2).find(|pair| overlap(pair)) {
            return Err(WalkError::Implausible {
                what: "mheap_.arenas",
                at: heap,
                found: pair[0].get(),
                expected: "a heapArena for each arena",
            });
        }
        Ok(arenas)
    }

    /// Lowest and highest address of all arenas, as `dumpparams` tells them: 0 and 0 if there are
    /// none.
    pub(crate) fn range(&self) -> (u64, u64) {
        let base = |index: u64| {
            index
                .wrapping_mul(self.bytes)
                .wrapping_add(self.base_offset)
        };
        match (self.list.first(), self.list.last()) {
            (Some(first), Some(last)) => (base(first.0), base(last.0).wrapping_add(self.bytes)),
            _ => (0, 0),
        }
    }

    /// Bytes of all arenas: so many bytes the objects and stacks of the program have at most.
    pub(crate) fn total(&self) -> u64 {
        self.bytes.saturating_mul(self.list.len() as u64)
    }

    /// First address and `heapArena` of each, ascending.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Addr, Addr)> {
        self.list.iter().map(|(index, arena)| {
            let base = index
                .wrapping_mul(self.bytes)
                .wrapping_add(self.base_offset);
            (Addr::new(base), *arena)
        })
    }

    /// Pages of an arena.
    pub(crate) fn pages(&self) -> u64 {
        self.bytes / PAGE
    }

    /// Bytes from a `heapArena` to its `spans`.
    pub(crate) fn spans_offset(&self) -> u64 {
        self.spans
    }

    /// Whether all of the `len` bytes at `base` lie in arenas.
    pub(crate) fn cover(&self, base: Addr, len: u64) -> bool {
        let place = |at: Addr| {
            let index = at.get().wrapping_sub(self.base_offset) / self.bytes;
            let place = self.list.binary_search_by_key(&index, |arena| arena.0);
            place.ok().map(|place| (index, place as u64))
        };
        let last = len
            .checked_sub(1)
            .and_then(|rest| base.get().checked_add(rest));
        let (Some(first), Some(last)) = (place(base), last.and_then(|last| place(Addr::new(last))))
        else {
            return false;
        };
        // Without a hole between them there are as many steps in the list as in the address space.
        first <= last && last.0 - first.0 == last.1 - first.1
    }

    fn find(&self, at: Addr) -> Option<(u64, Addr)> {
        let offset = at.get().wrapping_sub(self.base_offset);
        let index = offset / self.bytes;
        let i = self
            .list
            .binary_search_by_key(&index, |arena| arena.0)
            .ok()?;
        Some((offset % self.bytes, self.list[i].1))
    }

    /// The `mspan` of the page that `at` is in (runtime/mheap.go: `spanOf`); `None` outside of the
    /// heap's arenas, nil where no span was ever.
    pub(crate) fn span_of(&self, world: &World<'_>, at: Addr) -> Result<Option<Addr>, WalkError> {
        let Some((offset, arena)) = self.find(at) else {
            return Ok(None);
        };
        let entry = self.spans + offset / PAGE * world.model.word_size();
        world.ptr(arena.offset(entry), "heapArena.spans").map(Some)
    }

    /// Reads the arena bitmap of the `len` bytes at `base` (both multiples of the page) into
    /// `bits`, and the `noMorePtrs` bits of the same into `no_more`.
    pub(crate) fn read_bitmap(
        &self,
        world: &World<'_>,
        base: Addr,
        len: u64,
        bits: &mut Vec<u8>,
        no_more: &mut Vec<u8>,
    ) -> Result<(), WalkError> {
        const WHAT: &str = "heap bitmap";
        bits.clear();
        no_more.clear();
        let Some(bitmap) = self.bitmap else {
            return Ok(());
        };
        let word = world.model.word_size();
        let mut done = 0;
        while done < len {
            let at = base.offset(done);
            let Some((offset, arena)) = self.find(at) else {
                return Err(WalkError::Implausible {
                    what: WHAT,
                    at,
                    found: at.get(),
                    expected: "an address inside of an arena",
                });
            };
            let step = (self.bytes - offset).min(len - done);
            read_append(
                world,
                arena.offset(bitmap.offset + offset / word * bitmap.bits_per_word / 8),
                step / word * bitmap.bits_per_word / 8,
                bits,
            )
            .doing(WHAT)?;
            if let Some(place) = bitmap.no_more {
                read_append(
                    world,
                    arena.offset(place.offset + offset / word / (word * 8) / 8),
                    step / word / (word * 8) / 8,
                    no_more,
                )
                .doing(WHAT)?;
            }
            done += step;
        }
        // It is an array of words up from go1.20, of bytes before.
        if bitmap.no_more.is_some() {
            by_ascending_bits(world.model, bits);
        }
        Ok(())
    }
}

fn read_append(
    world: &World<'_>,
    at: Addr,
    len: u64,
    to: &mut Vec<u8>,
) -> Result<(), goheap_memory::Fault> {
    let start = to.len();
    to.resize(start + len as usize, 0);
    world.memory.read(at, &mut to[start..])
}
