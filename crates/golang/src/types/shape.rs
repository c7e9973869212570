//! What the name of a type needs beside its parts, and where a map keeps its entries.

use goheap_memory::{Addr, Memory};

use super::names::WholeName;
use super::{Kind, Type, TypeError, Types, limit};

/// Which way a channel goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChanDir {
    /// `chan T`
    Both,
    /// `<-chan T`
    Receive,
    /// `chan<- T`
    Send,
}

/// A method of an interface type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: Vec<u8>,
    /// Whether other packages may use it.
    pub exported: bool,
    /// The path of its package, if it is not exported and that is not the interface's.
    pub package: Vec<u8>,
    /// The descriptor of its function type, if one was linked in.
    pub ty: Option<Addr>,
}

impl<M: Memory + ?Sized> Types<'_, M> {
    /// The type of a map's buckets or groups; `None` for other kinds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn slots(&self, ty: &Type) -> Result<Option<Addr>, TypeError> {
        let Some(place) = self.layouts.map_slots.filter(|_| ty.kind == Kind::Map) else {
            return Ok(None);
        };
        let at = self.pointer(ty.address.offset(place.offset), "the slots' type")?;
        Ok(Some(at))
    }

    /// Which way a channel goes; `None` for other kinds, and for what no channel can be.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn chan_dir(&self, ty: &Type) -> Result<Option<ChanDir>, TypeError> {
        let Some(place) = self.layouts.chan_dir.filter(|_| ty.kind == Kind::Chan) else {
            return Ok(None);
        };
        let at = ty.address.offset(place.offset);
        // internal/abi/type.go, go1.21: `ChanDir`; reflect/type.go in go1.19.
        Ok(match self.uint(at, place.size as usize, "the direction")? {
            1 => Some(ChanDir::Receive),
            2 => Some(ChanDir::Send),
            3 => Some(ChanDir::Both),
            _ => None,
        })
    }

    /// The methods of an interface, in their order; none for other kinds.
    ///
    /// # Errors
    /// They cannot be read, or there are absurdly many.
    pub fn methods(&self, ty: &Type) -> Result<Vec<Method>, TypeError> {
        // internal/abi/type.go: `Imethod`: offsets of a name and of a type.
        const SIZE: u64 = 8;
        let place = self.layouts.interface_methods;
        let Some(place) = place.filter(|_| ty.kind == Kind::Interface) else {
            return Ok(Vec::new());
        };
        let header = ty.address.offset(place.offset);
        let first = self.pointer(header, "the methods")?;
        let count_at = header.offset(self.model.word_size());
        let count = self.uint(count_at, usize::from(self.model.word), "the methods")?;
        if count > limit::PARTS {
            return Err(TypeError::Implausible {
                at: ty.address,
                what: "the number of methods",
                found: count,
                expected: "fewer",
            });
        }
        let mut methods = Vec::new();
        let mut room = limit::NAMES;
        for index in 0..count {
            // A plugin's copy of an interface of the program's shows the program's methods (the dynamic
            // linker resolves the symbol to that), whose offsets count from there.
            let at = first.offset(index.wrapping_mul(SIZE));
            let offset = |at: Addr| self.uint(at, 4, "a method").map(|raw| raw as u32 as i32);
            let name_off = offset(at)?;
            let name = match name_off {
                0 => WholeName::default(),
                _ => self.whole_name(at, self.resolve(at, name_off)?)?,
            };
            room = room.checked_sub(name.len()).ok_or(TypeError::Implausible {
                at: ty.address,
                what: "the length of its methods' names",
                found: limit::NAMES as u64,
                expected: "less",
            })?;
            methods.push(Method {
                exported: name.exported,
                name: name.text,
                package: name.package,
                ty: self.type_off(at, offset(at.offset(4))?)?,
            });
        }
        Ok(methods)
    }

    /// The path of the package that the names of a struct's or an interface's parts belong to, where
    /// they are not exported; empty if it does not tell.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn parts_package(&self, ty: &Type) -> Result<Vec<u8>, TypeError> {
        let place = match ty.kind {
            Kind::Struct => self.layouts.struct_package,
            Kind::Interface => self.layouts.interface_package,
            _ => None,
        };
        let Some(place) = place else {
            return Ok(Vec::new());
        };
        let name = self.pointer(ty.address.offset(place.offset), "a package path")?;
        self.read_name(name)
    }
}
