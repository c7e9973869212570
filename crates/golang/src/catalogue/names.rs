//! Names of types in full, as the compiler names their symbols and DWARF has them: with import paths
//! where reflection has the packages' own names (cmd/compile/internal/types/fmt.go, go1.19 to go1.27:
//! `tconv2` in its mode `fmtTypeID`).

use std::collections::HashMap;
use std::rc::Rc;

use goheap_memory::Addr;

use super::describe::Described;
use crate::{ChanDir, Kind};

/// A longer name is not put together; its type is called as reflection calls it.
const MAX_NAME: usize = 1 << 16;

/// Names by the address of the descriptor.
pub(super) struct Names<'d> {
    described: &'d HashMap<Addr, Described>,
    known: HashMap<Addr, Rc<str>>,
    /// Bytes of names that may still be made.
    room: usize,
}

/// The parts of a name.
struct Text {
    text: String,
    whole: bool,
}

impl Text {
    fn put(&mut self, part: &str) {
        if self.text.len() + part.len() > MAX_NAME {
            self.whole = false;
        } else {
            self.text.push_str(part);
        }
    }
}

impl<'d> Names<'d> {
    /// No more than `room` bytes of names are made.
    pub(super) fn new(described: &'d HashMap<Addr, Described>, room: usize) -> Names<'d> {
        Names {
            described,
            known: HashMap::with_capacity(described.len()),
            room,
        }
    }

    /// The name of the type at `at`, and of what it is made of. Empty once there is no room.
    pub(super) fn of(&mut self, at: Addr) -> Rc<str> {
        // Parts first; what is seen again while its own parts are being named is a circle, and is
        // called by its short name.
        let mut stack = vec![(at, false)];
        let mut begun = std::collections::HashSet::new();
        while let Some((at, parts_done)) = stack.pop() {
            if self.known.contains_key(&at) {
                continue;
            }
            let Some(ty) = self.described.get(&at) else {
                continue;
            };
            if !parts_done && begun.insert(at) {
                stack.push((at, true));
                if ty.own_name.is_none() {
                    let parts = ty.parts().filter(|part| !self.known.contains_key(part));
                    stack.extend(parts.map(|part| (part, false)));
                }
                continue;
            }
            let name = self.compose(ty);
            self.room = self.room.saturating_sub(name.len());
            let name = match self.room {
                0 => Rc::from(""),
                _ => Rc::from(name),
            };
            self.known.insert(at, name);
        }
        self.known.get(&at).cloned().unwrap_or_else(|| Rc::from(""))
    }

    /// What `at` is called; its short name if that is not known yet.
    fn part(&self, at: Addr) -> &str {
        match self.known.get(&at) {
            Some(name) => name,
            None => self
                .described
                .get(&at)
                .map_or("?", |described| described.string.as_str()),
        }
    }

    fn compose(&self, ty: &Described) -> String {
        if let Some(name) = &ty.own_name {
            return name.clone();
        }
        let mut text = Text {
            text: String::new(),
            whole: true,
        };
        if !self.put_unnamed(ty, &mut text) || !text.whole {
            return ty.string.clone();
        }
        text.text
    }

    /// Puts a type without a name of its own together; whether it could.
    fn put_unnamed(&self, ty: &Described, text: &mut Text) -> bool {
        let elem = ty.elem.map(|elem| self.part(elem));
        match (ty.ty.kind, elem) {
            (Kind::Pointer, Some(elem)) => {
                text.put("*");
                text.put(elem);
            }
            (Kind::Slice, Some(elem)) => {
                text.put("[]");
                text.put(elem);
            }
            (Kind::Array, Some(elem)) => {
                text.put(&format!("[{}]", ty.len));
                text.put(elem);
            }
            (Kind::Chan, Some(elem)) => match ty.dir {
                Some(ChanDir::Receive) => {
                    text.put("<-chan ");
                    text.put(elem);
                }
                Some(ChanDir::Send) => {
                    text.put("chan<- ");
                    text.put(elem);
                }
                Some(ChanDir::Both) if elem.starts_with("<-chan ") => {
                    text.put("chan (");
                    text.put(elem);
                    text.put(")");
                }
                _ => {
                    text.put("chan ");
                    text.put(elem);
                }
            },
            (Kind::Map, Some(elem)) => {
                let Some(key) = ty.key else { return false };
                text.put("map[");
                text.put(self.part(key));
                text.put("]");
                text.put(elem);
            }
            (Kind::Func, _) => {
                text.put("func");
                self.put_signature(ty, text);
            }
            (Kind::Struct, _) if ty.string.starts_with("struct {") => self.put_struct(ty, text),
            (Kind::Interface, _) => self.put_interface(ty, text),
            _ => return false,
        }
        true
    }

    fn put_signature(&self, ty: &Described, text: &mut Text) {
        let Some(signature) = &ty.signature else {
            text.put("()");
            return;
        };
        text.put("(");
        for (index, &param) in signature.params.iter().enumerate() {
            if index > 0 {
                text.put(", ");
            }
            let name = self.part(param);
            match name.strip_prefix("[]") {
                Some(elem) if signature.variadic && index + 1 == signature.params.len() => {
                    text.put("...");
                    text.put(elem);
                }
                _ => text.put(name),
            }
        }
        text.put(")");
        match signature.results.as_slice() {
            [] => {}
            [one] => {
                text.put(" ");
                text.put(self.part(*one));
            }
            results => {
                text.put(" (");
                for (index, &result) in results.iter().enumerate() {
                    if index > 0 {
                        text.put(", ");
                    }
                    text.put(self.part(result));
                }
                text.put(")");
            }
        }
    }

    fn put_struct(&self, ty: &Described, text: &mut Text) {
        text.put("struct {");
        for (index, field) in ty.fields.iter().enumerate() {
            text.put(if index > 0 { "; " } else { " " });
            let type_name = self.part(field.ty);
            let name = String::from_utf8_lossy(&field.name);
            // cmd/compile/internal/types/fmt.go: `fldconv`: an embedded field is its type, unless it
            // goes by another name (an alias).
            let own = own_name(type_name.strip_prefix('*').unwrap_or(type_name));
            if !field.embedded || own != name {
                if !field.exported {
                    put_package(&field.package, ty, text);
                }
                text.put(&name);
                text.put(if field.embedded { " = " } else { " " });
            }
            text.put(type_name);
            if !field.tag.is_empty() {
                text.put(" ");
                put_quoted(&field.tag, text);
            }
        }
        text.put(if ty.fields.is_empty() { "}" } else { " }" });
    }

    fn put_interface(&self, ty: &Described, text: &mut Text) {
        text.put("interface {");
        for (index, method) in ty.methods.iter().enumerate() {
            text.put(if index > 0 { "; " } else { " " });
            if !method.exported {
                put_package(&method.package, ty, text);
            }
            text.put(&String::from_utf8_lossy(&method.name));
            let signature = method.ty.map(|ty| self.part(ty));
            let signature = signature.and_then(|name| name.strip_prefix("func"));
            text.put(signature.unwrap_or("()"));
        }
        text.put(if ty.methods.is_empty() { "}" } else { " }" });
    }
}

/// Puts the package of a name that is not exported: its own, or that of all parts of its type.
fn put_package(own: &[u8], ty: &Described, text: &mut Text) {
    let own = String::from_utf8_lossy(own);
    let package = if own.is_empty() {
        &*ty.parts_package
    } else {
        &*own
    };
    if !package.is_empty() {
        text.put(package);
        text.put(".");
    }
}

/// A type's own name, without its package and its type arguments.
fn own_name(full: &str) -> &str {
    let named = full.split('[').next().unwrap_or(full);
    named.rsplit('.').next().unwrap_or(named)
}

/// As Go's `strconv.Quote` does it.
fn put_quoted(tag: &[u8], text: &mut Text) {
    text.put("\"");
    for chunk in tag.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => text.put("\\\""),
                '\\' => text.put("\\\\"),
                '\n' => text.put("\\n"),
                '\t' => text.put("\\t"),
                '\r' => text.put("\\r"),
                c if (c as u32) < 0x20 || c == '\x7f' => text.put(&format!("\\x{:02x}", c as u32)),
                c => text.put(c.encode_utf8(&mut [0; 4])),
            }
        }
        for byte in chunk.invalid() {
            text.put(&format!("\\x{byte:02x}"));
        }
    }
    text.put("\"");
}

/// A name or path without the compiler's escapes: up to go1.21 dots in the last part of an import path,
/// and in all versions signs that symbols cannot have, stand as `%2e` (cmd/internal/objabi/path.go:
/// `PathToPrefix`).
pub(super) fn unescape(name: &str) -> String {
    let Some(first) = name.find('%') else {
        return name.to_owned();
    };
    let mut bytes = name.as_bytes()[..first].to_vec();
    let mut rest = &name.as_bytes()[first..];
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(raw) if byte == b'%' => {
                bytes.push(raw);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{own_name, unescape};

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape("gopkg.in/yaml%2ev2.Node"), "gopkg.in/yaml.v2.Node");
        assert_eq!(unescape("a%c3%b6.T"), "aö.T");
        for same in ["main.T", "100%", "%2", "%zz", "a%ff"] {
            assert_eq!(unescape(same), same);
        }
    }

    #[test]
    fn own_names() {
        for (full, own) in [
            ("int", "int"),
            ("a.b/c.T", "T"),
            ("main.Pair[a.b/c.X,int]", "Pair"),
        ] {
            assert_eq!(own_name(full), own);
        }
    }
}
