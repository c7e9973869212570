//! What [`verify`](super::verify) calls a problem.

use std::fmt;

use crate::RecordKind;

/// Something in a dump that is surely wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// Where its record begins, in bytes from the start of the dump. `None` where only the end of a
    /// stream showed it, and the record is gone.
    pub offset: Option<u64>,
    /// What the record is; `None` if it is none, but the annex.
    pub kind: Option<RecordKind>,
    /// What is wrong with it.
    pub what: Wrong,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(offset) = self.offset {
            write!(f, "byte {offset}: ")?;
        }
        match self.kind {
            Some(kind) => write!(f, "{kind} record: {}", self.what),
            None => write!(f, "the annex: {}", self.what),
        }
    }
}

/// What is wrong. Addresses are those of the dumped process, lengths and offsets are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// A dump begins with its parameters.
    #[error("stands before the params record, which comes first")]
    BeforeParams,
    /// There is one of these in a dump.
    #[error("there was one before")]
    Repeated,
    /// There is one of these in a dump.
    #[error("is missing")]
    Missing,
    /// Pointers have 4 or 8 bytes.
    #[error("pointers of {0} bytes")]
    PointerSize(u64),
    /// The heap ends before it starts.
    #[error("the heap begins at {start:#x} and ends at {end:#x}")]
    HeapBounds {
        /// Where it starts.
        start: u64,
        /// Where it ends.
        end: u64,
    },
    /// An object that is not within the heap that the params record tells.
    #[error("{len} bytes at {address:#x} are not within the heap")]
    OutsideHeap {
        /// Its address.
        address: u64,
        /// Its length.
        len: u64,
    },
    /// Outside of the heap that the params record tells.
    #[error("the object {0:#x} is not within the heap")]
    NotInHeap(u64),
    /// Not at the address of a word.
    #[error("{0:#x} is not the address of a word")]
    Unaligned(u64),
    /// No object is of length 0.
    #[error("the object at {0:#x} is empty")]
    Empty(u64),
    /// Two segments share bytes.
    #[error("the segment at {address:#x} overlaps the one at {other:#x}")]
    SegmentOverlap {
        /// Its address.
        address: u64,
        /// Address of the other one.
        other: u64,
    },
    /// Two objects share bytes.
    #[error("the object at {0:#x} overlaps another one")]
    Overlap(u64),
    /// A pointer that is not within the contents.
    #[error("a pointer at {at} in contents of {len} bytes")]
    PointerOutside {
        /// Its offset.
        at: u64,
        /// Length of the contents.
        len: u64,
    },
    /// A pointer between two words.
    #[error("a pointer at {0}, which is not the offset of a word")]
    PointerUnaligned(u64),
    /// Pointers are listed in ascending order, each once.
    #[error("a pointer at {at} is listed behind the one at {before}")]
    PointerOrder {
        /// Its offset.
        at: u64,
        /// Offset of the one before.
        before: u64,
    },
    /// An itab's type has no record before it.
    #[error("the type {0:#x} has no record before this one")]
    UnknownType(u64),
    /// A type is not what an earlier record of it said.
    #[error("the type {0:#x} was described otherwise before")]
    TypeChanged(u64),
    /// Two records of one goroutine, thread or bucket.
    #[error("{0:#x} has a record already")]
    SeenBefore(u64),
    /// A frame, defer or panic that follows no goroutine.
    #[error("follows no goroutine")]
    NoGoroutine,
    /// Frames are numbered from 0.
    #[error("the depth is {found}, not {expected}")]
    Depth {
        /// As it is.
        found: u64,
        /// As it should be.
        expected: u64,
    },
    /// The child of a frame is the frame before it.
    #[error("the child's stack pointer is {found:#x}, but the frame before is at {expected:#x}")]
    Child {
        /// As it is.
        found: u64,
        /// As it should be.
        expected: u64,
    },
    /// A defer or panic of another goroutine than the one that it follows.
    #[error("belongs to goroutine {found:#x}, but follows {expected:#x}")]
    OtherGoroutine {
        /// As it is.
        found: u64,
        /// As it should be.
        expected: u64,
    },
    /// The record before links to another one.
    #[error("{found:#x} is not what comes next; that is {expected:#x}")]
    Chain {
        /// As it is.
        found: u64,
        /// As it should be; 0 if the one before was the last.
        expected: u64,
    },
    /// The last record of a list links to one that is not there.
    #[error("the list goes on at {0:#x}, which has no record")]
    ChainCut(u64),
    /// A sample's bucket has no record.
    #[error("the bucket {0:#x} has no record before this one")]
    UnknownBucket(u64),
    /// An object where the annex knows no span.
    #[error("the object at {0:#x} is in no span that the annex tells of")]
    NoSpan(u64),
    /// An object that is none of its span's.
    #[error(
        "the object of {len} bytes at {address:#x} is none of the {capacity} of {elem_size} bytes \
         in the span at {base:#x}, as the annex tells of that"
    )]
    NotOfSpan {
        /// Its address.
        address: u64,
        /// Its length.
        len: u64,
        /// Where the span begins.
        base: u64,
        /// Bytes of an object of the span.
        elem_size: u64,
        /// How many fit into the span.
        capacity: u64,
    },
    /// A span with more or fewer objects than the annex tells.
    #[error("the span at {base:#x} has {told} objects, but the dump has {found} of them")]
    SpanObjects {
        /// Where it begins.
        base: u64,
        /// How many objects it has, by the annex.
        told: u64,
        /// How many object records there are.
        found: u64,
    },
    /// Two spans share bytes.
    #[error("the span at {0:#x} overlaps another one")]
    SpanOverlap(u64),
    /// A span that wraps round or is shorter than its objects.
    #[error("the span at {base:#x} of {bytes} bytes cannot have {capacity} objects of {elem_size}")]
    SpanShape {
        /// Where it begins.
        base: u64,
        /// Its length.
        bytes: u64,
        /// Bytes of an object.
        elem_size: u64,
        /// How many there may be.
        capacity: u64,
    },
    /// There is one of these in an annex.
    #[error("more than one row in the section {0}")]
    SecondRow(&'static str),
    /// Bytes behind the annex.
    #[error("ends here, and {0} bytes follow")]
    BehindAnnex(u64),
}
