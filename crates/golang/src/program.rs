//! What the walk asks an executable: where a global is, and how a type is laid out.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;

use goheap_image::layout::TypeLayout;
use goheap_image::{Dwarf, Executable, FileAddr, ImageError};
use goheap_memory::{Addr, Target};

use crate::globals::{Globals, GlobalsError};
use crate::tables::{LayoutTable, TableError};
use crate::{GoVersion, Layouts, VersionError, build_version};

/// `AT_ENTRY` of the auxiliary vector (elf.h).
const AT_ENTRY: u64 = 9;

/// Symbols that each Go program has: where one is missing, others are.
const SYMBOLS: [&str; 4] = [
    "runtime.firstmoduledata",
    "runtime.buildVersion",
    "runtime.mheap_",
    "runtime.allgs",
];

/// What is known of a program besides its memory: symbols and layouts.
pub trait Program: Layouts {
    /// The live address of the global or function called `name`.
    fn address(&self, name: &str) -> Option<Addr>;

    /// The version that the executable tells, if addresses are told by its code and not by symbols:
    /// then its memory is to bear them out before they are believed.
    fn inferred(&self) -> Option<&GoVersion> {
        None
    }

    /// The version that built the program, if its code tells it and `runtime.buildVersion`, which names
    /// one in all others, does not.
    fn hidden_version(&self) -> Option<&GoVersion> {
        None
    }

    /// What the runtime calls the function that begins at `entry`, if the executable calls it
    /// otherwise and it was recognised all the same.
    fn own_name(&self, _entry: Addr) -> Option<&str> {
        None
    }

    /// Whether the executable calls the runtime's functions otherwise. Then one without an
    /// [`own_name`](Program::own_name) may be any.
    fn is_obfuscated(&self) -> bool {
        false
    }

    /// The table that the layouts come from, if the program does not describe itself: then its memory
    /// is to bear them out before they are believed.
    fn table(&self) -> Option<&LayoutTable> {
        None
    }

    /// Asks the next table from now on, where the program's memory did not bear the last one out.
    /// Whether there is one.
    fn try_next_table(&self) -> bool {
        false
    }
}

/// A program as its executable describes it: symbol table, and DWARF or a table of layouts.
pub struct ElfProgram<'e, D> {
    executable: &'e Executable<D>,
    layouts: LayoutSource<'e>,
    /// Where variables and functions are, if the symbols do not tell.
    inferred: Option<Globals>,
    bias: u64,
}

/// Where layouts come from.
enum LayoutSource<'e> {
    /// The program's own.
    Dwarf(OwnLayouts<'e>),
    /// Of a program without: what goheap knows of its version.
    Table {
        /// The likeliest first; not empty.
        candidates: Vec<LayoutTable>,
        /// Which is asked.
        chosen: Cell<usize>,
    },
}

/// Layouts out of DWARF, each decoded once.
struct OwnLayouts<'e> {
    dwarf: Dwarf<'e>,
    known: RefCell<HashMap<String, Option<TypeLayout>>>,
    damage: RefCell<Option<ImageError>>,
}

/// Why an executable cannot describe a program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The file is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It has no symbols, and its code does not tell where the runtime's variables are.
    #[error(transparent)]
    Globals(Box<GlobalsError>),
    /// It says nowhere which version of Go built it.
    #[error(
        "the executable has no DWARF and does not say which version of Go built it, so that goheap \
         cannot know its layouts: give the file from before strip with --exe PATH"
    )]
    NoVersion,
    /// What it says is no version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// Nothing is known of its version.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl From<GlobalsError> for ProgramError {
    fn from(error: GlobalsError) -> ProgramError {
        ProgramError::Globals(Box::new(error))
    }
}

impl<'e, D: Deref<Target = [u8]>> ElfProgram<'e, D> {
    /// Describes the program that runs in `target` by `executable`.
    ///
    /// # Errors
    /// The executable is damaged, lacks symbols, or has no DWARF and is of a version that there is no
    /// table of layouts for.
    pub fn new(
        executable: &'e Executable<D>,
        target: &dyn Target,
    ) -> Result<ElfProgram<'e, D>, ProgramError> {
        ElfProgram::at(executable, load_bias(executable, target))
    }

    /// Describes a program by `executable` that lies `bias` bytes above the addresses of its file.
    ///
    /// # Errors
    /// As those of [`new`](ElfProgram::new).
    pub fn at(executable: &'e Executable<D>, bias: u64) -> Result<ElfProgram<'e, D>, ProgramError> {
        // Programs that were linked for plugins keep some in a dynamic symbol table.
        let has_symbols = SYMBOLS.iter().all(|name| executable.symbol(name).is_some());
        let inferred = match has_symbols {
            true => None,
            false => Some(Globals::of(executable)?),
        };
        Ok(ElfProgram {
            executable,
            layouts: LayoutSource::of(
                executable,
                inferred.as_ref().and_then(Globals::hidden_version),
            )?,
            inferred,
            bias,
        })
    }

    /// Its DWARF, if it has any.
    pub fn dwarf(&self) -> Option<&Dwarf<'e>> {
        match &self.layouts {
            LayoutSource::Dwarf(own) => Some(&own.dwarf),
            LayoutSource::Table { .. } => None,
        }
    }

    /// How far the program lies above the addresses in its file.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// What was wrong with the DWARF when a layout was first not found because of it; then the
    /// layout's absence is only the symptom. Told once.
    pub fn take_damage(&self) -> Option<ImageError> {
        match &self.layouts {
            LayoutSource::Dwarf(own) => own.damage.borrow_mut().take(),
            LayoutSource::Table { .. } => None,
        }
    }
}

impl<'e> LayoutSource<'e> {
    /// DWARF wins where it describes the runtime; that of C alone, or what an optimizer left, does
    /// not.
    fn of<D: Deref<Target = [u8]>>(
        executable: &'e Executable<D>,
        hidden_version: Option<&GoVersion>,
    ) -> Result<LayoutSource<'e>, ProgramError> {
        if let Some(dwarf) = executable.dwarf()?
            && dwarf.type_layout("runtime.g")?.is_some()
        {
            return Ok(LayoutSource::Dwarf(OwnLayouts {
                dwarf,
                known: RefCell::default(),
                damage: RefCell::default(),
            }));
        }
        let version = match hidden_version {
            Some(version) => version.clone(),
            None => build_version(executable)
                .ok_or(ProgramError::NoVersion)?
                .parse()?,
        };
        Ok(LayoutSource::Table {
            candidates: LayoutTable::candidates(&version, executable.goarch())?,
            chosen: Cell::new(0),
        })
    }

    fn table(&self) -> Option<&LayoutTable> {
        match self {
            LayoutSource::Dwarf(_) => None,
            LayoutSource::Table { candidates, chosen } => candidates.get(chosen.get()),
        }
    }
}

impl Layouts for OwnLayouts<'_> {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        if let Some(known) = self.known.borrow().get(name) {
            return known.clone();
        }
        let layout = self.dwarf.type_layout(name).unwrap_or_else(|damage| {
            self.damage.borrow_mut().get_or_insert(damage);
            None
        });
        self.known
            .borrow_mut()
            .insert(name.to_owned(), layout.clone());
        layout
    }
}

/// How far the program lies above the addresses in its file: 0, but for a PIE.
///
/// The kernel tells a process the live address of its entry point, and the file has the other.
pub fn load_bias<D: Deref<Target = [u8]>>(executable: &Executable<D>, target: &dyn Target) -> u64 {
    target
        .auxv()
        .iter()
        .find(|(kind, _)| *kind == AT_ENTRY)
        .map_or(0, |(_, entry)| entry.wrapping_sub(executable.entry().get()))
}

impl<D: Deref<Target = [u8]>> Layouts for ElfProgram<'_, D> {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        match &self.layouts {
            LayoutSource::Dwarf(own) => own.type_layout(name),
            LayoutSource::Table { .. } => self.layouts.table()?.type_layout(name),
        }
    }

    fn answers_for(&self, strukt: &str, path: Option<&str>) -> bool {
        crate::needed::is_needed(strukt, path)
    }
}

impl<D: Deref<Target = [u8]>> Program for ElfProgram<'_, D> {
    fn address(&self, name: &str) -> Option<Addr> {
        let symbol = self.executable.symbol(name).map(|symbol| symbol.addr);
        let inferred = || self.inferred.as_ref()?.address(name);
        let at = symbol.or_else(inferred)?;
        Some(Addr::new(at.get().wrapping_add(self.bias)))
    }

    fn inferred(&self) -> Option<&GoVersion> {
        self.inferred.as_ref().map(Globals::version)
    }

    fn hidden_version(&self) -> Option<&GoVersion> {
        self.inferred.as_ref()?.hidden_version()
    }

    fn own_name(&self, entry: Addr) -> Option<&str> {
        let at = FileAddr::new(entry.get().wrapping_sub(self.bias));
        self.inferred.as_ref()?.name(at)
    }

    fn is_obfuscated(&self) -> bool {
        self.inferred.as_ref().is_some_and(Globals::is_obfuscated)
    }

    fn table(&self) -> Option<&LayoutTable> {
        self.layouts.table()
    }

    fn try_next_table(&self) -> bool {
        match &self.layouts {
            LayoutSource::Dwarf(_) => false,
            LayoutSource::Table { candidates, chosen } => {
                let next = chosen.get().saturating_add(1);
                let is_there = next < candidates.len();
                if is_there {
                    chosen.set(next);
                }
                is_there
            }
        }
    }
}
