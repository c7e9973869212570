//! Notes as rows: the values of their columns.

use super::cursor::zigzag;
use super::note::Note;
use super::section::{MOST_COLUMNS, NoteKind, Value};

impl<'a> Note<'a> {
    /// What it is.
    pub fn kind(&self) -> NoteKind {
        match self {
            Note::Program(_) => NoteKind::Program,
            Note::Capture(_) => NoteKind::Capture,
            Note::Gap(_) => NoteKind::Gap,
            Note::Module(_) => NoteKind::Module,
            Note::Global(_) => NoteKind::Global,
            Note::Span(_) => NoteKind::Span,
            Note::Register(_) => NoteKind::Register,
            Note::Cleanup(_) => NoteKind::Cleanup,
            Note::WeakHandle(_) => NoteKind::WeakHandle,
            Note::Catalogue(_) => NoteKind::Catalogue,
            Note::GoType(_) => NoteKind::GoType,
            Note::TypeField(_) => NoteKind::TypeField,
            Note::Function(_) => NoteKind::Function,
            Note::FrameVariable(_) => NoteKind::FrameVariable,
            Note::ItabType(_) => NoteKind::ItabType,
            Note::Constant(_) => NoteKind::Constant,
            Note::Layout(_) => NoteKind::Layout,
            Note::LayoutMember(_) => NoteKind::LayoutMember,
            Note::Analysis(_) => NoteKind::Analysis,
            Note::Class(_) => NoteKind::Class,
            Note::CapturedLength(_) => NoteKind::CapturedLength,
            Note::Dominated(_) => NoteKind::Dominated,
            Note::ObjectClass(_) => NoteKind::ObjectClass,
        }
    }

    /// Its values, in the order of [`NoteKind::columns`]; behind the last, [`Value::Unknown`].
    pub(super) fn values(&self) -> [Value<'a>; MOST_COLUMNS] {
        use Value::{Address, Bool, Bytes, MaybeUint, Text, Uint};
        match *self {
            Note::Program(p) => pad([
                Text(p.goheap_version),
                Text(p.executable),
                Text(p.go_build_id),
                Bytes(p.gnu_build_id),
                Text(p.main_package),
                Text(p.main_version),
            ]),
            Note::Capture(c) => pad([
                Text(c.source),
                Uint(c.unix_ns),
                Text(c.method),
                MaybeUint(c.pause_ns),
                MaybeUint(c.stopped_ns),
                Uint(c.tries),
                Bool(c.safe_moment),
                Uint(c.gaps),
                MaybeUint(c.monotonic_ns),
                MaybeUint(c.pid),
                MaybeUint(c.started),
                MaybeUint(c.rss),
                MaybeUint(c.rss_anon),
                Text(c.passed_over),
                MaybeUint(c.copied_in_pause),
                MaybeUint(c.copied),
                MaybeUint(c.extra),
                Text(c.left),
            ]),
            Note::Gap(g) => pad([Text(g.what), Address(g.address), Text(g.why)]),
            Note::Module(m) => pad([
                Address(m.address),
                Text(m.name),
                Address(m.text.0),
                Address(m.text.1),
                Address(m.data.0),
                Address(m.data.1),
                Address(m.bss.0),
                Address(m.bss.1),
                Address(m.types.0),
                Address(m.types.1),
            ]),
            Note::Global(g) => pad([
                Address(g.address),
                Uint(g.size),
                Text(g.name),
                MaybeUint(g.ty),
            ]),
            Note::Span(s) => pad([
                Address(s.base),
                Uint(s.bytes),
                Uint(s.elem_size),
                Uint(s.capacity),
                Uint(s.objects),
                Uint(s.span_class.into()),
                Bool(s.unswept),
            ]),
            Note::Register(r) => {
                pad([Uint(r.thread), Address(r.g), Text(r.name), Address(r.value)])
            }
            Note::Cleanup(c) => pad([Address(c.object), Address(c.closure), Address(c.code)]),
            Note::WeakHandle(w) => pad([Address(w.object), Address(w.handle)]),
            Note::Catalogue(c) => pad([Bool(c.dwarf), Uint(c.damaged), Text(c.damage)]),
            Note::GoType(t) => pad([
                Address(t.address),
                Bool(t.dwarf),
                Uint(t.kind.into()),
                Uint(t.size),
                Text(t.name),
                Text(t.package),
                MaybeUint(t.elem),
                MaybeUint(t.key),
                MaybeUint(t.slots),
                Uint(t.len),
            ]),
            Note::TypeField(f) => pad([
                Uint(f.of),
                Text(f.name),
                Uint(f.offset),
                Uint(f.ty),
                Bool(f.embedded),
            ]),
            Note::Function(f) => pad([Address(f.entry), Text(f.name), MaybeUint(f.closure)]),
            Note::FrameVariable(v) => pad([
                Address(v.function),
                Address(v.from),
                Address(v.to),
                Text(v.name),
                Uint(v.ty),
                Uint(zigzag(v.cfa_offset.cast_unsigned())),
            ]),
            Note::ItabType(i) => pad([Address(i.address), Uint(i.ty)]),
            Note::Constant(c) => pad([Address(c.address), Bytes(c.bytes)]),
            Note::Layout(l) => pad([
                Text(l.name),
                Uint(l.size),
                Uint(l.shape.into()),
                Text(l.target),
                Uint(l.count),
            ]),
            Note::LayoutMember(m) => {
                pad([Uint(m.of), Text(m.name), Uint(m.offset), Text(m.type_name)])
            }
            Note::Analysis(a) => pad([
                Uint(a.version),
                Uint(a.until),
                Uint(a.checksum),
                Bool(a.no_annex),
                Uint(a.objects),
                Uint(a.nodes),
                Uint(a.reachable),
                Uint(a.refused),
            ]),
            Note::Class(c) => pad([Uint(c.what), Uint(c.number), Uint(c.pointers)]),
            Note::CapturedLength(l) => pad([Uint(l.function), Uint(l.offset), Uint(l.size)]),
            Note::Dominated(d) => pad([Bytes(d.order), Bytes(d.subtree)]),
            Note::ObjectClass(c) => pad([Bytes(c.codes)]),
        }
    }
}

fn pad<const N: usize>(values: [Value<'_>; N]) -> [Value<'_>; MOST_COLUMNS] {
    let mut all = [Value::Unknown; MOST_COLUMNS];
    all[..N].copy_from_slice(&values);
    all
}
