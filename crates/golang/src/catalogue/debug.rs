//! What DWARF adds to a catalogue: types without descriptors, the types of variables, what closures
//! hold, where local variables are.

use std::collections::HashMap;

use goheap_image::{DebugForm, DebugInfo, DebugType, FileAddr};
use goheap_memory::Addr;

use super::build::sort_variables;
use super::names::unescape;
use super::{Catalogue, FrameVariable, GoType, TypeField, TypeId, TypeOrigin, Variable};
use crate::Kind;

/// A chain of names of one type longer than this is a circle; Go's have one link, and two for the
/// parameters of generic functions.
const MAX_ALIASES: usize = 32;

impl Catalogue {
    /// Adds what DWARF tells. The program lies `bias` bytes above the addresses of its file, and its
    /// type descriptors begin at `types` (`moduledata.types` of the first module).
    ///
    /// A type that has a descriptor stays the same type, and is called as DWARF calls it.
    pub fn add_debug_info(&mut self, info: &DebugInfo, bias: u64, types: Addr) {
        self.dwarf = true;
        if let Some(error) = &info.damage {
            self.damage.add(Addr::NIL, error);
            let more = info.damaged.saturating_sub(1);
            self.damage.count = self.damage.count.saturating_add(more);
        }
        let ids = Merge {
            info,
            types,
            ids: HashMap::new(),
        }
        .merge(self);
        let live = |addr: FileAddr| addr.get().wrapping_add(bias);

        let mut others = Vec::new();
        for variable in &info.variables {
            let address = live(variable.addr);
            if let Some(ty) = ids.get(variable.ty) {
                others.extend(self.type_variable(address, &variable.name, ty));
            }
        }
        self.variables.extend(others);
        sort_variables(&mut self.variables);

        let mut captures: HashMap<u64, Vec<TypeField>> = HashMap::new();
        for capture in &info.captures {
            if let Some(ty) = ids.get(capture.ty) {
                let fields = captures.entry(live(capture.function)).or_default();
                fields.push(TypeField {
                    name: capture.name.clone(),
                    offset: capture.offset,
                    ty,
                    embedded: false,
                });
            }
        }
        self.add_closures(captures);

        for local in &info.locals {
            let Some(ty) = ids.get(local.ty) else {
                continue;
            };
            let (name, ty) = match local.pointed_to {
                false => (local.name.clone(), ty),
                true => (format!("&{}", local.name), self.pointer_to(ty)),
            };
            self.frame_variables.push(FrameVariable {
                function: live(local.function),
                from: live(local.from),
                to: live(local.to),
                name,
                ty,
                cfa_offset: local.cfa_offset,
            });
        }
        self.frame_variables.sort_by(|a, b| {
            let key = |v: &FrameVariable| (v.function, v.from, v.to, v.cfa_offset);
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        self.frame_variables.dedup();
    }

    /// Gives the variable at `address` its type; returns it if the symbol table does not have it.
    fn type_variable(&mut self, address: u64, name: &str, ty: TypeId) -> Option<Variable> {
        /// No more variables than this share an address.
        const ALIKE: usize = 64;
        let size = self.get(ty).map_or(0, |ty| ty.size);
        let first = self.variables.partition_point(|v| v.address < address);
        let behind = self.variables.get_mut(first..).unwrap_or_default();
        let same = behind.iter_mut().take(ALIKE);
        let mut same = same.take_while(|variable| variable.address == address);
        match same.find(|variable| variable.name == name) {
            Some(variable) => {
                variable.ty = Some(ty);
                None
            }
            None => Some(Variable {
                address,
                size,
                name: name.to_owned(),
                ty: Some(ty),
            }),
        }
    }

    /// The type of pointers to `ty`, which is added if there is none.
    pub(super) fn pointer_to(&mut self, ty: TypeId) -> TypeId {
        self.made_of(ty, Kind::Pointer, "*", 1)
    }

    /// The type of slices of `ty`, which is added if there is none.
    pub(super) fn slice_of(&mut self, ty: TypeId) -> TypeId {
        self.made_of(ty, Kind::Slice, "[]", 3)
    }

    /// A type of so many words whose name is that of `ty` behind a sign.
    fn made_of(&mut self, ty: TypeId, kind: Kind, sign: &str, words: u64) -> TypeId {
        let name = format!("{sign}{}", self.get(ty).map_or("", |ty| ty.name.as_str()));
        if let Some(known) = self.named(&name)
            && self.get(known).is_some_and(|known| known.elem == Some(ty))
        {
            return known;
        }
        self.add(GoType {
            address: 0,
            origin: TypeOrigin::Dwarf,
            kind,
            size: words * self.word(),
            name,
            package: String::new(),
            elem: Some(ty),
            key: None,
            slots: None,
            len: 0,
            fields: Vec::new(),
        })
    }
}

/// Types by the offsets of their entries.
struct Ids(HashMap<u32, TypeId>);

impl Ids {
    fn get(&self, offset: u32) -> Option<TypeId> {
        self.0.get(&offset).copied()
    }
}

/// Finds each type of DWARF in a catalogue, or adds it.
struct Merge<'i> {
    info: &'i DebugInfo,
    types: Addr,
    ids: HashMap<u32, TypeId>,
}

impl<'i> Merge<'i> {
    fn at(&self, offset: u32) -> Option<&'i DebugType> {
        let found = self
            .info
            .types
            .binary_search_by_key(&offset, |ty| ty.offset);
        self.info.types.get(found.ok()?)
    }

    /// The type that an entry stands for: what an alias is another name of.
    fn resolved(&self, mut offset: u32) -> Option<&'i DebugType> {
        for _ in 0..MAX_ALIASES {
            let ty = self.at(offset)?;
            match (ty.form, ty.kind, ty.target) {
                (DebugForm::Typedef, None, Some(target)) => offset = target,
                _ => return Some(ty),
            }
        }
        None
    }

    fn merge(mut self, catalogue: &mut Catalogue) -> Ids {
        let word = catalogue.word();
        let mut added: Vec<(TypeId, &DebugType)> = Vec::new();
        for ty in &self.info.types {
            let Some(kind) = kind_of(ty) else { continue };
            // What stands before types that cannot be compared is not in the names of descriptors.
            let name = unescape(ty.name.strip_prefix("noalg.").unwrap_or(&ty.name));
            let size = size_of(ty, kind, self.at(ty.target.unwrap_or(0)), word);
            let same = |catalogue: &Catalogue, id: &TypeId| {
                let known = catalogue.get(*id);
                known.is_some_and(|known| known.kind == kind && known.size == size)
            };
            let described = ty
                .descriptor
                .and_then(|offset| catalogue.at(self.types.offset(offset).get()))
                .filter(|id| same(catalogue, id));
            let id = match described {
                Some(id) => {
                    catalogue.rename(id, &name);
                    id
                }
                None => match catalogue.named(&name).filter(|id| same(catalogue, id)) {
                    Some(id) if !name.is_empty() => id,
                    _ => {
                        let id = catalogue.add(GoType {
                            address: 0,
                            origin: TypeOrigin::Dwarf,
                            kind,
                            size,
                            package: package_of(&name, kind),
                            name,
                            elem: None,
                            key: None,
                            slots: None,
                            len: ty.count.unwrap_or(0),
                            fields: Vec::new(),
                        });
                        added.push((id, ty));
                        id
                    }
                },
            };
            self.ids.insert(ty.offset, id);
        }
        for ty in &self.info.types {
            if !self.ids.contains_key(&ty.offset)
                && let Some(resolved) = self.resolved(ty.offset)
                && let Some(&id) = self.ids.get(&resolved.offset)
            {
                self.ids.insert(ty.offset, id);
            }
        }
        let ids = Ids(self.ids);
        for (id, ty) in added {
            let part = |offset: Option<u32>| offset.and_then(|offset| ids.get(offset));
            let Some(kind) = catalogue.get(id).map(|ty| ty.kind) else {
                continue;
            };
            let fields = match kind {
                Kind::Struct => ty
                    .members
                    .iter()
                    .filter_map(|member| {
                        Some(TypeField {
                            name: member.name.clone(),
                            offset: member.offset,
                            ty: ids.get(member.ty)?,
                            embedded: member.embedded,
                        })
                    })
                    .collect(),
                _ => Vec::new(),
            };
            let elem = match kind {
                Kind::Pointer | Kind::Array => part(ty.target),
                Kind::Slice | Kind::Map | Kind::Chan => part(ty.elem),
                _ => None,
            };
            let slots = match kind {
                Kind::Map => slots_of(catalogue, id),
                _ => None,
            };
            if let Some(added) = catalogue.get_mut(id) {
                added.fields = fields;
                added.elem = elem;
                added.key = part(ty.key);
                added.slots = slots;
            }
        }
        ids
    }
}

/// The type of a map's buckets or groups, by its name.
fn slots_of(catalogue: &Catalogue, map: TypeId) -> Option<TypeId> {
    let name = catalogue.get(map)?.name.strip_prefix("map")?;
    ["map.group", "map.bucket"]
        .iter()
        .find_map(|head| catalogue.named(&format!("{head}{name}")))
}

/// The kind of a type; `None` for what is another name of one, or none at all.
fn kind_of(ty: &DebugType) -> Option<Kind> {
    if let Some(kind) = ty.kind.and_then(Kind::from_raw) {
        return Some(kind);
    }
    match ty.form {
        DebugForm::Struct => Some(Kind::Struct),
        DebugForm::Array => Some(Kind::Array),
        DebugForm::Function => Some(Kind::Func),
        DebugForm::Pointer if ty.target.is_some() => Some(Kind::Pointer),
        DebugForm::Pointer => Some(Kind::UnsafePointer),
        DebugForm::Base | DebugForm::Typedef | DebugForm::Unspecified => None,
    }
}

/// Bytes of a value, where a word has `word`.
fn size_of(ty: &DebugType, kind: Kind, target: Option<&DebugType>, word: u64) -> u64 {
    match (ty.size, kind) {
        (Some(size), _) => size,
        // An interface is another name of the runtime's struct of two words.
        (None, Kind::Interface) => target
            .and_then(|target| target.size)
            .filter(|&size| size == 2 * word)
            .unwrap_or(2 * word),
        (None, Kind::Struct | Kind::Array) => 0,
        (None, Kind::String) => 2 * word,
        (None, Kind::Slice) => 3 * word,
        (None, _) => word,
    }
}

/// The package of a named type: what stands before the last dot of its name, type arguments aside.
fn package_of(name: &str, kind: Kind) -> String {
    let head = name.split('[').next().unwrap_or(name);
    let unnamed = [
        "*",
        "struct {",
        "interface {",
        "func(",
        "chan ",
        "<-chan ",
        "chan<- ",
    ];
    if matches!(kind, Kind::Map) && head == "map"
        || unnamed.iter().any(|start| name.starts_with(start))
        || head.contains('<')
        || head.starts_with("map.")
    {
        return String::new();
    }
    head.rsplit_once('.')
        .map_or_else(String::new, |(package, _)| package.to_owned())
}

#[cfg(test)]
mod tests;
