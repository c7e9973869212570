//! Go maps: where their keys and elements are, in both of the forms that a map has had.

use std::ops::ControlFlow;

use goheap_memory::{Addr, DataModel, Fault, Memory};

use crate::{Features, LayoutError, Maps, Place, Structs};

mod buckets;
mod swiss;

/// Slots of a bucket and of a group (internal/abi/map.go: `MapBucketCount`, `MapGroupSlots`; all
/// versions).
const SLOTS: u64 = 8;

/// The most bytes of a bucket or group that is believed. Keys and elements over 128 bytes are
/// stored by pointer (internal/abi/map.go: `MapMaxKeyBytes`), so that a real one stays below 2.1 KiB.
const CHUNK: u64 = 4096;

/// A key of a map with its element, each where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapEntry {
    /// Where the key is.
    pub key: Addr,
    /// Where the element is.
    pub elem: Addr,
}

/// Why a map could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// A part of it cannot be read.
    #[error("{what} of the map at {map}: {fault}")]
    Fault {
        /// The map.
        map: Addr,
        /// The part.
        what: &'static str,
        /// The read that failed.
        #[source]
        fault: Fault,
    },
    /// A number in it cannot be right.
    #[error("{what} of the map at {map} is {found}, expected {expected}")]
    Implausible {
        /// The map.
        map: Addr,
        /// The number.
        what: &'static str,
        /// What it says.
        found: u64,
        /// What it should be.
        expected: &'static str,
    },
    /// It has more slots than the caller wants to see, or its links go in a circle.
    #[error("the map at {map} has more than {most} slots")]
    Endless {
        /// The map.
        map: Addr,
        /// The caller's limit.
        most: u64,
    },
    /// The geometry is that of the other form of map.
    #[error("the map type does not fit the maps of this Go version")]
    WrongForm,
}

/// How the slots of one map type lie in a bucket or group: a part of its type descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotPlaces {
    /// Bytes of a bucket or group.
    pub size: u64,
    /// Bytes from its start to the first key.
    pub keys: u64,
    /// Bytes from a key to the next one.
    pub key_stride: u64,
    /// Bytes from its start to the first element.
    pub elems: u64,
    /// Bytes from an element to the next one.
    pub elem_stride: u64,
    /// Slots hold pointers to keys.
    pub indirect_key: bool,
    /// Slots hold pointers to elements.
    pub indirect_elem: bool,
}

/// How the entries of one map type are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapGeometry {
    /// Buckets with a chain of overflow buckets ([`Maps::Buckets`]).
    Buckets(SlotPlaces),
    /// Groups with control bytes ([`Maps::Swiss`], [`Maps::SwissSplit`]).
    Groups(SlotPlaces),
}

impl MapGeometry {
    /// The geometry of a map of small keys and elements without its type descriptor, each aligned
    /// to its own size: for the runtime's own `map[int32]unsafe.Pointer` and its like. Sizes are in
    /// bytes: 4 or 8.
    pub fn of_words(maps: Maps, model: DataModel, key: u64, elem: u64) -> MapGeometry {
        let (key, elem) = (key.clamp(1, 8), elem.clamp(1, 8));
        let up = |n: u64, to: u64| n.next_multiple_of(to);
        let places = |size, keys, key_stride, elems, elem_stride| SlotPlaces {
            size,
            keys,
            key_stride,
            elems,
            elem_stride,
            indirect_key: false,
            indirect_elem: false,
        };
        match maps {
            Maps::Buckets => {
                // runtime/map.go, go1.19: `bmap`: eight bytes of hashes, keys, elements, overflow.
                let elems = up(8 + SLOTS * key, elem);
                let end = up(elems + SLOTS * elem, model.word_size());
                MapGeometry::Buckets(places(end + model.word_size(), 8, key, elems, elem))
            }
            Maps::Swiss => {
                let elem_offset = up(key, elem);
                let slot = up(elem_offset + elem, key.max(elem));
                MapGeometry::Groups(places(8 + SLOTS * slot, 8, slot, 8 + elem_offset, slot))
            }
            Maps::SwissSplit => {
                let elems = up(8 + SLOTS * key, elem);
                let end = up(elems + SLOTS * elem, 8);
                MapGeometry::Groups(places(end, 8, key, elems, elem))
            }
        }
    }
}

/// Where the fields of a map are, in the form that the version has.
#[derive(Debug, Clone, Copy)]
pub struct MapLayouts(Form);

#[derive(Debug, Clone, Copy)]
enum Form {
    /// `runtime.hmap`.
    Buckets(buckets::Layout),
    /// `internal/runtime/maps.Map`.
    Swiss(swiss::Layout),
}

impl MapLayouts {
    /// Looks the fields up.
    ///
    /// # Errors
    /// The layouts lack one of the structs.
    pub fn new(structs: &Structs<'_>, features: &Features) -> Result<MapLayouts, LayoutError> {
        Ok(MapLayouts(match features.maps {
            Maps::Buckets => Form::Buckets(buckets::Layout::new(structs)?),
            Maps::Swiss | Maps::SwissSplit => Form::Swiss(swiss::Layout::new(structs)?),
        }))
    }

    /// Shows every entry of the map at `map` (what a map variable points to; nil is an empty map)
    /// to `visit`, until it breaks. Entries come in the order of memory, not of Go's `range`. A map
    /// that is being grown shows each entry once, wherever it is at the moment.
    ///
    /// # Errors
    /// A part cannot be read, a count is absurd, or more than `most` slots, full or empty, would
    /// have to be looked at.
    pub fn walk<M: Memory + ?Sized>(
        &self,
        memory: &M,
        model: DataModel,
        geometry: &MapGeometry,
        map: Addr,
        most: u64,
        visit: &mut dyn FnMut(MapEntry) -> ControlFlow<()>,
    ) -> Result<(), MapError> {
        if map.is_nil() {
            return Ok(());
        }
        let (MapGeometry::Buckets(places) | MapGeometry::Groups(places)) = geometry;
        let mut walk = Walk {
            memory,
            model,
            places,
            map,
            most,
            left: most,
            visit,
        };
        walk.check_geometry()?;
        // Breaking off is not an error, and nothing comes after it.
        let _done = match (&self.0, geometry) {
            (Form::Buckets(layout), MapGeometry::Buckets(_)) => layout.walk(&mut walk)?,
            (Form::Swiss(layout), MapGeometry::Groups(_)) => layout.walk(&mut walk)?,
            _ => return Err(MapError::WrongForm),
        };
        Ok(())
    }
}

/// One walk over one map.
struct Walk<'a, M: ?Sized> {
    memory: &'a M,
    model: DataModel,
    places: &'a SlotPlaces,
    map: Addr,
    most: u64,
    /// Slots that may still be looked at.
    left: u64,
    visit: &'a mut dyn FnMut(MapEntry) -> ControlFlow<()>,
}

impl<M: Memory + ?Sized> Walk<'_, M> {
    /// The geometry may come from a damaged type descriptor.
    fn check_geometry(&self) -> Result<(), MapError> {
        let SlotPlaces {
            size,
            keys,
            key_stride,
            elems,
            elem_stride,
            ..
        } = *self.places;
        let fits = |first: u64, stride: u64| {
            stride <= CHUNK && first <= CHUNK && first + SLOTS * stride <= CHUNK + stride
        };
        if size > CHUNK
            || size < 8 + self.model.word_size()
            || !fits(keys, key_stride)
            || !fits(elems, elem_stride)
        {
            return Err(self.implausible("bucket size", size, "a geometry that fits a bucket"));
        }
        Ok(())
    }

    fn field(&self, base: Addr, place: Place, what: &'static str) -> Result<u64, MapError> {
        let size = usize::try_from(place.size).unwrap_or(usize::MAX);
        self.model
            .read_uint(self.memory, base.offset(place.offset), size)
            .map_err(|fault| self.fault(what, fault))
    }

    fn fault(&self, what: &'static str, fault: Fault) -> MapError {
        MapError::Fault {
            map: self.map,
            what,
            fault,
        }
    }

    fn implausible(&self, what: &'static str, found: u64, expected: &'static str) -> MapError {
        MapError::Implausible {
            map: self.map,
            what,
            found,
            expected,
        }
    }

    /// Reads a bucket or group, which counts against the limit.
    fn chunk<'b>(
        &mut self,
        at: Addr,
        what: &'static str,
        buffer: &'b mut [u8; CHUNK as usize],
    ) -> Result<&'b [u8], MapError> {
        self.left = self.left.checked_sub(SLOTS).ok_or(MapError::Endless {
            map: self.map,
            most: self.most,
        })?;
        let bytes = &mut buffer[..self.places.size.min(CHUNK) as usize];
        self.memory
            .read(at, bytes)
            .map_err(|fault| self.fault(what, fault))?;
        Ok(bytes)
    }

    /// Shows slot `index` of the bucket or group at `at`.
    fn show(&mut self, at: Addr, index: u64) -> Result<ControlFlow<()>, MapError> {
        let places = self.places;
        let mut key = at.offset(places.keys + index * places.key_stride);
        let mut elem = at.offset(places.elems + index * places.elem_stride);
        if places.indirect_key {
            key = self.pointer(key, "a key")?;
        }
        if places.indirect_elem {
            elem = self.pointer(elem, "an element")?;
        }
        Ok((self.visit)(MapEntry { key, elem }))
    }

    fn pointer(&self, at: Addr, what: &'static str) -> Result<Addr, MapError> {
        self.model
            .read_ptr(self.memory, at)
            .map_err(|fault| self.fault(what, fault))
    }
}
