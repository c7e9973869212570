//! A snapshot answers what its dump does; what does not fit, or cannot be, is not used, and told.

use goheap_format::annex::{
    self, AnnexAppender, AnnexReader, CapturedLength, Class, Dominated, Note, ObjectClass,
    put_difference, put_number,
};
use goheap_format::{Arch, Fields, Object, Params, Record, Segment, Writer};
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeId, Variable};

use super::*;
use crate::made::{annex_of, field, plain};
use crate::redact::redact;
use crate::{Analysis, NoWatch, ObjectId, OpenOptions};

const HEAP: u64 = 0xc0_0000_0000;
const DATA: u64 = 0x60_0000;
const OBJECTS: u64 = 600;

/// Records of objects of 32 bytes: two pointers each, to wherever; some that nothing leads to.
fn records() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let params = Params {
        big_endian: false,
        pointer_size: 8,
        heap_start: HEAP,
        heap_end: HEAP + (1 << 28),
        arch: Arch::Name(b"amd64"),
        go_version: b"go1.24.3",
        ncpu: 1,
    };
    writer.write(&Record::Params(params)).unwrap();
    let at = |object: u64| HEAP + object / 200 * 8192 + object % 200 * 32;
    let mut seed = 7u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
        (seed >> 33) % below
    };
    for object in 0..OBJECTS {
        let words = match object % 3 {
            0 => [at((object + 3) % OBJECTS), at(random(OBJECTS)), 1, 2],
            1 => [0, at(random(OBJECTS / 2)), 3, 4],
            _ => [0, 0, 5, 6],
        };
        let contents: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let fields = Fields::Offsets(&[0, 8]);
        let record = Record::Object(Object {
            address: at(object),
            contents: &contents,
            fields,
        });
        writer.write(&record).unwrap();
    }
    let contents = [at(0), at(301)].map(u64::to_le_bytes).concat();
    let fields = Fields::Offsets(&[0, 8]);
    writer
        .write(&Record::Data(Segment {
            address: DATA,
            contents: &contents,
            fields,
        }))
        .unwrap();
    writer.write(&Record::Eof).unwrap();
    writer.finish().unwrap()
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let number = catalogue.add(plain(Kind::Int, 8, "int"));
    let node = catalogue.add(plain(Kind::Struct, 32, "main.node"));
    let pointer = catalogue.add(GoType {
        elem: Some(node),
        ..plain(Kind::Pointer, 8, "*main.node")
    });
    let of = catalogue.get_mut(node).unwrap();
    of.package = "main".to_owned();
    of.fields = vec![
        field("next", 0, pointer),
        field("other", 8, pointer),
        field("a", 16, number),
        field("b", 24, number),
    ];
    for (at, name) in ["main.head", "main.tail"].into_iter().enumerate() {
        catalogue.variables.push(Variable {
            address: DATA + 8 * at as u64,
            size: 8,
            name: name.to_owned(),
            ty: Some(pointer),
        });
    }
    catalogue
}

/// The dump with an annex.
fn mended() -> Vec<u8> {
    let mut bytes = records();
    bytes.extend(annex_of(&catalogue()));
    bytes
}

fn opened(bytes: &[u8]) -> Dump {
    Dump::open(Box::new(bytes.to_vec()), &OpenOptions::default(), &NoWatch).unwrap()
}

fn analysed(bytes: &[u8]) -> Analysis {
    Analysis::of(opened(bytes), &NoWatch).unwrap()
}

fn snapshot(analysis: &Analysis) -> Vec<u8> {
    let (written, bytes) = write(analysis, Vec::new(), &NoWatch).unwrap();
    assert_eq!(written.bytes, bytes.len() as u64);
    assert_eq!(written.objects, u64::from(analysis.dump.object_count()));
    bytes
}

/// All that was found out.
fn found(of: &Analysis) -> impl PartialEq + std::fmt::Debug {
    let objects = of.dump.objects();
    let class = |object| (of.types.class_of(object), of.types.how(object));
    let nodes = 0..of.nodes.len();
    let lengths = |function| of.types.captured_lengths(function).to_vec();
    (
        objects.map(class).collect::<Vec<_>>(),
        of.types
            .classes()
            .map(|(_, c)| c.clone())
            .collect::<Vec<_>>(),
        of.dominators.preorder().to_vec(),
        nodes
            .map(|node| of.dominators.idom(node))
            .collect::<Vec<_>>(),
        of.retained.clone(),
        (0..4).map(lengths).collect::<Vec<_>>(),
        of.types.refused(),
        (of.dump.roots().to_vec(), of.dump.phantoms()),
    )
}

/// It is used, and says what `of` does.
fn assert_same(snapshot: &[u8], of: &Analysis) {
    let again = opened(snapshot);
    assert!(again.analysed().is_some());
    let again = Analysis::of(again, &NoWatch).unwrap();
    assert!(
        again.dump.analysed().is_some(),
        "{:?}",
        again.dump.missing()
    );
    assert_eq!(again.dump.missing(), of.dump.missing());
    assert_eq!(found(&again), found(of));
}

#[test]
fn of_a_dump_with_an_annex() {
    let of = analysed(&mended());
    let bytes = snapshot(&of);
    assert_same(&bytes, &of);
    assert_eq!(bytes[..records().len()], records());
    let reached = of.dominators.reachable_count();
    assert!(reached > 100 && u64::from(reached) < OBJECTS, "{reached}");
    let names: Vec<&str> = of.types.classes().map(|(_, c)| &c.name[..]).collect();
    assert!(names.contains(&"main.node"), "{names:?}");
    // A snapshot of a snapshot is that snapshot.
    assert_eq!(snapshot(&analysed(&bytes)), bytes);
}

#[test]
fn of_a_dump_without_one() {
    let of = analysed(&records());
    assert_eq!(of.dump.missing().len(), 1);
    let bytes = snapshot(&of);
    assert_same(&bytes, &of);
    assert_eq!(snapshot(&analysed(&bytes)), bytes);
    assert!(opened(&bytes).notes().digest.is_none());
}

#[test]
fn what_an_executable_told_is_in_it() {
    let mut dump = opened(&records());
    dump.set_catalogue(catalogue());
    let of = Analysis::of(dump, &NoWatch).unwrap();
    let bytes = snapshot(&of);
    assert_same(&bytes, &of);
    assert!(of.dump.missing().is_empty());
    // With another catalogue the analysis is another.
    let mut again = opened(&snapshot(&analysed(&records())));
    again.set_catalogue(catalogue());
    assert!(again.analysed().is_none());
    let again = Analysis::of(again, &NoWatch).unwrap();
    assert_eq!(found(&again), found(&of));
    assert_same(&snapshot(&again), &of);
}

#[test]
fn redacted_it_is_what_its_dump_is_redacted() {
    for bytes in [mended(), records()] {
        let of = analysed(&bytes);
        let redacted = |bytes: &[u8]| {
            let dump = opened(bytes);
            redact(&dump, &of.types, Vec::new(), &NoWatch).unwrap().1
        };
        let plain = redacted(&bytes);
        assert_eq!(redacted(&snapshot(&of)), plain);
        assert!(opened(&plain).analysed().is_none());
        let of = analysed(&plain);
        assert_same(&snapshot(&of), &of);
    }
}

#[test]
fn a_damaged_dump_has_none() {
    let whole = mended();
    let options = OpenOptions { damaged: true };
    let open = |bytes: &[u8]| {
        let dump = Dump::open(Box::new(bytes.to_vec()), &options, &NoWatch).unwrap();
        write(&Analysis::of(dump, &NoWatch).unwrap(), Vec::new(), &NoWatch).map(|_| ())
    };
    let cut = open(&whole[..records().len() - 4]);
    assert!(matches!(cut, Err(SnapshotError::Damaged)), "{cut:?}");
    let cut = open(&whole[..whole.len() - 4]);
    assert!(matches!(cut, Err(SnapshotError::Annex(_))), "{cut:?}");
}

/// What a snapshot says; each may be made wrong.
#[derive(Clone)]
pub(super) struct Said {
    told: Option<annex::Analysis>,
    until: Option<u64>,
    classes: Vec<Class>,
    lengths: Vec<CapturedLength>,
    order: Vec<u64>,
    subtree: Vec<u64>,
    codes: Vec<u64>,
    /// Bytes behind the codes.
    more: Vec<u8>,
}

impl Said {
    fn of(of: &Analysis) -> Said {
        let (order, _, subtree) = of.dominators.places();
        let class = |class: crate::types::StoredClass| Class {
            what: class.what,
            number: class.number,
            pointers: class.pointers,
        };
        Said {
            told: None,
            until: None,
            classes: of.types.stored_classes().map(class).collect(),
            lengths: Vec::new(),
            order: order.iter().map(|node| u64::from(*node)).collect(),
            subtree: subtree.iter().map(|size| u64::from(*size)).collect(),
            codes: of.types.stored_codes().collect(),
            more: Vec::new(),
        }
    }

    /// The snapshot that says it, its checksums right.
    fn bytes(&self, of: &Analysis) -> Vec<u8> {
        let whole = of.dump.bytes();
        let records = usize::try_from(of.dump.records_len()).unwrap();
        let mut bytes = whole[..records].to_vec();
        let mut annex = Vec::new();
        let mut to = AnnexAppender::new(&mut annex, annex::VERSION).unwrap();
        let mut reader = AnnexReader::open(&whole[records..], 0).unwrap().unwrap();
        while let Some(block) = reader.next_block().unwrap() {
            let end = usize::try_from(reader.position()).unwrap();
            let start = usize::try_from(block.offset()).unwrap();
            let block = (&whole[records..][start..end], block.row_count());
            to.copy(block.0, block.1).unwrap();
        }
        let until = records as u64 + to.written();
        let mut checksum = Checksum::new();
        checksum.update(&bytes);
        checksum.update(to.sink());
        let told = annex::Analysis {
            version: VERSION,
            until: self.until.unwrap_or(until),
            checksum: checksum.sum().into(),
            no_annex: false,
            objects: of.dump.object_count().into(),
            nodes: of.nodes.len().into(),
            reachable: of.dominators.reachable_count().into(),
            refused: of.types.refused(),
        };
        to.add(&[Note::Analysis(self.told.unwrap_or(told))])
            .unwrap();
        let classes: Vec<_> = self.classes.iter().map(|c| Note::Class(*c)).collect();
        to.add(&classes).unwrap();
        let lengths = self.lengths.iter();
        let lengths: Vec<_> = lengths.map(|l| Note::CapturedLength(*l)).collect();
        to.add(&lengths).unwrap();
        let (mut order, mut subtree, mut codes) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = 0;
        for node in &self.order {
            put_difference(&mut order, before, *node);
            before = *node;
        }
        self.subtree
            .iter()
            .for_each(|size| put_number(&mut subtree, *size));
        self.codes
            .iter()
            .for_each(|code| put_number(&mut codes, *code));
        codes.extend(&self.more);
        let (order, subtree, codes) = (&order[..], &subtree[..], &codes[..]);
        to.add(&[Note::Dominated(Dominated { order, subtree })])
            .unwrap();
        to.add(&[Note::ObjectClass(ObjectClass { codes })]).unwrap();
        to.finish().unwrap();
        bytes.extend(annex);
        bytes
    }
}

/// It is not used, for that reason, and the answers are those of its dump.
fn assert_unfit(bytes: &[u8], of: &Analysis, why: &str) {
    let again = analysed(bytes);
    let [missing] = again.dump.missing() else {
        panic!("{:?} instead of {why}", again.dump.missing());
    };
    assert!(
        missing.starts_with("what its analysis found out is not used"),
        "{missing}"
    );
    assert!(missing.contains(why), "{missing}, not {why}");
    assert_eq!(found(&again), found(of), "{why}");
}

#[test]
fn what_cannot_be_is_not_used() {
    let of = analysed(&mended());
    let said = Said::of(&of);
    assert_same(&said.bytes(&of), &of);
    let wrong = |change: &dyn Fn(&mut Said), why: &str| {
        let mut said = said.clone();
        change(&mut said);
        assert_unfit(&said.bytes(&of), &of, why);
    };
    let last = said.order.len() - 1;
    let none = "its tree of dominators is none";
    wrong(&|s| s.order[3] = s.order[2], none);
    wrong(&|s| s.order.swap(0, 1), none);
    wrong(&|s| s.order[5] = u64::from(of.nodes.len()), none);
    wrong(&|s| s.order[5] = 1 << 40, "is no number");
    wrong(&|s| s.order[5] = u64::MAX, "is no number");
    wrong(&|s| s.order.truncate(last), "fewer nodes");
    wrong(&|s| s.order.push(1), "more nodes");
    wrong(&|s| s.subtree[last] = 0, none);
    wrong(&|s| s.subtree[last] = 2, none);
    wrong(&|s| s.subtree[1] = 1 << 31, none);
    wrong(&|s| s.subtree[1] = u64::from(u32::MAX), none);
    wrong(&|s| s.subtree[0] -= 1, none);
    wrong(&|s| s.subtree[0] += 1, none);
    wrong(&|s| s.subtree[2] = 1 << 33, "is no number");
    wrong(&|s| s.subtree.truncate(last), none);
    wrong(&|s| s.subtree.push(1), "more nodes");
    let class = "an object has a class that is not there";
    wrong(&|s| s.codes[9] = (s.classes.len() as u64) << 3, class);
    wrong(&|s| s.codes[9] = u64::MAX, class);
    wrong(&|s| s.codes.push(0), class);
    wrong(&|s| s.more = vec![0x80], class);
    wrong(&|s| s.codes.truncate(5), "not all objects have a class");
    wrong(&|s| s.classes.truncate(1), class);
    let cannot = "it has a class that cannot be";
    let types = of.dump.catalogue().len() as u64;
    for (what, number) in [(1, types), (1, u64::MAX), (13, 0), (14, 4), (15, 0), (3, 1)] {
        let pointers = 0;
        let class = Class {
            what,
            number,
            pointers,
        };
        wrong(&|s| s.classes.push(class), cannot);
    }
    wrong(&|s| s.classes.push(s.classes[0]), cannot);
    wrong(
        &|s| {
            let size = |number| Class {
                what: 0,
                number,
                pointers: 0,
            };
            s.classes.extend((1000..1000 + OBJECTS).map(size));
        },
        cannot,
    );
    let length = CapturedLength {
        function: 0,
        offset: 8,
        size: 8,
    };
    wrong(&|s| s.lengths.push(length), "a closure of no function");
}

#[test]
fn of_another_dump_or_analysis_it_is_not_used() {
    let of = analysed(&mended());
    let whole = snapshot(&of);
    let told = opened(&whole).analysed().unwrap().told;
    assert_eq!(
        fits(&told, [Ok::<_, ()>(&whole[..told.until as usize])]).map(|f| f.is_ok()),
        Ok(true)
    );
    let wrong = |told: annex::Analysis, why: &str| {
        let mut said = Said::of(&of);
        said.told = Some(told);
        assert_unfit(&said.bytes(&of), &of, why);
    };
    let version = VERSION + 1;
    wrong(
        annex::Analysis { version, ..told },
        "of version 2 of the analysis",
    );
    let until = told.until - 1;
    wrong(annex::Analysis { until, ..told }, "it is of the first");
    let checksum = told.checksum ^ 1 << 40;
    wrong(
        annex::Analysis { checksum, ..told },
        "the checksum of what is before it",
    );
    wrong(
        annex::Analysis {
            objects: 599,
            ..told
        },
        "of 599 objects, and there are 600",
    );
    let nodes = u64::MAX;
    wrong(annex::Analysis { nodes, ..told }, "nodes, and there are");
    let reachable = u64::MAX;
    wrong(
        annex::Analysis { reachable, ..told },
        "more nodes are reachable",
    );

    // A number of an object that is another now.
    let mut other = whole.clone();
    let at = records().len() - 200;
    other[at] ^= 1;
    assert!(opened(&other).analysed().is_some());
    let again = analysed(&other);
    assert!(
        again.dump.analysed().is_none(),
        "{:?}",
        again.dump.missing()
    );
    let fit = fits(&told, [Ok::<_, ()>(&other[..told.until as usize])]).unwrap();
    assert!(matches!(fit, Err(Unfit::Checksum { .. })));
    // Cut off, it is found out anew.
    let cut = &whole[..whole.len() - 30];
    assert_unfit(cut, &of, "it was cut off");
}

/// Any numbers at all: nothing panics, and what is used holds together.
#[test]
fn any_numbers_at_all() {
    let of = analysed(&mended());
    let right = Said::of(&of);
    let mut seed = 11u64;
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below.max(1)
    };
    let mut used = 0;
    for _ in 0..400 {
        let mut said = right.clone();
        for _ in 0..=random(3) {
            let list = match random(3) {
                0 => &mut said.order,
                1 => &mut said.subtree,
                _ => &mut said.codes,
            };
            let (one, two) = (random(list.len()), random(list.len()));
            match random(4) {
                0 => list.swap(one, two),
                1 => list[one] = random(1 << 12) as u64,
                2 => list[one] = u64::MAX >> random(64),
                _ => list.truncate(one),
            }
        }
        let again = analysed(&said.bytes(&of));
        let Some(_) = again.dump.analysed() else {
            assert_eq!(found(&again), found(&of));
            continue;
        };
        used += 1;
        let tree = &again.dominators;
        for node in 0..tree.node_count() {
            if let Some(above) = tree.idom(node) {
                assert!(tree.dominates(above, node) && !tree.dominates(node, above));
                assert!(tree.children(above).any(|child| child == node));
            }
        }
        for object in again.dump.objects() {
            assert!(again.types.class(again.types.class_of(object)).is_some());
            assert!(again.types.how(ObjectId(object.0)) <= crate::types::How::Guess);
        }
    }
    assert!(used > 10, "{used} of them can be");
}

/// A type of the catalogue is told by number, so that its name is the catalogue's.
#[test]
fn names_are_those_of_the_catalogue() {
    let of = analysed(&mended());
    let stored: Vec<_> = of.types.stored_classes().collect();
    let node = of.dump.catalogue().named("main.node");
    let (id, _) = of
        .types
        .classes()
        .find(|(_, class)| class.name == "main.node")
        .unwrap();
    let number = stored[id.0 as usize].number;
    assert_eq!(node, Some(TypeId(number as u32)));
}
