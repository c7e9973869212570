//! Type descriptors and what they are made of, gathered before any of them gets its place in the
//! catalogue.

use std::collections::{HashMap, HashSet};

use goheap_memory::{Addr, Memory};

use super::Damage;
use crate::{ChanDir, Field, Kind, Method, Signature, Type, TypeError, Types};

/// The most that is gathered.
mod limit {
    /// Types.
    pub(super) const TYPES: usize = 1 << 22;
    /// Fields, methods and parameters of all types.
    pub(super) const PARTS: usize = 1 << 25;
    /// Bytes of all texts that are read: a hostile module can show one long name from each type.
    pub(super) const TEXT: usize = 1 << 28;
    /// Bytes of a module's descriptors that are looked through.
    pub(super) const SCAN: u64 = 1 << 28;
}

/// A type descriptor with its parts.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) ty: Type,
    /// What reflection calls it.
    pub(super) string: String,
    /// Its name in full, if it has one of its own.
    pub(super) own_name: Option<String>,
    /// Its package, if it has a name of its own.
    pub(super) package: String,
    pub(super) elem: Option<Addr>,
    pub(super) key: Option<Addr>,
    pub(super) slots: Option<Addr>,
    pub(super) len: u64,
    pub(super) dir: Option<ChanDir>,
    pub(super) fields: Vec<Field>,
    pub(super) signature: Option<Signature>,
    pub(super) methods: Vec<Method>,
    /// The package of fields or methods that are not exported.
    pub(super) parts_package: String,
}

impl Described {
    /// Descriptors of what its name is made of.
    pub(super) fn parts(&self) -> impl Iterator<Item = Addr> {
        let signature = self.signature.iter();
        let signature = signature.flat_map(|s| s.params.iter().chain(&s.results).copied());
        let methods = self.methods.iter().filter_map(|method| method.ty);
        [self.elem, self.key]
            .into_iter()
            .flatten()
            .chain(self.fields.iter().map(|field| field.ty))
            .chain(signature)
            .chain(methods)
    }
}

/// Gathers descriptors, and all that they refer to.
pub(super) struct Gatherer<'t, 'm, M: ?Sized> {
    types: &'t Types<'m, M>,
    pub(super) described: HashMap<Addr, Described>,
    seen: HashSet<Addr>,
    waiting: Vec<Addr>,
    parts: usize,
    text: usize,
}

impl<'t, 'm, M: Memory + ?Sized> Gatherer<'t, 'm, M> {
    pub(super) fn new(types: &'t Types<'m, M>) -> Gatherer<'t, 'm, M> {
        Gatherer {
            types,
            described: HashMap::new(),
            seen: HashSet::new(),
            waiting: Vec::new(),
            parts: limit::PARTS,
            text: limit::TEXT,
        }
    }

    /// Adds the descriptor at `at`, which somebody says is one.
    pub(super) fn add(&mut self, at: Addr) {
        if !at.is_nil() && self.seen.len() < limit::TYPES && self.seen.insert(at) {
            self.waiting.push(at);
        }
    }

    /// Looks for descriptors from `start` to `end`: they are aligned to words, and whatever cannot be
    /// one is passed over. The linker lists only types that reflection may come to make itself.
    pub(super) fn scan(&mut self, start: Addr, end: Addr, word: u64, damage: &mut Damage) {
        let len = end.since(start).unwrap_or(0);
        let mut budget = self.text / 2;
        let mut offset = start.get().next_multiple_of(word) - start.get();
        while offset < len.min(limit::SCAN) {
            let at = start.offset(offset);
            if !self.seen.contains(&at) && self.types.plausible(at, &mut budget).is_some() {
                self.add(at);
            }
            if budget < 64 {
                damage.add(at, &"the names of types are too long to look through");
                break;
            }
            offset += word;
        }
        self.text = self.text.saturating_sub(self.text / 2 - budget);
        if len > limit::SCAN {
            damage.add(start, &"a module's types are too many to look through");
        }
    }

    /// Reads all that was added, and what that refers to.
    pub(super) fn gather(&mut self, damage: &mut Damage) {
        while let Some(at) = self.waiting.pop() {
            match self.describe(at) {
                Ok(Some(described)) => {
                    for part in described.parts().chain(described.slots) {
                        self.add(part);
                    }
                    // A pointer type that the compiler made is not always listed.
                    if let Ok(Some(pointer)) = self.types.pointer_to(&described.ty) {
                        self.add(pointer);
                    }
                    self.described.insert(at, described);
                }
                Ok(None) => {
                    damage.add(at, &"there are more types than are believed");
                    return;
                }
                Err(error) => damage.add(at, &error),
            }
        }
    }

    /// Reads a descriptor; `None` if there is no room for more.
    fn describe(&mut self, at: Addr) -> Result<Option<Described>, TypeError> {
        if self.text == 0 || self.parts == 0 {
            return Ok(None);
        }
        let types = self.types;
        let ty = types.read(at)?;
        let string = lossy(types.string(&ty)?);
        let mut package = String::new();
        let mut own_name = None;
        if ty.is_named() {
            package = lossy(types.pkg_path(&ty)?);
            let name = lossy(types.name(&ty)?);
            own_name = Some(match package.is_empty() {
                // Of "int", "error" and their like.
                true => string.clone(),
                // The shapes of type arguments are named by what they are made of.
                false if package == "go.shape" => string.clone(),
                false => format!("{package}.{name}"),
            });
        }
        let methods = types.methods(&ty)?;
        let fields = types.fields(&ty)?;
        let signature = types.signature(&ty)?;
        let described = Described {
            elem: types.elem(&ty)?,
            key: types.key(&ty)?,
            slots: types.slots(&ty)?,
            len: types.array_len(&ty)?,
            dir: types.chan_dir(&ty)?,
            parts_package: match ty.kind {
                Kind::Struct | Kind::Interface => lossy(types.parts_package(&ty)?),
                _ => String::new(),
            },
            own_name,
            package,
            string,
            fields,
            signature,
            methods,
            ty,
        };
        let texts = described.fields.iter().map(|f| f.name.len() + f.tag.len());
        let texts = texts.chain(described.methods.iter().map(|method| method.name.len()));
        let text = texts.sum::<usize>() + 3 * described.string.len() + 64;
        self.text = self.text.saturating_sub(text);
        self.parts = self.parts.saturating_sub(described.parts().count());
        Ok(Some(described))
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
