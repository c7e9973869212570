//! Small dumps, made by hand.

use goheap_analysis::{Analysis, Dump, NoWatch, OpenOptions};
use goheap_format::{Arch, Fields, Goroutine, Object, Params, Record, Segment, StackFrame, Writer};
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeField, TypeId, TypeOrigin, Variable};

/// Where variables are.
pub(crate) const DATA: u64 = 0x60_0000;

/// Where the first object is.
pub(crate) const OBJECT: u64 = 0xc0_0000_0000;

/// What a dump is to have.
pub(crate) struct Made {
    /// Words of each object, one behind the other in steps of their size, and how many of the first of
    /// them are pointers.
    objects: Vec<(u64, Vec<u64>, usize)>,
    /// Words of data, all of them pointers.
    pub(crate) data: Vec<u64>,
    /// How many frames the only goroutine has, and the name of their function.
    frames: (u64, Vec<u8>),
    reason: Vec<u8>,
    catalogue: Catalogue,
}

fn ty(kind: Kind, size: u64, name: &str, elem: Option<TypeId>) -> GoType {
    GoType {
        address: 0,
        origin: TypeOrigin::Descriptor,
        kind,
        size,
        name: name.to_owned(),
        package: String::new(),
        elem,
        key: None,
        slots: None,
        len: 0,
        fields: Vec::new(),
    }
}

impl Made {
    /// Four objects in a row, the third and fourth led to from two sides, and one that is garbage.
    pub(crate) fn small() -> Made {
        Made::named("main.node", "main.leaf", "main.unused")
    }

    /// The same, with the names of its types; those of its fields are the same.
    pub(crate) fn named(node: &str, leaf: &str, unused: &str) -> Made {
        let mut catalogue = Catalogue::default();
        let word = catalogue.add(ty(Kind::Uintptr, 8, "uintptr", None));
        let of_leaf = catalogue.add(ty(Kind::Struct, 48, leaf, None));
        let to_leaf = catalogue.add(ty(Kind::Pointer, 8, "*leaf", Some(of_leaf)));
        let of_node = catalogue.add(ty(Kind::Struct, 32, node, None));
        let to_node = catalogue.add(ty(Kind::Pointer, 8, "*node", Some(of_node)));
        catalogue.add(ty(Kind::Struct, 16, unused, None));
        let field = |name: &str, offset, ty| TypeField {
            name: name.to_owned(),
            offset,
            ty,
            embedded: false,
        };
        catalogue.get_mut(of_node).unwrap().fields =
            vec![field(node, 0, to_leaf), field("rest", 8, word)];
        catalogue.get_mut(of_leaf).unwrap().fields =
            vec![field(leaf, 0, to_node), field("rest", 8, word)];
        catalogue.variables = vec![Variable {
            address: DATA,
            size: 8,
            name: "main.first".to_owned(),
            ty: Some(to_node),
        }];
        catalogue.dwarf = true;
        // node at 0, leaf at 0x1000, garbage at 0x2000.
        let (first, leaf, garbage) = (OBJECT, OBJECT + 0x1000, OBJECT + 0x2000);
        Made {
            objects: vec![
                (first, vec![leaf, 1, 2, 3], 1),
                (leaf, vec![first, 1, 2, 3, 4, 5], 1),
                (garbage, vec![0, 0], 0),
            ],
            data: vec![first],
            frames: (1, b"main.\xff\0f".to_vec()),
            reason: b"sleep \xfe".to_vec(),
            catalogue,
        }
    }

    /// One object of so many pointers to itself.
    pub(crate) fn wide(pointers: u64) -> Made {
        let words = vec![OBJECT; pointers as usize];
        Made {
            objects: vec![(OBJECT, words, pointers as usize)],
            data: vec![OBJECT],
            frames: (1, b"main.main".to_vec()),
            reason: Vec::new(),
            catalogue: Catalogue::default(),
        }
    }

    /// A goroutine of so many frames.
    pub(crate) fn frames(count: u64, function: &str) -> Made {
        Made {
            frames: (count, function.as_bytes().to_vec()),
            ..Made::small()
        }
    }

    pub(crate) fn analysis(&self) -> Analysis {
        let dump = Dump::open(Box::new(self.written()), &OpenOptions::default(), &NoWatch);
        let mut dump = dump.expect("a dump");
        dump.set_catalogue(self.catalogue.clone());
        Analysis::of(dump, &NoWatch).expect("an analysis")
    }

    fn written(&self) -> Vec<u8> {
        let bytes = |words: &[u64]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let offsets = |words: usize| -> Vec<u64> { (0..words as u64).map(|n| n * 8).collect() };
        let mut writer = Writer::new(Vec::new());
        let mut write = |record: Record<'_>| writer.write(&record).expect("a record");
        write(Record::Params(Params {
            big_endian: false,
            pointer_size: 8,
            heap_start: OBJECT,
            heap_end: OBJECT + (1 << 30),
            arch: Arch::Name(b"amd64"),
            go_version: b"go1.21.13",
            ncpu: 1,
        }));
        for (address, words, pointers) in &self.objects {
            write(Record::Object(Object {
                address: *address,
                contents: &bytes(words),
                fields: Fields::Offsets(&offsets(*pointers)),
            }));
        }
        let sp = 0xc0_7000_0000;
        write(Record::Goroutine(Goroutine {
            address: 0xc0_6000_0000,
            sp,
            id: 7,
            created_at: 0,
            status: 4,
            system: false,
            background: false,
            waiting_since: 0,
            wait_reason: &self.reason,
            context: 0,
            m: 0,
            defers: 0,
            panics: 0,
        }));
        let (frames, function) = &self.frames;
        for depth in 0..*frames {
            // The innermost leads to the last object but one.
            let held = self.objects.get(1).map_or(OBJECT, |object| object.0);
            write(Record::StackFrame(StackFrame {
                sp: sp + depth * 16,
                depth,
                child_sp: 0,
                contents: &bytes(&[held, 0]),
                entry: 0x40_0000,
                pc: 0x40_0010,
                continue_pc: 0x40_0010,
                function,
                fields: Fields::Offsets(&offsets(usize::from(depth == 0))),
            }));
        }
        write(Record::Data(Segment {
            address: DATA,
            contents: &bytes(&self.data),
            fields: Fields::Offsets(&offsets(self.data.len())),
        }));
        write(Record::Eof);
        writer.finish().expect("a dump")
    }
}
