//! A stopped Go program, and how to read its runtime.

use goheap_golang::{Arch, Features, GoVersion, Place, Program, Structs};
use goheap_memory::{Addr, DataModel, Memory, PageCache, Target};

use crate::borne_out;
use crate::error::Doing;
use crate::layout_check::{blame_table, check_layouts};
use crate::{Module, WalkError};

/// The most that is believed of a length or a count in the target's memory. Real programs stay
/// far below; a damaged word does not.
pub mod limit {
    /// Bytes of a string that the runtime itself made (a name, a version).
    pub const STRING: u64 = 1 << 20;
    /// Bytes of all modules' pclntabs.
    pub const PCLNTAB: u64 = 1 << 30;
    /// Bytes of one module's data or bss.
    pub const SEGMENT: u64 = 1 << 36;
    /// Modules of a program.
    pub const MODULES: usize = 1 << 10;
    /// Entries of a module's `textsectmap`.
    pub const TEXT_SECTIONS: u64 = 1 << 16;
    /// Entries of `allgs`.
    pub const GOROUTINES: u64 = 1 << 28;
    /// Links of `allm`; the runtime throws beyond 10,000 of its own accord (runtime/debug.go:
    /// `SetMaxThreads`).
    pub const THREADS: usize = 1 << 16;
    /// Cleanups that are queued.
    pub const QUEUED_CLEANUPS: u64 = 1 << 26;
    /// Slots of `itabTable`.
    pub const ITABS: u64 = 1 << 26;
    /// Entries of `allp`: GOMAXPROCS.
    pub const PROCS: u64 = 1 << 16;
    /// Pages of an arena (8192 where words have 64 bits).
    pub const ARENA_PAGES: u64 = 1 << 20;
    /// Classes of spans (136 in all versions; the number fits into a byte).
    pub const SPAN_CLASSES: u64 = 256;
    /// Entries of `mheap_.allspans`.
    pub const SPANS: u64 = 1 << 32;
}

/// A stopped Go program whose runtime has been found.
pub struct World<'t> {
    /// The program: threads, registers, and its memory for bulk reads.
    pub target: &'t dyn Target,
    /// Its memory through a cache of pages, for the many small reads of a walk.
    pub memory: PageCache<&'t dyn Target>,
    /// Byte order and word size.
    pub model: DataModel,
    /// How Go uses the processor.
    pub arch: Arch,
    /// Its symbols.
    pub program: &'t dyn Program,
    /// Its struct layouts.
    pub structs: Structs<'t>,
    /// The version of Go that built it: what `runtime.buildVersion` says, or where that names none, what
    /// the code tells.
    pub version: GoVersion,
    /// What `runtime.buildVersion` says, where that is no version.
    pub said_instead: Option<Vec<u8>>,
    /// What that means.
    pub features: Features,
    /// `firstmoduledata` and what is chained to it.
    pub modules: Vec<Module>,
}

impl<'t> World<'t> {
    /// Finds the runtime in `target`. Where the program's layouts are out of a table, the first one
    /// is taken that the memory of `target` bears out, which may be running.
    ///
    /// # Errors
    /// It is no Go program that `program` describes, or one of a version that is not known; no table
    /// fits.
    pub fn open<P: Program>(
        target: &'t dyn Target,
        program: &'t P,
    ) -> Result<World<'t>, WalkError> {
        // What a running program is changing just then may not fit for once.
        const LOOKS: u32 = 3;
        let mut looks = 0;
        // If no table fits, what is wrong with the nearest one says most.
        let mut nearest = None;
        loop {
            let opened = World::open_once(target, program);
            looks += 1;
            match opened {
                Err(_) if program.table().is_some() && looks < LOOKS => {}
                Err(error) => {
                    let error = nearest.take().unwrap_or(error);
                    if !program.try_next_table() {
                        return Err(error);
                    }
                    nearest = Some(error);
                    looks = 0;
                }
                opened => return opened,
            }
        }
    }

    fn open_once<P: Program>(
        target: &'t dyn Target,
        program: &'t P,
    ) -> Result<World<'t>, WalkError> {
        let memory = PageCache::new(target);
        let arch = Arch::of(target.machine());
        let model = arch.model;
        let build_version = program
            .address("runtime.buildVersion")
            .ok_or(WalkError::NoSymbol("runtime.buildVersion"))?;
        let text = read_string(&memory, model, build_version, "runtime.buildVersion")?;
        let said = String::from_utf8_lossy(&text).parse::<GoVersion>();
        let (version, said_instead) = match (said, program.hidden_version()) {
            (Err(_), Some(hidden)) => (hidden.clone(), Some(text)),
            (said, _) => (said?, None),
        };
        let features = Features::of(&version)?;
        let mut world = World {
            target,
            memory,
            model,
            arch,
            program,
            structs: Structs::new(program),
            version,
            said_instead,
            features,
            modules: Vec::new(),
        };
        world.modules = Module::read_all(&world).map_err(|error| blame_table(&world, error))?;
        check_layouts(&world, false)?;
        if let Some(told) = program.inferred() {
            borne_out::check(&world, told)?;
        }
        Ok(world)
    }

    /// The same program at a stop, where `self` was opened while it ran: `target` is read anew, and
    /// what does not change in a program's life is kept. That is its version, and its modules unless
    /// there are others by now (plugins).
    ///
    /// # Errors
    /// As those of [`open`](World::open).
    pub fn stopped<'n>(self, target: &'n dyn Target) -> Result<World<'n>, WalkError>
    where
        't: 'n,
    {
        let mut world = World {
            target,
            memory: self.memory.over(target),
            model: self.model,
            arch: self.arch,
            program: self.program,
            structs: self.structs,
            version: self.version,
            said_instead: self.said_instead,
            features: self.features,
            modules: self.modules,
        };
        // A module is linked when it is whole, and behind those that were there
        // (runtime/symtab.go: moduledataverify1; runtime/plugin.go: plugin_lastmoduleinit).
        let next = world.structs.place("runtime.moduledata", "next")?;
        let mut at = world.global("runtime.firstmoduledata")?;
        let mut same = true;
        for module in &world.modules {
            same &= module.address == at;
            at = Addr::new(world.field(module.address, next, "moduledata.next")?);
        }
        if !same || !at.is_nil() {
            world.modules = Module::read_all(&world)?;
            return Ok(world);
        }
        let mut modules = std::mem::take(&mut world.modules);
        for module in &mut modules {
            module.read_late(&world)?;
        }
        world.modules = modules;
        Ok(world)
    }

    /// The live address of one of the runtime's globals.
    ///
    /// # Errors
    /// The symbol table lacks it.
    pub fn global(&self, name: &'static str) -> Result<Addr, WalkError> {
        self.program.address(name).ok_or(WalkError::NoSymbol(name))
    }

    /// Reads the word at `at`.
    ///
    /// # Errors
    /// The fault, with `what` was being read.
    pub fn word(&self, at: Addr, what: &'static str) -> Result<u64, WalkError> {
        self.model.read_word(&self.memory, at).doing(what)
    }

    /// Reads the pointer at `at`.
    ///
    /// # Errors
    /// The fault, with `what` was being read.
    pub fn ptr(&self, at: Addr, what: &'static str) -> Result<Addr, WalkError> {
        self.word(at, what).map(Addr::new)
    }

    /// Reads an unsigned integer field of the struct at `base`.
    ///
    /// # Errors
    /// The fault, with `what` was being read.
    pub fn field(&self, base: Addr, place: Place, what: &'static str) -> Result<u64, WalkError> {
        self.model
            .read_uint(&self.memory, base.offset(place.offset), place.size as usize)
            .doing(what)
    }

    /// Reads `len` bytes, refusing more than `most`.
    ///
    /// # Errors
    /// The fault, or a length beyond `most`.
    pub fn bytes(
        &self,
        at: Addr,
        len: u64,
        most: u64,
        what: &'static str,
    ) -> Result<Vec<u8>, WalkError> {
        read_bytes(&self.memory, at, len, most, what)
    }

    /// Reads the contents of the Go string whose header is at `at`.
    ///
    /// # Errors
    /// The fault, or a length beyond [`limit::STRING`].
    pub fn string(&self, at: Addr, what: &'static str) -> Result<Vec<u8>, WalkError> {
        read_string(&self.memory, self.model, at, what)
    }

    /// Reads the first two words of the slice header at `at`: data and length.
    ///
    /// # Errors
    /// The fault, with `what` was being read.
    pub fn slice(&self, at: Addr, what: &'static str) -> Result<(Addr, u64), WalkError> {
        let data = self.ptr(at, what)?;
        let len = self.word(at.offset(self.model.word_size()), what)?;
        Ok((data, len))
    }
}

fn read_string(
    memory: &impl Memory,
    model: DataModel,
    at: Addr,
    what: &'static str,
) -> Result<Vec<u8>, WalkError> {
    let data = model.read_ptr(memory, at).doing(what)?;
    let len = model
        .read_word(memory, at.offset(model.word_size()))
        .doing(what)?;
    read_bytes(memory, data, len, limit::STRING, what)
}

fn read_bytes(
    memory: &impl Memory,
    at: Addr,
    len: u64,
    most: u64,
    what: &'static str,
) -> Result<Vec<u8>, WalkError> {
    if len > most {
        return Err(WalkError::Implausible {
            what,
            at,
            found: len,
            expected: "a sane length",
        });
    }
    let mut bytes = vec![0; len as usize];
    memory.read(at, &mut bytes).doing(what)?;
    Ok(bytes)
}
