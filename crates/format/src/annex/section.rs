//! The sections of the annex that are known: their names, their columns, and notes as rows.

use super::cursor::unzigzag;
use super::note::*;

/// The kinds of notes, each of which has a section of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum NoteKind {
    /// [`Note::Program`]
    Program,
    /// [`Note::Capture`]
    Capture,
    /// [`Note::Gap`]
    Gap,
    /// [`Note::Module`]
    Module,
    /// [`Note::Global`]
    Global,
    /// [`Note::Span`]
    Span,
    /// [`Note::Register`]
    Register,
    /// [`Note::Cleanup`]
    Cleanup,
    /// [`Note::WeakHandle`]
    WeakHandle,
    /// [`Note::Catalogue`]
    Catalogue,
    /// [`Note::GoType`]
    GoType,
    /// [`Note::TypeField`]
    TypeField,
    /// [`Note::Function`]
    Function,
    /// [`Note::FrameVariable`]
    FrameVariable,
    /// [`Note::ItabType`]
    ItabType,
    /// [`Note::Constant`]
    Constant,
    /// [`Note::Layout`]
    Layout,
    /// [`Note::LayoutMember`]
    LayoutMember,
    /// [`Note::Analysis`]
    Analysis,
    /// [`Note::Class`]
    Class,
    /// [`Note::CapturedLength`]
    CapturedLength,
    /// [`Note::Dominated`]
    Dominated,
    /// [`Note::ObjectClass`]
    ObjectClass,
}

/// What the values of a column are. The discriminants are those of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ColumnKind {
    /// A number.
    Uint = 1,
    /// An address.
    Address = 2,
    /// Text, UTF-8 as a rule.
    Text = 3,
    /// Bytes that are no text.
    Bytes = 4,
    /// Yes or no.
    Bool = 5,
    /// A number, or none.
    MaybeUint = 6,
}

impl ColumnKind {
    /// The kind with that number.
    pub fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => ColumnKind::Uint,
            2 => ColumnKind::Address,
            3 => ColumnKind::Text,
            4 => ColumnKind::Bytes,
            5 => ColumnKind::Bool,
            6 => ColumnKind::MaybeUint,
            _ => return None,
        })
    }
}

/// A column of a section, as the file tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Vec<u8>,
    /// Number of its kind.
    pub number: u64,
}

impl Column {
    /// What its values are; `None` if that is of a later version.
    pub fn kind(&self) -> Option<ColumnKind> {
        ColumnKind::from_number(self.number)
    }
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Uint(u64),
    /// An address.
    Address(u64),
    /// Text, UTF-8 as a rule.
    Text(&'a [u8]),
    /// Bytes that are no text.
    Bytes(&'a [u8]),
    /// Yes or no.
    Bool(bool),
    /// A number, or none.
    MaybeUint(Option<u64>),
    /// Of a kind that is not known.
    Unknown,
}

impl<'a> Value<'a> {
    fn number(self) -> u64 {
        match self {
            Value::Uint(number) | Value::Address(number) => number,
            _ => 0,
        }
    }

    fn bytes(self) -> &'a [u8] {
        match self {
            Value::Text(bytes) | Value::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    fn maybe(self) -> Option<u64> {
        match self {
            Value::MaybeUint(number) => number,
            _ => None,
        }
    }

    fn truth(self) -> bool {
        matches!(self, Value::Bool(true))
    }
}

/// The most columns that a known section has.
pub(super) const MOST_COLUMNS: usize = 18;

impl NoteKind {
    /// All of them, in the order in which their sections are written.
    pub const ALL: [NoteKind; 23] = [
        NoteKind::Program,
        NoteKind::Capture,
        NoteKind::Gap,
        NoteKind::Module,
        NoteKind::Global,
        NoteKind::Span,
        NoteKind::Register,
        NoteKind::Cleanup,
        NoteKind::WeakHandle,
        NoteKind::Catalogue,
        NoteKind::GoType,
        NoteKind::TypeField,
        NoteKind::Function,
        NoteKind::FrameVariable,
        NoteKind::ItabType,
        NoteKind::Constant,
        NoteKind::Layout,
        NoteKind::LayoutMember,
        NoteKind::Analysis,
        NoteKind::Class,
        NoteKind::CapturedLength,
        NoteKind::Dominated,
        NoteKind::ObjectClass,
    ];

    /// Name of the section: lower case and without blanks; no [`RecordKind`](crate::RecordKind) has
    /// one of these.
    pub fn name(self) -> &'static str {
        match self {
            NoteKind::Program => "program",
            NoteKind::Capture => "capture",
            NoteKind::Gap => "gap",
            NoteKind::Module => "module",
            NoteKind::Global => "global",
            NoteKind::Span => "span",
            NoteKind::Register => "register",
            NoteKind::Cleanup => "cleanup",
            NoteKind::WeakHandle => "weakhandle",
            NoteKind::Catalogue => "catalogue",
            NoteKind::GoType => "gotype",
            NoteKind::TypeField => "typefield",
            NoteKind::Function => "function",
            NoteKind::FrameVariable => "framevariable",
            NoteKind::ItabType => "itabtype",
            NoteKind::Constant => "constant",
            NoteKind::Layout => "layout",
            NoteKind::LayoutMember => "layoutmember",
            NoteKind::Analysis => "analysis",
            NoteKind::Class => "class",
            NoteKind::CapturedLength => "capturedlength",
            NoteKind::Dominated => "dominated",
            NoteKind::ObjectClass => "objectclass",
        }
    }

    /// Whether its section is what an analysis found out: of the bytes before it, and of no others.
    pub fn is_of_analysis(self) -> bool {
        self >= NoteKind::Analysis
    }

    /// The kind whose section has that name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().as_bytes() == name)
    }

    /// The columns of the section, in the order in which they are written.
    pub fn columns(self) -> &'static [(&'static str, ColumnKind)] {
        use ColumnKind::{Address, Bool, Bytes, MaybeUint, Text, Uint};
        match self {
            NoteKind::Program => &[
                ("goheap_version", Text),
                ("executable", Text),
                ("go_build_id", Text),
                ("gnu_build_id", Bytes),
                ("main_package", Text),
                ("main_version", Text),
            ],
            NoteKind::Capture => &[
                ("source", Text),
                ("unix_ns", Uint),
                ("method", Text),
                ("pause_ns", MaybeUint),
                ("stopped_ns", MaybeUint),
                ("tries", Uint),
                ("safe_moment", Bool),
                ("gaps", Uint),
                ("monotonic_ns", MaybeUint),
                ("pid", MaybeUint),
                ("started", MaybeUint),
                ("rss", MaybeUint),
                ("rss_anon", MaybeUint),
                ("passed_over", Text),
                ("copied_in_pause", MaybeUint),
                ("copied", MaybeUint),
                ("extra", MaybeUint),
                ("left", Text),
            ],
            NoteKind::Gap => &[("what", Text), ("address", Address), ("why", Text)],
            NoteKind::Module => &[
                ("address", Address),
                ("name", Text),
                ("text_start", Address),
                ("text_end", Address),
                ("data_start", Address),
                ("data_end", Address),
                ("bss_start", Address),
                ("bss_end", Address),
                ("types_start", Address),
                ("types_end", Address),
            ],
            NoteKind::Global => &[
                ("address", Address),
                ("size", Uint),
                ("name", Text),
                ("type", MaybeUint),
            ],
            NoteKind::Span => &[
                ("base", Address),
                ("bytes", Uint),
                ("elem_size", Uint),
                ("capacity", Uint),
                ("objects", Uint),
                ("span_class", Uint),
                ("unswept", Bool),
            ],
            NoteKind::Register => &[
                ("thread", Uint),
                ("g", Address),
                ("name", Text),
                ("value", Address),
            ],
            NoteKind::Cleanup => &[("object", Address), ("closure", Address), ("code", Address)],
            NoteKind::WeakHandle => &[("object", Address), ("handle", Address)],
            NoteKind::Catalogue => &[("dwarf", Bool), ("damaged", Uint), ("damage", Text)],
            NoteKind::GoType => &[
                ("address", Address),
                ("dwarf", Bool),
                ("kind", Uint),
                ("size", Uint),
                ("name", Text),
                ("package", Text),
                ("elem", MaybeUint),
                ("key", MaybeUint),
                ("slots", MaybeUint),
                ("len", Uint),
            ],
            NoteKind::TypeField => &[
                ("of", Uint),
                ("name", Text),
                ("offset", Uint),
                ("type", Uint),
                ("embedded", Bool),
            ],
            NoteKind::Function => &[("entry", Address), ("name", Text), ("closure", MaybeUint)],
            NoteKind::FrameVariable => &[
                ("function", Address),
                ("from", Address),
                ("to", Address),
                ("name", Text),
                ("type", Uint),
                ("cfa_offset", Uint),
            ],
            NoteKind::ItabType => &[("address", Address), ("type", Uint)],
            NoteKind::Constant => &[("address", Address), ("bytes", Bytes)],
            NoteKind::Layout => &[
                ("name", Text),
                ("size", Uint),
                ("shape", Uint),
                ("target", Text),
                ("count", Uint),
            ],
            NoteKind::LayoutMember => &[
                ("of", Uint),
                ("name", Text),
                ("offset", Uint),
                ("type_name", Text),
            ],
            NoteKind::Analysis => &[
                ("version", Uint),
                ("until", Uint),
                ("checksum", Uint),
                ("no_annex", Bool),
                ("objects", Uint),
                ("nodes", Uint),
                ("reachable", Uint),
                ("refused", Uint),
            ],
            NoteKind::Class => &[("what", Uint), ("number", Uint), ("pointers", Uint)],
            NoteKind::CapturedLength => &[("function", Uint), ("offset", Uint), ("size", Uint)],
            NoteKind::Dominated => &[("order", Bytes), ("subtree", Bytes)],
            NoteKind::ObjectClass => &[("codes", Bytes)],
        }
    }

    /// The note whose values are `value(i)` of this kind's columns; what a section lacks is
    /// [`Value::Unknown`] and becomes 0, nothing or no.
    pub(super) fn note<'a>(self, value: impl Fn(usize) -> Value<'a>) -> Note<'a> {
        let number = |at| value(at).number();
        let bytes = |at| value(at).bytes();
        match self {
            NoteKind::Program => Note::Program(Program {
                goheap_version: bytes(0),
                executable: bytes(1),
                go_build_id: bytes(2),
                gnu_build_id: bytes(3),
                main_package: bytes(4),
                main_version: bytes(5),
            }),
            NoteKind::Capture => Note::Capture(Capture {
                source: bytes(0),
                unix_ns: number(1),
                method: bytes(2),
                pause_ns: value(3).maybe(),
                stopped_ns: value(4).maybe(),
                tries: number(5),
                safe_moment: value(6).truth(),
                gaps: number(7),
                monotonic_ns: value(8).maybe(),
                pid: value(9).maybe(),
                started: value(10).maybe(),
                rss: value(11).maybe(),
                rss_anon: value(12).maybe(),
                passed_over: bytes(13),
                copied_in_pause: value(14).maybe(),
                copied: value(15).maybe(),
                extra: value(16).maybe(),
                left: bytes(17),
            }),
            NoteKind::Gap => Note::Gap(Gap {
                what: bytes(0),
                address: number(1),
                why: bytes(2),
            }),
            NoteKind::Module => Note::Module(Module {
                address: number(0),
                name: bytes(1),
                text: (number(2), number(3)),
                data: (number(4), number(5)),
                bss: (number(6), number(7)),
                types: (number(8), number(9)),
            }),
            NoteKind::Global => Note::Global(Global {
                address: number(0),
                size: number(1),
                name: bytes(2),
                ty: value(3).maybe(),
            }),
            NoteKind::Span => Note::Span(Span {
                base: number(0),
                bytes: number(1),
                elem_size: number(2),
                capacity: number(3),
                objects: number(4),
                span_class: byte(number(5)),
                unswept: value(6).truth(),
            }),
            NoteKind::Register => Note::Register(Register {
                thread: number(0),
                g: number(1),
                name: bytes(2),
                value: number(3),
            }),
            NoteKind::Cleanup => Note::Cleanup(Cleanup {
                object: number(0),
                closure: number(1),
                code: number(2),
            }),
            NoteKind::WeakHandle => Note::WeakHandle(WeakHandle {
                object: number(0),
                handle: number(1),
            }),
            NoteKind::Catalogue => Note::Catalogue(Catalogue {
                dwarf: value(0).truth(),
                damaged: number(1),
                damage: bytes(2),
            }),
            NoteKind::GoType => Note::GoType(GoType {
                address: number(0),
                dwarf: value(1).truth(),
                kind: byte(number(2)),
                size: number(3),
                name: bytes(4),
                package: bytes(5),
                elem: value(6).maybe(),
                key: value(7).maybe(),
                slots: value(8).maybe(),
                len: number(9),
            }),
            NoteKind::TypeField => Note::TypeField(TypeField {
                of: number(0),
                name: bytes(1),
                offset: number(2),
                ty: number(3),
                embedded: value(4).truth(),
            }),
            NoteKind::Function => Note::Function(Function {
                entry: number(0),
                name: bytes(1),
                closure: value(2).maybe(),
            }),
            NoteKind::FrameVariable => Note::FrameVariable(FrameVariable {
                function: number(0),
                from: number(1),
                to: number(2),
                name: bytes(3),
                ty: number(4),
                cfa_offset: unzigzag(number(5)).cast_signed(),
            }),
            NoteKind::ItabType => Note::ItabType(ItabType {
                address: number(0),
                ty: number(1),
            }),
            NoteKind::Constant => Note::Constant(Constant {
                address: number(0),
                bytes: bytes(1),
            }),
            NoteKind::Layout => Note::Layout(Layout {
                name: bytes(0),
                size: number(1),
                shape: byte(number(2)),
                target: bytes(3),
                count: number(4),
            }),
            NoteKind::LayoutMember => Note::LayoutMember(LayoutMember {
                of: number(0),
                name: bytes(1),
                offset: number(2),
                type_name: bytes(3),
            }),
            NoteKind::Analysis => Note::Analysis(Analysis {
                version: number(0),
                until: number(1),
                checksum: number(2),
                no_annex: value(3).truth(),
                objects: number(4),
                nodes: number(5),
                reachable: number(6),
                refused: number(7),
            }),
            NoteKind::Class => Note::Class(Class {
                what: number(0),
                number: number(1),
                pointers: number(2),
            }),
            NoteKind::CapturedLength => Note::CapturedLength(CapturedLength {
                function: number(0),
                offset: number(1),
                size: number(2),
            }),
            NoteKind::Dominated => Note::Dominated(Dominated {
                order: bytes(0),
                subtree: bytes(1),
            }),
            NoteKind::ObjectClass => Note::ObjectClass(ObjectClass { codes: bytes(0) }),
        }
    }
}

/// A number that its writer has from a byte.
fn byte(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
