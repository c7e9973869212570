//! The layouts of type descriptors and maps in four Go versions, by hand: for tests without an
//! executable. (`tests/descriptors.rs` has them from DWARF.)

use goheap_golang::Layouts;
use goheap_image::layout::{Member, Shape, TypeLayout};

/// Layouts of one version.
pub(crate) struct FixedLayouts {
    /// The version, as `runtime.buildVersion` has it.
    pub(crate) version: &'static str,
    /// A struct a line: name, size, and fields as `name:offset:size`, or `name:offset:@struct`.
    structs: &'static str,
}

impl Layouts for FixedLayouts {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        if let Some(size) = name.strip_prefix("bytes") {
            return Some(TypeLayout {
                size: size.parse().ok()?,
                shape: Shape::Scalar,
            });
        }
        let line = self
            .structs
            .lines()
            .find(|line| line.split(' ').next() == Some(name))?;
        let mut words = line.split(' ').skip(1);
        let size = words.next()?.parse().ok()?;
        let members = words
            .map(|field| {
                let mut parts = field.split(':');
                let (name, offset, ty) = (parts.next()?, parts.next()?, parts.next()?);
                let type_name = match ty.strip_prefix('@') {
                    Some(strukt) => strukt.to_owned(),
                    None => format!("bytes{ty}"),
                };
                Some(Member {
                    name: name.to_owned(),
                    offset: offset.parse().ok()?,
                    type_name,
                })
            })
            .collect::<Option<_>>()?;
        Some(TypeLayout {
            size,
            shape: Shape::Struct { members },
        })
    }
}

/// go1.19, go1.21, go1.24 and go1.27, all of 64-bit words.
pub(crate) const FIXED: [FixedLayouts; 4] = [
    FixedLayouts {
        version: "go1.19.8",
        structs: "\
runtime._type 48 size:0:8 ptrdata:8:8 hash:16:4 tflag:20:1 kind:23:1 gcdata:32:8 str:40:4 ptrToThis:44:4
runtime.arraytype 72 elem:48:8 slice:56:8 len:64:8
runtime.chantype 64 elem:48:8 dir:56:8
runtime.functype 56 inCount:48:2 outCount:50:2
runtime.interfacetype 80 pkgpath:48:8 mhdr:56:24
runtime.ptrtype 56 elem:48:8
runtime.slicetype 56 elem:48:8
runtime.structtype 80 pkgPath:48:8 fields:56:24
runtime.structfield 24 name:0:8 typ:8:8 offset:16:8
runtime.maptype 88 key:48:8 elem:56:8 bucket:64:8 keysize:80:1 elemsize:81:1 bucketsize:82:2 flags:84:4
runtime.hmap 48 count:0:8 flags:8:1 B:9:1 buckets:16:8 oldbuckets:24:8
runtime.mutex 8 key:0:8",
    },
    FixedLayouts {
        version: "go1.21.13",
        structs: "\
internal/abi.Type 48 Size_:0:8 PtrBytes:8:8 Hash:16:4 TFlag:20:1 Kind_:23:1 GCData:32:8 Str:40:4 PtrToThis:44:4
internal/abi.ArrayType 72 Elem:48:8 Slice:56:8 Len:64:8
internal/abi.ChanType 64 Elem:48:8 Dir:56:8
internal/abi.FuncType 56 InCount:48:2 OutCount:50:2
internal/abi.InterfaceType 80 PkgPath:48:8 Methods:56:24
internal/abi.PtrType 56 Elem:48:8
internal/abi.SliceType 56 Elem:48:8
internal/abi.StructType 80 PkgPath:48:8 Fields:56:24
internal/abi.StructField 24 Name:0:8 Typ:8:8 Offset:16:8
internal/abi.MapType 88 Key:48:8 Elem:56:8 Bucket:64:8 KeySize:80:1 ValueSize:81:1 BucketSize:82:2 Flags:84:4
runtime.hmap 48 count:0:8 flags:8:1 B:9:1 buckets:16:8 oldbuckets:24:8
runtime.mutex 8 key:0:8",
    },
    FixedLayouts {
        version: "go1.24.3",
        structs: "\
internal/abi.Type 48 Size_:0:8 PtrBytes:8:8 Hash:16:4 TFlag:20:1 Kind_:23:1 GCData:32:8 Str:40:4 PtrToThis:44:4
internal/abi.ArrayType 72 Elem:48:8 Slice:56:8 Len:64:8
internal/abi.ChanType 64 Elem:48:8 Dir:56:8
internal/abi.FuncType 56 InCount:48:2 OutCount:50:2
internal/abi.InterfaceType 80 PkgPath:48:8 Methods:56:24
internal/abi.PtrType 56 Elem:48:8
internal/abi.SliceType 56 Elem:48:8
internal/abi.StructType 80 PkgPath:48:8 Fields:56:24
internal/abi.StructField 24 Name:0:8 Typ:8:8 Offset:16:8
internal/abi.SwissMapType 112 Key:48:8 Elem:56:8 Group:64:8 GroupSize:80:8 SlotSize:88:8 ElemOff:96:8 Flags:104:4
internal/runtime/maps.Map 48 used:0:8 dirPtr:16:8 dirLen:24:8
internal/runtime/maps.table 32 index:8:8 groups:16:@internal/runtime/maps.groupsReference
internal/runtime/maps.groupsReference 16 data:0:8 lengthMask:8:8
runtime.mutex 8 key:0:8",
    },
    FixedLayouts {
        version: "go1.27.3 X:mapsplitgroup",
        structs: "\
internal/abi.Type 48 Size_:0:8 PtrBytes:8:8 Hash:16:4 TFlag:20:1 Kind_:23:1 GCData:32:8 Str:40:4 PtrToThis:44:4
internal/abi.ArrayType 72 Elem:48:8 Slice:56:8 Len:64:8
internal/abi.ChanType 64 Elem:48:8 Dir:56:8
internal/abi.FuncType 56 InCount:48:2 OutCount:50:2
internal/abi.InterfaceType 80 PkgPath:48:8 Methods:56:24
internal/abi.PtrType 56 Elem:48:8
internal/abi.SliceType 56 Elem:48:8
internal/abi.StructType 80 PkgPath:48:8 Fields:56:24
internal/abi.StructField 24 Name:0:8 Typ:8:8 Offset:16:8
internal/abi.MapType 136 Key:48:8 Elem:56:8 Group:64:8 GroupSize:80:8 KeysOff:88:8 KeyStride:96:8 ElemsOff:104:8 ElemStride:112:8 ElemOff:120:8 Flags:128:4
internal/runtime/maps.Map 48 used:0:8 dirPtr:16:8 dirLen:24:8
internal/runtime/maps.table 32 index:8:8 groups:16:@internal/runtime/maps.groupsReference
internal/runtime/maps.groupsReference 16 data:0:8 lengthMask:8:8
runtime.mutex 8 key:0:8",
    },
];
