//! Type descriptors (`runtime._type`, from go1.21 `internal/abi.Type`): what a program's own
//! reflection knows, read out of its memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use goheap_memory::{Addr, DataModel, Fault, Memory};

use crate::{
    DirectIface, Features, LargeMasks, LayoutError, MapEntry, MapError, MapGeometry, MapLayouts,
    Maps, Structs,
};

mod layouts;
mod mask;
mod names;
mod parts;
mod plausible;
mod shape;

pub use layouts::TypeLayouts;
pub use mask::GcMask;
pub use parts::{Field, Signature};
pub use shape::{ChanDir, Method};

/// The most that is believed of a number in a type descriptor.
mod limit {
    /// Bytes of a name.
    pub(super) const NAME: u64 = 1 << 20;
    /// Bytes of the names of all fields of a type.
    pub(super) const NAMES: usize = 1 << 24;
    /// Fields of a type.
    pub(super) const PARTS: u64 = 1 << 20;
    /// Slots of the map of types and names made at run time.
    pub(super) const REFLECT_OFFSETS: u64 = 1 << 22;
    /// Bytes of the names that are kept; further types are read each time.
    pub(super) const KEPT: usize = 1 << 26;
    /// Bytes of a pointer mask: the pointers of a 4 GiB type.
    pub(super) const MASK: u64 = 1 << 26;
    /// Bytes of a pointer program; the compiler's are some hundred bytes.
    pub(super) const PROGRAM: u64 = 1 << 24;
}

/// What kind of type it is (internal/abi/type.go: `Kind`; the same numbers in all versions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of Go's reflect package
pub enum Kind {
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    Array,
    Chan,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    UnsafePointer,
}

impl Kind {
    const ALL: [Kind; 26] = [
        Kind::Bool,
        Kind::Int,
        Kind::Int8,
        Kind::Int16,
        Kind::Int32,
        Kind::Int64,
        Kind::Uint,
        Kind::Uint8,
        Kind::Uint16,
        Kind::Uint32,
        Kind::Uint64,
        Kind::Uintptr,
        Kind::Float32,
        Kind::Float64,
        Kind::Complex64,
        Kind::Complex128,
        Kind::Array,
        Kind::Chan,
        Kind::Func,
        Kind::Interface,
        Kind::Map,
        Kind::Pointer,
        Kind::Slice,
        Kind::String,
        Kind::Struct,
        Kind::UnsafePointer,
    ];

    /// The kind of that number; 0 is none.
    pub fn from_raw(raw: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(raw).checked_sub(1)?).copied()
    }

    /// Its number; they begin at 1.
    pub fn raw(self) -> u8 {
        self as u8 + 1
    }
}

/// Why a type descriptor, or something that it refers to, could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// Memory that it lies in cannot be read.
    #[error("{what} of a type: {fault}")]
    Fault {
        /// What was being read.
        what: &'static str,
        /// The read that failed.
        #[source]
        fault: Fault,
    },
    /// No kind has that number: this is no type descriptor.
    #[error("no type descriptor at {at}: its kind is {kind}")]
    Kind {
        /// Where it should be.
        at: Addr,
        /// The number.
        kind: u8,
    },
    /// A name or type that its module has no room for.
    #[error("type at {at}: offset {offset:#x} is not in its module ({types}-{etypes})")]
    Offset {
        /// The type.
        at: Addr,
        /// The offset.
        offset: i32,
        /// Start of the module's types.
        types: Addr,
        /// End of them.
        etypes: Addr,
    },
    /// The type was made at run time, and the runtime does not know the name or type it refers to.
    #[error("type at {at} is in no module, and offset {offset} is not in runtime.reflectOffs")]
    NotMade {
        /// The type.
        at: Addr,
        /// The offset.
        offset: i32,
    },
    /// A number that cannot be right.
    #[error("type at {at}: {what} is {found}, expected {expected}")]
    Implausible {
        /// The type, or the name.
        at: Addr,
        /// What was looked at.
        what: &'static str,
        /// What it says.
        found: u64,
        /// What it should be.
        expected: &'static str,
    },
    /// The map of types made at run time cannot be read.
    #[error("runtime.reflectOffs: {0}")]
    ReflectOffs(#[from] MapError),
    /// A layout is missing.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// `abi.TFlag` (internal/abi/type.go; the same bits in runtime/type.go, go1.19).
mod tflag {
    pub(super) const UNCOMMON: u8 = 1 << 0;
    pub(super) const EXTRA_STAR: u8 = 1 << 1;
    pub(super) const NAMED: u8 = 1 << 2;
    /// From go1.24.
    pub(super) const GC_MASK_ON_DEMAND: u8 = 1 << 4;
    /// From go1.26.
    pub(super) const DIRECT_IFACE: u8 = 1 << 5;
}

/// Bits of `Kind_` up to go1.25 (internal/abi/type.go, go1.21; runtime/typekind.go, go1.19).
mod kind_bits {
    pub(super) const MASK: u8 = (1 << 5) - 1;
    pub(super) const DIRECT_IFACE: u8 = 1 << 5;
    /// Up to go1.23.
    pub(super) const GC_PROG: u8 = 1 << 6;
}

/// The fixed part of a type descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    /// Where the descriptor is.
    pub address: Addr,
    /// Bytes of a value.
    pub size: u64,
    /// Bytes of a value up to the end of its last pointer; 0 if it has none (`PtrBytes`).
    pub ptr_bytes: u64,
    /// Hash of the type; equal types have equal hashes.
    pub hash: u32,
    /// Kind.
    pub kind: Kind,
    /// Whether an interface of this type holds the value itself, not a pointer to it.
    pub direct_iface: bool,
    /// Where `GCData` points.
    pub gc_data: Addr,
    mask: MaskForm,
    flags: u8,
    name: i32,
    ptr_to_this: i32,
}

/// How `GCData` is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MaskForm {
    Bits,
    Program,
    OnDemand,
}

impl Type {
    /// Whether it has a name of its own: `int`, `main.T`, but not `*main.T` or `[]int`.
    pub fn is_named(&self) -> bool {
        self.flags & tflag::NAMED != 0
    }

    /// What the runtime's dumper writes as the last field of a type record: whether the data word
    /// of an interface is a pointer (runtime/heapdump.go: `dumptype`).
    pub fn data_word_is_pointer(&self) -> bool {
        !self.direct_iface || self.ptr_bytes != 0
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Where the types of one module are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeModule {
    /// `moduledata.types`: offsets of types and names count from here.
    pub types: Addr,
    /// `moduledata.etypes`: the first address behind them.
    pub etypes: Addr,
}

/// What a record of a type says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeInfo {
    /// The fixed part of its descriptor.
    pub descriptor: Type,
    /// Its name as the runtime's dumper writes it ([`Types::dump_name`]).
    pub name: Box<[u8]>,
}

/// Reads type descriptors out of a program's memory.
pub struct Types<'m, M: ?Sized> {
    memory: &'m M,
    model: DataModel,
    layouts: TypeLayouts,
    direct_iface: DirectIface,
    large_masks: LargeMasks,
    maps: Maps,
    modules: Vec<TypeModule>,
    /// The variable `runtime.reflectOffs.m`, and how to read it.
    reflect_offs: Option<(Addr, MapLayouts)>,
    made: RefCell<Option<Made>>,
    known: RefCell<Known>,
}

/// Types and names by their offsets in `runtime.reflectOffs.m`.
type Made = Result<Rc<HashMap<i32, Addr>>, TypeError>;

/// The types that have been read, and how much memory that is.
#[derive(Default)]
struct Known {
    types: HashMap<Addr, Rc<TypeInfo>>,
    bytes: usize,
}

impl<'m, M: Memory + ?Sized> Types<'m, M> {
    /// Reads types from `memory`. `modules` are those of the program, the first one first;
    /// `reflect_offs` is the live address of `runtime.reflectOffs`, without which types that were
    /// made at run time have no names.
    ///
    /// # Errors
    /// `structs` lacks a layout.
    pub fn new(
        memory: &'m M,
        model: DataModel,
        structs: &Structs<'_>,
        features: &Features,
        modules: Vec<TypeModule>,
        reflect_offs: Option<Addr>,
    ) -> Result<Types<'m, M>, LayoutError> {
        let reflect_offs = match reflect_offs {
            // runtime/type.go, go1.19: `var reflectOffs struct { lock mutex; next int32; m
            // map[int32]unsafe.Pointer; ... }`; an anonymous struct, for which layouts have no name.
            Some(at) => {
                let next = structs.size("runtime.mutex")?;
                let m = next.saturating_add(4).next_multiple_of(model.word_size());
                Some((at.offset(m), MapLayouts::new(structs, features)?))
            }
            None => None,
        };
        Ok(Types {
            memory,
            model,
            layouts: TypeLayouts::new(structs, features)?,
            direct_iface: features.direct_iface,
            large_masks: features.large_masks,
            maps: features.maps,
            modules,
            reflect_offs,
            made: RefCell::new(None),
            known: RefCell::default(),
        })
    }

    /// The descriptor at `at` with its name; what has been read is kept.
    ///
    /// # Errors
    /// There is no type descriptor, or its name cannot be read.
    pub fn info(&self, at: Addr) -> Result<Rc<TypeInfo>, TypeError> {
        if let Some(known) = self.known.borrow().types.get(&at) {
            return Ok(Rc::clone(known));
        }
        let descriptor = self.read(at)?;
        let name = self.dump_name(&descriptor)?.into_boxed_slice();
        let info = Rc::new(TypeInfo { descriptor, name });
        let known = &mut *self.known.borrow_mut();
        known.bytes = known
            .bytes
            .saturating_add(size_of::<TypeInfo>() + info.name.len());
        if known.bytes <= limit::KEPT {
            known.types.insert(at, Rc::clone(&info));
        }
        Ok(info)
    }

    /// The fixed part of the descriptor at `at`.
    ///
    /// # Errors
    /// It cannot be read, or has no kind that exists.
    pub fn read(&self, at: Addr) -> Result<Type, TypeError> {
        self.decode(at, None)
    }

    /// The fixed part of the descriptor at `at`, which the heap names as the type of an object.
    ///
    /// It may be one that the runtime made up for a user arena's chunk or for a large mask that it
    /// has unrolled (runtime/mbitmap_allocheaders.go, go1.22: `heapSetType`): that has a size and
    /// a mask, and no kind. It is taken for a struct.
    ///
    /// # Errors
    /// It cannot be read, or has a kind that does not exist.
    pub fn read_from_heap(&self, at: Addr) -> Result<Type, TypeError> {
        self.decode(at, Some(Kind::Struct))
    }

    fn decode(&self, at: Addr, if_none: Option<Kind>) -> Result<Type, TypeError> {
        let fixed = &self.layouts.fixed;
        let mut bytes = [0; layouts::FIXED_MOST];
        let bytes = bytes.get_mut(..fixed.size).unwrap_or_default();
        self.read_bytes(at, bytes, "the descriptor")?;
        let uint = |(from, to): (usize, usize)| -> u64 {
            self.model.uint(bytes.get(from..to).unwrap_or_default())
        };
        let flags = uint(fixed.tflag) as u8;
        let raw = uint(fixed.kind) as u8;
        let (number, direct_iface) = match self.direct_iface {
            DirectIface::InKind => (raw & kind_bits::MASK, raw & kind_bits::DIRECT_IFACE != 0),
            DirectIface::InFlags => (raw, flags & tflag::DIRECT_IFACE != 0),
        };
        let mask = match self.large_masks {
            LargeMasks::Programs if raw & kind_bits::GC_PROG != 0 => MaskForm::Program,
            LargeMasks::OnDemand if flags & tflag::GC_MASK_ON_DEMAND != 0 => MaskForm::OnDemand,
            LargeMasks::Programs | LargeMasks::OnDemand => MaskForm::Bits,
        };
        Ok(Type {
            address: at,
            size: uint(fixed.size_field),
            ptr_bytes: uint(fixed.ptr_bytes),
            hash: uint(fixed.hash) as u32,
            kind: Kind::from_raw(number)
                .or(if_none.filter(|_| number == 0))
                .ok_or(TypeError::Kind { at, kind: raw })?,
            direct_iface,
            gc_data: Addr::new(uint(fixed.gc_data)),
            mask,
            flags,
            name: uint(fixed.name) as u32 as i32,
            ptr_to_this: uint(fixed.ptr_to_this) as u32 as i32,
        })
    }

    /// The type of pointers to `ty`, if the compiler made one.
    ///
    /// # Errors
    /// The offset leads nowhere.
    pub fn pointer_to(&self, ty: &Type) -> Result<Option<Addr>, TypeError> {
        self.type_off(ty.address, ty.ptr_to_this)
    }

    /// What `offset` means to the type (or other datum) at `base` (runtime/type.go:
    /// `resolveTypeOff`). `None` for no type.
    ///
    /// BUG: a plugin's `moduledata.typemap`, which replaces types of a plugin by equal ones of the
    /// program, is not looked at.
    ///
    /// # Errors
    /// The offset leads out of the module, or `base` is in none and it was not made at run time.
    pub fn type_off(&self, base: Addr, offset: i32) -> Result<Option<Addr>, TypeError> {
        // -1 is what the linker writes for a type that the program does not reach.
        if offset == 0 || offset == -1 {
            return Ok(None);
        }
        self.resolve(base, offset).map(Some)
    }

    fn resolve(&self, base: Addr, offset: i32) -> Result<Addr, TypeError> {
        let module = self
            .modules
            .iter()
            .find(|m| (m.types..m.etypes).contains(&base));
        let Some(&TypeModule { types, etypes }) = module else {
            let made = self.made()?;
            let found = made.get(&offset).copied().filter(|at| !at.is_nil());
            return found.ok_or(TypeError::NotMade { at: base, offset });
        };
        let at = types.offset(i64::from(offset).cast_unsigned());
        if at > etypes || at < types {
            return Err(TypeError::Offset {
                at: base,
                offset,
                types,
                etypes,
            });
        }
        Ok(at)
    }

    /// `runtime.reflectOffs.m`: what has been made at run time, by (negative) offset. A map that
    /// cannot be read is not tried again: it may have taken long to find that out.
    fn made(&self) -> Made {
        let known = &mut *self.made.borrow_mut();
        known
            .get_or_insert_with(|| self.read_made().map(Rc::new))
            .clone()
    }

    fn read_made(&self) -> Result<HashMap<i32, Addr>, TypeError> {
        let mut entries = Vec::new();
        if let Some((variable, layouts)) = &self.reflect_offs {
            let map = self.pointer(*variable, "runtime.reflectOffs.m")?;
            let geometry = MapGeometry::of_words(self.maps, self.model, 4, self.model.word_size());
            let most = limit::REFLECT_OFFSETS;
            layouts.walk(
                self.memory,
                self.model,
                &geometry,
                map,
                most,
                &mut |entry| {
                    entries.push(entry);
                    ControlFlow::Continue(())
                },
            )?;
        }
        let mut made = HashMap::with_capacity(entries.len());
        for MapEntry { key, elem } in entries {
            let offset = self.uint(key, 4, "runtime.reflectOffs")? as u32 as i32;
            made.insert(offset, self.pointer(elem, "runtime.reflectOffs")?);
        }
        Ok(made)
    }

    fn read_bytes(&self, at: Addr, buf: &mut [u8], what: &'static str) -> Result<(), TypeError> {
        self.memory
            .read(at, buf)
            .map_err(|fault| TypeError::Fault { what, fault })
    }

    fn uint(&self, at: Addr, size: usize, what: &'static str) -> Result<u64, TypeError> {
        self.model
            .read_uint(self.memory, at, size)
            .map_err(|fault| TypeError::Fault { what, fault })
    }

    fn pointer(&self, at: Addr, what: &'static str) -> Result<Addr, TypeError> {
        self.uint(at, usize::from(self.model.word), what)
            .map(Addr::new)
    }

    /// Reads `len` bytes, refusing more than `most`.
    fn vec(&self, at: Addr, len: u64, most: u64, what: &'static str) -> Result<Vec<u8>, TypeError> {
        if len > most {
            let expected = "a sane length";
            return Err(TypeError::Implausible {
                at,
                what,
                found: len,
                expected,
            });
        }
        let mut bytes = vec![0; len as usize];
        self.read_bytes(at, &mut bytes, what)?;
        Ok(bytes)
    }
}

impl<M: ?Sized> std::fmt::Debug for Types<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Types")
            .field("modules", &self.modules)
            .field("known", &self.known.borrow().types.len())
            .finish_non_exhaustive()
    }
}
