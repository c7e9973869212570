//! What leads into the heap from outside of it: variables, frames, finalizers and the rest, by name.
//!
//! Which records are roots: docs/mended.md, "What a reader must know".

use super::Text;

/// What a root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootKind {
    /// A global variable: its place in `Catalogue::variables`.
    Global(u32),
    /// Words of data or bss that no symbol names: the segment's number.
    Segment(u32),
    /// A frame of a goroutine: its place in [`Dump::frames`](super::Dump::frames).
    Frame(u32),
    /// The context, the deferred calls and the panics of a goroutine: its place in
    /// [`Dump::goroutines`](super::Dump::goroutines).
    Goroutine(u32),
    /// The finalizers that wait: their closures, and what their objects lead to.
    Finalizers,
    /// The finalizers that are ready to run.
    QueuedFinalizers,
    /// Cleanups, waiting or queued.
    Cleanups,
    /// Handles of weak pointers.
    WeakHandles,
    /// The block that each P cuts tiny objects from.
    TinyBlocks,
    /// What a thread's registers and its scheduler's or signal handler's stack may lead to; the
    /// goroutine is told where there is one, else `u32::MAX`. Conservative.
    Thread(u32),
    /// Root records of another description.
    Other,
}

/// A root: a node of the graph that is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// What it is.
    pub kind: RootKind,
    /// Its name: `main.cache`, `main.(*Server).serve`, `finalizers`.
    pub name: Text,
    /// Its pointers in [`Dump::root_pointers`](super::Dump::root_pointers).
    pub pointers: std::ops::Range<usize>,
}

/// A pointer of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootPointer {
    /// Where it lies (in a variable or a frame); 0 if that is not told.
    pub at: u64,
    /// Where it leads.
    pub target: u64,
    /// The object that a finalizer or cleanup is of; 0 for others.
    pub of: u64,
}
