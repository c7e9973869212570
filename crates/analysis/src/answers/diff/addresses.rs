//! Where objects were, in few bytes: what differs from one to the next, as numbers of variable length.

use std::collections::{BTreeMap, BTreeSet};

use crate::Analysis;
use crate::types::{Class, What};

/// The reachable objects of a dump, by address.
#[derive(Default)]
pub(super) struct Addresses {
    /// For each: how far behind the end of the one before it begins, its size if that is another than
    /// that one's, and its class if that is another.
    bytes: Vec<u8>,
    classes: BTreeMap<String, u32>,
    /// Numbers of classes of objects whose type is not known.
    unknown: BTreeSet<u32>,
}

/// Whether nothing is known of objects of the class but their size.
pub(super) fn is_unknown(class: &Class) -> bool {
    matches!(class.what, What::Unknown { .. })
}

/// An object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Old {
    pub(super) address: u64,
    pub(super) size: u64,
    /// Number of its class here.
    pub(super) class: u32,
}

/// What follows the distance: bits of the first number.
const SIZE: u64 = 1;
const CLASS: u64 = 2;

impl Addresses {
    pub(super) fn of(analysis: &Analysis) -> Addresses {
        let mut all = Addresses::default();
        let mut numbers = Vec::new();
        for (_, class) in analysis.types.classes() {
            let next = all.classes.len() as u32;
            let number = *all.classes.entry(class.name.clone()).or_insert(next);
            numbers.push(number);
            if is_unknown(class) {
                all.unknown.insert(number);
            }
        }
        let mut last = Old::default();
        for object in analysis.dump.objects() {
            if analysis.is_reachable(object) {
                let class = analysis.types.class_of(object).0 as usize;
                last = all.put(
                    last,
                    Old {
                        address: analysis.dump.address(object),
                        size: analysis.dump.size(object),
                        class: numbers.get(class).copied().unwrap_or(u32::MAX),
                    },
                );
            }
        }
        all.bytes.shrink_to_fit();
        all
    }

    fn put(&mut self, last: Old, new: Old) -> Old {
        // Objects lie apart from each other; what does not is put as if the one before were empty.
        let end = last.address.wrapping_add(last.size);
        let distance = new.address.wrapping_sub(end);
        let mut flags = 0;
        if new.size != last.size {
            flags |= SIZE;
        }
        if new.class != last.class {
            flags |= CLASS;
        }
        self.number(u128::from(distance) << 2 | u128::from(flags));
        if flags & SIZE != 0 {
            self.number(new.size.into());
        }
        if flags & CLASS != 0 {
            self.number(new.class.into());
        }
        new
    }

    fn number(&mut self, mut number: u128) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// The number of the class of that name.
    pub(super) fn class(&self, name: &str) -> Option<u32> {
        self.classes.get(name).copied()
    }

    /// Whether nothing was known of objects of the class but their size.
    pub(super) fn is_unknown(&self, class: u32) -> bool {
        self.unknown.contains(&class)
    }

    /// All objects, by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = Old> {
        let mut bytes = self.bytes.iter();
        let mut last = Old::default();
        std::iter::from_fn(move || {
            let mut number = || {
                let (mut number, mut shift) = (0u128, 0);
                loop {
                    let byte = *bytes.next()?;
                    number |= u128::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte & 0x80 == 0 {
                        return Some(number);
                    }
                }
            };
            let first = number()?;
            let flags = first as u64 & 3;
            let distance = (first >> 2) as u64;
            let end = last.address.wrapping_add(last.size);
            last.address = end.wrapping_add(distance);
            if flags & SIZE != 0 {
                last.size = number()? as u64;
            }
            if flags & CLASS != 0 {
                last.class = number()? as u32;
            }
            Some(last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Addresses, Old};

    #[test]
    fn objects_come_back_as_they_were() {
        let old = |address, size, class| Old {
            address,
            size,
            class,
        };
        let all = [
            old(8, 8, 0),
            old(16, 8, 0),
            old(0xc0_0000_0000, 48, 3),
            old(0xc0_0000_0030, 48, 3),
            old(0xc0_0000_0060, 48, 300),
            old(u64::MAX - 100, 48, u32::MAX),
        ];
        let mut addresses = Addresses::default();
        let mut last = Old::default();
        for one in all {
            last = addresses.put(last, one);
        }
        assert_eq!(addresses.iter().collect::<Vec<_>>(), all);
        // Neighbours of one kind take a byte.
        let before = addresses.bytes.len();
        let next = old(last.address.wrapping_add(48), 48, u32::MAX);
        addresses.put(last, next);
        assert_eq!(addresses.bytes.len(), before + 1);
    }
}
