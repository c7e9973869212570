//! Writing a dump.

use std::io::{ErrorKind, Write};

use crate::{
    Arch, Fields, Finalizer, Header, MemStats, Object, Record, RecordKind, Segment, WriteError,
    fields::END_OF_LIST, varint,
};

/// Bytes that are gathered before the sink sees them.
const BUFFER: usize = 512 << 10;
/// Contents of this many bytes and more go to the sink as they are.
const BYPASS: usize = 64 << 10;
/// Contents of no more bytes than this are encoded with their record in one go.
const SMALL: usize = 1 << 10;
/// The longest record of an object with small contents, but for its tag: two numbers, the contents,
/// and pointers at every word, of which the smallest has four bytes.
const SMALL_RECORD: usize = 2 * varint::MAX_LEN + SMALL + SMALL / 4 * (1 + varint::MAX_LEN) + 1;
/// The wire's mark of a pointer in a list of fields.
const POINTER: u8 = 1;

/// Writes a dump into any [`Write`], buffered: give it the plain file or pipe.
///
/// A dump is whole once [`Writer::finish`] has given the sink back. Whatever fails before, the sink
/// holds a part of a dump, which no reader takes for a whole one.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    header: Header,
    buffer: Box<[u8]>,
    used: usize,
    /// Bytes that the sink has taken.
    written: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// In the contents of a record that came piece by piece.
    Contents {
        kind: RecordKind,
        announced: u64,
        missing: u64,
    },
    Ended,
    Failed,
}

/// What [`Writer::start`] begins: a record whose contents come piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// An object.
    Object,
    /// The data segment.
    Data,
    /// The bss segment.
    Bss,
}

impl Start {
    fn kind(self) -> RecordKind {
        match self {
            Start::Object => RecordKind::Object,
            Start::Data => RecordKind::Data,
            Start::Bss => RecordKind::Bss,
        }
    }
}

impl<W: Write> Writer<W> {
    /// A writer of a dump in today's format, `go1.7 heap dump`.
    pub fn new(sink: W) -> Self {
        Self::with_header(sink, Header::Go17)
    }

    /// A writer of a dump in the format that `header` tells.
    pub fn with_header(sink: W, header: Header) -> Self {
        let mut buffer = vec![0; BUFFER].into_boxed_slice();
        buffer[..Header::LEN].copy_from_slice(header.bytes());
        Writer {
            sink,
            header,
            buffer,
            used: Header::LEN,
            written: 0,
            state: State::Open,
        }
    }

    /// Offset in the dump, in bytes, of what is written next.
    pub fn position(&self) -> u64 {
        self.written + self.used as u64
    }

    /// Writes one record.
    ///
    /// # Errors
    /// Those of the sink, and a record that no reader would accept at this place.
    pub fn write(&mut self, record: &Record<'_>) -> Result<(), WriteError> {
        if let Record::Object(object) = record {
            return self.object(object);
        }
        self.begin(record.kind())?;
        match record {
            Record::Eof => {
                self.state = State::Ended;
                Ok(())
            }
            Record::Object(object) => self.object(object),
            Record::OtherRoot(root) => {
                self.bytes(root.description)?;
                self.int(root.target)
            }
            Record::Type(t) => {
                self.ints([t.address, t.size])?;
                self.bytes(t.name)?;
                self.bool(t.indirect)
            }
            Record::Goroutine(g) => {
                self.ints([g.address, g.sp, g.id, g.created_at, g.status])?;
                self.bool(g.system)?;
                self.bool(g.background)?;
                self.int(g.waiting_since)?;
                self.bytes(g.wait_reason)?;
                self.ints([g.context, g.m, g.defers, g.panics])
            }
            Record::StackFrame(frame) => {
                self.ints([frame.sp, frame.depth, frame.child_sp])?;
                self.bytes(frame.contents)?;
                self.ints([frame.entry, frame.pc, frame.continue_pc])?;
                self.bytes(frame.function)?;
                self.fields(RecordKind::StackFrame, &frame.fields)
            }
            Record::Params(params) => {
                self.bool(params.big_endian)?;
                self.ints([params.pointer_size, params.heap_start, params.heap_end])?;
                match (&params.arch, self.header.arch_is_code()) {
                    (Arch::Name(name), false) => self.bytes(name)?,
                    (Arch::Code(code), true) => self.int(*code)?,
                    (Arch::Name(_), true) | (Arch::Code(_), false) => {
                        return Err(self.fail(WriteError::Arch));
                    }
                }
                self.bytes(params.go_version)?;
                self.int(params.ncpu)
            }
            Record::Finalizer(finalizer) | Record::QueuedFinalizer(finalizer) => {
                self.finalizer(finalizer)
            }
            Record::Itab(itab) => self.ints([itab.address, itab.concrete_type]),
            Record::OsThread(thread) => self.ints([thread.address, thread.id, thread.os_id]),
            Record::MemStats(stats) => self.memstats(stats),
            Record::Data(segment) => self.segment(RecordKind::Data, segment),
            Record::Bss(segment) => self.segment(RecordKind::Bss, segment),
            Record::Defer(d) => self.ints([d.address, d.g, d.sp, d.pc, d.closure, d.code, d.link]),
            Record::Panic(p) => {
                self.ints([p.address, p.g, p.value_type, p.value_data, p.defer, p.link])
            }
            Record::MemProf(bucket) => {
                self.ints([bucket.bucket, bucket.size, bucket.stack.len() as u64])?;
                for frame in &bucket.stack {
                    self.bytes(frame.function)?;
                    self.bytes(frame.file)?;
                    self.int(frame.line)?;
                }
                self.ints([bucket.allocs, bucket.frees])
            }
            Record::AllocSample(sample) => self.ints([sample.object, sample.bucket]),
        }
    }

    /// Writes one object, as [`Writer::write`] does: for the one record that there are millions of.
    ///
    /// # Errors
    /// Those of [`Writer::write`].
    #[inline]
    pub fn object(&mut self, object: &Object<'_>) -> Result<(), WriteError> {
        self.begin(RecordKind::Object)?;
        if let Fields::Bits { bits, len, word } = object.fields
            && object.contents.len() <= SMALL
            && len <= SMALL / 4
            && bits.len() >= len.div_ceil(8)
        {
            self.reserve(SMALL_RECORD)?;
            let out = &mut self.buffer[self.used..];
            self.used += encode_small(out, object, &bits[..len.div_ceil(8)], len, word.into());
            return Ok(());
        }
        self.int(object.address)?;
        self.bytes(object.contents)?;
        self.fields(RecordKind::Object, &object.fields)
    }

    /// Begins a record whose contents are too long to be in memory at once: `length` bytes follow by
    /// [`Writer::contents`], in as many pieces as it takes, and [`Writer::end`] closes the record.
    ///
    /// # Errors
    /// Those of [`Writer::write`].
    pub fn start(&mut self, what: Start, address: u64, length: u64) -> Result<(), WriteError> {
        let kind = what.kind();
        self.begin(kind)?;
        self.ints([address, length])?;
        self.state = State::Contents {
            kind,
            announced: length,
            missing: length,
        };
        Ok(())
    }

    /// The next piece of the contents of the record that [`Writer::start`] began.
    ///
    /// # Errors
    /// Those of the sink; more contents than announced.
    pub fn contents(&mut self, piece: &[u8]) -> Result<(), WriteError> {
        let State::Contents {
            kind,
            announced,
            missing,
        } = self.state
        else {
            return Err(self.out_of_turn());
        };
        let Some(missing) = missing.checked_sub(piece.len() as u64) else {
            return Err(self.fail(WriteError::ContentsLong { announced }));
        };
        self.raw(piece)?;
        self.state = State::Contents {
            kind,
            announced,
            missing,
        };
        Ok(())
    }

    /// Closes the record that [`Writer::start`] began.
    ///
    /// # Errors
    /// Those of [`Writer::write`]; fewer contents than announced.
    pub fn end(&mut self, fields: &Fields<'_>) -> Result<(), WriteError> {
        match self.state {
            State::Contents {
                kind, missing: 0, ..
            } => {
                self.state = State::Open;
                self.fields(kind, fields)
            }
            State::Contents {
                announced, missing, ..
            } => Err(self.fail(WriteError::ContentsShort { announced, missing })),
            State::Open | State::Ended | State::Failed => Err(self.out_of_turn()),
        }
    }

    /// Brings all to the sink, flushes that, and gives it back.
    ///
    /// # Errors
    /// [`WriteError::NoEof`] if [`Record::Eof`] was not written; those of the sink.
    pub fn finish(mut self) -> Result<W, WriteError> {
        match self.state {
            State::Ended => {}
            State::Open | State::Contents { .. } => return Err(WriteError::NoEof),
            State::Failed => return Err(WriteError::Failed),
        }
        self.drain()?;
        match self.sink.flush() {
            Ok(()) => Ok(self.sink),
            Err(source) => Err(WriteError::Sink {
                offset: self.written,
                source,
            }),
        }
    }

    #[inline]
    fn begin(&mut self, kind: RecordKind) -> Result<(), WriteError> {
        if self.state != State::Open {
            return Err(self.not_open(kind));
        }
        self.reserve(1)?;
        self.buffer[self.used] = kind.tag();
        self.used += 1;
        Ok(())
    }

    #[cold]
    fn not_open(&mut self, kind: RecordKind) -> WriteError {
        match self.state {
            State::Ended => self.fail(WriteError::BehindEof(kind)),
            State::Failed => WriteError::Failed,
            State::Open | State::Contents { .. } => self.out_of_turn(),
        }
    }

    #[cold]
    fn out_of_turn(&mut self) -> WriteError {
        if self.state == State::Failed {
            return WriteError::Failed;
        }
        self.fail(WriteError::OutOfTurn)
    }

    /// A record that was written in part cannot be taken back: nothing may follow it.
    #[cold]
    fn fail(&mut self, error: WriteError) -> WriteError {
        self.state = State::Failed;
        error
    }

    fn finalizer(&mut self, f: &Finalizer) -> Result<(), WriteError> {
        self.ints([f.object, f.closure, f.code, f.argument_type, f.object_type])
    }

    fn segment(&mut self, kind: RecordKind, segment: &Segment<'_>) -> Result<(), WriteError> {
        self.int(segment.address)?;
        self.bytes(segment.contents)?;
        self.fields(kind, &segment.fields)
    }

    fn memstats(&mut self, m: &MemStats) -> Result<(), WriteError> {
        self.ints([
            m.alloc,
            m.total_alloc,
            m.sys,
            m.lookups,
            m.mallocs,
            m.frees,
            m.heap_alloc,
            m.heap_sys,
            m.heap_idle,
            m.heap_inuse,
            m.heap_released,
            m.heap_objects,
            m.stack_inuse,
            m.stack_sys,
            m.mspan_inuse,
            m.mspan_sys,
            m.mcache_inuse,
            m.mcache_sys,
            m.buck_hash_sys,
            m.gc_sys,
            m.other_sys,
            m.next_gc,
            m.last_gc,
            m.pause_total_ns,
        ])?;
        self.ints(m.pause_ns)?;
        self.int(m.num_gc)
    }

    fn ints<const N: usize>(&mut self, values: [u64; N]) -> Result<(), WriteError> {
        values.into_iter().try_for_each(|value| self.int(value))
    }

    fn bool(&mut self, value: bool) -> Result<(), WriteError> {
        self.int(u64::from(value))
    }

    #[inline]
    fn int(&mut self, value: u64) -> Result<(), WriteError> {
        self.reserve(varint::MAX_LEN)?;
        self.used += varint::encode(&mut self.buffer[self.used..], value);
        Ok(())
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.int(bytes.len() as u64)?;
        self.raw(bytes)
    }

    #[inline]
    fn raw(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if bytes.len() > BUFFER - self.used {
            return self.raw_slow(bytes);
        }
        self.buffer[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
        Ok(())
    }

    #[cold]
    fn raw_slow(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.drain()?;
        if bytes.len() >= BYPASS {
            return self.pass_on(bytes);
        }
        self.raw(bytes)
    }

    #[inline]
    fn fields(&mut self, kind: RecordKind, fields: &Fields<'_>) -> Result<(), WriteError> {
        match *fields {
            Fields::Bits { bits, len, word } => self.bits(kind, bits, len, u64::from(word))?,
            Fields::Offsets(offsets) => {
                for &offset in offsets {
                    self.pointer(offset)?;
                }
            }
            Fields::Wire(wire) => return self.wire(kind, wire),
        }
        self.reserve(1)?;
        self.buffer[self.used] = END_OF_LIST;
        self.used += 1;
        Ok(())
    }

    #[inline]
    fn bits(
        &mut self,
        kind: RecordKind,
        bits: &[u8],
        len: usize,
        word: u64,
    ) -> Result<(), WriteError> {
        if bits.len() < len.div_ceil(8) {
            return Err(self.fail(WriteError::Fields(kind)));
        }
        for (at, set) in words_of(&bits[..len.div_ceil(8)], len) {
            self.reserve(64 * (1 + varint::MAX_LEN))?;
            self.used += encode_pointers(&mut self.buffer[self.used..], at, set, word);
        }
        Ok(())
    }

    #[inline]
    fn pointer(&mut self, offset: u64) -> Result<(), WriteError> {
        self.reserve(1 + varint::MAX_LEN)?;
        self.buffer[self.used] = POINTER;
        self.used += 1;
        self.used += varint::encode(&mut self.buffer[self.used..], offset);
        Ok(())
    }

    /// A list that is encoded already. It is walked before it is copied: one that a reader would
    /// take for something else must not spoil the dump.
    fn wire(&mut self, kind: RecordKind, wire: &[u8]) -> Result<(), WriteError> {
        match crate::fields::wire_len(wire) {
            Some(len) if len == wire.len() => self.raw(wire),
            _ => Err(self.fail(WriteError::Fields(kind))),
        }
    }

    /// Makes room for `count` bytes, which is less than the buffer has.
    #[inline]
    fn reserve(&mut self, count: usize) -> Result<(), WriteError> {
        if BUFFER - self.used < count {
            self.drain()?;
        }
        Ok(())
    }

    #[cold]
    fn drain(&mut self) -> Result<(), WriteError> {
        let result = push(&mut self.sink, &mut self.written, &self.buffer[..self.used]);
        self.used = 0;
        result.map_err(|error| self.fail(error))
    }

    fn pass_on(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        push(&mut self.sink, &mut self.written, bytes).map_err(|error| self.fail(error))
    }
}

/// Encodes what follows the tag of an object with small contents. `out` has room for it.
///
/// There are tens of millions of these in a dump: one check for room is made for all of a record.
#[inline]
fn encode_small(out: &mut [u8], object: &Object<'_>, bits: &[u8], len: usize, word: u64) -> usize {
    let contents = object.contents;
    let mut at = varint::encode(out, object.address);
    at += varint::encode(&mut out[at..], contents.len() as u64);
    let place = &mut out[at..at + contents.len()];
    // Size classes are multiples of 8 and mostly small. A loop over halves of a cache line is over
    // before memcpy has decided how to begin.
    let (mut to, mut from) = (place.chunks_exact_mut(16), contents.chunks_exact(16));
    for (to, from) in to.by_ref().zip(from.by_ref()) {
        to.copy_from_slice(from);
    }
    for (to, from) in to.into_remainder().iter_mut().zip(from.remainder()) {
        *to = *from;
    }
    at += contents.len();
    for (first, set) in words_of(bits, len) {
        at += encode_pointers(&mut out[at..], first, set, word);
    }
    out[at] = END_OF_LIST;
    at + 1
}

/// Takes a bit string of `len` bits apart: index of the first bit, and 64 bits. `bits` has no more
/// bytes than `len` bits need.
#[inline]
fn words_of(bits: &[u8], len: usize) -> impl Iterator<Item = (u64, u64)> {
    let mut first = 0;
    bits.chunks(8).map(move |eight| {
        let set = match eight.try_into() {
            Ok(eight) => u64::from_le_bytes(eight),
            // A copy of unknown length would be a call.
            Err(_) => eight
                .iter()
                .rev()
                .fold(0, |set, &byte| (set << 8) | u64::from(byte)),
        };
        let at = first;
        first += 64;
        let left = (len - at).min(64) as u32;
        (at as u64, set & (u64::MAX >> (64 - left)))
    })
}

/// Encodes a field for each bit of `set`, the first of which is that of word `first`.
#[inline]
fn encode_pointers(out: &mut [u8], first: u64, mut set: u64, word: u64) -> usize {
    let mut at = 0;
    while set != 0 {
        let offset = (first + u64::from(set.trailing_zeros())) * word;
        out[at] = POINTER;
        at += 1 + varint::encode(&mut out[at + 1..], offset);
        set &= set - 1;
    }
    at
}

/// Like [`Write::write_all`], but knows how much the sink has taken when it fails.
fn push(sink: &mut impl Write, written: &mut u64, mut bytes: &[u8]) -> Result<(), WriteError> {
    while !bytes.is_empty() {
        let source = match sink.write(bytes) {
            Ok(0) => ErrorKind::WriteZero.into(),
            Ok(count) => {
                let count = count.min(bytes.len());
                *written += count as u64;
                bytes = &bytes[count..];
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        return Err(WriteError::Sink {
            offset: *written,
            source,
        });
    }
    Ok(())
}
