//! Tables written by hand, in every form; tables of real programs are in `tests/go_programs.rs`.

use super::{Func, FuncId, FuncIds, FuncTable, PclntabError, TextOffset};

/// Writes a function table from scratch, by the description in runtime/symtab.go.
struct Builder {
    magic: u32,
    little: bool,
    pointer_size: u8,
    quantum: u8,
    text: u64,
}

const GO_1_16: u32 = 0xffff_fffa;
const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;

/// Every form that is read: magic, byte order, size of a pointer.
const FORMS: [(u32, bool, u8); 9] = [
    (GO_1_16, true, 8),
    (GO_1_16, false, 4),
    (GO_1_18, true, 8),
    (GO_1_18, true, 4),
    (GO_1_18, false, 8),
    (GO_1_20, true, 8),
    (GO_1_20, true, 4),
    (GO_1_20, false, 8),
    (GO_1_20, false, 4),
];

impl Builder {
    fn new(magic: u32, little: bool, pointer_size: u8) -> Builder {
        Builder {
            magic,
            little,
            pointer_size,
            quantum: 1,
            text: 0x40_1000,
        }
    }

    fn u32(&self, out: &mut Vec<u8>, value: u32) {
        match self.little {
            true => out.extend(value.to_le_bytes()),
            false => out.extend(value.to_be_bytes()),
        }
    }

    fn word(&self, out: &mut Vec<u8>, value: u64) {
        match (self.pointer_size, self.little) {
            (4, _) => self.u32(out, value as u32),
            (_, true) => out.extend(value.to_le_bytes()),
            (_, false) => out.extend(value.to_be_bytes()),
        }
    }

    /// A program counter: an address until go1.17, an offset since.
    fn pc(&self, out: &mut Vec<u8>, offset: u64) {
        match self.magic {
            GO_1_16 => self.word(out, self.text + offset),
            _ => self.u32(out, offset as u32),
        }
    }

    /// Three functions: `main.a` at 0, `main.b` at 0x40, an unnamed one at 0x60, end at 0x80.
    /// All share their pc-value tables.
    fn build(&self) -> Vec<u8> {
        // Offset 0 is no name and no table.
        let names = b"\0main.a\0main.b\0";
        let files = b"/src/a.go\0/src/b.go\0";
        let mut pctab = vec![0];
        let spdelta = pctab.len() as u32;
        // -1 to 0 for 8 units, to 32 for 16, to 0 for 8.
        pctab.extend([2, 8, 64, 16, 63, 8, 0]);
        let line = pctab.len() as u32;
        // -1 to 300 (two bytes) for 32 units.
        pctab.extend([0xda, 0x04, 32, 0]);
        let file = pctab.len() as u32;
        // -1 to 1 for 32 units.
        pctab.extend([4, 32, 0]);
        let minus_one = pctab.len() as u32;
        // The first change is zero, and does not end the table.
        pctab.extend([0, 4, 2, 28, 0]);

        let mut funcs = Vec::new();
        let field = if self.magic == GO_1_16 {
            self.pointer_size as usize
        } else {
            4
        };
        let ftab = 7 * field;
        let mut bodies = Vec::new();
        let mut at = Vec::new();
        for (entry, name, func_id) in [(0u64, 1u32, 0u8), (0x40, 8, 7), (0x60, 0, 21)] {
            // cmd/link/internal/ld/pcln.go: `calculateFunctabSize`.
            while !(ftab + bodies.len()).is_multiple_of(self.pointer_size.into()) {
                bodies.push(0);
            }
            at.push((entry, (ftab + bodies.len()) as u64));
            self.pc(&mut bodies, entry);
            for value in [name, 24, 5, spdelta, file, line, 2, 1] {
                self.u32(&mut bodies, value);
            }
            if self.magic == GO_1_20 {
                self.u32(&mut bodies, 299);
            }
            bodies.extend([func_id, 1, 0, 2]);
            for value in [0, minus_one, 0x1234, u32::MAX] {
                self.u32(&mut bodies, value);
            }
        }
        for (entry, offset) in at {
            self.pc(&mut funcs, entry);
            match self.magic {
                GO_1_16 => self.word(&mut funcs, offset),
                _ => self.u32(&mut funcs, offset as u32),
            }
        }
        self.pc(&mut funcs, 0x80);
        funcs.extend(bodies);

        let mut cutab = Vec::new();
        for value in [u32::MAX, u32::MAX, 10] {
            self.u32(&mut cutab, value);
        }
        let words: u64 = if self.magic == GO_1_16 { 7 } else { 8 };
        let mut next = 8 + words * u64::from(self.pointer_size);
        let mut out = Vec::new();
        self.u32(&mut out, self.magic);
        out.extend([0, 0, self.quantum, self.pointer_size]);
        self.word(&mut out, 3);
        self.word(&mut out, 2);
        if self.magic != GO_1_16 {
            self.word(&mut out, self.text);
        }
        let parts: [&[u8]; 5] = [names, &cutab, files, &pctab, &funcs];
        for part in parts {
            self.word(&mut out, next);
            next += part.len() as u64;
        }
        for part in parts {
            out.extend(part);
        }
        out
    }
}

fn at(pc: u64) -> TextOffset {
    TextOffset::new(pc)
}

#[test]
fn every_form_says_the_same() {
    for (magic, little, pointer_size) in FORMS {
        let bytes = Builder::new(magic, little, pointer_size).build();
        let table = FuncTable::parse(&bytes).expect("a table");
        assert_eq!(table.func_count(), 3);
        assert_eq!(table.text_start(), Some(0x40_1000));
        assert_eq!(table.text_end(), at(0x80));
        assert_eq!(table.funcs().count(), 3);
        let name = |pc| {
            table
                .find(at(pc))
                .map(|func| String::from_utf8_lossy(func.name()).into())
        };
        assert_eq!(name(0), Some("main.a".to_owned()));
        assert_eq!(name(0x3f), Some("main.a".to_owned()));
        assert_eq!(name(0x40), Some("main.b".to_owned()));
        assert_eq!(name(0x7f), Some(String::new()));
        assert_eq!(name(0x80), None);
        assert_eq!(name(u64::MAX), None);

        let func = table.find(at(0x45)).expect("main.b");
        assert_eq!((func.entry(), func.end()), (at(0x40), at(0x60)));
        assert_eq!(
            (func.args_size(), func.deferreturn(), func.flag()),
            (24, 5, 1)
        );
        assert_eq!(func.start_line(), (magic == GO_1_20).then_some(299));
        assert_eq!(
            FuncId::from_raw(func.func_id(), FuncIds::Go119),
            Some(FuncId::goexit)
        );
        let frames = [0x40, 0x47, 0x48, 0x57, 0x58, 0x5f].map(|pc| func.sp_delta(at(pc)));
        assert_eq!(frames, [Ok(0), Ok(0), Ok(32), Ok(32), Ok(0), Ok(0)]);
        assert!(matches!(
            func.sp_delta(at(0x60)),
            Err(PclntabError::NoValue { .. })
        ));
        assert_eq!(func.file_line(at(0x41)), Ok((&b"/src/b.go"[..], 300)));
        assert_eq!(func.pcdata(0, at(0x41)), Ok(-1));
        assert_eq!(func.pcdata(1, at(0x43)), Ok(-1));
        assert_eq!(func.pcdata(1, at(0x44)), Ok(0));
        assert_eq!(func.pcdata(2, at(0x44)), Ok(-1));
        let expected = (magic != GO_1_16).then_some(0x1234);
        assert_eq!(func.funcdata(0), Ok(expected));
        assert_eq!(
            [1, 2, 255].map(|index| func.funcdata(index).unwrap()),
            [None; 3]
        );
    }
}

/// What garble makes of a table: entries with `name * key`, and any magic number.
fn garbled(key: impl Fn(usize) -> u32) -> Vec<u8> {
    let mut bytes = Builder::new(GO_1_20, true, 8).build();
    let table = FuncTable::parse(&bytes).expect("a table");
    let start = table.header.funcs as usize;
    let places: Vec<usize> = (0..3)
        .map(|index| start + table.func_offset(index).expect("a function"))
        .collect();
    for (index, at) in places.into_iter().enumerate() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let entry = word(at) ^ word(at + 4).wrapping_mul(key(index));
        bytes[at..at + 4].copy_from_slice(&entry.to_le_bytes());
    }
    bytes[..4].copy_from_slice(&0x1234_5679_u32.to_le_bytes());
    bytes
}

#[test]
fn encrypted_entries_are_known_without_the_key() {
    for key in [1, 2, 0x8000_0001, 0x9e37_79b1, u32::MAX] {
        let bytes = garbled(|_| key);
        let table = FuncTable::parse(&bytes).expect("a table");
        let again = FuncTable::with_header(&bytes, table.header()).expect("the same");
        for table in [table, again] {
            let entries: Vec<u64> = table.funcs().map(|func| func.entry().get()).collect();
            assert_eq!(entries, [0, 0x40, 0x60]);
            let func = table.find(at(0x41)).expect("main.b");
            assert_eq!(
                (func.name(), func.start_line()),
                (&b"main.b"[..], Some(299))
            );
            assert_eq!(func.sp_delta(at(0x48)), Ok(32));
        }
    }
}

/// An unknown number alone may be that of a later Go, whose table is another one.
#[test]
fn another_number_without_encryption_is_refused() {
    let bytes = garbled(|_| 0);
    let error = FuncTable::parse(&bytes).expect_err("plain entries");
    assert_eq!(error, PclntabError::Magic { found: 0x1234_5679 });
}

#[test]
fn functions_that_disagree_on_the_key_are_refused() {
    // `main.a`, whose name's offset is odd, tells the key; `main.b` has 8, and three bits more do not
    // matter to it; the unnamed one is not encrypted.
    for (index, other) in [(0, 0x9e37_79b0), (1, 0x9e37_79b0)] {
        let bytes = garbled(|function| match function == index {
            true => other,
            false => 0x9e37_79b1,
        });
        let error = FuncTable::parse(&bytes).expect_err("two keys");
        assert!(
            matches!(error, PclntabError::Encryption { index: 1, .. }),
            "{error}"
        );
    }
    // A struct that is not where the one before it ends.
    let mut bytes = garbled(|_| 0x9e37_79b1);
    let table = FuncTable::parse(&bytes).expect("a table");
    let (start, offset) = (table.header.funcs as usize, table.func_offset(0).unwrap());
    let lists = start + offset + 4 * 7;
    bytes[lists] = 0;
    let error = FuncTable::parse(&bytes).expect_err("a shorter struct");
    assert!(matches!(error, PclntabError::Encryption { .. }), "{error}");
}

#[test]
fn instruction_size_scales_program_counters() {
    let builder = Builder {
        quantum: 4,
        ..Builder::new(GO_1_20, true, 8)
    };
    let bytes = builder.build();
    let table = FuncTable::parse(&bytes).expect("a table");
    let func = table.find(at(0)).expect("main.a");
    let frames = [0x1f, 0x20, 0x3f].map(|pc| func.sp_delta(at(pc)));
    assert_eq!(frames, [Ok(0), Ok(32), Ok(32)]);
}

#[test]
fn errors_name_what_is_wrong() {
    let bytes = Builder::new(GO_1_20, true, 8).build();
    let fails = |bytes: &[u8]| FuncTable::parse(bytes).expect_err("no table").to_string();
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        fails(&bytes)
    };
    assert_eq!(
        fails(b""),
        "pclntab is cut off: the header needs 8 bytes at offset 0x0 of 0x0"
    );
    assert_eq!(
        fails(&bytes[..20]),
        "pclntab is cut off: the header needs 72 bytes at offset 0x0 of 0x14"
    );
    assert_eq!(
        changed(0, &[0xfb]),
        "pclntab of go1.2 to go1.15 (magic 0xfffffffb) is not supported: go1.16 is the oldest"
    );
    assert_eq!(
        changed(0, b"\x7fELF"),
        "pclntab begins with 0x464c457f, which is no magic number of Go's"
    );
    assert_eq!(
        changed(7, &[5]),
        "pclntab header: the pointer size is 5 at offset 0x7"
    );
    assert_eq!(
        changed(6, &[3]),
        "pclntab header: the instruction size is 3 at offset 0x6"
    );
    assert!(changed(8, &[0xff; 8]).starts_with("pclntab header: the number of functions is"));
    assert!(changed(8, &[100]).starts_with("pclntab is cut off: the function table"));
    assert!(changed(32, &[0xff; 8]).starts_with("pclntab is cut off: the names of functions"));
}

/// A table of steps that go nowhere ends where its function has no more room for steps.
#[test]
fn a_table_cannot_keep_a_reader_busy() {
    let mut bytes = Builder::new(GO_1_20, true, 8).build();
    let table = FuncTable::parse(&bytes).expect("a table");
    let (pctab, funcs) = (table.header.pctab as usize, table.funcs.to_vec());
    // From offset 1 on, where all functions' frame sizes are: change by 1, for no units, again and
    // again; and behind that the functions.
    bytes.truncate(pctab + 1);
    bytes.extend([2u8, 0].repeat(1 << 20));
    let moved = bytes.len() as u64;
    bytes.extend(funcs);
    bytes[64..72].copy_from_slice(&moved.to_le_bytes());
    let table = FuncTable::parse(&bytes).expect("a table");
    let func = table.find(at(0)).expect("main.a");
    assert!(matches!(
        func.sp_delta(at(3)),
        Err(PclntabError::NoValue { .. })
    ));
}

#[test]
fn numbers_of_special_functions() {
    use FuncIds::{Go119, Go122, Go125};
    let number = |ids, id| (0..=255).find(|&raw| FuncId::from_raw(raw, ids) == Some(id));
    assert_eq!(number(Go119, FuncId::wrapper), Some(21));
    assert_eq!(number(Go119, FuncId::runfinq), Some(16));
    assert_eq!(number(Go119, FuncId::corostart), None);
    assert_eq!(number(Go122, FuncId::goexit), Some(8));
    assert_eq!(number(Go122, FuncId::wrapper), Some(22));
    assert_eq!(number(Go125, FuncId::runfinq), None);
    assert_eq!(number(Go125, FuncId::runFinalizers), Some(18));
    assert_eq!(number(Go125, FuncId::wrapper), Some(23));
    assert_eq!(FuncId::from_raw(24, Go125), None);
}

/// Whatever one byte is changed to, nothing panics.
#[test]
fn any_single_byte_may_change() {
    for (magic, little, pointer_size) in FORMS {
        let bytes = Builder::new(magic, little, pointer_size).build();
        for position in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[position] = value;
                exercise(&changed);
            }
        }
        for length in 0..bytes.len() {
            exercise(&bytes[..length]);
        }
    }
    let bytes = garbled(|_| 0x9e37_79b1);
    for position in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[position] = value;
            exercise(&changed);
        }
    }
    for length in 0..bytes.len() {
        exercise(&bytes[..length]);
    }
}

fn exercise(bytes: &[u8]) {
    let Ok(table) = FuncTable::parse(bytes) else {
        return;
    };
    for pc in (0..0x90).chain([u64::MAX]) {
        if let Some(func) = table.find(at(pc)) {
            ask_everything(&func, at(pc));
        }
    }
}

fn ask_everything(func: &Func<'_>, pc: TextOffset) {
    let _ = (
        func.name(),
        func.args_size(),
        func.deferreturn(),
        func.func_id(),
        func.flag(),
    );
    let _ = (func.start_line(), func.sp_delta(pc), func.file_line(pc));
    for index in 0..6 {
        let _ = (func.pcdata(index.into(), pc), func.funcdata(index));
    }
}
