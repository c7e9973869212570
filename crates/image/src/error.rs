//! What can be wrong with an executable.

use crate::FileAddr;

/// Why an executable, or a part of it, could not be read. Offsets are bytes from the start of the
/// file (`file offset`) or of the named section.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The first bytes are not ELF's.
    #[error("not an ELF file (it begins with {found:02x?}); goheap reads ELF executables")]
    NotElf {
        /// The first bytes, four at most.
        found: Vec<u8>,
    },
    /// The file ends before something that its headers say is there.
    #[error(
        "the file is cut off: {what} needs {size} bytes at file offset {offset:#x}, the file has {len} bytes"
    )]
    Truncated {
        /// What was looked for.
        what: &'static str,
        /// Where it should begin.
        offset: u64,
        /// How long it should be.
        size: u64,
        /// Length of the file.
        len: u64,
    },
    /// A machine that Go has no port for, or that goheap does not know.
    #[error("an executable for {machine}, which is no machine that Go runs on")]
    Machine {
        /// The machine: its name, or its number in ELF.
        machine: String,
    },
    /// An object file, a core file, or another ELF file that cannot be run.
    #[error("not an executable but {found}")]
    NotExecutable {
        /// What kind of ELF file it is.
        found: String,
    },
    /// A header that contradicts the format.
    #[error("malformed ELF: {what} at file offset {offset:#x}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where.
        offset: u64,
    },
    /// A section whose compression cannot be undone.
    #[error("section {section}: {what}")]
    Compression {
        /// The section.
        section: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Decompression failed.
    #[error("section {section}: decompression failed {after} bytes in: {source}")]
    Decompress {
        /// The section.
        section: String,
        /// How many bytes had been decompressed before.
        after: u64,
        /// What the decompressor says.
        source: std::io::Error,
    },
    /// DWARF that cannot be decoded.
    #[error("malformed DWARF in {section} at offset {offset:#x}: {source}")]
    Dwarf {
        /// The section.
        section: &'static str,
        /// Offset in the (uncompressed) section.
        offset: u64,
        /// What the decoder says.
        source: gimli::Error,
    },
    /// DWARF that can be decoded, but does not make sense.
    #[error("DWARF does not make sense: {what} at .debug_info offset {offset:#x}")]
    DwarfShape {
        /// What is wrong.
        what: &'static str,
        /// Offset in the (uncompressed) section.
        offset: u64,
    },
    /// An address that no segment has file contents for.
    #[error("the file has no {size} bytes at address {addr}")]
    NoBytes {
        /// The address.
        addr: FileAddr,
        /// How many bytes were wanted.
        size: u64,
    },
}
