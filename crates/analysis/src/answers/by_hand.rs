//! Dumps made by hand, for tests: a few objects, goroutines and variables, with their types.

use std::collections::HashMap;

use goheap_format::{
    Defer, Fields, Goroutine, MemStats, Object, Params, Record, Segment, StackFrame, Writer,
};
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, KnownLayouts, TypeField, TypeId, TypeOrigin};
use goheap_image::layout::{Member, Shape, TypeLayout};

use crate::{Analysis, Dump, NoWatch, OpenOptions};

/// Where variables are.
pub(super) const DATA: u64 = 0x60_0000;

/// A goroutine with one frame of its own.
#[derive(Clone, Default)]
pub(super) struct Routine {
    pub(super) g: u64,
    pub(super) id: u64,
    pub(super) status: u64,
    pub(super) reason: &'static str,
    pub(super) since: u64,
    pub(super) system: bool,
    pub(super) function: &'static str,
    pub(super) created_at: u64,
    /// Words of its frame, all of them pointers.
    pub(super) frame: Vec<u64>,
    /// Its deferred calls: the `_defer`, and the closure.
    pub(super) defers: Vec<(u64, u64)>,
}

/// What a dump is to have.
#[derive(Clone, Default)]
pub(super) struct World {
    /// Address, words, and which of these are pointers.
    pub(super) objects: Vec<(u64, Vec<u64>, Vec<u64>)>,
    pub(super) routines: Vec<Routine>,
    /// Words of the data segment, all of them pointers.
    pub(super) data: Vec<u64>,
    pub(super) mem_stats: Option<MemStats>,
    pub(super) catalogue: Catalogue,
}

impl World {
    /// Adds an object; `pointers` are numbers of words.
    pub(super) fn object(&mut self, at: u64, words: &[u64], pointers: &[u64]) -> u64 {
        let pointers = pointers.iter().map(|word| word * 8).collect();
        self.objects.push((at, words.to_vec(), pointers));
        at
    }

    /// An object of bytes.
    pub(super) fn bytes(&mut self, at: u64, bytes: &[u8], size: usize) -> u64 {
        let mut all = bytes.to_vec();
        all.resize(size, 0);
        let words: Vec<u64> = all
            .chunks(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect();
        self.object(at, &words, &[])
    }

    /// Adds a variable: so many words of data from `word` on.
    pub(super) fn variable(&mut self, name: &str, word: u64, words: u64, ty: Option<TypeId>) {
        self.catalogue
            .variables
            .push(goheap_golang::catalogue::Variable {
                address: DATA + word * 8,
                size: words * 8,
                name: name.to_owned(),
                ty,
            });
    }

    pub(super) fn ty(&mut self, name: &str, kind: Kind, size: u64, elem: Option<TypeId>) -> TypeId {
        let address = 0x50_0000 + self.catalogue.len() as u64 * 0x100;
        self.catalogue.add(GoType {
            address,
            origin: TypeOrigin::Descriptor,
            kind,
            size,
            name: name.to_owned(),
            package: match name.split_once('.') {
                Some((package, _)) if kind == Kind::Struct => package.to_owned(),
                _ => String::new(),
            },
            elem,
            key: None,
            slots: None,
            len: 0,
            fields: Vec::new(),
        })
    }

    pub(super) fn field(&mut self, of: TypeId, name: &str, offset: u64, ty: TypeId) {
        let fields = &mut self.catalogue.get_mut(of).unwrap().fields;
        fields.push(TypeField {
            name: name.to_owned(),
            offset,
            ty,
            embedded: false,
        });
    }

    /// Layouts of `runtime.g` (64 bytes: `waiting` at 8, `stack` at 16, `_defer`
    /// at 32) and of `runtime.sudog` (48:
    /// `g`, `next`, `elem`, `c`, `waitlink`).
    pub(super) fn runtime_layouts(&mut self) {
        let word = |name: &str, offset| Member {
            name: name.to_owned(),
            offset,
            type_name: "uintptr".to_owned(),
        };
        let strukt = |size, members| TypeLayout {
            size,
            shape: Shape::Struct { members },
        };
        let mut stack = word("stack", 16);
        stack.type_name = "runtime.stack".to_owned();
        let layouts: HashMap<String, TypeLayout> = [
            (
                "uintptr",
                TypeLayout {
                    size: 8,
                    shape: Shape::Scalar,
                },
            ),
            (
                "runtime.stack",
                strukt(16, vec![word("lo", 0), word("hi", 8)]),
            ),
            (
                "runtime.g",
                strukt(64, vec![word("waiting", 8), stack, word("_defer", 32)]),
            ),
            (
                "runtime.sudog",
                strukt(
                    48,
                    vec![
                        word("g", 0),
                        word("next", 8),
                        word("elem", 16),
                        word("c", 24),
                        word("waitlink", 32),
                    ],
                ),
            ),
        ]
        .map(|(name, layout)| (name.to_owned(), layout))
        .into();
        self.catalogue.layouts = KnownLayouts(layouts);
    }

    /// The dump's bytes.
    fn written(&self) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        writer
            .write(&Record::Params(Params {
                big_endian: false,
                pointer_size: 8,
                heap_start: 0xc0_0000_0000,
                heap_end: 0xc0_1000_0000,
                arch: goheap_format::Arch::Name(b"amd64"),
                go_version: b"go1.21.13",
                ncpu: 1,
            }))
            .unwrap();
        let bytes = |words: &[u64]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        for (address, words, pointers) in &self.objects {
            writer
                .write(&Record::Object(Object {
                    address: *address,
                    contents: &bytes(words),
                    fields: Fields::Offsets(pointers),
                }))
                .unwrap();
        }
        for (routine, number) in self.routines.iter().zip(1u64..) {
            let sp = 0xc0_2000_0000 + number * 0x1000;
            writer
                .write(&Record::Goroutine(Goroutine {
                    address: routine.g,
                    sp,
                    id: routine.id,
                    created_at: routine.created_at,
                    status: routine.status,
                    system: routine.system,
                    background: false,
                    waiting_since: routine.since,
                    wait_reason: routine.reason.as_bytes(),
                    context: 0,
                    m: 0,
                    defers: routine.defers.first().map_or(0, |(defer, _)| *defer),
                    panics: 0,
                }))
                .unwrap();
            let pointers: Vec<u64> = (0..routine.frame.len() as u64).map(|n| n * 8).collect();
            writer
                .write(&Record::StackFrame(StackFrame {
                    sp,
                    depth: 0,
                    child_sp: 0,
                    contents: &bytes(&routine.frame),
                    entry: 0x40_0000,
                    pc: 0x40_0010,
                    continue_pc: 0x40_0010,
                    function: routine.function.as_bytes(),
                    fields: Fields::Offsets(&pointers),
                }))
                .unwrap();
            for (defer, closure) in &routine.defers {
                writer
                    .write(&Record::Defer(Defer {
                        address: *defer,
                        g: routine.g,
                        sp,
                        pc: 0x40_0010,
                        closure: *closure,
                        code: 0,
                        link: 0,
                    }))
                    .unwrap();
            }
        }
        let pointers: Vec<u64> = (0..self.data.len() as u64).map(|n| n * 8).collect();
        writer
            .write(&Record::Data(Segment {
                address: DATA,
                contents: &bytes(&self.data),
                fields: Fields::Offsets(&pointers),
            }))
            .unwrap();
        if let Some(stats) = &self.mem_stats {
            writer
                .write(&Record::MemStats(Box::new(stats.clone())))
                .unwrap();
        }
        writer.write(&Record::Eof).unwrap();
        writer.finish().unwrap()
    }

    pub(super) fn dump(&self) -> Dump {
        self.cut(0)
    }

    /// The dump without its last bytes, opened as damaged.
    pub(super) fn cut(&self, bytes: usize) -> Dump {
        let mut written = self.written();
        written.truncate(written.len() - bytes);
        let options = OpenOptions { damaged: bytes > 0 };
        let mut dump = Dump::open(Box::new(written), &options, &NoWatch).unwrap();
        dump.set_catalogue(self.catalogue.clone());
        dump
    }

    pub(super) fn analysis(&self) -> Analysis {
        Analysis::of(self.dump(), &NoWatch).unwrap()
    }
}
