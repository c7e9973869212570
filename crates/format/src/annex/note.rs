//! What the annex says, one thing at a time.

/// One thing that the annex says. Addresses are live ones, of the process that was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note<'a> {
    /// The program that was captured; one a dump.
    Program(Program<'a>),
    /// How it was captured; one a dump.
    Capture(Capture<'a>),
    /// What could not be seen.
    Gap(Gap<'a>),
    /// A module of the program.
    Module(Module<'a>),
    /// A global variable, as the symbol table names it.
    Global(Global<'a>),
    /// A span of the heap that is in use.
    Span(Span),
    /// A register of a thread.
    Register(Register<'a>),
    /// A cleanup (`runtime.AddCleanup`).
    Cleanup(Cleanup),
    /// The handle through which weak pointers to an object go.
    WeakHandle(WeakHandle),
    /// What is known of the program's types; one a dump (from 1.1).
    Catalogue(Catalogue<'a>),
    /// A Go type (from 1.1).
    GoType(GoType<'a>),
    /// A field of a struct type (from 1.1).
    TypeField(TypeField<'a>),
    /// A function (from 1.1).
    Function(Function<'a>),
    /// A variable in the frames of a function (from 1.1).
    FrameVariable(FrameVariable<'a>),
    /// The type that an itab stores (from 1.1).
    ItabType(ItabType),
    /// Text of the program's own, in its read-only data.
    Constant(Constant<'a>),
    /// The layout of one of the runtime's own types (from 1.1).
    Layout(Layout<'a>),
    /// A member of such a layout (from 1.1).
    LayoutMember(LayoutMember<'a>),
    /// That the dump was analysed; what was found out stands behind it (from 1.3).
    Analysis(Analysis),
    /// A class of objects (from 1.3).
    Class(Class),
    /// Where closures of a function have a length (from 1.3).
    CapturedLength(CapturedLength),
    /// A piece of the tree of dominators (from 1.3).
    Dominated(Dominated<'a>),
    /// The classes of some objects (from 1.3).
    ObjectClass(ObjectClass<'a>),
}

/// The program that was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program<'a> {
    /// Version of goheap that wrote this.
    pub goheap_version: &'a [u8],
    /// Where its executable was, as the program saw it; empty if not known.
    pub executable: &'a [u8],
    /// Go's build id; empty if it has none.
    pub go_build_id: &'a [u8],
    /// The system linker's build id, in binary; empty if it has none.
    pub gnu_build_id: &'a [u8],
    /// Path of the main package; empty if not known.
    pub main_package: &'a [u8],
    /// Version of the main module; empty if not known.
    pub main_version: &'a [u8],
}

/// How a program was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture<'a> {
    /// What was captured, as it was called in messages: a process, or a core's path.
    pub source: &'a [u8],
    /// When, in nanoseconds since 1970 (UTC). Of a core: when it was read.
    pub unix_ns: u64,
    /// How: `pre-copy` (copied while it ran, stopped for what it wrote meanwhile), `fork` (a copy that
    /// the process was made to fork was read), `stop` (stopped and copied) or `core`. Before 1.2,
    /// `stop` is: stopped, and read while it stood still.
    pub method: &'a [u8],
    /// How long the process stood still for the capture itself, in nanoseconds; `None` for a core.
    pub pause_ns: Option<u64>,
    /// For how long in all, the tries before included, in nanoseconds; `None` for a core.
    pub stopped_ns: Option<u64>,
    /// How often it was stopped until the moment was a safe one, the last time included; 0 for a
    /// core.
    pub tries: u64,
    /// Whether the moment was safe; if not, the gaps tell what that may mean.
    pub safe_moment: bool,
    /// How many gaps there are; the first ones are notes of their own.
    pub gaps: u64,
    /// When, in nanoseconds of the machine's monotonic clock, which Go's `nanotime` is on Linux
    /// (runtime/sys_linux_amd64.s: `nanotime1`); `None` for a core.
    pub monotonic_ns: Option<u64>,
    /// The number of the process; `None` for a core.
    pub pid: Option<u64>,
    /// When the process started, in clock ticks since boot (proc(5): `starttime`), which with its
    /// number names it for good; `None` for a core.
    pub started: Option<u64>,
    /// Bytes of the process that were in RAM (proc(5): `VmRSS`); `None` for a core.
    pub rss: Option<u64>,
    /// As many of these were its own, of no file (proc(5): `RssAnon`); `None` for a core.
    pub rss_anon: Option<u64>,
    /// Gentler ways to capture it that were not open, and why, as a sentence for people; empty if there
    /// are none (from 1.2).
    pub passed_over: &'a [u8],
    /// Bytes that were copied while it stood still; `None` for a core, and before 1.2.
    pub copied_in_pause: Option<u64>,
    /// Bytes that were copied in all; `None` for a core, and before 1.2.
    pub copied: Option<u64>,
    /// Bytes of memory, or of disk, that the capture took; `None` for a core, and before 1.2.
    pub extra: Option<u64>,
    /// What the process was left with, as a sentence; empty if with nothing (from 1.2).
    pub left: &'a [u8],
}

/// What could not be seen, or was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap<'a> {
    /// What.
    pub what: &'a [u8],
    /// Where.
    pub address: u64,
    /// Why.
    pub why: &'a [u8],
}

/// A module: the program itself, a plugin, a shared library of Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module<'a> {
    /// Its `moduledata`.
    pub address: u64,
    /// Its name; the program itself has an empty one.
    pub name: &'a [u8],
    /// Start and end of its code.
    pub text: (u64, u64),
    /// Start and end of its data segment (globals with pointers and an initial value).
    pub data: (u64, u64),
    /// Start and end of its bss segment (globals with pointers and none).
    pub bss: (u64, u64),
    /// Start and end of its type descriptors.
    pub types: (u64, u64),
}

/// A global variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Global<'a> {
    /// Where it is.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its name, as in the symbol table.
    pub name: &'a [u8],
    /// Its type, by number (from 1.1); `None` if that is not known.
    pub ty: Option<u64>,
}

/// A span in use (`runtime.mspan`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub base: u64,
    /// Bytes of all its pages.
    pub bytes: u64,
    /// Bytes of an object.
    pub elem_size: u64,
    /// Objects that fit into it.
    pub capacity: u64,
    /// Objects that are in it.
    pub objects: u64,
    /// Size class and, in the lowest bit, whether its objects are free of pointers
    /// (runtime/mheap.go: `spanClass`).
    pub span_class: u8,
    /// Whether it still waited for the sweeper.
    pub unswept: bool,
}

/// A register of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register<'a> {
    /// The kernel's id of the thread.
    pub thread: u64,
    /// The goroutine whose code it ran, by address of its `g`; 0 if none.
    pub g: u64,
    /// Name of the register.
    pub name: &'a [u8],
    /// What is in it.
    pub value: u64,
}

/// A cleanup (runtime/mcleanup.go, go1.24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleanup {
    /// The object whose death it waits for; 0 if that has died and the cleanup waits to run.
    pub object: u64,
    /// Its closure, which holds what it was given.
    pub closure: u64,
    /// Entry of its code; 0 if that is not told.
    pub code: u64,
}

/// A weak pointer's handle (runtime/mheap.go, go1.23: `specialWeakHandle`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakHandle {
    /// The object that it leads to, and does not hold.
    pub object: u64,
    /// The word that leads there.
    pub handle: u64,
}

/// What is known of the program's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Catalogue<'a> {
    /// Whether the executable's DWARF was read for it.
    pub dwarf: bool,
    /// How many things were left out because they are damaged.
    pub damaged: u64,
    /// What the first of them is; empty if nothing is damaged.
    pub damage: &'a [u8],
}

/// A Go type. Types are numbered from 0 in the order of their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoType<'a> {
    /// Address of its descriptor; 0 if it has none.
    pub address: u64,
    /// Whether DWARF alone tells of it.
    pub dwarf: bool,
    /// Its kind, as Go's reflection numbers it (internal/abi/type.go: `Kind`).
    pub kind: u8,
    /// Bytes of a value.
    pub size: u64,
    /// Its name in full, with import paths.
    pub name: &'a [u8],
    /// Import path of the package that a named type is of; empty for all others.
    pub package: &'a [u8],
    /// The type that a pointer points to, or a slice, an array, a channel or a map holds.
    pub elem: Option<u64>,
    /// The key type of a map.
    pub key: Option<u64>,
    /// The type of a map's buckets or groups.
    pub slots: Option<u64>,
    /// Elements of an array.
    pub len: u64,
}

/// A field of a struct type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeField<'a> {
    /// The struct, by number.
    pub of: u64,
    /// Its name.
    pub name: &'a [u8],
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Its type, by number.
    pub ty: u64,
    /// Whether it is embedded.
    pub embedded: bool,
}

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its first instruction.
    pub entry: u64,
    /// Its name.
    pub name: &'a [u8],
    /// The struct that a closure of it is, by number.
    pub closure: Option<u64>,
}

/// Where a local variable or parameter lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameVariable<'a> {
    /// Entry of its function.
    pub function: u64,
    /// The first program counter for which this holds.
    pub from: u64,
    /// The first one for which it does not any more.
    pub to: u64,
    /// Its name.
    pub name: &'a [u8],
    /// Its type, by number.
    pub ty: u64,
    /// Bytes from the canonical frame address to it.
    pub cfa_offset: i64,
}

/// The type that an itab stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItabType {
    /// The itab.
    pub address: u64,
    /// The type, by number.
    pub ty: u64,
}

/// A part of the texts that the program's source has, as the linker put them together (the symbol
/// `go:string.*`): what keys and names of constants lead to, which is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constant<'a> {
    /// Where it is.
    pub address: u64,
    /// What is there.
    pub bytes: &'a [u8],
}

/// The layout of one of the runtime's own types. Layouts are numbered from 0 in the order of their
/// rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Bytes of a value.
    pub size: u64,
    /// 0 a number, 1 a pointer to a type that is not told, 2 a pointer, 3 a struct, 4 an array, 5
    /// something else.
    pub shape: u8,
    /// Name of what a pointer points to, or an array holds.
    pub target: &'a [u8],
    /// Elements of an array.
    pub count: u64,
}

/// A member of a layout that is a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutMember<'a> {
    /// The layout, by number.
    pub of: u64,
    /// Its name.
    pub name: &'a [u8],
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Name of its type.
    pub type_name: &'a [u8],
}

/// That a dump was analysed, and what of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Analysis {
    /// Which analysis found it out: another one may find out something else.
    pub version: u64,
    /// It is of so many bytes from the start of the dump: up to the block that has this row.
    pub until: u64,
    /// The CRC-32 of these bytes.
    pub checksum: u64,
    /// Whether the dump had no annex before: it is the runtime's own.
    pub no_annex: bool,
    /// How many objects there are.
    pub objects: u64,
    /// How many nodes the graph has.
    pub nodes: u64,
    /// How many of these are reachable from the root of all.
    pub reachable: u64,
    /// How often a type was told and not believed.
    pub refused: u64,
}

/// A class of objects. Classes are numbered from 0 in the order of their rows. The numbers are those of
/// the analysis's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Which kind of thing they are.
    pub what: u64,
    /// Number of the type, the function, or the name of what they are; of what is not known, bytes.
    pub number: u64,
    /// Of what is not known, which of the first 64 words are pointers.
    pub pointers: u64,
}

/// Where closures of a function have the length of something that they have captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapturedLength {
    /// The function, by number.
    pub function: u64,
    /// Bytes from the start of the closure.
    pub offset: u64,
    /// How many bytes that length has.
    pub size: u64,
}

/// A piece of the tree of dominators: some of its nodes, in preorder. Numbers as [`super::Numbers`]
/// reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dominated<'a> {
    /// The nodes, each as what it differs from the one before (the first of a piece, from 0), as
    /// addresses are.
    pub order: &'a [u8],
    /// How many nodes the subtree of each has.
    pub subtree: &'a [u8],
}

/// The classes of some objects, in the order of the objects. Numbers as [`super::Numbers`] reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectClass<'a> {
    /// Of each, eight times the number of its class, and how that is known.
    pub codes: &'a [u8],
}
