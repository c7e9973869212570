//! Any numbers at all as what an analysis found out of a small dump, with the right checksums: it is used or
//! not, and answers come out either way. `goheap_analysis`'s `snapshot/tests.rs` does the same with numbers
//! that are nearly right.

#![no_main]

use goheap_analysis::answers::tree::{TreeOptions, tree};
use goheap_analysis::snapshot::{VERSION, write};
use goheap_analysis::{Analysis, Dump, NoWatch, OpenOptions};
use goheap_format::annex::{self, AnnexAppender, Checksum, Class, Dominated, Note, ObjectClass};
use goheap_format::{Fields, Object, OtherRoot, Record, Writer};
use libfuzzer_sys::fuzz_target;

const OBJECTS: u64 = 40;
const HEAP: u64 = 0xc0_0000_0000;

fuzz_target!(|data: &[u8]| {
    let [classes, reachable, first, second, rest @ ..] = data else {
        return;
    };
    let (order, rest) = rest.split_at(usize::from(*first).min(rest.len()));
    let (subtree, codes) = rest.split_at(usize::from(*second).min(rest.len()));
    let records = records();
    let mut bytes = records.clone();
    let mut to = AnnexAppender::new(&mut bytes, annex::VERSION).expect("a vector takes all");
    let mut checksum = Checksum::new();
    checksum.update(&records);
    checksum.update(format!("goheap annex {}\n", annex::VERSION).as_bytes());
    let plain = open(&records);
    let told = annex::Analysis {
        version: VERSION,
        until: records.len() as u64 + to.written(),
        checksum: checksum.sum().into(),
        no_annex: true,
        objects: plain.dump.object_count().into(),
        nodes: plain.nodes.len().into(),
        reachable: (*reachable).into(),
        refused: 0,
    };
    to.add(&[Note::Analysis(told)]).expect("memory");
    let class = |number: u8| {
        Note::Class(Class {
            what: u64::from(number % 16),
            number: u64::from(number / 16),
            pointers: 0,
        })
    };
    let classes: Vec<Note<'_>> = (0..*classes % 64).map(class).collect();
    to.add(&classes).expect("memory");
    let nodes = [Note::Dominated(Dominated { order, subtree })];
    to.add(&nodes).expect("memory");
    to.add(&[Note::ObjectClass(ObjectClass { codes })]).expect("memory");
    to.finish().expect("a vector takes all");
    let analysis = open(&bytes);
    let options = TreeOptions {
        depth: 10,
        min: None,
        branches: 10,
    };
    let _ = tree(&analysis, None, &options, &NoWatch);
    // What is written of it is what it is.
    let (_, again) = write(&analysis, Vec::new(), &NoWatch).expect("it is whole");
    let again = open(&again);
    assert_eq!(again.dominators.preorder(), analysis.dominators.preorder());
    let missing = again.dump.missing();
    assert!(missing.iter().all(|why| !why.contains("not used")), "{missing:?}");
});

fn open(bytes: &[u8]) -> Analysis {
    let dump = Dump::open(Box::new(bytes.to_vec()), &OpenOptions::default(), &NoWatch);
    Analysis::of(dump.expect("ours"), &NoWatch).expect("ours")
}

fn records() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for object in 0..OBJECTS {
        let next = HEAP + (object * 7 + 1) % OBJECTS * 16;
        let record = Record::Object(Object {
            address: HEAP + object * 16,
            contents: &[next.to_le_bytes(), [0; 8]].concat(),
            fields: Fields::Offsets(&[0]),
        });
        writer.write(&record).expect("a vector takes all");
    }
    let root = OtherRoot {
        description: b"a root",
        target: HEAP,
    };
    writer.write(&Record::OtherRoot(root)).expect("a vector takes all");
    writer.write(&Record::Eof).expect("a vector takes all");
    writer.finish().expect("whole")
}
