//! What a type is made of.

use goheap_memory::{Addr, Memory};

use super::layouts::MapType;
use super::{Kind, Type, TypeError, Types, limit};
use crate::{MapGeometry, Place, SlotPlaces};

/// A field of a struct type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name; of an embedded field, the name of its type.
    pub name: Vec<u8>,
    /// The descriptor of its type.
    pub ty: Addr,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Whether it is embedded.
    pub embedded: bool,
    /// Whether other packages may use it.
    pub exported: bool,
    /// Its tag; empty without.
    pub tag: Vec<u8>,
    /// The path of its package, if it is not exported and that is not the struct's.
    pub package: Vec<u8>,
}

/// Parameters and results of a function type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Descriptors of the parameters' types.
    pub params: Vec<Addr>,
    /// Descriptors of the results' types.
    pub results: Vec<Addr>,
    /// Whether the last parameter is `...T` (its type is `[]T`).
    pub variadic: bool,
}

impl<M: Memory + ?Sized> Types<'_, M> {
    /// What an array, channel, map, pointer or slice holds or points to; `None` for other kinds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn elem(&self, ty: &Type) -> Result<Option<Addr>, TypeError> {
        let place = match ty.kind {
            Kind::Array => self.layouts.array_elem,
            Kind::Chan => self.layouts.chan_elem,
            Kind::Map => self.layouts.map_elem,
            Kind::Pointer => self.layouts.pointer_elem,
            Kind::Slice => self.layouts.slice_elem,
            _ => return Ok(None),
        };
        self.field(ty, place, "the element type")
            .map(|at| Some(Addr::new(at)))
    }

    /// The key type of a map; `None` for other kinds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn key(&self, ty: &Type) -> Result<Option<Addr>, TypeError> {
        match ty.kind {
            Kind::Map => self
                .field(ty, self.layouts.map_key, "the key type")
                .map(|at| Some(Addr::new(at))),
            _ => Ok(None),
        }
    }

    /// How many elements an array has; 0 for other kinds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn array_len(&self, ty: &Type) -> Result<u64, TypeError> {
        match ty.kind {
            Kind::Array => self.field(ty, self.layouts.array_len, "the length of the array"),
            _ => Ok(0),
        }
    }

    /// The fields of a struct in the order of their offsets; none for other kinds.
    ///
    /// # Errors
    /// They cannot be read, or there are absurdly many.
    pub fn fields(&self, ty: &Type) -> Result<Vec<Field>, TypeError> {
        let mut fields = Vec::new();
        // A million fields may all be called by the same very long name.
        let mut room = limit::NAMES;
        let at = ty.address;
        self.each_field(ty, &mut |name, ty, offset| {
            let name = self.whole_name(at, name)?;
            room = room.checked_sub(name.len()).ok_or(TypeError::Implausible {
                at,
                what: "the length of its fields' names",
                found: limit::NAMES as u64,
                expected: "less",
            })?;
            fields.push(Field {
                ty,
                offset,
                embedded: name.embedded,
                exported: name.exported,
                name: name.text,
                tag: name.tag,
                package: name.package,
            });
            Ok(())
        })?;
        Ok(fields)
    }

    /// Shows the address of the name, the type and the offset of each field of a struct.
    pub(super) fn each_field(
        &self,
        ty: &Type,
        show: &mut dyn FnMut(Addr, Addr, u64) -> Result<(), TypeError>,
    ) -> Result<(), TypeError> {
        if ty.kind != Kind::Struct {
            return Ok(());
        }
        let header = ty.address.offset(self.layouts.struct_fields.offset);
        let first = self.pointer(header, "the fields")?;
        let count_at = header.offset(self.model.word_size());
        let count = self.uint(
            count_at,
            usize::from(self.model.word),
            "the number of fields",
        )?;
        if count > limit::PARTS {
            return Err(TypeError::Implausible {
                at: ty.address,
                what: "the number of fields",
                found: count,
                expected: "fewer",
            });
        }
        let layout = &self.layouts.struct_field;
        let read = |at: Addr, place: Place| {
            self.uint(at.offset(place.offset), place.size as usize, "a field")
        };
        for index in 0..count {
            let at = first.offset(index.wrapping_mul(layout.size));
            let name = Addr::new(read(at, layout.name)?);
            show(
                name,
                Addr::new(read(at, layout.ty)?),
                read(at, layout.offset)?,
            )?;
        }
        Ok(())
    }

    /// Parameters and results of a function type; `None` for other kinds.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn signature(&self, ty: &Type) -> Result<Option<Signature>, TypeError> {
        if ty.kind != Kind::Func {
            return Ok(None);
        }
        // internal/abi/type.go: `FuncType`: the counts are 16 bits wide, and the top bit of the
        // second one says that the last parameter is variadic. The types follow what is uncommon.
        const VARIADIC: u64 = 1 << 15;
        const UNCOMMON: u64 = 16;
        let params = self.field(ty, self.layouts.func_in, "the number of parameters")?;
        let results = self.field(ty, self.layouts.func_out, "the number of results")?;
        let own = ty.address.offset(self.layouts.sizes.func);
        let first = self
            .uncommon(ty)
            .map_or(own, |uncommon| uncommon.offset(UNCOMMON));
        let word = self.model.word_size();
        let list = |from: u64, count: u64| -> Result<Vec<Addr>, TypeError> {
            (from..from + count)
                .map(|index| self.pointer(first.offset(index * word), "a parameter's type"))
                .collect()
        };
        let (params, returned) = (params & 0xffff, results & (VARIADIC - 1));
        Ok(Some(Signature {
            params: list(0, params)?,
            results: list(params, returned)?,
            variadic: results & VARIADIC != 0,
        }))
    }

    /// How a map of this type stores its entries; `None` for other kinds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn map_geometry(&self, ty: &Type) -> Result<Option<MapGeometry>, TypeError> {
        if ty.kind != Kind::Map {
            return Ok(None);
        }
        let read = |place: Place| self.field(ty, place, "the slots of a map type");
        let flags = read(self.layouts.map_flags)?;
        // internal/abi/map_swiss.go, go1.24: `MapIndirectKey`, `MapIndirectElem`.
        let (swiss_key, swiss_elem) = (flags & (1 << 2) != 0, flags & (1 << 3) != 0);
        Ok(Some(match self.layouts.map {
            MapType::Buckets {
                key_size,
                elem_size,
                bucket_size,
            } => {
                // runtime/map.go, go1.19: eight hashes, eight keys, eight elements, overflow.
                let (key_stride, elem_stride) = (read(key_size)?, read(elem_size)?);
                MapGeometry::Buckets(SlotPlaces {
                    size: read(bucket_size)?,
                    keys: 8,
                    key_stride,
                    elems: 8 + 8 * key_stride,
                    elem_stride,
                    // runtime/type.go, go1.19: `maptype.indirectkey`, `indirectelem`.
                    indirect_key: flags & 1 != 0,
                    indirect_elem: flags & 2 != 0,
                })
            }
            MapType::Slots {
                group_size,
                slot_size,
                elem_offset,
            } => {
                let stride = read(slot_size)?;
                MapGeometry::Groups(SlotPlaces {
                    size: read(group_size)?,
                    keys: 8,
                    key_stride: stride,
                    elems: read(elem_offset)?.saturating_add(8),
                    elem_stride: stride,
                    indirect_key: swiss_key,
                    indirect_elem: swiss_elem,
                })
            }
            MapType::Told {
                group_size,
                keys,
                key_stride,
                elems,
                elem_stride,
            } => MapGeometry::Groups(SlotPlaces {
                size: read(group_size)?,
                keys: read(keys)?,
                key_stride: read(key_stride)?,
                elems: read(elems)?,
                elem_stride: read(elem_stride)?,
                indirect_key: swiss_key,
                indirect_elem: swiss_elem,
            }),
        }))
    }

    fn field(&self, ty: &Type, place: Place, what: &'static str) -> Result<u64, TypeError> {
        self.uint(ty.address.offset(place.offset), place.size as usize, what)
    }
}
