//! From an offset in a value of a known type to the names of what lies there.

use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeId};

use super::piece::Piece;

/// How deep structs and arrays may lie in one another.
const DEEP: usize = 64;

/// The word that lies at an offset: the innermost value that is neither struct nor array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its type.
    pub(super) ty: TypeId,
    /// How far into it the offset leads.
    pub(super) rest: u64,
}

/// Adds the fields and indexes that lead to `offset` in a value of type `ty`. `None` if nothing is
/// there (padding, or beyond the value); what was added before that stays.
pub(super) fn walk(
    catalogue: &Catalogue,
    ty: TypeId,
    offset: u64,
    pieces: &mut Vec<Piece>,
) -> Option<Leaf> {
    let mut at = Leaf { ty, rest: offset };
    for _ in 0..DEEP {
        let ty = catalogue.get(at.ty)?;
        if at.rest >= ty.size.max(1) {
            return None;
        }
        match ty.kind {
            Kind::Struct => {
                let behind = ty.fields.partition_point(|field| field.offset <= at.rest);
                // A field without a size may share its offset with the one that is there.
                let field = ty.fields[..behind].iter().rev().find(|field| {
                    let size = catalogue.get(field.ty).map_or(0, |ty| ty.size);
                    at.rest - field.offset < size
                })?;
                match captured_name(ty, &field.name) {
                    None => pieces.push(Piece::Word(field.offset)),
                    Some(name) if is_hidden(ty, name) => {}
                    Some(name) => pieces.push(Piece::Field(name.to_owned())),
                }
                at = Leaf {
                    ty: field.ty,
                    rest: at.rest - field.offset,
                };
            }
            Kind::Array => {
                let elem = ty.elem?;
                let size = catalogue.get(elem)?.size;
                let index = at.rest.checked_div(size)?;
                pieces.push(Piece::Index(i64::try_from(index).ok()?));
                at = Leaf {
                    ty: elem,
                    rest: at.rest % size,
                };
            }
            _ => return Some(at),
        }
    }
    None
}

/// What a field is called in the program's source; `None` for what a closure has captured, where its
/// struct has numbers in place of names (cmd/compile/internal/typecheck/func.go, go1.21: `ClosureType`; go1.19
/// has the names behind a dot).
fn captured_name<'n>(ty: &GoType, field: &'n str) -> Option<&'n str> {
    if !ty.is_closure() {
        return Some(field);
    }
    match field.strip_prefix('X') {
        Some(number) if number.parse::<u32>().is_ok() => None,
        _ => Some(field.strip_prefix('.').unwrap_or(field)),
    }
}

/// Whether a field is no name that its users know: an atomic pointer's value, and what sync.Map is
/// made of (sync/map.go, up to go1.23; internal/sync/hashtriemap.go,
/// before that internal/concurrent).
fn is_hidden(ty: &GoType, field: &str) -> bool {
    let name = ty.name.as_str();
    match field {
        "v" => name.starts_with("sync/atomic."),
        "read" | "dirty" => name == "sync.Map",
        "m" => name == "sync.Map" || name == "sync.readOnly",
        "p" => name == "sync.entry",
        _ => {
            name.starts_with("internal/sync.HashTrieMap[")
                || name.starts_with("internal/concurrent.HashTrieMap[")
        }
    }
}
