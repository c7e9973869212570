//! Where the fields of type descriptors are.

use crate::{Features, LayoutError, Maps, Place, Structs};

/// The most bytes of the fixed part that are believed; it is 48 in all versions, of 64-bit words.
pub(super) const FIXED_MOST: usize = 128;

/// The fixed part: byte ranges within it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    pub(super) size: usize,
    pub(super) size_field: (usize, usize),
    pub(super) ptr_bytes: (usize, usize),
    pub(super) hash: (usize, usize),
    pub(super) tflag: (usize, usize),
    pub(super) kind: (usize, usize),
    pub(super) gc_data: (usize, usize),
    pub(super) name: (usize, usize),
    pub(super) ptr_to_this: (usize, usize),
}

/// A type of type that has fields of its own behind the fixed part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) array: u64,
    pub(super) chan: u64,
    pub(super) func: u64,
    pub(super) interface: u64,
    pub(super) map: u64,
    pub(super) pointer: u64,
    pub(super) slice: u64,
    pub(super) strukt: u64,
}

/// Fields of `abi.StructField`.
#[derive(Debug, Clone, Copy)]
pub(super) struct StructField {
    pub(super) size: u64,
    pub(super) name: Place,
    pub(super) ty: Place,
    pub(super) offset: Place,
}

/// Fields of the map type that the version has.
#[derive(Debug, Clone, Copy)]
pub(super) enum MapType {
    Buckets {
        key_size: Place,
        elem_size: Place,
        bucket_size: Place,
    },
    /// A key and an element make a slot (go1.24 to go1.26).
    Slots {
        group_size: Place,
        slot_size: Place,
        elem_offset: Place,
    },
    /// All is told (go1.27).
    Told {
        group_size: Place,
        keys: Place,
        key_stride: Place,
        elems: Place,
        elem_stride: Place,
    },
}

/// Where the fields of type descriptors are, in the version at hand.
///
/// Up to go1.20 they are structs of the package runtime (runtime/type.go), then of internal/abi;
/// both packages' names are looked for, so that no version has to be compared.
#[derive(Debug, Clone)]
pub struct TypeLayouts {
    pub(super) fixed: Fixed,
    pub(super) sizes: Sizes,
    pub(super) array_elem: Place,
    pub(super) array_len: Place,
    pub(super) chan_elem: Place,
    pub(super) chan_dir: Option<Place>,
    pub(super) pointer_elem: Place,
    pub(super) slice_elem: Place,
    pub(super) func_in: Place,
    pub(super) func_out: Place,
    pub(super) interface_package: Option<Place>,
    pub(super) interface_methods: Option<Place>,
    pub(super) struct_package: Option<Place>,
    pub(super) struct_fields: Place,
    pub(super) struct_field: StructField,
    pub(super) map_key: Place,
    pub(super) map_elem: Place,
    pub(super) map_slots: Option<Place>,
    pub(super) map_flags: Place,
    pub(super) map: MapType,
}

impl TypeLayouts {
    /// Looks the fields up.
    ///
    /// # Errors
    /// One is missing, or lies outside of its struct.
    pub fn new(structs: &Structs<'_>, features: &Features) -> Result<TypeLayouts, LayoutError> {
        const TYPE: [&str; 2] = ["internal/abi.Type", "runtime._type"];
        const ARRAY: [&str; 2] = ["internal/abi.ArrayType", "runtime.arraytype"];
        const CHAN: [&str; 2] = ["internal/abi.ChanType", "runtime.chantype"];
        const FUNC: [&str; 2] = ["internal/abi.FuncType", "runtime.functype"];
        const INTERFACE: [&str; 2] = ["internal/abi.InterfaceType", "runtime.interfacetype"];
        const POINTER: [&str; 2] = ["internal/abi.PtrType", "runtime.ptrtype"];
        const SLICE: [&str; 2] = ["internal/abi.SliceType", "runtime.slicetype"];
        const STRUCT: [&str; 2] = ["internal/abi.StructType", "runtime.structtype"];
        const FIELD: [&str; 2] = ["internal/abi.StructField", "runtime.structfield"];
        // go1.24 and go1.25 have both forms of map, as two types.
        const BUCKET_MAP: [&str; 3] = [
            "internal/abi.OldMapType",
            "internal/abi.MapType",
            "runtime.maptype",
        ];
        const SWISS_MAP: [&str; 2] = ["internal/abi.SwissMapType", "internal/abi.MapType"];

        let names = Names(structs);
        let map: &[&str] = match features.maps {
            Maps::Buckets => &BUCKET_MAP,
            Maps::Swiss | Maps::SwissSplit => &SWISS_MAP,
        };
        Ok(TypeLayouts {
            fixed: fixed(&names, &TYPE)?,
            sizes: Sizes {
                array: names.size(&ARRAY)?,
                chan: names.size(&CHAN)?,
                func: names.size(&FUNC)?,
                interface: names.size(&INTERFACE)?,
                map: names.size(map)?,
                pointer: names.size(&POINTER)?,
                slice: names.size(&SLICE)?,
                strukt: names.size(&STRUCT)?,
            },
            array_elem: names.place(&ARRAY, &["Elem", "elem"])?,
            array_len: names.place(&ARRAY, &["Len", "len"])?,
            chan_elem: names.place(&CHAN, &["Elem", "elem"])?,
            chan_dir: names.place(&CHAN, &["Dir", "dir"]).ok(),
            pointer_elem: names.place(&POINTER, &["Elem", "elem"])?,
            slice_elem: names.place(&SLICE, &["Elem", "elem"])?,
            func_in: names.place(&FUNC, &["InCount", "inCount"])?,
            func_out: names.place(&FUNC, &["OutCount", "outCount"])?,
            interface_package: names.place(&INTERFACE, &["PkgPath", "pkgpath"]).ok(),
            interface_methods: names.place(&INTERFACE, &["Methods", "mhdr"]).ok(),
            struct_package: names.place(&STRUCT, &["PkgPath", "pkgPath"]).ok(),
            struct_fields: names.place(&STRUCT, &["Fields", "fields"])?,
            struct_field: StructField {
                size: names.size(&FIELD)?,
                name: names.place(&FIELD, &["Name", "name"])?,
                ty: names.place(&FIELD, &["Typ", "typ"])?,
                offset: names.place(&FIELD, &["Offset", "offset"])?,
            },
            map_key: names.place(map, &["Key", "key"])?,
            map_elem: names.place(map, &["Elem", "elem"])?,
            map_slots: names.place(map, &["Bucket", "bucket", "Group"]).ok(),
            map_flags: names.place(map, &["Flags", "flags"])?,
            map: map_type(&names, map, features.maps)?,
        })
    }
}

fn map_type(names: &Names<'_, '_>, map: &[&str], maps: Maps) -> Result<MapType, LayoutError> {
    if maps == Maps::Buckets {
        return Ok(MapType::Buckets {
            key_size: names.place(map, &["KeySize", "keysize"])?,
            elem_size: names.place(map, &["ValueSize", "elemsize"])?,
            bucket_size: names.place(map, &["BucketSize", "bucketsize"])?,
        });
    }
    let group_size = names.place(map, &["GroupSize"])?;
    match names.place(map, &["KeysOff"]) {
        Ok(keys) => Ok(MapType::Told {
            group_size,
            keys,
            key_stride: names.place(map, &["KeyStride"])?,
            elems: names.place(map, &["ElemsOff"])?,
            elem_stride: names.place(map, &["ElemStride"])?,
        }),
        Err(_) => Ok(MapType::Slots {
            group_size,
            slot_size: names.place(map, &["SlotSize"])?,
            elem_offset: names.place(map, &["ElemOff"])?,
        }),
    }
}

fn fixed(names: &Names<'_, '_>, ty: &[&str]) -> Result<Fixed, LayoutError> {
    let size = names.size(ty)?;
    let outside = |path: &str| LayoutError::Unexpected {
        strukt: ty.first().copied().unwrap_or_default().to_owned(),
        path: path.to_owned(),
        expected: "a number inside of a descriptor of at most 128 bytes",
    };
    if size as usize > FIXED_MOST {
        return Err(outside("size"));
    }
    let range = |paths: [&str; 2]| -> Result<(usize, usize), LayoutError> {
        let place = names.place(ty, &paths)?;
        let end = place.offset.saturating_add(place.size);
        if end > size || place.size > 8 {
            return Err(outside(paths[0]));
        }
        Ok((place.offset as usize, end as usize))
    };
    Ok(Fixed {
        size: size as usize,
        size_field: range(["Size_", "size"])?,
        ptr_bytes: range(["PtrBytes", "ptrdata"])?,
        hash: range(["Hash", "hash"])?,
        tflag: range(["TFlag", "tflag"])?,
        kind: range(["Kind_", "kind"])?,
        gc_data: range(["GCData", "gcdata"])?,
        name: range(["Str", "str"])?,
        ptr_to_this: range(["PtrToThis", "ptrToThis"])?,
    })
}

/// Looks up what has had several names.
struct Names<'s, 'l>(&'s Structs<'l>);

impl Names<'_, '_> {
    fn size(&self, types: &[&str]) -> Result<u64, LayoutError> {
        self.first(types, |ty| self.0.size(ty))
    }

    fn place(&self, types: &[&str], paths: &[&str]) -> Result<Place, LayoutError> {
        self.first(types, |ty| self.0.first(ty, paths))
    }

    /// The first answer; failing that, what the first name has to say.
    fn first<T>(
        &self,
        types: &[&str],
        ask: impl Fn(&str) -> Result<T, LayoutError>,
    ) -> Result<T, LayoutError> {
        let mut error = None;
        for ty in types {
            match ask(ty) {
                Ok(answer) => return Ok(answer),
                Err(e) => error = error.or(Some(e)),
            }
        }
        Err(error.unwrap_or_else(|| LayoutError::NoType(String::new())))
    }
}
