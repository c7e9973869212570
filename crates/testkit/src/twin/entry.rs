//! What may differ between what is seen at the entry of the runtime's writer and what it writes: the
//! runtime's own books, which the writer itself keeps on the way.

use super::Allowed;
use crate::second_reader::{Dump, Record};
use crate::symbols::Symbols;

/// The function whose frame holds the memstats that the writer fills (runtime/heapdump.go).
const WRITER: &[u8] = b"runtime/debug.WriteHeapDump";

impl Allowed {
    /// What may differ in an entry twin; `dump` is what the second reader makes of the runtime's
    /// `bytes`.
    ///
    /// Between the entry and the end of its dump the runtime flushes each `p`'s cache, sweeps (whose
    /// spans go through the `p`'s caches and the heap's lists), and lets its goroutine wait "dumping
    /// heap". So there differ, and no more than that is forgiven:
    /// - the runtime's own globals;
    /// - the contents of its own objects on the heap: each `p`, each `m` with its `g0`, and the `g`
    ///   of the goroutine that dumps; not those of other goroutines;
    /// - of the memstats, GCSys and OtherSys by what the flush makes its lists of spans grow;
    /// - that goroutine's status and wait reason, and the frame that holds its memstats.
    ///
    /// Everything else is compared: which objects there are, their pointers and contents, types,
    /// finalizers, the queue, goroutines with their frames, threads, memstats, profile.
    pub fn at_entry(dump: &Dump, bytes: &[u8], symbols: &Symbols, load_bias: u64) -> Allowed {
        let mut allowed = Allowed {
            tmpbuf: symbols
                .named("runtime.tmpbuf")
                .map(|s| s.address.wrapping_add(load_bias)),
            ..Allowed::default()
        };
        allowed.ignored.extend(
            symbols
                .with_prefix("runtime.")
                .map(|s| (s.address.wrapping_add(load_bias), s.size)),
        );

        let memory = Memory::of(dump, bytes);
        let mut own = Vec::new();
        if let Some(allp) = symbols.named("runtime.allp") {
            let slice = allp.address.wrapping_add(load_bias);
            let (array, length) = (memory.word(slice), memory.word(slice.wrapping_add(8)));
            // More processors than that is nonsense, and no reason to loop.
            for i in 0..length.unwrap_or(0).min(1 << 16) {
                own.extend(array.and_then(|a| memory.word(a.wrapping_add(i * 8))));
            }
        }
        for m in dump.of("osthread").filter_map(|r| r.int("address")) {
            own.push(m);
            // runtime/runtime2.go, go1.19 to go1.27: g0 is the first field of m.
            own.extend(memory.word(m));
        }
        let mut goroutine = None;
        for record in &dump.records {
            match record.kind() {
                "goroutine" => goroutine = record.int("address"),
                "stackframe" if record.bytes("function", bytes) == Some(WRITER) => {
                    allowed.dumping = goroutine;
                    own.extend(goroutine);
                    if let (Some(sp), Some(frame)) =
                        (record.int("sp"), record.bytes("contents", bytes))
                    {
                        allowed.ignored.push((sp, frame.len() as u64));
                    }
                }
                _ => {}
            }
        }
        allowed
            .ignored
            .extend(own.into_iter().filter_map(|at| memory.object_at(at)));
        allowed.ignored.sort_unstable();
        allowed
    }
}

/// A dump as memory: words of its objects and segments.
struct Memory<'d> {
    /// Start and contents, by start.
    pieces: Vec<(u64, &'d [u8], bool)>,
}

impl<'d> Memory<'d> {
    fn of(dump: &Dump, bytes: &'d [u8]) -> Memory<'d> {
        let piece = |r: &Record| {
            let heap = r.kind() == "object";
            if heap || matches!(r.kind(), "data" | "bss") {
                Some((r.int("address")?, r.bytes("contents", bytes)?, heap))
            } else {
                None
            }
        };
        let mut pieces: Vec<_> = dump.records.iter().filter_map(piece).collect();
        pieces.sort_unstable_by_key(|p| p.0);
        Memory { pieces }
    }

    fn piece(&self, at: u64) -> Option<(u64, &'d [u8], bool)> {
        let next = self.pieces.partition_point(|p| p.0 <= at);
        let piece = *self.pieces.get(next.checked_sub(1)?)?;
        (at - piece.0 < piece.1.len() as u64).then_some(piece)
    }

    fn word(&self, at: u64) -> Option<u64> {
        let (start, contents, _) = self.piece(at)?;
        let offset = usize::try_from(at - start).ok()?;
        Some(u64::from_le_bytes(
            contents.get(offset..offset + 8)?.try_into().ok()?,
        ))
    }

    /// Start and length of the heap object that an address lies in.
    fn object_at(&self, at: u64) -> Option<(u64, u64)> {
        let (start, contents, heap) = self.piece(at)?;
        heap.then_some((start, contents.len() as u64))
    }
}
