//! What the annex of a dump says beside the catalogue: gaps, program, capture, modules, spans,
//! registers, cleanups.

use goheap_format::annex::{Cleanup, Digest, Note, Span, WeakHandle};

use super::Text;

/// What an annex says, beside the catalogue.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Notes {
    /// Program, capture, gaps, counts; `None` without an annex.
    pub digest: Option<Digest>,
    /// Modules: the program, and its plugins.
    pub modules: Vec<ModuleNote>,
    /// Spans in use, in the order of the dump's objects.
    pub spans: Vec<Span>,
    /// The general registers of each thread.
    pub registers: Vec<RegisterNote>,
    /// Cleanups, waiting and queued.
    pub cleanups: Vec<Cleanup>,
    /// Handles of weak pointers.
    pub weak_handles: Vec<WeakHandle>,
}

/// A module (`Module` of the annex), kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleNote {
    /// Address of its `moduledata`.
    pub address: u64,
    /// Its name; the program itself has an empty one.
    pub name: Text,
    /// Start and end of its code.
    pub text: (u64, u64),
    /// Start and end of its data segment.
    pub data: (u64, u64),
    /// Start and end of its bss segment.
    pub bss: (u64, u64),
    /// Start and end of its type descriptors.
    pub types: (u64, u64),
}

/// A register of a thread (`Register` of the annex), kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterNote {
    /// The kernel's id of the thread.
    pub thread: u64,
    /// The goroutine whose code it ran, by address of its `g`; 0 if none.
    pub g: u64,
    /// Name of the register.
    pub name: Text,
    /// What is in it.
    pub value: u64,
}

impl Notes {
    /// Takes a note of the annex.
    pub(super) fn take(&mut self, note: &Note<'_>) {
        let text = |bytes: &[u8]| Text::from(String::from_utf8_lossy(bytes).as_ref());
        match *note {
            Note::Module(module) => self.modules.push(ModuleNote {
                address: module.address,
                name: text(module.name),
                text: module.text,
                data: module.data,
                bss: module.bss,
                types: module.types,
            }),
            Note::Span(span) => self.spans.push(span),
            Note::Register(register) => {
                // Of all threads the same sixteen.
                let same = self.registers.iter().rev().take(64);
                let name = same
                    .map(|other| &other.name)
                    .find(|name| name.as_bytes() == register.name)
                    .cloned()
                    .unwrap_or_else(|| text(register.name));
                self.registers.push(RegisterNote {
                    thread: register.thread,
                    g: register.g,
                    name,
                    value: register.value,
                });
            }
            Note::Cleanup(cleanup) => self.cleanups.push(cleanup),
            Note::WeakHandle(handle) => self.weak_handles.push(handle),
            _ => {}
        }
    }
}
