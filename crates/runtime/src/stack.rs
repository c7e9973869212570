//! What the function tables say of the program counters on stacks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use goheap_golang::Place;
use goheap_image::pclntab::{Func, FuncId};
use goheap_memory::Addr;

use crate::stack_map::{self, FrameMaps};
use crate::stack_objects::{self, ObjectRecord};
use crate::unwind::{Code, Step, UnwindError};
use crate::{FoundFunc, World};

/// Top of a stack (internal/abi/symtab.go: `FuncFlagTopFrame`).
const TOP_FRAME: u8 = 1;

/// Writes the stack pointer (same place: `FuncFlagSPWrite`).
const SP_WRITE: u8 = 2;

/// Is assembly (same place: `FuncFlagAsm`).
const ASSEMBLY: u8 = 4;

/// Program counters that are kept; the stacks of a program share few.
const KEPT: usize = 1 << 16;

/// Pointers in the maps of those that are kept.
const KEPT_POINTERS: usize = 1 << 22;

/// All that a frame's record takes from the function tables, for one program counter.
#[derive(Debug)]
pub(crate) struct Site {
    /// What the unwinder takes.
    pub(crate) step: Step,
    /// Name of the function.
    pub(crate) name: Box<[u8]>,
    /// What the runtime calls it, if that is another name.
    pub(crate) own_name: Option<Box<str>>,
    /// Whether it is assembly.
    pub(crate) assembly: bool,
    /// Which special function of the runtime it is.
    pub(crate) id: FuncId,
    /// Which words of its locals and arguments are pointers.
    pub(crate) maps: Result<FrameMaps, UnwindError>,
    /// Bytes of the arguments.
    pub(crate) args_len: ArgsLen,
}

/// How many bytes of arguments a function takes (runtime/stkframe.go: `stkframe.argBytes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgsLen {
    /// This many.
    Fixed(u64),
    /// It depends on the call: the frame of one of reflect's stubs tells.
    Reflect,
}

impl Site {
    /// How many pointers its maps name.
    fn pointers(&self) -> usize {
        self.maps.as_ref().map_or(0, FrameMaps::pointers)
    }

    /// Whether the compiler tells no stack map at calls of this function, so that the map of its
    /// caller is that of another instruction.
    ///
    /// These are the calls that are no calls to the compiler, and those of write barriers; nobody
    /// is preempted there (cmd/compile/internal/liveness/plive.go: `hasStackMap`, with
    /// `typedmemmove` and `typedmemclr` in go1.19, `wbMove` and `wbZero` since go1.21;
    /// cmd/compile/internal/ssa/_gen/AMD64Ops.go: `LoweredWB`, `DUFFZERO`, `DUFFCOPY`; ARMOps.go:
    /// `CALLudiv`).
    pub(crate) fn called_without_map(&self) -> bool {
        let name = self.own_name.as_deref().map_or(&*self.name, str::as_bytes);
        let name = name.strip_prefix(b"runtime.").unwrap_or(name);
        name.starts_with(b"gcWriteBarrier")
            || matches!(
                name,
                b"duffzero"
                    | b"duffcopy"
                    | b"wbZero"
                    | b"wbMove"
                    | b"typedmemmove"
                    | b"typedmemclr"
                    | b"udiv"
            )
    }
}

impl AsRef<Step> for Site {
    fn as_ref(&self) -> &Step {
        &self.step
    }
}

/// The function tables of all modules, by program counter, with the ones last asked for.
pub(crate) struct Sites<'w> {
    world: &'w World<'w>,
    known: RefCell<Known>,
}

/// The sites last asked for, and how many pointers are in their maps.
#[derive(Default)]
struct Known {
    sites: HashMap<Addr, Rc<Site>>,
    pointers: usize,
    /// Stack objects by entry of the function, and how many they are.
    objects: HashMap<Addr, Rc<[ObjectRecord]>>,
    object_count: usize,
}

impl<'w> Sites<'w> {
    pub(crate) fn new(world: &'w World<'w>) -> Self {
        Sites {
            world,
            known: RefCell::default(),
        }
    }

    /// Which function is at `pc`, and its name in the function table.
    pub(crate) fn function(&self, pc: Addr) -> Option<(FuncId, &'w [u8])> {
        let found = self.find(pc)?;
        Some((self.func_id(&found.func), found.func.name()))
    }

    /// What the runtime calls the function at `pc`, which is its name in the table unless names are
    /// obfuscated.
    pub(crate) fn own_name(&self, pc: Addr) -> Option<&'w [u8]> {
        let found = self.find(pc)?;
        let own = self.world.program.own_name(found.entry());
        Some(own.map_or(found.func.name(), str::as_bytes))
    }

    /// What is not known of a goroutine that was interrupted at `pc`, where names are obfuscated: there
    /// are rules for some functions, which go by name.
    pub(crate) fn doubt(&self, pc: Addr) -> Option<&'static str> {
        if !self.world.program.is_obfuscated() {
            return None;
        }
        let found = self.find(pc)?;
        let own = self.world.program.own_name(found.entry());
        if own.is_none() && found.func.flag() & ASSEMBLY != 0 {
            return Some(
                "it is in assembly whose name is obfuscated: whether that does something special with \
                 its stack is not known",
            );
        }
        // `wbZero` and `wbMove` are too short to be recognised. They are called while the collector
        // marks, and at no other time (cmd/compile/internal/ssa/writebarrier.go, go1.21).
        const PHASE: &str = "runtime.gcphase";
        let place = Place { offset: 0, size: 4 };
        let phase = self.world.global(PHASE);
        match phase.and_then(|at| self.world.field(at, place, PHASE)) {
            Ok(0) => None,
            _ => Some(
                "the collector marks, and as names are obfuscated it is not known whether it is in a \
                 write barrier, for which there is no stack map",
            ),
        }
    }

    /// The stack objects of the function of `site`.
    pub(crate) fn objects(&self, site: &Site) -> Result<Rc<[ObjectRecord]>, UnwindError> {
        let entry = site.step.entry;
        if let Some(objects) = self.known.borrow().objects.get(&entry) {
            return Ok(Rc::clone(objects));
        }
        let objects: Rc<[ObjectRecord]> = match self.find(entry) {
            Some(found) => stack_objects::records(self.world, &found)?.into(),
            None => Rc::default(),
        };
        let known = &mut *self.known.borrow_mut();
        known.object_count = known.object_count.saturating_add(objects.len());
        if known.objects.len() >= KEPT || known.object_count > KEPT_POINTERS {
            known.objects.clear();
            known.object_count = objects.len();
        }
        known.objects.insert(entry, Rc::clone(&objects));
        Ok(objects)
    }

    fn find(&self, pc: Addr) -> Option<FoundFunc<'w>> {
        // A table that cannot be parsed knows no function.
        self.world.find_func(pc).ok().flatten()
    }

    fn func_id(&self, func: &Func<'_>) -> FuncId {
        FuncId::from_raw(func.func_id(), self.world.features.func_ids).unwrap_or(FuncId::normal)
    }

    fn describe(&self, found: &FoundFunc<'_>, pc: Addr) -> Result<Site, UnwindError> {
        let func = &found.func;
        let id = self.func_id(func);
        let sp_delta = match found.module.text_offset(pc) {
            Some(offset) => func
                .sp_delta(offset)
                .map_err(|source| UnwindError::Table { pc, source })?,
            None => return Err(UnwindError::UnknownPc { pc }),
        };
        let name: Box<[u8]> = match func.name() {
            b"" => b"unknown function".as_slice().into(),
            name => name.into(),
        };
        Ok(Site {
            step: Step {
                entry: found.entry(),
                // Without a table, the value is -1 everywhere; no real distance is odd.
                sp_delta: (sp_delta != -1).then_some(i64::from(sp_delta).cast_unsigned()),
                top_frame: func.flag() & TOP_FRAME != 0,
                // cgocallback goes from one stack to the other, but has frames on both.
                sp_write: func.flag() & SP_WRITE != 0 && id != FuncId::cgocallback,
                sigpanic: id == FuncId::sigpanic,
                injected: matches!(
                    id,
                    FuncId::sigpanic | FuncId::asyncPreempt | FuncId::debugCallV2
                ),
                deferreturn: match func.deferreturn() {
                    0 => None,
                    offset => Some(found.entry().offset(u64::from(offset))),
                },
            },
            own_name: self.world.program.own_name(found.entry()).map(Box::from),
            id,
            assembly: func.flag() & ASSEMBLY != 0,
            maps: stack_map::read(self.world, found, pc),
            args_len: match (func.args_size(), &*name) {
                (Func::ARGS_SIZE_UNKNOWN, b"reflect.makeFuncStub" | b"reflect.methodValueCall") => {
                    ArgsLen::Reflect
                }
                (Func::ARGS_SIZE_UNKNOWN, _) => ArgsLen::Fixed(0),
                (size, _) => ArgsLen::Fixed(i64::from(size).cast_unsigned()),
            },
            name,
        })
    }
}

impl Code for Sites<'_> {
    type Site = Site;

    fn site(&self, pc: Addr) -> Result<Option<Rc<Site>>, UnwindError> {
        if let Some(site) = self.known.borrow().sites.get(&pc) {
            return Ok(Some(Rc::clone(site)));
        }
        let Some(found) = self.find(pc) else {
            return Ok(None);
        };
        let site = Rc::new(self.describe(&found, pc)?);
        let known = &mut *self.known.borrow_mut();
        known.pointers = known.pointers.saturating_add(site.pointers());
        if known.sites.len() >= KEPT || known.pointers > KEPT_POINTERS {
            known.sites.clear();
            known.pointers = site.pointers();
        }
        known.sites.insert(pc, Rc::clone(&site));
        Ok(Some(site))
    }
}
