//! What is to be done with the words of a value, type by type: flat lists that are made once, so that
//! millions of values are gone through without a look at their types.

use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeId};

use super::special::Rules;

/// Lists longer than this are not copied into those of types that contain the type.
const INLINE: usize = 24;

/// How deep lists may call others; deeper types are not looked into.
const DEPTH: u8 = 24;

/// What a word, with those behind it, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// A pointer to a type.
    Pointer(TypeId),
    /// The same, to a type of the runtime's, which may not be in the heap: such pointers the
    /// collector does not see.
    RuntimePointer(TypeId),
    /// The pointer and the length of a string.
    String,
    /// Pointer, length and capacity of a slice of that type.
    Slice(TypeId),
    /// A pointer to elements of that type, and in the next word how many.
    Counted(TypeId),
    /// Type or itab, and data.
    Interface,
    /// The same, where the collector sees both words.
    InterfaceOfPointers,
    /// A pointer to a map of that type.
    Map(TypeId),
    /// A pointer to a channel of that type.
    Chan(TypeId),
    /// A pointer to a channel of any type.
    AnyChan,
    /// A pointer to a closure.
    Func,
    /// A pointer to anything.
    Unsafe,
    /// A pointer to a node of a trie; its place in [`Rules::nodes`].
    TrieNode(u32),
    /// A pointer to a `time.Timer` or `time.Ticker`, that type.
    Timer(TypeId),
    /// A `reflect.Value`.
    ReflectValue,
    /// Values of a type, one behind the other.
    Repeat {
        /// The type.
        ty: TypeId,
        /// How many.
        count: u32,
    },
    /// A pointer to buckets of a map of that type.
    Buckets(TypeId),
    /// The `hmap.extra` of one.
    MapExtra(TypeId),
    /// The `dirPtr` of a map of that type; `dirLen` lies so many bytes behind it.
    Directory(TypeId, i32),
    /// A pointer to a table of one.
    Table(TypeId),
    /// A pointer to groups of one.
    Groups(TypeId),
    /// A pointer to a key that lies outside of its slot.
    Key(TypeId),
    /// A pointer to an element that does.
    Elem(TypeId),
    /// The buffer of a channel, with elements of that type.
    ChanBuffer(TypeId),
}

/// What is to be done at an offset of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Op {
    /// Bytes from the start of the value.
    pub(super) offset: u32,
    /// What to do.
    pub(super) act: Act,
}

/// The list of a type: where it is among all, and how far apart values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Program {
    pub(super) from: u32,
    pub(super) len: u32,
    /// Bytes of a value; 0 if nothing is to be done.
    pub(super) stride: u64,
    pub(super) depth: u8,
    /// The type is not what it can be, or too deep: its words are not known.
    pub(super) opaque: bool,
}

impl Program {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The lists of all types.
#[derive(Debug, Default)]
pub(super) struct Programs {
    ops: Vec<Op>,
    of_type: Vec<Program>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

impl Programs {
    /// Makes the lists of all types of a catalogue.
    pub(super) fn new(catalogue: &Catalogue, rules: &Rules) -> Programs {
        let mut programs = Programs {
            ops: Vec::new(),
            of_type: vec![Program::default(); catalogue.len()],
        };
        let mut states = vec![State::New; catalogue.len()];
        let mut open = Vec::new();
        for (id, _) in catalogue.types() {
            open.push(id);
            while let Some(&top) = open.last() {
                let (Some(state), Some(ty)) = (states.get_mut(top.0 as usize), catalogue.get(top))
                else {
                    open.pop();
                    continue;
                };
                match state {
                    State::Done => {
                        open.pop();
                    }
                    State::New => {
                        *state = State::Open;
                        for part in parts(ty) {
                            if states.get(part.0 as usize) == Some(&State::New) {
                                open.push(part);
                            }
                        }
                    }
                    State::Open => {
                        // A part that is open still is the type itself: that has no end.
                        let endless =
                            parts(ty).any(|part| states.get(part.0 as usize) != Some(&State::Done));
                        let program = match endless {
                            true => Program {
                                opaque: true,
                                ..Program::default()
                            },
                            false => programs.make(catalogue, rules, top, ty),
                        };
                        if let Some(place) = programs.of_type.get_mut(top.0 as usize) {
                            *place = program;
                        }
                        if let Some(state) = states.get_mut(top.0 as usize) {
                            *state = State::Done;
                        }
                        open.pop();
                    }
                }
            }
        }
        programs
    }

    /// The list of a type.
    #[inline]
    pub(super) fn of(&self, ty: TypeId) -> Program {
        self.of_type.get(ty.0 as usize).copied().unwrap_or_default()
    }

    /// What is to be done.
    #[inline]
    pub(super) fn ops(&self, program: Program) -> &[Op] {
        let from = program.from as usize;
        self.ops
            .get(from..from.saturating_add(program.len as usize))
            .unwrap_or(&[])
    }

    /// Adds a list that is not of one type alone.
    pub(super) fn add(&mut self, ops: &[Op], stride: u64) -> Program {
        let depth = ops.iter().map(|op| self.depth(op.act)).max().unwrap_or(0);
        let Ok(from) = u32::try_from(self.ops.len()) else {
            return Program::default();
        };
        if depth > DEPTH {
            return Program {
                opaque: true,
                ..Program::default()
            };
        }
        self.ops.extend_from_slice(ops);
        Program {
            from,
            len: ops.len() as u32,
            stride,
            depth,
            opaque: false,
        }
    }

    fn depth(&self, act: Act) -> u8 {
        match act {
            Act::Repeat { ty, .. } => self.of(ty).depth + 1,
            _ => 1,
        }
    }

    /// Adds what a value of `ty` at `offset` asks for; `false` if that is not known.
    pub(super) fn embed(&self, ops: &mut Vec<Op>, ty: TypeId, offset: u64, count: u64) -> bool {
        let program = self.of(ty);
        if program.opaque {
            return false;
        }
        if program.is_empty() || count == 0 {
            return true;
        }
        let inner = self.ops(program);
        let Some(end) = program
            .stride
            .checked_mul(count)
            .and_then(|bytes| bytes.checked_add(offset))
            .filter(|end| *end <= u64::from(u32::MAX))
        else {
            return false;
        };
        if count <= INLINE as u64 && inner.len() * count as usize <= INLINE {
            for at in (offset..end).step_by(program.stride.max(1) as usize) {
                ops.extend(inner.iter().map(|op| Op {
                    offset: op.offset + at as u32,
                    act: op.act,
                }));
            }
        } else {
            ops.push(Op {
                offset: offset as u32,
                act: Act::Repeat {
                    ty,
                    count: count as u32,
                },
            });
        }
        true
    }

    fn make(&mut self, catalogue: &Catalogue, rules: &Rules, id: TypeId, ty: &GoType) -> Program {
        let mut ops = Vec::new();
        let known = match rules.special(id) {
            Some(special) => {
                ops.extend_from_slice(special);
                true
            }
            None => self.plainly(&mut ops, catalogue, rules, (id, ty)),
        };
        if !known {
            return Program {
                opaque: true,
                ..Program::default()
            };
        }
        self.add(&ops, ty.size)
    }

    fn plainly(
        &self,
        ops: &mut Vec<Op>,
        catalogue: &Catalogue,
        rules: &Rules,
        (id, ty): (TypeId, &GoType),
    ) -> bool {
        let act = match ty.kind {
            Kind::Pointer => match ty.elem {
                Some(elem) => rules.pointer_to(elem),
                None => Act::Unsafe,
            },
            Kind::UnsafePointer => Act::Unsafe,
            Kind::Func => Act::Func,
            Kind::String => Act::String,
            Kind::Interface => Act::Interface,
            Kind::Map => Act::Map(id),
            Kind::Chan => Act::Chan(id),
            Kind::Slice => match ty.elem {
                Some(elem) => Act::Slice(elem),
                None => Act::Unsafe,
            },
            Kind::Array => {
                let Some(elem) = ty.elem else { return false };
                let size = catalogue.get(elem).map_or(0, |elem| elem.size);
                let fits = size.checked_mul(ty.len).is_some_and(|all| all <= ty.size);
                return fits && self.embed(ops, elem, 0, ty.len);
            }
            Kind::Struct => {
                let mut end = 0;
                for field in &ty.fields {
                    let Some(part) = catalogue.get(field.ty) else {
                        return false;
                    };
                    // Fields that overlap, or lie outside, are no Go struct.
                    let behind = field.offset.checked_add(part.size);
                    if field.offset < end || behind.is_none_or(|behind| behind > ty.size) {
                        return false;
                    }
                    end = field.offset + part.size;
                    if !self.embed(ops, field.ty, field.offset, 1) {
                        return false;
                    }
                }
                return true;
            }
            _ => return true,
        };
        ops.push(Op { offset: 0, act });
        true
    }
}

/// The types whose values a value of a type has in it.
fn parts(ty: &GoType) -> impl Iterator<Item = TypeId> + '_ {
    let elem = ty.elem.filter(|_| ty.kind == Kind::Array && ty.len > 0);
    ty.fields.iter().map(|field| field.ty).chain(elem)
}
