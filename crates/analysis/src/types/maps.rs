//! Where a map's parts lead: headers, buckets, groups, tables and directories.

use goheap_golang::catalogue::{Catalogue, GoType, TypeId};
use goheap_golang::{Features, Kind, Maps, SlotPlaces, Structs};

use super::program::{Act, Op, Program, Programs};

/// Slots of a bucket and of a group (internal/abi/map.go: `MapBucketCount`, `MapGroupSlots`; all
/// versions).
pub(super) const SLOTS: u64 = 8;

/// Keys and elements larger than this lie outside of their slots (runtime/map.go, go1.19:
/// `maxKeySize`; internal/abi/map_swiss.go, go1.24: `SwissMapMaxKeyBytes`).
const INDIRECT: u64 = 128;

/// The lists of what a map type's parts have in them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MapPrograms {
    /// `runtime.hmap` or `maps.Map`.
    pub(super) header: Program,
    /// A bucket or a group.
    pub(super) slots: Program,
    /// A table.
    pub(super) table: Program,
    /// A word of the directory.
    pub(super) directory: Program,
    /// Where keys and elements are.
    pub(super) places: Option<SlotPlaces>,
}

/// What the header of a map looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct MapForm {
    /// Which of the two forms.
    pub(super) maps: Maps,
    size: u64,
    /// `buckets`, or `dirPtr`.
    first: u32,
    /// `oldbuckets`, or `dirLen`.
    second: u32,
    /// `extra`.
    extra: u32,
    table: u64,
    groups: u32,
}

impl MapForm {
    /// Looks the fields up in the catalogue's layouts; `None` if they are not there.
    pub(super) fn new(catalogue: &Catalogue, features: &Features) -> Option<MapForm> {
        let structs = Structs::new(&catalogue.layouts);
        let offset = |strukt: &str, path: &str| -> Option<u32> {
            let offset = structs.offset(strukt, path).ok()?;
            u32::try_from(offset).ok()
        };
        const HMAP: &str = "runtime.hmap";
        const MAP: &str = "internal/runtime/maps.Map";
        const TABLE: &str = "internal/runtime/maps.table";
        Some(match features.maps {
            Maps::Buckets => MapForm {
                maps: features.maps,
                size: structs.size(HMAP).ok()?,
                first: offset(HMAP, "buckets")?,
                second: offset(HMAP, "oldbuckets")?,
                extra: offset(HMAP, "extra")?,
                table: 0,
                groups: 0,
            },
            Maps::Swiss | Maps::SwissSplit => MapForm {
                maps: features.maps,
                size: structs.size(MAP).ok()?,
                first: offset(MAP, "dirPtr")?,
                second: offset(MAP, "dirLen")?,
                extra: 0,
                table: structs.size(TABLE).ok()?,
                groups: offset(TABLE, "groups.data")?,
            },
        })
    }

    /// Makes the lists of a map type.
    pub(super) fn programs(
        &self,
        programs: &mut Programs,
        catalogue: &Catalogue,
        id: TypeId,
        map: &GoType,
        word: u64,
    ) -> MapPrograms {
        let op = |offset, act| Op { offset, act };
        let places = self.places(catalogue, map, word);
        let mut made = MapPrograms {
            places,
            ..MapPrograms::default()
        };
        let buckets = self.maps == Maps::Buckets;
        made.header = match buckets {
            true => programs.add(
                &[
                    op(self.first, Act::Buckets(id)),
                    op(self.second, Act::Buckets(id)),
                    op(self.extra, Act::MapExtra(id)),
                ],
                self.size,
            ),
            false => {
                let behind = i64::from(self.second) - i64::from(self.first);
                programs.add(
                    &[op(self.first, Act::Directory(id, behind as i32))],
                    self.size,
                )
            }
        };
        if !buckets {
            made.table = programs.add(&[op(self.groups, Act::Groups(id))], self.table);
            made.directory = programs.add(&[op(0, Act::Table(id))], word);
        }
        if let (Some(places), Some(key), Some(elem)) = (places, map.key, map.elem) {
            let mut ops = Vec::new();
            let mut known = true;
            for slot in 0..SLOTS {
                let at = places.keys + slot * places.key_stride;
                match places.indirect_key {
                    true => ops.push(op(at as u32, Act::Key(id))),
                    false => known &= programs.embed(&mut ops, key, at, 1),
                }
                let at = places.elems + slot * places.elem_stride;
                match places.indirect_elem {
                    true => ops.push(op(at as u32, Act::Elem(id))),
                    false => known &= programs.embed(&mut ops, elem, at, 1),
                }
            }
            if buckets {
                ops.push(op((places.size - word) as u32, Act::Buckets(id)));
            }
            ops.sort_by_key(|op| op.offset);
            made.slots = match known {
                true => programs.add(&ops, places.size),
                false => Program {
                    opaque: true,
                    stride: places.size,
                    ..Program::default()
                },
            };
        }
        made
    }

    fn places(&self, catalogue: &Catalogue, map: &GoType, word: u64) -> Option<SlotPlaces> {
        let key = catalogue.get(map.key?)?;
        let elem = catalogue.get(map.elem?)?;
        if self.maps == Maps::Buckets {
            // runtime/map.go, go1.19: `bmap`; a multiple of eight bytes of each, so that nothing has
            // to be aligned.
            let stored = |size: u64| if size > INDIRECT { word } else { size };
            let (key_stride, elem_stride) = (stored(key.size), stored(elem.size));
            let elems = 8 + SLOTS * key_stride;
            return Some(SlotPlaces {
                size: elems + SLOTS * elem_stride + word,
                keys: 8,
                key_stride,
                elems,
                elem_stride,
                indirect_key: key.size > INDIRECT,
                indirect_elem: elem.size > INDIRECT,
            });
        }
        let group = catalogue.get(map.slots?)?;
        // cmd/compile/internal/reflectdata/map_swiss.go, go1.24: `SwissMapGroupType`: control word
        // and slots; go1.27 with mapsplitgroup: control word, keys, elements.
        let array = |at: usize| {
            let field = group.fields.get(at)?;
            let array = catalogue.get(field.ty)?;
            let of = array.elem.filter(|_| array.len == SLOTS)?;
            Some((field.offset, of, catalogue.get(of)?))
        };
        let indirect = |stored: TypeId, of: Option<TypeId>| {
            Some(stored) != of
                && catalogue
                    .get(stored)
                    .is_some_and(|ty| ty.kind == Kind::Pointer && ty.elem == of)
        };
        let (first, of, slot) = array(1)?;
        let places = match array(2) {
            None => {
                let [k, e] = slot.fields.as_slice() else {
                    return None;
                };
                SlotPlaces {
                    size: group.size,
                    keys: first.checked_add(k.offset)?,
                    key_stride: slot.size,
                    elems: first.checked_add(e.offset)?,
                    elem_stride: slot.size,
                    indirect_key: indirect(k.ty, map.key),
                    indirect_elem: indirect(e.ty, map.elem),
                }
            }
            Some((elems, elem_of, stored)) => SlotPlaces {
                size: group.size,
                keys: first,
                key_stride: slot.size,
                elems,
                elem_stride: stored.size,
                indirect_key: indirect(of, map.key),
                indirect_elem: indirect(elem_of, map.elem),
            },
        };
        // A hostile group may be of any size.
        let end = |from: u64, stride: u64| from.checked_add(stride.checked_mul(SLOTS)?);
        let within = |end: Option<u64>| end.is_some_and(|end| end <= group.size + group.size / 2);
        (group.size <= 1 << 20
            && within(end(places.keys, places.key_stride))
            && within(end(places.elems, places.elem_stride)))
        .then_some(places)
    }
}
