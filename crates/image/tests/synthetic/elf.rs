//! Writes small ELF files, by elf(5). Shares no code with the reader.

/// A section to write.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    /// Where it is loaded, if it is.
    pub(crate) addr: u64,
    pub(crate) link: u32,
    pub(crate) data: Vec<u8>,
}

pub(crate) const PROGBITS: u32 = 1;
pub(crate) const SYMTAB: u32 = 2;
pub(crate) const STRTAB: u32 = 3;
pub(crate) const NOTE: u32 = 7;
pub(crate) const COMPRESSED: u64 = 0x800;

/// A section that is not loaded.
pub(crate) fn section(name: &'static str, data: Vec<u8>) -> Section {
    Section {
        name,
        kind: PROGBITS,
        flags: 0,
        addr: 0,
        link: 0,
        data,
    }
}

/// A file of 64-bit ELF. Sections with an address are in one writable segment each.
pub(crate) struct Elf {
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    pub(crate) little: bool,
    pub(crate) sections: Vec<Section>,
}

impl Elf {
    pub(crate) fn amd64(sections: Vec<Section>) -> Elf {
        Elf {
            kind: 2,
            machine: 62,
            little: true,
            sections,
        }
    }

    fn int(&self, out: &mut Vec<u8>, value: u64, size: usize) {
        match self.little {
            true => out.extend(&value.to_le_bytes()[..size]),
            false => out.extend(&value.to_be_bytes()[8 - size..]),
        }
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let loaded = self
            .sections
            .iter()
            .filter(|section| section.addr != 0)
            .count();
        let mut names = vec![0u8];
        let mut body = Vec::new();
        let body_at = 64 + 56 * loaded;
        let (mut headers, mut segments) = (vec![0; 64], Vec::new());
        for section in &self.sections {
            let offset = (body_at + body.len()) as u64;
            let size = section.data.len() as u64;
            self.int(&mut headers, names.len() as u64, 4);
            self.int(&mut headers, section.kind.into(), 4);
            self.int(&mut headers, section.flags, 8);
            self.int(&mut headers, section.addr, 8);
            self.int(&mut headers, offset, 8);
            self.int(&mut headers, size, 8);
            self.int(&mut headers, section.link.into(), 4);
            self.int(&mut headers, 0, 4);
            self.int(&mut headers, 1, 8);
            self.int(&mut headers, if section.kind == SYMTAB { 24 } else { 0 }, 8);
            names.extend(section.name.as_bytes());
            names.push(0);
            body.extend(&section.data);
            if section.addr != 0 {
                self.int(&mut segments, 1, 4);
                self.int(&mut segments, 6, 4);
                for value in [offset, section.addr, section.addr, size, size, 1] {
                    self.int(&mut segments, value, 8);
                }
            }
        }
        let offset = (body_at + body.len()) as u64;
        self.int(&mut headers, names.len() as u64, 4);
        self.int(&mut headers, STRTAB.into(), 4);
        for value in [0, 0, offset, names.len() as u64 + 10] {
            self.int(&mut headers, value, 8);
        }
        self.int(&mut headers, 0, 8);
        self.int(&mut headers, 1, 8);
        self.int(&mut headers, 0, 8);
        names.extend(b".shstrtab\0");
        let headers_at = offset + names.len() as u64;

        let mut out = b"\x7fELF\x02".to_vec();
        out.push(if self.little { 1 } else { 2 });
        out.push(1);
        out.resize(16, 0);
        self.int(&mut out, self.kind.into(), 2);
        self.int(&mut out, self.machine.into(), 2);
        self.int(&mut out, 1, 4);
        self.int(&mut out, 0x40_1234, 8);
        self.int(&mut out, 64, 8);
        self.int(&mut out, headers_at, 8);
        self.int(&mut out, 0, 4);
        let sections = self.sections.len() as u64 + 2;
        for value in [64, 56, loaded as u64, 64, sections, sections - 1] {
            self.int(&mut out, value, 2);
        }
        for part in [segments, body, names, headers] {
            out.extend(part);
        }
        out
    }
}
