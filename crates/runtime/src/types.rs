//! Type descriptors of the program: what the records and the pointer masks need of them.

use goheap_format::{Record, TypeDescriptor};
use goheap_golang::{GcMask, TypeError, TypeModule, Types};
use goheap_memory::{Addr, PageCache, Target};

use crate::typecache::TypeCache;
use crate::{Sink, WalkError, World};

/// Types read through the cache of a walk.
pub(crate) type WorldTypes<'m, 't> = Types<'m, PageCache<&'t dyn Target>>;

impl<'t> World<'t> {
    /// How to read the program's types.
    ///
    /// # Errors
    /// A layout is missing.
    pub(crate) fn types(&self) -> Result<WorldTypes<'_, 't>, WalkError> {
        let modules = self
            .modules
            .iter()
            .map(|module| TypeModule {
                types: module.types.0,
                etypes: module.types.1,
            })
            .collect();
        Ok(Types::new(
            &self.memory,
            self.model,
            &self.structs,
            &self.features,
            modules,
            self.program.address("runtime.reflectOffs"),
        )?)
    }
}

/// `dumptype`: writes the record of the type at `at`, unless the cache has it.
pub(crate) fn write_type(
    types: &WorldTypes<'_, '_>,
    cache: &mut TypeCache,
    at: Addr,
    sink: &mut dyn Sink,
) -> Result<(), WalkError> {
    if at.is_nil() {
        return Ok(());
    }
    let info = types.info(at)?;
    if cache.insert(at, info.descriptor.hash) {
        sink.record(&Record::Type(TypeDescriptor {
            address: at.get(),
            size: info.descriptor.size,
            name: &info.name,
            indirect: info.descriptor.data_word_is_pointer(),
        }))?;
    }
    Ok(())
}

/// Size in bytes and pointer mask of the type that the heap names at `at` as that of an object of
/// `room` bytes.
pub(crate) fn pointer_mask(
    types: &WorldTypes<'_, '_>,
    at: Addr,
    room: u64,
) -> Result<(u64, GcMask), TypeError> {
    let typ = types.read_from_heap(at)?;
    // An object is made large enough for its type, so that a mask is never larger than the
    // object's words: a damaged type must not make one of its own size.
    if typ.ptr_bytes > room {
        return Err(TypeError::Implausible {
            at,
            what: "PtrBytes",
            found: typ.ptr_bytes,
            expected: "no more than an object of it has",
        });
    }
    Ok((typ.size, types.read_gc_mask(&typ)?))
}
