//! Whether an ELF file has Go code, and of which kind it is.

use std::ops::Deref;

use crate::Executable;

/// What a file with Go code is to the process that has loaded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoFile {
    /// It brings a runtime: an executable, or a library for C (`-buildmode=c-shared`).
    Program,
    /// A plugin (`-buildmode=plugin`): it works by the runtime of the program that opens it.
    Plugin,
}

impl<D: Deref<Target = [u8]>> Executable<D> {
    /// Whether there is Go code in it, told by what Go's linker leaves: sections, its build id, build
    /// information, symbols, or what no program can be without: a function table.
    pub fn go_file(&self) -> Option<GoFile> {
        // cmd/link/internal/ld/data.go: `dodata`; .go.buildinfo since go1.13, .go.module since go1.26.
        const SECTIONS: [&[u8]; 4] = [
            b".go.buildinfo",
            b".gopclntab",
            b".data.rel.ro.gopclntab",
            b".go.module",
        ];
        let has_go = SECTIONS.iter().any(|name| self.section(name).is_some())
            || self.go_build_id().is_some()
            || self.symbol("runtime.buildVersion").is_some()
            || self.build_info().is_some()
            || self.module_data().is_ok();
        if !has_go {
            return None;
        }
        // A plugin's own is called local.moduledata. The runtime's variable, which a plugin exports
        // with all others of the packages in it, has nothing in it: at run time the program's is used
        // (cmd/link/internal/ld/lib.go: `linksetup`; as of go1.19 to go1.27).
        let is_plugin = self
            .symbol("runtime.firstmoduledata")
            .is_some_and(|first| self.bytes_at(first.addr, 1).is_err());
        Some(match is_plugin {
            true => GoFile::Plugin,
            false => GoFile::Program,
        })
    }
}
