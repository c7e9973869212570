//! Compilation units: finding those of a Go package without looking at the others.

use std::borrow::Cow;

use gimli::{
    Abbreviations, AttributeSpecification, AttributeValue, DebugAbbrev, DebugInfo, EndianSlice,
    RunTimeEndian, UnitHeader, UnitOffset,
};

use super::section::SectionReader;
use crate::bytes::{Order, uvarint};
use crate::error::ImageError;

pub(super) type Reader<'a> = EndianSlice<'a, RunTimeEndian>;

/// DWARF's number for the language Go.
const DW_LANG_GO: u64 = 0x16;

/// Go's linker writes some 40 abbreviations of at most 10 attributes. An entry's attributes can
/// take no bytes at all (`DW_FORM_flag_present`), so without this limit a hostile file could make
/// each byte of a unit cost millions of steps.
const MAX_ATTRIBUTES: usize = 128;

/// The longest `.debug_abbrev` that is read, in bytes.
const MAX_ABBREV: u64 = 64 << 20;

/// How many bytes of abbreviations are looked through in all. The first one of a table is the one
/// that a unit begins with, so that an honest file needs some 20 bytes a unit.
const ABBREV_BUDGET: usize = 256 << 20;

/// A compilation unit of a Go package.
pub(super) struct Unit<'e> {
    /// Where it begins in `.debug_info`.
    pub(super) base: u64,
    bytes: Cow<'e, [u8]>,
    abbreviations: Abbreviations,
    endian: RunTimeEndian,
    /// Its version of DWARF.
    pub(super) version: u16,
    /// Who compiled it.
    pub(super) producer: Option<String>,
}

impl Unit<'_> {
    pub(super) fn header(&self) -> Result<UnitHeader<Reader<'_>>, ImageError> {
        parse_header(&self.bytes, self.endian).map_err(|source| self.error(0, source))
    }

    pub(super) fn abbreviations(&self) -> &Abbreviations {
        &self.abbreviations
    }

    /// Whether the offset of `.debug_info` lies in this unit.
    pub(super) fn contains(&self, offset: u64) -> bool {
        offset
            .checked_sub(self.base)
            .is_some_and(|within| within < self.bytes.len() as u64)
    }

    /// An error of the decoder at an offset of this unit.
    pub(super) fn error(&self, within: u64, source: gimli::Error) -> ImageError {
        ImageError::Dwarf {
            section: ".debug_info",
            offset: self.base.saturating_add(within),
            source,
        }
    }
}

/// Walks the compilation units and gives those of one Go package.
///
/// A unit of Go is named by its package (cmd/link/internal/ld/dwarf.go, go1.19 to go1.27). C units,
/// and those of other packages, are recognized by their first entry and passed over.
pub(super) struct UnitWalk<'e> {
    info: SectionReader<'e>,
    abbrev: Cow<'e, [u8]>,
    order: Order,
    endian: RunTimeEndian,
    budget: usize,
}

impl<'e> UnitWalk<'e> {
    pub(super) fn new(
        info: SectionReader<'e>,
        abbrev: SectionReader<'e>,
        order: Order,
    ) -> Result<UnitWalk<'e>, ImageError> {
        let abbrev = abbrev.whole(MAX_ABBREV)?;
        let endian = if order.little {
            RunTimeEndian::Little
        } else {
            RunTimeEndian::Big
        };
        Ok(UnitWalk {
            info,
            abbrev,
            order,
            endian,
            budget: ABBREV_BUDGET,
        })
    }

    /// The next unit of the package.
    pub(super) fn next(&mut self, package: &str) -> Result<Option<Unit<'e>>, ImageError> {
        self.next_that(|root| root.is_go_package(package))
    }

    /// The next unit of any Go package.
    pub(super) fn next_go(&mut self) -> Result<Option<Unit<'e>>, ImageError> {
        self.next_that(|_| true)
    }

    fn next_that(
        &mut self,
        wanted: impl Fn(&Root) -> bool,
    ) -> Result<Option<Unit<'e>>, ImageError> {
        while self.info.position < self.info.len {
            let base = self.info.position;
            let Some(bytes) = self.info.take_unit(self.order)? else {
                continue;
            };
            // A unit in a version of DWARF that is not known here is none of Go's.
            let Ok(header) = parse_header(&bytes, self.endian) else {
                continue;
            };
            let table = header.debug_abbrev_offset();
            let version = header.version();
            let Some(root) = self.root(&header)?.filter(|root| wanted(root)) else {
                continue;
            };
            let abbreviations = self.table(table)?;
            return Ok(Some(Unit {
                base,
                bytes,
                abbreviations,
                endian: self.endian,
                version,
                producer: root.producer,
            }));
        }
        Ok(None)
    }

    /// The unit's first entry; `None` if it cannot be decoded, or is none that Go writes.
    ///
    /// Its abbreviation alone is looked up, not the whole table: a program with C in it has thousands
    /// of tables.
    fn root(&mut self, header: &UnitHeader<Reader<'_>>) -> Result<Option<Root>, ImageError> {
        let Ok(entry) = header.range_from(UnitOffset(header.header_size())..) else {
            return Ok(None);
        };
        let Some((code, _)) = uvarint(entry.slice()) else {
            return Ok(None);
        };
        let table = self
            .abbrev
            .get(header.debug_abbrev_offset().0..)
            .unwrap_or_default();
        let found = find_abbreviation(table, code, &mut self.budget);
        let Some(found) = found else {
            if self.budget == 0 {
                return Err(ImageError::DwarfShape {
                    what: "the first entries of the units lie too far into their abbreviations",
                    offset: self.info.position,
                });
            }
            return Ok(None);
        };
        let mut single = found.to_vec();
        single.push(0);
        let abbreviations = DebugAbbrev::new(&single, self.endian);
        let Ok(abbreviations) = abbreviations.abbreviations(gimli::DebugAbbrevOffset(0)) else {
            return Ok(None);
        };
        Ok(Root::decode(header, &abbreviations))
    }

    /// A whole table of abbreviations.
    fn table(&mut self, offset: gimli::DebugAbbrevOffset) -> Result<Abbreviations, ImageError> {
        let fail = |source| ImageError::Dwarf {
            section: ".debug_abbrev",
            offset: offset.0 as u64,
            source,
        };
        // Hundreds of units of one package could each name the same long table.
        let cost = self.abbrev.len().saturating_sub(offset.0);
        self.budget = self
            .budget
            .checked_sub(cost)
            .ok_or(ImageError::DwarfShape {
                what: "the units' abbreviations are too long",
                offset: self.info.position,
            })?;
        DebugAbbrev::new(&self.abbrev, self.endian)
            .abbreviations(offset)
            .map_err(fail)
    }
}

/// What a unit's first entry says.
struct Root {
    name: Vec<u8>,
    producer: Option<String>,
}

impl Root {
    /// The first entry, if it is a compilation unit in the language Go that has a name.
    fn decode(header: &UnitHeader<Reader<'_>>, abbreviations: &Abbreviations) -> Option<Root> {
        let mut entries = header.entries_raw(abbreviations, None).ok()?;
        let abbreviation = entries.read_abbreviation().ok()??;
        if abbreviation.tag() != gimli::DW_TAG_compile_unit {
            return None;
        }
        let (mut name, mut producer, mut go) = (None, None, false);
        for &spec in attributes(abbreviation)? {
            let attribute = entries.read_attribute(spec).ok()?;
            match (spec.name(), attribute.raw_value()) {
                (gimli::DW_AT_name, AttributeValue::String(text)) => name = Some(text.to_vec()),
                (gimli::DW_AT_producer, AttributeValue::String(text)) => {
                    producer = Some(text.to_string_lossy().into_owned());
                }
                (gimli::DW_AT_language, _) => go = attribute.udata_value() == Some(DW_LANG_GO),
                _ => {}
            }
        }
        go.then_some(Root {
            name: name?,
            producer,
        })
    }

    fn is_go_package(&self, package: &str) -> bool {
        self.name == package.as_bytes()
    }
}

/// The attributes of an abbreviation; `None` if it has more than any linker writes.
pub(super) fn attributes(abbreviation: &gimli::Abbreviation) -> Option<&[AttributeSpecification]> {
    Some(abbreviation.attributes()).filter(|list| list.len() <= MAX_ATTRIBUTES)
}

fn parse_header(
    bytes: &[u8],
    endian: RunTimeEndian,
) -> Result<UnitHeader<Reader<'_>>, gimli::Error> {
    DebugInfo::new(bytes, endian)
        .units()
        .next()?
        .ok_or(gimli::Error::MissingUnitDie)
}

/// The bytes of the abbreviation `code`: code, tag, whether it has children, and pairs of attribute
/// and form up to a pair of zeros. What is looked through is taken from `budget`; it is 0 when that
/// does not suffice.
fn find_abbreviation<'a>(table: &'a [u8], code: u64, budget: &mut usize) -> Option<&'a [u8]> {
    let mut rest = table.get(..table.len().min(*budget))?;
    let capped = rest.len() < table.len();
    let before = rest.len();
    let found = (|| {
        loop {
            let start = rest;
            let (found, after) = uvarint(rest)?;
            if found == 0 {
                return None;
            }
            let (_tag, after) = uvarint(after)?;
            rest = after.get(1..)?;
            loop {
                let (name, after) = uvarint(rest)?;
                let (form, mut after) = uvarint(after)?;
                if form == u64::from(gimli::DW_FORM_implicit_const.0) {
                    after = uvarint(after)?.1;
                }
                rest = after;
                if name == 0 && form == 0 {
                    break;
                }
            }
            if found == code {
                return start.get(..start.len() - rest.len());
            }
        }
    })();
    *budget = match found {
        None if capped => 0,
        _ => *budget - (before - rest.len()),
    };
    found
}
