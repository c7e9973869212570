//! Whether bytes that look like a type descriptor are one: descriptors lie among names and other
//! data, and the linker lists only some of them.

use goheap_memory::{Addr, Memory};

use super::{Kind, Type, Types, limit, tflag};

/// The flags that descriptors have, in all versions.
const FLAGS: u8 = (1 << 6) - 1;

/// No name of a type that is found by looking is longer, in bytes.
const NAME: usize = 1 << 16;

impl<M: Memory + ?Sized> Types<'_, M> {
    /// The descriptor at `at`, if the bytes there can be nothing else: sizes and flags are those of
    /// its kind, and its name lies in its module and reads like one of its kind. Bytes of names that
    /// are looked at are taken from `budget`.
    pub fn plausible(&self, at: Addr, budget: &mut usize) -> Option<Type> {
        let ty = self.read(at).ok()?;
        let word = self.model.word_size();
        if ty.flags & !FLAGS != 0
            || ty.name <= 0
            || ty.ptr_bytes > ty.size
            || ty.ptr_bytes % word != 0
            || fixed_size(ty.kind, word).is_some_and(|size| size != ty.size)
        {
            return None;
        }
        let name_at = self.resolve(at, ty.name).ok()?;
        // internal/abi/type.go: `Name`: four flags, and a length of mostly one byte or two.
        let mut head = [0; 3];
        self.read_bytes(name_at, &mut head, "a name").ok()?;
        let [flags, low, high] = head;
        let len = match low & 0x80 {
            0 => usize::from(low),
            _ => usize::from(low & 0x7f) | usize::from(high & 0x7f) << 7,
        };
        if flags >= 1 << 4 || len == 0 {
            return None;
        }
        *budget = budget.checked_sub(len.min(limit::NAME as usize) + 64)?;
        let string = self.string(&ty).ok()?;
        let text = std::str::from_utf8(&string).ok()?;
        (text.len() <= NAME && reads_like(&ty, text)).then_some(ty)
    }
}

/// Bytes of a value, of kinds that have always the same.
fn fixed_size(kind: Kind, word: u64) -> Option<u64> {
    Some(match kind {
        Kind::Bool | Kind::Int8 | Kind::Uint8 => 1,
        Kind::Int16 | Kind::Uint16 => 2,
        Kind::Int32 | Kind::Uint32 | Kind::Float32 => 4,
        Kind::Int64 | Kind::Uint64 | Kind::Float64 | Kind::Complex64 => 8,
        Kind::Complex128 => 16,
        Kind::Int
        | Kind::Uint
        | Kind::Uintptr
        | Kind::Chan
        | Kind::Func
        | Kind::Map
        | Kind::Pointer
        | Kind::UnsafePointer => word,
        Kind::Interface | Kind::String => 2 * word,
        Kind::Slice => 3 * word,
        Kind::Array | Kind::Struct => return None,
    })
}

/// Whether a type may be called so.
fn reads_like(ty: &Type, name: &str) -> bool {
    if ty.has(tflag::NAMED) {
        let first = name.chars().next();
        return first.is_some_and(|first| first.is_alphabetic() || first == '_');
    }
    let begins = |with: &str| name.starts_with(with);
    match ty.kind {
        Kind::Array => name.strip_prefix('[').is_some_and(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            digits > 0 && rest.as_bytes().get(digits) == Some(&b']')
        }),
        Kind::Chan => begins("chan ") || begins("<-chan ") || begins("chan<- "),
        Kind::Func => begins("func("),
        Kind::Interface => begins("interface {"),
        Kind::Map => begins("map["),
        Kind::Pointer => begins("*"),
        Kind::Slice => begins("[]"),
        // cmd/compile/internal/types/fmt.go: `tconv2`: the structs of a map are named by it;
        // "noalg." stands before types that cannot be compared, up to go1.26.
        Kind::Struct => {
            let name = name.strip_prefix("noalg.").unwrap_or(name);
            [
                "struct {",
                "map.bucket[",
                "map.hdr[",
                "map.iter[",
                "map.group[",
            ]
            .iter()
            .any(|start| name.starts_with(start))
        }
        _ => false,
    }
}
