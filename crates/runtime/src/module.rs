//! `firstmoduledata` and the modules chained to it: where code, tables and globals of each are.

use goheap_golang::Place;
use goheap_image::pclntab::{Func, FuncTable, Header, PclntabError, TextOffset};
use goheap_memory::Addr;

use crate::chain::Chain;
use crate::{WalkError, World, limit};

const MODULEDATA: &str = "runtime.moduledata";

/// One module (`runtime.moduledata`): the program itself, or a plugin.
#[derive(Debug)]
pub struct Module {
    /// Its `moduledata`.
    pub address: Addr,
    /// What it is called: a plugin's path, or the name that the linker gave to a shared library.
    /// Empty for the program itself.
    pub name: Vec<u8>,
    /// Whether it failed to load: the collector does not look at its globals
    /// (runtime/symtab.go: `modulesinit`).
    pub bad: bool,
    /// First address of its code; [`TextOffset`]s count from here.
    pub text: Addr,
    /// First address behind its code.
    pub text_end: Addr,
    /// Lowest and highest pc that its function table covers (`minpc`, `maxpc`).
    pub pcs: (Addr, Addr),
    /// Start and end of the data segment.
    pub data: (Addr, Addr),
    /// Start and end of the bss segment.
    pub bss: (Addr, Addr),
    /// Bit count and address of the pointer mask of data.
    pub data_mask: (u64, Addr),
    /// Bit count and address of the pointer mask of bss.
    pub bss_mask: (u64, Addr),
    /// Start and end of the type descriptors: offsets of types and names count from the start.
    pub types: (Addr, Addr),
    /// What funcdata offsets count from (`gofunc`).
    pub gofunc: Addr,
    /// What the offsets of the pointer masks of stack objects count from (`rodata`).
    pub rodata: Addr,
    sections: Vec<TextSection>,
    pclntab: Vec<u8>,
    /// Its header, which is dear to read where an obfuscator has hidden what the table is.
    header: Result<Header, PclntabError>,
}

/// An entry of `textsectmap` (runtime/symtab.go: `textsect`): text that the linker split.
#[derive(Debug)]
struct TextSection {
    vaddr: u64,
    end: u64,
    base: Addr,
}

impl Module {
    /// Reads all modules of `world`, the first one first.
    pub(crate) fn read_all(world: &World<'_>) -> Result<Vec<Module>, WalkError> {
        let next = world.structs.place("runtime.moduledata", "next")?;
        let mut modules = Vec::new();
        let mut chain = Chain::new(world.global("runtime.firstmoduledata")?);
        let mut room = limit::PCLNTAB;
        while let Some(at) = chain.at() {
            if modules.len() >= limit::MODULES {
                return Err(WalkError::Implausible {
                    what: "moduledata.next",
                    at,
                    found: at.get(),
                    expected: "an end of the chain",
                });
            }
            let module = Module::read(world, at, room)?;
            room = room.saturating_sub(module.pclntab.len() as u64);
            modules.push(module);
            let next = Addr::new(world.field(at, next, "moduledata.next")?);
            chain.follow(next, "moduledata.next")?;
        }
        Ok(modules)
    }

    /// Reads the module at `at`, with a pclntab of at most `room` bytes.
    fn read(world: &World<'_>, at: Addr, room: u64) -> Result<Module, WalkError> {
        let word = |path: &str| -> Result<u64, WalkError> {
            let place = world.structs.place(MODULEDATA, path)?;
            world.field(at, place, "moduledata")
        };
        let addr = |path: &str| word(path).map(Addr::new);
        let slice = |path: &str| -> Result<(Addr, u64), WalkError> {
            let place = world.structs.place(MODULEDATA, path)?;
            world.slice(at.offset(place.offset), "moduledata")
        };

        let header = addr("pcHeader")?;
        let (functions, functions_len) = slice("pclntable")?;
        let pclntab_len = functions
            .offset(functions_len)
            .since(header)
            .unwrap_or(u64::MAX);
        let pclntab = world.bytes(header, pclntab_len, room, "pclntab")?;
        let header = FuncTable::parse(&pclntab).map(|table| table.header());

        let (sections_at, section_count) = slice("textsectmap")?;
        let mut sections = Vec::new();
        if section_count > limit::TEXT_SECTIONS {
            return Err(WalkError::Implausible {
                what: "length of moduledata.textsectmap",
                at,
                found: section_count,
                expected: "fewer sections",
            });
        }
        // A single section is the common case and needs no map (runtime/symtab.go: textOff).
        if section_count > 1 {
            let size = world.structs.size("runtime.textsect")?;
            for i in 0..section_count {
                let section = sections_at.offset(i * size);
                let word = |path: &str| -> Result<u64, WalkError> {
                    let place = world.structs.place("runtime.textsect", path)?;
                    world.field(section, place, "textsectmap")
                };
                sections.push(TextSection {
                    vaddr: word("vaddr")?,
                    end: word("end")?,
                    base: Addr::new(word("baseaddr")?),
                });
            }
        }
        // Names of modules are nice to have, so one that cannot be read is none.
        let name = |path: &str| -> Vec<u8> {
            let place = world.structs.optional(MODULEDATA, path);
            let name =
                place.and_then(|place| world.string(at.offset(place.offset), "moduledata").ok());
            name.unwrap_or_default()
        };
        let plugin = name("pluginpath");
        let mut module = Module {
            address: at,
            name: match plugin.is_empty() {
                true => name("modulename"),
                false => plugin,
            },
            bad: false,
            text: addr("text")?,
            text_end: addr("etext")?,
            pcs: (addr("minpc")?, addr("maxpc")?),
            data: (addr("data")?, addr("edata")?),
            bss: (addr("bss")?, addr("ebss")?),
            data_mask: (0, Addr::NIL),
            bss_mask: (0, Addr::NIL),
            types: (addr("types")?, addr("etypes")?),
            gofunc: addr("gofunc")?,
            rodata: addr("rodata")?,
            sections,
            pclntab,
            header,
        };
        module.read_late(world)?;
        Ok(module)
    }

    /// Reads anew what the runtime sets when the module is linked already (runtime/symtab.go:
    /// `modulesinit`; runtime/plugin.go: `plugin_lastmoduleinit`).
    pub(crate) fn read_late(&mut self, world: &World<'_>) -> Result<(), WalkError> {
        let field = |place: Place| world.field(self.address, place, MODULEDATA);
        let mask = |n: &str, bytes: &str| -> Result<(u64, Addr), WalkError> {
            let place = |path: &str| world.structs.place(MODULEDATA, path);
            Ok((field(place(n)?)?, Addr::new(field(place(bytes)?)?)))
        };
        let data_mask = mask("gcdatamask.n", "gcdatamask.bytedata")?;
        let bss_mask = mask("gcbssmask.n", "gcbssmask.bytedata")?;
        let bad = match world.structs.optional(MODULEDATA, "bad") {
            Some(place) => field(place)? != 0,
            None => false,
        };
        (self.data_mask, self.bss_mask, self.bad) = (data_mask, bss_mask, bad);
        Ok(())
    }

    /// Its function table.
    ///
    /// # Errors
    /// The table's header is not one that is known.
    pub fn functions(&self) -> Result<FuncTable<'_>, WalkError> {
        let header = self.header.clone();
        let table = header.and_then(|header| FuncTable::with_header(&self.pclntab, header));
        table.map_err(|source| WalkError::Pclntab {
            module: self.address,
            source,
        })
    }

    /// The offset of `pc` that the function table uses; `None` if `pc` is not in this module.
    pub fn text_offset(&self, pc: Addr) -> Option<TextOffset> {
        if pc < self.pcs.0 || pc >= self.pcs.1 {
            return None;
        }
        for section in &self.sections {
            let len = section.end.wrapping_sub(section.vaddr);
            if let Some(offset) = pc.since(section.base).filter(|offset| *offset < len) {
                return Some(TextOffset::new(section.vaddr.wrapping_add(offset)));
            }
        }
        pc.since(self.text).map(TextOffset::new)
    }

    /// The live address of a text offset.
    pub fn text_address(&self, offset: TextOffset) -> Addr {
        for section in &self.sections {
            if (section.vaddr..section.end).contains(&offset.get()) {
                return section.base.offset(offset.get() - section.vaddr);
            }
        }
        self.text.offset(offset.get())
    }
}

/// A function found for a pc, with the module that it is in.
#[derive(Debug, Clone, Copy)]
pub struct FoundFunc<'w> {
    /// The module.
    pub module: &'w Module,
    /// The function.
    pub func: Func<'w>,
}

impl FoundFunc<'_> {
    /// The live address of its entry.
    pub fn entry(&self) -> Addr {
        self.module.text_address(self.func.entry())
    }
}

impl World<'_> {
    /// The function that `pc` is in (`runtime.findfunc`); `None` outside of Go code.
    ///
    /// # Errors
    /// The function table is not one that is known.
    pub fn find_func(&self, pc: Addr) -> Result<Option<FoundFunc<'_>>, WalkError> {
        for module in &self.modules {
            if let Some(offset) = module.text_offset(pc) {
                return Ok(module
                    .functions()?
                    .find(offset)
                    .map(|func| FoundFunc { module, func }));
            }
        }
        Ok(None)
    }
}
