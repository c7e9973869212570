//! The headers of an ELF file, of either class.

use std::ops::Range;

use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader as _};

use super::{MAX_NOTES, MAX_SECTION_NAME, Section, Segment};
use crate::FileAddr;
use crate::bytes::Order;
use crate::error::ImageError;

/// What the headers of a file say.
pub(super) struct Headers {
    pub(super) order: Order,
    pub(super) goarch: &'static str,
    pub(super) entry: FileAddr,
    pub(super) pie: bool,
    pub(super) program_headers: Option<FileAddr>,
    pub(super) segments: Vec<Segment>,
    pub(super) notes: Vec<Range<usize>>,
    pub(super) dynamic: Option<Range<usize>>,
    pub(super) sections: Vec<Section>,
}

/// How wide the fields of an ELF file are.
pub(super) enum Class {
    Bits32,
    Bits64,
}

/// Checks the identification bytes.
pub(super) fn identify(bytes: &[u8]) -> Result<Class, ImageError> {
    let magic = bytes.get(..4).unwrap_or(bytes);
    if magic != elf::ELFMAG {
        return Err(ImageError::NotElf {
            found: magic.to_vec(),
        });
    }
    match bytes.get(4) {
        Some(&elf::ELFCLASS32) => Ok(Class::Bits32),
        Some(&elf::ELFCLASS64) => Ok(Class::Bits64),
        Some(_) => Err(ImageError::Malformed {
            what: "class is neither 32-bit nor 64-bit",
            offset: 4,
        }),
        None => Err(truncated_header::<elf::FileHeader64<object::Endianness>>(
            bytes,
        )),
    }
}

fn truncated_header<E>(bytes: &[u8]) -> ImageError {
    ImageError::Truncated {
        what: "the ELF header",
        offset: 0,
        size: size_of::<E>() as u64,
        len: bytes.len() as u64,
    }
}

/// Reads the headers of a file of that class.
pub(super) fn read_headers<E>(bytes: &[u8]) -> Result<Headers, ImageError>
where
    E: FileHeader<Endian = object::Endianness>,
{
    if bytes.len() < size_of::<E>() {
        return Err(truncated_header::<E>(bytes));
    }
    let header = E::parse(bytes).map_err(|_| ImageError::Malformed {
        what: "ELF header",
        offset: 0,
    })?;
    let endian = header.endian().map_err(|_| ImageError::Malformed {
        what: "byte order is neither little nor big",
        offset: 5,
    })?;
    let order = Order {
        little: endian == object::Endianness::Little,
        word: match header.is_class_64() {
            true => 8,
            false => 4,
        },
    };
    let machine = header.e_machine(endian);
    let goarch = goarch(machine, order).ok_or_else(|| ImageError::Machine {
        machine: match (machine, order.word) {
            (elf::EM_X86_64, 4) => "x86-64 with words of 32 bits".into(),
            _ => machine_name(machine),
        },
    })?;
    let pie = match header.e_type(endian) {
        elf::ET_EXEC => false,
        elf::ET_DYN => true,
        other => {
            return Err(ImageError::NotExecutable {
                found: file_kind(other),
            });
        }
    };

    let headers_at: u64 = header.e_phoff(endian).into();
    let table = header
        .program_headers(endian, bytes)
        .map_err(|_| ImageError::Truncated {
            what: "the program header table",
            offset: headers_at,
            size: u64::from(header.e_phnum(endian)) * u64::from(header.e_phentsize(endian)),
            len: bytes.len() as u64,
        })?;
    let mut segments = Vec::new();
    let mut notes = Vec::new();
    let mut program_headers = None;
    let mut dynamic = None;
    for entry in table {
        match entry.p_type(endian) {
            elf::PT_LOAD => segments.push(segment(entry, endian, bytes.len())?),
            elf::PT_PHDR => program_headers = Some(FileAddr::new(entry.p_vaddr(endian).into())),
            elf::PT_DYNAMIC => {
                dynamic = range(
                    entry.p_offset(endian).into(),
                    entry.p_filesz(endian).into(),
                    bytes.len(),
                );
            }
            elf::PT_NOTE => notes.extend(range(
                entry.p_offset(endian).into(),
                entry.p_filesz(endian).into(),
                bytes.len(),
            )),
            _ => {}
        }
    }
    let program_headers = program_headers.or_else(|| loaded_at(&segments, headers_at));
    let sections = sections(header, endian, bytes);
    let note_sections = sections
        .iter()
        .filter(|section| section.kind == elf::SHT_NOTE);
    notes.extend(note_sections.filter_map(|section| section.file_range.clone()));
    notes.truncate(MAX_NOTES);
    Ok(Headers {
        order,
        goarch,
        entry: FileAddr::new(header.e_entry(endian).into()),
        pie,
        program_headers,
        segments,
        notes,
        dynamic,
        sections,
    })
}

fn segment<P>(entry: &P, endian: object::Endianness, len: usize) -> Result<Segment, ImageError>
where
    P: ProgramHeader<Endian = object::Endianness>,
{
    let (offset, size) = entry.file_range(endian);
    let file_range = range(offset, size, len).ok_or(ImageError::Truncated {
        what: "a loadable segment",
        offset,
        size,
        len: len as u64,
    })?;
    let mem_size: u64 = entry.p_memsz(endian).into();
    if mem_size < size {
        return Err(ImageError::Malformed {
            what: "a loadable segment is larger in the file than in memory",
            offset,
        });
    }
    let flags = entry.p_flags(endian);
    Ok(Segment {
        addr: FileAddr::new(entry.p_vaddr(endian).into()),
        mem_size,
        file_range,
        read: flags & elf::PF_R != 0,
        write: flags & elf::PF_W != 0,
        execute: flags & elf::PF_X != 0,
    })
}

/// Where the byte at the file offset `offset` is loaded.
fn loaded_at(segments: &[Segment], offset: u64) -> Option<FileAddr> {
    let offset = usize::try_from(offset).ok()?;
    let segment = segments
        .iter()
        .find(|segment| segment.file_range.contains(&offset))?;
    Some(
        segment
            .addr
            .offset((offset - segment.file_range.start) as u64),
    )
}

/// The sections; none if their table cannot be read.
fn sections<E>(header: &E, endian: object::Endianness, bytes: &[u8]) -> Vec<Section>
where
    E: FileHeader<Endian = object::Endianness>,
{
    let Ok(table) = header.sections(endian, bytes) else {
        return Vec::new();
    };
    let names = header
        .shstrndx(endian, bytes)
        .ok()
        .and_then(|index| table.section(object::SectionIndex(index as usize)).ok())
        .and_then(|entry| entry.data(endian, bytes).ok())
        .unwrap_or_default();
    table
        .iter()
        .map(|entry| {
            let kind = entry.sh_type(endian);
            let file_range = match kind {
                elf::SHT_NOBITS => Some(0..0),
                _ => range(
                    entry.sh_offset(endian).into(),
                    entry.sh_size(endian).into(),
                    bytes.len(),
                ),
            };
            Section {
                name: name(names, entry.sh_name(endian)),
                kind,
                flags: entry.sh_flags(endian).into(),
                addr: FileAddr::new(entry.sh_addr(endian).into()),
                file_range,
                link: entry.sh_link(endian),
            }
        })
        .collect()
}

/// A section's name; cut off where it is longer than any that is asked for, for in a hostile file each
/// of 65,535 names may be as long as the file.
fn name(names: &[u8], at: u32) -> Vec<u8> {
    let rest = names.get(at as usize..).unwrap_or_default();
    let rest = rest.get(..MAX_SECTION_NAME).unwrap_or(rest);
    rest.split(|&byte| byte == 0)
        .next()
        .unwrap_or_default()
        .to_vec()
}

/// `offset..offset + size`, if that lies within a file of `len` bytes.
fn range(offset: u64, size: u64, len: usize) -> Option<Range<usize>> {
    let end = usize::try_from(offset.checked_add(size)?).ok()?;
    (end <= len).then_some(usize::try_from(offset).ok()?..end)
}

/// Go's name for a machine: cmd/link/internal/ld/elf.go, go1.24, `Elfinit` and `asmbElf`.
fn goarch(machine: u16, order: Order) -> Option<&'static str> {
    Some(match (machine, order.word, order.little) {
        (elf::EM_X86_64, 8, true) => "amd64",
        (elf::EM_386, 4, true) => "386",
        (elf::EM_AARCH64, 8, true) => "arm64",
        (elf::EM_ARM, 4, true) => "arm",
        (elf::EM_PPC64, 8, true) => "ppc64le",
        (elf::EM_PPC64, 8, false) => "ppc64",
        (elf::EM_S390, 8, false) => "s390x",
        (elf::EM_RISCV, 8, true) => "riscv64",
        (elf::EM_LOONGARCH, 8, true) => "loong64",
        (elf::EM_MIPS, 8, true) => "mips64le",
        (elf::EM_MIPS, 8, false) => "mips64",
        (elf::EM_MIPS, 4, true) => "mipsle",
        (elf::EM_MIPS, 4, false) => "mips",
        _ => return None,
    })
}

fn machine_name(machine: u16) -> String {
    match machine {
        elf::EM_386 => "386".into(),
        elf::EM_ARM => "arm".into(),
        elf::EM_MIPS => "mips".into(),
        elf::EM_X86_64 => "x86-64".into(),
        elf::EM_AARCH64 => "arm64".into(),
        elf::EM_PPC => "ppc".into(),
        elf::EM_PPC64 => "ppc64".into(),
        elf::EM_S390 => "s390".into(),
        elf::EM_RISCV => "riscv".into(),
        elf::EM_LOONGARCH => "loongarch".into(),
        elf::EM_SPARCV9 => "sparc64".into(),
        elf::EM_BPF => "bpf".into(),
        other => format!("ELF machine {other}"),
    }
}

fn file_kind(kind: u16) -> String {
    match kind {
        elf::ET_REL => "an object file".into(),
        elf::ET_CORE => "a core file".into(),
        other => format!("an ELF file of type {other}"),
    }
}
