//! What the program's code says of variables and closures ([`crate::globals::TypedCode`]), for a catalogue
//! without DWARF.

use goheap_image::FileAddr;

use super::names::unescape;
use super::{Catalogue, GoType, TypeId, TypeOrigin};
use crate::Kind;
use crate::globals::{Said, Type, TypedCode};

/// Types that begin where a value begins: the first field of the first field, and so on. Go's have few.
const MAX_HEIGHT: usize = 64;

/// What code says, and where its file lies.
#[derive(Debug)]
pub struct FromCode {
    /// What it says.
    pub says: TypedCode,
    /// How far the program lies above the addresses of its file.
    pub bias: u64,
    /// The variables are those of a symbol table, which tells their sizes.
    pub exact: bool,
}

/// What a variable is, as one place says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statement {
    /// A value of the type.
    Is(TypeId),
    /// A pointer to one.
    Pointer(TypeId),
    /// A slice of them.
    Slice(TypeId),
}

impl Catalogue {
    /// Gives variables and closures that nothing else gives a type the one that code says.
    pub(super) fn add_from_code(&mut self, code: &FromCode) {
        let live = |addr: FileAddr| addr.get().wrapping_add(code.bias);
        let mut found: Vec<(u64, Statement)> = Vec::new();
        for (at, said) in &code.says.variables {
            let at = live(*at);
            let first = self.variables.partition_point(|v| v.address < at);
            let known = self.variables.get(first);
            if known.is_none_or(|variable| variable.address != at || variable.ty.is_some()) {
                continue;
            }
            let said = said
                .iter()
                .filter_map(|said| self.statement(said, code.bias));
            let said: Vec<Statement> = said.collect();
            if let Some(one) = self.agreed(&said) {
                found.push((at, one));
            }
        }
        // What an interface holds may be of another type each time. It begins with a type or an itab.
        let mut of_interfaces: Vec<u64> = Vec::new();
        for (at, value) in &code.says.constants {
            let value = live(*value);
            if self.at(value).is_some() || self.itabs.contains_key(&value) {
                let at = live(*at);
                of_interfaces.extend([at, at.wrapping_add(self.word())]);
            }
        }
        of_interfaces.sort_unstable();
        found.retain(|(at, _)| of_interfaces.binary_search(at).is_err());

        let mut parts: Vec<(u64, u64)> = Vec::new();
        for (at, statement) in found {
            let ty = match statement {
                Statement::Is(ty) => ty,
                Statement::Pointer(ty) => self.pointer_to(ty),
                Statement::Slice(ty) => self.slice_of(ty),
            };
            let size = self.get(ty).map_or(0, |ty| ty.size);
            let first = self.variables.partition_point(|v| v.address < at);
            let Some(variable) = self.variables.get_mut(first) else {
                continue;
            };
            // A part of one, or it begins with one.
            if size == 0 || code.exact && variable.size != size {
                continue;
            }
            variable.ty = Some(ty);
            variable.size = size;
            parts.push((at, at.saturating_add(size)));
        }
        // What else of such a variable was named.
        let within = |at: u64| {
            let before = parts.partition_point(|(start, _)| *start < at);
            let whole = before.checked_sub(1).and_then(|before| parts.get(before));
            whole.is_some_and(|(_, end)| at < *end)
        };
        self.variables.retain(|variable| !within(variable.address));

        for (function, structs) in &code.says.closures {
            let entry = live(*function);
            let mut structs = structs.iter();
            let (Some(one), None) = (structs.next(), structs.next()) else {
                continue;
            };
            let Some(ty) = self.at(live(*one)).filter(|ty| self.is_closure(*ty)) else {
                continue;
            };
            let place = self.functions.binary_search_by_key(&entry, |f| f.entry);
            let function = place.ok().and_then(|place| self.functions.get_mut(place));
            if let Some(function) = function.filter(|function| function.closure.is_none()) {
                function.closure = Some(ty);
            }
        }
    }

    /// What a place says, if the catalogue has the type.
    fn statement(&self, said: &Said, bias: u64) -> Option<Statement> {
        let find = |ty: &Type| match ty {
            Type::At(at) => self.at(at.get().wrapping_add(bias)),
            Type::Receiver(name) => self.named(&unescape(name)),
        };
        Some(match said {
            Said::Is(ty) => Statement::Is(find(ty)?),
            Said::PointsTo(ty) => Statement::Pointer(find(ty)?),
            Said::HoldsMany(ty) => Statement::Slice(find(ty)?),
        })
    }

    /// The one statement that all others are a part of; `None` if there is none.
    fn agreed(&self, said: &[Statement]) -> Option<Statement> {
        said.iter()
            .copied()
            .find(|one| said.iter().all(|other| self.includes(*one, *other)))
    }

    /// Whether a variable that is what `one` says begins with what `other` says.
    fn includes(&self, one: Statement, other: Statement) -> bool {
        if one == other {
            return true;
        }
        let within = |outer, inner| self.beginnings(outer).contains(&inner);
        match (one, other) {
            (Statement::Is(one), Statement::Is(other)) => within(one, other),
            (Statement::Pointer(one), Statement::Pointer(other))
            | (Statement::Slice(one), Statement::Slice(other)) => within(one, other),
            (Statement::Is(one), Statement::Pointer(other)) => {
                self.begins_with(one, Kind::Pointer, other)
            }
            (Statement::Is(one), Statement::Slice(other)) => {
                self.begins_with(one, Kind::Slice, other)
            }
            _ => false,
        }
    }

    /// Whether a value begins with a pointer or slice whose elements begin with a type.
    fn begins_with(&self, one: TypeId, kind: Kind, elem: TypeId) -> bool {
        let all = self.beginnings(one).into_iter();
        let mut elems = all
            .filter_map(|ty| self.get(ty))
            .filter(|ty| ty.kind == kind)
            .filter_map(|ty| ty.elem);
        elems.any(|ty| self.beginnings(ty).contains(&elem))
    }

    /// A type and the types of what its values begin with.
    fn beginnings(&self, ty: TypeId) -> Vec<TypeId> {
        let mut all = vec![ty];
        let mut now = ty;
        while all.len() < MAX_HEIGHT {
            let Some(ty) = self.get(now) else { break };
            let first = ty.fields.iter().find(|field| {
                let size = self.get(field.ty).map_or(0, |ty| ty.size);
                field.offset == 0 && size > 0
            });
            let next = match ty.kind {
                Kind::Array if ty.len > 0 => ty.elem,
                Kind::Struct => first.map(|field| field.ty),
                _ => None,
            };
            let Some(next) = next else { break };
            all.push(next);
            now = next;
        }
        all
    }

    /// Whether a struct is what a closure is: the entry of a function, and what was captured
    /// (cmd/compile/internal/typecheck/func.go: `ClosureType`).
    fn is_closure(&self, ty: TypeId) -> bool {
        let Some(ty) = self.get(ty).filter(|ty| ty.kind == Kind::Struct) else {
            return false;
        };
        let first = ty.fields.first();
        let code = first.and_then(|field| Some((field, self.get(field.ty)?)));
        code.is_some_and(|(field, ty)| {
            field.name == "F" && field.offset == 0 && ty.kind == Kind::Uintptr
        })
    }

    /// The type of slices of `ty`, which is added if there is none.
    fn slice_of(&mut self, ty: TypeId) -> TypeId {
        let name = format!("[]{}", self.get(ty).map_or("", |ty| ty.name.as_str()));
        if let Some(known) = self.named(&name)
            && self.get(known).is_some_and(|known| known.elem == Some(ty))
        {
            return known;
        }
        self.add(GoType {
            address: 0,
            origin: TypeOrigin::Dwarf,
            kind: Kind::Slice,
            size: 3 * self.word(),
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
