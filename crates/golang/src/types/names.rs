//! Names of types.

use goheap_memory::{Addr, Memory};

use super::{Kind, Type, TypeError, Types, limit, tflag};

impl<M: Memory + ?Sized> Types<'_, M> {
    /// The type as Go's reflection prints it: `[]main.T`, `map[string]int`
    /// (runtime/type.go: `rtype.string`).
    ///
    /// # Errors
    /// The name cannot be read.
    pub fn string(&self, ty: &Type) -> Result<Vec<u8>, TypeError> {
        let mut name = self.name_off(ty.address, ty.name)?;
        // The string of T is taken from that of *T, to save space.
        if ty.has(tflag::EXTRA_STAR) && !name.is_empty() {
            name.remove(0);
        }
        Ok(name)
    }

    /// The type's own name without the package, empty for one without: `T`, `T[int]`
    /// (runtime/type.go: `rtype.name`).
    ///
    /// # Errors
    /// The name cannot be read.
    pub fn name(&self, ty: &Type) -> Result<Vec<u8>, TypeError> {
        if !ty.is_named() {
            return Ok(Vec::new());
        }
        let mut string = self.string(ty)?;
        string.drain(..own_name(&string));
        Ok(string)
    }

    /// The path of the package that a named type, or one with methods, belongs to; empty if there
    /// is none, as for `int`.
    ///
    /// # Errors
    /// The path cannot be read.
    pub fn pkg_path(&self, ty: &Type) -> Result<Vec<u8>, TypeError> {
        let Some(uncommon) = self.uncommon(ty) else {
            return Ok(Vec::new());
        };
        // internal/abi/type.go: the path is the first field of `UncommonType`, in all versions. Its
        // layout is not asked for: DWARF has it only where a variable of the type is used.
        let offset = self.uint(uncommon, 4, "the package path")? as u32 as i32;
        self.name_off(ty.address, offset)
    }

    /// The name that the runtime's own dumper writes: package path, '.', name, if there is a path,
    /// else the string (runtime/heapdump.go: `dumptype`). A pointer to a type with methods has a
    /// path and no name, and reads `errors.`.
    ///
    /// # Errors
    /// A name cannot be read.
    pub fn dump_name(&self, ty: &Type) -> Result<Vec<u8>, TypeError> {
        let mut path = self.pkg_path(ty)?;
        if path.is_empty() {
            return self.string(ty);
        }
        path.push(b'.');
        path.extend(self.name(ty)?);
        Ok(path)
    }

    /// Where the `UncommonType` of `ty` is: behind what its kind has of its own
    /// (internal/abi/type.go: `Type.Uncommon`).
    pub(super) fn uncommon(&self, ty: &Type) -> Option<Addr> {
        let sizes = &self.layouts.sizes;
        let own = match ty.kind {
            Kind::Array => sizes.array,
            Kind::Chan => sizes.chan,
            Kind::Func => sizes.func,
            Kind::Interface => sizes.interface,
            Kind::Map => sizes.map,
            Kind::Pointer => sizes.pointer,
            Kind::Slice => sizes.slice,
            Kind::Struct => sizes.strukt,
            _ => self.layouts.fixed.size as u64,
        };
        ty.has(tflag::UNCOMMON).then(|| ty.address.offset(own))
    }

    /// The name that `offset` means to the type at `base` (runtime/type.go: `resolveNameOff`).
    pub(super) fn name_off(&self, base: Addr, offset: i32) -> Result<Vec<u8>, TypeError> {
        match offset {
            0 => Ok(Vec::new()),
            _ => self.read_name(self.resolve(base, offset)?),
        }
    }

    /// The name at `at`: a byte of flags, its length as a varint, its bytes (internal/abi/type.go:
    /// `Name`). Empty at nil.
    pub(super) fn read_name(&self, at: Addr) -> Result<Vec<u8>, TypeError> {
        if at.is_nil() {
            return Ok(Vec::new());
        }
        Ok(self.counted(at, at.offset(1))?.0)
    }

    /// The text at `from`, a part of the name at `at`, and where it ends.
    fn counted(&self, at: Addr, mut from: Addr) -> Result<(Vec<u8>, Addr), TypeError> {
        let mut len = 0_u64;
        for shift in (0..).step_by(7) {
            let byte = self.uint(from, 1, "the length of a name")?;
            from = from.offset(1);
            len |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            if shift >= 21 {
                let (what, expected) = ("the length of a name", "a varint of at most four bytes");
                return Err(TypeError::Implausible {
                    at,
                    what,
                    found: len,
                    expected,
                });
            }
        }
        let text = self.vec(from, len, limit::NAME, "a name")?;
        Ok((text, from.offset(len)))
    }

    /// All of the name at `at`, which belongs to the type at `base`: behind the text stand a tag, with
    /// a length of its own, and the offset of a package path, if its flags say so (internal/abi/type.go:
    /// `Name.HasTag`; reflect/type.go: `pkgPath`). Empty at nil.
    pub(super) fn whole_name(&self, base: Addr, at: Addr) -> Result<WholeName, TypeError> {
        if at.is_nil() {
            return Ok(WholeName::default());
        }
        let flags = self.uint(at, 1, "the flags of a name")? as u8;
        let (text, mut behind) = self.counted(at, at.offset(1))?;
        let mut tag = Vec::new();
        if flags & (1 << 1) != 0 {
            (tag, behind) = self.counted(at, behind)?;
        }
        let mut package = Vec::new();
        if flags & (1 << 2) != 0 {
            let offset = self.uint(behind, 4, "the package of a name")? as u32 as i32;
            package = self.name_off(base, offset)?;
        }
        Ok(WholeName {
            exported: flags & 1 != 0,
            embedded: flags & (1 << 3) != 0,
            text,
            tag,
            package,
        })
    }
}

/// A name of a field or a method.
#[derive(Default)]
pub(super) struct WholeName {
    pub(super) exported: bool,
    pub(super) embedded: bool,
    pub(super) text: Vec<u8>,
    pub(super) tag: Vec<u8>,
    /// The path of its package, if that is not that of its type.
    pub(super) package: Vec<u8>,
}

impl WholeName {
    /// Bytes of all of it.
    pub(super) fn len(&self) -> usize {
        self.text.len() + self.tag.len() + self.package.len()
    }
}

/// Where in the string of a type its own name begins: behind the last '.' that is not inside of
/// brackets, so that `main.Pair[a/b.X,c.Y]` is called `Pair[a/b.X,c.Y]`.
fn own_name(string: &[u8]) -> usize {
    let mut brackets = 0_i64;
    for (index, byte) in string.iter().enumerate().rev() {
        match byte {
            b'.' if brackets == 0 => return index + 1,
            b']' => brackets += 1,
            b'[' => brackets -= 1,
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::own_name;

    #[test]
    fn dots_in_brackets_do_not_count() {
        for (string, name) in [
            ("int", "int"),
            ("main.T", "T"),
            ("main.Pair[a/b.X,c.Y]", "Pair[a/b.X,c.Y]"),
            ("pkg.Outer[pkg.Inner[int].x]", "Outer[pkg.Inner[int].x]"),
            ("", ""),
            ("x.", ""),
            // Unbalanced brackets are no names of Go's, but the rule is the runtime's all the same.
            ("a.b]c.d", "d"),
            ("a.b]c", "a.b]c"),
        ] {
            assert_eq!(&string[own_name(string.as_bytes())..], name, "{string}");
        }
    }
}
