//! The tables and their columns. docs/parquet.md says what they mean; a test holds the two together.

/// A table: a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// One row: the program, and how it was captured.
    Capture,
    /// Objects, by address.
    Objects,
    /// Pointers from objects to objects, by address.
    Edges,
    /// What objects are.
    Types,
    /// Pointers from outside of the heap to objects.
    Roots,
    /// Goroutines.
    Goroutines,
    /// Frames of their stacks.
    Frames,
    /// Runs of pages that the allocator cuts objects from.
    Spans,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number (`INT64`): as it comes, for values that go up by little.
    Number,
    /// A number (`INT64`) that is one of few, or often the same: by dictionary.
    Frequent,
    /// Yes or no (`BOOLEAN`).
    Bool,
    /// Text (`BYTE_ARRAY`, annotated as string), by dictionary.
    Text,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub kind: Kind,
    /// Whether it can be null.
    pub nullable: bool,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        nullable: false,
    }
}

const fn maybe(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        nullable: true,
    }
}

const CAPTURE: &[Column] = &[
    maybe("program", Kind::Text),
    maybe("main_package", Kind::Text),
    maybe("main_version", Kind::Text),
    column("go_version", Kind::Text),
    maybe("go_build_id", Kind::Text),
    maybe("gnu_build_id", Kind::Text),
    maybe("captured_unix_ns", Kind::Number),
    maybe("method", Kind::Text),
    maybe("pid", Kind::Number),
    maybe("rss", Kind::Number),
    column("objects", Kind::Number),
    column("bytes", Kind::Number),
    column("reachable_objects", Kind::Number),
    column("reachable_bytes", Kind::Number),
    column("goroutines", Kind::Number),
    maybe("gaps", Kind::Number),
    maybe("missing", Kind::Text),
];

const OBJECTS: &[Column] = &[
    column("address", Kind::Number),
    column("size", Kind::Frequent),
    column("type_id", Kind::Frequent),
    column("known", Kind::Text),
    column("reachable", Kind::Bool),
    column("retained", Kind::Number),
    maybe("dominator", Kind::Number),
    maybe("held_by_kind", Kind::Text),
    maybe("held_by", Kind::Text),
];

const EDGES: &[Column] = &[
    column("source", Kind::Number),
    column("source_offset", Kind::Frequent),
    column("target", Kind::Number),
    column("target_offset", Kind::Frequent),
    column("field", Kind::Text),
];

const TYPES: &[Column] = &[
    column("type_id", Kind::Number),
    column("name", Kind::Text),
    column("package", Kind::Text),
    column("kind", Kind::Text),
    maybe("value_size", Kind::Number),
    column("objects", Kind::Number),
    column("bytes", Kind::Number),
    column("reachable_objects", Kind::Number),
    column("reachable_bytes", Kind::Number),
    column("retained", Kind::Number),
];

const ROOTS: &[Column] = &[
    column("root_id", Kind::Number),
    column("kind", Kind::Text),
    column("name", Kind::Text),
    maybe("package", Kind::Text),
    maybe("type", Kind::Text),
    maybe("goroutine_id", Kind::Number),
    maybe("address", Kind::Number),
    maybe("about", Kind::Number),
    column("target", Kind::Number),
    column("target_offset", Kind::Frequent),
    column("path", Kind::Text),
    column("retained", Kind::Number),
];

const GOROUTINES: &[Column] = &[
    column("goroutine_id", Kind::Number),
    column("address", Kind::Number),
    column("state", Kind::Text),
    maybe("wait_reason", Kind::Text),
    maybe("waited_ns", Kind::Number),
    column("waited_by", Kind::Text),
    column("system", Kind::Bool),
    maybe("leaked", Kind::Bool),
    column("group_id", Kind::Number),
    column("function", Kind::Text),
    maybe("created_by", Kind::Text),
    column("frames", Kind::Number),
    column("stack_bytes", Kind::Number),
    column("retained", Kind::Number),
    column("group_retained", Kind::Number),
];

const FRAMES: &[Column] = &[
    column("goroutine_id", Kind::Number),
    column("depth", Kind::Number),
    column("function", Kind::Text),
    column("package", Kind::Text),
    column("entry", Kind::Frequent),
    column("pc", Kind::Frequent),
    column("sp", Kind::Number),
    column("size", Kind::Frequent),
    maybe("root_id", Kind::Number),
    column("retained", Kind::Number),
];

const SPANS: &[Column] = &[
    column("address", Kind::Number),
    column("size", Kind::Frequent),
    column("object_size", Kind::Frequent),
    column("capacity", Kind::Frequent),
    column("objects", Kind::Frequent),
    column("size_class", Kind::Frequent),
    column("pointer_free", Kind::Bool),
    column("unswept", Kind::Bool),
];

impl Table {
    /// All of them, in the order in which they are written.
    pub const ALL: [Table; 8] = [
        Table::Capture,
        Table::Objects,
        Table::Edges,
        Table::Types,
        Table::Roots,
        Table::Goroutines,
        Table::Frames,
        Table::Spans,
    ];

    /// Its name: `objects`.
    pub fn name(self) -> &'static str {
        match self {
            Table::Capture => "capture",
            Table::Objects => "objects",
            Table::Edges => "edges",
            Table::Types => "types",
            Table::Roots => "roots",
            Table::Goroutines => "goroutines",
            Table::Frames => "frames",
            Table::Spans => "spans",
        }
    }

    /// The name of its file: `objects.parquet`.
    pub fn file(self) -> &'static str {
        match self {
            Table::Capture => "capture.parquet",
            Table::Objects => "objects.parquet",
            Table::Edges => "edges.parquet",
            Table::Types => "types.parquet",
            Table::Roots => "roots.parquet",
            Table::Goroutines => "goroutines.parquet",
            Table::Frames => "frames.parquet",
            Table::Spans => "spans.parquet",
        }
    }

    /// Its columns, in their order.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Table::Capture => CAPTURE,
            Table::Objects => OBJECTS,
            Table::Edges => EDGES,
            Table::Types => TYPES,
            Table::Roots => ROOTS,
            Table::Goroutines => GOROUTINES,
            Table::Frames => FRAMES,
            Table::Spans => SPANS,
        }
    }
}

impl Kind {
    /// The name of its type in SQL, of DuckDB and Spark: `BIGINT`, `BOOLEAN`, `VARCHAR` (Spark's
    /// `STRING`).
    pub fn sql(self) -> &'static str {
        match self {
            Kind::Number | Kind::Frequent => "BIGINT",
            Kind::Bool => "BOOLEAN",
            Kind::Text => "VARCHAR",
        }
    }
}
