//! Notes of the executable, as they lie in the memory of the program that runs it.

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader};

use crate::{Addr, Fault, Target};

/// Kinds of entries of the auxiliary vector: address, size and number of the program headers.
pub(crate) const AT_PHDR: u64 = 3;
const AT_PHENT: u64 = 4;
const AT_PHNUM: u64 = 5;

/// No executable has more program headers (real ones have about ten).
const MOST_HEADERS: u64 = 1024;

/// Longer segments of notes are read up to here: build ids are well before.
const LONGEST_NOTES: u64 = 64 << 10;

/// A note of an ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfNote {
    /// Who defined it: `GNU`, `Go`.
    pub name: Vec<u8>,
    /// Its type, by that definer's numbers.
    pub kind: u32,
    /// Its contents.
    pub desc: Vec<u8>,
}

/// What tells one build of a program from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildIds {
    /// The GNU build id (made by an external linker, or by Go's with `-B`).
    pub gnu: Option<Vec<u8>>,
    /// The Go build id: text, four parts with slashes between them.
    pub go: Option<Vec<u8>>,
}

impl BuildIds {
    /// Picks the ids out of notes, of memory or of a file.
    pub fn of<'n>(notes: impl IntoIterator<Item = &'n ElfNote>) -> BuildIds {
        let mut ids = BuildIds::default();
        for note in notes {
            match (note.name.as_slice(), note.kind) {
                (b"GNU", elf::NT_GNU_BUILD_ID) => ids.gnu = Some(note.desc.clone()),
                (b"Go", elf::NT_GO_BUILD_ID) => ids.go = Some(note.desc.clone()),
                _ => {}
            }
        }
        ids
    }

    /// Whether both are of one build; `None` if they have no kind of id in common.
    pub fn same_build(&self, other: &BuildIds) -> Option<bool> {
        let same = |a: &Option<Vec<u8>>, b: &Option<Vec<u8>>| Some(a.as_ref()? == b.as_ref()?);
        let (gnu, go) = (same(&self.gnu, &other.gnu), same(&self.go, &other.go));
        match (gnu, go) {
            (None, None) => None,
            (gnu, go) => Some(gnu != Some(false) && go != Some(false)),
        }
    }
}

/// Why the notes of the executable cannot be found in memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotesError {
    /// The auxiliary vector does not tell where the program headers are.
    #[error("the auxiliary vector does not tell where the program headers are")]
    NoHeaders,
    /// The auxiliary vector, a program header or a note makes no sense.
    #[error("at {at}: {what}")]
    Malformed {
        /// Where.
        at: Addr,
        /// What is wrong there.
        what: &'static str,
    },
    /// They cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The notes of the executable of `target`, from its memory: they tell which build of a program
/// runs (see [`BuildIds`]), even where only a core is left. The first page of an executable is in
/// a core by default, and the build ids are in that.
///
/// # Errors
/// [`NotesError`]. A program without notes is none: the list is empty.
pub fn loaded_notes<T: Target + ?Sized>(target: &T) -> Result<Vec<ElfNote>, NotesError> {
    match target.machine().data_model().word {
        4 => notes_by_auxv::<FileHeader32<Endianness>, T>(target),
        _ => notes_by_auxv::<FileHeader64<Endianness>, T>(target),
    }
}

/// The same of any ELF file that is loaded: `start` is where its first byte lies.
///
/// # Errors
/// As [`loaded_notes`].
pub fn notes_of_object<T: Target + ?Sized>(
    target: &T,
    start: Addr,
) -> Result<Vec<ElfNote>, NotesError> {
    match target.machine().data_model().word {
        4 => notes_by_header::<FileHeader32<Endianness>, T>(target, start),
        _ => notes_by_header::<FileHeader64<Endianness>, T>(target, start),
    }
}

/// The notes of the program whose headers the auxiliary vector tells of.
fn notes_by_auxv<E, T>(target: &T) -> Result<Vec<ElfNote>, NotesError>
where
    E: FileHeader<Endian = Endianness>,
    T: Target + ?Sized,
{
    let value = |kind| {
        let (_, value) = target.auxv().iter().find(|&&(k, _)| k == kind)?;
        Some(*value)
    };
    let at = Addr::new(value(AT_PHDR).ok_or(NotesError::NoHeaders)?);
    let size = size_of::<E::ProgramHeader>() as u64;
    if value(AT_PHENT).is_some_and(|told| told != size) {
        let what = "program headers of an unknown size";
        return Err(NotesError::Malformed { at, what });
    }
    let count = value(AT_PHNUM).ok_or(NotesError::NoHeaders)?;
    notes_of::<E, T>(target, at, count)
}

/// The notes of the object whose ELF header lies at `start`.
fn notes_by_header<E, T>(target: &T, start: Addr) -> Result<Vec<ElfNote>, NotesError>
where
    E: FileHeader<Endian = Endianness>,
    T: Target + ?Sized,
{
    let malformed = |what| NotesError::Malformed { at: start, what };
    let mut bytes = vec![0; size_of::<E>()];
    target.read(start, &mut bytes)?;
    let header = E::parse(&*bytes).map_err(|_| malformed("no ELF header of its kind"))?;
    let endian = endian(target);
    if header.endian() != Ok(endian) {
        return Err(malformed("an ELF header of another byte order"));
    }
    if usize::from(header.e_phentsize(endian)) != size_of::<E::ProgramHeader>() {
        return Err(malformed("program headers of an unknown size"));
    }
    let at = start.offset(header.e_phoff(endian).into());
    notes_of::<E, T>(target, at, header.e_phnum(endian).into())
}

/// The notes of the object whose `count` program headers lie at `at`.
fn notes_of<E, T>(target: &T, at: Addr, count: u64) -> Result<Vec<ElfNote>, NotesError>
where
    E: FileHeader<Endian = Endianness>,
    T: Target + ?Sized,
{
    let endian = endian(target);
    let headers = program_headers::<E, T>(target, at, count)?;
    let Some(bias) = load_bias::<E>(at, &headers, endian) else {
        return Err(NotesError::Malformed {
            at,
            what: "no program header tells where the program was loaded",
        });
    };
    let mut notes = Vec::new();
    for header in &headers {
        if header.p_type(endian) != elf::PT_NOTE {
            continue;
        }
        let at = Addr::new(header.p_vaddr(endian).into()).offset(bias);
        let size: u64 = header.p_memsz(endian).into();
        let mut bytes = vec![0; size.min(LONGEST_NOTES) as usize];
        target.read(at, &mut bytes)?;
        let malformed = |what| NotesError::Malformed { at, what };
        let iterator: NoteIterator<'_, E> =
            NoteIterator::new(endian, header.p_align(endian), &bytes)
                .map_err(|_| malformed("notes of an odd alignment"))?;
        for note in iterator {
            // A segment longer than the limit ends in the middle of a note.
            let Ok(note) = note else { break };
            notes.push(ElfNote {
                name: note.name().to_vec(),
                kind: note.n_type(endian),
                desc: note.desc().to_vec(),
            });
        }
    }
    Ok(notes)
}

/// The `count` program headers at `at`.
fn program_headers<E, T>(
    target: &T,
    at: Addr,
    count: u64,
) -> Result<Vec<E::ProgramHeader>, NotesError>
where
    E: FileHeader<Endian = Endianness>,
    T: Target + ?Sized,
{
    let malformed = |what| NotesError::Malformed { at, what };
    if count > MOST_HEADERS {
        return Err(malformed("an absurd number of program headers"));
    }
    let mut bytes = vec![0; count as usize * size_of::<E::ProgramHeader>()];
    target.read(at, &mut bytes)?;
    let (headers, _) = object::slice_from_bytes(&bytes, count as usize)
        .map_err(|()| malformed("program headers of an unknown size"))?;
    Ok(headers.to_vec())
}

fn endian<T: Target + ?Sized>(target: &T) -> Endianness {
    match target.machine().data_model().is_little() {
        true => Endianness::Little,
        false => Endianness::Big,
    }
}

/// How much further up than its file says the program was loaded (wrapping).
fn load_bias<E>(at: Addr, headers: &[E::ProgramHeader], endian: Endianness) -> Option<u64>
where
    E: FileHeader<Endian = Endianness>,
{
    let find =
        |wanted: &dyn Fn(&E::ProgramHeader) -> bool| headers.iter().find(|header| wanted(header));
    if let Some(header) = find(&|header| header.p_type(endian) == elf::PT_PHDR) {
        return Some(at.get().wrapping_sub(header.p_vaddr(endian).into()));
    }
    let starts = |h: &E::ProgramHeader| h.p_offset(endian).into() == 0;
    let first = find(&|h| h.p_type(endian) == elf::PT_LOAD && starts(h))?;
    // The program headers are behind the header in every ELF file that a linker writes.
    let start = at.get().wrapping_sub(size_of::<E>() as u64);
    Some(start.wrapping_sub(first.p_vaddr(endian).into()))
}
