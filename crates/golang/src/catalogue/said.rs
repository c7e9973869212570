//! What the program's code says of variables and closures ([`crate::globals::TypedCode`]), where a
//! catalogue does not know it from DWARF.

use goheap_image::FileAddr;

use super::build::sort_variables;
use super::names::unescape;
use super::{Catalogue, GoType, TypeId, Variable};
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
    /// Gives variables and closures that nothing else gives a type the one that code says. `word` is what
    /// a word of the program's memory is to begin with.
    pub(super) fn add_from_code(&mut self, code: &FromCode, word: &dyn Fn(u64) -> Option<u64>) {
        let live = |addr: FileAddr| addr.get().wrapping_add(code.bias);
        let mut found: Vec<(u64, Statement)> = Vec::new();
        for (at, said) in &code.says.variables {
            let at = live(*at);
            let first = self.variables.partition_point(|v| v.address < at);
            let known = self.variables.get(first);
            let untyped = |variable: &&Variable| {
                // What leads to anything is told by what it is made to lead to.
                let kind = variable.ty.and_then(|ty| self.get(ty)).map(|ty| ty.kind);
                variable.address == at && matches!(kind, None | Some(Kind::UnsafePointer))
            };
            if known.filter(untyped).is_none() {
                continue;
            }
            let said = said
                .iter()
                .filter_map(|said| self.statement(said, code.bias))
                .map(|one| self.as_slice(one, at, code));
            let said: Vec<Statement> = said.collect();
            if let Some(one) = self.agreed(&said) {
                found.push((at, one));
            }
        }
        // What an interface holds may be of another type each time. It begins with a type or an itab, which
        // code puts there, or the linker.
        let begins_one = |value: u64| self.at(value).is_some() || self.itabs.contains_key(&value);
        let word_size = self.word();
        let mut of_interfaces: Vec<u64> = Vec::new();
        for (at, value) in &code.says.constants {
            if begins_one(live(*value)) {
                let at = live(*at);
                of_interfaces.extend([at, at.wrapping_add(word_size)]);
            }
        }
        of_interfaces.sort_unstable();
        found.retain(|(at, _)| {
            let before = word(at.wrapping_sub(word_size));
            of_interfaces.binary_search(at).is_err() && !before.is_some_and(begins_one)
        });

        let mut parts: Vec<(u64, u64)> = Vec::new();
        let mut rests: Vec<Variable> = Vec::new();
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
            rests.extend(rest_of(variable, size, word_size));
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
        self.variables.append(&mut rests);
        sort_variables(&mut self.variables);

        for (function, structs) in &code.says.closures {
            let entry = live(*function);
            let mut structs = structs.iter();
            let (Some(one), None) = (structs.next(), structs.next()) else {
                continue;
            };
            let ty = self.at(live(*one));
            let is_closure = |ty: &TypeId| self.get(*ty).is_some_and(GoType::is_closure);
            let Some(ty) = ty.filter(is_closure) else {
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
            Said::PointsTo(ty) => {
                let ty = find(ty)?;
                // It is of a func type, which nothing tells; what it holds is a closure by its own word.
                if self.get(ty).is_some_and(GoType::is_closure) {
                    return None;
                }
                Statement::Pointer(ty)
            }
            Said::HoldsMany(ty) => Statement::Slice(find(ty)?),
        })
    }

    /// A pointer to a new array is a slice of all of it, if its length and capacity are set behind it.
    fn as_slice(&self, one: Statement, at: u64, code: &FromCode) -> Statement {
        let Statement::Pointer(ty) = one else {
            return one;
        };
        let Some(array) = self.get(ty).filter(|ty| ty.kind == Kind::Array) else {
            return one;
        };
        let is_set = |place: u64| {
            let at = at.wrapping_add(place * self.word()).wrapping_sub(code.bias);
            code.says.numbers.contains(&(FileAddr::new(at), array.len))
        };
        match array.elem {
            Some(elem) if is_set(1) && is_set(2) => Statement::Slice(elem),
            _ => one,
        }
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
}

/// What is behind the first `size` bytes of a variable that is called by a function that uses it: it may be
/// the rest of that variable, or another that no code names.
fn rest_of(variable: &Variable, size: u64, word: u64) -> Option<Variable> {
    let whole = size.checked_next_multiple_of(word.max(1))?;
    let size = variable.size.checked_sub(whole).filter(|rest| *rest > 0)?;
    let address = variable.address.checked_add(whole)?;
    let (user, _) = variable.name.rsplit_once('@')?;
    Some(Variable {
        address,
        size,
        name: format!("{user}@{address:#x}"),
        ty: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind() {
        let variable = Variable {
            address: 0x1000,
            size: 40,
            name: "main.init@0x1000".to_owned(),
            ty: None,
        };
        let rest = rest_of(&variable, 12, 8).unwrap();
        assert_eq!((rest.address, rest.size), (0x1010, 24));
        assert_eq!(rest.name, "main.init@0x1010");
        assert_eq!(rest_of(&variable, 40, 8), None);
        assert_eq!(rest_of(&variable, u64::MAX, 8), None);
        let named = Variable {
            name: "runtime.sched".to_owned(),
            ..variable
        };
        assert_eq!(rest_of(&named, 8, 8), None);
    }
}
