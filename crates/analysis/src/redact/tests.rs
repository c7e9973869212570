use std::collections::HashMap;

use goheap_format::{Fields, Params};
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType};

use super::*;
use crate::made::{field, plain};
use crate::{NoWatch, ObjectId, OpenOptions};

const CANARY: &[u8; 8] = b"CANARY!!";
const HEAP: u64 = 0xc000000000;
const DATA: u64 = 0x500000;
const DESCRIPTOR: u64 = 0x480000;

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn canary() -> u64 {
    u64::from_le_bytes(*CANARY)
}

fn object(writer: &mut Writer<Vec<u8>>, address: u64, contents: &[u8], pointers: &[u64]) {
    writer
        .write(&Record::Object(Object {
            address,
            contents,
            fields: Fields::Offsets(pointers),
        }))
        .unwrap();
}

/// A dump of some objects, a root and a data segment that all have canaries.
fn dump() -> Dump {
    let mut writer = Writer::new(Vec::new());
    writer
        .write(&Record::Params(Params {
            big_endian: false,
            pointer_size: 8,
            heap_start: HEAP,
            heap_end: HEAP + (1 << 26),
            arch: goheap_format::Arch::Name(b"amd64"),
            go_version: b"go1.24.3",
            ncpu: 2,
        }))
        .unwrap();
    // Bytes of a string; a struct { string; any; number; number }; one of unknown type, with a
    // pointer that leads nowhere.
    object(&mut writer, HEAP, &words(&[canary(), canary()]), &[]);
    object(
        &mut writer,
        HEAP + PAGE,
        &words(&[HEAP, 16, DESCRIPTOR, HEAP + 2 * PAGE, canary(), 7]),
        &[0, 24],
    );
    object(
        &mut writer,
        HEAP + 2 * PAGE,
        &words(&[canary(), HEAP + 8, 3, canary()]),
        &[8, 24],
    );
    let data = words(&[canary(), HEAP + PAGE, 5, DATA, canary()]);
    writer
        .write(&Record::OtherRoot(OtherRoot {
            description: CANARY,
            target: HEAP,
        }))
        .unwrap();
    writer
        .write(&Record::Data(Segment {
            address: DATA,
            contents: &data,
            fields: Fields::Offsets(&[8, 24]),
        }))
        .unwrap();
    writer.write(&Record::Eof).unwrap();
    let bytes = writer.finish().unwrap();
    let mut dump = Dump::open(Box::new(bytes), &OpenOptions::default(), &NoWatch).unwrap();
    dump.set_catalogue(catalogue());
    dump
}

const PAGE: u64 = 8192;

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let string = catalogue.add(plain(Kind::String, 16, "string"));
    let any = catalogue.add(plain(Kind::Interface, 16, "interface {}"));
    let number = catalogue.add(plain(Kind::Int, 8, "int"));
    let fields = vec![
        field("name", 0, string),
        field("any", 16, any),
        field("number", 32, number),
        field("small", 40, number),
    ];
    let user = catalogue.add(GoType {
        fields,
        ..plain(Kind::Struct, 48, "main.User")
    });
    catalogue.add(GoType {
        address: DESCRIPTOR,
        elem: Some(user),
        ..plain(Kind::Pointer, 8, "*main.User")
    });
    catalogue
        .variables
        .push(goheap_golang::catalogue::Variable {
            address: DATA + 8,
            size: 8,
            name: "main.user".to_owned(),
            ty: catalogue.named("*main.User"),
        });
    catalogue
}

fn redacted(dump: &Dump) -> Vec<u8> {
    let types = Types::infer(dump, &NoWatch).unwrap();
    let (told, bytes) = redact(dump, &types, Vec::new(), &NoWatch).unwrap();
    assert_eq!(told.objects, u64::from(dump.object_count()));
    assert_eq!(told.bytes, bytes.len() as u64);
    bytes
}

#[test]
fn what_is_kept_and_what_is_not() {
    let dump = dump();
    assert!(dump.bytes().windows(8).any(|bytes| bytes == CANARY));
    let bytes = redacted(&dump);
    assert!(!bytes.windows(8).any(|bytes| bytes == CANARY));
    assert_eq!(
        bytes.len(),
        dump.bytes().len() - 4,
        "the description is shorter"
    );
    let mut after = Dump::open(Box::new(bytes), &OpenOptions::default(), &NoWatch).unwrap();
    after.set_catalogue(catalogue());
    let contents = |id| after.contents(ObjectId(id)).to_vec();
    assert_eq!(contents(0), words(&[0, 0]));
    // The length of the string is kept, its number is not, however small.
    assert_eq!(
        contents(1),
        words(&[HEAP, 16, DESCRIPTOR, HEAP + 2 * PAGE, 0, 0])
    );
    // Nobody knows what this is: pointers that lead somewhere are left.
    assert_eq!(contents(2), words(&[0, HEAP + 8, 0, 0]));
    assert_eq!(
        after.bytes_at(DATA).unwrap().0,
        words(&[0, HEAP + PAGE, 0, DATA, 0])
    );
    assert_eq!(after.roots(), dump.roots());
    assert_eq!(after.root_pointers(), dump.root_pointers());
    let edges = |dump: &Dump| {
        let mut edges = HashMap::new();
        for id in dump.objects() {
            dump.each_pointer(id, |at, to| {
                if let Some(to) = dump.find(to) {
                    edges.insert((id, at), to);
                }
            });
        }
        edges
    };
    assert_eq!(edges(&after), edges(&dump));
    let before = Types::infer(&dump, &NoWatch).unwrap();
    let types = Types::infer(&after, &NoWatch).unwrap();
    for id in dump.objects() {
        let class = |types: &Types| types.class(types.class_of(id)).cloned();
        assert_eq!(class(&types), class(&before));
    }
}

#[test]
fn redacted_twice_is_redacted_once() {
    let once = redacted(&dump());
    let mut again = Dump::open(Box::new(once.clone()), &OpenOptions::default(), &NoWatch).unwrap();
    again.set_catalogue(catalogue());
    assert_eq!(redacted(&again), once);
}
