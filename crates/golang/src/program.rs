//! What the walk asks an executable: where a global is, and how a type is laid out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;

use goheap_image::layout::TypeLayout;
use goheap_image::{Dwarf, Executable, ImageError};
use goheap_memory::{Addr, Target};

use crate::globals::{Globals, GlobalsError};
use crate::{GoVersion, Layouts};

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
}

/// A program as its own executable describes it: symbol table and DWARF.
pub struct ElfProgram<'e, D> {
    executable: &'e Executable<D>,
    dwarf: Dwarf<'e>,
    /// Where variables and functions are, if the symbols do not tell.
    inferred: Option<Globals>,
    bias: u64,
    layouts: RefCell<HashMap<String, Option<TypeLayout>>>,
    damage: RefCell<Option<ImageError>>,
}

/// Why an executable cannot describe a program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The file is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It was stripped.
    #[error(
        "the executable has no {0}, and goheap cannot do without yet: give the file from before \
         strip with --exe PATH, or build without -ldflags=\"-s -w\""
    )]
    Stripped(&'static str),
    /// It has no symbols, and its code does not tell where the runtime's variables are.
    #[error(transparent)]
    Globals(#[from] GlobalsError),
}

impl<'e, D: Deref<Target = [u8]>> ElfProgram<'e, D> {
    /// Describes the program that runs in `target` by `executable`.
    ///
    /// # Errors
    /// The executable is damaged, or lacks symbols or DWARF.
    pub fn new(
        executable: &'e Executable<D>,
        target: &dyn Target,
    ) -> Result<ElfProgram<'e, D>, ProgramError> {
        ElfProgram::at(executable, load_bias(executable, target))
    }

    /// Describes a program by `executable` that lies `bias` bytes above the addresses of its file.
    ///
    /// # Errors
    /// The executable is damaged, or lacks symbols or DWARF.
    pub fn at(executable: &'e Executable<D>, bias: u64) -> Result<ElfProgram<'e, D>, ProgramError> {
        // Programs that were linked for plugins keep some in a dynamic symbol table.
        let has_symbols = SYMBOLS.iter().all(|name| executable.symbol(name).is_some());
        let inferred = match has_symbols {
            true => None,
            false => Some(Globals::of(executable)?),
        };
        let dwarf = executable.dwarf()?.ok_or(ProgramError::Stripped("DWARF"))?;
        Ok(ElfProgram {
            executable,
            dwarf,
            inferred,
            bias,
            layouts: RefCell::new(HashMap::new()),
            damage: RefCell::new(None),
        })
    }

    /// Its DWARF.
    pub fn dwarf(&self) -> &Dwarf<'e> {
        &self.dwarf
    }

    /// How far the program lies above the addresses in its file.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// What was wrong with the DWARF when a layout was first not found because of it; then the
    /// layout's absence is only the symptom. Told once.
    pub fn take_damage(&self) -> Option<ImageError> {
        self.damage.borrow_mut().take()
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
        if let Some(known) = self.layouts.borrow().get(name) {
            return known.clone();
        }
        let layout = self.dwarf.type_layout(name).unwrap_or_else(|damage| {
            self.damage.borrow_mut().get_or_insert(damage);
            None
        });
        self.layouts
            .borrow_mut()
            .insert(name.to_owned(), layout.clone());
        layout
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
}
