//! Paths on dumps made by hand.

use goheap_format::{Arch, Fields, Finalizer, Object, Params, Record, Segment, Writer};
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeField, TypeId, TypeOrigin, Variable};

use super::{Holders, Strength, from_head, paths_to, within};
use crate::dump::ObjectId;
use crate::graph::heads;
use crate::{Analysis, Dump, NoWatch, OpenOptions};

const HEAP: u64 = 0xc0_0000_0000;
const DATA: u64 = 0x50_0000;
const PAGE: u64 = 8192;
/// Bytes at the end of a page that tell where pointers are (runtime/mbitmap.go, go1.22).
const BITS: u64 = PAGE / 64;

/// A heap as it is made: the bytes of each object, and where its pointers are.
#[derive(Default)]
struct Made {
    catalogue: Catalogue,
    objects: Vec<(u64, Vec<u64>, Vec<u64>)>,
    data: Vec<u64>,
    pointers: Vec<u64>,
    finalizers: Vec<(u64, u64)>,
}

impl Made {
    fn ty(&mut self, kind: Kind, name: &str, size: u64) -> TypeId {
        self.catalogue.add(GoType {
            address: 0x40_0000 + 64 * self.catalogue.len() as u64,
            origin: TypeOrigin::Descriptor,
            kind,
            size,
            name: name.to_owned(),
            package: match name.starts_with("main.") {
                true => "main".to_owned(),
                false => String::new(),
            },
            elem: None,
            key: None,
            slots: None,
            len: 0,
            fields: Vec::new(),
        })
    }

    fn of(&mut self, kind: Kind, name: &str, size: u64, elem: TypeId) -> TypeId {
        let ty = self.ty(kind, name, size);
        if let Some(ty) = self.catalogue.get_mut(ty) {
            ty.elem = Some(elem);
        }
        ty
    }

    fn fields(&mut self, of: TypeId, fields: &[(&str, u64, TypeId)]) {
        if let Some(of) = self.catalogue.get_mut(of) {
            of.fields = fields
                .iter()
                .map(|(name, offset, ty)| TypeField {
                    name: (*name).to_owned(),
                    offset: *offset,
                    ty: *ty,
                    embedded: false,
                })
                .collect();
        }
    }

    /// An object of these words; those at `pointers` (counted in words) are some. Each size has pages
    /// of its own, as the allocator has it, and at their ends is no object.
    fn object(&mut self, words: &[u64], pointers: &[u64]) -> u64 {
        let size = words.len() as u64 * 8;
        let same = self
            .objects
            .iter()
            .filter(|(_, of, _)| of.len() == words.len());
        let count = same.count() as u64;
        let each = (PAGE - BITS) / size;
        let at = HEAP + (size << 20) + count / each * PAGE + count % each * size;
        let pointers = pointers.iter().map(|word| word * 8).collect();
        self.objects.push((at, words.to_vec(), pointers));
        at
    }

    fn set(&mut self, object: u64, word: usize, value: u64) {
        for (at, words, _) in &mut self.objects {
            if *at == object {
                words[word] = value;
            }
        }
    }

    /// A variable of these words.
    fn variable(&mut self, name: &str, ty: Option<TypeId>, words: &[u64], pointers: &[u64]) -> u64 {
        let address = self.data_words(words, pointers);
        self.catalogue.variables.push(Variable {
            address,
            size: words.len() as u64 * 8,
            name: name.to_owned(),
            ty,
        });
        address
    }

    /// Words of data that no variable has.
    fn data_words(&mut self, words: &[u64], pointers: &[u64]) -> u64 {
        let from = self.data.len() as u64;
        self.data.extend(words);
        self.pointers
            .extend(pointers.iter().map(|word| (from + word) * 8));
        DATA + from * 8
    }

    fn analysed(mut self) -> Analysis {
        self.objects.sort();
        let bytes =
            |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
        let mut writer = Writer::new(Vec::new());
        writer
            .write(&Record::Params(Params {
                big_endian: false,
                pointer_size: 8,
                heap_start: HEAP,
                heap_end: HEAP + (1 << 30),
                arch: Arch::Name(b"amd64"),
                go_version: b"go1.24.3",
                ncpu: 1,
            }))
            .unwrap();
        for (address, words, pointers) in &self.objects {
            writer
                .write(&Record::Object(Object {
                    address: *address,
                    contents: &bytes(words),
                    fields: Fields::Offsets(pointers),
                }))
                .unwrap();
        }
        writer
            .write(&Record::Data(Segment {
                address: DATA,
                contents: &bytes(&self.data),
                fields: Fields::Offsets(&self.pointers),
            }))
            .unwrap();
        for (object, closure) in &self.finalizers {
            writer
                .write(&Record::Finalizer(Finalizer {
                    object: *object,
                    closure: *closure,
                    code: 0,
                    argument_type: 0,
                    object_type: 0,
                }))
                .unwrap();
        }
        writer.write(&Record::Eof).unwrap();
        let bytes = writer.finish().unwrap();
        let mut dump = Dump::open(Box::new(bytes), &OpenOptions::default(), &NoWatch).unwrap();
        dump.set_catalogue(self.catalogue);
        Analysis::of(dump, &NoWatch).unwrap()
    }
}

/// `type User struct { Name string; Next *User; Any interface{}; id int }`.
struct Types {
    to_user: TypeId,
    users: TypeId,
    int: TypeId,
}

fn types(made: &mut Made) -> Types {
    let int = made.ty(Kind::Int, "int", 8);
    let string = made.ty(Kind::String, "string", 16);
    let any = made.ty(Kind::Interface, "interface {}", 16);
    let user = made.ty(Kind::Struct, "main.User", 48);
    let to_user = made.of(Kind::Pointer, "*main.User", 8, user);
    let users = made.of(Kind::Slice, "[]*main.User", 24, to_user);
    made.fields(
        user,
        &[
            ("Name", 0, string),
            ("Next", 16, to_user),
            ("Any", 24, any),
            ("id", 40, int),
        ],
    );
    Types {
        to_user,
        users,
        int,
    }
}

const USER: [u64; 3] = [0, 2, 4];

fn all(analysis: &Analysis, at: u64) -> Vec<String> {
    let (object, offset) = analysis.dump.find(at).unwrap();
    let paths = paths_to(
        analysis,
        object,
        (offset > 0).then_some(offset),
        10,
        &NoWatch,
    )
    .unwrap();
    paths.iter().map(|path| path.text()).collect()
}

#[test]
fn fields_slices_interfaces_and_what_has_no_type() {
    let mut made = Made::default();
    let t = types(&mut made);
    let user_address = made.catalogue.get(t.to_user).unwrap().address;
    let text = made.object(&[0x6162_6364, 0, 0, 0], &[]);
    let boxed = made.object(&[0; 6], &USER);
    let second = made.object(&[text, 4, 0, user_address, boxed, 7], &USER);
    let first = made.object(&[0, 0, second, 0, 0, 8], &USER);
    let array = made.object(&[0, second, first], &[0, 1, 2]);
    let hidden = made.object(&[0, 0, 0, 0], &[3]);
    let behind = made.object(&[1, 2], &[]);
    made.set(hidden, 3, behind);
    made.variable("main.users", Some(t.users), &[array, 2, 3], &[0]);
    made.variable("main.raw", None, &[0, hidden], &[1]);
    let analysis = made.analysed();

    assert_eq!(all(&analysis, array), ["main.users"]);
    assert_eq!(all(&analysis, first), ["main.users[2]"]);
    assert_eq!(
        all(&analysis, second),
        ["main.users[1]", "main.users[2].Next"]
    );
    assert_eq!(
        all(&analysis, second + 24),
        ["main.users[1].Any", "main.users[2].Next.Any"]
    );
    assert_eq!(all(&analysis, text)[0], "main.users[1].Name");
    assert_eq!(all(&analysis, boxed)[0], "main.users[1].Any.(*main.User)");
    assert_eq!(all(&analysis, behind), ["main.raw+0x8+0x18"]);
    let (second, _) = analysis.dump.find(second).unwrap();
    assert_eq!(within(&analysis, second, 40), ".id");
    assert_eq!(within(&analysis, second, 0), "");
}

#[test]
fn pointers_to_pointers_and_into_the_middle() {
    let mut made = Made::default();
    let t = types(&mut made);
    let pointer_to = made.of(Kind::Pointer, "**main.User", 8, t.to_user);
    let to_int = made.of(Kind::Pointer, "*int", 8, t.int);
    let other = made.object(&[0; 6], &USER);
    let user = made.object(&[0, 0, other, 0, 0, 1], &USER);
    let box_of = made.object(&[user], &[0]);
    made.variable("main.pp", Some(pointer_to), &[box_of], &[0]);
    let inner = made.object(&[0; 6], &USER);
    let held = made.object(&[0, 0, inner, 0, 0, 5], &USER);
    made.variable("main.typed", Some(t.to_user), &[held], &[0]);
    made.variable("main.id", Some(to_int), &[held + 40], &[0]);
    let analysis = made.analysed();
    assert_eq!(all(&analysis, box_of), ["main.pp"]);
    assert_eq!(all(&analysis, user), ["(*main.pp)"]);
    assert_eq!(all(&analysis, other), ["(*main.pp).Next"]);
    assert_eq!(all(&analysis, held), ["main.typed", "main.id"]);
    assert_eq!(
        all(&analysis, inner),
        ["main.typed.Next", "main.id.(in main.User).Next"]
    );
}

#[test]
fn static_values_have_the_name_of_the_variable_that_leads_to_them() {
    let mut made = Made::default();
    let t = types(&mut made);
    let user = made.object(&[0; 6], &USER);
    let other = made.object(&[0; 6], &USER);
    // Two static values without a name, the first leading to the second; and a static array.
    let second = DATA + 6 * 8;
    made.data_words(&[0, 0, second, 0, 0, 1], &USER);
    made.data_words(&[0, 0, user, 0, 0, 2], &USER);
    let array = made.data_words(&[0, other], &[0, 1]);
    let beyond = made.object(&[0; 6], &USER);
    made.data_words(&[0, 0, beyond], &[2]);
    made.variable("main.static", Some(t.to_user), &[DATA], &[0]);
    made.variable("main.set", Some(t.users), &[array, 2, 2], &[0]);
    let analysis = made.analysed();
    assert_eq!(all(&analysis, user), ["main.static.Next.Next"]);
    assert_eq!(all(&analysis, other), ["main.set[1]"]);
    // What lies behind the array is not of it.
    let nameless = all(&analysis, beyond);
    assert!(
        nameless[0].starts_with("variable without a name at 0x5"),
        "{nameless:?}"
    );
}

#[test]
fn the_strongest_root_comes_first() {
    let mut made = Made::default();
    let t = types(&mut made);
    let inner = made.object(&[0; 6], &USER);
    let user = made.object(&[0, 0, inner, 0, 0, 1], &USER);
    let last = made.object(&[0, 0, user, 0, 0, 1], &USER);
    let closure = made.object(&[1, 2], &[]);
    made.finalizers.push((user, closure));
    made.variable("main.last", Some(t.to_user), &[last], &[0]);
    let analysis = made.analysed();
    let (inner, _) = analysis.dump.find(inner).unwrap();
    let holders = Holders::of(&analysis, &NoWatch).unwrap();
    let path = holders.path(inner, None).unwrap();
    // The finalizer is nearer.
    assert_eq!(path.text(), "main.last.Next.Next");
    assert_eq!(path.strength, Strength::Variable);
    let (closure, _) = analysis.dump.find(closure).unwrap();
    let path = holders.path(closure, None).unwrap();
    assert_eq!(path.strength, Strength::Runtime);
    assert!(
        path.text().starts_with("finalizer of (main.User at 0xc0"),
        "{}",
        path.text()
    );
    let both = paths_to(&analysis, inner, None, 5, &NoWatch).unwrap();
    let texts: Vec<String> = both.iter().map(|path| path.text()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[1].starts_with("what has a finalizer: (main.User at 0xc0"),
        "{texts:?}"
    );
    assert!(texts[1].ends_with(").Next"), "{texts:?}");
}

#[test]
fn paths_are_merged_and_lists_are_one_way() {
    let mut made = Made::default();
    let t = types(&mut made);
    let first = made.object(&[0, 0, 0, 0, 0, 0], &USER);
    let mut next = first;
    for id in 1..500 {
        next = made.object(&[0, 0, next, 0, 0, id], &USER);
    }
    let alone: Vec<u64> = (0..3)
        .map(|id| made.object(&[0, 0, 0, 0, 0, id], &USER))
        .collect();
    let array = made.object(&alone, &[0, 1, 2]);
    let garbage = made.object(&[0; 6], &USER);
    let head = made.object(&[0, 0, garbage, 0, 0, 1], &USER);
    made.variable("main.list", Some(t.to_user), &[next], &[0]);
    made.variable("main.users", Some(t.users), &[array, 3, 3], &[0]);
    let analysis = made.analysed();
    let holders = Holders::of(&analysis, &NoWatch).unwrap();
    let is_user = |object: ObjectId| {
        let class = analysis.types.class(analysis.types.class_of(object));
        class.is_some_and(|class| class.name == "main.User")
    };
    let merged = holders.merged(is_user, &NoWatch).unwrap();
    let classes: Vec<&str> = analysis
        .types
        .classes()
        .map(|(_, class)| class.name.as_str())
        .collect();
    assert!(classes.contains(&"main.User"), "{classes:?}");
    let ways: Vec<(&str, u64, u64, u64)> = merged
        .iter()
        .map(|way| (way.signature.as_str(), way.objects, way.bytes, way.retained))
        .collect();
    assert_eq!(
        ways,
        [
            ("main.list(.Next…)", 500, 24_000, 24_000),
            ("main.users[*]", 3, 144, 144),
        ]
    );
    let (last, _) = analysis.dump.find(first).unwrap();
    let path = holders.path(last, None).unwrap();
    assert_eq!(path.text(), "main.list(.Next × 499)");
    assert_eq!(path.objects.len(), 500);

    // What no root leads to.
    let (garbage, _) = analysis.dump.find(garbage).unwrap();
    assert_eq!(holders.path(garbage, None), None);
    let reachable = |node| analysis.dominators.is_reachable(node);
    let heads = heads(&analysis.edges(), reachable, &NoWatch).unwrap();
    let (found, path) = from_head(&analysis, &heads, garbage, &NoWatch)
        .unwrap()
        .unwrap();
    assert_eq!(analysis.dump.address(found), head);
    assert!(path.ends_with(".Next") || path.ends_with("+0x10"), "{path}");
}

#[test]
fn long_paths_are_told_by_both_ends() {
    let mut made = Made::default();
    let types = types(&mut made);
    let nodes: Vec<u64> = (0..100).map(|_| made.object(&[0; 6], &USER)).collect();
    for pair in nodes.windows(2) {
        made.set(pair[0], 2, pair[1]);
    }
    made.variable("main.head", Some(types.to_user), &[nodes[0]], &[0]);
    let analysis = made.analysed();
    let holders = Holders::of(&analysis, &NoWatch).unwrap();
    let object = |place: usize| analysis.dump.find(nodes[place]).unwrap().0;
    let cut = |place, each, mut steps: u64| {
        let path = holders.cut_path(object(place), None, each, &mut steps);
        (path.unwrap(), steps)
    };
    let (whole, left) = cut(3, 8, 1000);
    assert_eq!(whole.text, "main.head.Next.Next.Next");
    assert_eq!((whole.start.len(), whole.left_out, left), (4, 0, 997));
    let (both, _) = cut(99, 3, 1000);
    assert_eq!(
        both.text,
        "main.head.Next.Next … 94 steps … (main.User).Next.Next"
    );
    assert_eq!(
        (both.start.len(), both.left_out, both.end.len()),
        (3, 94, 3)
    );
    assert_eq!(both.end.last(), Some(&object(99)));
    let (tail, left) = cut(99, 3, 20);
    assert!(
        tail.text.starts_with("… more than 18 steps …"),
        "{}",
        tail.text
    );
    assert_eq!((tail.root, left), (None, 0));
    // By way of something that it leads to itself there is none.
    let by = Some(crate::NodeId(object(50).0));
    assert_eq!(holders.cut_path(object(3), by, 8, &mut 1000), None);
}
