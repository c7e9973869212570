//! Is a dump whole, and does it make sense?
//!
//! [`verify`] reads a dump to its end. What it calls a problem is surely wrong: no Go runtime since
//! 1.5 writes it, and no reader can rely on a dump that has it. What is merely odd is no problem;
//! where the runtime's own dumps are odd, the check that one would expect is left out and the reason
//! stands in its place.

mod ranges;
mod segments;
mod spans;
mod stacks;
mod wrong;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::annex::{AnnexError, AnnexReader, Digest, Note, NoteKind};
use crate::{
    Fields, Header, Params, ReadError, Record, RecordKind, RecordSource, Segment, TypeDescriptor,
};
use ranges::Ranges;
use segments::Segments;
use spans::{Runs, Spans};
use stacks::Stacks;

pub use wrong::{Problem, Wrong};

/// How many problems are kept; the rest is counted.
const MAX_PROBLEMS: usize = 100;
/// How many addresses of a kind are remembered. No program has as many types or goroutines.
const MAX_SEEN: usize = 1 << 23;

/// What [`verify`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The format that the dump is in.
    pub header: Header,
    /// Why the dump could not be read to its end; `None` if it is whole.
    pub error: Option<ReadError>,
    /// The first problems, in the order in which they were found.
    pub problems: Vec<Problem>,
    /// How many problems there are, those that were not kept included.
    pub problem_count: u64,
    /// Checks that were given up for what memory they would have taken.
    pub unchecked: Vec<&'static str>,
    /// Bytes of the dump, up to and including its EOF record or as far as it could be read.
    pub bytes: u64,
    /// Bytes behind the EOF record.
    pub trailing: u64,
    /// Bytes in the contents of all objects.
    pub object_bytes: u64,
    /// What the annex says, as far as it could be read; `None` if there is none.
    pub annex: Option<Digest>,
    /// Why the annex could not be read to its end.
    pub annex_error: Option<AnnexError>,
    counts: [u64; RecordKind::ALL.len()],
}

impl Verdict {
    /// Whether the dump is whole and has no problem. Gaps that the annex tells of are none: they
    /// are known.
    pub fn is_sound(&self) -> bool {
        self.error.is_none() && self.annex_error.is_none() && self.problem_count == 0
    }

    /// How many records of a kind there are.
    pub fn count(&self, kind: RecordKind) -> u64 {
        self.counts
            .get(usize::from(kind.tag()))
            .copied()
            .unwrap_or_default()
    }

    /// How many records there are.
    pub fn records(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Reads a dump to its end, and what trails it, and says whether it is whole and makes sense.
///
/// It keeps 8 bytes for each run of objects that lie side by side (for a heap of 28 million objects
/// that is 224 MB at the very worst, and a few of them as a rule), and 16 for each 8 KiB in which
/// objects begin, to compare them with the annex.
pub fn verify<S: RecordSource>(mut source: S) -> Verdict {
    let mut verifier = Verifier::new(source.header());
    loop {
        // The offset is known once the record is there, and the record holds on to the source.
        let offset = source.position();
        match source.next_record() {
            Ok(Some(record)) => verifier.record(offset, &record),
            Ok(None) => break,
            Err(error) => {
                verifier.verdict.error = Some(error);
                break;
            }
        }
    }
    verifier.verdict.bytes = source.position();
    if verifier.verdict.error.is_none() {
        verifier.annex(&mut source);
    }
    match source.trailing_len() {
        Ok(len) => verifier.verdict.trailing = len,
        Err(error) => {
            verifier.verdict.error.get_or_insert(error);
        }
    }
    let mut verdict = verifier.finish();
    if let Some(again) = source.again() {
        locate(&mut verdict.problems, again);
    }
    verdict
}

/// Checks records one after the other; [`verify`] does so with a whole dump. For those who read the
/// records for something else as well, or show how far they are.
#[derive(Debug)]
pub struct Verifier {
    verdict: Verdict,
    word: Option<u64>,
    heap: Option<(u64, u64)>,
    objects: Ranges,
    runs: Runs,
    segments: Segments,
    stacks: Stacks,
    types: HashMap<u64, u64>,
    goroutines: Seen,
    threads: Seen,
    buckets: Seen,
}

impl Verifier {
    /// Nothing has been read but the header.
    pub fn new(header: Header) -> Self {
        Verifier {
            verdict: Verdict {
                header,
                error: None,
                problems: Vec::new(),
                problem_count: 0,
                unchecked: Vec::new(),
                bytes: 0,
                trailing: 0,
                object_bytes: 0,
                annex: None,
                annex_error: None,
                counts: [0; RecordKind::ALL.len()],
            },
            word: None,
            heap: None,
            objects: Ranges::default(),
            runs: Runs::default(),
            segments: Segments::default(),
            stacks: Stacks::default(),
            types: HashMap::new(),
            goroutines: Seen::default(),
            threads: Seen::default(),
            buckets: Seen::default(),
        }
    }

    /// The next record, which begins at `offset`.
    pub fn record(&mut self, offset: u64, record: &Record<'_>) {
        let at = Place {
            offset,
            kind: record.kind(),
        };
        let first = self.verdict.records() == 0;
        if let Some(count) = self.verdict.counts.get_mut(usize::from(at.kind.tag())) {
            *count += 1;
        }
        if first && at.kind != RecordKind::Params {
            self.problem(at, Wrong::BeforeParams);
        }
        match record {
            // Go 1.5 described types where it met them, between the frames too. And goheap has roots
            // without records of their own, some of which belong to a frame.
            Record::StackFrame(_)
            | Record::Defer(_)
            | Record::Panic(_)
            | Record::Type(_)
            | Record::OtherRoot(_) => {}
            _ => self.end_goroutine(),
        }
        match record {
            Record::Object(object) => {
                self.object(at, object.address, object.contents.len() as u64);
                self.fields(at, &object.fields, object.contents.len() as u64);
            }
            Record::Params(params) => self.params(at, params),
            Record::Type(descriptor) => self.describe(at, descriptor),
            Record::Itab(itab) => {
                // dumptype(nil) writes nothing.
                let known = itab.concrete_type == 0
                    || self.types.contains_key(&itab.concrete_type)
                    || self.types.len() >= MAX_SEEN;
                if !known {
                    self.problem(at, Wrong::UnknownType(itab.concrete_type));
                }
            }
            Record::Goroutine(g) => {
                if self.goroutines.has(g.address) {
                    self.problem(at, Wrong::SeenBefore(g.address));
                }
                self.stacks.begin(offset, g);
            }
            // A frame's pointers are not checked: nothing in the runtime keeps them within the contents
            // (see StackFrame::fields), nor, behind an assembly function with an odd size of
            // arguments, at words.
            Record::StackFrame(frame) => {
                let wrong = self.stacks.frame(frame);
                self.problems(at, wrong);
            }
            Record::Defer(d) => {
                let wrong = self.stacks.defer(offset, d);
                self.problems(at, wrong);
            }
            Record::Panic(p) => {
                let wrong = self.stacks.panic(offset, p);
                self.problems(at, wrong);
            }
            Record::OsThread(thread) => {
                if self.threads.has(thread.address) {
                    self.problem(at, Wrong::SeenBefore(thread.address));
                }
            }
            Record::Data(segment) | Record::Bss(segment) => self.segment(at, segment),
            Record::MemStats(_) => self.once(at),
            Record::Finalizer(finalizer) => self.in_heap(at, finalizer.object),
            // runtime/mheap.go, go1.24: freeSpecial queues a cleanup with a nil object
            Record::QueuedFinalizer(finalizer) if finalizer.object == 0 => {}
            Record::QueuedFinalizer(finalizer) => self.in_heap(at, finalizer.object),
            Record::MemProf(bucket) => {
                if self.buckets.has(bucket.bucket) {
                    self.problem(at, Wrong::SeenBefore(bucket.bucket));
                }
            }
            Record::AllocSample(sample) => {
                self.in_heap(at, sample.object);
                if !self.buckets.may_have(sample.bucket) {
                    self.problem(at, Wrong::UnknownBucket(sample.bucket));
                }
            }
            Record::OtherRoot(_) => {}
            Record::Eof => self.eof(at),
        }
    }

    /// Reads the annex of a dump that was read to its EOF record, and compares the dump with it.
    pub fn annex<S: RecordSource>(&mut self, source: &mut S) {
        let mut reader = match AnnexReader::behind(source) {
            Ok(Some(reader)) => reader,
            // What other programs append is none of ours.
            Ok(None) | Err(AnnexError::NotAnnex { .. }) => return,
            Err(error) => {
                self.verdict.annex_error = Some(error);
                return;
            }
        };
        let mut digest = Digest::default();
        let mut spans = Spans::default();
        let read = digest.read(&mut reader, |offset, note| {
            if let Note::Span(span) = note {
                spans.add(offset, span);
            }
        });
        let end = reader.position();
        match read.and_then(|()| reader.behind_end()) {
            Ok(0) => {}
            Ok(bytes) => self.annex_problem(end, Wrong::BehindAnnex(bytes)),
            Err(error) => self.verdict.annex_error = Some(error),
        }
        for kind in [NoteKind::Program, NoteKind::Capture] {
            if digest.rows(kind) > 1 {
                self.annex_problem(end, Wrong::SecondRow(kind.name()));
            }
        }
        let whole = self.verdict.annex_error.is_none();
        if whole && digest.rows(NoteKind::Span) > 0 {
            if self.runs.is_full() || spans.is_full() {
                let what = "whether objects lie in the spans of the annex";
                self.verdict.unchecked.push(what);
            } else {
                let runs = std::mem::take(&mut self.runs);
                spans.compare(runs, |offset, kind, what| {
                    self.add(Problem { offset, kind, what });
                });
            }
        }
        self.verdict.annex = Some(digest);
    }

    fn annex_problem(&mut self, offset: u64, what: Wrong) {
        self.add(Problem {
            offset: Some(offset),
            kind: None,
            what,
        });
    }

    /// What was found. [`Verdict::bytes`], [`Verdict::trailing`] and [`Verdict::error`] are for the
    /// one who read the records to set.
    pub fn finish(mut self) -> Verdict {
        self.end_goroutine();
        let checks = [
            (self.objects.is_full(), "whether objects overlap"),
            (self.types.len() >= MAX_SEEN, "types"),
            (self.goroutines.is_full(), "whether goroutines repeat"),
            (self.threads.is_full(), "whether threads repeat"),
            (self.buckets.is_full(), "buckets of the memory profile"),
        ];
        let given_up = checks.into_iter().filter(|(full, _)| *full);
        self.verdict
            .unchecked
            .extend(given_up.map(|(_, what)| what));

        let (overlaps, count) = std::mem::take(&mut self.objects).overlaps(MAX_PROBLEMS);
        let kept = overlaps.len() as u64;
        for address in overlaps {
            self.add(Problem {
                offset: None,
                kind: Some(RecordKind::Object),
                what: Wrong::Overlap(address),
            });
        }
        self.verdict.problem_count += count - kept;
        self.verdict
    }

    fn params(&mut self, at: Place, params: &Params<'_>) {
        self.once(at);
        match params.pointer_size {
            4 | 8 => self.word = Some(params.pointer_size),
            size => self.problem(at, Wrong::PointerSize(size)),
        }
        if params.heap_start <= params.heap_end {
            self.heap = Some((params.heap_start, params.heap_end));
        } else {
            self.problem(
                at,
                Wrong::HeapBounds {
                    start: params.heap_start,
                    end: params.heap_end,
                },
            );
        }
    }

    fn object(&mut self, at: Place, address: u64, len: u64) {
        self.verdict.object_bytes = self.verdict.object_bytes.saturating_add(len);
        if !self.is_in_heap(address, len) {
            self.problem(at, Wrong::OutsideHeap { address, len });
        }
        if self.word.is_some_and(|word| !address.is_multiple_of(word)) {
            self.problem(at, Wrong::Unaligned(address));
        }
        if len == 0 {
            self.problem(at, Wrong::Empty(address));
        } else if !self.objects.add(address, len) {
            self.problem(at, Wrong::Overlap(address));
        }
        self.runs.add(address, len);
    }

    fn segment(&mut self, at: Place, segment: &Segment<'_>) {
        // The runtime writes one of each. Programs with plugins have more, and goheap writes all.
        let len = segment.contents.len() as u64;
        if let Some(other) = self.segments.add(segment.address, len) {
            let address = segment.address;
            self.problem(at, Wrong::SegmentOverlap { address, other });
        }
        self.fields(at, &segment.fields, len);
    }

    fn fields(&mut self, at: Place, fields: &Fields<'_>, len: u64) {
        let Some(word) = self.word else { return };
        let mut before = None;
        for (_, offset) in fields {
            let outside = offset.checked_add(word).is_none_or(|end| end > len);
            if outside {
                self.problem(at, Wrong::PointerOutside { at: offset, len });
            }
            if !offset.is_multiple_of(word) {
                self.problem(at, Wrong::PointerUnaligned(offset));
            }
            if let Some(before) = before.filter(|before| offset <= *before) {
                self.problem(at, Wrong::PointerOrder { at: offset, before });
            }
            before = Some(offset);
        }
    }

    fn describe(&mut self, at: Place, descriptor: &TypeDescriptor<'_>) {
        let mut hasher = DefaultHasher::new();
        (descriptor.size, descriptor.name, descriptor.indirect).hash(&mut hasher);
        let hash = hasher.finish();
        match self.types.get(&descriptor.address) {
            // Types may repeat: the runtime's cache of those it has written is small.
            Some(before) if *before == hash => {}
            Some(_) => self.problem(at, Wrong::TypeChanged(descriptor.address)),
            None if self.types.len() < MAX_SEEN => {
                self.types.insert(descriptor.address, hash);
            }
            None => {}
        }
    }

    fn eof(&mut self, at: Place) {
        for kind in [
            RecordKind::Params,
            RecordKind::Data,
            RecordKind::Bss,
            RecordKind::MemStats,
        ] {
            if self.verdict.count(kind) == 0 {
                self.problem(Place { kind, ..at }, Wrong::Missing);
            }
        }
    }

    fn once(&mut self, at: Place) {
        if self.verdict.count(at.kind) > 1 {
            self.problem(at, Wrong::Repeated);
        }
    }

    /// Whether `len` bytes at `address` are within the heap, as far as that is known.
    fn is_in_heap(&self, address: u64, len: u64) -> bool {
        self.heap.is_none_or(|(start, end)| {
            let last = address.checked_add(len);
            start <= address && address < end && last.is_some_and(|last| last <= end)
        })
    }

    fn in_heap(&mut self, at: Place, address: u64) {
        if !self.is_in_heap(address, 0) {
            self.problem(at, Wrong::NotInHeap(address));
        }
    }

    fn end_goroutine(&mut self) {
        for (offset, kind, what) in self.stacks.end().into_iter().flatten() {
            self.problem(Place { offset, kind }, what);
        }
    }

    fn problems(&mut self, at: Place, wrong: [Option<Wrong>; 2]) {
        for what in wrong.into_iter().flatten() {
            self.problem(at, what);
        }
    }

    #[cold]
    fn problem(&mut self, at: Place, what: Wrong) {
        self.add(Problem {
            offset: Some(at.offset),
            kind: Some(at.kind),
            what,
        });
    }

    fn add(&mut self, problem: Problem) {
        self.verdict.problem_count += 1;
        if self.verdict.problems.len() < MAX_PROBLEMS {
            self.verdict.problems.push(problem);
        }
    }
}

/// A record: where it begins and what it is.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    kind: RecordKind,
}

/// Addresses that had a record, as many as are remembered.
#[derive(Debug, Default)]
struct Seen(HashSet<u64>);

impl Seen {
    /// Whether it was there before; it is from now on.
    fn has(&mut self, address: u64) -> bool {
        if self.is_full() {
            return self.0.contains(&address);
        }
        !self.0.insert(address)
    }

    /// Whether it is there, or was perhaps forgotten.
    fn may_have(&self, address: u64) -> bool {
        self.is_full() || self.0.contains(&address)
    }

    fn is_full(&self) -> bool {
        self.0.len() >= MAX_SEEN
    }
}

/// Some problems show when all objects are known. A second pass tells where those objects' records
/// are.
fn locate<S: RecordSource>(problems: &mut [Problem], mut source: S) {
    let address = |problem: &Problem| match problem.what {
        Wrong::Overlap(address) | Wrong::NoSpan(address) | Wrong::NotOfSpan { address, .. } => {
            problem.offset.is_none().then_some(address)
        }
        _ => None,
    };
    let mut wanted: HashMap<u64, Option<u64>> = problems
        .iter()
        .filter_map(address)
        .map(|address| (address, None))
        .collect();
    if wanted.is_empty() {
        return;
    }
    loop {
        let offset = source.position();
        match source.next_record() {
            Ok(Some(Record::Object(object))) => {
                // Of two at one address, the later one is in the other's place.
                if let Some(place) = wanted.get_mut(&object.address) {
                    *place = Some(offset);
                }
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    for problem in problems {
        if let Some(address) = address(problem) {
            problem.offset = wanted.get(&address).copied().flatten();
        }
    }
}
