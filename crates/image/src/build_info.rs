//! The build information that Go's linker leaves in a program.
//!
//! Layout: debug/buildinfo/buildinfo.go, go1.24. A header of 32 bytes at a multiple of 16: magic
//! (14 bytes), pointer size, flags. Since go1.18 (flag 2) version and module information follow the
//! header, each behind its length; before, the header holds two pointers to Go strings.

use std::ops::Deref;

use crate::bytes::{Order, uvarint};
use crate::{Executable, FileAddr};

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
const HEADER: usize = 32;
const ALIGN: usize = 16;
const FLAG_BIG_ENDIAN: u8 = 1;
const FLAG_INLINE: u8 = 2;

/// What a Go program says of its own making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The toolchain, as `runtime.Version()` gives it: `go1.24.3`, perhaps with experiments behind
    /// (`go1.24.3 X:nogreenteagc`).
    pub go_version: String,
    /// Main module, dependencies and build settings, in the lines that `go version -m` prints.
    /// `None` for a program that was built without modules.
    pub module_info: Option<String>,
}

pub(crate) fn find<D: Deref<Target = [u8]>>(exe: &Executable<D>) -> Option<BuildInfo> {
    if let Some(section) = exe.section(b".go.buildinfo")
        && let Some(range) = section.file_range.clone()
        && let Some(bytes) = exe.data().get(range)
        && let Some(info) = scan(exe, bytes)
    {
        return Some(info);
    }
    // A program without section headers: the linker puts it at the start of the data. In a hostile
    // file thousands of segments could show the same bytes: they are looked through once.
    let mut budget = exe.data().len();
    for segment in exe.segments().into_iter().filter(|segment| segment.write) {
        budget = budget.checked_sub(segment.file_range.len())?;
        if let Some(info) = scan(exe, exe.data().get(segment.file_range)?) {
            return Some(info);
        }
    }
    None
}

/// Looks for the magic at each multiple of the alignment, and reads what stands there.
fn scan<D: Deref<Target = [u8]>>(exe: &Executable<D>, bytes: &[u8]) -> Option<BuildInfo> {
    let starts = (0..bytes.len()).step_by(ALIGN);
    starts
        .filter_map(|at| bytes.get(at..))
        .filter(|rest| rest.starts_with(MAGIC))
        .find_map(|rest| decode(exe, rest))
}

fn decode<D: Deref<Target = [u8]>>(exe: &Executable<D>, bytes: &[u8]) -> Option<BuildInfo> {
    let pointer_size = *bytes.get(14)?;
    let flags = *bytes.get(15)?;
    let (version, module) = if flags & FLAG_INLINE != 0 {
        let (version, rest) = inline_string(bytes.get(HEADER..)?)?;
        (
            version,
            inline_string(rest).map_or(&b""[..], |(module, _)| module),
        )
    } else {
        let order = Order::fixed(flags & FLAG_BIG_ENDIAN == 0);
        let string = |at: usize| -> Option<&[u8]> {
            let header = FileAddr::new(order.word(bytes, at, pointer_size)?);
            pointed_string(exe, order, pointer_size, header)
        };
        (
            string(16)?,
            string(16 + usize::from(pointer_size)).unwrap_or_default(),
        )
    };
    if version.is_empty() {
        return None;
    }
    Some(BuildInfo {
        go_version: String::from_utf8_lossy(version).into_owned(),
        module_info: unframe(module).map(|text| String::from_utf8_lossy(text).into_owned()),
    })
}

fn inline_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = uvarint(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// The contents of the Go string whose header (pointer, length) lies at `header`.
fn pointed_string<D: Deref<Target = [u8]>>(
    exe: &Executable<D>,
    order: Order,
    pointer_size: u8,
    header: FileAddr,
) -> Option<&[u8]> {
    let words = exe.bytes_at(header, 2 * u64::from(pointer_size)).ok()?;
    let contents = order.word(words, 0, pointer_size)?;
    let length = order.word(words, usize::from(pointer_size), pointer_size)?;
    exe.bytes_at(FileAddr::new(contents), length).ok()
}

/// Takes away the 16 bytes before and behind the module information by which cmd/go finds it
/// (cmd/go/internal/modload/build.go, go1.24: infoStart, infoEnd).
fn unframe(module: &[u8]) -> Option<&[u8]> {
    let end = module.len().checked_sub(16)?;
    let text = module.get(16..end)?;
    (text.last() == Some(&b'\n')).then_some(text)
}
