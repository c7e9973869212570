//! Files written by hand: every form that a section can have, and files that are wrong.

mod dwarf;
mod elf;

use std::io::Write as _;

use dwarf::Value::{Number, Signed, To};
use dwarf::{
    ARRAY, BASE, CONST, CONSTANT, COUNT, Entry, POINTER, SIZE, STRUCT, SUBRANGE, TYPE, TYPEDEF,
    entry, member, unit,
};
use elf::{COMPRESSED, Elf, NOTE, STRTAB, SYMTAB, Section, section};
use goheap_image::layout::Shape;
use goheap_image::{Executable, FileAddr, ImageError};

const GO: u64 = 0x16;
const C: u64 = 0x0c;

fn error(bytes: &[u8]) -> String {
    Executable::parse(bytes)
        .expect_err("no executable")
        .to_string()
}

#[test]
fn what_is_no_executable_is_named() {
    assert_eq!(
        error(b"#!/bin/sh"),
        "not an ELF file (it begins with [23, 21, 2f, 62]); goheap reads ELF executables"
    );
    assert!(error(b"").starts_with("not an ELF file"));
    assert_eq!(
        error(b"\x7fELF\x02\x01"),
        "the file is cut off: the ELF header needs 64 bytes at file offset 0x0, the file has 6 bytes"
    );
    let mut bytes = Elf::amd64(Vec::new()).build();
    bytes[4] = 1;
    assert_eq!(
        error(&bytes),
        "an executable for x86-64 with words of 32 bits, which is no machine that Go runs on"
    );
    let core = Elf {
        kind: 4,
        ..Elf::amd64(Vec::new())
    };
    assert_eq!(error(&core.build()), "not an executable but a core file");
    let object = Elf {
        kind: 1,
        ..Elf::amd64(Vec::new())
    };
    assert_eq!(
        error(&object.build()),
        "not an executable but an object file"
    );
    let sparc = Elf {
        machine: 43,
        ..Elf::amd64(Vec::new())
    };
    assert_eq!(
        error(&sparc.build()),
        "an executable for sparc64, which is no machine that Go runs on"
    );
    let loaded = Section {
        addr: 0x40_0000,
        ..section(".data", vec![1; 100])
    };
    let whole = Elf::amd64(vec![loaded]).build();
    assert_eq!(
        error(&whole[..150]),
        "the file is cut off: a loadable segment needs 100 bytes at file offset 0x78, \
         the file has 150 bytes"
    );
    assert!(Executable::parse(&whole[..220]).is_ok(), "without sections");
}

#[test]
fn big_endian_machines() {
    let notes = b"\0\0\0\x04\0\0\0\x02\0\0\0\x03GNU\0\xab\xcd\0\0".to_vec();
    let note = Section {
        kind: NOTE,
        ..section(".note.gnu.build-id", notes)
    };
    let elf = Elf {
        machine: 22,
        little: false,
        kind: 3,
        ..Elf::amd64(vec![note])
    };
    let exe = Executable::parse(elf.build()).expect("s390x");
    assert_eq!(
        (exe.goarch(), exe.is_little_endian(), exe.is_pie()),
        ("s390x", false, true)
    );
    assert_eq!(exe.entry(), FileAddr::new(0x40_1234));
    assert_eq!(exe.gnu_build_id(), Some(&[0xab, 0xcd][..]));
    assert_eq!(exe.go_build_id(), None);
}

#[test]
fn build_info_in_both_forms() {
    let framed = |text: &str| format!("{}{text}{}", "<".repeat(16), ">".repeat(16));
    // Until go1.17: pointers to strings.
    let mut data = b"\xff Go buildinf:\x08\x00".to_vec();
    let base = 0x50_0000u64;
    for value in [base + 32, base + 48, base + 64, 6, base + 70, 32 + 9] {
        data.extend(value.to_le_bytes());
    }
    data.resize(64, 0);
    data.truncate(64);
    data.extend(b"go1.17");
    data.extend(framed("path\tx/y\n").as_bytes());
    let old = Section {
        addr: base,
        ..section(".go.buildinfo", data)
    };
    // Since go1.18: the strings themselves. Here behind other data, without a section of its own.
    let mut data = vec![0xff; 48];
    data.extend(b"\xff Go buildinf:\x08\x02");
    data.extend([0; 16]);
    data.push(6);
    data.extend(b"go1.17");
    data.push(41);
    data.extend(framed("path\tx/y\n").as_bytes());
    let new = Section {
        addr: base,
        ..section(".data", data)
    };
    for section in [old, new] {
        let exe = Executable::parse(Elf::amd64(vec![section]).build()).expect("an executable");
        let info = exe.build_info().expect("build information");
        assert_eq!(info.go_version, "go1.17");
        assert_eq!(info.module_info.as_deref(), Some("path\tx/y\n"));
    }
}

/// The first of several symbols of one name counts; what has no address is not found.
#[test]
fn symbols_by_name() {
    let mut strings = vec![0];
    let mut symbols = vec![0; 24];
    for (name, kind, section, value) in [
        ("a", 1u8, 1u8, 0x10u64),
        ("b", 2, 0, 0x20),
        ("a", 1, 1, 0x30),
        ("c", 4, 1, 0x40),
    ] {
        symbols.extend((strings.len() as u32).to_le_bytes());
        symbols.extend([kind, 0, section, 0]);
        symbols.extend(value.to_le_bytes());
        symbols.extend(7u64.to_le_bytes());
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let table = Section {
        kind: SYMTAB,
        link: 2,
        ..section(".symtab", symbols)
    };
    let names = Section {
        kind: STRTAB,
        ..section(".strtab", strings)
    };
    let exe = Executable::parse(Elf::amd64(vec![table, names]).build()).expect("an executable");
    assert!(exe.has_symbols());
    let a = exe.symbol("a").expect("a");
    assert_eq!((a.addr, a.size), (FileAddr::new(0x10), 7));
    assert_eq!(
        [exe.symbol("b"), exe.symbol("c"), exe.symbol("")],
        [None; 3]
    );
}

/// A program with C in it: the C unit has a type of the same name, and comes first.
fn runtime() -> Vec<Entry> {
    let word = || entry(BASE, "uintptr", &[(SIZE, Number(8))], Vec::new());
    let subrange = entry(SUBRANGE, "", &[(COUNT, Number(3))], Vec::new());
    let array = [(SIZE, Number(24)), (TYPE, To("uintptr"))];
    vec![
        unit(
            "x.c",
            C,
            vec![entry(STRUCT, "runtime.g", &[(SIZE, Number(1))], Vec::new())],
        ),
        unit(
            "runtime",
            GO,
            vec![entry(
                CONSTANT,
                "runtime.answer",
                &[(CONST, Signed(-42))],
                Vec::new(),
            )],
        ),
        unit(
            "main",
            GO,
            vec![entry(BASE, "main.T", &[(SIZE, Number(4))], Vec::new())],
        ),
        unit(
            "runtime",
            GO,
            vec![
                word(),
                entry(
                    STRUCT,
                    "runtime.g",
                    &[(SIZE, Number(40))],
                    vec![
                        member("next", 0, "*runtime.g"),
                        member("words", 8, "[3]uintptr"),
                        member("m", 32, "runtime.muintptr"),
                    ],
                ),
                entry(
                    POINTER,
                    "*runtime.g",
                    &[(TYPE, To("runtime.g"))],
                    Vec::new(),
                ),
                entry(POINTER, "unsafe.Pointer", &[], Vec::new()),
                entry(ARRAY, "[3]uintptr", &array, vec![subrange]),
                entry(
                    TYPEDEF,
                    "runtime.muintptr",
                    &[(TYPE, To("uintptr"))],
                    Vec::new(),
                ),
                entry(TYPEDEF, "circle", &[(TYPE, To("circle"))], Vec::new()),
                entry(
                    STRUCT,
                    "outside",
                    &[(SIZE, Number(8))],
                    vec![member("t", 0, "main.T")],
                ),
                entry(
                    STRUCT,
                    "behind",
                    &[(SIZE, Number(8))],
                    vec![member("t", 9, "uintptr")],
                ),
            ],
        ),
    ]
}

fn check_runtime(sections: Vec<Section>) {
    let exe = Executable::parse(Elf::amd64(sections).build()).expect("an executable");
    let dwarf = exe.dwarf().expect("DWARF").expect("some DWARF");
    assert_eq!(dwarf.producer(), Some("Go cmd/compile go1.99; test"));
    let layout = |name| dwarf.type_layout(name).expect("DWARF");
    let g = layout("runtime.g").expect("a type");
    assert_eq!(g.size, 40);
    let words = g.member("words").expect("a member");
    assert_eq!((words.offset, words.type_name.as_str()), (8, "[3]uintptr"));
    assert_eq!(g.member("no such member"), None);
    let array = layout("[3]uintptr").expect("a type");
    assert_eq!(
        array.shape,
        Shape::Array {
            element: "uintptr".into(),
            count: 3
        }
    );
    let pointer = layout("*runtime.g").expect("a type");
    assert_eq!(
        pointer.shape,
        Shape::Pointer {
            to: Some("runtime.g".into())
        }
    );
    assert_eq!(
        layout("unsafe.Pointer").map(|layout| layout.shape),
        Some(Shape::Scalar)
    );
    assert_eq!(layout("runtime.muintptr"), layout("uintptr"));
    assert_eq!(layout("main.T"), None, "not in the unit of the types");
    for name in ["circle", "outside", "behind"] {
        let error = dwarf.type_layout(name).expect_err(name);
        assert!(
            matches!(error, ImageError::DwarfShape { .. }),
            "{name}: {error}"
        );
    }
    assert_eq!(dwarf.constant("runtime.answer"), Some(-42));
    assert_eq!(dwarf.constant("main.answer"), None);
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// The header of a compressed section, and its contents.
fn compressed(kind: u32, len: usize, body: Vec<u8>) -> Vec<u8> {
    let mut out = kind.to_le_bytes().to_vec();
    out.extend([0; 4]);
    out.extend((len as u64).to_le_bytes());
    out.extend(1u64.to_le_bytes());
    out.extend(body);
    out
}

#[test]
fn dwarf_in_every_form() {
    for version in [4, 5] {
        let (info, abbrev) = dwarf::sections(&runtime(), version);
        let plain = |data: &Vec<u8>| data.clone();
        let old = |data: &Vec<u8>| {
            [
                b"ZLIB".to_vec(),
                (data.len() as u64).to_be_bytes().to_vec(),
                zlib(data),
            ]
            .concat()
        };
        let new = |data: &Vec<u8>| compressed(1, data.len(), zlib(data));
        let zstd = |data: &Vec<u8>| {
            compressed(2, data.len(), zstd::encode_all(&data[..], 0).expect("zstd"))
        };
        check_runtime(vec![
            section(".debug_info", plain(&info)),
            section(".debug_abbrev", plain(&abbrev)),
        ]);
        check_runtime(vec![
            section(".zdebug_info", old(&info)),
            section(".zdebug_abbrev", old(&abbrev)),
        ]);
        for pack in [&new as &dyn Fn(&Vec<u8>) -> Vec<u8>, &zstd] {
            check_runtime(vec![
                Section {
                    flags: COMPRESSED,
                    ..section(".debug_info", pack(&info))
                },
                Section {
                    flags: COMPRESSED,
                    ..section(".debug_abbrev", pack(&abbrev))
                },
            ]);
        }
    }
}

fn dwarf_error(info: Section, abbrev: &[u8]) -> String {
    let sections = vec![info, section(".debug_abbrev", abbrev.to_vec())];
    let exe = Executable::parse(Elf::amd64(sections).build()).expect("an executable");
    exe.dwarf().map(|_| ()).expect_err("bad DWARF").to_string()
}

#[test]
fn damaged_sections_are_errors() {
    let (info, abbrev) = dwarf::sections(&runtime(), 5);
    let packed = |kind, len, body| Section {
        flags: COMPRESSED,
        ..section(".debug_info", compressed(kind, len, body))
    };
    let mut cut = zlib(&info);
    cut.truncate(cut.len() / 2);
    let message = dwarf_error(packed(1, info.len(), cut), &abbrev);
    assert!(
        message.starts_with("section .debug_info: decompression failed "),
        "{message}"
    );
    assert_eq!(
        dwarf_error(packed(1, 1 << 40, zlib(&info)), &abbrev),
        "section .debug_info: its uncompressed size is out of all proportion"
    );
    assert_eq!(
        dwarf_error(packed(9, info.len(), zlib(&info)), &abbrev),
        "section .debug_info: its compression is neither zlib nor zstd"
    );
    let mut long = info.clone();
    // The first unit claims to be as long as the section and more.
    long[..4].copy_from_slice(&0x00ff_ffffu32.to_le_bytes());
    assert_eq!(
        dwarf_error(section(".debug_info", long), &abbrev),
        "section .debug_info: it ends before a part that its own lengths say is there"
    );
}

#[test]
fn any_byte_of_dwarf_may_change() {
    let (info, abbrev) = dwarf::sections(&runtime(), 4);
    let ask = |info: &[u8], abbrev: &[u8]| {
        let sections = vec![
            section(".debug_info", info.to_vec()),
            section(".debug_abbrev", abbrev.to_vec()),
        ];
        let exe = Executable::parse(Elf::amd64(sections).build()).expect("an executable");
        if let Ok(Some(dwarf)) = exe.dwarf() {
            for name in [
                "runtime.g",
                "[3]uintptr",
                "*runtime.g",
                "runtime.muintptr",
                "circle",
            ] {
                let _ = dwarf.type_layout(name);
            }
            let _ = dwarf.constant("runtime.answer");
        }
    };
    for value in [0, 1, 0x7f, 0x80, 0xff] {
        for at in 0..info.len() {
            let mut changed = info.clone();
            changed[at] = value;
            ask(&changed, &abbrev);
        }
        for at in 0..abbrev.len() {
            let mut changed = abbrev.clone();
            changed[at] = value;
            ask(&info, &changed);
        }
    }
}

#[test]
fn any_byte_of_an_executable_may_change() {
    let (info, abbrev) = dwarf::sections(&runtime(), 5);
    let whole = Elf::amd64(vec![
        Section {
            addr: 0x40_0000,
            ..section(".data", b"\xff Go buildinf:\x08\x02".to_vec())
        },
        Section {
            kind: SYMTAB,
            link: 3,
            ..section(".symtab", vec![1; 72])
        },
        Section {
            kind: STRTAB,
            ..section(".strtab", b"\0a\0runtime.allgs\0".to_vec())
        },
        section(".debug_info", info),
        section(".debug_abbrev", abbrev),
    ])
    .build();
    let ask = |bytes: &[u8]| {
        let Ok(exe) = Executable::parse(bytes) else {
            return;
        };
        let _ = (
            exe.build_info(),
            exe.go_build_id(),
            exe.gnu_build_id(),
            exe.pclntab(),
        );
        let _ = (
            exe.symbol("runtime.allgs"),
            exe.program_header_addr(),
            exe.segments(),
        );
        if let Ok(Some(dwarf)) = exe.dwarf() {
            let _ = dwarf.type_layout("runtime.g");
        }
    };
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            ask(&changed);
        }
        ask(&whole[..at]);
    }
}
