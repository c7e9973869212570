//! What a SOURCE is: told from what it is, never from a flag.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::CommandError;

/// What a command is to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A live process.
    Process(u32),
    /// A core file.
    Core(PathBuf),
    /// A dump, perhaps compressed; `-` is standard input.
    Dump(PathBuf),
}

impl Source {
    /// Tells what `argument` is: all digits are a process, `-` is standard input, everything else
    /// a file, whose first bytes tell the rest.
    ///
    /// # Errors
    /// A number that no process has; a file that cannot be opened, or that is neither.
    pub(crate) fn of(argument: &OsStr) -> Result<Source, CommandError> {
        if let Some(digits) = all_digits(argument) {
            let pid = digits.parse().ok().filter(|&pid| pid != 0);
            return pid
                .map(Source::Process)
                .ok_or_else(|| CommandError::NoSuchProcess {
                    pid: digits.to_owned(),
                });
        }
        let path = PathBuf::from(argument);
        if argument == "-" {
            return Ok(Source::Dump(path));
        }
        match kind_of(&path)? {
            FileKind::Core => Ok(Source::Core(path)),
            FileKind::Other => Ok(Source::Dump(path)),
            FileKind::Executable => Err(CommandError::Executable { path }),
        }
    }
}

fn all_digits(argument: &OsStr) -> Option<&str> {
    let text = argument.to_str()?;
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

enum FileKind {
    Core,
    Executable,
    Other,
}

/// Bytes that tell the kind of a file.
const HEAD: u64 = 18;

/// Whether the file begins as a dump does, or as a compressed file, which may well be one.
pub(crate) fn begins_like_a_dump(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    // "go1.7 heap dump\n"; the magic numbers of zstd and gzip.
    read.is_ok()
        && (head.starts_with(b"go1.")
            || head.starts_with(b"\x28\xb5\x2f\xfd")
            || head.starts_with(b"\x1f\x8b"))
}

fn kind_of(path: &Path) -> Result<FileKind, CommandError> {
    let open = |source| CommandError::Open {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(open)?;
    let kind = file.metadata().map_err(open)?;
    if kind.is_dir() {
        return Err(open(io::ErrorKind::IsADirectory.into()));
    }
    if !kind.is_file() {
        // A pipe would lose what is read here. No core comes through one.
        return Ok(FileKind::Other);
    }
    let mut head = Vec::new();
    file.by_ref()
        .take(HEAD)
        .read_to_end(&mut head)
        .map_err(open)?;
    // e_type is the half-word at 16, in the byte order that byte 5 tells (elf.h: ET_CORE is 4).
    Ok(match head.as_slice() {
        [0x7f, b'E', b'L', b'F', _, 2, .., 0, 4] => FileKind::Core,
        [0x7f, b'E', b'L', b'F', _, order, .., 4, 0] if *order != 2 => FileKind::Core,
        [0x7f, b'E', b'L', b'F', ..] => FileKind::Executable,
        _ => FileKind::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(contents: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, contents).unwrap();
        file
    }

    #[test]
    fn digits_are_a_process_and_nothing_else_is() {
        assert_eq!(Source::of("4711".as_ref()).unwrap(), Source::Process(4711));
        for wrong in ["0", "4294967296", "99999999999999999999"] {
            assert!(Source::of(wrong.as_ref()).is_err(), "{wrong}");
        }
        for file in ["./4711", "4711x", "-1", "+1", ""] {
            assert!(
                matches!(Source::of(file.as_ref()), Err(CommandError::Open { .. })),
                "{file}"
            );
        }
    }

    #[test]
    fn files_by_their_first_bytes() {
        let little = file(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0");
        let big = file(b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x04\0\x16");
        for core in [&little, &big] {
            let path = core.path();
            assert_eq!(
                Source::of(path.as_ref()).unwrap(),
                Source::Core(path.to_owned())
            );
        }
        let program = file(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
        assert!(matches!(
            Source::of(program.path().as_ref()),
            Err(CommandError::Executable { .. })
        ));
        for (contents, like_a_dump) in [
            (&b""[..], false),
            (b"#!/bin/sh\n", false),
            (b"go1.7 heap dump\n", true),
            (b"\x28\xb5\x2f\xfd", true),
        ] {
            let other = file(contents);
            let path = other.path();
            assert_eq!(
                Source::of(path.as_ref()).unwrap(),
                Source::Dump(path.to_owned())
            );
            assert_eq!(begins_like_a_dump(path), like_a_dump, "{contents:?}");
        }
        assert!(Source::of(file(b"\x7fELF").path().as_ref()).is_err());
    }
}
