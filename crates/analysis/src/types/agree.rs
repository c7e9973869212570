//! Whether the pointers of a class are those that the collector has of an object: exactly.

use goheap_format::Fields;

use super::body::Body;
use super::know::{Know, Shape};
use super::program::{Act, Op, Program};

/// The collector's pointers, as they are met.
struct Cursor<'d> {
    fields: goheap_format::FieldsIter<'d>,
    next: Option<u64>,
}

impl<'d> Cursor<'d> {
    fn new(fields: Fields<'d>) -> Cursor<'d> {
        let mut fields = fields.iter();
        let next = fields.next().map(|(_, offset)| offset);
        Cursor { fields, next }
    }

    /// A pointer is expected at an offset, surely or maybe. Whether that can be.
    #[inline]
    fn pointer(&mut self, at: u64, sure: bool) -> bool {
        match self.next {
            Some(next) if next == at => {
                self.next = self.fields.next().map(|(_, offset)| offset);
                true
            }
            Some(next) if next < at => false,
            _ => !sure,
        }
    }
}

/// Where pointers are told of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Where the first value begins: behind the header, if there is one.
    pub(super) base: u64,
    /// Bytes of the object.
    pub(super) size: u64,
    /// What lies behind the last value may have pointers of one that was cut off, for the collector
    /// repeats a type up to the end (runtime/mbitmap.go, go1.22: `typePointers.next`).
    pub(super) tiled: bool,
}

/// How an expectation ended.
#[derive(PartialEq, Eq)]
enum End {
    Met,
    /// The end of the object lies here.
    Cut,
    Not,
}

impl Know<'_> {
    /// Whether an object can be of a shape.
    pub(super) fn agrees(&self, object: &Body<'_>, shape: Shape, extent: Extent) -> bool {
        let mut cursor = Cursor::new(object.fields);
        // What the collector sees no pointers in has none, not even some that may be outside of the
        // heap; but buckets without pointers keep the way to the next one as a number.
        let known = self.programs.ops(shape.program);
        let only_buckets = known.iter().all(|op| matches!(op.act, Act::Buckets(_)));
        if cursor.next.is_none() && (shape.program.opaque || !only_buckets) {
            return false;
        }
        if shape.program.opaque {
            return true;
        }
        let Extent { base, size, tiled } = extent;
        if shape.size == 0 || shape.program.is_empty() {
            return cursor.next.is_none();
        }
        let room = size.saturating_sub(base);
        let whole = if shape.many { room / shape.size } else { 1 };
        let limit = match tiled {
            true => size,
            false => base.saturating_add(whole.saturating_mul(shape.size)),
        };
        let mut at = base;
        let mut number = 0u64;
        while at < limit {
            // Behind the last element of a slice that is not full there may be nothing.
            if number > 0 && cursor.next.is_none() {
                return true;
            }
            match self.expect(&mut cursor, shape.program, at, limit) {
                End::Met => {}
                End::Cut => return cursor.next.is_none(),
                End::Not => return false,
            }
            number += 1;
            match at.checked_add(shape.size) {
                Some(next) => at = next,
                None => break,
            }
        }
        cursor.next.is_none()
    }

    /// Whether the collector sees the pointer that an operation is about.
    pub(super) fn is_held(&self, object: &Body<'_>, op: Op, extent: Extent) -> bool {
        let at = extent.base + u64::from(op.offset);
        let pointer = match op.act {
            Act::Repeat { .. } => return false,
            Act::Interface => at + self.word,
            _ => at,
        };
        let mut fields = object.fields.iter();
        fields.any(|(_, offset)| offset == pointer)
    }

    /// One value at an offset. Types hold each other to a known depth (`program::DEPTH`).
    fn expect(&self, cursor: &mut Cursor<'_>, program: Program, from: u64, limit: u64) -> End {
        for &Op { offset, act } in self.programs.ops(program) {
            let at = from + u64::from(offset);
            if at >= limit {
                return End::Cut;
            }
            let met = match act {
                Act::RuntimePointer(_) | Act::Buckets(_) => cursor.pointer(at, false),
                Act::Interface => {
                    let data = at + self.word;
                    if data >= limit {
                        return End::Cut;
                    }
                    cursor.pointer(data, true)
                }
                Act::InterfaceOfPointers => {
                    cursor.pointer(at, true) && cursor.pointer(at + self.word, true)
                }
                Act::ReflectValue => {
                    cursor.pointer(at, false) && cursor.pointer(at + self.word, true)
                }
                Act::Repeat { ty, count } => {
                    let inner = self.programs.of(ty);
                    for number in 0..u64::from(count) {
                        match self.expect(cursor, inner, at + number * inner.stride, limit) {
                            End::Met => {}
                            other => return other,
                        }
                    }
                    true
                }
                _ => cursor.pointer(at, true),
            };
            if !met {
                return End::Not;
            }
        }
        End::Met
    }
}
