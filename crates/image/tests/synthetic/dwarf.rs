//! Writes the little DWARF that the tests need, by the standard (versions 4 and 5), as Go's linker
//! arranges it. Shares no code with the reader.

/// Attribute values, with the forms that Go's linker uses.
#[derive(Clone)]
pub(crate) enum Value {
    /// `DW_FORM_string`.
    Text(&'static str),
    /// `DW_FORM_udata`.
    Number(u64),
    /// `DW_FORM_sdata`.
    Signed(i64),
    /// `DW_FORM_ref_addr`: to the entry with this label.
    To(&'static str),
}

pub(crate) const NAME: u64 = 0x03;
pub(crate) const SIZE: u64 = 0x0b;
pub(crate) const LANGUAGE: u64 = 0x13;
pub(crate) const CONST: u64 = 0x1c;
pub(crate) const PRODUCER: u64 = 0x25;
pub(crate) const COUNT: u64 = 0x37;
pub(crate) const LOCATION: u64 = 0x38;
pub(crate) const TYPE: u64 = 0x49;

pub(crate) const UNIT: u64 = 0x11;
pub(crate) const STRUCT: u64 = 0x13;
pub(crate) const MEMBER: u64 = 0x0d;
pub(crate) const POINTER: u64 = 0x0f;
pub(crate) const TYPEDEF: u64 = 0x16;
pub(crate) const BASE: u64 = 0x24;
pub(crate) const ARRAY: u64 = 0x01;
pub(crate) const SUBRANGE: u64 = 0x21;
pub(crate) const CONSTANT: u64 = 0x27;

/// An entry; `label` names it for references.
pub(crate) struct Entry {
    pub(crate) label: &'static str,
    pub(crate) tag: u64,
    pub(crate) attributes: Vec<(u64, Value)>,
    pub(crate) children: Vec<Entry>,
}

pub(crate) fn entry(
    tag: u64,
    name: &'static str,
    attributes: &[(u64, Value)],
    children: Vec<Entry>,
) -> Entry {
    let mut all = vec![(NAME, Value::Text(name))];
    all.extend_from_slice(attributes);
    Entry {
        label: name,
        tag,
        attributes: all,
        children,
    }
}

pub(crate) fn member(name: &'static str, offset: u64, target: &'static str) -> Entry {
    let attributes = [(LOCATION, Value::Number(offset)), (TYPE, Value::To(target))];
    Entry {
        label: "",
        ..entry(MEMBER, name, &attributes, Vec::new())
    }
}

/// A compilation unit in the language of this number (Go's is 0x16).
pub(crate) fn unit(name: &'static str, language: u64, children: Vec<Entry>) -> Entry {
    let producer = Value::Text("Go cmd/compile go1.99; test");
    let attributes = [(LANGUAGE, Value::Number(language)), (PRODUCER, producer)];
    Entry {
        label: "",
        ..entry(UNIT, name, &attributes, children)
    }
}

/// `.debug_info` and `.debug_abbrev` of these units.
pub(crate) fn sections(units: &[Entry], version: u16) -> (Vec<u8>, Vec<u8>) {
    let mut writer = Writer {
        version,
        ..Writer::default()
    };
    for unit in units {
        writer.unit(unit);
    }
    // The last entry of a name: a C unit may have one of the same name before it.
    for (at, label) in std::mem::take(&mut writer.fixes) {
        let found = writer
            .labels
            .iter()
            .rev()
            .find(|(known, _)| *known == label);
        let (_, offset) = found.unwrap_or_else(|| panic!("no entry {label}"));
        writer.info[at..at + 4].copy_from_slice(&offset.to_le_bytes());
    }
    writer.abbrev.push(0);
    (writer.info, writer.abbrev)
}

#[derive(Default)]
struct Writer {
    version: u16,
    info: Vec<u8>,
    abbrev: Vec<u8>,
    codes: u64,
    labels: Vec<(&'static str, u32)>,
    fixes: Vec<(usize, &'static str)>,
}

impl Writer {
    fn unit(&mut self, root: &Entry) {
        let start = self.info.len();
        self.info.extend([0; 4]);
        self.info.extend(self.version.to_le_bytes());
        match self.version {
            5 => self.info.extend([1, 8, 0, 0, 0, 0]),
            _ => self.info.extend([0, 0, 0, 0, 8]),
        }
        self.entry(root);
        let length = (self.info.len() - start - 4) as u32;
        self.info[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn entry(&mut self, entry: &Entry) {
        self.labels.push((entry.label, self.info.len() as u32));
        // Every entry has an abbreviation of its own.
        self.codes += 1;
        let codes = self.codes;
        uleb(&mut self.abbrev, codes);
        uleb(&mut self.abbrev, entry.tag);
        self.abbrev.push(u8::from(!entry.children.is_empty()));
        uleb(&mut self.info, codes);
        for (name, value) in &entry.attributes {
            uleb(&mut self.abbrev, *name);
            match value {
                Value::Text(text) => {
                    self.abbrev.push(0x08);
                    self.info.extend(text.as_bytes());
                    self.info.push(0);
                }
                Value::Number(number) => {
                    self.abbrev.push(0x0f);
                    uleb(&mut self.info, *number);
                }
                Value::Signed(number) => {
                    self.abbrev.push(0x0d);
                    sleb(&mut self.info, *number);
                }
                Value::To(label) => {
                    self.abbrev.push(0x10);
                    self.fixes.push((self.info.len(), label));
                    self.info.extend([0; 4]);
                }
            }
        }
        self.abbrev.extend([0, 0]);
        if !entry.children.is_empty() {
            entry.children.iter().for_each(|child| self.entry(child));
            self.info.push(0);
        }
    }
}

fn uleb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn sleb(out: &mut Vec<u8>, mut value: i64) {
    while !(-64..64).contains(&value) {
        out.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value as u8 & 0x7f);
}
