//! The 18 kinds of record, as plain data.
//!
//! Numbers are what the wire has: addresses are those of the dumped process. Strings are bytes,
//! since a dump may hold any; contents are borrowed from the dump (or from the walk that makes it).

use crate::Fields;

/// One record of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// End of the records.
    Eof,
    /// A heap object.
    Object(Object<'a>),
    /// A root that has no other record.
    OtherRoot(OtherRoot<'a>),
    /// A type descriptor.
    Type(TypeDescriptor<'a>),
    /// A goroutine; its frames, defers and panics follow.
    Goroutine(Goroutine<'a>),
    /// A frame of the goroutine before it.
    StackFrame(StackFrame<'a>),
    /// The head of the dump.
    Params(Params<'a>),
    /// A finalizer that waits for its object to die.
    Finalizer(Finalizer),
    /// An itab.
    Itab(Itab),
    /// An operating system thread.
    OsThread(OsThread),
    /// The runtime's own statistics.
    MemStats(Box<MemStats>),
    /// A finalizer that is ready to run.
    QueuedFinalizer(Finalizer),
    /// The data segment.
    Data(Segment<'a>),
    /// The bss segment.
    Bss(Segment<'a>),
    /// A deferred call.
    Defer(Defer),
    /// A panic under way.
    Panic(Panic),
    /// A bucket of the memory profile.
    MemProf(MemProf<'a>),
    /// A sampled allocation.
    AllocSample(AllocSample),
}

/// A heap object (tag 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<'a> {
    /// Its address.
    pub address: u64,
    /// Its contents, as long as its size class.
    pub contents: &'a [u8],
    /// Where its pointers are.
    pub fields: Fields<'a>,
}

/// A root without a record of its own (tag 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRoot<'a> {
    /// What it is.
    pub description: &'a [u8],
    /// What it points to.
    pub target: u64,
}

/// A type descriptor (tag 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDescriptor<'a> {
    /// Address of the descriptor (`runtime._type`).
    pub address: u64,
    /// Size of a value in bytes.
    pub size: u64,
    /// Its name.
    pub name: &'a [u8],
    /// Whether an interface holds a pointer in its data word.
    pub indirect: bool,
}

/// A goroutine (tag 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goroutine<'a> {
    /// Address of its `g`.
    pub address: u64,
    /// Stack pointer, where it will go on.
    pub sp: u64,
    /// The goroutine's number.
    pub id: u64,
    /// Program counter of the `go` statement.
    pub created_at: u64,
    /// Status (`runtime.readgstatus`).
    pub status: u64,
    /// Started by the runtime itself.
    pub system: bool,
    /// Always false today.
    pub background: bool,
    /// Since when it waits: nanoseconds of the monotonic clock, 0 if unknown.
    pub waiting_since: u64,
    /// Why it waits.
    pub wait_reason: &'a [u8],
    /// Context pointer of its frame zero.
    pub context: u64,
    /// Address of its thread's `m`.
    pub m: u64,
    /// Address of the first of its `_defer`s.
    pub defers: u64,
    /// Address of the first of its `_panic`s.
    pub panics: u64,
}

/// A frame of a goroutine's stack (tag 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackFrame<'a> {
    /// Lowest address of the frame.
    pub sp: u64,
    /// Depth in the stack; 0 is the innermost.
    pub depth: u64,
    /// `sp` of the frame that this one called, 0 for the innermost.
    pub child_sp: u64,
    /// Contents from `sp` up to the frame pointer.
    pub contents: &'a [u8],
    /// Entry of the function.
    pub entry: u64,
    /// Program counter in it.
    pub pc: u64,
    /// Where it will go on.
    pub continue_pc: u64,
    /// Name of the function.
    pub function: &'a [u8],
    /// Where its pointers are, from `sp`: first those of the callee's arguments, then the locals'.
    ///
    /// The runtime computes the offsets modulo 2^64 and compares them with nothing: of a function
    /// that is stopped before it has made its frame they could lie outside of `contents`. None has
    /// been seen that does.
    // runtime/heapdump.go, go1.19 to go1.27, dumpframe: varp - n*PtrSize - sp, unchecked
    pub fields: Fields<'a>,
}

/// The head of the dump (tag 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params<'a> {
    /// Whether words are big-endian.
    pub big_endian: bool,
    /// Bytes of a pointer.
    pub pointer_size: u64,
    /// Lowest address of the heap's arenas.
    pub heap_start: u64,
    /// First address behind the highest arena.
    pub heap_end: u64,
    /// GOARCH; in dumps of 1.5 and 1.6 the wire has the number of the architecture.
    pub arch: Arch<'a>,
    /// The Go version (called GOEXPERIMENT in the wiki's description).
    pub go_version: &'a [u8],
    /// Processors of the machine.
    pub ncpu: u64,
}

/// The architecture, as the wire tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arch<'a> {
    /// GOARCH by name (1.7).
    Name(&'a [u8]),
    /// The character code of the old tool chains (1.5, 1.6: '6' is amd64).
    Code(u64),
}

/// A finalizer, waiting (tag 7) or queued (tag 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finalizer {
    /// The object.
    pub object: u64,
    /// The finalizer's closure.
    pub closure: u64,
    /// Its code.
    pub code: u64,
    /// Type of its argument.
    pub argument_type: u64,
    /// Type of the object.
    pub object_type: u64,
}

/// An itab (tag 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Itab {
    /// Address of the itab.
    pub address: u64,
    /// Address of the type that is stored (1.7), or of the type that the data word has, which is a
    /// pointer to the stored one where that is not pointer-shaped itself (1.5, 1.6).
    pub concrete_type: u64,
}

/// An operating system thread (tag 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OsThread {
    /// Address of its `m`.
    pub address: u64,
    /// The runtime's number for it.
    pub id: u64,
    /// The operating system's number for it.
    pub os_id: u64,
}

/// The runtime's statistics (tag 10), in the order of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of Go's runtime.MemStats, which documents them
pub struct MemStats {
    pub alloc: u64,
    pub total_alloc: u64,
    pub sys: u64,
    pub lookups: u64,
    pub mallocs: u64,
    pub frees: u64,
    pub heap_alloc: u64,
    pub heap_sys: u64,
    pub heap_idle: u64,
    pub heap_inuse: u64,
    pub heap_released: u64,
    pub heap_objects: u64,
    pub stack_inuse: u64,
    pub stack_sys: u64,
    pub mspan_inuse: u64,
    pub mspan_sys: u64,
    pub mcache_inuse: u64,
    pub mcache_sys: u64,
    pub buck_hash_sys: u64,
    pub gc_sys: u64,
    pub other_sys: u64,
    pub next_gc: u64,
    pub last_gc: u64,
    pub pause_total_ns: u64,
    pub pause_ns: [u64; 256],
    pub num_gc: u64,
}

/// The data (tag 12) or bss (tag 13) segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its address.
    pub address: u64,
    /// Its contents.
    pub contents: &'a [u8],
    /// Where its pointers are.
    pub fields: Fields<'a>,
}

/// A deferred call (tag 14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defer {
    /// Address of the `_defer`.
    pub address: u64,
    /// Address of its goroutine's `g`.
    pub g: u64,
    /// Stack pointer of the frame that deferred.
    pub sp: u64,
    /// Program counter there.
    pub pc: u64,
    /// The closure to call.
    pub closure: u64,
    /// Its code, 0 for an open-coded defer.
    pub code: u64,
    /// The next `_defer`.
    pub link: u64,
}

/// A panic under way (tag 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panic {
    /// Address of the `_panic`.
    pub address: u64,
    /// Address of its goroutine's `g`.
    pub g: u64,
    /// Type of the panic's value.
    pub value_type: u64,
    /// Data word of the panic's value.
    pub value_data: u64,
    /// Always 0 today (was the defer).
    pub defer: u64,
    /// The next `_panic`.
    pub link: u64,
}

/// A bucket of the memory profile (tag 16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemProf<'a> {
    /// Address of the bucket.
    pub bucket: u64,
    /// Size of the objects.
    pub size: u64,
    /// The stack that allocated, innermost first.
    pub stack: Vec<ProfFrame<'a>>,
    /// Allocations.
    pub allocs: u64,
    /// Frees.
    pub frees: u64,
}

/// A frame of a [`MemProf`]'s stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfFrame<'a> {
    /// Name of the function, or `(0x...)` where there is none.
    pub function: &'a [u8],
    /// File, or `?`.
    pub file: &'a [u8],
    /// Line, or 0.
    pub line: u64,
}

/// A sampled allocation (tag 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocSample {
    /// The object.
    pub object: u64,
    /// Its bucket of the memory profile.
    pub bucket: u64,
}
