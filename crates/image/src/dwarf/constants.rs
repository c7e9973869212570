//! Integer constants of one package (`DW_TAG_constant`).

use gimli::AttributeValue;

use super::units::{Unit, UnitWalk, attributes};

/// At most so many are kept; package runtime has some 1,500.
const MAX_CONSTANTS: usize = 1 << 16;

/// The constants of a package, sorted by name.
pub(super) struct Constants {
    pub(super) package: String,
    values: Vec<(Vec<u8>, i64)>,
}

impl Constants {
    /// Collects the constants of all units of `package`, up to the first that cannot be decoded.
    pub(super) fn collect(package: &str, walk: Option<UnitWalk<'_>>) -> Constants {
        let mut values = Vec::new();
        if let Some(mut walk) = walk {
            while let Ok(Some(unit)) = walk.next(package) {
                if read_unit(&unit, &mut values).is_none() {
                    break;
                }
            }
        }
        values.sort();
        Constants {
            package: package.into(),
            values,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<i64> {
        let found = self
            .values
            .binary_search_by(|(known, _)| known.as_slice().cmp(name.as_bytes()));
        self.values.get(found.ok()?).map(|&(_, value)| value)
    }
}

/// Adds the constants of a unit: they are children of its first entry.
fn read_unit(unit: &Unit<'_>, values: &mut Vec<(Vec<u8>, i64)>) -> Option<()> {
    let header = unit.header().ok()?;
    let mut entries = header.entries_raw(unit.abbreviations(), None).ok()?;
    while !entries.is_empty() {
        let depth = entries.next_depth();
        let Some(abbreviation) = entries.read_abbreviation().ok()? else {
            continue;
        };
        let specs = attributes(abbreviation)?;
        if abbreviation.tag() != gimli::DW_TAG_constant || depth != 1 {
            entries.skip_attributes(specs).ok()?;
            continue;
        }
        let (mut name, mut value) = (None, None);
        for &spec in specs {
            let attribute = entries.read_attribute(spec).ok()?;
            match (spec.name(), attribute.raw_value()) {
                (gimli::DW_AT_name, AttributeValue::String(text)) => name = Some(text.to_vec()),
                (gimli::DW_AT_const_value, _) => value = attribute.sdata_value(),
                _ => {}
            }
        }
        if let (Some(name), Some(value)) = (name, value)
            && values.len() < MAX_CONSTANTS
        {
            values.push((name, value));
        }
    }
    Some(())
}
