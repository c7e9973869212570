//! Any bytes at all as the memory of a Go program: everything that reads type descriptors and maps
//! is let loose on them. For the fuzz target `type_descriptors`, and for the test that runs its
//! corpus.
//!
//! The first byte chooses version and byte order; the others lie at [`BASE`], the first half as the
//! types of a module, the second half as heap.

use std::ops::ControlFlow;

use goheap_golang::{Features, GoVersion, MapLayouts, Structs, TypeModule, Types};
use goheap_memory::{Addr, ByteOrder, DataModel, Fault, FaultKind, Memory};

use crate::fixed_layouts::FIXED;

/// Where the bytes lie.
pub(crate) const BASE: u64 = 0x1000;

/// Descriptors are looked for at this many words, from the start of each half.
const TRIED: u64 = 12;

pub(crate) struct Bytes<'b>(pub(crate) &'b [u8]);

impl Memory for Bytes<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let fault = || Fault::new(at, buf.len(), FaultKind::Unmapped);
        let from = at.since(Addr::new(BASE)).ok_or_else(fault)? as usize;
        let end = from.checked_add(buf.len()).ok_or_else(fault)?;
        let bytes = self.0.get(from..end).ok_or_else(fault)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// What reads a memory.
pub(crate) struct Readers<'b> {
    pub(crate) types: Types<'b, Bytes<'b>>,
    pub(crate) maps: MapLayouts,
    pub(crate) model: DataModel,
    /// Where the heap begins.
    pub(crate) half: Addr,
}

impl<'b> Readers<'b> {
    pub(crate) fn new(choice: u8, memory: &'b Bytes<'b>) -> Readers<'b> {
        let fixed = &FIXED[usize::from(choice) % FIXED.len()];
        let byte_order = if choice & 0x80 == 0 {
            ByteOrder::Little
        } else {
            ByteOrder::Big
        };
        let model = DataModel {
            byte_order,
            word: 8,
        };
        let version: GoVersion = fixed.version.parse().expect("a version");
        let features = Features::of(&version).expect("a known version");
        let structs = Structs::new(fixed);
        let base = Addr::new(BASE);
        let half = Addr::new((BASE + memory.0.len() as u64 / 2) & !7);
        let modules = vec![TypeModule {
            types: base,
            etypes: half,
        }];
        let types = Types::new(memory, model, &structs, &features, modules, Some(base))
            .expect("all layouts are there");
        let maps = MapLayouts::new(&structs, &features).expect("all layouts are there");
        Readers {
            types,
            maps,
            model,
            half,
        }
    }
}

/// Reads all that there may be. Whatever is there, it ends, and the checks here hold.
pub(crate) fn read_all(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let memory = Bytes(bytes);
    let Readers {
        types,
        maps,
        model,
        half,
    } = Readers::new(choice, &memory);
    let base = Addr::new(BASE);
    for at in [base, half]
        .iter()
        .flat_map(|from| (0..TRIED).map(|i| from.offset(8 * i)))
    {
        let Ok(ty) = types.read(at) else { continue };
        let string = types.string(&ty);
        let name = types.name(&ty);
        let path = types.pkg_path(&ty);
        if let (Ok(string), Ok(name)) = (&string, &name) {
            assert!(string.ends_with(name));
        }
        match (types.info(at), types.dump_name(&ty)) {
            (Ok(info), Ok(dumped)) => {
                assert_eq!(info.descriptor, ty);
                assert_eq!(*info.name, dumped);
                assert!(path.is_ok());
            }
            (Err(info), Err(dumped)) => assert_eq!(info.to_string(), dumped.to_string()),
            (info, dumped) => panic!("{info:?} but {dumped:?}"),
        }
        let _ = (
            types.elem(&ty),
            types.key(&ty),
            types.array_len(&ty),
            types.pointer_to(&ty),
        );
        let _ = (types.fields(&ty), types.signature(&ty));
        if let Ok(mask) = types.read_gc_mask(&ty) {
            assert_eq!(mask.len(), ty.ptr_bytes / 8);
            assert_eq!(mask.bits().len() as u64, mask.len().div_ceil(8));
            assert!(!mask.is_pointer(mask.len()));
        }
        if let Ok(Some(geometry)) = types.map_geometry(&ty) {
            for map in [base, half, at] {
                let mut seen = 0;
                let most = 1 << 12;
                let _ = maps.walk(&memory, model, &geometry, map, most, &mut |_entry| {
                    seen += 1;
                    ControlFlow::Continue(())
                });
                assert!(seen <= most);
            }
        }
    }
}
