//! What the dynamic linker writes into a position-independent executable.
//!
//! The tables are sections, and those that it uses itself are named by the dynamic segment as well
//! (elf(5): `PT_DYNAMIC`). A file whose section headers were taken away has the latter alone.

use std::ops::Deref;

use object::elf;

use super::Executable;
use crate::FileAddr;

/// Entries of a dynamic segment that are looked at. Linkers write some thirty.
const MOST_ENTRIES: usize = 1 << 10;

/// What a table has per entry.
#[derive(Clone, Copy)]
struct Form {
    /// The kind of its section.
    kind: u32,
    /// What the dynamic segment calls its address and its size.
    tags: (u32, u32),
    /// Words of an entry.
    words: usize,
    /// The bits of the second word that tell what is to be done.
    info: u64,
}

/// elf.h: Elf64_Rela is offset u64, info u64, addend i64.
const WITH_ADDEND: Form = Form {
    kind: elf::SHT_RELA,
    tags: (elf::DT_RELA, elf::DT_RELASZ),
    words: 3,
    info: 0xffff_ffff,
};

/// elf.h: Elf32_Rel, which the 32-bit processors have, is offset u32, info u32: the addend is what the
/// file has there.
const WITHOUT: Form = Form {
    kind: elf::SHT_REL,
    tags: (elf::DT_REL, elf::DT_RELSZ),
    words: 2,
    info: 0xff,
};

impl<D: Deref<Target = [u8]>> Executable<D> {
    /// What the dynamic linker writes where the file has nothing to be relied on: addresses of the
    /// file, and the addresses of the file that words there point to once all are moved by the load
    /// bias (`R_X86_64_RELATIVE` and its like). By address; none but in a position-independent
    /// executable.
    pub fn relocations(&self) -> Vec<(FileAddr, FileAddr)> {
        let order = self.order;
        let form = match order.word {
            4 => WITHOUT,
            _ => WITH_ADDEND,
        };
        let size = form.words * order.word_size();
        let relative = match self.goarch {
            "386" => elf::R_386_RELATIVE,
            "amd64" => elf::R_X86_64_RELATIVE,
            "arm" => elf::R_ARM_RELATIVE,
            "arm64" => elf::R_AARCH64_RELATIVE,
            "riscv64" => elf::R_RISCV_RELATIVE,
            "s390x" => elf::R_390_RELATIVE,
            "ppc64" | "ppc64le" => elf::R_PPC64_RELATIVE,
            "loong64" => elf::R_LARCH_RELATIVE,
            _ => return Vec::new(),
        };
        if !self.pie {
            return Vec::new();
        }
        let mut found = Vec::new();
        // In a hostile file a thousand sections could show the same bytes.
        let mut room = self.data.len();
        for bytes in self.relocation_tables(form) {
            for entry in bytes.chunks_exact(size) {
                let Some(left) = room.checked_sub(size) else {
                    break;
                };
                room = left;
                let word = |index| order.address(entry, index * order.word_size());
                if word(1).unwrap_or(0) & form.info != u64::from(relative) {
                    continue;
                }
                let at = FileAddr::new(word(0).unwrap_or(0));
                let to = match form.words {
                    3 => word(2),
                    _ => self.rest_at(at).and_then(|rest| order.address(rest, 0)),
                };
                found.push((at, FileAddr::new(to.unwrap_or(0))));
            }
        }
        found.sort_unstable();
        found
    }

    /// The tables of this form that are loaded, and so for the dynamic linker: those of object files
    /// are not applied again.
    fn relocation_tables(&self, form: Form) -> Vec<&[u8]> {
        let is_loaded = |flags: u64| flags & u64::from(elf::SHF_ALLOC) != 0;
        let sections = self.sections.iter();
        let sections = sections.filter(|part| part.kind == form.kind && is_loaded(part.flags));
        let of_sections: Vec<&[u8]> = sections
            .filter_map(|section| self.data.get(section.file_range.clone()?))
            .collect();
        match of_sections.is_empty() {
            true => self.table_of_segment(form).into_iter().collect(),
            false => of_sections,
        }
    }

    /// The table that the dynamic segment names.
    fn table_of_segment(&self, form: Form) -> Option<&[u8]> {
        let bytes = self.data.get(self.dynamic.clone()?)?;
        let word = self.order.word_size();
        let (mut table, mut size) = (None, None);
        // elf.h: Elf64_Dyn is a tag and a value, one word each.
        for entry in bytes.chunks_exact(2 * word).take(MOST_ENTRIES) {
            let value = self.order.address(entry, word);
            match self.order.address(entry, 0)? {
                tag if tag == u64::from(elf::DT_NULL) => break,
                tag if tag == u64::from(form.tags.0) => table = value,
                tag if tag == u64::from(form.tags.1) => size = value,
                _ => {}
            }
        }
        self.bytes_at(FileAddr::new(table?), size?).ok()
    }
}
