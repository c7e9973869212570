//! Types of heaps made by hand.

use std::collections::HashMap;

use goheap_format::{Arch, Fields, Object, Params, Record, Writer};
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeId, Variable};

use super::*;
use crate::made::{field, plain};
use crate::{NoWatch, OpenOptions};

fn of(kind: Kind, size: u64, name: &str, elem: TypeId) -> GoType {
    GoType {
        elem: Some(elem),
        ..plain(kind, size, name)
    }
}

fn structure(size: u64, name: &str, fields: &[(u64, TypeId)]) -> GoType {
    let field = |&(offset, ty): &(u64, TypeId)| field(&format!("f{offset}"), offset, ty);
    GoType {
        fields: fields.iter().map(field).collect(),
        package: "main".to_owned(),
        ..plain(Kind::Struct, size, name)
    }
}

/// An object: its address, words, and which of these are pointers.
struct Made(u64, Vec<u64>, Vec<u64>);

fn dump_of(objects: &[Made], globals: &[u64], catalogue: Catalogue) -> Dump {
    let mut writer = Writer::new(Vec::new());
    let params = Params {
        big_endian: false,
        pointer_size: 8,
        heap_start: 0xc000000000,
        heap_end: 0xc010000000,
        arch: Arch::Name(b"amd64"),
        go_version: b"go1.24.11",
        ncpu: 1,
    };
    writer.write(&Record::Params(params)).unwrap();
    let bytes = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    for Made(address, words, pointers) in objects {
        let offsets: Vec<u64> = pointers.iter().map(|word| word * 8).collect();
        let object = Object {
            address: *address,
            contents: &bytes(words),
            fields: Fields::Offsets(&offsets),
        };
        writer.write(&Record::Object(object)).unwrap();
    }
    let all: Vec<u64> = (0..globals.len() as u64).map(|word| word * 8).collect();
    let data = goheap_format::Segment {
        address: DATA,
        contents: &bytes(globals),
        fields: Fields::Offsets(&all),
    };
    writer.write(&Record::Data(data)).unwrap();
    writer.write(&Record::Eof).unwrap();
    let file = Box::new(writer.finish().unwrap());
    let mut dump = Dump::open(file, &OpenOptions::default(), &NoWatch).unwrap();
    dump.set_catalogue(catalogue);
    dump
}

const DATA: u64 = 0x50_0000;
const HEAP: u64 = 0xc0_0000_0000;

fn variable(catalogue: &mut Catalogue, word: u64, size: u64, ty: TypeId) {
    catalogue.variables.push(Variable {
        address: DATA + 8 * word,
        size,
        name: format!("main.v{word}"),
        ty: Some(ty),
    });
}

fn names(dump: &Dump) -> HashMap<u64, (String, How)> {
    let types = Types::infer(dump, &NoWatch).unwrap();
    dump.objects()
        .map(|object| {
            let class = types.class(types.class_of(object)).unwrap();
            (
                dump.address(object),
                (class.name.clone(), types.how(object)),
            )
        })
        .collect()
}

/// `type node struct { next *node; value int; name string }`, a pointer to it, and a slice of these.
fn nodes() -> (Catalogue, TypeId, TypeId) {
    let mut catalogue = Catalogue::default();
    let int = catalogue.add(plain(Kind::Int, 8, "int"));
    let string = catalogue.add(plain(Kind::String, 16, "string"));
    let pointer = catalogue.add(of(Kind::Pointer, 8, "*main.node", TypeId(3)));
    let node = structure(32, "main.node", &[(0, pointer), (8, int), (16, string)]);
    assert_eq!(catalogue.add(node), TypeId(3));
    let slice = catalogue.add(of(Kind::Slice, 24, "[]*main.node", pointer));
    (catalogue, pointer, slice)
}

#[test]
fn a_variable_leads_to_what_its_type_says_and_on_from_there() {
    let (mut catalogue, pointer, _) = nodes();
    variable(&mut catalogue, 0, 8, pointer);
    let second = HEAP + 0x100;
    let text = HEAP + 0x200;
    let objects = [
        Made(HEAP, vec![second, 1, text, 20], vec![0, 2]),
        Made(second, vec![0, 2, 0, 0], vec![0, 2]),
        Made(text, vec![0; 3], vec![]),
        // Nothing leads here.
        Made(HEAP + 0x300, vec![0, 0], vec![1]),
    ];
    let names = names(&dump_of(&objects, &[HEAP], catalogue));
    assert_eq!(names[&HEAP].0, "main.node");
    assert_eq!(names[&second], ("main.node".to_owned(), How::Pointer));
    assert_eq!(names[&text].0, "string");
    let (name, how) = &names[&(HEAP + 0x300)];
    assert_eq!(
        (name.as_str(), *how),
        ("unknown, 16 B, pointers at 8", How::Unknown)
    );
}

#[test]
fn what_the_collector_sees_otherwise_is_not_believed() {
    let (mut catalogue, pointer, _) = nodes();
    variable(&mut catalogue, 0, 8, pointer);
    // Of the right size, but its third word is no pointer; and one of another size.
    for object in [
        Made(HEAP, vec![0; 4], vec![0]),
        Made(HEAP, vec![0; 4], vec![0, 1, 2]),
        Made(HEAP, vec![0; 6], vec![0, 2, 4]),
    ] {
        let dump = dump_of(&[object], &[HEAP], catalogue.clone());
        assert_eq!(names(&dump)[&HEAP].1, How::Unknown);
    }
}

#[test]
fn a_slice_is_known_by_its_capacity_and_the_larger_thing_wins() {
    let (mut catalogue, pointer, slice) = nodes();
    let outer = structure(40, "main.outer", &[(0, TypeId(3)), (32, pointer)]);
    let outer = catalogue.add(outer);
    let to_outer = catalogue.add(of(Kind::Pointer, 8, "*main.outer", outer));
    // A slice of three pointers, with room for five; a node that is the start of an outer, both ways
    // round.
    variable(&mut catalogue, 0, 24, slice);
    variable(&mut catalogue, 3, 8, pointer);
    variable(&mut catalogue, 4, 8, to_outer);
    let (array, held) = (HEAP, HEAP + 0x100);
    let objects = [
        Made(array, vec![held, 0, 0, 0, 0, 0], vec![0, 1, 2, 3, 4]),
        Made(held, vec![0, 0, 0, 0, 0, 0], vec![0, 2, 4]),
    ];
    let globals = [array, 3, 5, held, held];
    let names = names(&dump_of(&objects, &globals, catalogue));
    assert_eq!(names[&array].0, "[]*main.node");
    assert_eq!(names[&held].0, "main.outer");
}

#[test]
fn types_that_cannot_be_do_no_harm() {
    let mut catalogue = Catalogue::default();
    // A struct that holds itself, two that hold each other, fields that overlap, an array without end.
    let own = catalogue.add(structure(8, "main.own", &[(0, TypeId(0))]));
    catalogue.add(structure(8, "main.a", &[(0, TypeId(2))]));
    catalogue.add(structure(8, "main.b", &[(0, TypeId(1))]));
    let pointer = catalogue.add(of(Kind::Pointer, 8, "*main.own", own));
    let mut inner = pointer;
    for _ in 0..64 {
        inner = catalogue.add(structure(8, "main.deep", &[(0, inner), (0, inner)]));
    }
    let mut nested = pointer;
    for _ in 0..100 {
        nested = catalogue.add(structure(8, "main.nested", &[(0, nested)]));
    }
    let endless = GoType {
        len: 1 << 60,
        ..of(Kind::Array, u64::MAX, "[1<<60]*main.own", pointer)
    };
    let endless = catalogue.add(endless);
    for ty in [own, inner, nested, endless] {
        let to = catalogue.add(of(Kind::Pointer, 8, "*T", ty));
        let mut catalogue = catalogue.clone();
        variable(&mut catalogue, 0, 8, to);
        variable(&mut catalogue, 1, u64::MAX, ty);
        let objects = [Made(HEAP, vec![HEAP], vec![0])];
        let _any = names(&dump_of(&objects, &[HEAP, HEAP], catalogue));
    }
}
