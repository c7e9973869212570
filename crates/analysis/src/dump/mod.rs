//! An opened dump: where its objects are, what leads to them from outside, and what its annex says.
//!
//! The bytes stay where they are (a mapped file); what is kept in memory is an index of some bytes an
//! object. All addresses are live ones.

mod annex;
mod index;
mod open;
mod roots;

use goheap_format::{Header, Object, Reader, Record, StackFrame};
use goheap_golang::catalogue::Catalogue;
use goheap_memory::{Addr, ByteOrder, DataModel, Fault, FaultKind, Memory};

pub use annex::{FromAnnex, catalogue_of_annex, put_catalogue};
use index::Index;
pub use open::{OpenError, OpenOptions};
pub use roots::{Root, RootKind, RootPointer};

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
    pub wait_reason: String,
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
    pub function: String,
}

/// A data or bss segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentAt {
    /// Where its record is.
    pub(crate) record: u64,
    pub(crate) address: u64,
    pub(crate) len: u64,
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
    roots: Vec<Root>,
    pointers: Vec<RootPointer>,
    catalogue: Catalogue,
    notes: open::Notes,
    mem_stats: Option<Box<goheap_format::MemStats>>,
    missing: Vec<String>,
    phantoms: u64,
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
    pub fn address(&self, object: ObjectId) -> u64 {
        self.index.address(object.0)
    }

    /// How many bytes it has: its size class.
    pub fn size(&self, object: ObjectId) -> u64 {
        self.index.size(object.0)
    }

    /// The object that the address lies in, and how far in.
    #[inline]
    pub fn find(&self, address: u64) -> Option<(ObjectId, u64)> {
        let (id, offset) = self.index.find(address)?;
        Some((ObjectId(id), offset))
    }

    /// The record of an object.
    pub fn object(&self, object: ObjectId) -> Option<Object<'_>> {
        match self.record_at(self.index.record(object.0)?)? {
            Record::Object(object) => Some(object),
            _ => None,
        }
    }

    /// What is in an object.
    pub fn contents(&self, object: ObjectId) -> &[u8] {
        self.object(object).map_or(&[], |object| object.contents)
    }

    /// Shows the offset of each pointer of an object (as the collector sees them) and where it leads;
    /// nil is left out.
    pub fn each_pointer(&self, object: ObjectId, mut visit: impl FnMut(u64, u64)) {
        let Some(object) = self.object(object) else {
            return;
        };
        let model = self.params.model;
        for (_, offset) in object.fields.iter() {
            if let Some(word) = word_at(model, object.contents, offset)
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

    /// What is known of the program's types, variables and functions.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Takes what is known of the program from elsewhere (an executable), for dumps without an annex.
    pub fn set_catalogue(&mut self, catalogue: Catalogue) {
        self.catalogue = catalogue;
    }

    /// What the annex says.
    pub fn notes(&self) -> &open::Notes {
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

impl Memory for Dump {
    /// Reads what lies in one object, one data or bss segment, or one frame.
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let fault = || Fault::new(at, buf.len(), FaultKind::LeftOut);
        if buf.is_empty() {
            return Ok(());
        }
        let (bytes, offset) = self.bytes_at(at.get()).ok_or_else(fault)?;
        let from = usize::try_from(offset).map_err(|_| fault())?;
        let bytes = bytes
            .get(from..)
            .and_then(|rest| rest.get(..buf.len()))
            .ok_or_else(fault)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

impl Dump {
    /// The bytes of the object, segment or frame that the address lies in, and how far in.
    pub fn bytes_at(&self, at: u64) -> Option<(&[u8], u64)> {
        if let Some((object, offset)) = self.find(at) {
            return Some((self.contents(object), offset));
        }
        if let Some(segment) = self
            .segments
            .iter()
            .find(|segment| at.wrapping_sub(segment.address) < segment.len)
        {
            let contents = match self.record_at(segment.record)? {
                Record::Data(segment) | Record::Bss(segment) => segment.contents,
                _ => return None,
            };
            return Some((contents, at - segment.address));
        }
        let frame = self.index.frame_at(&self.frames, at)?;
        Some((self.frame_record(frame)?.contents, at - frame.sp))
    }
}
