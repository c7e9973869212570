//! DWARF's types and those of descriptors are one.

use goheap_image::{DebugCapture, DebugLocal, DebugMember, DebugVariable};

use super::*;
use crate::catalogue::Function;

fn ty(offset: u32, name: &str, form: DebugForm, kind: Kind, size: Option<u64>) -> DebugType {
    DebugType {
        offset,
        name: name.to_owned(),
        form,
        size,
        kind: Some(kind.raw()),
        ..DebugType::default()
    }
}

fn described(address: u64, name: &str, kind: Kind, size: u64) -> GoType {
    GoType {
        address,
        origin: TypeOrigin::Descriptor,
        kind,
        size,
        name: name.to_owned(),
        package: package_of(name, kind),
        elem: None,
        key: None,
        slots: None,
        len: 0,
        fields: Vec::new(),
    }
}

#[test]
fn types_variables_closures_and_frames() {
    let mut catalogue = Catalogue::default();
    let int = catalogue.add(described(0x5100, "int", Kind::Int, 8));
    let uintptr = catalogue.add(described(0x5200, "uintptr", Kind::Uintptr, 8));
    let user = catalogue.add(described(0x5300, "main.T", Kind::Struct, 16));
    catalogue.functions.push(Function {
        entry: 0x1000,
        name: "main.main.func1".to_owned(),
        closure: None,
    });
    let member = DebugMember {
        name: "next".to_owned(),
        offset: 8,
        ty: 40,
        embedded: false,
    };
    let info = DebugInfo {
        types: vec![
            DebugType {
                descriptor: Some(0x100),
                ..ty(10, "int", DebugForm::Base, Kind::Int, Some(8))
            },
            // Another type lies where this one says that it does.
            DebugType {
                descriptor: Some(0x200),
                members: vec![member],
                ..ty(
                    20,
                    "gopkg.in/x%2ev2.N",
                    DebugForm::Struct,
                    Kind::Struct,
                    Some(16),
                )
            },
            DebugType {
                descriptor: Some(0x300),
                ..ty(30, "main.T·1", DebugForm::Struct, Kind::Struct, Some(16))
            },
            DebugType {
                target: Some(20),
                ..ty(
                    40,
                    "*gopkg.in/x%2ev2.N",
                    DebugForm::Pointer,
                    Kind::Pointer,
                    None,
                )
            },
            DebugType {
                offset: 50,
                form: DebugForm::Typedef,
                target: Some(40),
                ..DebugType::default()
            },
            // A circle of names.
            DebugType {
                offset: 60,
                form: DebugForm::Typedef,
                target: Some(60),
                ..DebugType::default()
            },
        ],
        variables: vec![
            DebugVariable {
                addr: FileAddr::new(0x9000),
                name: "main.head".to_owned(),
                ty: 50,
            },
            DebugVariable {
                addr: FileAddr::new(0x9100),
                name: "main.odd".to_owned(),
                ty: 60,
            },
        ],
        captures: vec![DebugCapture {
            function: FileAddr::new(0x1000),
            name: "n".to_owned(),
            ty: 10,
            offset: 8,
        }],
        locals: vec![DebugLocal {
            function: FileAddr::new(0x1000),
            from: FileAddr::new(0x1000),
            to: FileAddr::new(0x1100),
            name: "x".to_owned(),
            ty: 10,
            cfa_offset: -16,
            pointed_to: true,
        }],
        ..DebugInfo::default()
    };
    catalogue.add_debug_info(&info, 0, Addr::new(0x5000));
    assert!(catalogue.dwarf);
    assert_eq!(catalogue.get(user).unwrap().name, "main.T·1");
    assert_eq!(catalogue.named("main.T·1"), Some(user));
    assert_eq!(catalogue.named("main.T"), None);
    let node = catalogue.named("gopkg.in/x.v2.N").unwrap();
    let pointer = catalogue.named("*gopkg.in/x.v2.N").unwrap();
    let of_node = catalogue.get(node).unwrap();
    assert_eq!(of_node.origin, TypeOrigin::Dwarf);
    assert_eq!(of_node.package, "gopkg.in/x.v2");
    assert_eq!(of_node.fields[0].ty, pointer);
    assert_eq!(catalogue.get(pointer).unwrap().elem, Some(node));
    let variables: Vec<_> = catalogue
        .variables
        .iter()
        .map(|v| (v.name.as_str(), v.ty))
        .collect();
    assert_eq!(variables, [("main.head", Some(pointer))]);
    let closure = catalogue.functions[0].closure.unwrap();
    let closure = catalogue.get(closure).unwrap();
    let fields: Vec<_> = closure
        .fields
        .iter()
        .map(|f| (f.name.as_str(), f.offset, f.ty))
        .collect();
    assert_eq!(fields, [("F", 0, uintptr), ("n", 8, int)]);
    assert_eq!(closure.size, 16);
    let local = &catalogue.frame_variables[0];
    assert_eq!((local.name.as_str(), local.cfa_offset), ("&x", -16));
    assert_eq!(catalogue.get(local.ty).unwrap().elem, Some(int));
    assert_eq!(catalogue.len(), 7);
}
