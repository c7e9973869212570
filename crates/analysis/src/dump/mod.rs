//! An opened dump: where its objects are, what leads to them from outside, and what its annex says.
//!
//! The bytes stay where they are (a mapped file); what is kept in memory is an index of some bytes an
//! object. All addresses are live ones.

mod annex;
mod described;
mod gather;
mod holders;
mod index;
mod memory;
mod notes;
mod open;
mod pages;
mod phantoms;
mod roots;
mod runs;
mod text;
mod words;

use goheap_format::{Fields, Header, Object, Reader, Record, StackFrame};
use goheap_golang::catalogue::Catalogue;
use goheap_memory::{Addr, ByteOrder, DataModel};

use crate::NoWatch;
pub use annex::{FromAnnex, catalogue_of_annex, put_catalogue};
pub(crate) use described::is_described;
use index::Index;
pub use notes::{ModuleNote, Notes, RegisterNote};
pub use open::{OpenError, OpenOptions};
pub use roots::{Root, RootKind, RootPointer};
pub use text::Text;

/// What a dump without an annex is short of, unless an executable tells it.
const NO_ANNEX: &str = "the dump has no annex: types and names of variables are not known";

/// The bytes of a dump, decompressed: a mapped file, or a buffer.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// An object of a dump: its place in the order of addresses, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// A goroutine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goroutine {
    /// Address of its `g`.
    pub address: u64,
    /// Its number.
    pub id: u64,
    /// Status (`runtime.readgstatus`).
    pub status: u64,
    /// Started by the runtime itself.
    pub system: bool,
    /// Why it waits; empty if it does not.
    pub wait_reason: Text,
    /// Since when it waits: nanoseconds of the machine's monotonic clock, 0 if unknown.
    pub waiting_since: u64,
    /// Program counter of the `go` statement.
    pub created_at: u64,
    /// Address of its thread's `m`, 0 if it has none.
    pub m: u64,
    /// Its frames in [`Dump::frames`], the innermost first.
    pub frames: std::ops::Range<usize>,
}

/// A frame of a goroutine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where its record is in the dump; [`Dump::frame_record`] reads it.
    pub record: u64,
    /// Its goroutine in [`Dump::goroutines`].
    pub goroutine: u32,
    /// Its lowest address.
    pub sp: u64,
    /// How many bytes it has.
    pub len: u64,
    /// Entry of its function.
    pub entry: u64,
    /// Program counter in it.
    pub pc: u64,
    /// Name of its function.
    pub function: Text,
}

/// A data or bss segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentAt {
    /// Where its record is.
    pub(crate) record: u64,
    pub(crate) address: u64,
    pub(crate) len: u64,
    /// Where its contents are.
    pub(crate) contents: u64,
}

/// What the params record says, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// Word size and byte order.
    pub model: DataModel,
    /// Lowest address of the heap's arenas, and the first behind the highest.
    pub heap: (u64, u64),
    /// The Go version.
    pub go_version: String,
}

/// An opened dump.
pub struct Dump {
    bytes: Bytes,
    header: Header,
    params: Params,
    index: Index,
    goroutines: Vec<Goroutine>,
    frames: Vec<Frame>,
    segments: Vec<SegmentAt>,
    /// Where each address lies that is in no object.
    ranges: memory::Ranges,
    /// What records say of roots that are neither data, bss nor frames.
    others: Vec<gather::Other>,
    roots: Vec<Root>,
    pointers: Vec<RootPointer>,
    catalogue: Catalogue,
    notes: Notes,
    mem_stats: Option<Box<goheap_format::MemStats>>,
    missing: Vec<String>,
    phantoms: u64,
    whole: bool,
    /// Bytes of the records: where the annex begins, if there is one.
    records: u64,
    /// That it was analysed already.
    analysed: Option<Analysed>,
    /// Whether the catalogue is not that of its annex.
    told: bool,
}

/// That a dump has what an analysis of it found out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Analysed {
    /// Where the block is that says so.
    pub(crate) at: u64,
    /// What that says.
    pub(crate) told: goheap_format::annex::Analysis,
}

impl Dump {
    /// How many objects there are.
    pub fn object_count(&self) -> u32 {
        self.index.len()
    }

    /// All objects, by address.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> + use<> {
        (0..self.object_count()).map(ObjectId)
    }

    /// Where an object is; 0 of one that does not exist.
    #[inline]
    pub fn address(&self, object: ObjectId) -> u64 {
        self.index.place(object.0).map_or(0, |(address, _)| address)
    }

    /// How many bytes it has: its size class.
    #[inline]
    pub fn size(&self, object: ObjectId) -> u64 {
        self.index.place(object.0).map_or(0, |(_, size)| size)
    }

    /// The object that the address lies in, and how far in.
    #[inline]
    pub fn find(&self, address: u64) -> Option<(ObjectId, u64)> {
        let (id, offset) = self.index.find(address)?;
        Some((ObjectId(id), offset))
    }

    /// The record of an object.
    pub fn object(&self, object: ObjectId) -> Option<Object<'_>> {
        match self.record_at(self.index.record(object.0)?.0)? {
            Record::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Where the record of an object begins.
    pub(crate) fn record_of(&self, object: ObjectId) -> Option<u64> {
        self.index.record(object.0).map(|(record, ..)| record)
    }

    /// What is in an object.
    #[inline]
    pub fn contents(&self, object: ObjectId) -> &[u8] {
        self.parts(object).map_or(&[], |(contents, _)| contents)
    }

    /// The contents of an object, and all of the dump behind them, which begins with the list of its
    /// pointers. Nothing is checked again that was read when the dump was opened.
    #[inline]
    pub(crate) fn parts(&self, object: ObjectId) -> Option<(&[u8], &[u8])> {
        let (record, address, size) = self.index.record(object.0)?;
        let at = usize::try_from(index::contents_at(record, address, size)).ok()?;
        let rest = (*self.bytes).as_ref().get(at..)?;
        rest.split_at_checked(usize::try_from(size).ok()?)
    }

    /// Shows the offset of each pointer of an object (as the collector sees them) and where it leads;
    /// nil is left out.
    #[inline]
    pub fn each_pointer(&self, object: ObjectId, mut visit: impl FnMut(u64, u64)) {
        let Some((contents, fields)) = self.parts(object) else {
            return;
        };
        let model = self.params.model;
        // The list ends where it says so.
        for (_, offset) in Fields::Wire(fields).iter() {
            if let Some(word) = word_at(model, contents, offset)
                && word != 0
            {
                visit(offset, word);
            }
        }
    }

    /// The record at an offset of the dump.
    pub(crate) fn record_at(&self, offset: u64) -> Option<Record<'_>> {
        Reader::new((*self.bytes).as_ref())
            .ok()?
            .record_at(offset)
            .ok()
    }

    /// All of it, as it was given.
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// The format it is in.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Word size, byte order, version, bounds of the heap.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Goroutines, in the order of the dump.
    pub fn goroutines(&self) -> &[Goroutine] {
        &self.goroutines
    }

    /// Frames of all goroutines, in the order of the dump.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The whole record of a frame, with its contents and pointers.
    pub fn frame_record(&self, frame: &Frame) -> Option<StackFrame<'_>> {
        match self.record_at(frame.record)? {
            Record::StackFrame(frame) => Some(frame),
            _ => None,
        }
    }

    /// What leads into the heap from outside, by name.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The pointers of all roots, those of one root together and in the order of [`Dump::roots`].
    pub fn root_pointers(&self) -> &[RootPointer] {
        &self.pointers
    }

    /// Objects with a finalizer, and the descriptor of the type of a pointer to each
    /// (runtime/heapdump.go, go1.19: `dumpfinalizer`).
    pub(crate) fn finalized(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let typed = self.others.iter().filter(|other| other.ty != 0);
        typed.filter_map(|other| match other.from {
            gather::From::Finalizer => Some((other.of, other.ty)),
            gather::From::QueuedFinalizer => Some((other.target, other.ty)),
            _ => None,
        })
    }

    /// What is known of the program's types, variables and functions.
    ///
    /// [`RootKind::Global`] counts its variables.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Takes what is known of the program from elsewhere (an executable), for dumps without an annex.
    /// The roots are named anew.
    pub fn set_catalogue(&mut self, catalogue: Catalogue) {
        self.catalogue = catalogue;
        self.told = true;
        // That was with another one.
        self.analysed = None;
        self.missing.retain(|missing| missing != NO_ANNEX);
        // Nobody interrupts it.
        let _ = self.find_roots(&NoWatch);
    }

    /// What the annex says.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The runtime's own statistics.
    pub fn mem_stats(&self) -> Option<&goheap_format::MemStats> {
        self.mem_stats.as_deref()
    }

    /// What is missing of it, in sentences: a damaged dump that was opened as far as it goes, an
    /// annex that cannot be read, no annex.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// How many bytes its records have; its annex begins there.
    pub(crate) fn records_len(&self) -> u64 {
        self.records
    }

    /// That it was analysed already, and by what.
    pub(crate) fn analysed(&self) -> Option<Analysed> {
        self.analysed
    }

    /// Whether [`Dump::set_catalogue`] has set what is known of its program.
    pub(crate) fn has_other_catalogue(&self) -> bool {
        self.told
    }

    /// Tells that what an analysis of it found out is of no use.
    pub(crate) fn forget_analysis(&mut self, why: String) {
        self.analysed = None;
        self.missing.push(why);
    }

    /// Adds to what is missing of it what only its source knew: a compressed one that was cut off.
    pub fn add_missing(&mut self, missing: String) {
        self.missing.insert(0, missing);
    }

    /// Whether its records could be read to their end.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether it ends before the last of its roots: they stand behind the objects, and the statistics
    /// behind them (runtime/heapdump.go, go1.19 to go1.27: `mdump`). What is reachable cannot be told
    /// then.
    pub fn roots_are_missing(&self) -> bool {
        !self.whole && self.mem_stats.is_none()
    }

    /// How many records were no objects, but the ends of spans that the runtime's dumper took for
    /// some (Go 1.22 and later).
    pub fn phantoms(&self) -> u64 {
        self.phantoms
    }

    /// The word at an address of the heap, of data and bss, or of a stack.
    pub fn word(&self, at: u64) -> Option<u64> {
        self.params.model.read_word(self, Addr::new(at)).ok()
    }
}

/// The word at an offset.
#[inline]
pub(crate) fn word_at(model: DataModel, contents: &[u8], offset: u64) -> Option<u64> {
    let offset = usize::try_from(offset).ok()?;
    let bytes = contents.get(offset..offset.checked_add(usize::from(model.word))?)?;
    Some(match (bytes, model.byte_order) {
        (&[a, b, c, d, e, f, g, h], ByteOrder::Little) => {
            u64::from_le_bytes([a, b, c, d, e, f, g, h])
        }
        _ => model.uint(bytes),
    })
}
