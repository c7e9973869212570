//! The structs that closures are: a word that leads to the code, and behind it what they captured
//! (cmd/compile/internal/typecheck/func.go: `ClosureType`).

use std::collections::HashMap;

use super::{Catalogue, GoType, TypeField, TypeId, TypeOrigin};
use crate::Kind;

/// How the wrapper of a method value is called, `x.Method` (cmd/compile/internal/typecheck/dcl.go:
/// `MethodSymSuffix`).
const METHOD_VALUE: &str = "-fm";

impl Catalogue {
    /// Gives the functions, by their entries, the structs of their closures.
    pub(super) fn add_closures(&mut self, captures: HashMap<u64, Vec<TypeField>>) {
        let Some(code) = self.named("uintptr") else {
            return;
        };
        let mut captures: Vec<(u64, Vec<TypeField>)> = captures.into_iter().collect();
        captures.sort_unstable_by_key(|(entry, _)| *entry);
        for (entry, fields) in captures {
            let found = self
                .functions
                .binary_search_by_key(&entry, |function| function.entry);
            let Some(place) = found.ok() else { continue };
            let name = self
                .functions
                .get(place)
                .map(|function| function.name.clone());
            let closure = self.closure(&name.unwrap_or_default(), code, fields);
            if let Some(function) = self.functions.get_mut(place) {
                function.closure = closure;
            }
        }
    }

    /// Gives the wrappers of method values the struct that their closure is: it holds the receiver,
    /// whose type their name tells.
    pub(super) fn add_method_values(&mut self) {
        let Some(code) = self.named("uintptr") else {
            return;
        };
        let word = self.word();
        let wrappers: Vec<(usize, String)> = (0..)
            .zip(&self.functions)
            .filter(|(_, function)| function.closure.is_none())
            .filter(|(_, function)| function.name.ends_with(METHOD_VALUE))
            .map(|(place, function)| (place, function.name.clone()))
            .collect();
        for (place, name) in wrappers {
            let Some(ty) = receiver_of(&name).and_then(|receiver| self.named(&receiver)) else {
                continue;
            };
            let receiver = TypeField {
                name: "R".to_owned(),
                offset: word,
                ty,
                embedded: false,
            };
            let closure = self.closure(&name, code, vec![receiver]);
            if let Some(function) = self.functions.get_mut(place) {
                function.closure = closure;
            }
        }
    }

    /// Adds the struct of a closure of `function`; `None` if what it has captured cannot lie so.
    fn closure(
        &mut self,
        function: &str,
        code: TypeId,
        mut fields: Vec<TypeField>,
    ) -> Option<TypeId> {
        fields.sort_by(|a, b| (a.offset, &a.name).cmp(&(b.offset, &b.name)));
        // A variable is told of once for each block of the function that it is seen in.
        fields.dedup_by(|next, kept| next.offset == kept.offset);
        let word = self.word();
        let mut end = word;
        for field in &fields {
            if field.offset < end {
                return None;
            }
            let size = self.get(field.ty)?.size;
            end = field.offset.checked_add(size)?;
        }
        fields.insert(
            0,
            TypeField {
                name: "F".to_owned(),
                offset: 0,
                ty: code,
                embedded: false,
            },
        );
        Some(self.add(GoType {
            address: 0,
            origin: TypeOrigin::Dwarf,
            kind: Kind::Struct,
            size: end.checked_next_multiple_of(word)?,
            name: format!("closure of {function}"),
            package: String::new(),
            elem: None,
            key: None,
            slots: None,
            len: 0,
            fields,
        }))
    }
}

/// The type of the receiver that `main.(*T).Method-fm` wraps.
fn receiver_of(name: &str) -> Option<String> {
    let (receiver, _method) = name.strip_suffix(METHOD_VALUE)?.rsplit_once('.')?;
    // The names of functions leave type arguments out.
    if receiver.contains("[...]") {
        return None;
    }
    match receiver.strip_suffix(')') {
        Some(pointer) => {
            let (package, ty) = pointer.rsplit_once(".(*")?;
            Some(format!("*{package}.{ty}"))
        }
        None => Some(receiver.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::receiver_of;

    #[test]
    fn receivers() {
        for (name, receiver) in [
            ("main.(*T).Method-fm", Some("*main.T")),
            ("a.b/c.T.Method-fm", Some("a.b/c.T")),
            ("main.(*T[...]).Method-fm", None),
            ("main.Method", None),
        ] {
            assert_eq!(receiver_of(name).as_deref(), receiver, "{name}");
        }
    }
}
