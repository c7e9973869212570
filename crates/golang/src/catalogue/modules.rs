//! What `moduledata` tells of a module: its types, its itabs, its functions.

use goheap_image::pclntab::{FuncTable, PclntabError};
use goheap_memory::{Addr, DataModel, Fault, Memory};

use crate::{LayoutError, Structs, TypeModule};

const MODULEDATA: &str = "runtime.moduledata";

/// The most that is believed of what a module says.
mod limit {
    /// Modules of a program.
    pub(super) const MODULES: usize = 1 << 10;
    /// Types, or itabs, that a module lists.
    pub(super) const LINKS: u64 = 1 << 22;
    /// Bytes of a function table.
    pub(super) const PCLNTAB: u64 = 1 << 30;
    /// Parts that a module's text was split into.
    pub(super) const SECTIONS: u64 = 1 << 16;
    /// Methods of an interface.
    pub(super) const METHODS: u64 = 1 << 16;
}

/// Why a module cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ModuleError {
    /// Memory that it lies in cannot be read.
    #[error("{what} of the module at {module}: {fault}")]
    Fault {
        /// What was being read.
        what: &'static str,
        /// The module.
        module: Addr,
        /// The read that failed.
        #[source]
        fault: Fault,
    },
    /// More than is believed.
    #[error("{what} of the module at {module}: {found} are not believed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The module.
        module: Addr,
        /// How many.
        found: u64,
    },
    /// The function table is not one that is known.
    #[error("functions of the module at {module}: {source}")]
    Functions {
        /// The module.
        module: Addr,
        /// What is wrong.
        source: PclntabError,
    },
    /// A layout is missing.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// A module: the program itself, or a plugin.
#[derive(Debug)]
pub(super) struct Module {
    address: Addr,
    /// Where its type descriptors are.
    pub(super) types: TypeModule,
    /// Where those descriptors are that its list has, if it has them in a row (from go1.27), and
    /// those behind them.
    pub(super) described: (Addr, Addr),
    text: Addr,
    sections: Vec<Section>,
}

/// An entry of `textsectmap` (runtime/symtab.go: `textsect`).
#[derive(Debug)]
struct Section {
    vaddr: u64,
    end: u64,
    base: Addr,
}

/// Reads what modules say.
pub(super) struct Reader<'a, 'l, M: ?Sized> {
    pub(super) memory: &'a M,
    pub(super) model: DataModel,
    pub(super) structs: &'a Structs<'l>,
}

impl<M: Memory + ?Sized> Reader<'_, '_, M> {
    /// The module at `first`, and those chained to it. What is chained to one that cannot be read is
    /// told with the error.
    pub(super) fn modules(&self, first: Addr) -> (Vec<Module>, Option<ModuleError>) {
        let mut modules: Vec<Module> = Vec::new();
        let mut at = first;
        while !at.is_nil() && modules.len() < limit::MODULES {
            if modules.iter().any(|known| known.address == at) {
                break;
            }
            match self.module(at) {
                Ok(module) => modules.push(module),
                Err(error) => return (modules, Some(error)),
            }
            match self.field(at, "next") {
                Ok(next) => at = Addr::new(next),
                Err(error) => return (modules, Some(error)),
            }
        }
        (modules, None)
    }

    fn module(&self, at: Addr) -> Result<Module, ModuleError> {
        let addr = |path| self.field(at, path).map(Addr::new);
        let types = TypeModule {
            types: addr("types")?,
            etypes: addr("etypes")?,
        };
        // runtime/symtab.go, go1.27: what lies behind the types are itabs; names lie elsewhere.
        let behind = match self.structs.optional(MODULEDATA, "itaboffset") {
            Some(_) => types.types.offset(self.field(at, "itaboffset")?),
            None => types.etypes,
        };
        let mut sections = Vec::new();
        let (first, count) = self.slice(at, "textsectmap", limit::SECTIONS)?;
        // A single section is the common case and needs no map (runtime/symtab.go: textOff).
        if count > 1 {
            const SECTION: &str = "runtime.textsect";
            let size = self.structs.size(SECTION)?;
            for index in 0..count {
                let section = first.offset(index.wrapping_mul(size));
                let word = |path| -> Result<u64, ModuleError> {
                    let place = self.structs.place(SECTION, path)?;
                    self.uint(at, section.offset(place.offset), place.size, "textsectmap")
                };
                sections.push(Section {
                    vaddr: word("vaddr")?,
                    end: word("end")?,
                    base: Addr::new(word("baseaddr")?),
                });
            }
        }
        Ok(Module {
            address: at,
            types,
            described: (types.types, behind.min(types.etypes)),
            text: addr("text")?,
            sections,
        })
    }

    /// The types that a module lists: those that reflection may come to make itself (up to go1.26;
    /// go1.27 has no such list).
    pub(super) fn type_links(&self, module: &Module) -> Result<Vec<Addr>, ModuleError> {
        if self.structs.optional(MODULEDATA, "typelinks").is_none() {
            return Ok(Vec::new());
        }
        let (first, count) = self.slice(module.address, "typelinks", limit::LINKS)?;
        (0..count)
            .map(|index| {
                let at = first.offset(4 * index);
                let offset = self.uint(module.address, at, 4, "typelinks")? as u32 as i32;
                Ok(module.types.types.offset(i64::from(offset).cast_unsigned()))
            })
            .collect()
    }

    /// The itabs that the linker made: each with the descriptors of its interface and of the type
    /// that it stores.
    pub(super) fn itabs(&self, module: &Module) -> Result<Vec<Itab>, ModuleError> {
        let at = module.address;
        let mut itabs = Vec::new();
        if self.structs.optional(MODULEDATA, "itablinks").is_some() {
            let (first, count) = self.slice(at, "itablinks", limit::LINKS)?;
            for index in 0..count {
                let link = first.offset(index.wrapping_mul(self.model.word_size()));
                let itab = self.uint(at, link, self.model.word_size(), "itablinks")?;
                itabs.push(self.itab(at, Addr::new(itab))?);
            }
            return Ok(itabs);
        }
        // runtime/iface.go, go1.27: `itabsinit`: one behind the other.
        let mut itab = module.types.types.offset(self.field(at, "itaboffset")?);
        let end = itab.offset(self.field(at, "itabsize")?);
        // internal/abi/iface.go: `ITab`: a word for each method of the interface, at least one.
        let layout = ITAB
            .iter()
            .find_map(|name| Some((*name, self.structs.size(name).ok()?)))
            .ok_or_else(|| LayoutError::NoType(ITAB[0].to_owned()))?;
        while itab < end && (itabs.len() as u64) < limit::LINKS {
            let read = self.itab(at, itab)?;
            let methods = self.methods(at, read.interface)?.max(1);
            itabs.push(read);
            let more = (methods - 1).wrapping_mul(self.model.word_size());
            itab = itab.offset(layout.1.max(1).wrapping_add(more));
        }
        Ok(itabs)
    }

    fn itab(&self, module: Addr, at: Addr) -> Result<Itab, ModuleError> {
        let word = |paths: &[&str]| -> Result<Addr, ModuleError> {
            let mut missing = None;
            for name in ITAB {
                match self.structs.first(name, paths) {
                    Ok(place) => {
                        let value = self.uint(module, at.offset(place.offset), place.size, "itab");
                        return value.map(Addr::new);
                    }
                    Err(error) => missing = missing.or(Some(error)),
                }
            }
            Err(missing
                .unwrap_or_else(|| LayoutError::NoType(ITAB[0].to_owned()))
                .into())
        };
        Ok(Itab {
            address: at,
            interface: word(&["Inter", "inter"])?,
            ty: word(&["Type", "_type"])?,
        })
    }

    /// How many methods the interface has.
    fn methods(&self, module: Addr, interface: Addr) -> Result<u64, ModuleError> {
        let place = self
            .structs
            .place("internal/abi.InterfaceType", "Methods")?;
        let at = interface.offset(place.offset + self.model.word_size());
        let what = "methods of an interface";
        let found = self.uint(module, at, self.model.word_size(), what)?;
        if found > limit::METHODS {
            return Err(ModuleError::TooMany {
                what,
                module,
                found,
            });
        }
        Ok(found)
    }

    /// Shows the entry and the name of each function.
    pub(super) fn functions(
        &self,
        module: &Module,
        show: &mut dyn FnMut(Addr, &[u8]),
    ) -> Result<(), ModuleError> {
        let at = module.address;
        let header = Addr::new(self.field(at, "pcHeader")?);
        let (table, len) = self.slice(at, "pclntable", u64::MAX)?;
        let len = table.offset(len).since(header).unwrap_or(u64::MAX);
        if len > limit::PCLNTAB {
            return Err(ModuleError::TooMany {
                what: "bytes of the function table",
                module: at,
                found: len,
            });
        }
        let mut bytes = vec![0; len as usize];
        let read = self.memory.read(header, &mut bytes);
        read.map_err(|fault| ModuleError::Fault {
            what: "the function table",
            module: at,
            fault,
        })?;
        let table = FuncTable::parse(&bytes)
            .map_err(|source| ModuleError::Functions { module: at, source })?;
        for func in table.funcs() {
            show(module.text_address(func.entry().get()), func.name());
        }
        Ok(())
    }

    fn slice(
        &self,
        module: Addr,
        what: &'static str,
        most: u64,
    ) -> Result<(Addr, u64), ModuleError> {
        let place = self.structs.place(MODULEDATA, what)?;
        let header = module.offset(place.offset);
        let word = self.model.word_size();
        let first = Addr::new(self.uint(module, header, word, what)?);
        let found = self.uint(module, header.offset(word), word, what)?;
        if found > most {
            return Err(ModuleError::TooMany {
                what,
                module,
                found,
            });
        }
        Ok((first, found))
    }

    fn field(&self, module: Addr, what: &'static str) -> Result<u64, ModuleError> {
        let place = self.structs.place(MODULEDATA, what)?;
        self.uint(module, module.offset(place.offset), place.size, what)
    }

    fn uint(
        &self,
        module: Addr,
        at: Addr,
        size: u64,
        what: &'static str,
    ) -> Result<u64, ModuleError> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let read = self.model.read_uint(self.memory, at, size);
        read.map_err(|fault| ModuleError::Fault {
            what,
            module,
            fault,
        })
    }
}

/// Up to go1.21 a struct of the runtime, which later is another name of that of internal/abi.
const ITAB: [&str; 2] = ["internal/abi.ITab", "runtime.itab"];

/// An itab.
#[derive(Debug, Clone, Copy)]
pub(super) struct Itab {
    pub(super) address: Addr,
    /// Descriptor of the interface.
    pub(super) interface: Addr,
    /// Descriptor of the type that it stores.
    pub(super) ty: Addr,
}

impl Module {
    /// The live address of a text offset.
    fn text_address(&self, offset: u64) -> Addr {
        for section in &self.sections {
            if (section.vaddr..section.end).contains(&offset) {
                return section.base.offset(offset - section.vaddr);
            }
        }
        self.text.offset(offset)
    }
}
