//! An entry of DWARF, as far as types and variables need it.

use gimli::{AttributeSpecification, AttributeValue};

use super::units::{Reader, Unit};

/// Attributes of Go's own (cmd/internal/dwarf/dwarf.go, go1.19 to go1.27).
mod go {
    use gimli::DwAt;

    pub(super) const KIND: DwAt = DwAt(0x2900);
    pub(super) const KEY: DwAt = DwAt(0x2901);
    pub(super) const ELEM: DwAt = DwAt(0x2902);
    pub(super) const EMBEDDED: DwAt = DwAt(0x2903);
    pub(super) const RUNTIME_TYPE: DwAt = DwAt(0x2904);
    /// From go1.23.
    pub(super) const CLOSURE_OFFSET: DwAt = DwAt(0x2907);
}

/// Where something begins.
#[derive(Clone, Copy)]
pub(super) enum Low {
    Address(u64),
    Index(u64),
}

/// Where something ends.
#[derive(Clone, Copy)]
pub(super) enum High {
    Address(u64),
    Length(u64),
}

/// Where a variable is.
#[derive(Clone, Copy)]
pub(super) enum Location<'a> {
    Expression(&'a [u8]),
    /// Offset of a list.
    List(u64),
}

/// An entry, as far as it matters.
#[derive(Default)]
pub(super) struct Entry<'a> {
    pub(super) version: u16,
    pub(super) name: Option<&'a [u8]>,
    pub(super) size: Option<u64>,
    pub(super) kind: Option<u8>,
    pub(super) descriptor: Option<u64>,
    pub(super) target: Option<u32>,
    pub(super) elem: Option<u32>,
    pub(super) key: Option<u32>,
    pub(super) origin: Option<u32>,
    pub(super) count: Option<u64>,
    pub(super) member_offset: Option<u64>,
    pub(super) closure_offset: Option<u64>,
    pub(super) address_base: Option<u64>,
    pub(super) embedded: bool,
    pub(super) is_abstract: bool,
    pub(super) low: Option<Low>,
    pub(super) high: Option<High>,
    pub(super) location: Option<Location<'a>>,
}

impl<'a> Entry<'a> {
    /// Takes an attribute in.
    pub(super) fn take(
        &mut self,
        unit: &Unit<'_>,
        name: gimli::DwAt,
        attribute: &gimli::Attribute<Reader<'a>>,
    ) {
        self.version = unit.version;
        let value = attribute.raw_value();
        let reference = || -> Option<u32> {
            let offset = match value {
                AttributeValue::DebugInfoRef(offset) => Some(offset.0 as u64),
                AttributeValue::UnitRef(offset) => unit.base.checked_add(offset.0 as u64),
                _ => None,
            };
            u32::try_from(offset?).ok()
        };
        match name {
            gimli::DW_AT_name => {
                if let AttributeValue::String(text) = value {
                    self.name = Some(text.slice());
                }
            }
            gimli::DW_AT_byte_size => self.size = attribute.udata_value(),
            gimli::DW_AT_type => self.target = reference(),
            gimli::DW_AT_abstract_origin => self.origin = reference(),
            gimli::DW_AT_data_member_location => self.member_offset = attribute.udata_value(),
            gimli::DW_AT_count => self.count = attribute.udata_value(),
            gimli::DW_AT_inline => self.is_abstract = true,
            gimli::DW_AT_low_pc => {
                self.low = match value {
                    AttributeValue::Addr(address) => Some(Low::Address(address)),
                    AttributeValue::DebugAddrIndex(index) => Some(Low::Index(index.0 as u64)),
                    _ => None,
                };
            }
            gimli::DW_AT_high_pc => {
                self.high = match value {
                    AttributeValue::Addr(address) => Some(High::Address(address)),
                    _ => attribute.udata_value().map(High::Length),
                };
            }
            gimli::DW_AT_addr_base => {
                self.address_base = match attribute.value() {
                    AttributeValue::DebugAddrBase(base) => Some(base.0 as u64),
                    AttributeValue::SecOffset(base) => Some(base as u64),
                    _ => None,
                };
            }
            gimli::DW_AT_location => {
                self.location = match value {
                    AttributeValue::Block(block) => Some(Location::Expression(block.slice())),
                    AttributeValue::Exprloc(block) => Some(Location::Expression(block.0.slice())),
                    AttributeValue::SecOffset(at) => Some(Location::List(at as u64)),
                    _ => None,
                };
            }
            go::KIND => {
                self.kind = attribute
                    .udata_value()
                    .and_then(|kind| u8::try_from(kind).ok());
            }
            go::KEY => self.key = reference(),
            go::ELEM => self.elem = reference(),
            go::EMBEDDED => self.embedded = matches!(value, AttributeValue::Flag(true)),
            go::RUNTIME_TYPE => {
                if let AttributeValue::Addr(offset) = value {
                    // 0 is what an entry without a descriptor has.
                    self.descriptor = Some(offset).filter(|&offset| offset != 0);
                }
            }
            go::CLOSURE_OFFSET => self.closure_offset = attribute.udata_value(),
            _ => {}
        }
    }
}

pub(super) fn text(name: Option<&[u8]>) -> String {
    String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
}

pub(super) fn has_closure_offset(specs: &[AttributeSpecification]) -> bool {
    specs.iter().any(|spec| spec.name() == go::CLOSURE_OFFSET)
}
