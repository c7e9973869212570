//! Types by name, and their layouts.

use gimli::{AttributeValue, UnitOffset};

use super::units::{Reader, Unit, UnitWalk, attributes};
use crate::error::ImageError;
use crate::layout::{Member, Shape, TypeLayout};

/// A chain of typedefs longer than this is a circle; Go's have at most 3 links.
const MAX_TYPEDEFS: usize = 32;

/// How many bytes of names a layout may have. The longest of Go's (a struct with some 60 members of
/// generic types) have a few KB; a hostile one could repeat one long name a million times.
const MAX_NAMES: usize = 16 << 20;

/// The units of package runtime that have types, and where each type's entry is.
pub(super) struct TypeIndex<'e> {
    units: Vec<Unit<'e>>,
    /// Hash of a type's name, and the offset of its entry in `.debug_info`; sorted.
    entries: Vec<(u32, u32)>,
}

impl<'e> TypeIndex<'e> {
    /// Indexes the runtime's types. `None` if there are none.
    pub(super) fn build(walk: &mut UnitWalk<'e>) -> Result<Option<TypeIndex<'e>>, ImageError> {
        let mut index = TypeIndex {
            units: Vec::new(),
            entries: Vec::new(),
        };
        let goroutine = hash(b"runtime.g");
        while let Some(unit) = walk.next("runtime")? {
            let before = index.entries.len();
            scan(&unit, &mut index.entries)?;
            let added = index.entries.get(before..).unwrap_or_default();
            // The unit with the runtime's structs is the one with all types.
            let complete = added.iter().any(|&(found, _)| found == goroutine);
            if !added.is_empty() {
                index.units.push(unit);
            }
            if complete {
                break;
            }
        }
        index.entries.sort_unstable();
        Ok((!index.entries.is_empty()).then_some(index))
    }

    pub(super) fn producer(&self) -> Option<&str> {
        self.units.last()?.producer.as_deref()
    }

    /// The layout of the type called `name`.
    pub(super) fn layout(&self, name: &str) -> Result<Option<TypeLayout>, ImageError> {
        let wanted = hash(name.as_bytes());
        let start = self.entries.partition_point(|&(found, _)| found < wanted);
        let same = self.entries.get(start..).unwrap_or_default();
        for &(_, offset) in same.iter().take_while(|&&(found, _)| found == wanted) {
            let entry = self.entry(u64::from(offset))?;
            if entry.name == Some(name.as_bytes()) {
                return self.entry_layout(entry).map(Some);
            }
        }
        Ok(None)
    }

    /// Follows typedefs, then gives the shape.
    fn entry_layout<'s>(&'s self, mut entry: Entry<'s>) -> Result<TypeLayout, ImageError> {
        for _ in 0..MAX_TYPEDEFS {
            match (entry.tag, entry.target) {
                (gimli::DW_TAG_typedef, Some(target)) => entry = self.entry(target)?,
                _ => return self.resolved_layout(&entry),
            }
        }
        Err(entry.shape_error("a circle of typedefs"))
    }

    fn resolved_layout(&self, entry: &Entry<'_>) -> Result<TypeLayout, ImageError> {
        let word = u64::from(entry.address_size);
        let sized = || entry.size.ok_or(entry.shape_error("a type without a size"));
        Ok(match entry.tag {
            gimli::DW_TAG_base_type => TypeLayout {
                size: sized()?,
                shape: Shape::Scalar,
            },
            // unsafe.Pointer is the pointer that does not tell its target.
            gimli::DW_TAG_pointer_type => TypeLayout {
                size: entry.size.unwrap_or(word),
                shape: match entry.target {
                    None => Shape::Scalar,
                    Some(target) => Shape::Pointer {
                        to: self.type_name(target)?,
                    },
                },
            },
            gimli::DW_TAG_structure_type => {
                let size = sized()?;
                TypeLayout {
                    size,
                    shape: Shape::Struct {
                        members: self.members(entry, size)?,
                    },
                }
            }
            gimli::DW_TAG_array_type => {
                let target = entry
                    .target
                    .ok_or(entry.shape_error("an array of nothing"))?;
                let element = self.type_name(target)?;
                let element = element.ok_or(entry.shape_error("an array of a nameless type"))?;
                let count = self.count(entry)?;
                let count = count.ok_or(entry.shape_error("an array without a length"))?;
                TypeLayout {
                    size: sized()?,
                    shape: Shape::Array { element, count },
                }
            }
            _ => TypeLayout {
                size: entry.size.unwrap_or(word),
                shape: Shape::Opaque,
            },
        })
    }

    /// The members of a struct, by offset.
    fn members(&self, parent: &Entry<'_>, size: u64) -> Result<Vec<Member>, ImageError> {
        let mut members: Vec<Member> = Vec::new();
        let mut names = 0usize;
        self.children(parent, |child| {
            if child.tag != gimli::DW_TAG_member {
                return Ok(());
            }
            let offset = child
                .location
                .ok_or(child.shape_error("a member without an offset"))?;
            if offset > size {
                return Err(child.shape_error("a member behind the end of its struct"));
            }
            let target = child
                .target
                .ok_or(child.shape_error("a member without a type"))?;
            let member = Member {
                name: String::from_utf8_lossy(child.name.unwrap_or_default()).into_owned(),
                offset,
                type_name: self.type_name(target)?.unwrap_or_default(),
            };
            names += member.name.len() + member.type_name.len() + size_of::<Member>();
            if names > MAX_NAMES {
                return Err(child.shape_error("the members' names are too long"));
            }
            members.push(member);
            Ok(())
        })?;
        // Go's linker writes them in this order; a struct's members of no size share an offset.
        members.sort_by_key(|member| member.offset);
        Ok(members)
    }

    /// The length of an array: its subrange has a count (Go), or an upper bound.
    fn count(&self, parent: &Entry<'_>) -> Result<Option<u64>, ImageError> {
        let mut count = None;
        self.children(parent, |child| {
            if child.tag == gimli::DW_TAG_subrange_type && count.is_none() {
                count = child.count;
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// The name of the type whose entry is at `offset`; `None` if it has none.
    fn type_name(&self, offset: u64) -> Result<Option<String>, ImageError> {
        let name = self.entry(offset)?.name;
        Ok(name.map(|name| String::from_utf8_lossy(name).into_owned()))
    }

    fn unit(&self, offset: u64) -> Result<&Unit<'e>, ImageError> {
        let unit = self.units.iter().find(|unit| unit.contains(offset));
        unit.ok_or(ImageError::DwarfShape {
            what: "a reference to a type outside of the runtime's units",
            offset,
        })
    }

    /// The entry at an offset of `.debug_info`.
    fn entry(&self, offset: u64) -> Result<Entry<'_>, ImageError> {
        let mut found = None;
        let unit = self.unit(offset)?;
        read_entries(unit, offset, |entry, _depth| {
            found = Some(entry);
            Ok(Walk::Stop)
        })?;
        found.ok_or(ImageError::DwarfShape {
            what: "no entry where a type should be",
            offset,
        })
    }

    /// Calls `visit` with each child of `parent`.
    fn children<'s>(
        &'s self,
        parent: &Entry<'_>,
        mut visit: impl FnMut(Entry<'s>) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        if !parent.has_children {
            return Ok(());
        }
        let unit = self.unit(parent.offset)?;
        read_entries(unit, parent.offset, |entry, depth| {
            if depth == 1 {
                visit(entry)?;
            }
            Ok(Walk::On)
        })
    }
}

enum Walk {
    On,
    Stop,
}

/// One entry, as far as types need it.
struct Entry<'s> {
    offset: u64,
    tag: gimli::DwTag,
    has_children: bool,
    address_size: u8,
    name: Option<&'s [u8]>,
    size: Option<u64>,
    /// Offset in `.debug_info` of the entry that `DW_AT_type` refers to.
    target: Option<u64>,
    location: Option<u64>,
    count: Option<u64>,
}

impl Entry<'_> {
    fn shape_error(&self, what: &'static str) -> ImageError {
        ImageError::DwarfShape {
            what,
            offset: self.offset,
        }
    }
}

/// Reads the entry at `offset` and all entries below it, and calls `visit` with each and its depth.
fn read_entries<'s>(
    unit: &'s Unit<'_>,
    offset: u64,
    mut visit: impl FnMut(Entry<'s>, isize) -> Result<Walk, ImageError>,
) -> Result<(), ImageError> {
    let within = offset.saturating_sub(unit.base);
    let fail = |source| unit.error(within, source);
    let start = usize::try_from(within).unwrap_or(usize::MAX);
    let header = unit.header()?;
    let entries = header.entries_raw(unit.abbreviations(), Some(UnitOffset(start)));
    let mut entries = entries.map_err(fail)?;
    while !entries.is_empty() {
        let depth = entries.next_depth();
        let at = unit.base + entries.next_offset().0 as u64;
        let Some(abbreviation) = entries.read_abbreviation().map_err(fail)? else {
            if entries.next_depth() <= 0 {
                break;
            }
            continue;
        };
        let mut entry = Entry {
            offset: at,
            tag: abbreviation.tag(),
            has_children: abbreviation.has_children(),
            address_size: header.address_size(),
            name: None,
            size: None,
            target: None,
            location: None,
            count: None,
        };
        let specs = attributes(abbreviation)
            .ok_or(entry.shape_error("an abbreviation of too many attributes"))?;
        for &spec in specs {
            let attribute = entries.read_attribute(spec).map_err(fail)?;
            match (spec.name(), attribute.raw_value()) {
                (gimli::DW_AT_name, AttributeValue::String(text)) => {
                    entry.name = Some(text.slice())
                }
                (gimli::DW_AT_byte_size, _) => entry.size = attribute.udata_value(),
                (gimli::DW_AT_type, value) => entry.target = reference(unit, &value),
                (gimli::DW_AT_data_member_location, _) => entry.location = attribute.udata_value(),
                (gimli::DW_AT_count, _) => entry.count = attribute.udata_value(),
                (gimli::DW_AT_upper_bound, _) => {
                    entry.count = attribute.udata_value().and_then(|last| last.checked_add(1));
                }
                _ => {}
            }
        }
        if matches!(visit(entry, depth)?, Walk::Stop) || entries.next_depth() <= 0 {
            break;
        }
    }
    Ok(())
}

/// The section offset that an attribute refers to.
fn reference(unit: &Unit<'_>, value: &AttributeValue<Reader<'_>>) -> Option<u64> {
    match value {
        AttributeValue::DebugInfoRef(offset) => Some(offset.0 as u64),
        AttributeValue::UnitRef(offset) => unit.base.checked_add(offset.0 as u64),
        _ => None,
    }
}

/// Adds the types of a unit to the index: the children of its first entry that are types.
fn scan(unit: &Unit<'_>, index: &mut Vec<(u32, u32)>) -> Result<(), ImageError> {
    let header = unit.header()?;
    let fail = |source| unit.error(0, source);
    let mut entries = header
        .entries_raw(unit.abbreviations(), None)
        .map_err(fail)?;
    while !entries.is_empty() {
        let depth = entries.next_depth();
        let within = entries.next_offset().0 as u64;
        let fail = |source| unit.error(within, source);
        let Some(abbreviation) = entries.read_abbreviation().map_err(fail)? else {
            continue;
        };
        let offset = unit.base + within;
        let specs = attributes(abbreviation).ok_or(ImageError::DwarfShape {
            what: "an abbreviation of too many attributes",
            offset,
        })?;
        if depth != 1 || !is_type(abbreviation.tag()) {
            entries.skip_attributes(specs).map_err(fail)?;
            continue;
        }
        let mut rest = specs;
        while let [spec, after @ ..] = rest {
            rest = after;
            let attribute = entries.read_attribute(*spec).map_err(fail)?;
            if spec.name() == gimli::DW_AT_name {
                // Offsets of 32-bit DWARF have 32 bits.
                if let (AttributeValue::String(name), Ok(offset)) =
                    (attribute.raw_value(), u32::try_from(offset))
                {
                    index.push((hash(name.slice()), offset));
                }
                break;
            }
        }
        entries.skip_attributes(rest).map_err(fail)?;
    }
    Ok(())
}

fn is_type(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_base_type
            | gimli::DW_TAG_structure_type
            | gimli::DW_TAG_pointer_type
            | gimli::DW_TAG_array_type
            | gimli::DW_TAG_typedef
            | gimli::DW_TAG_subroutine_type
            | gimli::DW_TAG_unspecified_type
    )
}

/// FNV-1a. Names that collide cost a comparison each, and are told apart by it.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
