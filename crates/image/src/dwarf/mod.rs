//! DWARF: the types of the Go runtime.
//!
//! Go's linker, not its compiler, makes the entries of types, and puts those of the whole program
//! into one compilation unit: the last of package runtime (cmd/link/internal/ld/dwarf.go, go1.19 to
//! go1.27: `movetomodule`, `runtimeCU`). So that unit is the only one that is indexed. Entries refer
//! to each other by offsets of the section (`DW_FORM_ref_addr`).
//!
//! BUG: programs that a DWARF optimizer (dwz) has rewritten are not understood: names that have moved
//! to `.debug_str` are not found, and the answer is that there is no such type.

mod constants;
mod debug;
mod debug_info;
mod entry;
mod locations;
mod section;
mod types;
mod units;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Mutex;

use constants::Constants;
pub use debug_info::{
    DebugCapture, DebugForm, DebugInfo, DebugLocal, DebugMember, DebugType, DebugVariable,
};
use locations::Locations;
use section::SectionReader;
use types::TypeIndex;
use units::UnitWalk;

use crate::FileAddr;
use crate::bytes::Order;
use crate::error::ImageError;
use crate::executable::Section;
use crate::layout::TypeLayout;

/// What an executable's DWARF says about the program's types.
///
/// It holds the one unit of `.debug_info` that has them (borrowed from the file, where that is not
/// compressed) and 8 bytes for each type.
pub struct Dwarf<'e> {
    order: Order,
    data: &'e [u8],
    sections: &'e [Section],
    types: TypeIndex<'e>,
    constants: Mutex<Vec<Constants>>,
}

impl<'e> Dwarf<'e> {
    pub(crate) fn load(
        order: Order,
        data: &'e [u8],
        sections: &'e [Section],
    ) -> Result<Option<Dwarf<'e>>, ImageError> {
        let Some(mut walk) = unit_walk(order, data, sections)? else {
            return Ok(None);
        };
        let Some(types) = TypeIndex::build(&mut walk)? else {
            return Ok(None);
        };
        Ok(Some(Dwarf {
            order,
            data,
            sections,
            types,
            constants: Mutex::new(Vec::new()),
        }))
    }

    /// The layout of the type that Go's DWARF calls `name`: `runtime.mspan`, `[]uint8`,
    /// `*runtime.g`. Typedefs are followed: the layout of `runtime.muintptr` is that of `uintptr`.
    /// `None` if the program has no such type; the linker leaves out what nothing refers to.
    ///
    /// # Errors
    /// When the entry of this type cannot be decoded.
    pub fn type_layout(&self, name: &str) -> Result<Option<TypeLayout>, ImageError> {
        self.types.layout(name)
    }

    /// The value of the integer constant `name`, with its package: `runtime.tinySizeClass`. `None`
    /// if there is none of this name, or its package's DWARF cannot be decoded.
    ///
    /// The first constant asked for of each package costs a walk over all of `.debug_info`.
    pub fn constant(&self, name: &str) -> Option<i64> {
        // The package ends at the first '.' behind the last '/'.
        let path = name.rfind('/').map_or(0, |at| at + 1);
        let package = name.get(..path + name.get(path..)?.find('.')?)?;
        // A poisoned lock guards a list that is only ever pushed to.
        let mut known = self
            .constants
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(constants) = known.iter().find(|constants| constants.package == package) {
            return constants.get(name);
        }
        let walk = unit_walk(self.order, self.data, self.sections)
            .ok()
            .flatten();
        let constants = Constants::collect(package, walk);
        let value = constants.get(name);
        known.push(constants);
        value
    }

    /// All types and variables of the program, and the local variables of those functions whose
    /// entries are `wanted`. What is damaged is left out, and counted.
    ///
    /// It is a walk over all of `.debug_info`; of that, one unit is held at a time, beside the lists
    /// of locations.
    pub fn debug_info(&self, wanted: &HashSet<FileAddr>) -> DebugInfo {
        // The longest that a section of kubelet's has is some 20 MiB.
        const MAX_SECTION: u64 = 1 << 30;
        let mut damage = Vec::new();
        let mut section = |name| {
            let read = SectionReader::open(self.order, self.data, self.sections, name)
                .and_then(|reader| reader.map(|reader| reader.whole(MAX_SECTION)).transpose());
            read.unwrap_or_else(|error| {
                damage.push(error);
                None
            })
            .unwrap_or(Cow::Borrowed(&[]))
        };
        let addr = section(".debug_addr");
        // Without a function to look for, nobody needs them.
        let (loc, loclists) = match wanted.is_empty() {
            true => (Cow::Borrowed(&[][..]), Cow::Borrowed(&[][..])),
            false => (section(".debug_loc"), section(".debug_loclists")),
        };
        let locations = Locations::new(self.order, loc, loclists, addr);
        let mut info = match unit_walk(self.order, self.data, self.sections) {
            Ok(Some(mut walk)) => debug::Gatherer::new(wanted, locations).gather(&mut walk),
            Ok(None) => DebugInfo::default(),
            Err(error) => {
                damage.push(error);
                DebugInfo::default()
            }
        };
        for error in damage {
            info.damaged += 1;
            info.damage.get_or_insert(error);
        }
        info
    }

    /// What compiled the runtime: `Go cmd/compile go1.24.3; regabi`.
    pub fn producer(&self) -> Option<&str> {
        self.types.producer()
    }
}

impl std::fmt::Debug for Dwarf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dwarf")
            .field("producer", &self.producer())
            .finish_non_exhaustive()
    }
}

fn unit_walk<'e>(
    order: Order,
    data: &'e [u8],
    sections: &[Section],
) -> Result<Option<UnitWalk<'e>>, ImageError> {
    let open = |name| SectionReader::open(order, data, sections, name);
    let (Some(info), Some(abbrev)) = (open(".debug_info")?, open(".debug_abbrev")?) else {
        return Ok(None);
    };
    UnitWalk::new(info, abbrev, order).map(Some)
}
