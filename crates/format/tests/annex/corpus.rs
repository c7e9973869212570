//! The fuzz target's corpus, as plain tests.

use std::fs;
use std::path::PathBuf;

use goheap_format::annex::{Gap, Note, Span};

use crate::hand::{self, Block, bytes};
use crate::{annex_of, read};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/annex")
}

#[test]
fn every_file_of_the_corpus() {
    let (mut files, mut whole) = (0, 0);
    for entry in fs::read_dir(corpus()).expect("the corpus is in the repository") {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        let (_, error) = read(&fs::read(&path).unwrap());
        whole += u32::from(error.is_none());
        files += 1;
    }
    assert!(files >= 8, "only {files} files");
    assert!(whole >= 4, "only {whole} whole annexes");
}

/// Writes the hand-made part of the corpus; run it when the annex gains a section:
/// `cargo test -p goheap-format --test annex -- --ignored`
#[test]
#[ignore = "writes into the repository"]
fn write_the_seeds() {
    let dir = corpus();
    fs::create_dir_all(&dir).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).unwrap();
    let notes = crate::roundtrip::one_of_each();
    let all = annex_of(&notes);
    write("one_of_each", &all);
    write("empty", &annex_of(&[]));
    write("cut_off", &all[..all.len() / 3]);
    write("damaged", &{
        let mut damaged = all.clone();
        damaged[all.len() / 2] ^= 1;
        damaged
    });
    let spans: Vec<Note<'_>> = (0..500)
        .map(|i| {
            Note::Span(Span {
                base: 0xc0_0000_0000 + i * 8192,
                bytes: 8192,
                elem_size: 64,
                capacity: 128,
                objects: i % 129,
                span_class: 10,
                unswept: false,
            })
        })
        .collect();
    write("compressed", &annex_of(&spans));
    write(
        "gap",
        &annex_of(&[Note::Gap(Gap {
            what: b"w",
            address: u64::MAX,
            why: b"y",
        })]),
    );
    let later = Block::new(
        "later",
        1,
        vec![("text", 3, bytes(b"x")), ("odd", 77, vec![1])],
    );
    write(
        "later",
        &hand::annex("goheap annex 1.9\n", &[later.encode()], 1),
    );
    write("version_2", &hand::annex("goheap annex 2.0\n", &[], 0));
    let bomb = zstd::bulk::compress(&vec![0; 1 << 22], 1).unwrap();
    let mut block = Block::new("later", 1, vec![("number", 1, vec![0])]);
    block.storage = 1;
    let block = block.encode_with(&bomb, 100, bomb.len() as u64);
    write("bomb", &hand::annex("goheap annex 1.0\n", &[block], 1));
}
