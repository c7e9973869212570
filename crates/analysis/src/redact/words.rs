//! Which words of contents are addresses that somebody needs.

use goheap_format::Fields;

use super::{copy, zeros};
use crate::dump::{Dump, word_at};

/// What may be kept wherever it stands.
pub(super) struct Words<'d> {
    dump: &'d Dump,
    /// Lowest and highest address of type descriptors, itabs and functions.
    told: (u64, u64),
    /// Code and data of the program and its plugins.
    modules: Vec<(u64, u64)>,
}

impl<'d> Words<'d> {
    pub(super) fn new(dump: &'d Dump) -> Self {
        let catalogue = dump.catalogue();
        let types = catalogue.types().map(|(_, ty)| ty.address);
        let functions = catalogue.functions.iter().map(|function| function.entry);
        let itabs = catalogue.itabs.keys().copied();
        let told = types
            .chain(functions)
            .chain(itabs)
            .filter(|address| *address != 0)
            .fold((u64::MAX, 0), |(low, high), address| {
                (low.min(address), high.max(address))
            });
        let modules = dump.notes().modules.iter();
        Words {
            dump,
            told,
            modules: modules
                .flat_map(|module| [module.text, module.data, module.bss, module.types])
                .filter(|(start, end)| start < end)
                .collect(),
        }
    }

    /// Whether an address leads into an object, data or bss, a frame, or the program's code and types.
    pub(super) fn leads_somewhere(&self, address: u64) -> bool {
        self.dump.find(address).is_some()
            || self.dump.is_outside(address)
            || self
                .modules
                .iter()
                .any(|(start, end)| (*start..*end).contains(&address))
    }

    /// Whether a word is the address of a type, an itab or a function.
    #[inline]
    fn is_told(&self, word: u64) -> bool {
        if word < self.told.0 || word > self.told.1 || word == 0 {
            return false;
        }
        let catalogue = self.dump.catalogue();
        catalogue.at(word).is_some()
            || catalogue.itabs.contains_key(&word)
            || catalogue.function_at(word).is_some()
    }

    /// Puts what may be kept of any contents into the buffer, and zeros for all else.
    pub(super) fn redact(&self, contents: &[u8], fields: &Fields<'_>, buffer: &mut Vec<u8>) {
        zeros(buffer, contents.len());
        let model = self.dump.params().model;
        let word = u64::from(model.word);
        for (_, offset) in fields.iter() {
            if let Some(target) = word_at(model, contents, offset)
                && target != 0
                && self.leads_somewhere(target)
            {
                copy(contents, buffer, offset, word);
            }
        }
        let mut at = 0;
        while let Some(value) = word_at(model, contents, at) {
            if self.is_told(value) {
                copy(contents, buffer, at, word);
            }
            at += word;
        }
    }
}
