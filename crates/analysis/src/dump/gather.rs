//! What the records of a dump say, as they are read one after the other.

use goheap_format::{MemStats, Record};
use goheap_memory::{ByteOrder, DataModel};

use super::described::{Described, described};
use super::runs::{Runs, TooMany};
use super::text::Texts;
use super::{Frame, Goroutine, Params, SegmentAt};

/// Those of a goroutine's states in which it waits (runtime/runtime2.go, go1.27: `_Gwaiting`,
/// `_Gpreempted`, `_Gleaked`; the last from go1.26, its number unused before).
const WAITING: [u64; 3] = [4, 9, 10];

/// Beside its state: somebody looks at its stack (the same file: `_Gscan`).
const SCANNED: u64 = 0x1000;

/// A pointer of a root that is neither data, bss nor a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Other {
    pub(super) from: From,
    pub(super) target: u64,
    /// The object that it is about; 0 for none.
    pub(super) of: u64,
    /// Address of the descriptor of the type of a pointer to that object; 0 if the record tells none.
    pub(super) ty: u64,
}

/// Where such a pointer is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The goroutine of that place in the list: its context, a deferred call, a panic.
    Goroutine(u32),
    Finalizer,
    QueuedFinalizer,
    /// A root record.
    Described(Described),
}

/// What the records say.
pub(super) struct Gathered<'a> {
    data: &'a [u8],
    texts: Texts<'a>,
    pub(super) params: Option<Params>,
    pub(super) runs: Runs,
    pub(super) goroutines: Vec<Goroutine>,
    pub(super) frames: Vec<Frame>,
    pub(super) segments: Vec<SegmentAt>,
    pub(super) others: Vec<Other>,
    pub(super) mem_stats: Option<Box<MemStats>>,
    /// Frames before the first goroutine.
    pub(super) stray_frames: u64,
}

impl<'a> Gathered<'a> {
    /// Nothing yet, of the dump `data`.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Gathered {
            data,
            texts: Texts::default(),
            params: None,
            runs: Runs::default(),
            goroutines: Vec::new(),
            frames: Vec::new(),
            segments: Vec::new(),
            others: Vec::new(),
            mem_stats: None,
            stray_frames: 0,
        }
    }

    /// How many bytes the dump has.
    pub(super) fn len(&self) -> u64 {
        self.data.len() as u64
    }

    /// Takes the record that begins at `offset`.
    #[inline]
    pub(super) fn take(&mut self, offset: u64, record: Record<'a>) -> Result<(), TooMany> {
        match record {
            Record::Object(object) => self.runs.take(
                object.address,
                object.contents.len() as u64,
                offset,
                !object.fields.is_empty(),
            ),
            other => {
                self.take_other(offset, other);
                Ok(())
            }
        }
    }

    #[inline(never)]
    fn take_other(&mut self, offset: u64, record: Record<'a>) {
        let goroutine = (self.goroutines.len() as u32).wrapping_sub(1);
        let mut other = |from, target, of, ty| {
            if target != 0 || of != 0 {
                let other = Other {
                    from,
                    target,
                    of,
                    ty,
                };
                self.others.push(other);
            }
        };
        match record {
            Record::Params(params) => {
                self.params = Some(Params {
                    model: DataModel {
                        word: if params.pointer_size == 4 { 4 } else { 8 },
                        byte_order: if params.big_endian {
                            ByteOrder::Big
                        } else {
                            ByteOrder::Little
                        },
                    },
                    heap: (params.heap_start, params.heap_end),
                    go_version: String::from_utf8_lossy(params.go_version).into_owned(),
                });
            }
            Record::Goroutine(goroutine) => {
                let number = self.goroutines.len() as u32;
                other(From::Goroutine(number), goroutine.context, 0, 0);
                let here = self.frames.len();
                // What else it says is why it waited the last time.
                let waits = WAITING.contains(&(goroutine.status & !SCANNED));
                self.goroutines.push(Goroutine {
                    address: goroutine.address,
                    id: goroutine.id,
                    status: goroutine.status,
                    system: goroutine.system,
                    wait_reason: self.texts.of(match waits {
                        true => goroutine.wait_reason,
                        false => b"",
                    }),
                    waiting_since: if waits { goroutine.waiting_since } else { 0 },
                    created_at: goroutine.created_at,
                    m: goroutine.m,
                    frames: here..here,
                });
            }
            Record::StackFrame(frame) => match self.goroutines.last_mut() {
                None => self.stray_frames += 1,
                Some(of) => {
                    self.frames.push(Frame {
                        record: offset,
                        goroutine,
                        sp: frame.sp,
                        len: frame.contents.len() as u64,
                        entry: frame.entry,
                        pc: frame.pc,
                        function: self.texts.of(frame.function),
                    });
                    of.frames.end = self.frames.len();
                }
            },
            Record::Data(segment) | Record::Bss(segment) => {
                let place = |part: &[u8]| (part.as_ptr() as usize) - (self.data.as_ptr() as usize);
                self.segments.push(SegmentAt {
                    record: offset,
                    address: segment.address,
                    len: segment.contents.len() as u64,
                    contents: place(segment.contents) as u64,
                });
            }
            // The records too, where they are objects: the goroutine leads to them, and not only by
            // its `g`, which the runtime's list of all of them leads to.
            Record::Defer(defer) => {
                other(From::Goroutine(goroutine), defer.closure, 0, 0);
                other(From::Goroutine(goroutine), defer.address, 0, 0);
            }
            Record::Panic(panic) => {
                other(From::Goroutine(goroutine), panic.value_data, 0, 0);
                other(From::Goroutine(goroutine), panic.address, 0, 0);
            }
            Record::Finalizer(f) => other(From::Finalizer, f.closure, f.object, f.object_type),
            Record::QueuedFinalizer(f) => {
                other(From::QueuedFinalizer, f.closure, 0, 0);
                other(From::QueuedFinalizer, f.object, 0, f.object_type);
            }
            Record::OtherRoot(root) => {
                let (described, of) = described(root.description);
                other(From::Described(described), root.target, of, 0);
            }
            Record::MemStats(stats) => self.mem_stats = Some(stats),
            Record::Object(_)
            | Record::Eof
            | Record::Type(_)
            | Record::Itab(_)
            | Record::OsThread(_)
            | Record::MemProf(_)
            | Record::AllocSample(_) => {}
        }
    }
}

/// What a dump without params is taken for.
pub(super) fn no_params() -> Params {
    Params {
        model: DataModel {
            word: 8,
            byte_order: ByteOrder::Little,
        },
        heap: (0, 0),
        go_version: String::new(),
    }
}
