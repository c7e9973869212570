//! Layouts of the runtime's structs for programs that have no DWARF: tables that were taken out of
//! the DWARF of real toolchains (`tables/layouts.txt`, made by `cargo xtask layouts`).
//!
//! A table is a guess about a program: it is chosen by what the program says of its version, and a
//! distributor may have changed the sources. So it is believed only once the program's own memory
//! bears it out (`goheap-runtime` does that), and [`LayoutTable::is_measured`] tells whether the very
//! release was looked at or one near it.

mod text;

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use goheap_image::layout::{Shape, TypeLayout};

use crate::{GoVersion, Layouts};
use text::Tables;

/// The tables, as they stand in the source.
const TEXT: &str = include_str!("tables/layouts.txt");

static TABLES: LazyLock<Result<Tables, TableError>> = LazyLock::new(|| Tables::parse(TEXT));

/// How deep arrays of arrays may go. The runtime's go two levels deep.
const MAX_ARRAYS: usize = 8;

/// Why there are no layouts for a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A version that came after this goheap.
    #[error(
        "goheap has no layouts for {version} (it has those of {known}), and the executable has no \
         DWARF: use a newer goheap, or give the file from before strip with --exe PATH"
    )]
    Newer {
        /// What the program says.
        version: String,
        /// The minor versions that there are layouts for.
        known: String,
    },
    /// A version that none were made for.
    #[error(
        "goheap has no layouts for {version} (it has those of {known}), and the executable has no \
         DWARF: give the file from before strip with --exe PATH, or build without -ldflags=-w"
    )]
    Unknown {
        /// What the program says.
        version: String,
        /// The minor versions that there are layouts for.
        known: String,
    },
    /// A toolchain between releases, whose structs may be any.
    #[error(
        "{version} is no release of Go, so that no layouts can be known for it, and the executable \
         has no DWARF: give the file from before strip with --exe PATH"
    )]
    Development {
        /// What the program says.
        version: String,
    },
    /// A machine that none were made for.
    #[error(
        "goheap has no layouts of {version} for {goarch}, and the executable has no DWARF: give the \
         file from before strip with --exe PATH"
    )]
    Machine {
        /// What the program says.
        version: String,
        /// Its GOARCH.
        goarch: String,
    },
    /// Experiments whose effect on the layouts is not known.
    #[error(
        "goheap has no layouts of {version} with GOEXPERIMENT={experiments}, and the executable has \
         no DWARF: give the file from before strip with --exe PATH"
    )]
    Experiments {
        /// What the program says.
        version: String,
        /// Those that are not known, or not together.
        experiments: String,
    },
    /// goheap's own tables cannot be read: a fault of goheap.
    #[error("line {line} of goheap's layout tables is damaged: {what}")]
    Damaged {
        /// The line, from 1 on.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The layouts of one release, on one machine, with its experiments.
#[derive(Clone)]
pub struct LayoutTable {
    release: String,
    measured: bool,
    types: HashMap<String, TypeLayout>,
}

impl LayoutTable {
    /// The tables that may be that of a program of `version` on `goarch`, the likeliest first: that
    /// of the release itself if it is known, else those of its minor version, the nearest first.
    ///
    /// # Errors
    /// There is none; the error says what to do.
    pub fn candidates(version: &GoVersion, goarch: &str) -> Result<Vec<LayoutTable>, TableError> {
        Tables::candidates(TABLES.as_ref().map_err(Clone::clone)?, version, goarch)
    }

    /// The tables written in `text` instead of goheap's own.
    ///
    /// # Errors
    /// As [`candidates`](LayoutTable::candidates), and where the text cannot be read.
    pub fn candidates_of(
        text: &str,
        version: &GoVersion,
        goarch: &str,
    ) -> Result<Vec<LayoutTable>, TableError> {
        Tables::parse(text)?.candidates(version, goarch)
    }

    /// The release that it was taken from: `1.24.11`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Whether the program's very release is known to have these layouts; else it is one near it.
    pub fn is_measured(&self) -> bool {
        self.measured
    }

    /// The structs that it has, in no order.
    pub fn structs(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    fn layout(&self, name: &str, depth: usize) -> Option<TypeLayout> {
        if let Some(known) = self.types.get(name) {
            return Some(known.clone());
        }
        if let Some(plain) = plain_type(name) {
            return Some(plain);
        }
        let (count, element) = name.strip_prefix('[')?.split_once(']')?;
        let count: u64 = count.parse().ok()?;
        let each = self.layout(element, depth.checked_sub(1)?)?;
        Some(TypeLayout {
            size: each.size.checked_mul(count)?,
            shape: Shape::Array {
                element: element.to_owned(),
                count,
            },
        })
    }
}

impl Layouts for LayoutTable {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        self.layout(name, MAX_ARRAYS)
    }

    fn answers_for(&self, strukt: &str, path: Option<&str>) -> bool {
        crate::needed::is_needed(strukt, path)
    }
}

impl fmt::Debug for LayoutTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayoutTable")
            .field("release", &self.release)
            .field("measured", &self.measured)
            .field("types", &self.types.len())
            .finish()
    }
}

/// What stands for a type of which a table knows the size alone.
fn plain_type(name: &str) -> Option<TypeLayout> {
    let (size, shape) = match name {
        "uint8" => (1, Shape::Scalar),
        "uint16" => (2, Shape::Scalar),
        "uint32" => (4, Shape::Scalar),
        "uint64" => (8, Shape::Scalar),
        _ => (name.strip_suffix(" bytes")?.parse().ok()?, Shape::Opaque),
    };
    Some(TypeLayout { size, shape })
}

/// The name of that for a type of so many bytes.
fn plain_name(size: u64) -> String {
    match size {
        1 | 2 | 4 | 8 => format!("uint{}", size * 8),
        _ => format!("{size} bytes"),
    }
}

#[cfg(test)]
mod tests;
