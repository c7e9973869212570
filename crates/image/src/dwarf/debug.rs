//! What DWARF tells of a program beyond the layouts of the runtime's types: all Go types, where
//! variables are, what closures hold.
//!
//! One pass over the units of Go packages; one unit is held at a time, and of it what is wanted.

use std::collections::HashSet;

use super::debug_info::{
    DebugCapture, DebugForm, DebugInfo, DebugLocal, DebugMember, DebugType, DebugVariable,
};
use super::entry::{Entry, High, Location, Low, has_closure_offset, text};
use super::locations::{Locations, Place, place_of};
use super::units::{Unit, UnitWalk, attributes};
use crate::FileAddr;
use crate::error::ImageError;

/// How many bytes of what was found are kept. The largest programs have some 100 MB.
const ROOM: usize = 2 << 30;

/// The name and the type that variables of inlined functions refer to.
struct Abstract {
    offset: u32,
    name: String,
    ty: u32,
}

/// A variable whose name and type are told elsewhere.
struct Waiting {
    origin: u32,
    local: DebugLocal,
}

/// The walk over all units.
pub(super) struct Gatherer<'w> {
    info: DebugInfo,
    /// Functions whose variables are wanted.
    wanted: &'w HashSet<FileAddr>,
    locations: Locations<'w>,
    abstracts: Vec<Abstract>,
    waiting: Vec<Waiting>,
    room: usize,
}

impl<'w> Gatherer<'w> {
    pub(super) fn new(wanted: &'w HashSet<FileAddr>, locations: Locations<'w>) -> Gatherer<'w> {
        Gatherer {
            info: DebugInfo::default(),
            wanted,
            locations,
            abstracts: Vec::new(),
            waiting: Vec::new(),
            room: ROOM,
        }
    }

    /// Walks over all units.
    pub(super) fn gather(mut self, walk: &mut UnitWalk<'_>) -> DebugInfo {
        loop {
            match walk.next_go() {
                Ok(Some(unit)) => {
                    if let Err(error) = self.unit(&unit) {
                        self.damaged(error);
                    }
                }
                Ok(None) => break,
                // Where the next unit begins is not known.
                Err(error) => {
                    self.damaged(error);
                    break;
                }
            }
        }
        self.abstracts.sort_unstable_by_key(|known| known.offset);
        for Waiting { origin, mut local } in self.waiting {
            let found = self.abstracts.binary_search_by_key(&origin, |a| a.offset);
            if let Some(known) = found.ok().and_then(|at| self.abstracts.get(at)) {
                local.name.clone_from(&known.name);
                local.ty = known.ty;
                self.info.locals.push(local);
            }
        }
        self.info.types.sort_unstable_by_key(|ty| ty.offset);
        self.info
    }

    fn damaged(&mut self, error: ImageError) {
        self.info.damaged += 1;
        self.info.damage.get_or_insert(error);
    }

    /// Whether there is room for so many bytes more.
    fn spend(&mut self, bytes: usize) -> bool {
        match self.room.checked_sub(bytes.saturating_add(96)) {
            Some(room) => self.room = room,
            None => self.room = 0,
        }
        self.room > 0
    }

    fn unit(&mut self, unit: &Unit<'_>) -> Result<(), ImageError> {
        let header = unit.header()?;
        let start = |source| unit.error(0, source);
        let mut entries = header
            .entries_raw(unit.abbreviations(), None)
            .map_err(start)?;
        let mut bases = Bases::default();
        let mut within: Option<Function> = None;
        // The type that members belong to.
        let mut parent: Option<(isize, DebugType)> = None;
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let inside = entries.next_offset().0 as u64;
            let fail = |source| unit.error(inside, source);
            if parent.as_ref().is_some_and(|(at, _)| depth <= *at)
                && let Some((_, ty)) = parent.take()
            {
                self.keep(ty);
            }
            if within
                .as_ref()
                .is_some_and(|function| depth <= function.depth)
            {
                within = None;
            }
            let Some(abbreviation) = entries.read_abbreviation().map_err(fail)? else {
                continue;
            };
            let offset = unit.base.saturating_add(inside);
            let specs = attributes(abbreviation).ok_or(ImageError::DwarfShape {
                what: "an abbreviation of too many attributes",
                offset,
            })?;
            let tag = abbreviation.tag();
            let interest = match tag {
                gimli::DW_TAG_compile_unit => depth == 0,
                gimli::DW_TAG_subprogram => depth == 1,
                gimli::DW_TAG_member | gimli::DW_TAG_subrange_type => parent.is_some(),
                gimli::DW_TAG_variable | gimli::DW_TAG_formal_parameter => {
                    depth == 1 && tag == gimli::DW_TAG_variable
                        || within.as_ref().is_some_and(|function| {
                            function.is_abstract || function.wanted || has_closure_offset(specs)
                        })
                }
                _ => form_of(tag).is_some(),
            };
            if !interest {
                entries.skip_attributes(specs).map_err(fail)?;
                continue;
            }
            let mut entry = Entry::default();
            for &spec in specs {
                let attribute = entries.read_attribute(spec).map_err(fail)?;
                entry.take(unit, attribute.name(), &attribute);
            }
            let Ok(offset) = u32::try_from(offset) else {
                continue;
            };
            match tag {
                gimli::DW_TAG_compile_unit => bases.of(&entry, &self.locations),
                gimli::DW_TAG_subprogram => {
                    let low = entry.low.map(|low| bases.address(low, &self.locations));
                    let low = low.flatten();
                    let high = match entry.high {
                        Some(High::Address(high)) => Some(high),
                        Some(High::Length(length)) => low.and_then(|low| low.checked_add(length)),
                        None => None,
                    };
                    within = Some(Function {
                        depth,
                        range: low.zip(high),
                        is_abstract: entry.is_abstract,
                        wanted: low.is_some_and(|low| self.wanted.contains(&FileAddr::new(low))),
                    });
                }
                gimli::DW_TAG_member => {
                    if let (Some((_, ty)), Some(target)) = (&mut parent, entry.target)
                        && self.room > 0
                    {
                        let name = text(entry.name);
                        self.room = self.room.saturating_sub(name.len() + 64);
                        ty.members.push(DebugMember {
                            name,
                            offset: entry.member_offset.unwrap_or(0),
                            ty: target,
                            embedded: entry.embedded,
                        });
                    }
                }
                gimli::DW_TAG_subrange_type => {
                    if let Some((_, ty)) = &mut parent {
                        ty.count = ty.count.or(entry.count);
                    }
                }
                gimli::DW_TAG_variable | gimli::DW_TAG_formal_parameter => match &within {
                    None => self.global(&entry),
                    Some(function) => self.local(function, offset, &entry, &bases),
                },
                tag => {
                    let Some(form) = form_of(tag) else { continue };
                    let name = text(entry.name);
                    let ty = DebugType {
                        offset,
                        form,
                        size: entry.size,
                        kind: entry.kind,
                        descriptor: entry.descriptor,
                        target: entry.target,
                        elem: entry.elem,
                        key: entry.key,
                        count: None,
                        members: Vec::new(),
                        name,
                    };
                    match abbreviation.has_children() {
                        true => parent = Some((depth, ty)),
                        false => self.keep(ty),
                    }
                }
            }
        }
        if let Some((_, ty)) = parent.take() {
            self.keep(ty);
        }
        Ok(())
    }

    fn keep(&mut self, ty: DebugType) {
        if self.spend(ty.name.len() + size_of::<DebugType>()) {
            self.info.types.push(ty);
        }
    }

    fn global(&mut self, entry: &Entry<'_>) {
        // DW_OP_addr, and an address (cmd/internal/dwarf/dwarf.go: `PutGlobal`).
        const ADDR: u8 = gimli::DW_OP_addr.0;
        let (Some(Location::Expression([ADDR, bytes @ ..])), Some(ty)) =
            (&entry.location, entry.target)
        else {
            return;
        };
        let Some(addr) = self.locations.word(bytes) else {
            return;
        };
        let name = text(entry.name);
        if self.spend(name.len()) {
            let addr = FileAddr::new(addr);
            self.info.variables.push(DebugVariable { addr, name, ty });
        }
    }

    fn local(&mut self, function: &Function, offset: u32, entry: &Entry<'_>, bases: &Bases) {
        let name = text(entry.name);
        if !self.spend(name.len()) {
            return;
        }
        if function.is_abstract {
            if let Some(ty) = entry.target {
                self.abstracts.push(Abstract { offset, name, ty });
            }
            return;
        }
        let Some((low, high)) = function.range else {
            return;
        };
        let function_at = FileAddr::new(low);
        if let (Some(offset), Some(ty)) = (entry.closure_offset, entry.target) {
            self.info.captures.push(DebugCapture {
                function: function_at,
                name: name.clone(),
                ty,
                offset,
            });
        }
        if !function.wanted {
            return;
        }
        let mut places: Vec<(u64, u64, Place)> = Vec::new();
        match entry.location {
            Some(Location::Expression(expression)) => {
                places.extend(place_of(expression).map(|place| (low, high, place)));
            }
            Some(Location::List(at)) => self.locations.each(
                at,
                bases.low,
                bases.addresses,
                bases.version,
                &mut |from, to, expression| {
                    if from < to {
                        places.extend(place_of(expression).map(|place| (from, to, place)));
                    }
                },
            ),
            None => {}
        }
        for (from, to, place) in places {
            if !self.spend(name.len()) {
                return;
            }
            let local = DebugLocal {
                function: function_at,
                from: FileAddr::new(from.max(low)),
                to: FileAddr::new(to.min(high)),
                name: name.clone(),
                ty: entry.target.unwrap_or(0),
                cfa_offset: place.cfa_offset,
                pointed_to: place.pointed_to,
            };
            match (entry.target, entry.origin) {
                (Some(_), _) => self.info.locals.push(local),
                (None, Some(origin)) => self.waiting.push(Waiting { origin, local }),
                (None, None) => {}
            }
        }
    }
}

/// The function that the walk is in.
struct Function {
    depth: isize,
    /// Its first instruction, and the first behind it.
    range: Option<(u64, u64)>,
    /// It is the description of what is inlined elsewhere.
    is_abstract: bool,
    wanted: bool,
}

/// What a unit's first entry tells for the others.
#[derive(Default)]
struct Bases {
    version: u16,
    /// What offsets of location lists count from.
    low: u64,
    /// Where the unit's addresses are in `.debug_addr`.
    addresses: Option<u64>,
}

impl Bases {
    fn of(&mut self, entry: &Entry<'_>, locations: &Locations<'_>) {
        self.version = entry.version;
        self.addresses = entry.address_base;
        let low = entry.low.and_then(|low| self.address(low, locations));
        self.low = low.unwrap_or(0);
    }

    fn address(&self, low: Low, locations: &Locations<'_>) -> Option<u64> {
        match low {
            Low::Address(address) => Some(address),
            Low::Index(index) => locations.address(self.addresses?, index),
        }
    }
}

fn form_of(tag: gimli::DwTag) -> Option<DebugForm> {
    Some(match tag {
        gimli::DW_TAG_base_type => DebugForm::Base,
        gimli::DW_TAG_structure_type => DebugForm::Struct,
        gimli::DW_TAG_pointer_type => DebugForm::Pointer,
        gimli::DW_TAG_array_type => DebugForm::Array,
        gimli::DW_TAG_typedef => DebugForm::Typedef,
        gimli::DW_TAG_subroutine_type => DebugForm::Function,
        gimli::DW_TAG_unspecified_type => DebugForm::Unspecified,
        _ => return None,
    })
}
