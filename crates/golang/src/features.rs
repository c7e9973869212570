//! The one place where versions are compared: what behaves how, as values to match on.

use goheap_image::pclntab::FuncIds;
use goheap_memory::Machine;

use crate::{Arch, GoVersion, VersionError};

/// How the runtime of a version behaves, as far as its memory tells it apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Where the heap says which words are pointers.
    pub heap_bits: HeapBits,
    /// Spans of small objects have their mark bits inside (green tea collector):
    /// runtime/mgcmark_greenteagc.go, go1.25.
    pub inline_marks: bool,
    /// Arenas of user arenas are in the table of arenas but in no list of them: `sysAlloc` is told
    /// not to register them (runtime/arena.go, go1.20 to go1.24, with GOEXPERIMENT=arenas; go1.25
    /// lists them in `mheap_.userArenaArenas`).
    pub unlisted_user_arenas: bool,
    /// How `mspan.isFree` decides.
    pub is_free: IsFree,
    /// Numbers of the kinds of specials.
    pub specials: SpecialKinds,
    /// A dead object's cleanups go to the queue of finalizers, with no object (runtime/mheap.go,
    /// go1.24: `freeSpecial`); from go1.25 on they have a queue of their own.
    pub cleanups_queue_as_finalizers: bool,
    /// How a pointer and a tag share a word.
    pub tagged_pointers: TaggedPointers,
    /// What `dumpparams` calls the number of processors.
    pub ncpu: &'static str,
    /// Where a type descriptor says that an interface holds the value itself.
    pub direct_iface: DirectIface,
    /// How a type descriptor describes many pointers.
    pub large_masks: LargeMasks,
    /// What a map is.
    pub maps: Maps,
    /// How a `runtime.mutex` says that it is held.
    pub mutex: MutexKey,
    /// How far below the memory limit the collector aims.
    pub limit_headroom: LimitHeadroom,
    /// How the functions that the unwinder treats specially are numbered (internal/abi/symtab.go,
    /// go1.21: `FuncID`; runtime/symtab.go in go1.19).
    pub func_ids: FuncIds,
    /// The collector looks for pointers in the vector registers of goroutines that were stopped
    /// between two instructions, which are not on their stacks: runtime/preempt_xreg.go, go1.27:
    /// `xRegScan`. (go1.26 keeps them there too, and does not look; before, they are on the stack.)
    pub extended_registers_scanned: bool,
}

/// Where a type descriptor says that the data word of an interface holds the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectIface {
    /// Bit 5 of `Kind_`, whose low five bits are the kind (internal/abi/type.go, go1.21:
    /// `KindDirectIface`; the same in go1.19's runtime/typekind.go).
    InKind,
    /// Bit 5 of `TFlag`; `Kind_` is the kind and nothing else (internal/abi/type.go, go1.26:
    /// `TFlagDirectIface`).
    InFlags,
}

/// How a type descriptor describes its pointers when a plain bit mask would be long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LargeMasks {
    /// Bit 6 of `Kind_` tells that `GCData` is a program (runtime/mbitmap.go, go1.19: `runGCProg`).
    Programs,
    /// Bit 4 of `TFlag` tells that the mask is made from the element types, when first needed
    /// (runtime/type.go, go1.24: `getGCMaskOnDemand`).
    OnDemand,
}

/// What a map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maps {
    /// `runtime.hmap`: buckets with overflow chains (runtime/map.go, go1.19).
    Buckets,
    /// `internal/runtime/maps.Map`: groups of eight slots with control bytes, a slot being a key
    /// and an element (internal/runtime/maps/group.go, go1.24).
    Swiss,
    /// The same, with the keys of a group in front of its elements (internal/runtime/maps/group.go,
    /// go1.27: `GOEXPERIMENT=mapsplitgroup`).
    SwissSplit,
}

/// How a `runtime.mutex` says in its `key` that it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutexKey {
    /// Held unless it is 0: 1 is held, 2 is held with others asleep (runtime/lock_futex.go, go1.19).
    NotZero,
    /// Held if bit 0 is set: what stands above it is about those that wait, who may do so while nobody
    /// holds it (runtime/lock_spinbit.go, go1.24: `mutexLocked`).
    LowestBit,
}

impl MutexKey {
    /// Whether a mutex with this `key` is held.
    pub fn is_held(self, key: u64) -> bool {
        match self {
            // A uint32 at the start of a word (`key32`), whose rest stays 0.
            MutexKey::NotZero => key != 0,
            MutexKey::LowestBit => key & 1 != 0,
        }
    }
}

/// How far below the memory limit `memoryLimitHeapGoal` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitHeadroom {
    /// 1 MiB (runtime/mgcpacer.go, go1.19).
    Fixed,
    /// Three percent, and 1 MiB at least (runtime/mgcpacer.go, go1.21).
    Percent,
}

/// Where the heap says which words are pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeapBits {
    /// Two bits a word in `heapArena.bitmap`: pointer, and "there are more"
    /// (runtime/mbitmap.go, go1.19).
    ArenaPairs,
    /// One bit a word in `heapArena.bitmap`, with `noMorePtrs` (runtime/mbitmap.go, go1.20).
    ArenaBitmap,
    /// At the end of spans of objects up to 512 bytes; a type in front of larger objects, or in
    /// `mspan.largeType` (runtime/mbitmap_allocheaders.go, go1.22).
    Headers,
}

/// How `mspan.isFree` decides what is below the bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsFree {
    /// By `freeIndexForScan` (runtime/mbitmap.go, go1.19.8 to go1.24). A late patch release of go1.19
    /// brought it; where `mspan` has no such field, `freeindex` decides as it did before.
    FreeIndexForScan,
    /// By `freeindex` (runtime/mbitmap.go, go1.25).
    FreeIndex,
}

/// How a pointer and a tag share a word: the pointer without the bits that its alignment leaves
/// clear stands in the upper part (runtime/tagptr_64bit.go, go1.19: `addrBits`; go1.25: one bit
/// more, and runtime/tagptr.go: `tagAlign`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaggedPointers {
    /// Bits of an address.
    pub address_bits: u32,
    /// The same on riscv64 (runtime/tagptr_64bit.go, go1.21: `riscv64AddrBits`).
    pub riscv64_address_bits: u32,
    /// What such a pointer is aligned to, in bytes.
    pub align: u64,
}

impl TaggedPointers {
    /// The pointer in `word`, which has 64 bits everywhere. On amd64 it is sign-extended; where words
    /// have 32 bits it is the upper half (runtime/tagptr_32bit.go).
    pub fn untag(self, arch: &Arch, word: u64) -> u64 {
        if arch.model.word == 4 {
            return word >> 32;
        }
        let align = self.align.trailing_zeros();
        let bits = match arch.machine {
            Machine::Riscv64 => self.riscv64_address_bits,
            _ => self.address_bits,
        };
        let tag = (64_u32.saturating_sub(bits) + align).min(63);
        match arch.signed_addresses {
            true => (word.cast_signed() >> tag << align).cast_unsigned(),
            false => word >> tag << align,
        }
    }
}

/// Numbers of the kinds of specials that a dump knows (runtime/mheap.go: `_KindSpecialFinalizer`
/// and those behind it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialKinds {
    /// A finalizer.
    pub finalizer: u8,
    /// A sample of the memory profile.
    pub profile: u8,
    /// The handle of a weak pointer (since go1.23).
    pub weak_handle: Option<u8>,
    /// A cleanup (since go1.24).
    pub cleanup: Option<u8>,
}

/// The oldest and the newest minor version whose behaviour is known.
const KNOWN: (u32, u32) = (19, 27);

impl Features {
    /// The features of `version`.
    ///
    /// # Errors
    /// [`VersionError::Unknown`] for a version outside of what was checked.
    pub fn of(version: &GoVersion) -> Result<Features, VersionError> {
        let minor = version.minor;
        if !(KNOWN.0..=KNOWN.1).contains(&minor) {
            return Err(VersionError::Unknown {
                version: version.to_string(),
                oldest: KNOWN.0,
                newest: KNOWN.1,
            });
        }
        Ok(Features {
            heap_bits: match minor {
                ..=19 => HeapBits::ArenaPairs,
                20..=21 => HeapBits::ArenaBitmap,
                22 if version.experiment("noallocheaders") => HeapBits::ArenaBitmap,
                22.. => HeapBits::Headers,
            },
            inline_marks: match minor {
                ..=24 => false,
                25 => version.experiment("greenteagc"),
                26.. => !version.experiment("nogreenteagc"),
            },
            unlisted_user_arenas: (20..=24).contains(&minor) && version.experiment("arenas"),
            is_free: match minor {
                ..=24 => IsFree::FreeIndexForScan,
                25.. => IsFree::FreeIndex,
            },
            specials: match minor {
                ..=22 => SpecialKinds {
                    finalizer: 1,
                    profile: 2,
                    weak_handle: None,
                    cleanup: None,
                },
                23 => SpecialKinds {
                    finalizer: 1,
                    profile: 3,
                    weak_handle: Some(2),
                    cleanup: None,
                },
                24 => SpecialKinds {
                    finalizer: 1,
                    profile: 3,
                    weak_handle: Some(2),
                    cleanup: Some(6),
                },
                25.. => SpecialKinds {
                    finalizer: 2,
                    profile: 4,
                    weak_handle: Some(3),
                    cleanup: Some(7),
                },
            },
            cleanups_queue_as_finalizers: minor == 24,
            tagged_pointers: match minor {
                ..=24 => TaggedPointers {
                    address_bits: 48,
                    riscv64_address_bits: if minor < 21 { 48 } else { 56 },
                    align: 8,
                },
                25.. => TaggedPointers {
                    address_bits: 49,
                    riscv64_address_bits: 56,
                    align: 512,
                },
            },
            ncpu: match minor {
                ..=24 => "runtime.ncpu",
                25.. => "runtime.numCPUStartup",
            },
            direct_iface: match minor {
                ..=25 => DirectIface::InKind,
                26.. => DirectIface::InFlags,
            },
            large_masks: match minor {
                ..=23 => LargeMasks::Programs,
                24.. => LargeMasks::OnDemand,
            },
            maps: match minor {
                ..=23 => Maps::Buckets,
                24..=25 if version.experiment("noswissmap") => Maps::Buckets,
                27.. if version.experiment("mapsplitgroup") => Maps::SwissSplit,
                24.. => Maps::Swiss,
            },
            mutex: match minor {
                ..=23 => MutexKey::NotZero,
                // runtime/lock_futex_tristate.go; go1.25 has no choice any more.
                24 if version.experiment("nospinbitmutex") => MutexKey::NotZero,
                24.. => MutexKey::LowestBit,
            },
            limit_headroom: match minor {
                ..=20 => LimitHeadroom::Fixed,
                21.. => LimitHeadroom::Percent,
            },
            func_ids: match minor {
                ..=21 => FuncIds::Go119,
                22..=24 => FuncIds::Go122,
                25.. => FuncIds::Go125,
            },
            extended_registers_scanned: minor >= 27,
        })
    }
}
