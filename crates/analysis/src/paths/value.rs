//! Values as text: the keys of maps.

use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeId};
use goheap_memory::{Addr, Memory};

use crate::dump::Dump;

/// How many bytes of a string are shown.
const STRING: u64 = 64;

/// How many fields and elements are shown.
const PARTS: usize = 6;

/// How deep values in values are shown.
const DEEP: usize = 3;

/// The value of type `ty` at `at`: `"sess-4f"`, `-17`, `{1, 2}`, `0xc000012000`. Strings are quoted
/// as Go quotes them, and shortened. `?` for what cannot be read.
pub(crate) fn text(dump: &Dump, ty: TypeId, at: u64) -> String {
    let mut out = String::new();
    Printer { dump }.value(ty, at, DEEP, &mut out);
    out
}

struct Printer<'d> {
    dump: &'d Dump,
}

impl Printer<'_> {
    fn catalogue(&self) -> &Catalogue {
        self.dump.catalogue()
    }

    fn value(&self, ty: TypeId, at: u64, deep: usize, out: &mut String) {
        let Some(ty) = self.catalogue().get(ty) else {
            out.push('?');
            return;
        };
        match ty.kind {
            Kind::Struct => {
                let parts = ty.fields.iter().map(|f| (f.ty, at.wrapping_add(f.offset)));
                self.parts(('{', '}'), ty.fields.len(), parts, deep, out);
            }
            Kind::Array => {
                let Some((elem, size)) = ty
                    .elem
                    .and_then(|elem| Some((elem, self.catalogue().get(elem)?.size)))
                else {
                    out.push('?');
                    return;
                };
                let parts = (0..ty.len).map(|i| (elem, at.wrapping_add(i.wrapping_mul(size))));
                let count = usize::try_from(ty.len).unwrap_or(usize::MAX);
                self.parts(('[', ']'), count, parts, deep, out);
            }
            Kind::Interface => self.interface(at, deep, out),
            _ => match self.simple(ty, at) {
                Some(text) => out.push_str(&text),
                None => out.push('?'),
            },
        }
    }

    fn parts(
        &self,
        (open, close): (char, char),
        count: usize,
        parts: impl Iterator<Item = (TypeId, u64)>,
        deep: usize,
        out: &mut String,
    ) {
        out.push(open);
        match deep.checked_sub(1) {
            Some(deep) => {
                for (number, (ty, at)) in parts.take(PARTS).enumerate() {
                    if number > 0 {
                        out.push_str(", ");
                    }
                    self.value(ty, at, deep, out);
                }
                if count > PARTS {
                    out.push_str(", …");
                }
            }
            None => out.push('…'),
        }
        out.push(close);
    }

    fn interface(&self, at: u64, deep: usize, out: &mut String) {
        let word = self.dump.word(at);
        if word == Some(0) {
            out.push_str("nil");
            return;
        }
        let dynamic = word.and_then(|word| dynamic(self.catalogue(), word));
        let Some(ty) = dynamic.and_then(|ty| Some((ty, self.catalogue().get(ty)?))) else {
            out.push('?');
            return;
        };
        let (id, ty) = ty;
        // What literals of a type without a name of its own do not need.
        if !matches!(ty.name.as_str(), "string" | "int" | "bool" | "float64") {
            out.push_str(&ty.name);
            if !matches!(ty.kind, Kind::Struct | Kind::Array) {
                out.push('(');
            }
        }
        let data = at.wrapping_add(u64::from(self.dump.params().model.word));
        let value = match is_direct(self.catalogue(), id) {
            true => Some(data),
            false => self.dump.word(data),
        };
        // The value may be an interface in a struct in an interface: that is all counted as depth.
        match (value, deep.checked_sub(1)) {
            (Some(value), Some(deep)) => self.value(id, value, deep, out),
            _ => out.push('…'),
        }
        if !matches!(ty.name.as_str(), "string" | "int" | "bool" | "float64")
            && !matches!(ty.kind, Kind::Struct | Kind::Array)
        {
            out.push(')');
        }
    }

    fn simple(&self, ty: &GoType, at: u64) -> Option<String> {
        let model = self.dump.params().model;
        let mut bytes = [0; 16];
        let bytes = bytes.get_mut(..usize::try_from(ty.size).ok()?)?;
        let addr = Addr::new(at);
        self.dump.read(addr, bytes).ok()?;
        let bits = || model.uint(bytes);
        Some(match ty.kind {
            Kind::Bool => (bytes.first()? & 1 == 1).to_string(),
            Kind::Int | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
                let shift = 64u32.checked_sub(u32::try_from(bytes.len()).ok()? * 8)?;
                (((bits() << shift) as i64) >> shift).to_string()
            }
            Kind::Uint
            | Kind::Uint8
            | Kind::Uint16
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Uintptr => bits().to_string(),
            Kind::Float32 => f32::from_bits(bits() as u32).to_string(),
            Kind::Float64 => f64::from_bits(bits()).to_string(),
            Kind::Complex64 | Kind::Complex128 => {
                let (re, im) = bytes.split_at(bytes.len() / 2);
                let part = |bytes: &[u8]| match bytes.len() {
                    4 => f64::from(f32::from_bits(model.uint(bytes) as u32)),
                    _ => f64::from_bits(model.uint(bytes)),
                };
                format!("({}{:+}i)", part(re), part(im))
            }
            Kind::String => {
                let word = usize::from(model.word);
                let (data, len) = (bytes.get(..word)?, bytes.get(word..)?);
                self.string(model.uint(data), model.uint(len))
            }
            // A slice is no key.
            _ => match model.uint(bytes.get(..usize::from(model.word))?) {
                0 => "nil".to_owned(),
                pointer => format!("{pointer:#x}"),
            },
        })
    }

    fn string(&self, data: u64, len: u64) -> String {
        if len == 0 {
            return "\"\"".to_owned();
        }
        let mut bytes = [0; STRING as usize];
        let bytes = &mut bytes[..len.min(STRING) as usize];
        // Constants of the program are not in its dump.
        if self.dump.read(Addr::new(data), bytes).is_err() {
            return format!("string of {len} bytes at {data:#x}");
        }
        let mut out = quoted(bytes);
        if len > STRING {
            out.pop();
            out.push_str("…\"");
        }
        out
    }
}

/// Bytes as Go's `%q` shows them.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() && u32::from(c) < 0x80 => {
                    out.push_str(&format!("\\x{:02x}", u32::from(c)));
                }
                c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

/// The type of what an interface holds whose first word is that: a type's descriptor, or an itab.
pub(crate) fn dynamic(catalogue: &Catalogue, word: u64) -> Option<TypeId> {
    catalogue
        .itabs
        .get(&word)
        .copied()
        .or_else(|| catalogue.at(word))
}

/// Whether an interface holds a value of that type in its data word itself: pointers and what has
/// their shape (cmd/compile/internal/types/type.go, go1.19 to go1.27: `IsDirectIface`).
pub(super) fn is_direct(catalogue: &Catalogue, ty: TypeId) -> bool {
    let mut ty = catalogue.get(ty);
    for _ in 0..64 {
        let Some(of) = ty else { return false };
        match of.kind {
            Kind::Pointer | Kind::Chan | Kind::Map | Kind::Func | Kind::UnsafePointer => {
                return true;
            }
            Kind::Array if of.len == 1 => ty = of.elem.and_then(|elem| catalogue.get(elem)),
            Kind::Struct if of.fields.len() == 1 => {
                ty = of.fields.first().and_then(|field| catalogue.get(field.ty));
            }
            _ => return false,
        }
    }
    false
}
