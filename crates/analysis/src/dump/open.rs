//! From bytes to an opened dump: one pass over the records, and one over the annex.

use std::collections::BTreeMap;

use goheap_format::annex::{AnnexReader, Digest};
use goheap_format::{HeaderDefect, ReadError, Reader, Record};
use goheap_golang::catalogue::Catalogue;
use goheap_memory::{ByteOrder, DataModel};

use super::index::Index;
use super::{
    Bytes, Dump, Frame, Goroutine, Params, Root, RootKind, RootPointer, SegmentAt, word_at,
};
use crate::{Interrupted, Watch};

/// How a dump is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// Take a damaged dump as far as it goes; [`Dump::missing`] tells what is not there.
    pub damaged: bool,
}

/// Why a dump cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is none, or damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More objects than can be told apart.
    #[error("the dump has more than {most} objects, which is more than goheap can analyse")]
    TooManyObjects {
        /// How many it can have.
        most: u64,
    },
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What an annex says, beside the catalogue.
#[derive(Debug, Default)]
pub struct Notes {
    /// Program, capture, gaps, counts; `None` without an annex.
    pub digest: Option<Digest>,
}

const PHASE: &str = "reading the dump";

impl Dump {
    /// Indexes the dump `bytes`.
    ///
    /// # Errors
    /// It is no dump; it is damaged, and [`OpenOptions::damaged`] was not asked for; too many
    /// objects; interrupted.
    pub fn open(bytes: Bytes, options: &OpenOptions, watch: &dyn Watch) -> Result<Dump, OpenError> {
        let mut gathered = Gathered::default();
        let mut reader = Reader::new((*bytes).as_ref())?;
        let header = reader.header();
        let total = (*bytes).as_ref().len() as u64;
        let mut missing = Vec::new();
        let mut count = 0u64;
        loop {
            let offset = reader.position();
            match reader.next_record() {
                Ok(Some(record)) => gathered.take(offset, record),
                Ok(None) => break,
                Err(error) if options.damaged => {
                    missing.push(format!("the dump is damaged: {error}"));
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            count += 1;
            if count.is_multiple_of(1 << 14) {
                watch.step(PHASE, offset, total)?;
            }
        }
        if gathered.objects.len() >= u32::MAX as usize {
            return Err(OpenError::TooManyObjects {
                most: u64::from(u32::MAX),
            });
        }
        let position = reader.position();
        let mut catalogue = Catalogue::default();
        let mut notes = Notes::default();
        if let Some(rest) = reader.trailing() {
            match AnnexReader::open(rest, position) {
                Ok(Some(mut annex)) => {
                    let read = super::annex::catalogue_of_annex(&mut annex, |_| {});
                    catalogue = read.catalogue;
                    notes.digest = Some(read.digest);
                    if let Some(error) = read.error {
                        missing.push(format!("the annex is damaged: {error}"));
                    }
                }
                Ok(None) => missing.push(
                    "the dump has no annex: types and names of variables are not known".to_owned(),
                ),
                Err(error) => missing.push(format!("the annex cannot be read: {error}")),
            }
        }
        let _ = HeaderDefect::Empty;
        Ok(gathered.into_dump(bytes, header, catalogue, notes, missing))
    }
}

/// What the records say, as it is read.
#[derive(Default)]
struct Gathered {
    params: Option<Params>,
    objects: Vec<(u64, u64, u64)>,
    goroutines: Vec<Goroutine>,
    frames: Vec<Frame>,
    segments: Vec<SegmentAt>,
    /// Pointers of roots that are neither data, bss nor frames.
    others: Vec<(RootKind, RootPointer)>,
    mem_stats: Option<Box<goheap_format::MemStats>>,
}

impl Gathered {
    fn take(&mut self, offset: u64, record: Record<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let root = |target| RootPointer {
            at: 0,
            target,
            of: 0,
        };
        let last = (self.goroutines.len() as u32).wrapping_sub(1);
        match record {
            Record::Object(object) => {
                self.objects
                    .push((object.address, object.contents.len() as u64, offset));
            }
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
                    go_version: text(params.go_version),
                });
            }
            Record::Goroutine(goroutine) => {
                let here = self.frames.len();
                self.others.push((
                    RootKind::Goroutine(last.wrapping_add(1)),
                    root(goroutine.context),
                ));
                self.goroutines.push(Goroutine {
                    address: goroutine.address,
                    id: goroutine.id,
                    status: goroutine.status,
                    system: goroutine.system,
                    wait_reason: text(goroutine.wait_reason),
                    waiting_since: goroutine.waiting_since,
                    created_at: goroutine.created_at,
                    m: goroutine.m,
                    frames: here..here,
                });
            }
            Record::StackFrame(frame) => {
                self.frames.push(Frame {
                    record: offset,
                    goroutine: last,
                    sp: frame.sp,
                    len: frame.contents.len() as u64,
                    entry: frame.entry,
                    pc: frame.pc,
                    function: text(frame.function),
                });
                if let Some(goroutine) = self.goroutines.last_mut() {
                    goroutine.frames.end = self.frames.len();
                }
            }
            Record::Data(segment) | Record::Bss(segment) => self.segments.push(SegmentAt {
                record: offset,
                address: segment.address,
                len: segment.contents.len() as u64,
            }),
            Record::Defer(defer) => self
                .others
                .push((RootKind::Goroutine(last), root(defer.closure))),
            Record::Panic(panic) => self
                .others
                .push((RootKind::Goroutine(last), root(panic.value_data))),
            Record::Finalizer(finalizer) => self.others.push((
                RootKind::Finalizers,
                RootPointer {
                    at: 0,
                    target: finalizer.closure,
                    of: finalizer.object,
                },
            )),
            Record::QueuedFinalizer(finalizer) => {
                for target in [finalizer.closure, finalizer.object] {
                    self.others.push((RootKind::QueuedFinalizers, root(target)));
                }
            }
            Record::OtherRoot(other) => self.others.push((RootKind::Other, root(other.target))),
            Record::MemStats(stats) => self.mem_stats = Some(stats),
            _ => {}
        }
    }

    fn into_dump(
        self,
        bytes: Bytes,
        header: goheap_format::Header,
        catalogue: Catalogue,
        notes: Notes,
        missing: Vec<String>,
    ) -> Dump {
        let params = self.params.unwrap_or(Params {
            model: DataModel {
                word: 8,
                byte_order: ByteOrder::Little,
            },
            heap: (0, 0),
            go_version: String::new(),
        });
        let mut dump = Dump {
            index: Index::of(self.objects, &self.frames),
            bytes,
            header,
            params,
            goroutines: self.goroutines,
            frames: self.frames,
            segments: self.segments,
            roots: Vec::new(),
            pointers: Vec::new(),
            catalogue,
            notes,
            mem_stats: self.mem_stats,
            missing,
            phantoms: 0,
        };
        let mut by_root: BTreeMap<RootKind, Vec<RootPointer>> = BTreeMap::new();
        for (kind, pointer) in self.others {
            if pointer.target != 0 {
                by_root.entry(kind).or_default().push(pointer);
            }
        }
        dump.segment_roots(&mut by_root);
        dump.frame_roots(&mut by_root);
        for (kind, pointers) in by_root {
            let from = dump.pointers.len();
            dump.pointers.extend(pointers);
            dump.roots.push(Root {
                name: dump.root_name(kind),
                kind,
                pointers: from..dump.pointers.len(),
            });
        }
        dump
    }
}

impl Dump {
    fn segment_roots(&self, by_root: &mut BTreeMap<RootKind, Vec<RootPointer>>) {
        for (segment, number) in self.segments.iter().zip(0u32..) {
            let (contents, fields) = match self.record_at(segment.record) {
                Some(Record::Data(s) | Record::Bss(s)) => (s.contents, s.fields),
                _ => continue,
            };
            for (_, offset) in fields.iter() {
                let Some(target) = word_at(self.params.model, contents, offset) else {
                    continue;
                };
                if target == 0 {
                    continue;
                }
                let at = segment.address.wrapping_add(offset);
                let kind = self
                    .catalogue
                    .variables
                    .partition_point(|v| v.address <= at)
                    .checked_sub(1)
                    .filter(|index| {
                        let variable = &self.catalogue.variables[*index];
                        at - variable.address < variable.size.max(1)
                    })
                    .map_or(RootKind::Segment(number), |index| {
                        RootKind::Global(index as u32)
                    });
                by_root
                    .entry(kind)
                    .or_default()
                    .push(RootPointer { at, target, of: 0 });
            }
        }
    }

    fn frame_roots(&self, by_root: &mut BTreeMap<RootKind, Vec<RootPointer>>) {
        for (frame, number) in self.frames.iter().zip(0u32..) {
            let Some(record) = self.frame_record(frame) else {
                continue;
            };
            for (_, offset) in record.fields.iter() {
                let Some(target) = word_at(self.params.model, record.contents, offset) else {
                    continue;
                };
                if target != 0 {
                    by_root
                        .entry(RootKind::Frame(number))
                        .or_default()
                        .push(RootPointer {
                            at: frame.sp.wrapping_add(offset),
                            target,
                            of: 0,
                        });
                }
            }
        }
    }

    fn root_name(&self, kind: RootKind) -> String {
        let index = |index: u32| index as usize;
        match kind {
            RootKind::Global(variable) => self
                .catalogue
                .variables
                .get(index(variable))
                .map(|variable| variable.name.clone())
                .unwrap_or_default(),
            RootKind::Segment(segment) => format!("data segment {segment}"),
            RootKind::Frame(frame) => self
                .frames
                .get(index(frame))
                .map(|frame| frame.function.clone())
                .unwrap_or_default(),
            RootKind::Goroutine(goroutine) => self
                .goroutines
                .get(index(goroutine))
                .map(|goroutine| format!("goroutine {}", goroutine.id))
                .unwrap_or_default(),
            RootKind::Finalizers => "finalizers".to_owned(),
            RootKind::QueuedFinalizers => "queued finalizers".to_owned(),
            RootKind::Cleanups => "cleanups".to_owned(),
            RootKind::WeakHandles => "weak handles".to_owned(),
            RootKind::TinyBlocks => "tiny blocks".to_owned(),
            RootKind::Thread(_) => "registers".to_owned(),
            RootKind::Other => "other roots".to_owned(),
        }
    }
}
