//! A dump whose every name and text is made to do harm: as markup, as Markdown, to a terminal, or by
//! its length.

use goheap_analysis::put_catalogue;
use goheap_format::annex::AnnexWriter;
use goheap_format::{Arch, Fields, Goroutine, Object, Params, Record, Segment, StackFrame, Writer};
use goheap_golang::Kind;
use goheap_golang::catalogue::{
    Catalogue, Function, GoType, TypeField, TypeId, TypeOrigin, Variable,
};

/// Names that are more than names.
pub(crate) fn harmful() -> Vec<String> {
    let mut names: Vec<String> = [
        "main.<script>alert(1)</script>",
        "main.\"><img src=x onerror=alert(1)>",
        "main.</title></style></details></table><iframe src=//evil.example>",
        "main.x' onmouseover='alert(1)",
        "main.&lt;b&gt;&#60;script&#62;",
        "main.`code` ``two`` `",
        "main.| a | b |\\| c \\",
        "main.[click](https://evil.example/) ![i](https://evil.example/i.png)",
        "main.<https://evil.example> www.evil.example someone@evil.example",
        "main.@everyone #1 :tada: $`x`$",
        "main.\n\n# Heading\n\n<b>bold</b>\n\n```\n",
        "main.\r\n- list\r\n1. list\r\n> quote\r\n---\r\n",
        "main.\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}31m",
        "main.\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}\u{ad}",
        "main.*bold* _it_ ~~gone~~ ***",
        "main.<!-- comment --><![CDATA[x]]>",
        "main.{{7*7}} ${7*7} <%= 7 %>",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(format!("main.{}", "x".repeat(1 << 20)));
    names.push(format!("main.{}", "<b>`|".repeat(1 << 18)));
    names
}

const HEAP: u64 = 0xc0_0000_0000;
const DATA: u64 = 0x60_0000;
/// Bytes of an object.
const SIZE: u64 = 65_536;

struct Made {
    catalogue: Catalogue,
    writer: Writer<Vec<u8>>,
    data: Vec<u64>,
    next: u64,
}

impl Made {
    fn ty(&mut self, name: &str, kind: Kind, size: u64, elem: Option<TypeId>) -> TypeId {
        let address = 0x50_0000 + self.catalogue.len() as u64 * 0x100;
        self.catalogue.add(GoType {
            address,
            origin: TypeOrigin::Descriptor,
            kind,
            size,
            name: name.to_owned(),
            package: "main".to_owned(),
            elem,
            key: None,
            slots: None,
            len: 0,
            fields: Vec::new(),
        })
    }

    fn field(&mut self, of: TypeId, name: &str, offset: u64, ty: TypeId) {
        let fields = &mut self.catalogue.get_mut(of).expect("a type").fields;
        fields.push(TypeField {
            name: name.to_owned(),
            offset,
            ty,
            embedded: false,
        });
    }

    fn object(&mut self, bytes: &[u8], size: u64, pointers: &[u64]) -> u64 {
        let address = self.next;
        self.next += size;
        let mut contents = bytes.to_vec();
        contents.resize(size as usize, 0);
        self.writer
            .write(&Record::Object(Object {
                address,
                contents: &contents,
                fields: Fields::Offsets(pointers),
            }))
            .expect("a record");
        address
    }
}

/// A dump in which each name is that of a type, of a field, of a variable, of a function and of a wait
/// reason, and lies in the heap as a string, twice.
pub(crate) fn dump(names: &[String]) -> Vec<u8> {
    let mut made = Made {
        catalogue: Catalogue::default(),
        writer: Writer::new(Vec::new()),
        data: Vec::new(),
        next: HEAP,
    };
    made.writer
        .write(&Record::Params(Params {
            big_endian: false,
            pointer_size: 8,
            heap_start: HEAP,
            heap_end: HEAP + (1 << 30),
            arch: Arch::Name(b"amd64"),
            go_version: b"go1.21.13",
            ncpu: 1,
        }))
        .expect("a record");
    let string = made.ty("string", Kind::String, 16, None);
    for (name, number) in names.iter().zip(0u64..) {
        let ty = made.ty(name, Kind::Struct, SIZE, None);
        let pointer = made.ty(&format!("*{name}"), Kind::Pointer, 8, Some(ty));
        made.field(ty, name, 0, pointer);
        made.field(ty, "text", 8, string);
        made.field(ty, "again", 24, string);
        let text = &name.as_bytes()[..name.len().min(64)];
        let first = made.object(text, 64, &[]);
        let second = made.object(text, 64, &[]);
        let mut next = 0;
        // The first object is held by the field of that name.
        for _ in 0..2 {
            let words = [next, first, text.len() as u64, second, text.len() as u64];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            next = made.object(&bytes, SIZE, &[0, 8, 24]);
        }
        made.data.push(next);
        made.catalogue.variables.push(Variable {
            address: DATA + number * 8,
            size: 8,
            name: name.clone(),
            ty: Some(pointer),
        });
        made.catalogue.functions.push(Function {
            entry: 0x40_0000 + number * 0x100,
            name: name.clone(),
            closure: None,
        });
    }
    for (name, number) in names.iter().zip(1u64..) {
        let sp = HEAP + (2 << 30) + number * 0x1000;
        made.writer
            .write(&Record::Goroutine(Goroutine {
                address: 0x70_0000 + number * 0x100,
                sp,
                id: number,
                created_at: 0x40_0001 + (number - 1) * 0x100,
                status: 4,
                system: false,
                background: false,
                waiting_since: 0,
                wait_reason: name.as_bytes(),
                context: 0,
                m: 0,
                defers: 0,
                panics: 0,
            }))
            .expect("a record");
        made.writer
            .write(&Record::StackFrame(StackFrame {
                sp,
                depth: 0,
                child_sp: 0,
                contents: &[0; 16],
                entry: 0x40_0000 + (number - 1) * 0x100,
                pc: 0x40_0010 + (number - 1) * 0x100,
                continue_pc: 0x40_0010 + (number - 1) * 0x100,
                function: name.as_bytes(),
                fields: Fields::Offsets(&[]),
            }))
            .expect("a record");
    }
    let bytes: Vec<u8> = made
        .data
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let pointers: Vec<u64> = (0..made.data.len() as u64).map(|word| word * 8).collect();
    made.writer
        .write(&Record::Data(Segment {
            address: DATA,
            contents: &bytes,
            fields: Fields::Offsets(&pointers),
        }))
        .expect("a record");
    made.writer.write(&Record::Eof).expect("a record");
    let mut bytes = made.writer.finish().expect("a dump");
    let mut annex = AnnexWriter::new();
    put_catalogue(&made.catalogue, &mut annex).expect("notes");
    annex.finish(&mut bytes).expect("an annex");
    bytes
}
