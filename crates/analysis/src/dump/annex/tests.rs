//! Catalogues through annexes, and annexes that say what cannot be.

use std::collections::HashMap;

use super::*;
use crate::made::{annex as annex_with, annex_of, plain};

fn catalogue() -> Catalogue {
    let mut all = Catalogue::default();
    let int = all.add(GoType {
        address: 0x5000,
        ..plain(Kind::Int, 8, "int")
    });
    let pointer = TypeId(2);
    let node = all.add(GoType {
        address: 0x5100,
        package: "main".to_owned(),
        fields: vec![
            TypeField {
                name: "next".to_owned(),
                offset: 0,
                ty: pointer,
                embedded: false,
            },
            TypeField {
                name: "int".to_owned(),
                offset: 8,
                ty: int,
                embedded: true,
            },
        ],
        ..plain(Kind::Struct, 16, "main.node")
    });
    all.add(GoType {
        origin: TypeOrigin::Dwarf,
        elem: Some(node),
        ..plain(Kind::Pointer, 8, "*main.node")
    });
    all.add(GoType {
        key: Some(int),
        elem: Some(pointer),
        slots: Some(node),
        ..plain(Kind::Map, 8, "map[int]*main.node")
    });
    all.add(GoType {
        elem: Some(int),
        len: 4,
        ..plain(Kind::Array, 32, "[4]int")
    });
    for (address, name) in [(0x9000, "main.a"), (0x9008, "main.b")] {
        all.variables.push(Variable {
            address,
            size: 8,
            name: name.to_owned(),
            ty: (address == 0x9000).then_some(pointer),
        });
    }
    all.functions.push(Function {
        entry: 0x1000,
        name: "main.main".to_owned(),
        closure: Some(node),
    });
    for cfa_offset in [-24, 0, i64::MIN, i64::MAX] {
        all.frame_variables.push(FrameVariable {
            function: 0x1000,
            from: 0x1004,
            to: 0x1080,
            name: "x".to_owned(),
            ty: int,
            cfa_offset,
        });
    }
    all.itabs.insert(0x6000, pointer);
    let member = Member {
        name: "qcount".to_owned(),
        offset: 0,
        type_name: "uint".to_owned(),
    };
    let shapes = [
        ("uint", Shape::Scalar),
        ("*x", Shape::Pointer { to: None }),
        (
            "*uint",
            Shape::Pointer {
                to: Some("uint".to_owned()),
            },
        ),
        (
            "runtime.hchan",
            Shape::Struct {
                members: vec![member],
            },
        ),
        (
            "[3]uint",
            Shape::Array {
                element: "uint".to_owned(),
                count: 3,
            },
        ),
        ("func()", Shape::Opaque),
    ];
    let layouts = shapes.into_iter().map(|(name, shape)| {
        let layout = TypeLayout { size: 8, shape };
        (name.to_owned(), layout)
    });
    all.layouts = KnownLayouts(layouts.collect::<HashMap<_, _>>());
    all.dwarf = true;
    all.damage.add(Addr::new(0x77), &"torn");
    all
}

fn read(bytes: &[u8]) -> FromAnnex {
    let mut reader = AnnexReader::open(bytes, 0).unwrap().unwrap();
    catalogue_of_annex(&mut reader, |_| {})
}

#[test]
fn what_is_written_is_read() {
    let all = catalogue();
    let from = read(&annex_of(&all));
    assert!(from.error.is_none());
    assert_eq!(from.catalogue, all);
    assert_eq!(from.digest.sections[&b"gotype"[..]], 5);
}

#[test]
fn a_damaged_annex_gives_what_stands_before() {
    let all = catalogue();
    let bytes = annex_of(&all);
    for at in (20..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x21;
        let from = read(&damaged);
        assert!(from.error.is_some(), "{at}");
        for (_, ty) in from.catalogue.types() {
            let parts = [ty.elem, ty.key, ty.slots].into_iter().flatten();
            for part in parts.chain(ty.fields.iter().map(|field| field.ty)) {
                assert!(from.catalogue.get(part).is_some(), "{at}");
            }
        }
        // Cut off.
        assert!(read(&bytes[..at]).error.is_some(), "{at}");
    }
}

#[test]
fn what_refers_to_nothing_is_left_out_and_counted() {
    let bytes = annex_with(|writer| {
        let note = |ty, elem| {
            Note::GoType(annex::GoType {
                address: 0,
                dwarf: false,
                kind: ty,
                size: 8,
                name: b"x",
                package: b"",
                elem,
                key: None,
                slots: None,
                len: 0,
            })
        };
        let notes = [
            note(22, Some(1)),
            note(22, Some(2)),
            note(200, Some(u64::MAX)),
            Note::TypeField(annex::TypeField {
                of: 7,
                name: b"nowhere",
                offset: 0,
                ty: 0,
                embedded: false,
            }),
            Note::TypeField(annex::TypeField {
                of: 2,
                name: b"nothing",
                offset: 0,
                ty: 1 << 40,
                embedded: false,
            }),
            Note::Global(annex::Global {
                address: 1,
                size: 1,
                name: b"g",
                ty: Some(3),
            }),
            Note::Function(annex::Function {
                entry: 1,
                name: b"f",
                closure: Some(3),
            }),
            Note::FrameVariable(annex::FrameVariable {
                function: 1,
                from: 1,
                to: 0,
                name: b"v",
                ty: 3,
                cfa_offset: 0,
            }),
            Note::ItabType(annex::ItabType { address: 1, ty: 3 }),
            Note::LayoutMember(annex::LayoutMember {
                of: 0,
                name: b"m",
                offset: 0,
                type_name: b"t",
            }),
        ];
        for note in notes {
            writer.add(&note).unwrap();
        }
    });
    let from = read(&bytes);
    assert!(from.error.is_none());
    let all = from.catalogue;
    let elems: Vec<_> = all.types().map(|(_, ty)| ty.elem).collect();
    assert_eq!(elems, [Some(TypeId(1)), Some(TypeId(2)), None]);
    assert!(all.types().all(|(_, ty)| ty.fields.is_empty()));
    assert_eq!(all.variables[0].ty, None);
    assert_eq!(all.functions[0].closure, None);
    assert!(all.frame_variables.is_empty() && all.itabs.is_empty());
    // A kind, a field, a member, and all of the references.
    assert_eq!(all.damage.count, 4, "{:?}", all.damage.first);
}
