//! A catalogue as sections of an annex, and out of them again.

use std::io::{self, Read};

use goheap_format::annex::{
    self, Analysis, AnnexError, AnnexReader, AnnexWriter, Digest, Note, NoteKind,
};
use goheap_golang::Kind;
use goheap_golang::catalogue::{
    Catalogue, Damage, FrameVariable, Function, GoType, KnownLayouts, TypeField, TypeId,
    TypeOrigin, Variable,
};
use goheap_image::layout::{Member, Shape, TypeLayout};
use goheap_memory::Addr;

/// Bytes of a catalogue that are kept in memory, about: a small annex can claim very much. The
/// largest programs have some hundred thousand types, and a million functions.
const ROOM: usize = 2 << 30;

/// Bytes of constants that one row has.
const PIECE: usize = 1 << 16;

/// How layouts are numbered (`docs/annex.md`).
mod shape {
    pub(super) const SCALAR: u8 = 0;
    pub(super) const POINTER: u8 = 1;
    pub(super) const POINTER_TO: u8 = 2;
    pub(super) const STRUCT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const OPAQUE: u8 = 5;
}

fn number(id: TypeId) -> u64 {
    u64::from(id.0)
}

/// Adds all that a catalogue says to an annex.
///
/// # Errors
/// Of the writer.
pub fn put_catalogue(catalogue: &Catalogue, annex: &mut AnnexWriter) -> io::Result<()> {
    annex.add(&Note::Catalogue(annex::Catalogue {
        dwarf: catalogue.dwarf,
        damaged: catalogue.damage.count,
        damage: catalogue.damage.first.as_deref().unwrap_or("").as_bytes(),
    }))?;
    for (id, ty) in catalogue.types() {
        annex.add(&Note::GoType(annex::GoType {
            address: ty.address,
            dwarf: ty.origin == TypeOrigin::Dwarf,
            kind: ty.kind.raw(),
            size: ty.size,
            name: ty.name.as_bytes(),
            package: ty.package.as_bytes(),
            elem: ty.elem.map(number),
            key: ty.key.map(number),
            slots: ty.slots.map(number),
            len: ty.len,
        }))?;
        for field in &ty.fields {
            annex.add(&Note::TypeField(annex::TypeField {
                of: number(id),
                name: field.name.as_bytes(),
                offset: field.offset,
                ty: number(field.ty),
                embedded: field.embedded,
            }))?;
        }
    }
    for variable in &catalogue.variables {
        annex.add(&Note::Global(annex::Global {
            address: variable.address,
            size: variable.size,
            name: variable.name.as_bytes(),
            ty: variable.ty.map(number),
        }))?;
    }
    for function in &catalogue.functions {
        annex.add(&Note::Function(annex::Function {
            entry: function.entry,
            name: function.name.as_bytes(),
            closure: function.closure.map(number),
        }))?;
    }
    for variable in &catalogue.frame_variables {
        annex.add(&Note::FrameVariable(annex::FrameVariable {
            function: variable.function,
            from: variable.from,
            to: variable.to,
            name: variable.name.as_bytes(),
            ty: number(variable.ty),
            cfa_offset: variable.cfa_offset,
        }))?;
    }
    let mut itabs: Vec<(u64, TypeId)> = catalogue.itabs.iter().map(|(&at, &ty)| (at, ty)).collect();
    itabs.sort_unstable();
    for (address, ty) in itabs {
        let ty = number(ty);
        annex.add(&Note::ItabType(annex::ItabType { address, ty }))?;
    }
    for (start, bytes) in &catalogue.constants {
        for (piece, number) in bytes.chunks(PIECE).zip(0u64..) {
            annex.add(&Note::Constant(annex::Constant {
                address: start.wrapping_add(number * PIECE as u64),
                bytes: piece,
            }))?;
        }
    }
    let mut layouts: Vec<(&String, &TypeLayout)> = catalogue.layouts.0.iter().collect();
    layouts.sort_unstable_by_key(|(name, _)| *name);
    for (of, (name, layout)) in (0..).zip(layouts) {
        put_layout(of, name, layout, annex)?;
    }
    Ok(())
}

fn put_layout(of: u64, name: &str, layout: &TypeLayout, annex: &mut AnnexWriter) -> io::Result<()> {
    let (shape, target, count) = match &layout.shape {
        Shape::Scalar => (shape::SCALAR, "", 0),
        Shape::Pointer { to: None } => (shape::POINTER, "", 0),
        Shape::Pointer { to: Some(to) } => (shape::POINTER_TO, to.as_str(), 0),
        Shape::Struct { .. } => (shape::STRUCT, "", 0),
        Shape::Array { element, count } => (shape::ARRAY, element.as_str(), *count),
        Shape::Opaque => (shape::OPAQUE, "", 0),
    };
    annex.add(&Note::Layout(annex::Layout {
        name: name.as_bytes(),
        size: layout.size,
        shape,
        target: target.as_bytes(),
        count,
    }))?;
    if let Shape::Struct { members } = &layout.shape {
        for member in members {
            annex.add(&Note::LayoutMember(annex::LayoutMember {
                of,
                name: member.name.as_bytes(),
                offset: member.offset,
                type_name: member.type_name.as_bytes(),
            }))?;
        }
    }
    Ok(())
}

/// What an annex says.
#[derive(Debug, Default)]
pub struct FromAnnex {
    /// Types, variables, functions.
    pub catalogue: Catalogue,
    /// Program, capture, gaps, and how much there is of everything.
    pub digest: Digest,
    /// That the dump was analysed, and where the block is that says so. What was found out stands behind
    /// it, and was not looked at.
    pub analysis: Option<(u64, Analysis)>,
    /// Why the rest of the annex could not be read; what stands before that is there.
    pub error: Option<AnnexError>,
}

/// Reads an annex to its end, or to what an analysis found out; `each` is given all notes before that.
///
/// What a damaged annex says of types that are not there is left out, and counted in
/// [`Catalogue::damage`].
pub fn catalogue_of_annex<R: Read>(
    reader: &mut AnnexReader<R>,
    mut each: impl FnMut(&Note<'_>),
) -> FromAnnex {
    let mut made = Made {
        room: ROOM,
        ..Made::default()
    };
    let mut digest = Digest::default();
    let mut analysis = None;
    let mut read = || {
        while let Some(block) = reader.next_block()? {
            if block.kind() == Some(NoteKind::Analysis) {
                let offset = block.offset();
                let mut told = Digest::default();
                told.take(block, |_, _| {})?;
                analysis = told.analysis.map(|told| (offset, told));
                break;
            }
            digest.take(block, |_, note| {
                made.take(note);
                each(note);
            })?;
        }
        Ok(())
    };
    let error = read().err();
    FromAnnex {
        catalogue: made.finish(),
        digest,
        analysis,
        error,
    }
}

/// A catalogue that is being read.
#[derive(Default)]
struct Made {
    catalogue: Catalogue,
    types: Vec<GoType>,
    layouts: Vec<(String, TypeLayout)>,
    itabs: Vec<(u64, u64)>,
    room: usize,
    /// What the annex itself is short of, beside what it says was damaged.
    damage: Damage,
}

impl Made {
    /// Takes as many bytes of what may be kept, beside a fixed part.
    fn spend(&mut self, bytes: usize) -> bool {
        match self.room.checked_sub(bytes.saturating_add(160)) {
            Some(room) => {
                self.room = room;
                true
            }
            None => {
                let why = "the annex says more of types than is believed";
                self.damage.add(Addr::NIL, &why);
                false
            }
        }
    }

    fn take(&mut self, note: &Note<'_>) {
        match note {
            Note::Catalogue(all) => {
                self.catalogue.dwarf = all.dwarf;
                self.catalogue.damage.count = all.damaged;
                let damage = text(all.damage.get(..4 << 10).unwrap_or(all.damage));
                self.catalogue.damage.first = (!damage.is_empty()).then_some(damage);
            }
            Note::GoType(ty) if self.spend(2 * ty.name.len() + ty.package.len()) => {
                let kind = Kind::from_raw(ty.kind).unwrap_or_else(|| {
                    let at = Addr::new(ty.address);
                    self.damage.add(at, &"a type of no kind");
                    Kind::Struct
                });
                self.types.push(GoType {
                    address: ty.address,
                    origin: match ty.dwarf {
                        true => TypeOrigin::Dwarf,
                        false => TypeOrigin::Descriptor,
                    },
                    kind,
                    size: ty.size,
                    name: text(ty.name),
                    package: text(ty.package),
                    elem: ty.elem.map(id),
                    key: ty.key.map(id),
                    slots: ty.slots.map(id),
                    len: ty.len,
                    fields: Vec::new(),
                });
            }
            Note::TypeField(field) if self.spend(field.name.len()) => {
                match place(&mut self.types, field.of) {
                    Some(ty) => ty.fields.push(TypeField {
                        name: text(field.name),
                        offset: field.offset,
                        ty: id(field.ty),
                        embedded: field.embedded,
                    }),
                    None => self.damage.add(Addr::NIL, &"a field of no type"),
                }
            }
            Note::Global(global) if self.spend(global.name.len()) => {
                self.catalogue.variables.push(Variable {
                    address: global.address,
                    size: global.size,
                    name: text(global.name),
                    ty: global.ty.map(id),
                });
            }
            Note::Function(function) if self.spend(function.name.len()) => {
                self.catalogue.functions.push(Function {
                    entry: function.entry,
                    name: text(function.name),
                    closure: function.closure.map(id),
                });
            }
            Note::FrameVariable(variable) if self.spend(variable.name.len()) => {
                self.catalogue.frame_variables.push(FrameVariable {
                    function: variable.function,
                    from: variable.from,
                    to: variable.to,
                    name: text(variable.name),
                    ty: id(variable.ty),
                    cfa_offset: variable.cfa_offset,
                });
            }
            Note::ItabType(itab) if self.spend(0) => self.itabs.push((itab.address, itab.ty)),
            Note::Constant(constant) if self.spend(constant.bytes.len()) => {
                let constants = &mut self.catalogue.constants;
                match constants.last_mut() {
                    // One piece again, for texts lie across the ends of pieces.
                    Some((at, bytes))
                        if at.checked_add(bytes.len() as u64) == Some(constant.address) =>
                    {
                        bytes.extend_from_slice(constant.bytes);
                    }
                    _ => constants.push((constant.address, constant.bytes.to_vec())),
                }
            }
            Note::Layout(layout) if self.spend(layout.name.len() + layout.target.len()) => {
                let target = || text(layout.target);
                let shape = match layout.shape {
                    shape::SCALAR => Shape::Scalar,
                    shape::POINTER => Shape::Pointer { to: None },
                    shape::POINTER_TO => Shape::Pointer { to: Some(target()) },
                    shape::STRUCT => Shape::Struct {
                        members: Vec::new(),
                    },
                    shape::ARRAY => Shape::Array {
                        element: target(),
                        count: layout.count,
                    },
                    _ => Shape::Opaque,
                };
                let size = layout.size;
                self.layouts
                    .push((text(layout.name), TypeLayout { size, shape }));
            }
            Note::LayoutMember(member)
                if self.spend(member.name.len() + member.type_name.len()) =>
            {
                match place(&mut self.layouts, member.of) {
                    Some((_, layout)) => {
                        if let Shape::Struct { members } = &mut layout.shape {
                            members.push(Member {
                                name: text(member.name),
                                offset: member.offset,
                                type_name: text(member.type_name),
                            });
                        }
                    }
                    None => self.damage.add(Addr::NIL, &"a member of no layout"),
                }
            }
            _ => {}
        }
    }

    /// Puts it together; what refers to types that are not there is left out.
    fn finish(mut self) -> Catalogue {
        let count = self.types.len() as u64;
        let is_there = |ty: &TypeId| u64::from(ty.0) < count;
        let mut lost = 0u64;
        let mut known = |ty: &mut Option<TypeId>| {
            if ty.as_ref().is_some_and(|ty| !is_there(ty)) {
                lost += 1;
                *ty = None;
            }
        };
        for ty in &mut self.types {
            known(&mut ty.elem);
            known(&mut ty.key);
            known(&mut ty.slots);
        }
        let mut catalogue = self.catalogue;
        for variable in &mut catalogue.variables {
            known(&mut variable.ty);
        }
        for function in &mut catalogue.functions {
            known(&mut function.closure);
        }
        for ty in &mut self.types {
            let before = ty.fields.len();
            ty.fields.retain(|field| is_there(&field.ty));
            lost += (before - ty.fields.len()) as u64;
        }
        let before = catalogue.frame_variables.len();
        catalogue
            .frame_variables
            .retain(|variable| is_there(&variable.ty));
        lost += (before - catalogue.frame_variables.len()) as u64;
        for ty in self.types {
            catalogue.add(ty);
        }
        for (address, ty) in self.itabs {
            match is_there(&id(ty)) {
                true => drop(catalogue.itabs.insert(address, id(ty))),
                false => lost += 1,
            }
        }
        if lost > 0 {
            let why = format!("{lost} references to types that are not there");
            self.damage.add(Addr::NIL, &why);
        }
        // Whoever looks something up counts on the order.
        catalogue
            .variables
            .sort_by(|a, b| (a.address, a.size, &a.name).cmp(&(b.address, b.size, &b.name)));
        catalogue.functions.sort_by_key(|function| function.entry);
        catalogue.constants.sort();
        catalogue
            .frame_variables
            .sort_by_key(|variable| (variable.function, variable.from));
        catalogue.layouts = KnownLayouts(self.layouts.into_iter().collect());
        if self.damage.count > 0 {
            let count = catalogue.damage.count.saturating_add(self.damage.count);
            catalogue.damage.count = count;
            catalogue.damage.first = catalogue.damage.first.or(self.damage.first);
        }
        catalogue
    }
}

fn id(number: u64) -> TypeId {
    TypeId(u32::try_from(number).unwrap_or(u32::MAX))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn place<T>(all: &mut [T], number: u64) -> Option<&mut T> {
    all.get_mut(usize::try_from(number).ok()?)
}

#[cfg(test)]
mod tests;
