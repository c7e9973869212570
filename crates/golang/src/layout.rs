//! Where the fields of the runtime's structs are.

use std::fmt;

use goheap_image::layout::{Shape, TypeLayout};

/// A source of layouts: the executable's DWARF, or baked tables.
///
/// Names are those that Go's compiler gives in DWARF: `runtime.mspan`, `*runtime.g`,
/// `[256]uint64`, `struct { runtime.mcentral; ... }`.
pub trait Layouts {
    /// The layout of the type called `name`; `None` if the source does not know it.
    fn type_layout(&self, name: &str) -> Option<TypeLayout>;

    /// Whether the source would know `path` of `strukt`, or `strukt` itself without a path, if the
    /// program has it: a table has nothing but what is [needed](crate::needed). [`Structs`] asks in
    /// debug builds, so that a test fails where a table would be silent.
    fn answers_for(&self, _strukt: &str, _path: Option<&str>) -> bool {
        true
    }
}

impl<L: Layouts + ?Sized> Layouts for &L {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        (**self).type_layout(name)
    }

    fn answers_for(&self, strukt: &str, path: Option<&str>) -> bool {
        (**self).answers_for(strukt, path)
    }
}

/// Where a field is inside its struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// Where the elements of an array field are inside its struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elements {
    /// Bytes from the start of the struct to the first element.
    pub offset: u64,
    /// How many there are.
    pub count: u64,
    /// Bytes of one.
    pub stride: u64,
}

/// A type or field that the layouts lack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The type is not there.
    #[error("no layout of type {0}")]
    NoType(String),
    /// The type has no such field.
    #[error("type {strukt} has no field {field}")]
    NoField {
        /// The type that was searched.
        strukt: String,
        /// The field that it lacks.
        field: String,
    },
    /// The field is not what the walk takes it for.
    #[error("{path} of type {strukt} is not {expected}")]
    Unexpected {
        /// The type that was searched.
        strukt: String,
        /// The path in it.
        path: String,
        /// What it ought to be.
        expected: &'static str,
    },
}

/// Bytes of the largest struct that is believed. `runtime.mheap` and `runtime.heapArena` are the
/// largest that the runtime has, with some MiB.
const LARGEST: u64 = 1 << 32;

/// Looks fields up by path. What it finds lies inside of its struct, whatever the layouts say.
///
/// A path is field names joined by dots, each with any number of constant indexes:
/// `special.offset`, `central[3].mcentral.spanclass`. An embedded struct is a field called by its
/// type's name. A path stays
/// within one struct: pointers are not followed.
pub struct Structs<'l> {
    layouts: &'l dyn Layouts,
}

impl fmt::Debug for Structs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Structs")
    }
}

impl<'l> Structs<'l> {
    /// Looks up in `layouts`.
    pub fn new(layouts: &'l dyn Layouts) -> Structs<'l> {
        Structs { layouts }
    }

    /// Bytes of a value of type `name`.
    ///
    /// # Errors
    /// The type is not known.
    pub fn size(&self, name: &str) -> Result<u64, LayoutError> {
        debug_assert!(
            self.layouts.answers_for(name, None),
            "{name} is not listed in golang/src/needed.rs"
        );
        Ok(self.layout(name)?.size)
    }

    /// Where `path` is in `strukt`.
    ///
    /// # Errors
    /// The type or a field on the path is not known.
    pub fn place(&self, strukt: &str, path: &str) -> Result<Place, LayoutError> {
        let (offset, layout, _name) = self.resolve(strukt, path)?;
        Ok(Place {
            offset,
            size: layout.size,
        })
    }

    /// Bytes from the start of `strukt` to `path`.
    ///
    /// # Errors
    /// As [`place`](Structs::place).
    pub fn offset(&self, strukt: &str, path: &str) -> Result<u64, LayoutError> {
        Ok(self.place(strukt, path)?.offset)
    }

    /// The first of `paths` that `strukt` has: for what was renamed or moved between versions.
    ///
    /// # Errors
    /// None of them is there: the error of the last.
    pub fn first(&self, strukt: &str, paths: &[&str]) -> Result<Place, LayoutError> {
        let mut missing = LayoutError::NoType(strukt.to_owned());
        for path in paths {
            match self.place(strukt, path) {
                Ok(place) => return Ok(place),
                Err(error) => missing = error,
            }
        }
        Err(missing)
    }

    /// Where `path` is, `None` if this version has no such field.
    pub fn optional(&self, strukt: &str, path: &str) -> Option<Place> {
        self.place(strukt, path).ok()
    }

    /// Where the elements of the array at `path` are.
    ///
    /// # Errors
    /// As [`place`](Structs::place), and if it is no array.
    pub fn elements(&self, strukt: &str, path: &str) -> Result<Elements, LayoutError> {
        let (offset, layout, _name) = self.resolve(strukt, path)?;
        let unexpected = |expected| LayoutError::Unexpected {
            strukt: strukt.to_owned(),
            path: path.to_owned(),
            expected,
        };
        let Shape::Array { element, count } = layout.shape else {
            return Err(unexpected("an array"));
        };
        let stride = self.layout(&element)?.size;
        // Whoever goes through them counts on an end that memory bounds.
        match count.checked_mul(stride) {
            Some(bytes) if bytes <= layout.size && (stride > 0 || count == 0) => Ok(Elements {
                offset,
                count,
                stride,
            }),
            _ => Err(unexpected("an array that has room for its elements")),
        }
    }

    /// Name of the type of `path` in `strukt`.
    ///
    /// # Errors
    /// As [`place`](Structs::place).
    pub fn type_name(&self, strukt: &str, path: &str) -> Result<String, LayoutError> {
        Ok(self.resolve(strukt, path)?.2)
    }

    fn layout(&self, name: &str) -> Result<TypeLayout, LayoutError> {
        self.layouts
            .type_layout(name)
            .ok_or_else(|| LayoutError::NoType(name.to_owned()))
    }

    fn resolve(&self, strukt: &str, path: &str) -> Result<(u64, TypeLayout, String), LayoutError> {
        debug_assert!(
            self.layouts.answers_for(strukt, Some(path)),
            "{path} of {strukt} is not listed in golang/src/needed.rs"
        );
        let mut name = strukt.to_owned();
        let mut layout = self.layout(strukt)?;
        let whole = layout.size;
        let mut offset = 0_u64;
        for part in path.split('.') {
            let (field, indexes) = part
                .split_once('[')
                .map_or((part, None), |(f, i)| (f, Some(i)));
            let no_field = || LayoutError::NoField {
                strukt: name.clone(),
                field: field.to_owned(),
            };
            let Shape::Struct { members } = &layout.shape else {
                return Err(no_field());
            };
            let member = members
                .iter()
                .find(|m| m.name == field)
                .ok_or_else(no_field)?;
            offset = offset.wrapping_add(member.offset);
            name = member.type_name.clone();
            layout = self.layout(&name)?;
            for index in indexes.into_iter().flat_map(|i| i.split('[')) {
                let unexpected = || LayoutError::Unexpected {
                    strukt: strukt.to_owned(),
                    path: path.to_owned(),
                    expected: "an array of that many elements",
                };
                let index: u64 = index
                    .trim_end_matches(']')
                    .parse()
                    .map_err(|_| unexpected())?;
                let Shape::Array { element, count } = &layout.shape else {
                    return Err(unexpected());
                };
                if index >= *count {
                    return Err(unexpected());
                }
                name = element.clone();
                layout = self.layout(&name)?;
                offset = offset.wrapping_add(index.wrapping_mul(layout.size));
            }
        }
        let end = offset.checked_add(layout.size);
        if whole > LARGEST || end.is_none_or(|end| end > whole) {
            return Err(LayoutError::Unexpected {
                strukt: strukt.to_owned(),
                path: path.to_owned(),
                expected: "a field inside of its struct",
            });
        }
        Ok((offset, layout, name))
    }
}
